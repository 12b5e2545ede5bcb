"""Which nodes lose speed, against their own past and against their peers; frame to frame.

Three comparisons of each metric of each node, each by a median and its median absolute deviation
(MAD), which no minority of bad values can move far (P. J. Rousseeuw and C. Croux, JASA 88, 1993):

- ``past``: the node's latest values against its earlier ones;
- ``peers``: its latest values against those of the nodes of its hardware class;
- ``spread``: the whole distribution of its values against its peers'.

The loss is relative to the baseline, as "variance" is in SuperBench's data diagnosis
(microsoft.github.io/superbenchmark, Data Diagnosis), where 5 % is the usual threshold. SuperBench's
baseline comes from dropping what misses the threshold and averaging again until nothing does; a
median needs no such loop. ``spread`` follows the idea of SuperBench's Validator (Xiong et al.,
USENIX ATC 2024, arXiv 2402.06194), whose criteria are distributions and not single
numbers; a device that is slow now and then hides behind any average. The measure is ours: the
one-sided area between the cumulative distributions of the node and of its class, on the bad side
only, as a share of the class's median; the class's distribution is the median of its nodes',
quantile by quantile.

Too few values, an unknown class, or a baseline of zero give ``unclear``, never a guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from analytics.keyed import KEY, keyed

KEYS = ("node", "check_name", "metric")
CLASS = ("check_name", "metric", "hardware")

RECENT = 3
"""So many of the latest values are what a node does now."""
LEAST_PAST = 8
LEAST_PEERS = 5
"""Nodes of a class that have values, itself among them."""
LEAST_SPREAD = 8
"""Values of a node that make a distribution."""
SAMPLE = 20
"""So many of the latest values are a node's distribution: what was repaired is forgotten."""
KEPT = 200
"""No more of the latest values are looked at."""
SHARES = tuple((step + 0.5) / 10 for step in range(10))
"""The quantiles that stand for a distribution."""

PASS, WARN, FAIL, UNCLEAR = "pass", "warn", "fail", "unclear"
PAST, PEERS, SPREAD = "past", "peers", "spread"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRule:
    """What a definition says of one metric."""

    check: str
    metric: str
    unit: str
    higher_is_better: bool
    warn: float | None
    """A loss, as a share of the baseline."""
    fail: float | None
    mads: float
    """And so many median absolute deviations."""

    @property
    def side(self) -> float:
        """What makes a difference to a baseline a loss where it is above 0."""
        return 1.0 if self.higher_is_better else -1.0


VALUES: pl.Schema = pl.Schema(
    {
        "node": pl.String(),
        "check_name": pl.String(),
        "metric": pl.String(),
        "finished_at": pl.Datetime("ms", "UTC"),
        "value": pl.Float64(),
    }
)
"""One measured number of a judged result."""

SERIES: pl.Schema = pl.Schema(
    {
        "node": pl.String(),
        "check_name": pl.String(),
        "metric": pl.String(),
        "n": pl.UInt32(),
        "value": pl.Float64(),
        "last_at": pl.Datetime("ms", "UTC"),
        "past_n": pl.UInt32(),
        "past": pl.Float64(),
        "past_mad": pl.Float64(),
        "quantiles": pl.List(pl.Float64()),
    }
)
"""What is kept of the values of one metric on one node; ``value`` is the latest ones' median."""

LOSSES: pl.Schema = pl.Schema(
    {
        "node": pl.String(),
        "check_name": pl.String(),
        "metric": pl.String(),
        "against": pl.String(),
        "verdict": pl.String(),
        "value": pl.Float64(),
        "baseline": pl.Float64(),
        "loss": pl.Float64(),
        "mads": pl.Float64(),
        "n": pl.UInt32(),
        "reason": pl.String(),
    }
)
"""One comparison. ``loss`` is above 0 where the node is worse; ``n`` counts the values or nodes
that the baseline is made of; ``reason`` says why it is unclear."""


def series(values: pl.DataFrame) -> pl.DataFrame:
    """Return a row of SERIES for each node and metric; what is not finite counts for nothing."""
    finite = keyed(values.filter(pl.col("value").is_finite()), *KEYS)
    latest = finite.sort(KEY, "finished_at", "value", descending=[False, True, False]).filter(
        pl.int_range(pl.len()).over(KEY) < KEPT
    )
    value = pl.col("value")
    past = value.slice(RECENT)
    found = latest.group_by(KEY).agg(
        *(pl.col(name).first() for name in KEYS),
        n=value.len().cast(pl.UInt32),
        last_at=pl.col("finished_at").first(),
        past_n=past.len().cast(pl.UInt32),
        past=past.median(),
        past_mad=(past - past.median()).abs().median(),
        quantiles=pl.concat_list(
            [value.head(SAMPLE).quantile(share, "linear") for share in SHARES]
        ),
        value=value.head(RECENT).median(),
    )
    return found.select(*SERIES).sort(*KEYS).cast(SERIES)


def losses(kept: pl.DataFrame, classes: pl.DataFrame, rules: Sequence[MetricRule]) -> pl.DataFrame:
    """Return three rows of LOSSES for each of the SERIES *kept* that a rule is for.

    *classes* has node and hardware, null where the class is not known.
    """
    known = classes.select("node", pl.col("hardware").replace("", None)).unique("node", keep="any")
    judged = kept.join(_table(rules), on=["check_name", "metric"]).join(
        known, on="node", how="left"
    )
    found = [_past(judged), _peers(judged), _spread(judged)]
    return pl.concat([_decided(one) for one in found]).sort(*KEYS, "against")


def worst(found: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each node and metric that lost something, the worst first.

    Columns: node, check_name, metric, verdict (warn or fail), against (which comparisons say
    so), value, baseline, loss and mads of the greatest loss.
    """
    bad = found.filter(pl.col("verdict").is_in([WARN, FAIL])).with_columns(
        is_fail=pl.col("verdict") == FAIL
    )
    greatest = pl.col("loss").arg_max()
    return (
        bad.sort(*KEYS, "is_fail", "loss", "against", descending=[False] * 3 + [True, True, False])
        .group_by(*KEYS, maintain_order=True)
        .agg(
            pl.col("verdict").first(),
            pl.col("against").sort().str.join(", "),
            *(pl.col(name).get(greatest) for name in ("value", "baseline", "loss", "mads")),
        )
        .sort(pl.col("verdict") != FAIL, -pl.col("loss"), *KEYS)
    )


def _table(rules: Sequence[MetricRule]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (rule.check, rule.metric, rule.side, rule.warn, rule.fail, rule.mads)
            for rule in rules
        ],
        schema={
            "check_name": pl.String, "metric": pl.String, "side": pl.Float64,
            "warn_at": pl.Float64, "fail_at": pl.Float64, "least_mads": pl.Float64,
        },
        orient="row",
    )  # fmt: skip


def _past(judged: pl.DataFrame) -> pl.DataFrame:
    lost = pl.col("side") * (pl.col("past") - pl.col("value"))
    few = pl.format("{} earlier values of at least {}", "past_n", pl.lit(LEAST_PAST))
    return judged.with_columns(
        against=pl.lit(PAST),
        baseline="past",
        worse=lost,
        beyond=lost,
        spread="past_mad",
        counted="past_n",
        reason=pl.when(pl.col("past_n") < LEAST_PAST).then(few),
    )


def _peers(judged: pl.DataFrame) -> pl.DataFrame:
    middle = pl.col("value").median().over(*CLASS)
    lost = pl.col("side") * (pl.col("baseline") - pl.col("value"))
    return judged.with_columns(
        against=pl.lit(PEERS), baseline=middle, counted=pl.len().cast(pl.UInt32).over(*CLASS)
    ).with_columns(
        worse=lost,
        beyond=lost,
        spread=(pl.col("value") - pl.col("baseline")).abs().median().over(*CLASS),
        reason=_too_few_peers(),
    )


def _spread(judged: pl.DataFrame) -> pl.DataFrame:
    enough = pl.col("n") >= LEAST_SPREAD
    quantiles = [
        pl.when(enough).then(pl.col("quantiles").list.get(step)) for step in range(len(SHARES))
    ]
    lost = [
        (pl.col("side") * (one.median().over(*CLASS) - one)).clip(lower_bound=0.0)
        for one in quantiles
    ]
    few = pl.format("{} values of at least {}", "n", pl.lit(LEAST_SPREAD))
    with_area = judged.with_columns(
        against=pl.lit(SPREAD),
        baseline=pl.when(enough).then("value").median().over(*CLASS),
        counted=enough.sum().cast(pl.UInt32).over(*CLASS),
        area=pl.mean_horizontal(*lost, ignore_nulls=False),
    )
    usual = pl.col("area").median().over(*CLASS)
    return with_area.with_columns(
        worse=pl.col("area"),
        spread=(pl.col("area") - usual).abs().median().over(*CLASS),
        beyond=pl.col("area") - usual,
        reason=pl.when(~enough).then(few).otherwise(_too_few_peers()),
    )


def _too_few_peers() -> pl.Expr:
    few = pl.format("{} nodes of its class of at least {}", "counted", pl.lit(LEAST_PEERS))
    return (
        pl.when(pl.col("hardware").is_null())
        .then(pl.lit("its hardware class is not known"))
        .when(pl.col("counted") < LEAST_PEERS)
        .then(few)
    )


def _decided(compared: pl.DataFrame) -> pl.DataFrame:
    """Return LOSSES of comparisons that know baseline, worse, beyond, spread, counted and reason.

    Where all of a baseline's values are alike, its MAD is zero and any loss is beyond it.
    """
    loss = pl.col("worse") / pl.col("baseline").abs()
    mads = pl.when(pl.col("beyond") == 0).then(0.0).otherwise(pl.col("beyond") / pl.col("spread"))
    numbers = compared.with_columns(loss=loss, mads=mads).with_columns(
        reason=pl.when(pl.col("reason").is_not_null())
        .then("reason")
        .when(pl.col("baseline") == 0)
        .then(pl.lit("its baseline is zero"))
        .when(pl.col("loss").is_infinite() | pl.col("loss").is_nan() | pl.col("mads").is_nan())
        .then(pl.lit("its values are too far apart to compare"))
    )
    clear, certain = pl.col("reason").is_null(), pl.col("mads") >= pl.col("least_mads")
    ruled = pl.col("fail_at").is_not_null() | pl.col("warn_at").is_not_null()
    unruled = pl.lit("its definition names no loss that is too much")
    return (
        numbers.with_columns(
            verdict=pl.when(~(clear & ruled))
            .then(pl.lit(UNCLEAR))
            .when(certain & (pl.col("loss") >= pl.col("fail_at")))
            .then(pl.lit(FAIL))
            .when(certain & (pl.col("loss") >= pl.col("warn_at")))
            .then(pl.lit(WARN))
            .otherwise(pl.lit(PASS)),
            loss=pl.when(clear).then("loss"),
            mads=pl.when(clear).then("mads"),
            reason=pl.when(clear & ~ruled).then(unruled).otherwise("reason"),
            n=pl.col("counted"),
        )
        .select(*LOSSES)
        .cast(LOSSES)
    )
