"""The report on one check: its runs, how it ends and why, its metrics, nodes that deviate. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from analytics.durations import quantile_s
from analytics.fields import short_seconds
from analytics.fleet_facts import Facts
from analytics.past import Past
from analytics.plot import Plot, Spread
from analytics.quantity import share
from analytics.regression import MetricRule, losses, worst
from analytics.reliability import rates
from analytics.report import Cells, Kind, Report, ReportColumn, Section
from analytics.report_columns import DETAIL, METRIC, NODE, RATES, REGRESSIONS, interval, mean_time
from analytics.report_parts import HOUR_S, daily_plots, with_units
from analytics.report_question import Scope

MOST_RUNS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckAnswers:
    """What only this report asks the history."""

    runs: pl.DataFrame
    """The view `runs`, the newest first."""
    grounds: pl.DataFrame
    """`past.read_grounds`."""


def check_report(
    scope: Scope,
    past: Past,
    facts: Facts,
    answers: CheckAnswers,
    *,
    rules: Sequence[MetricRule],
    now: datetime,
) -> Report:
    """Return the report on the one check of *scope*; *rules* are those of its metrics."""
    lost = worst(losses(past.series, facts.nodes, rules))
    whole = rates(past.pairs, "check_name")
    summary = whole.row(0, named=True) if whole.height else {}
    return Report(
        kind="check",
        subject=scope.checks[0],
        cluster=scope.cluster,
        since=scope.since,
        until=scope.until,
        made_at=now,
        sentences=[*_sentences(whole, past.lengths)],
        summary={name: value for name, value in summary.items() if name != "check_name"},
        figures=[*_figures(whole, past.lengths)],
        plots=[*daily_plots(past.daily)],
        sections=[
            _runs(answers.runs),
            _grounds(answers.grounds),
            _metrics(past, rules, lost),
            _deviating(lost, rules),
            _nodes(past),
        ],
    )


def _sentences(whole: pl.DataFrame, took: pl.DataFrame) -> Iterator[str]:
    for row in whole.iter_rows(named=True):
        if row["pass_rate"] is None:
            yield f"{row['results']} results, none of which judged a node"
            continue
        yield (
            f"{row['judged']} of {row['results']} results judged a node; "
            f"{share(row['pass_rate'])} passed ({interval(row)}), "
            f"{row['failures']} failures began, one in {mean_time(row)}"
        )
    half, most, nearly = (quantile_s(took, part) for part in (0.5, 0.9, 0.99))
    if half is not None:
        yield (
            f"it runs for {short_seconds(half)}, {short_seconds(most)} at the 90th and "
            f"{short_seconds(nearly)} at the 99th percentile"
        )


def _figures(whole: pl.DataFrame, took: pl.DataFrame) -> Iterator[tuple[str, str]]:
    for row in whole.iter_rows(named=True):
        rate = row["pass_rate"]
        yield "pass rate", "-" if rate is None else share(rate)
        yield "failures", str(row["failures"])
        yield "between failures", mean_time(row)
        yield "node-hours", f"{row['node_s'] / HOUR_S:.1f}"
    half = quantile_s(took, 0.5)
    if half is not None:
        yield "median duration", short_seconds(half)


def _visits(row: Cells) -> str:
    return f"{row['ended']}/{row['planned']}" if row["planned"] is not None else f"{row['ended']}"


def _runs(runs: pl.DataFrame) -> Section:
    counts = ("pass", "warn", "fail", "error")
    return Section(
        key="runs",
        title="Runs",
        note="the newest first",
        rows=runs,
        columns=(
            ReportColumn(name="batch", title="RUN", flexible=True),
            ReportColumn(name="status", title="STATUS"),
            ReportColumn(name="visits", title="VISITS", kind=Kind.COUNT, text=_visits),
            ReportColumn(name="planned"),
            ReportColumn(name="ended"),
            *(ReportColumn(name=one, title=one.upper(), kind=Kind.COUNT) for one in counts),
            ReportColumn(name="created_at"),
            ReportColumn(name="duration_s", title="DURATION", kind=Kind.LENGTH),
        ),
        nothing="none in this time",
        most=MOST_RUNS,
    )


def _grounds(grounds: pl.DataFrame) -> Section:
    return Section(
        key="grounds",
        title="Where it did not pass",
        note="what was said, the commonest first",
        rows=grounds,
        columns=(
            ReportColumn(name="outcome", title="OUTCOME", kind=Kind.OUTCOME),
            ReportColumn(name="results", title="RESULTS", kind=Kind.COUNT),
            ReportColumn(name="nodes", title="NODES", kind=Kind.COUNT),
            ReportColumn(name="last_at", title="LAST", kind=Kind.TIME),
            DETAIL,
        ),
        nothing="it always passed",
    )


def _metrics(past: Past, rules: Sequence[MetricRule], lost: pl.DataFrame) -> Section:
    value = pl.col("value")
    found = past.series.group_by("metric", "check_name").agg(
        nodes=pl.len().cast(pl.UInt32),
        lowest=value.min(),
        tenth=value.quantile(0.1, "linear"),
        middle=value.median(),
        ninetieth=value.quantile(0.9, "linear"),
        highest=value.max(),
    )
    return Section(
        key="metrics",
        title="Metrics",
        note="over nodes, of each the median of its latest values",
        rows=with_units(found, rules).sort("metric"),
        columns=(
            METRIC,
            ReportColumn(name="unit", title="UNIT"),
            ReportColumn(name="nodes", title="NODES", kind=Kind.COUNT),
            ReportColumn(name="lowest", title="LOWEST", kind=Kind.NUMBER),
            ReportColumn(name="tenth", title="10%", kind=Kind.NUMBER),
            ReportColumn(name="middle", title="MEDIAN", kind=Kind.NUMBER),
            ReportColumn(name="ninetieth", title="90%", kind=Kind.NUMBER),
            ReportColumn(name="highest", title="HIGHEST", kind=Kind.NUMBER),
        ),
        nothing="none that its definition says what is good of",
        plots=[*_spreads(past, rules, lost)],
    )


def _spreads(past: Past, rules: Sequence[MetricRule], lost: pl.DataFrame) -> Iterator[Plot]:
    for rule in sorted(rules, key=lambda rule: rule.metric):
        of = past.series.filter(pl.col("metric") == rule.metric)
        marked = lost.filter(pl.col("metric") == rule.metric)
        if not of.is_empty():
            yield Spread(
                title=f"{rule.metric} ({rule.unit}): nodes by their latest median",
                unit=rule.unit,
                values=of["value"].to_list(),
                marks=[*marked.select("value", "node").iter_rows()],
            )


def _deviating(lost: pl.DataFrame, rules: Sequence[MetricRule]) -> Section:
    return Section(
        key="regressions",
        title="Nodes that deviate",
        rows=with_units(lost, rules),
        columns=(NODE, *REGRESSIONS),
        nothing="none",
    )


def _nodes(past: Past) -> Section:
    found = rates(past.pairs, "node").filter(pl.col("pass_rate") < 1)
    return Section(
        key="nodes",
        title="Nodes where it did not always pass",
        note="the lowest pass rate first",
        rows=found.sort("pass_rate", "judged", "node", descending=[False, True, False]),
        columns=(NODE, *RATES),
        nothing="none",
    )
