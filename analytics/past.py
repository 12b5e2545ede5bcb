"""What a report keeps of a history: sums for each pair, day and metric; read part by part."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

import polars as pl

from analytics import report_question as question
from analytics.durations import added, lengths
from analytics.flapping import flapping
from analytics.regression import VALUES, MetricRule, series
from analytics.reliability import onsets, pairs
from analytics.report_question import Scope, Slice
from slurm_hooks.record import Outcome

MOST_ROWS = 1_000_000
"""No more results than about this many are in memory at once, and their metrics beside them."""


_TIME = pl.Datetime("ms", "UTC")

RESULTS: pl.Schema = pl.Schema(
    {
        "node": pl.String(),
        "check_name": pl.String(),
        "outcome": pl.String(),
        "finished_at": _TIME,
        "duration_s": pl.Float64(),
        "visit": pl.UInt64(),
    }
)
"""What `report_question.outcomes` asks for."""


class Asked(Protocol):
    """What is asked: a store."""

    def query(self, sql: str, parameters: Mapping[str, object]) -> pl.DataFrame:
        """Return the rows of *sql*; raises StoreError."""
        ...


_GROUNDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A history, summed up. Its size goes with pairs, days and metrics, not with results."""

    pairs: pl.DataFrame
    """`analytics.reliability.PAIRS`."""
    flaps: pl.DataFrame
    """`analytics.flapping.FLAPS`."""
    daily: pl.DataFrame
    """day (UTC), check_name, outcome, results, node_s."""
    visits: pl.DataFrame
    """node, visits, node_fails, failures since the lemons' window began."""
    series: pl.DataFrame
    """`analytics.regression.SERIES`."""
    lengths: pl.DataFrame
    """`analytics.durations.LENGTHS`."""


def read_past(
    store: Asked,
    scope: Scope,
    rules: Sequence[MetricRule],
    *,
    recent: datetime,
    most: int = MOST_ROWS,
) -> Past:
    """Return *scope* summed up, in parts of about *most* results; lemons count from *recent* on.

    Raises:
        StoreError: the history does not answer.
    """
    found = [
        summed(_results(store, scope, of), _values(store, scope, rules, of), recent=recent)
        for of in _slices(store, scope, most)
    ]
    return Past(
        pairs=pl.concat([one.pairs for one in found]).sort("node", "check_name"),
        flaps=pl.concat([one.flaps for one in found]).sort(
            "change_share", "node", "check_name", descending=[True, False, False]
        ),
        daily=pl.concat([one.daily for one in found])
        .group_by("day", "check_name", "outcome")
        .agg(pl.col("results", "node_s").sum())
        .sort("day", "check_name", "outcome"),
        visits=pl.concat([one.visits for one in found]).sort("node"),
        series=pl.concat([one.series for one in found]).sort("node", "check_name", "metric"),
        lengths=added(pl.concat([one.lengths for one in found])),
    )


def summed(results: pl.DataFrame, values: pl.DataFrame, *, recent: datetime) -> Past:
    """Return what is kept of *results* (`outcomes`' columns) and *values* (`metrics`')."""
    day = pl.col("finished_at").dt.truncate("1d").alias("day")
    finite = pl.col("duration_s").filter(pl.col("duration_s").is_finite())
    return Past(
        pairs=pairs(results),
        flaps=flapping(results),
        daily=results.group_by(day, "check_name", "outcome").agg(
            results=pl.len().cast(pl.UInt32), node_s=finite.sum()
        ),
        visits=_visits(results, pl.col("finished_at") >= pl.lit(recent).cast(_TIME)),
        series=series(values),
        lengths=lengths(results),
    )


def empty() -> Past:
    """Return what is known where nothing was ever recorded."""
    results = pl.DataFrame(schema=RESULTS)
    values = pl.DataFrame(schema=VALUES)
    return summed(results, values, recent=datetime.min.replace(tzinfo=UTC))


def read_series(store: Asked, scope: Scope, rules: Sequence[MetricRule]) -> pl.DataFrame:
    """Return just the `analytics.regression.SERIES` of *scope*.

    Raises:
        StoreError: the history does not answer.
    """
    found = [series(_values(store, scope, rules, of)) for of in _slices(store, scope, MOST_ROWS)]
    return pl.concat(found).sort("node", "check_name", "metric")


def read_grounds(store: Asked, scope: Scope) -> pl.DataFrame:
    """Return what was said where checks did not pass, the commonest first.

    Parts are by node, so that nodes add up.

    Raises:
        StoreError: the history does not answer.
    """
    found = [store.query(*question.grounds(scope, of)) for of in _slices(store, scope, MOST_ROWS)]
    return (
        pl.concat(found)
        .group_by("check_name", "outcome", "detail")
        .agg(pl.col("results", "nodes").sum(), pl.col("last_at").max())
        .sort("results", "check_name", "outcome", "detail", descending=[True] + [False] * 3)
        .head(_GROUNDS)
    )


def _slices(store: Asked, scope: Scope, most: int) -> list[Slice]:
    rows = int(store.query(*question.size(scope)).item())
    parts = 1 + rows // most
    return [Slice(part=n, parts=parts) for n in range(parts)]


def _results(store: Asked, scope: Scope, of: Slice) -> pl.DataFrame:
    return store.query(*question.outcomes(scope, of)).select(*RESULTS).cast(RESULTS)


def _values(store: Asked, scope: Scope, rules: Sequence[MetricRule], of: Slice) -> pl.DataFrame:
    checks = sorted(_checks(scope, rules))
    if not checks:
        return pl.DataFrame(schema=VALUES)
    names = sorted({rule.metric for rule in rules if rule.check in checks})
    asked = question.metrics(replace(scope, checks=checks), names, of)
    return store.query(*asked).select(*VALUES).cast(VALUES)


def _checks(scope: Scope, rules: Sequence[MetricRule]) -> Collection[str]:
    known = {rule.check for rule in rules}
    return known & {*scope.checks} if scope.checks else known


def _visits(results: pl.DataFrame, recent: pl.Expr) -> pl.DataFrame:
    """Return what counts for lemons; a failure is one even if what came before is not *recent*."""
    visit = pl.col("visit")
    died = visit.filter((pl.col("outcome") == Outcome.NODE_FAIL.value) & (visit != 0))
    counted = (
        results.filter(recent)
        .group_by("node")
        .agg(
            visits=visit.filter(visit != 0).n_unique().cast(pl.UInt32),
            node_fails=died.n_unique().cast(pl.UInt32),
        )
    )
    failures = (
        onsets(results).filter(recent).group_by("node").agg(failures=pl.len().cast(pl.UInt32))
    )
    return (
        counted.join(failures, on="node", how="left")
        .with_columns(pl.col("failures").fill_null(0))
        .sort("node")
    )
