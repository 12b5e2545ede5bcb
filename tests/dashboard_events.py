"""What the two panels show that list events: a node's timeline, and visits; found by Polars."""

from collections.abc import Iterator, Mapping

import polars as pl

from grafana.style import HOLD_CODES, HOLDER_CODES, OF_HOLDS, OUTCOME_CODES
from tests.dashboard_seen import JUDGED, Seen

WORST = ["fail", "error", "timeout", "node_fail", "warn"]
"""Outcomes that are shown first; a pass is shown last."""

_MOST_BATCHES, _MOST = 200, 500
_TIMELINE = pl.Schema({"time": pl.Datetime("ms", "UTC"), "what": pl.String(), "Value": pl.Int64()})


def happened(seen: Seen) -> pl.DataFrame:
    """Return how checks ended, which reactions stood, and who held the node, each at its time."""
    results = seen.results.select(
        time="finished_at", what="check_name", Value=_coded("outcome", OUTCOME_CODES)
    )
    nobody = pl.when(pl.col("holder_kind") == "").then(pl.lit("nobody")).otherwise("holder_kind")
    held = seen.chosen(seen.within(seen.history.nodes, "seen_at")).select(
        time="seen_at", what=pl.lit("· held by"), Value=_coded(nobody, HOLDER_CODES)
    )
    stood = pl.DataFrame([*_stood(seen)], schema=_TIMELINE, orient="row")
    return pl.concat([one.cast(_TIMELINE) for one in (results, held, stood)])


def _coded(column: str | pl.Expr, codes: Mapping[str, int]) -> pl.Expr:
    named = pl.col(column) if isinstance(column, str) else column
    return named.replace_strict(codes, return_dtype=pl.Int64)


def _stood(seen: Seen) -> Iterator[tuple[object, str, int]]:
    """Yield, of each kind, a row where a reaction began or ceased to stand: whether any does."""
    since, until = seen.shown.since, seen.shown.until
    reactions = seen.standing.drop_nulls("done_at")
    for kind in (one for one in OF_HOLDS if one != "none"):
        changes = [
            (at, change)
            for done, ended in reactions.filter(kind=kind).select("done_at", "ended_at").iter_rows()
            if ended is None or ended >= since
            for at, change in ((max(done, since), 1), (ended, -1))
            if at is not None and at <= until
        ]
        for at, _ in changes:
            standing = sum(change for when, change in changes if when <= at)
            yield at, f"· {kind}", HOLD_CODES[kind if standing > 0 else "none"]


def visits(seen: Seen) -> pl.DataFrame:
    """Return what counts of each visit of the newest batches, the worst first."""
    first, last = (f"{at:%Y%m%dT%H%M%SZ}" for at in (seen.shown.since, seen.shown.until))
    planned = pl.col("batch").is_between(pl.lit(first), pl.lit(f"{last}~"))
    batches = pl.concat(
        _of_batches(seen, rows.filter(planned)).select("batch")
        for rows in (seen.history.results, seen.history.plans)
    )
    newest = batches.unique().sort("batch", descending=True).head(_MOST_BATCHES)
    results = seen.history.results.join(newest, on="batch", how="semi")
    rows = _of_batches(seen, seen.chosen(results))
    place = pl.col("outcome").replace_strict(WORST, range(len(WORST)), default=len(WORST))
    last_of_all = pl.when(pl.col("outcome") == "pass").then(9).otherwise(place)
    counts = rows.sort(JUDGED, "attempt", descending=True).unique(
        ["cluster", "check_name", "batch", "task"], keep="first", maintain_order=True
    )
    return (
        counts.sort(
            last_of_all, "finished_at", "node", "check_name",
            descending=[False, True, False, False],
        )
        .head(_MOST)
        .select("node", "check_name", "outcome", "detail", "finished_at", "attempt", "job_id")
    )  # fmt: skip


def _of_batches(seen: Seen, rows: pl.DataFrame) -> pl.DataFrame:
    for column, variable in (("cluster", "cluster"), ("check_name", "check"), ("batch", "batch")):
        rows = seen.pick(rows, column, variable)
    return rows
