"""The report on the fleet: what is proven, what fails, what gets worse, what it costs. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import polars as pl

from analytics.coverage import coverage, debt, fleet, reasons
from analytics.fields import age
from analytics.fleet_facts import Facts
from analytics.lemon import Weights, lemons
from analytics.past import Past
from analytics.quantity import share
from analytics.regression import FAIL, MetricRule, losses, worst
from analytics.reliability import rates
from analytics.report import Cells, Kind, Report, ReportColumn, Section
from analytics.report_columns import CHECK, NODE, RATES, REGRESSIONS
from analytics.report_parts import HOUR_S, daily_plots, with_units
from analytics.report_question import Scope


class FleetAnswers(NamedTuple):
    """What was asked for a report on the fleet."""

    taken: pl.DataFrame
    """node and out, how often each was taken from users."""
    held: pl.DataFrame
    """Nodes that somebody kept from their users at the end."""
    reactions: pl.DataFrame
    sweeps: pl.DataFrame
    """The newest of each."""


def fleet_report(
    scope: Scope,
    past: Past,
    facts: Facts,
    answers: FleetAnswers,
    *,
    rules: Sequence[MetricRule],
    weights: Weights,
    now: datetime,
    is_current: bool,
) -> Report:
    """Return the report.

    What holds only now (coverage, what fails) is left out unless the window *is_current*.
    """
    lost = worst(losses(past.series, facts.nodes, rules))
    sour = lemons(past.visits, answers.taken, past.visits, weights=weights).filter("is_lemon")
    current = _current(facts, past, now) if is_current else _Current({}, (), ())
    cost_s = float(past.daily["node_s"].sum())
    summary = {
        **current.summary,
        "flapping": past.flaps.height,
        "regressions": lost.height,
        "regressions_fail": lost.filter(pl.col("verdict") == FAIL).height,
        "lemons": sour.height,
        "held": answers.held.height,
        "last_sweep_at": answers.sweeps["started_at"].max(),
        "results": int(past.daily["results"].sum()),
        "node_hours": cost_s / HOUR_S,
    }
    return Report(
        kind="fleet",
        subject="",
        cluster=scope.cluster,
        since=scope.since,
        until=scope.until,
        made_at=now,
        sentences=[*current.sentences, _cost(cost_s, scope, past)],
        summary=summary,
        figures=[*_figures(summary, is_current=is_current)],
        plots=[*daily_plots(past.daily)],
        sections=[
            *current.sections,
            _held(answers.held),
            _regressions(lost, rules),
            _flapping(past.flaps),
            _lemons(sour),
            _checks(past),
            _reactions(answers.reactions),
            _sweeps(answers.sweeps),
        ],
    )


class _Current(NamedTuple):
    """What holds only now."""

    summary: Mapping[str, object]
    sentences: Sequence[str]
    sections: Sequence[Section]


def _current(facts: Facts, past: Past, now: datetime) -> _Current:
    owed = debt(facts.pairs, now=now)
    whole = fleet(facts.pairs, now=now).row(0, named=True)
    return _Current(
        summary={**whole, "owed": owed.height, "failing": facts.failing.height},
        sentences=[_covered(whole, owed, now)],
        sections=[*_coverage(facts, owed, now), _failing(facts, past)],
    )


def _covered(whole: Mapping[str, object], owed: pl.DataFrame, now: datetime) -> str:
    nodes, proven, part = whole["nodes"], whole["nodes_proven"], whole["share"]
    if not isinstance(part, float):
        return "no node is known that a check is for"
    said = f"{proven} of {nodes} nodes are proven ({share(part)})"
    if isinstance(whole["oldest_at"], datetime):
        old = age((now - whole["oldest_at"]).total_seconds())
        said += f"; the oldest proof that counts is {old} old"
    if owed.is_empty():
        return said
    why = ", ".join(f"{row['pairs']} {row['why']}" for row in reasons(owed).iter_rows(named=True))
    return f"{said}; proofs owed: {owed.height} ({why})"


def _cost(cost_s: float, scope: Scope, past: Past) -> str:
    days = max((scope.until - scope.since).total_seconds() / 86400, 1e-9)
    hours, nodes = cost_s / HOUR_S, past.pairs["node"].n_unique()
    part = f", {share(hours / (nodes * days * 24))} of their time" if nodes else ""
    return f"checks took {hours:.1f} node-hours, {hours / days:.2f} a day, on {nodes} nodes{part}"


def _figures(summary: Mapping[str, object], *, is_current: bool) -> Iterator[tuple[str, str]]:
    if is_current:
        part = summary["share"]
        yield "nodes proven", share(part) if isinstance(part, float) else "-"
        yield "proofs owed", str(summary["owed"])
        yield "failing now", str(summary["failing"])
    yield "regressions", str(summary["regressions"])
    yield "flapping", str(summary["flapping"])
    yield "lemons", str(summary["lemons"])


def _coverage(facts: Facts, owed: pl.DataFrame, now: datetime) -> Iterator[Section]:
    yield Section(
        key="coverage",
        title="Coverage",
        rows=coverage(facts.pairs, now=now),
        columns=(
            CHECK,
            ReportColumn(name="wanted", title="NODES", kind=Kind.COUNT),
            ReportColumn(name="proven", title="PROVEN", kind=Kind.COUNT),
            ReportColumn(name="share", title="SHARE", kind=Kind.SHARE, bar=True),
            ReportColumn(name="never", title="NEVER", kind=Kind.COUNT),
            ReportColumn(name="oldest_at", title="OLDEST PROOF", kind=Kind.TIME),
        ),
        nothing="no check is for any node that is known",
        most=50,
    )
    yield Section(
        key="debt",
        title="Coverage debt",
        note="the most overdue first",
        rows=owed,
        columns=(
            NODE,
            CHECK,
            ReportColumn(name="judged_at", title="JUDGED", kind=Kind.TIME),
            ReportColumn(name="age_s"),
            ReportColumn(name="overdue_s", title="OVERDUE", kind=Kind.LENGTH),
            ReportColumn(name="why", title="WHY", flexible=True),
            ReportColumn(name="attempt"),
            ReportColumn(name="unjudged"),
        ),
        nothing="none",
        most=5,
    )


def _failing(facts: Facts, past: Past) -> Section:
    since = past.pairs.select("node", "check_name", pl.col("failing_since").alias("since"))
    return Section(
        key="failing",
        title="Failing now",
        rows=facts.failing.join(
            since, on=["node", "check_name"], how="left", maintain_order="left"
        ),
        columns=(
            NODE,
            CHECK,
            ReportColumn(name="since", title="SINCE", kind=Kind.TIME),
            ReportColumn(name="judged_at"),
            ReportColumn(name="confirmed"),
            ReportColumn(name="detail"),
            ReportColumn(name="said", title="DETAIL", text=_said, flexible=True),
        ),
        nothing="nothing",
        most=20,
    )


def _said(row: Cells) -> str:
    return f"{row['detail']}" if row["confirmed"] else f"(to be confirmed) {row['detail']}"


def _held(held: pl.DataFrame) -> Section:
    return Section(
        key="held",
        title="Held nodes",
        note="as the last sweep of the time saw them",
        rows=held,
        columns=(
            NODE,
            ReportColumn(name="state", title="STATE"),
            ReportColumn(name="holder", title="HOLDER"),
            ReportColumn(name="holder_kind"),
            ReportColumn(name="held_since", title="SINCE", kind=Kind.TIME),
            ReportColumn(name="reason", title="REASON", flexible=True),
        ),
        nothing="none",
    )


def _regressions(lost: pl.DataFrame, rules: Sequence[MetricRule]) -> Section:
    return Section(
        key="regressions",
        title="Regressions",
        note="against the past, the peers, and their spread",
        rows=with_units(lost, rules),
        columns=(NODE, CHECK, *REGRESSIONS),
        nothing="none",
        most=20,
    )


def _flapping(flaps: pl.DataFrame) -> Section:
    return Section(
        key="flapping",
        title="Flapping",
        note="judgements that keep changing",
        rows=flaps,
        columns=(
            NODE,
            CHECK,
            ReportColumn(name="change_share", title="CHANGES", kind=Kind.SHARE),
            ReportColumn(name="changes", title="COUNT", kind=Kind.COUNT),
            ReportColumn(name="last_change_at", title="LAST CHANGE", kind=Kind.TIME),
        ),
        nothing="nothing",
    )


def _lemons(sour: pl.DataFrame) -> Section:
    return Section(
        key="lemons",
        title="Lemons",
        note="nodes that fail again and again",
        rows=sour,
        columns=(
            NODE,
            ReportColumn(name="score", title="SCORE", kind=Kind.POINTS),
            ReportColumn(name="rank"),
            ReportColumn(name="node_fails", title="NODE FAILS", kind=Kind.COUNT),
            ReportColumn(name="visits", title="VISITS", kind=Kind.COUNT),
            ReportColumn(name="node_fail_rate", title="RATE", kind=Kind.SHARE),
            ReportColumn(name="out", title="TAKEN OUT", kind=Kind.COUNT),
            ReportColumn(name="failures", title="FAILURES", kind=Kind.COUNT),
        ),
        nothing="none",
    )


def _checks(past: Past) -> Section:
    found = rates(past.pairs, "check_name").with_columns(node_hours=pl.col("node_s") / HOUR_S)
    return Section(
        key="checks",
        title="Checks",
        note="the lowest pass rate first",
        rows=found.sort("pass_rate", "check_name", nulls_last=True),
        columns=(
            CHECK,
            *RATES,
            ReportColumn(name="results"),
            ReportColumn(name="node_hours", title="NODE-HOURS", kind=Kind.POINTS),
        ),
        nothing="no results in this time",
        most=50,
    )


def _reactions(decided: pl.DataFrame) -> Section:
    return Section(
        key="reactions",
        title="Reactions",
        note="the newest first",
        rows=decided,
        columns=(
            ReportColumn(name="decided_at", title="DECIDED", kind=Kind.TIME),
            NODE,
            CHECK,
            ReportColumn(name="kind", title="REACTION"),
            ReportColumn(name="state", title="STATE"),
            ReportColumn(name="why", title="WHY", flexible=True),
            ReportColumn(name="detail"),
            ReportColumn(name="ended_at"),
            ReportColumn(name="ended_by"),
        ),
        nothing="none",
        most=5,
    )


def _sweeps(sweeps: pl.DataFrame) -> Section:
    return Section(
        key="sweeps",
        title="Sweeps",
        note="the newest first",
        rows=sweeps,
        columns=(
            ReportColumn(name="started_at", title="BEGAN", kind=Kind.TIME),
            ReportColumn(name="duration_s", title="TOOK", kind=Kind.LENGTH),
            ReportColumn(name="nodes"),
            ReportColumn(name="free", title="FREE", kind=Kind.COUNT),
            ReportColumn(name="planned", title="PLANNED", kind=Kind.COUNT),
            ReportColumn(name="visits", title="VISITS", kind=Kind.COUNT),
            ReportColumn(name="ingested", title="RESULTS", kind=Kind.COUNT),
            ReportColumn(name="said", title="SAID", flexible=True),
        ),
        nothing="none in this time",
        most=3,
    )
