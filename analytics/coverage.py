"""How much of the fleet is proven, and what keeps the rest from it; frame to frame.

A proof is a judged result no older than its check's max_age, whatever it said: pass, warn or
fail. What should be proven and is not is the coverage debt.
"""

from datetime import datetime

import polars as pl

PAIRS: pl.Schema = pl.Schema(
    {
        "node": pl.String(),
        "check_name": pl.String(),
        "judged_at": pl.Datetime("ms", "UTC"),
        "max_age_s": pl.Float64(),
        "verdict": pl.String(),
        "attempt": pl.String(),
        "unjudged": pl.UInt32(),
    }
)
"""What should be proven: when it last was, what a plan says of the node now, how the latest
attempt ended, and how many in a row judged nothing since the proof."""

DEBT: pl.Schema = pl.Schema(
    {
        "node": pl.String(),
        "check_name": pl.String(),
        "judged_at": pl.Datetime("ms", "UTC"),
        "age_s": pl.Float64(),
        "overdue_s": pl.Float64(),
        "why": pl.String(),
        "attempt": pl.String(),
        "unjudged": pl.UInt32(),
    }
)
"""A row of `debt`. ``overdue_s`` is null where nothing was ever judged."""

NEVER_WANTED = ("excluded",)
"""Nodes that nobody wants to be proven."""

_KEEPS_AWAY = ("busy", "drained", "unavailable", "in-batch", "over-limit")
"""What of a node keeps every check away, whatever became of the attempts before."""


def coverage(pairs: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """Return for each check how many of the nodes that it is for are proven at *now*.

    Columns: check_name, wanted, proven, share, oldest_at (the oldest proof that still counts)
    and never (nodes where it was never judged).
    """
    return (
        _aged(pairs, now)
        .group_by("check_name")
        .agg(*_counts())
        .sort("check_name")
        .select("check_name", "wanted", "proven", "share", "oldest_at", "never")
    )


def fleet(pairs: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """Return one row: of how many nodes every check is proven, and the same of pairs.

    Columns: nodes, nodes_proven, share (of nodes; null without any), wanted, proven (pairs),
    oldest_at, never.
    """
    aged = _aged(pairs, now)
    whole = aged.group_by("node").agg(all_proven=pl.col("is_proven").all())
    nodes = pl.DataFrame(
        {"nodes": [whole.height], "nodes_proven": [int(whole["all_proven"].sum())]},
        schema={"nodes": pl.UInt32, "nodes_proven": pl.UInt32},
    )
    share = pl.when(pl.col("nodes") > 0).then(pl.col("nodes_proven") / pl.col("nodes"))
    counted = aged.select(*_counts()).drop("share")
    return pl.concat([nodes.with_columns(share=share), counted], how="horizontal")


def debt(pairs: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """Return a row of DEBT for each pair that is not proven at *now*, the most overdue first.

    ``why`` is what a person would do something about: the node is busy, drained, unavailable;
    or else how its attempts ended ("preempted 3 times"); or that it is just waiting its turn.
    """
    return (
        _aged(pairs, now)
        .filter(~pl.col("is_proven"))
        .with_columns(overdue_s=pl.col("age_s") - pl.col("max_age_s"), why=_why())
        .select(*DEBT)
        .sort("overdue_s", "node", "check_name", descending=[True, False, False], nulls_last=False)
        .cast(DEBT)
    )


def reasons(owed: pl.DataFrame) -> pl.DataFrame:
    """Return how many pairs and nodes of `debt` each reason holds up, the commonest first.

    Attempts are one reason however often they were made: "preempted" with the most in a row.
    """
    attempts = pl.col("why").str.ends_with("in a row") | pl.col("why").str.ends_with("once")
    word = pl.when(attempts).then("attempt").otherwise("why")
    return (
        owed.with_columns(why=word)
        .group_by("why")
        .agg(
            pairs=pl.len().cast(pl.UInt32),
            nodes=pl.col("node").n_unique().cast(pl.UInt32),
            oldest_at=pl.col("judged_at").min(),
            most_in_a_row=pl.col("unjudged").max(),
        )
        .sort("pairs", "why", descending=[True, False])
    )


def _aged(pairs: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return the pairs that somebody wants proven, with the age of each one's proof.

    A proof from the future (a clock was set back) is as young as can be.
    """
    age = (pl.lit(now).cast(pl.Datetime("ms", "UTC")) - pl.col("judged_at")).dt.total_milliseconds()
    return (
        pairs.filter(~pl.col("verdict").is_in(NEVER_WANTED).fill_null(value=False))
        .unique(["node", "check_name"], keep="first", maintain_order=True)
        .with_columns(age_s=(age / 1000).clip(lower_bound=0.0))
        .with_columns(
            is_proven=(pl.col("age_s") <= pl.col("max_age_s")).fill_null(value=False),
        )
    )


def _counts() -> list[pl.Expr]:
    proven = pl.col("is_proven")
    return [
        pl.len().cast(pl.UInt32).alias("wanted"),
        proven.sum().cast(pl.UInt32).alias("proven"),
        proven.mean().alias("share"),
        pl.col("judged_at").filter(proven).min().alias("oldest_at"),
        pl.col("judged_at").is_null().sum().cast(pl.UInt32).alias("never"),
    ]


def _why() -> pl.Expr:
    tries = pl.col("unjudged").fill_null(0)
    often = (
        pl.when(tries == 1).then(pl.lit("once")).otherwise(pl.format("{} times in a row", tries))
    )
    return (
        pl.when(pl.col("verdict").is_in(_KEEPS_AWAY).fill_null(value=False))
        .then("verdict")
        .when(tries > 0)
        .then(pl.format("{} {}", pl.col("attempt").fill_null("unjudged"), often))
        .when(pl.col("judged_at").is_null())
        .then(pl.lit("never judged"))
        .otherwise(pl.lit("due"))
    )
