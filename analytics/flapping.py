"""Which pairs of node and check change their minds too often; frame to frame.

As Nagios detects flapping ("Detection and Handling of State Flapping", Nagios Core 3; flapping.c):
of the last 21 judged results each of the 20 changes that there may be counts, the newest 1.2 and
the oldest 0.8, so that all of them make 100 %. A pair flaps from 20 % on until it falls to 5 %.
"""

import polars as pl

from analytics.keyed import KEY
from analytics.reliability import PAIR, in_order
from analytics.result import JUDGED

STATES = 21
OLDEST, NEWEST = 0.8, 1.2
LOW, HIGH = 0.05, 0.20

FLAPS: pl.Schema = pl.Schema(
    {
        "node": pl.String(),
        "check_name": pl.String(),
        "changes": pl.UInt32(),
        "change_share": pl.Float64(),
        "last_change_at": pl.Datetime("ms", "UTC"),
    }
)
"""A row of `flapping`."""

_LEAST = 4
"""Fewer changes cannot reach HIGH, whatever they weigh: 3 · 1.2 / 20 is less."""


def weights() -> list[float]:
    """Return what each change counts, the newest first."""
    step = (NEWEST - OLDEST) / (STATES - 2)
    return [NEWEST - step * age for age in range(STATES - 1)]


def flapping(results: pl.DataFrame) -> pl.DataFrame:
    """Return a row of FLAPS for each pair that flaps at the end of *results*, the worst first.

    *results* has node, check_name, outcome and finished_at. ``changes`` counts all of them,
    ``change_share`` (0 to 1) weighs those of the last 21 judged results. With fewer results
    those that are missing count as unchanged, so that a new pair is not accused.
    """
    ordered = (
        in_order(results.filter(pl.col("outcome").is_in(JUDGED)))
        .select(*PAIR, KEY, "finished_at", changed=_changed())
        .filter(pl.col("changed").sum().over(KEY) >= _LEAST)
    )
    share = sum(
        (pl.col("changed").shift(age, fill_value=0).over(KEY) * weight
         for age, weight in enumerate(weights())), pl.lit(0.0),
    ) / (STATES - 1)  # fmt: skip
    return (
        ordered.with_columns(change_share=share)
        .with_columns(flaps=_remembered(pl.col("change_share")))
        .group_by(KEY)
        .agg(
            *(pl.col(name).first() for name in PAIR),
            changes=pl.col("changed").sum().cast(pl.UInt32),
            change_share=pl.col("change_share").last(),
            last_change_at=pl.col("finished_at").filter(pl.col("changed") == 1).last(),
            flaps=pl.col("flaps").last(),
        )
        .filter("flaps")
        .select(*FLAPS)
        .sort("change_share", *PAIR, descending=[True, False, False])
        .cast(FLAPS)
    )


def _changed() -> pl.Expr:
    before = pl.col("outcome").shift(1).over(KEY)
    return (pl.col("outcome") != before).fill_null(value=False).cast(pl.UInt8)


def _remembered(share: pl.Expr) -> pl.Expr:
    """Return whether a pair flaps: between the thresholds it stays as it was."""
    tipped = (
        pl.when(share >= HIGH).then(pl.lit(value=True)).when(share <= LOW).then(pl.lit(value=False))
    )
    return tipped.forward_fill().over(KEY).fill_null(value=False)
