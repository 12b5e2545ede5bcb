"""The rows of a synthetic fleet's sweeps, of `sweep_rows` and of `coverage_samples`."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from analytics.coverage_row import CoverageRow
from analytics.frame import told_frame
from analytics.sweep_row import SweepRow, failed, lasted
from analytics.tables import COVERAGE, SWEEPS
from slurm_hooks.outcome import Outcome
from tests.fleet_nodes import Nodes
from tests.fleet_past import Ints, Past, Standing, of_ms
from tests.fleet_times import SweepTimes

HOSTS = ("login1", "login2")
_REFUSED_EVERY, _WARNED_EVERY = 97, 211
_WHY = (
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy "
    "(job submit limit, user's size and/or time limits)"
)
WARNING = (
    "the reactor has not looked at 12 results: is EpilogSlurmctld in slurm.conf, and does "
    "/shared/cluster-doctor/reactions belong to SlurmUser? As root: cluster-doctor react"
)
_SETTLED = [
    list(Outcome).index(one)
    for one in (Outcome.PREEMPTED, Outcome.CANCELLED, Outcome.NODE_FAIL, Outcome.NOT_STARTED)
]
"""The codes of what is read from Slurm's word."""


def coverage_rows(standing: Standing, nodes: Nodes) -> pl.DataFrame:
    """Return a row for each sweep: how far one check was proven then."""
    unproven = standing.unproven(nodes.at_ms)
    debts = nodes.counts(unproven, standing.columns).tolist()
    judged = standing.judged_ms
    oldest = np.where(judged > 0, judged, np.iinfo(np.int64).max).min(axis=1)
    gave_way = np.where(unproven, standing.preempted, 0)
    rows = [
        CoverageRow(
            cluster=nodes.fleet.cluster,
            at=of_ms(int(at)),
            check_name=standing.name,
            max_age_s=standing.max_age.total_seconds(),
            nodes=len(standing.nodes),
            proven=int(proven),
            failing=int(failing),
            never=int(never),
            oldest_proof=of_ms(int(old)) if old < np.iinfo(np.int64).max else None,
            debt=_named(nodes.verdicts, debts[place]),
            preempted=int(preempted),
            preempted_most=int(most),
        )
        for place, (at, proven, failing, never, old, preempted, most) in enumerate(
            zip(
                nodes.at_ms,
                (~unproven).sum(axis=1),
                standing.failing.sum(axis=1),
                (judged == 0).sum(axis=1),
                oldest,
                (gave_way > 0).sum(axis=1),
                gave_way.max(axis=1),
                strict=True,
            )
        )
    ]
    return told_frame(rows, COVERAGE)


class SweepRows:
    """The rows of `sweep_rows`: what each sweep saw of the nodes and took in of the results."""

    def __init__(self, past: Past, when: SweepTimes, nodes: Nodes) -> None:
        self._when, self._fleet = when, past.fleet
        self._names = nodes.verdicts
        everywhere = np.ones(nodes.verdict.shape, dtype=bool)
        self._counts = nodes.counts(everywhere, slice(None))
        self._place = {int(sweep): place for place, sweep in enumerate(when.done)}
        self._made(past)
        self._random = np.random.default_rng([past.fleet.seed, 109])

    def _made(self, past: Past) -> None:
        """Count what each sweep took in and submitted; what it could not, the next one did."""
        at_ms = self._when.started_ms[self._when.done]
        before = int(at_ms[0]) - 300_000
        rows = past.rows.lazy().filter(pl.col("known_ms") > before)
        known = rows.select("known_ms", "code").collect()
        self._ingested = _each(at_ms, known["known_ms"].to_numpy())
        settled = known.filter(pl.col("code").is_in(_SETTLED))
        self._settled = _each(at_ms, settled["known_ms"].to_numpy())
        batches = (
            past.rows.lazy()
            .filter(pl.col("batch").is_not_null())
            .group_by("batch")
            .agg(
                pl.col("created_ms").first(),
                pl.col("known_ms").max(),
                pl.col("node").n_unique().alias("visits"),
            )
            .filter(pl.col("created_ms") > before)
            .sort("created_ms")
            .collect()
        )
        self._closed = _each(at_ms, batches["known_ms"].to_numpy())
        self._submit(at_ms, batches)

    def _submit(self, at_ms: Ints, batches: pl.DataFrame) -> None:
        sweep = np.searchsorted(at_ms, batches["created_ms"].to_numpy())
        numbers = np.arange(len(batches))
        refused = (numbers % _REFUSED_EVERY == _REFUSED_EVERY // 2) & (sweep < len(at_ms) - 1)
        self._refused: dict[int, list[str]] = {}
        for place, batch in zip(sweep[refused], batches["batch"].to_numpy()[refused], strict=True):
            line = f"batch {batch} was not taken: {_WHY}"
            self._refused.setdefault(int(place), []).append(line)
        taken = sweep + refused
        there = taken < len(at_ms)
        size = len(at_ms)
        visits = batches["visits"].to_numpy()
        self._batches = np.bincount(taken[there], minlength=size)
        self._visits = np.bincount(taken[there], weights=visits[there], minlength=size)

    @property
    def failures(self) -> tuple[tuple[datetime, str], ...]:
        """When the sweeps began that failed, and with what."""
        began = self._when.started_ms.tolist()
        return tuple(
            (of_ms(at), error) for at, error in zip(began, self._when.errors, strict=True) if error
        )

    @property
    def refused_at(self) -> tuple[datetime, ...]:
        """When the sweeps began that Slurm refused a batch."""
        done = self._when.started_ms[self._when.done]
        return tuple(of_ms(int(done[place])) for place in sorted(self._refused))

    @property
    def warned_at(self) -> tuple[datetime, ...]:
        """When the sweeps began that warn of something."""
        done = self._when.started_ms[self._when.done]
        return tuple(of_ms(int(at)) for at in done[_WARNED_EVERY // 2 :: _WARNED_EVERY])

    def frame(self) -> pl.DataFrame:
        """Return a row for each sweep."""
        return told_frame([self._row(sweep) for sweep in range(len(self._when.errors))], SWEEPS)

    def _row(self, sweep: int) -> SweepRow:
        when, cluster = self._when, self._fleet.cluster
        started_at = of_ms(int(when.started_ms[sweep]))
        finished_at = of_ms(int(when.finished_ms[sweep]))
        host = HOSTS[sweep // 2000 % len(HOSTS)]
        if when.errors[sweep]:
            return failed(
                when.errors[sweep], cluster=cluster, host=host, started_at=started_at,
                finished_at=finished_at,
            )  # fmt: skip
        place = self._place[sweep]
        counts = _named(self._names, self._counts[place].tolist())
        warned = place % _WARNED_EVERY == _WARNED_EVERY // 2
        return SweepRow(
            cluster=cluster,
            started_at=started_at,
            finished_at=finished_at,
            duration_s=lasted(started_at, finished_at),
            host=host,
            nodes=self._fleet.nodes,
            free=sum(int(counts.get(name, 0)) for name in ("due", "fresh", "waiting")),
            verdicts=counts,
            planned=int(counts.get("due", 0)),
            batches=int(self._batches[place]),
            visits=int(self._visits[place]),
            cancelled=int(self._random.random() < 0.01),
            settled=int(self._settled[place]),
            ingested=int(self._ingested[place]),
            closed=int(self._closed[place]),
            refused=tuple(self._refused.get(place, ())),
            warnings=(WARNING,) if warned else (),
        )


def _named(names: Sequence[str], counts: Sequence[int]) -> dict[str, float]:
    """Return *counts* by their names, but for those that are none."""
    return {name: float(count) for name, count in zip(names, counts, strict=True) if count}


def _each(at_ms: Ints, times_ms: Ints) -> Ints:
    """Return how many of *times_ms* each sweep found that the one before did not."""
    sweep = np.searchsorted(at_ms, times_ms)
    return np.bincount(sweep[sweep < len(at_ms)], minlength=len(at_ms))
