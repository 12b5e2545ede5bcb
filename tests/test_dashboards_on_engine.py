"""Every question of every dashboard is answered by a real engine, in the shape its panel draws."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from grafana.alert import Alert
from grafana.alerts import alerts
from grafana.reading import Panel, Target
from grafana.select import CLUSTER
from grafana.style import NOTHING_KNOWN
from tests.dashboard_engine import (
    ALPHA,
    BETA,
    BOARDS,
    END,
    Answer,
    History,
    Selection,
    alerted,
    questions,
    repeats,
    rings,
)
from tests.dashboard_figures import FIGURES
from tests.dashboard_seen import Seen
from tests.grafana_macros import ALL, Shown, expand

_EVENTS = ALPHA.events
assert _EVENTS.lemon is not None
assert _EVENTS.flapping is not None
SOME = {
    "cluster": ["alpha", "beta"],
    "node": [_EVENTS.lemon.node, _EVENTS.flapping.node],
    "check": ["cpu", "memory"],
    "partition": ["gpu", "main"],
}
EVERYTHING = Selection(name="all", values=SOME, most=None)
ONE = Selection(name="one", values=SOME, most=1)
TWO = Selection(name="two", values=SOME, most=2)
TYPED = {
    "quote": "n'0001",
    "quotes and brackets": 'a") OR 1=1 --',
    "not ASCII": "ü 😀",
    "variable": "${x}",
    "macro": "$__timeFilter(x)",
}
HOSTILE = [Selection(name=name, hostile=typed) for name, typed in TYPED.items()]
NOTHING = Selection(name="nothing", hostile="")

_LONG_AGO = END - timedelta(days=400)
"""Before there was any history."""

NUMBER = re.compile(r"^(?:Nullable\()?(?:U?Int|Float|Decimal)\d*")
TEXT = re.compile(r"^(?:LowCardinality\()?(?:Nullable\()?String\)*$")
_OF_VARIABLES = {"cluster": "cluster", "node": "node", "check_name": "check"}

PANELS = [
    pytest.param(title, panel, target, id=f"{title}: {panel.title}")
    for title, board in BOARDS.items()
    for panel, target in questions(board)
]


@pytest.fixture
def history(fleets: History) -> History:
    return fleets


def answers(
    history: History, title: str, panel: Panel, target: Target, selection: Selection
) -> Iterator[tuple[Shown, Answer]]:
    shown = history.shown(BOARDS[title], selection)
    for one in repeats(panel, shown):
        yield one, history.ask(expand(target.sql, one))


# What each kind of panel can draw.


def fits(panel: Panel, target: Target, answer: Answer) -> None:
    """Assert that *answer* has the shape that *panel* draws."""
    assert len(set(answer.names)) == len(answer.names)
    assert not {"nan", "inf", "-inf", "-nan"} & {value for row in answer.rows for value in row
                                                 if isinstance(value, str)}  # fmt: skip
    match panel.kind:
        case "timeseries" | "state-timeline" | "heatmap":
            fits_series(panel, answer)
        case "stat":
            assert len(answer.rows) == 1
            assert answer.kinds
            assert all(NUMBER.match(kind) for kind in answer.kinds)
        case "bargauge":
            fits_bars(panel, answer)
        case "table":
            fits_table(panel, target, answer)
        case _:
            pytest.fail(f"nothing is known of a {panel.kind}")


def fits_series(panel: Panel, answer: Answer) -> None:
    names, kinds = answer.names, answer.kinds
    assert names[0] == "time"
    assert "DateTime" in kinds[0]
    times = answer.column("time")
    assert None not in times
    assert times == sorted(times)
    texts = sum(bool(TEXT.match(kind)) for kind in kinds)
    numbers = [bool(NUMBER.match(kind)) for kind in kinds[1 + texts :]]
    assert all(TEXT.match(kind) for kind in kinds[1 : 1 + texts])
    assert all(numbers)
    assert numbers
    assert not texts or (len(numbers) == 1 and names[-1] == "Value")
    if panel.kind == "state-timeline":
        known = {*map(int, panel.mapped), NOTHING_KNOWN}
        assert {*answer.column("Value")} <= known
    else:
        lines = [row[: 1 + texts] for row in answer.rows]
        assert len({*lines}) == len(lines)


def fits_bars(panel: Panel, answer: Answer) -> None:
    if panel.every_row:
        text, number = answer.kinds
        assert TEXT.match(text)
        assert NUMBER.match(number)
    else:
        assert len(answer.rows) <= 1
        assert all(NUMBER.match(kind) for kind in answer.kinds)
        assert {*panel.columns} == {*answer.names}


def fits_table(panel: Panel, target: Target, answer: Answer) -> None:
    assert {*panel.columns} == {*answer.names}
    (most,) = re.findall(r"LIMIT (\d+)\s*$", target.sql)
    assert len(answer.rows) <= int(most)


def empty(panel: Panel, answer: Answer) -> bool:
    """Whether *panel* shows nothing, or zero."""
    if panel.kind == "stat" or (panel.kind == "bargauge" and not panel.every_row):
        return not any(value for row in answer.rows for value in row)
    return not answer.rows


def only_chosen(target: Target, shown: Shown, answer: Answer) -> None:
    """Assert that nodes, checks and clusters are those that were chosen."""
    for name, variable in _OF_VARIABLES.items():
        value = shown.chosen.get(variable, ALL)
        several = [value] if isinstance(value, str) else value
        if name in answer.names and f"${{{variable}:" in target.sql and ALL not in several:
            assert {*answer.column(name)} <= {*several}


# All of them, asked.


@pytest.mark.parametrize(("title", "panel", "target"), PANELS)
def test_of_the_whole_fleet_a_panel_shows_something(
    history: History, title: str, panel: Panel, target: Target
) -> None:
    asked = 0
    for shown, answer in answers(history, title, panel, target, EVERYTHING):
        asked += 1
        fits(panel, target, answer)
        only_chosen(target, shown, answer)
        assert not empty(panel, answer)
    assert asked


@pytest.mark.parametrize("selection", [ONE, TWO], ids=lambda one: one.name)
@pytest.mark.parametrize(("title", "panel", "target"), PANELS)
def test_of_what_one_chooses_a_panel_shows_nothing_else(
    history: History, title: str, panel: Panel, target: Target, selection: Selection
) -> None:
    for shown, answer in answers(history, title, panel, target, selection):
        fits(panel, target, answer)
        only_chosen(target, shown, answer)


@pytest.mark.parametrize("selection", HOSTILE, ids=lambda one: one.name)
@pytest.mark.parametrize(("title", "panel", "target"), PANELS)
def test_of_what_is_not_there_a_panel_shows_nothing_and_breaks_nothing(
    history: History, title: str, panel: Panel, target: Target, selection: Selection
) -> None:
    for _, answer in answers(history, title, panel, target, selection):
        fits(panel, target, answer)
        assert empty(panel, answer)


@pytest.mark.parametrize(("title", "panel", "target"), PANELS)
def test_where_nothing_is_chosen_a_panel_breaks_nothing(
    history: History, title: str, panel: Panel, target: Target
) -> None:
    for _, answer in answers(history, title, panel, target, NOTHING):
        fits(panel, target, answer)


@pytest.mark.parametrize("title", BOARDS)
def test_variables_list_each_value_once(history: History, title: str) -> None:
    shown = history.shown(BOARDS[title], EVERYTHING)
    for variable in BOARDS[title].variables:
        if variable.kind == "query":
            answer = history.ask(expand(variable.sql, shown))
            values = [value for (value,) in answer.rows]
            assert values
            assert len({*values}) == len(values)
            assert all(values)


@pytest.mark.parametrize("title", BOARDS)
@pytest.mark.parametrize("typed", TYPED.values(), ids=[*TYPED])
def test_a_cluster_that_is_not_there_has_nothing_to_choose(
    history: History, title: str, typed: str
) -> None:
    shown = history.shown(BOARDS[title], EVERYTHING)
    elsewhere = replace(shown, chosen={**shown.chosen, "cluster": [typed]})
    for variable in BOARDS[title].variables:
        if variable.kind == "query" and variable.name != "cluster":
            assert history.ask(expand(variable.sql, elsewhere)).rows == []


@pytest.mark.parametrize("title", [title for title, board in BOARDS.items() if board.marks])
@pytest.mark.parametrize("selection", [EVERYTHING, ONE, *HOSTILE], ids=lambda one: one.name)
def test_annotations_have_a_time_a_text_and_tags(
    history: History, title: str, selection: Selection
) -> None:
    for mark in BOARDS[title].marks:
        answer = history.ask(expand(mark.sql, history.shown(BOARDS[title], selection)))
        assert answer.names == ["time", "text", "tags"]
        assert None not in answer.column("time")
        assert bool(answer.rows) == (selection.hostile is None)


@pytest.mark.parametrize("value", TYPED.values(), ids=[*TYPED])
def test_the_engine_reads_a_quoted_value_as_it_was_typed(history: History, value: str) -> None:
    shown = replace(history.shown(BOARDS["Fleet"], EVERYTHING), chosen={"typed": [value, "b"]})
    sql = "SELECT [${typed:singlequote}] AS values"
    ((found,),) = history.ask(expand(sql, shown)).rows
    if "$__" not in value:  # macros are expanded in quotes, too
        assert found == [value, "b"]


def test_with_a_backslash_a_reader_can_ask_for_more_than_was_meant(history: History) -> None:
    """Grafana escapes no backslash. What protects is its user: tests/test_reader.py."""
    sql = f"SELECT count() AS rows FROM node_states WHERE {CLUSTER}"
    shown = history.shown(BOARDS["Fleet"], EVERYTHING)
    left = replace(shown, chosen={"cluster": ["\\') OR 1=1 --"]})
    assert history.ask(expand(sql, left)).rows == [(len(history.nodes),)]


# Alerts, which see every cluster.


def rung(history: History, alert: Alert, until: datetime) -> list[tuple[str, ...]]:
    """Return for which labels *alert* rings at *until*."""
    answer = alerted(alert, history.ask, until=until)
    assert answer.names[-1] == "Value"
    assert NUMBER.match(answer.kinds[-1])
    assert all(TEXT.match(kind) for kind in answer.kinds[:-1])
    assert len({row[:-1] for row in answer.rows}) == len(answer.rows)
    return [row[:-1] for row in answer.rows if rings(alert, row[-1])]


@pytest.mark.parametrize("alert", alerts(), ids=lambda one: one.title)
def test_an_alert_s_question_is_answered_at_any_time(history: History, alert: Alert) -> None:
    for until in (history.planted.gap[0], history.planted.gap[1], _LONG_AGO, END):
        rung(history, alert, until)


def test_the_alert_about_sweeps_rings_in_the_time_without_any(history: History) -> None:
    alert = next(one for one in alerts() if one.title == "NoSweep")
    begin, end = history.planted.gap
    assert ("alpha",) not in rung(history, alert, begin)
    assert ("alpha",) in rung(history, alert, end - timedelta(seconds=10))
    assert rung(history, alert, END) == []


# Their numbers, by Polars.


@pytest.mark.parametrize("selection", [EVERYTHING, ONE, TWO], ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("title", "panel", "target"),
    [
        pytest.param(title, panel, target, id=f"{title}: {panel.title}")
        for title, board in BOARDS.items()
        for panel, target in questions(board)
        if panel.title in FIGURES[title]
    ],
)
def test_a_panel_s_numbers_are_those_that_polars_finds(
    history: History, title: str, panel: Panel, target: Target, selection: Selection
) -> None:
    for shown, answer in answers(history, title, panel, target, selection):
        seen = Seen(history=history, shown=shown, in_partitions="${partition:" in target.sql)
        expected = FIGURES[title][panel.title](seen)
        same(answer, expected)


def test_every_panel_s_numbers_are_found() -> None:
    panels = {(title, panel.title) for title in BOARDS for panel, _ in questions(BOARDS[title])}
    found = {(title, name) for title, figures in FIGURES.items() for name in figures}
    assert found == panels


def shown_in(history: History, title: str, panel_title: str, **chosen: str) -> Answer:
    """Return what a panel shows of the whole fleet, or of one check."""
    panel, target = next(one for one in questions(BOARDS[title]) if one[0].title == panel_title)
    values = {name: [value] for name, value in chosen.items()}
    selection = Selection(name=f"all {values}", values=values, most=None)
    _, answer = next(answers(history, title, panel, target, selection))
    return answer


def test_what_was_planted_stands_out(history: History) -> None:
    drift, flapping, failing = _EVENTS.drift, _EVENTS.flapping, _EVENTS.failing
    assert drift is not None
    assert flapping is not None
    assert failing is not None
    deviating = shown_in(history, "Check", "Nodes that deviate", check=drift.check)
    assert (drift.node, drift.metric) in zip(
        deviating.column("node"), deviating.column("metric"), strict=True
    )
    flaps = shown_in(history, "Check", "Flapping", check=flapping.check)
    assert flapping.node in flaps.column("node")
    outcomes = shown_in(history, "Check", "Outcomes", check=failing.check)
    assert max(outcomes.column("fail")) >= len(failing.nodes)
    waiting = shown_in(history, "Reactions", "Waiting for room or for a person")
    assert history.planted.suspected in {*waiting.column("check_name")}
    held = shown_in(history, "Fleet", "Held or failing")
    assert {hold.node for hold in history.planted.held if hold.at(END)} <= {*held.column("node")}


def test_every_interval_adds_up_the_sweeps_of_all_clusters(history: History) -> None:
    rows = shown_in(history, "Fleet", "What sweeps found").rows
    assert {round(sum(found)) for _, *found in rows} == {ALPHA.nodes + BETA.nodes}


def same(answer: Answer, expected: pl.DataFrame) -> None:
    """Assert that the columns that *expected* has are the same, in any order of rows."""
    columns = [pl.Series(name, answer.column(name), strict=False) for name in expected.columns]
    found = pl.DataFrame(columns)
    assert_frame_equal(found, expected, check_row_order=False, check_dtypes=False, rel_tol=1e-6)
