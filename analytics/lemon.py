"""Which nodes fail again and again, whatever was done about them: lemons; frame to frame.

The signals are those that Meta found to tell lemons from other nodes ("Revisiting Reliability in
Large-Scale Machine Learning Research Clusters", HPCA 2025, arXiv 2410.21680, section on lemon
nodes), as far as a history of visits can see them:

| there | here |
|---|---|
| single_node_node_fails | ``node_fails``: visits, each a job on one node, during which it died |
| single_node_node_failure_rate | ``node_fail_rate``: their share of all visits that began |
| out_count | ``out``: times that it was drained or reserved, or found drained when a check failed |
| tickets | ``failures``: times that a check began to fail, for which somebody would open a ticket |
| xid_cnt, multi_node_node_fails | not seen: no check reads kernel logs, no visit spans nodes |
| excl_jobid_count | not seen; the paper found that it hardly correlates with node failures |

There, thresholds were tuned by hand on the distribution of each signal over 28 days. Here each
signal counts points by the weights of the settings, a rate by the lower end of its 95 % interval,
so that one bad visit of one makes no lemon; `rank` says where in the fleet a node stands.
"""

from dataclasses import dataclass

import polars as pl

from analytics.reliability import wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Points for each signal, and how many make a lemon."""

    node_fail: float
    node_fail_rate: float
    out: float
    fail: float
    score: float


LEMONS: pl.Schema = pl.Schema(
    {
        "node": pl.String(),
        "score": pl.Float64(),
        "is_lemon": pl.Boolean(),
        "rank": pl.Float64(),
        "visits": pl.UInt32(),
        "node_fails": pl.UInt32(),
        "node_fail_rate": pl.Float64(),
        "out": pl.UInt32(),
        "failures": pl.UInt32(),
    }
)
"""A row of `lemons`. ``rank`` is the share of nodes whose score is lower."""

_COUNTS = ("visits", "node_fails", "out", "failures")


def lemons(
    visits: pl.DataFrame, outs: pl.DataFrame, failures: pl.DataFrame, *, weights: Weights
) -> pl.DataFrame:
    """Return a row of LEMONS for each node of *visits*, the highest score first.

    *visits* has node, visits and node_fails; *outs* node and out; *failures* node and
    failures. A node that was never visited has no score.
    """
    found = (
        visits.select("node", "visits", "node_fails")
        .join(outs.select("node", "out"), on="node", how="left")
        .join(failures.select("node", "failures"), on="node", how="left")
        .with_columns(pl.col(*_COUNTS).fill_null(0).cast(pl.UInt32))
    )
    some = pl.col("visits") > 0
    lowest, _ = wilson(pl.col("node_fails"), pl.col("visits"))
    sure = pl.when(some & (pl.col("node_fails") > 0)).then(lowest).otherwise(0.0)
    score = (
        weights.node_fail * pl.col("node_fails")
        + weights.node_fail_rate * sure
        + weights.out * pl.col("out")
        + weights.fail * pl.col("failures")
    )
    return (
        found.with_columns(
            score=score,
            node_fail_rate=pl.when(some).then(pl.col("node_fails") / pl.col("visits")),
        )
        .with_columns(
            is_lemon=pl.col("score") >= weights.score,
            rank=(pl.col("score").rank("min") - 1) / pl.len(),
        )
        .select(*LEMONS)
        .sort("score", "node", descending=[True, False])
        .cast(LEMONS)
    )
