"""How long checks run: counts by length, which add up over parts of a history; frame to frame."""

from math import log

import polars as pl

from analytics.result import JUDGED

STEP = 1.02
"""Lengths within 2 % of each other are counted together, so quantiles are right to 1 %."""
SHORTEST_S = 0.001

LENGTHS: pl.Schema = pl.Schema(
    {"check_name": pl.String(), "length": pl.Int32(), "runs": pl.UInt32()}
)
"""A row of `lengths`: so many runs took between STEP to the power of length, and one more."""


def lengths(results: pl.DataFrame) -> pl.DataFrame:
    """Return how many judged *results* (check_name, outcome, duration_s) took how long."""
    took = pl.col("duration_s")
    counted = results.filter(pl.col("outcome").is_in(JUDGED) & took.is_finite())
    length = (took.clip(lower_bound=SHORTEST_S).log() / log(STEP)).floor().cast(pl.Int32)
    return added(counted.select("check_name", length=length, runs=pl.lit(1, pl.UInt32)))


def added(counts: pl.DataFrame) -> pl.DataFrame:
    """Return LENGTHS with the runs of each length added up."""
    return (
        counts.group_by("check_name", "length")
        .agg(pl.col("runs").sum())
        .sort("check_name", "length")
        .cast(LENGTHS)
    )


def quantile_s(counts: pl.DataFrame, share: float) -> float | None:
    """Return within which time a *share* of the runs of one check end, None without any."""
    until = counts.sort("length").with_columns(until=pl.col("runs").cum_sum())
    reached = until.filter(pl.col("until") >= share * int(counts["runs"].sum()))
    return None if reached.is_empty() else STEP ** (float(reached["length"][0]) + 0.5)
