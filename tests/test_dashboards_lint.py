"""Our lint of dashboards finds what it is there for, and our own dashboards have none of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grafana import build, links, lint, sql_text
from grafana.build import made
from tests.dashboard_engine import TEXTS
from tests.grafana_macros import MACROS

Written = dict[str, Any]
"""A dashboard's JSON, or a panel's."""

KNOWN = {links.FLEET, links.NODE, links.CHECK, links.RUNS, links.REACTIONS}


def spoiled(spoil: Callable[[Written], object], name: str = "fleet") -> list[str]:
    """Return the faults of a dashboard after *spoil*, without its name."""
    board = json.loads(TEXTS[name])
    spoil(board)
    return lint.faults(board, KNOWN)


def panel(board: Written, title: str) -> Written:
    titled = [one for one in board["panels"] if one["title"] == title]
    found: Written = min(titled, key=lambda one: one["type"] == "row")
    return found


def asking(title: str, old: str, new: str) -> Callable[[Written], object]:
    """Return what replaces *old* in a panel's question."""

    def spoil(board: Written) -> None:
        target = panel(board, title)["targets"][0]
        assert old in target["rawSql"]
        target["rawSql"] = target["rawSql"].replace(old, new)

    return spoil


def setting(panel_title: str, **values: object) -> Callable[[Written], object]:
    return lambda board: panel(board, panel_title).update(values)


def defaults(title: str, **values: object) -> Callable[[Written], object]:
    return lambda board: panel(board, title)["fieldConfig"]["defaults"].update(values)


def place(title: str, **values: int) -> Callable[[Written], object]:
    return lambda board: panel(board, title)["gridPos"].update(values)


def steps(*values: float | None) -> Callable[[Written], object]:
    return defaults("Owed", thresholds={"steps": [{"value": value} for value in values]})


def link(old: str, new: str) -> Callable[[Written], object]:
    def spoil(board: Written) -> None:
        overrides = panel(board, "Failing now")["fieldConfig"]["overrides"]
        for override in overrides:
            for value in override["properties"]:
                if value["id"] == "links":
                    value["value"][0]["url"] = value["value"][0]["url"].replace(old, new)

    return spoil


def other_column(board: Written) -> None:
    for override in panel(board, "Failing now")["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] == "node":
            override["matcher"]["options"] = "host"


@pytest.mark.parametrize("name", TEXTS)
def test_our_dashboards_have_no_faults(name: str) -> None:
    assert lint.faults(json.loads(TEXTS[name]), KNOWN) == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        # What it is called.
        (lambda board: board.update(uid="fleet"),
         "its uid fleet does not begin with cluster-doctor-"),
        (lambda board: board.update(tags=[]), "has no tag cluster-doctor"),
        (setting("Owed", id=2), "2 panels have the id 2"),
        (setting("Owed", title="Proven"), "2 panels are titled Proven"),
        (setting("Owed", title=""), "panel 3 has no title"),
        # Where it lies.
        (place("Owed", x=21), "Owed: is not within 24 columns"),
        (place("Owed", w=0), "Owed: is not within 24 columns"),
        (place("Held nodes", x=11), "Held nodes: lies on Failing nodes"),
        (place("How long sweeps take", x=15), "How long sweeps take: lies on Last sweeps"),
        (lambda board: board["panels"].remove(panel(board, "Coverage")),
         "line 5 of the grid is empty"),
        # What it says.
        (setting("Owed", description=""), "Owed: has no description that ends in a full stop"),
        (setting("Owed", description="Pairs"), "Owed: has no description that ends in a full stop"),
        (defaults("Owed", unit=""), "Owed: has no unit"),
        (steps(0, 1), "Owed: its thresholds do not begin with null and go up"),
        (steps(None, 2, 1), "Owed: its thresholds do not begin with null and go up"),
        (steps(None, None), "Owed: its thresholds do not begin with null and go up"),
        (steps(), "Owed: its thresholds do not begin with null and go up"),
        # Whom it asks.
        (setting("Owed", datasource={"uid": "mine"}), "Owed: asks mine, not ${datasource}"),
        (lambda board: panel(board, "Owed")["targets"][0].pop("datasource"),
         "Owed: asks no data source, not ${datasource}"),
        (lambda board: board["templating"]["list"][1].pop("datasource"),
         "variable cluster: asks no data source, not ${datasource}"),
        (lambda board: board["templating"]["list"].pop(0),
         "nobody defines the variable datasource"),
        (setting("Owed", targets=[]), "Owed: asks nothing"),
        (lambda board: panel(board, "Owed")["targets"].append(panel(board, "Owed")["targets"][0]),
         "Owed: 2 questions have the refId A"),
        (setting("Owed", type="gauge"), "Owed: is of a kind gauge that this does not know"),
        (lambda board: panel(board, "Owed")["targets"][0].update(format=0),
         "Owed: a stat takes format 1, not 0"),
        (asking("Failures by check", "count()", "$outcome"), "nobody defines the variable outcome"),
        # What it asks.
        (asking("Owed", " AS owed", " + $__sum AS owed"), "Owed: nothing expands $__sum"),
        (asking("Owed", " AS owed", " + '$unheard' AS owed"),
         "nobody defines the variable unheard"),
        (asking("Users' waiting", "${stop_s:singlequote}", "'1'"),
         "nothing uses the variable stop_s"),
        (asking("Owed", " AS owed", " + now() AS owed"),
         "Owed: asks for now(): the end of the shown time is $__toTime"),
        (asking("Owed", "at <= $__toTime AND ", ""),
         "Owed: does not bound coverage by the shown time"),
        (asking("Owed", " AND at > $__toTime - INTERVAL 1 DAY", ""),
         "Owed: does not bound coverage by the shown time"),
        (asking("Failing now", "judged_at <= $__toTime", "1"),
         "Failing now: does not bound status by the shown time"),
        (asking("Last sweeps", "$__timeFilter(started_at)", "$__timeFilter(at)"),
         "Last sweeps: does not bound sweeps by the shown time"),
        (asking("Last sweeps", "LIMIT 100", ""), "Last sweeps: has no LIMIT"),
        (asking("Nodes by state", "LIMIT 20", ""), "Nodes by state: has no LIMIT"),
        # What a table shows.
        (asking("Last sweeps", "duration_s", "duration_s * 1000"),
         "Last sweeps: duration_s * 1000 has no name"),
        (asking("Last sweeps", "duration_s", "duration_s AS took"),
         "Last sweeps: no column duration_s to show"),
        (asking("Last sweeps", "duration_s", "duration_s AS took"),
         "Last sweeps: does not say how to show took"),
        (other_column, "Failing now: node does not lead to cluster-doctor-node"),
        # Where it leads.
        (link("cluster-doctor-node?", "cluster-doctor-nodes?"),
         "Failing now: leads to cluster-doctor-nodes, which is no dashboard"),
        (link("${__url_time_range}", ""),
         "Failing now: its link to cluster-doctor-check loses the shown time"),
        (link("${datasource:queryparam}", ""),
         "Failing now: its link to cluster-doctor-node loses the data source"),
        (link("var-cluster=${__data.fields.cluster:percentencode}", ""),
         "Failing now: its link to cluster-doctor-node loses the cluster"),
    ],
)  # fmt: skip
def test_a_spoiled_dashboard_is_told_of(spoil: Callable[[Written], object], said: str) -> None:
    assert f"Fleet: {said}" in spoiled(spoil)


def test_a_dashboard_without_a_title_is_called_by_its_uid() -> None:
    said = spoiled(lambda board: board.update(title=""))
    assert said == ["cluster-doctor-fleet: has no title"]


def test_what_is_in_a_closed_row_is_looked_at_too() -> None:
    def close(board: Written) -> None:
        below = [one for one in board["panels"] if one["gridPos"]["y"] > 69 - 2]
        row = {**below[0], "collapsed": True, "panels": below[1:]}
        board["panels"] = [*(one for one in board["panels"] if one not in below), row]
        below[1]["description"] = ""
        below[2]["gridPos"]["x"] = below[1]["gridPos"]["x"]

    assert spoiled(close) == [
        "Fleet: Visits that gave way: lies on Node-hours",
        "Fleet: Node-hours: has no description that ends in a full stop",
    ]


def test_a_check_leads_to_its_dashboard_but_not_from_there() -> None:
    def drop(board: Written) -> None:
        overrides = panel(board, "Runs" if board["title"] == "Check" else "Failing now")
        for override in overrides["fieldConfig"]["overrides"]:
            if override["matcher"]["options"] == "check_name":
                override["properties"] = []

    assert spoiled(drop, "check") == []
    assert spoiled(drop) == ["Fleet: Failing now: check_name does not lead to cluster-doctor-check"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda defaults: defaults.update(color={"mode": "thresholds"}),
         "merges values by threshold, so that none has its own colour"),
        (lambda defaults: defaults["custom"].pop("spanNulls"),
         "does not connect nulls, so that a state ends where another row has a value"),
    ],
)  # fmt: skip
def test_a_timeline_that_would_not_show_its_states_is_told(
    spoil: Callable[[Written], object], said: str
) -> None:
    title = "Checks, reactions and who held it"

    def spoil_timeline(board: Written) -> None:
        spoil(panel(board, title)["fieldConfig"]["defaults"])

    assert spoiled(spoil_timeline, "node") == [f"Node: {title}: {said}"]


def test_annotations_are_questions_too() -> None:
    def spoil(board: Written) -> None:
        target = board["annotations"]["list"][0]["target"]
        target["rawSql"] = "SELECT done_at AS time FROM reactions WHERE done_at < now()"

    assert spoiled(spoil, "node") == [
        "Node: annotation Reactions: asks for now(): the end of the shown time is $__toTime",
        "Node: annotation Reactions: does not bound reactions by the shown time",
    ]


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT a, t.b, f(a, 'x, y') AS c FROM t", ["a", "b", "c"]),
        ("SELECT DISTINCT a FROM (SELECT b, c FROM t)", ["a"]),
        ("SELECT (SELECT max(x) FROM t) AS a, 1 AS `b, c`", ["a", "b, c"]),
        ("SELECT if(a = ' FROM ', [1, 2][1], 2) AS a FROM t", ["a"]),
        ("SELECT * FROM t", []),
    ],
)
def test_what_a_question_gives_is_read_off_it(sql: str, columns: list[str]) -> None:
    assert sql_text.selected(sql) == columns


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT a FROM t LIMIT 5", 5),
        ("SELECT a FROM t LIMIT 1 BY a LIMIT 50", 50),
        ("SELECT a FROM t LIMIT 12 BY a", None),
        ("SELECT a FROM (SELECT b FROM t LIMIT 5)", None),
        ("SELECT 'LIMIT 5' AS a", None),
    ],
)
def test_how_many_rows_a_question_gives_at_most_is_read_off_it(sql: str, rows: int | None) -> None:
    assert sql_text.limit(sql) == rows


@pytest.mark.parametrize(
    ("part", "low", "high"),
    [
        ("$__timeFilter(a) AND b > $__fromTime", {"a", "b"}, {"a"}),
        ("a BETWEEN $__fromTime - INTERVAL 1 DAY AND $__toTime", {"a"}, {"a"}),
        ("$__timeFrom(a) AND $__timeTo(b)", {"a"}, {"b"}),
        ("b <= concat(f($__toTime, '%Y'), '~')", set(), {"b"}),
        ("a > 5 AND c < $__toTime OR a >= b", set(), {"c"}),
    ],
)
def test_how_a_question_is_bounded_is_read_off_it(part: str, low: set[str], high: set[str]) -> None:
    assert sql_text.bounds(part) == (low, high)


def test_a_bound_counts_for_the_question_in_which_it_is() -> None:
    sql = (
        "SELECT a FROM x WHERE (SELECT 1 FROM y WHERE b) UNION ALL SELECT c FROM z WHERE 'FROM w)'"
    )
    assert [*sql_text.sources(sql)] == [
        ("x", "FROM x WHERE (SELECT 1 FROM y WHERE b) "),
        ("y", "FROM y WHERE b"),
        ("z", "FROM z WHERE 'FROM w)'"),
    ]


def test_the_lint_knows_the_macros_that_are_expanded_and_no_others() -> None:
    assert {*MACROS, "conditionalAll", "from", "to"} == lint.MACROS


def test_a_fault_is_told_beside_files_that_differ(tmp_path: Path) -> None:
    texts = {
        name: text.replace('"title": "Owed"', '"title": "Proven"') for name, text in made().items()
    }
    assert build.problems(tmp_path, texts) == [
        *build.differences(tmp_path, texts), "Fleet: 2 panels are titled Proven",
    ]  # fmt: skip
