"""Our own lint of dashboards: what Grafana would show wrongly, slowly or not at all (pure)."""

import re
from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import TypeVar

from analytics.tables import TABLES
from grafana import links, reading, sql_text
from grafana.clickhouse import SOURCE, Form
from grafana.reading import Dashboard, Json, Panel, Target

Thing = TypeVar("Thing", bound=Hashable)

WIDTH = 24
FORMS: Mapping[str, Form] = {
    "timeseries": Form.SERIES, "state-timeline": Form.SERIES, "heatmap": Form.SERIES,
    "stat": Form.TABLE, "table": Form.TABLE, "bargauge": Form.TABLE,
}  # fmt: skip
"""The kinds of panels that there are, and what they take an answer for."""

NUMBERS = {"stat", "timeseries", "bargauge", "heatmap"}
MACROS = frozenset({
    "conditionalAll", "timeFilter", "timeFilter_ms", "dateFilter", "dateTimeFilter", "dt",
    "timeFrom", "timeTo", "timeInterval", "timeInterval_ms", "timeGroup", "fromTime", "toTime",
    "fromTime_ms", "toTime_ms", "interval_s", "interval_ms", "interval", "from", "to",
})  # fmt: skip
"""What the plugin and Grafana expand in SQL."""

LEADS = {"node": links.NODE, "check_name": links.CHECK, "batch": links.RUNS}
"""The dashboard to which a table's column leads."""

KEPT = {
    "the shown time": ("${__url_time_range}",),
    "the cluster": ("${cluster:queryparam}", "var-cluster="),
    "the data source": ("${datasource:queryparam}",),
}
"""What every link to a dashboard says, one way or another."""

_REFERENCE = re.compile(r"\$\{?(\w+)|\[\[(\w+)")
_MACRO = re.compile(r"\$\{?__(\w+)")
_NOW = re.compile(r"\b(?:now|now64|today|yesterday)\s*\(", re.IGNORECASE)
_TO_BOARD = re.compile(r"^/d/([\w-]+)")

_OF_RESULTS = {"started_at", "finished_at", "batch"}
_TIMES: Mapping[str, set[str]] = {
    **{
        table.name: {name for name, kind in table.columns.items() if "DateTime" in kind}
        | ({"batch"} & {*table.columns})
        for table in TABLES
    },
    "history": _OF_RESULTS,
    "visits": _OF_RESULTS,
    "runs": {"batch"},
    "reactions": {"decided_at", "done_at", "ended_at", "judged_at"},
    "sweeps": {"started_at", "finished_at"},
    "coverage": {"at"},
    "status": {"judged_at", "attempt_at"},
}
"""By which columns a question for a table or view can be bounded; a batch begins with its time."""

_AS_IT_IS_NOW = {"status"}
"""Views of the latest of each: a bound from above is enough."""


def faults(dashboard: Json, known: Collection[str]) -> list[str]:
    """Return a sentence for each fault of *dashboard*; *known* are all dashboards' ids."""
    board = reading.dashboard(dashboard)
    return [f"{board.title or board.uid}: {said}" for said in _faults(board, known)]


def _faults(board: Dashboard, known: Collection[str]) -> Iterator[str]:
    yield from _names(board)
    yield from _layout([*board.panels])
    yield from _variables(board)
    for variable in board.variables:
        if variable.kind == "query":
            target = Target(ref_id="", sql=variable.sql, form=None, source=variable.source)
            yield from _prefixed(f"variable {variable.name}", _question(target))
    for mark in board.marks:
        yield from _prefixed(f"annotation {mark.ref_id}", _question(mark))
    for panel in board.every_panel():
        if panel.kind == "row":
            yield from _layout([*panel.panels])
        else:
            yield from _prefixed(panel.title, _panel(board, panel, known))


def _prefixed(what: str, said: Iterator[str]) -> Iterator[str]:
    return (f"{what}: {one}" for one in said)


# A dashboard as a whole.


def _names(board: Dashboard) -> Iterator[str]:
    if not board.uid.startswith(f"{links.TAG}-"):
        yield f"its uid {board.uid} does not begin with {links.TAG}-"
    if not board.title:
        yield "has no title"
    if links.TAG not in board.tags:
        yield f"has no tag {links.TAG}"
    panels = [*board.every_panel()]
    yield from (f"{n} panels have the id {one}" for one, n in _twice(p.number for p in panels))
    titles = ((panel.kind == "row", panel.title) for panel in panels)
    yield from (f"{n} panels are titled {one}" for (_, one), n in _twice(titles))
    yield from (f"panel {panel.number} has no title" for panel in panels if not panel.title)


def _twice(found: Iterator[Thing]) -> Iterator[tuple[Thing, int]]:
    return ((one, times) for one, times in Counter(found).items() if times > 1)


def _layout(panels: list[Panel]) -> Iterator[str]:
    """Yield what is outside the grid, on top of something else, or leaves lines empty."""
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        place = panel.place
        within = place.x >= 0 and place.x + place.w <= WIDTH
        if not within or place.w <= 0 or place.h <= 0:
            yield f"{panel.title}: is not within {WIDTH} columns"
        columns, below = range(place.x, place.x + place.w), range(place.y, place.y + place.h)
        cells = [(x, y) for x in columns for y in below]
        others = sorted({taken[cell] for cell in cells if cell in taken})
        if others:
            yield f"{panel.title}: lies on {', '.join(others)}"
        taken |= dict.fromkeys(cells, panel.title)
    lines = {y for _, y in taken}
    if lines and len(lines) != max(lines) - min(lines) + 1:
        empty = min(set(range(min(lines), max(lines))) - lines)
        yield f"line {empty} of the grid is empty"


def _variables(board: Dashboard) -> Iterator[str]:
    """Yield variables that are not defined, or that nothing asks for."""
    defined = {variable.name for variable in board.variables}
    used = {name for text in _texts(board) for name in _references(text)}
    used |= {panel.repeat for panel in board.every_panel() if panel.repeat}
    yield from (f"nobody defines the variable {name}" for name in sorted(used - defined))
    yield from (f"nothing uses the variable {name}" for name in sorted(defined - used))


def _texts(board: Dashboard) -> Iterator[str]:
    for variable in board.variables:
        yield from (variable.sql, variable.source)
    for mark in board.marks:
        yield from (mark.sql, mark.source)
    for panel in board.every_panel():
        yield from (panel.title, panel.source)
        yield from (url for urls in panel.leads.values() for url in urls)
        yield from (target.sql for target in panel.targets)


def _references(text: str) -> set[str]:
    names = {one or other for one, other in _REFERENCE.findall(text)}
    return {name for name in names if not name.startswith("__")}


# A panel.


def _panel(board: Dashboard, panel: Panel, known: Collection[str]) -> Iterator[str]:
    if not panel.means.endswith("."):
        yield "has no description that ends in a full stop"
    if panel.source != SOURCE.uid:
        yield f"asks {panel.source or 'no data source'}, not {SOURCE.uid}"
    if panel.kind in NUMBERS and not panel.unit:
        yield "has no unit"
    for steps in panel.steps:
        later = [step for step in steps[1:] if step is not None]
        if steps[:1] != [None] or len(later) != len(steps) - 1 or later != sorted(set(later)):
            yield "its thresholds do not begin with null and go up"
    if panel.kind == "state-timeline" and panel.coloured_by == "thresholds":
        yield "merges values by threshold, so that none has its own colour"
    if panel.kind == "state-timeline" and not panel.connects:
        yield "does not connect nulls, so that a state ends where another row has a value"
    yield from _targets(panel)
    if panel.kind == "table":
        yield from _columns(board, panel)
    for url in (url for urls in panel.leads.values() for url in urls):
        yield from _link(url, known)


def _targets(panel: Panel) -> Iterator[str]:
    if not panel.targets:
        yield "asks nothing"
    names = (target.ref_id for target in panel.targets)
    yield from (f"{n} questions have the refId {one}" for one, n in _twice(names))
    form = FORMS.get(panel.kind)
    if form is None:
        yield f"is of a kind {panel.kind} that this does not know"
    for target in panel.targets:
        if form is not None and target.form != form.value[1]:
            yield f"a {panel.kind} takes format {form.value[1]}, not {target.form}"
        if (panel.kind == "table" or panel.every_row) and sql_text.limit(target.sql) is None:
            yield "has no LIMIT"
        yield from _question(target)


def _question(target: Target) -> Iterator[str]:
    """Yield the faults of a question: of a panel, of a variable, or for annotations."""
    if target.source != SOURCE.uid:
        yield f"asks {target.source or 'no data source'}, not {SOURCE.uid}"
    if _NOW.search(target.sql):
        yield "asks for now(): the end of the shown time is $__toTime"
    for name in sorted({*_MACRO.findall(target.sql)} - MACROS):
        yield f"nothing expands $__{name}"
    for source, part in sql_text.sources(target.sql):
        if source in _TIMES:
            low, high = (found & _TIMES[source] for found in sql_text.bounds(part))
            if not high or not (low or source in _AS_IT_IS_NOW):
                yield f"does not bound {source} by the shown time"


def _columns(board: Dashboard, panel: Panel) -> Iterator[str]:
    """Yield columns of a table that are not there, not described, or lead nowhere."""
    try:
        given = {name for target in panel.targets for name in sql_text.selected(target.sql)}
    except ValueError as error:
        yield str(error)
        return
    if given:
        yield from (f"no column {name} to show" for name in sorted(panel.columns.keys() - given))
        yield from (f"does not say how to show {name}" for name in sorted(given - {*panel.columns}))
    for name in sorted(given & LEADS.keys()):
        lead = f"/d/{LEADS[name]}?"
        here = board.uid == LEADS[name] == links.CHECK
        if not here and not any(url.startswith(lead) for url in panel.leads.get(name, ())):
            yield f"{name} does not lead to {LEADS[name]}"


def _link(url: str, known: Collection[str]) -> Iterator[str]:
    found = _TO_BOARD.match(url)
    if found is None:
        return
    if found[1] not in known:
        yield f"leads to {found[1]}, which is no dashboard"
    for what, kept in KEPT.items():
        if not any(one in url for one in kept):
            yield f"its link to {found[1]} loses {what}"
