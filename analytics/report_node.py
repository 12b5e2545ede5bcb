"""The report on one node: its checks over time, its metrics among its peers', reactions. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zlib import crc32

import polars as pl

from analytics.fleet_facts import Facts
from analytics.past import Past
from analytics.plot import Band, Course, Plot, Strips
from analytics.quantity import share
from analytics.regression import PAST, PEERS, SPREAD, UNCLEAR, MetricRule, losses
from analytics.reliability import rates
from analytics.report import Cells, Kind, Report, ReportColumn, Section
from analytics.report_columns import CHECK, METRIC, RATES, loss, mean_time
from analytics.report_parts import with_units
from analytics.report_question import Scope

MOST_PEERS = 500
"""So many nodes tell what is usual; the metrics of 10,000 would take minutes to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAnswers:
    """What only this report asks the history."""

    results: pl.DataFrame
    """`report_question.outcomes` of the node."""
    values: pl.DataFrame
    """`report_question.metrics` of the node."""
    bands: pl.DataFrame
    """`report_question.bands` of its peers."""
    reactions: pl.DataFrame
    """`report_question.reactions` to it."""


def peers(node: str, nodes: pl.DataFrame, most: int = MOST_PEERS) -> list[str]:
    """Return the nodes of *node*'s hardware class, itself among them; nobody where unknown.

    Of more than *most* a sample, the same each time: by a checksum of their names, since visits
    may follow a pattern in the names themselves.
    """
    own = nodes.filter((pl.col("node") == node) & (pl.col("hardware") != ""))
    alike = nodes.join(own.select("hardware"), on="hardware", how="semi")["node"].to_list()
    sample = sorted(alike, key=lambda name: (crc32(name.encode()), name))[:most]
    return sorted({*sample, *({node} & {*alike})})


def node_report(
    scope: Scope,
    own: Past,
    series: pl.DataFrame,
    facts: Facts,
    answers: NodeAnswers,
    *,
    rules: Sequence[MetricRule],
    now: datetime,
) -> Report:
    """Return the report on the one node of *scope*.

    *own* is its past, *series* (`analytics.regression.SERIES`) that of its peers' metrics, and
    its own among them.
    """
    node = scope.nodes[0]
    lost = losses(series, facts.nodes, rules).filter(pl.col("node") == node)
    whole = rates(own.pairs, "node")
    summary = whole.row(0, named=True) if whole.height else {}
    known = facts.nodes.filter(pl.col("node") == node)
    return Report(
        kind="node",
        subject=node,
        cluster=scope.cluster,
        since=scope.since,
        until=scope.until,
        made_at=now,
        sentences=[*_sentences(whole, known, facts.nodes)],
        summary={name: value for name, value in summary.items() if name != "node"},
        figures=[*_figures(whole, lost, answers)],
        plots=[*_timeline(answers.results)],
        sections=[_checks(own), _metrics(lost, rules, answers), _reactions(answers.reactions)],
    )


def _sentences(whole: pl.DataFrame, known: pl.DataFrame, nodes: pl.DataFrame) -> Iterator[str]:
    for row in known.iter_rows(named=True):
        alike = nodes.filter(pl.col("hardware") == row["hardware"]).height
        like = f"; {alike - 1} other nodes are like it" if row["hardware"] else ""
        state, hardware = row["state"] or "state not known", row["hardware"] or "hardware not known"
        yield f"{state}; {hardware}{like}"
    for row in whole.iter_rows(named=True):
        rate = row["pass_rate"]
        judged = "none judged" if rate is None else f"{row['judged']} judged, {share(rate)} passed"
        yield f"{row['results']} results, {judged}; {row['failures']} failures began"
    if whole.is_empty():
        yield "no results in this time"


def _figures(
    whole: pl.DataFrame, lost: pl.DataFrame, answers: NodeAnswers
) -> Iterator[tuple[str, str]]:
    for row in whole.iter_rows(named=True):
        rate = row["pass_rate"]
        yield "pass rate", "-" if rate is None else share(rate)
        yield "failures", str(row["failures"])
        yield "between failures", mean_time(row)
    worse = lost.filter(pl.col("verdict").is_in(["warn", "fail"]))
    yield "metrics that lost", str(worse["metric"].n_unique())
    yield "reactions", str(answers.reactions.height)


def _timeline(results: pl.DataFrame) -> Iterator[Plot]:
    if not results.is_empty():
        yield Strips(
            title="Every result",
            rows={
                str(key[0]): [*of.select("finished_at", "outcome").sort("finished_at").iter_rows()]
                for key, of in sorted(results.group_by("check_name"))
            },
        )


def _checks(own: Past) -> Section:
    last = own.pairs.select("check_name", "last_outcome", "last_at")
    return Section(
        key="checks",
        title="Checks",
        rows=rates(own.pairs, "check_name").join(last, on="check_name", maintain_order="left"),
        columns=(
            CHECK,
            ReportColumn(name="last_outcome", title="LAST", kind=Kind.OUTCOME),
            ReportColumn(name="last_at"),
            ReportColumn(name="results"),
            *RATES,
        ),
        nothing="no results in this time",
        most=50,
    )


def _metrics(lost: pl.DataFrame, rules: Sequence[MetricRule], answers: NodeAnswers) -> Section:
    def of(against: str) -> pl.DataFrame:
        return lost.filter(pl.col("against") == against).select(
            "check_name",
            "metric",
            *(pl.col(name).alias(f"{against}_{name}") for name in ("baseline", "loss", "verdict")),
            pl.col("reason").alias(f"{against}_reason"),
        )

    both = lost.select("check_name", "metric", "value").unique(maintain_order=True)
    for against in (PAST, PEERS, SPREAD):
        both = both.join(
            of(against), on=["check_name", "metric"], how="left", maintain_order="left"
        )
    return Section(
        key="metrics",
        title="Metrics",
        note="now, and by how much worse; plots shade four of five peers",
        rows=with_units(both.with_columns(verdict=_worst_verdict()), rules),
        columns=(CHECK, METRIC, *_METRIC_COLUMNS),
        nothing="none that a definition says what is good of",
        most=50,
        plots=[*_courses(rules, answers, lost)],
    )


def _worst_verdict() -> pl.Expr:
    verdicts = pl.concat_list([f"{against}_verdict" for against in (PAST, PEERS, SPREAD)])
    return (
        pl.when(verdicts.list.contains(pl.lit("fail")))
        .then(pl.lit("fail"))
        .when(verdicts.list.contains(pl.lit("warn")))
        .then(pl.lit("warn"))
        .when(verdicts.list.contains(pl.lit("pass")))
        .then(pl.lit("pass"))
        .otherwise(pl.lit(UNCLEAR))
    )


def _why_unclear(row: Cells) -> str:
    """Return why nothing can be said of a metric, where that is so."""
    if row["verdict"] != UNCLEAR:
        return ""
    return str(row["peers_reason"] or row["past_reason"])


_METRIC_COLUMNS = (
    ReportColumn(name="verdict", title="VERDICT", kind=Kind.OUTCOME),
    ReportColumn(name="value", title="NOW", kind=Kind.NUMBER),
    ReportColumn(name="unit"),
    ReportColumn(
        name="to_past", title="PAST", kind=Kind.NUMBER, text=lambda row: loss(row, "past_loss")
    ),
    ReportColumn(
        name="to_peers", title="PEERS", kind=Kind.NUMBER, text=lambda row: loss(row, "peers_loss")
    ),
    ReportColumn(
        name="to_spread", title="SPREAD", kind=Kind.NUMBER,
        text=lambda row: loss(row, "spread_loss"),
    ),
    ReportColumn(name="why", title="WHY", flexible=True, text=_why_unclear),
    *(
        ReportColumn(name=f"{against}_{name}")
        for against in (PAST, PEERS, SPREAD)
        for name in ("baseline", "loss", "verdict", "reason")
    ),
)  # fmt: skip


def _courses(
    rules: Sequence[MetricRule], answers: NodeAnswers, lost: pl.DataFrame
) -> Iterator[Plot]:
    """Yield the course of each metric, those that lost something first."""
    worse = lost.filter(pl.col("verdict").is_in(["warn", "fail"]))
    first = set(worse.select("check_name", "metric").iter_rows())
    keys = sorted(
        ((rule.check, rule.metric) not in first, rule.check, rule.metric, rule.unit)
        for rule in rules
    )
    for _, check, metric, unit in keys:
        mine = (pl.col("check_name") == check) & (pl.col("metric") == metric)
        values = answers.values.filter(mine).sort("finished_at")
        if values.is_empty():
            continue
        usual = answers.bands.filter(mine).sort("at")
        yield Course(
            title=f"{check}: {metric}, {unit}",
            unit=unit,
            points=[*values.select("finished_at", "value").iter_rows()],
            band=[
                Band(at=row["at"], low=row["bounds"][0], middle=row["bounds"][1],
                     high=row["bounds"][2])
                for row in usual.iter_rows(named=True)
            ],
        )  # fmt: skip


def _reactions(reactions: pl.DataFrame) -> Section:
    return Section(
        key="reactions",
        title="Reactions",
        note="the newest first",
        rows=reactions,
        columns=(
            ReportColumn(name="decided_at", title="DECIDED", kind=Kind.TIME),
            CHECK,
            ReportColumn(name="kind", title="KIND"),
            ReportColumn(name="state", title="STATE"),
            ReportColumn(name="why", title="WHY", flexible=True),
            ReportColumn(name="detail"),
            ReportColumn(name="ended_at"),
            ReportColumn(name="ended_by"),
        ),
        nothing="none in this time",
    )
