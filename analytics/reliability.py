"""How reliable checks and nodes are: pass rates and mean times between failures; frame to frame.

A pair is one check on one node. Every number is a sum over its judged results in the order of
time, so pairs add up to checks, to nodes, and to the fleet.
"""

import polars as pl

from analytics.keyed import KEY, keyed
from analytics.result import JUDGED
from slurm_hooks.record import Outcome

PAIR = ("node", "check_name")

Z95 = 1.959963984540054
"""The 97.5th percentile of the normal distribution."""

OUTCOMES: pl.Schema = pl.Schema(
    {
        "node": pl.String(),
        "check_name": pl.String(),
        "outcome": pl.String(),
        "finished_at": pl.Datetime("ms", "UTC"),
        "duration_s": pl.Float64(),
    }
)
"""What of a result these functions need; other columns may be there."""

PAIRS: pl.Schema = pl.Schema(
    {
        "node": pl.String(),
        "check_name": pl.String(),
        "results": pl.UInt32(),
        "judged": pl.UInt32(),
        "passed": pl.UInt32(),
        "warned": pl.UInt32(),
        "failed": pl.UInt32(),
        "failures": pl.UInt32(),
        "exposure_s": pl.Float64(),
        "node_s": pl.Float64(),
        "last_outcome": pl.String(),
        "last_at": pl.Datetime("ms", "UTC"),
        "failing_since": pl.Datetime("ms", "UTC"),
    }
)
"""A row of `pairs`."""


def pairs(results: pl.DataFrame) -> pl.DataFrame:
    """Return a row of PAIRS for each pair that *results* (OUTCOMES) know of.

    ``failures`` counts onsets: a fail right after a judged result that was none. However many
    fails follow each other, they are one failure. ``exposure_s`` is the time between judged
    results that follow one that was no fail: only then could a failure begin. A pair's first
    result is no onset, since when it began to fail is not known, and time after its last one
    is no exposure, since nobody looked. ``failing_since`` is the fail that the latest run of
    fails begins with, so far as *results* go back; null where the latest is none.
    """
    ordered = in_order(results)
    used = ordered.group_by(KEY).agg(
        *(pl.col(name).first() for name in PAIR),
        results=pl.len().cast(pl.UInt32),
        node_s=pl.col("duration_s").filter(pl.col("duration_s").is_finite()).sum(),
    )
    found = _judged(ordered).group_by(KEY).agg(
        judged=pl.len().cast(pl.UInt32),
        passed=_count(Outcome.PASS),
        warned=_count(Outcome.WARN),
        failed=_count(Outcome.FAIL),
        failures=pl.col("onset").sum().cast(pl.UInt32),
        exposure_s=pl.col("exposure_s").sum(),
        last_outcome=pl.col("outcome").last(),
        last_at=pl.col("finished_at").last(),
        failing_since=pl.col("begins").last(),
    )  # fmt: skip
    return (
        used.join(found, on=KEY, how="left")
        .with_columns(pl.col("judged", "passed", "warned", "failed", "failures").fill_null(0))
        .with_columns(pl.col("exposure_s").fill_null(0.0))
        .select(*PAIRS)
        .sort(*PAIR)
        .cast(PAIRS)
    )


def in_order(results: pl.DataFrame) -> pl.DataFrame:
    """Return *results* with the KEY of their pair, each pair's in the order of time."""
    rank = pl.col("outcome").cast(pl.Enum([one.value for one in Outcome]), strict=False)
    return keyed(results, *PAIR).sort(KEY, "finished_at", rank)


def onsets(results: pl.DataFrame) -> pl.DataFrame:
    """Return node, check_name and finished_at of each failure's first fail, as `pairs` counts."""
    found = _judged(in_order(results)).filter("onset")
    return found.select(*PAIR, "finished_at")


def rates(summary: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Return pass rate and mean time between failures of PAIRS added up for each of *by*.

    ``pass_rate`` is passes among judged results, with Wilson's 95 % interval ``rate_low`` to
    ``rate_high`` (E. B. Wilson, JASA 22, 1927), null where nothing was judged. ``mtbf_s`` is
    exposure by failures, the maximum-likelihood estimate under a constant rate with exposure
    censored on both sides; an onset lies somewhere in the interval that ends with its fail, so
    it is too long by less than that. Without a failure it is null, and ``mtbf_floor_s``, a third
    of the exposure, is its lower 95 % bound (the rule of three: Hanley and Lippman-Hand, JAMA
    249, 1983).
    """
    added = summary.group_by(*by).agg(
        pl.col("results", "judged", "passed", "warned", "failed", "failures").sum(),
        pl.col("exposure_s", "node_s").sum(),
    )
    judged, failures = pl.col("judged"), pl.col("failures")
    some = judged > 0
    low, high = wilson(pl.col("passed"), judged)
    return added.with_columns(
        pass_rate=pl.when(some).then(pl.col("passed") / judged),
        rate_low=pl.when(some).then(low),
        rate_high=pl.when(some).then(high),
        mtbf_s=pl.when(failures > 0).then(pl.col("exposure_s") / failures),
        mtbf_floor_s=pl.when((failures == 0) & (pl.col("exposure_s") > 0)).then(
            pl.col("exposure_s") / 3
        ),
    ).sort(*by)


def wilson(hits: pl.Expr, of: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Return the bounds of the share *hits* / *of*, of which at least one is known."""
    share, square = hits / of, Z95**2
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = Z95 / (1 + square / of) * (share * (1 - share) / of + square / (4 * of**2)).sqrt()
    low, high = (middle - half).clip(0, 1), (middle + half).clip(0, 1)
    return pl.min_horizontal(low, share), pl.max_horizontal(high, share)  # they may round past it


def _judged(ordered: pl.DataFrame) -> pl.DataFrame:
    """Return the judged results with what came before each in its pair."""
    fail = pl.col("outcome") == Outcome.FAIL.value
    was_fail = fail.shift(1).over(KEY)
    since_s = pl.col("finished_at").diff().over(KEY).dt.total_milliseconds() / 1000
    onset = fail & was_fail.eq(other=False).fill_null(value=False)
    return (
        ordered.filter(pl.col("outcome").is_in(JUDGED))
        .with_columns(
            onset=onset,
            exposure_s=pl.when(was_fail.eq(other=False)).then(since_s).otherwise(0.0),
            begins=pl.when(fail & ~was_fail.fill_null(value=False)).then("finished_at"),
        )
        .with_columns(begins=pl.when(fail).then(pl.col("begins").forward_fill().over(KEY)))
    )


def _count(outcome: Outcome) -> pl.Expr:
    return (pl.col("outcome") == outcome.value).sum().cast(pl.UInt32)
