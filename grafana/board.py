"""A dashboard made of rows of panels, with the variables that its panels ask for."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model

from grafana import links
from grafana.clickhouse import PLUGIN, SOURCE, UID, Form, Query, plain
from grafana.panels import Panel
from grafana.style import colour

REFRESH = "1m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels beside and below each other, under a title; closed until somebody opens it."""

    title: str
    panels: Sequence[Panel]
    closed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """Something that the reader chooses: what *sql* lists, in its first column."""

    name: str
    label: str
    sql: str
    multi: bool = True
    """Whether several, or all, may be chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something that the reader may type over."""

    name: str
    label: str
    value: str
    means: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Moments that are marked in every panel over time: *sql* gives time, text and tags."""

    name: str
    colour: str
    sql: str


def board(
    uid: str,
    title: str,
    *,
    means: str,
    since: str,
    variables: Sequence[Variable | Entry],
    rows: Sequence[Row],
    marks: Marks | None = None,
) -> model.Dashboard:
    """Return the dashboard; it shows the time from *since*, such as now-24h, to now."""
    made = (
        build.Dashboard(title)
        .uid(uid)
        .description(means)
        .tags([links.TAG])
        .link(links.others())
        .time(since, "now")
        .refresh(REFRESH)
        .timezone("browser")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(_data_source())
    )
    for variable in variables:
        made = made.with_variable(
            _variable(variable) if isinstance(variable, Variable) else _entry(variable)
        )
    if marks is not None:
        made = made.annotation(_marks(marks))
    for row in rows:
        made = _row(made, row)
    return _numbered(made.build())


def _data_source() -> build.DatasourceVariable:
    """Return the choice of a data source: ours, where a Grafana has several of the plugin's."""
    return (
        build.DatasourceVariable("datasource")
        .label("Data source")
        .type(PLUGIN)
        .current(model.VariableOption(text=UID, value=UID, selected=True))
    )


def _variable(variable: Variable) -> build.QueryVariable:
    query: dict[str, object] = {
        "editorType": "sql",
        "rawSql": plain(variable.sql),
        "refId": variable.name,
    }
    made = (
        build.QueryVariable(variable.name)
        .label(variable.label)
        .datasource(SOURCE)
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.NATURAL_ASC)
        .multi(variable.multi)
        .include_all(variable.multi)
    )
    if variable.multi:
        made = made.current(model.VariableOption(text="All", value="$__all", selected=True))
    return made


def _marks(marks: Marks) -> build.AnnotationQuery:
    return (
        build.AnnotationQuery()
        .name(marks.name)
        .datasource(SOURCE)
        .enable(enable=True)
        .icon_color(colour(marks.colour))
        .target(Query(plain(marks.sql), Form.TABLE))
    )


def _entry(entry: Entry) -> build.TextBoxVariable:
    return (
        build.TextBoxVariable(entry.name)
        .label(entry.label)
        .description(entry.means)
        .default_value(entry.value)
        .current(model.VariableOption(text=entry.value, value=entry.value, selected=True))
    )


def _row(made: build.Dashboard, row: Row) -> build.Dashboard:
    title = build.Row(row.title)
    if row.closed:
        for panel in row.panels:
            title = title.with_panel(panel)
        return made.with_row(title)
    made = made.with_row(title)
    for panel in row.panels:
        made = made.with_panel(panel)
    return made


def _numbered(made: model.Dashboard) -> model.Dashboard:
    """Return *made*, each panel with the number by which links find it: its place."""
    number = 0
    for panel in made.panels or []:
        number += 1
        panel.id_val = number
        for inner in getattr(panel, "panels", None) or []:
            number += 1
            inner.id_val = number
    return made
