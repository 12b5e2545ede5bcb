"""Batches, records and results that the tests of the history are made of."""

import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from analytics.result import Result, result
from slurm_hooks.batch import Batch, Shape, Visit
from slurm_hooks.record import Evidence, Outcome, Record, dumps
from slurm_hooks.state import State

NOW = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)
CHECKS = ("storage", "memory")
TOKEN = "5ec7e7" * 5


def new_state(root: Path) -> State:
    """Return a state directory that is ready for use."""
    root.mkdir(exist_ok=True)
    state = State(root)
    state.prepare()
    return state


def batch(number: int = 0, *, nodes: int = 4, cluster: str = "alpha") -> Batch:
    """Return a batch whose task N visits node nN."""
    return Batch(
        id=f"20300102T110000Z-{number:08x}",
        token=TOKEN,
        cluster=cluster,
        created_at=NOW - timedelta(hours=1),
        partition="background",
        shape=Shape(),
        time_limit_s=600,
        start_by=NOW,
        throttle=2,
        programs=(),
        visits=tuple(Visit(task=task, node=f"n{task}", checks=CHECKS) for task in range(nodes)),
    )


def record(
    of: Batch,
    task: int = 0,
    check: str = "storage",
    *,
    outcome: Outcome | None = Outcome.PASS,
    evidence: Evidence = Evidence.RUNNER,
    attempt: int = 0,
    ago: timedelta = timedelta(minutes=5),
    detail: str = "",
    token: str = TOKEN,
    node: str | None = None,
) -> Record:
    """Return a record as the runner (or the sweep) writes it."""
    ended = NOW - ago
    return Record(
        cluster=of.cluster,
        batch=of.id,
        task=task,
        attempt=attempt,
        check=check,
        node=node or f"n{task}",
        job_id=4711,
        token=token,
        evidence=evidence,
        outcome=outcome,
        detail=detail,
        exit_code=0,
        started_at=ended - timedelta(seconds=6),
        finished_at=ended,
        duration_s=6.0,
        metrics={"write_bytes_per_s": 1.5e9},
        log_path=f"/logs/{check}/n{task}/{check}_n{task}_20300102T115500Z.log",
    )


def put(state: State, *records: Record) -> None:
    """Write *records* to the spool, without waiting for the disk."""
    for one in records:
        (state.spool / one.file_name).write_bytes(dumps(one))


def row(
    name: str,
    *,
    node: str = "n1",
    check: str = "storage",
    outcome: Outcome = Outcome.PASS,
    evidence: Evidence = Evidence.RUNNER,
    minute: int = 0,
) -> Result:
    """Return a row of the history that ended at *minute*; *name* tells it from other visits'."""
    task = zlib.crc32(name.encode())
    made = result(
        record(batch(), task, outcome=outcome, evidence=evidence, node=node, check=check),
        outcome,
        partition="background",
        now=NOW,
    )
    ended = NOW + timedelta(minutes=minute)
    return made._replace(finished_at=ended, detail=f"{name} {outcome}")
