"""State directories that a fleet has used: a store with its history, a spool with its records."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from analytics.embedded import EmbeddedStore
from analytics.manifest import read_manifest
from analytics.result import JUDGED
from analytics.tables import BATCHES, RESULTS
from slurm_hooks.batch import Batch, Program, Shape, Submission, Visit
from slurm_hooks.record import Evidence, Outcome, Record, dumps
from tests.benchmarks.process import Cost, Several, measured, measuring
from tests.command_line import Site, new_site
from tests.fleet import Fleet

PYTHON = Path(sys.executable)
COMMAND = PYTHON.with_name("cluster-doctor")
"""The installed command of this environment."""

TOKEN = "5ec7e7" * 5
_BULK = 50_000
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A site whose store holds a fleet's history."""

    site: Site
    fleet: Fleet
    results: int
    rows_per_s: float
    """How fast the store took the bulk of them in."""
    counts: Mapping[str, int]
    """What questions must find."""

    def ask(self, arguments: Sequence[str]) -> Cost:
        """Return what one run of cluster-doctor took."""
        return run(self.site, [str(COMMAND), *arguments])

    def answered(self) -> int:
        """Return how many lines the last answer had."""
        with output(self.site).open("rb") as lines:
            return sum(1 for _ in lines)

    def has(self, command: str) -> bool:
        """Whether cluster-doctor has the subcommand *command*."""
        asked = [str(COMMAND), command, "--help"]
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0

    @property
    def bytes_per_result(self) -> float:
        """What a result takes on disk; the plans of batches are not counted."""
        manifest = read_manifest(self.site.state.history / RESULTS.name)
        if manifest is None:
            raise AssertionError("the history has no manifest")
        return sum(segment.size for segment in manifest.segments) / self.results


def run(site: Site, argv: Sequence[str]) -> Cost:
    """Return what one run of *argv* took, with the settings of *site*."""
    env = {**os.environ, "CLUSTER_DOCTOR_SETTINGS": str(site.settings)}
    return measured(measuring(argv, output(site)), env=env, cwd=site.root, output=output(site))


def output(site: Site) -> Path:
    """Return where the last command's answer is."""
    return site.root / "answer"


def fill(root: Path, fleet: Fleet, *, node: str) -> Filled:
    """Write the history of *fleet* as sweeps leave it: in bulk, but for the last day's segments.

    Each ingest of the last day has a segment of its own. What is counted is what questions
    about *node* and about failures must find.
    """
    root.mkdir()
    site = new_site(root)
    store = EmbeddedStore(site.state.history)
    took, bulk, results = 0.0, 0, 0
    counts = {"node, a day": 0, "node, 30 days": 0, "failures, 30 days": 0}
    for rows in fleet.frames(_BULK):
        results += len(rows)
        _count(counts, rows, fleet, node)
        settled = pl.col("ingested_at") < fleet.end - _DAY
        old, recent = rows.filter(settled), rows.filter(~settled)
        for part in [old, *recent.partition_by("ingested_at", maintain_order=True)]:
            seconds = _take_in(store, part)
            if part is old:
                took, bulk = took + seconds, bulk + len(part)
    for rows in fleet.plans():
        store.append(rows, BATCHES)
    run(site, [str(COMMAND), "ingest", "--rebuild"])
    return Filled(site=site, fleet=fleet, results=results, rows_per_s=bulk / took, counts=counts)


def _take_in(store: EmbeddedStore, rows: pl.DataFrame) -> float:
    """Append *rows* and tidy up, as the ingest did that had them; return the append's seconds."""
    began = time.perf_counter()
    store.append(rows)
    took = time.perf_counter() - began
    if len(rows):
        store.tidy(now=max(rows["ingested_at"]))
    return took


def _count(counts: dict[str, int], rows: pl.DataFrame, fleet: Fleet, node: str) -> None:
    ended = pl.col("finished_at")
    month = rows.filter(ended > fleet.end - 30 * _DAY)
    of_node = month.filter(node=node)
    counts["node, a day"] += len(of_node.filter(ended > fleet.end - _DAY))
    counts["node, 30 days"] += len(of_node)
    counts["failures, 30 days"] += len(month.filter(outcome="fail"))


def ingested(root: Path, fleet: Fleet) -> tuple[int, Several]:
    """Return how many records of *fleet* one ingest took out of a spool, and what that took."""
    root.mkdir()
    site = new_site(root)
    run(site, [str(COMMAND), "ingest"])  # the first makes the snapshot
    rows = pl.concat(fleet.frames()).filter(pl.col("outcome").is_in(JUDGED))
    for part in rows.partition_by("batch"):
        _write_batch(site, part)
    for record in _records(site, rows):
        (site.state.spool / record.file_name).write_bytes(dumps(record))
    cost = run(site, [str(COMMAND), "ingest"])
    said = output(site).read_text()
    if not said.startswith(f"{len(rows):,} results ingested, 0 records waiting"):
        raise AssertionError(said)
    return len(rows), Several([cost])


def _write_batch(site: Site, rows: pl.DataFrame) -> None:
    first = rows.row(0, named=True)
    created = datetime.strptime(first["batch"][:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    visits = rows.group_by("task", "node").agg("check_name").sort("task")
    site.state.write_batch(
        Batch(
            id=first["batch"], token=TOKEN, cluster=first["cluster"], created_at=created,
            partition=first["partition"], shape=Shape(), time_limit_s=1200,
            start_by=created + timedelta(hours=1), throttle=20,
            programs=tuple(
                Program(name=name, argv=("true",), time_limit_s=300)
                for name in rows["check_name"].unique().sort()
            ),
            visits=tuple(
                Visit(task=task, node=node, checks=tuple(checks))
                for task, node, checks in visits.iter_rows()
            ),
        )
    )  # fmt: skip
    submission = Submission(job_id=first["job_id"] - first["task"], submitted_at=created)
    site.state.write_submission(first["batch"], submission)


def _records(site: Site, rows: pl.DataFrame) -> Iterator[Record]:
    for row in rows.iter_rows(named=True):
        check, node = row["check_name"], row["node"]
        took = timedelta(milliseconds=row["duration_ms"] + row["overhead_ms"])
        started_at = row["finished_at"] - took
        name = f"{check}_{node}_{started_at:%Y%m%dT%H%M%SZ}.log"
        yield Record(
            cluster=row["cluster"], batch=row["batch"], task=row["task"], attempt=row["attempt"],
            check=check, node=node, job_id=row["job_id"], token=TOKEN,
            evidence=Evidence.RUNNER, outcome=Outcome(row["outcome"]), detail=row["detail"],
            exit_code=row["exit_code"], started_at=started_at,
            finished_at=row["finished_at"], duration_s=row["duration_ms"] / 1000,
            metrics=dict(row["metrics"]),
            log_path=str(site.root / "logs" / check / node / name),
        )  # fmt: skip
