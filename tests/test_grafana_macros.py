"""A panel's SQL is expanded as Grafana's ClickHouse plugin does it, pitfalls included."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.grafana_macros import ALL, MacroError, Shown, expand, interval_ms, since, targets
from tests.grafana_variables import formatted

UNTIL = datetime(2030, 6, 1, 12, tzinfo=UTC)
SINCE = UNTIL - timedelta(hours=24)
FROM, TO = (int(time.timestamp()) for time in (SINCE, UNTIL))
SHOWN = Shown(
    since=SINCE,
    until=UNTIL,
    interval_ms=60_000,
    chosen={"node": ALL, "check": ["cpu", "clock"], "batch": "b'1"},
    offered={"node": ["n1", "n2"]},
)
NODES = "$__conditionalAll(node IN (${node:singlequote}), $node)"
LITERAL = re.compile(r"'((?:\\.|''|[^'\\])*)'", re.DOTALL)
"""A string as ClickHouse reads it (Syntax, String literals)."""


@pytest.mark.parametrize(
    ("sql", "expanded"),
    [
        ("$__timeFilter(at)", f"at >= toDateTime({FROM}) AND at <= toDateTime({TO})"),
        ("$__timeFilter( f(a, ')') )", (f"f(a, ')') >= toDateTime({FROM}) AND "
         f"f(a, ')') <= toDateTime({TO})")),
        ("$__timeFilter_ms(at)", (f"at >= fromUnixTimestamp64Milli({FROM}000) AND "
         f"at <= fromUnixTimestamp64Milli({TO}000)")),
        ("$__dateFilter(d)", "d >= toDate('2030-05-31') AND d <= toDate('2030-06-01')"),
        ("$__dt(d, at)", ("(d >= toDate('2030-05-31') AND d <= toDate('2030-06-01')) AND "
         f"(at >= toDateTime({FROM}) AND at <= toDateTime({TO}))")),
        ("$__timeFrom(at), $__timeTo(at)", f"at >= toDateTime({FROM}), at <= toDateTime({TO})"),
        ("$__fromTime < $__toTime", f"toDateTime({FROM}) < toDateTime({TO})"),
        ("$__fromTime_ms", f"fromUnixTimestamp64Milli({FROM}000)"),
        ("$__timeInterval(at)", "toStartOfInterval(toDateTime(at), INTERVAL 60 second)"),
        ("$__timeInterval_ms(at)",
         "toStartOfInterval(toDateTime64(at, 3), INTERVAL 60000 millisecond)"),
        ("$__timeGroup(at, '5m')", "toStartOfInterval(toDateTime(at), INTERVAL 300 second)"),
        ("$__interval_s $__interval_ms $__interval", "60 60000 1m"),
        ("$__from ${__to:date:seconds} ${__to:date}", f"{FROM}000 {TO} 2030-06-01T12:00:00.000Z"),
    ],
)  # fmt: skip
def test_the_back_ends_macros_become_what_the_plugin_makes_of_them(sql: str, expanded: str) -> None:
    assert expand(sql, SHOWN) == expanded


def test_macros_within_macros_are_expanded_first() -> None:
    inner = f"toDateTime({TO})"
    assert expand("$__timeInterval(least(at, $__toTime))", SHOWN) == (
        f"toStartOfInterval(toDateTime(least(at, {inner})), INTERVAL 60 second)"
    )


def test_comments_go_before_macros_are_looked_for_but_not_within_quotes() -> None:
    assert expand("a -- $__timeFilter()\n/* $__toTime(,) */ b", SHOWN).split() == ["a", "b"]
    assert expand(r"'it\'s -- fine' `a--b`", SHOWN) == r"'it\'s -- fine' `a--b`"


def test_a_condition_is_dropped_where_everything_is_chosen() -> None:
    chosen = {"node": ["n1"], "check": [ALL], "batch": ""}
    sql = "$__conditionalAll(a IN (${node:singlequote}), $node) AND " + " AND ".join(
        f"$__conditionalAll(x, ${name})" for name in ("check", "batch")
    )
    assert expand(sql, replace(SHOWN, chosen=chosen)) == "a IN ('n1') AND 1=1 AND 1=1"


def test_a_condition_within_another_is_looked_at_first() -> None:
    sql = "$__conditionalAll($__conditionalAll(x, $node) AND y IN (${check:singlequote}), $check)"
    assert expand(sql, SHOWN) == "1=1 AND y IN ('cpu','clock')"


@pytest.mark.parametrize(
    "sql",
    [
        "$__conditionalAll(x = ')', $node)",  # its own brackets count, quoted or not
        "$__conditionalAll(x = ',', $node)",
        "$__conditionalAll(x, $unheard)",
        "$__conditionalAll(x)",
        "$__conditionalAll(match(x, '^n$'), $check)",  # JavaScript reads $'
        "$__timeFilters(at)",
        "$__timeFilter()",
        "$__timeFilter(at, at)",
        "${unheard}",
        "$unheard",
        "${node.text}",
        "${node:lucene}",
    ],
)
def test_what_grafana_would_not_expand_is_an_error(sql: str) -> None:
    with pytest.raises(MacroError):
        expand(sql, SHOWN)


def test_all_stands_for_every_option_where_no_condition_drops_it() -> None:
    assert expand("${node:singlequote} $node", SHOWN) == "'n1','n2' 'n1','n2'"


def test_in_a_repeated_panel_the_variable_has_one_value_but_conditions_do_not_know_it() -> None:
    shown = replace(SHOWN, scoped={"node": "n2"})
    assert expand("node = ${node:singlequote}", shown) == "node = 'n2'"
    assert expand(NODES, shown) == "1=1"  # what is chosen for the dashboard is All


def test_variables_are_written_in_the_form_that_is_asked_for() -> None:
    values = ["a'b", "ü c"]
    assert formatted("v", values, "singlequote") == r"'a\'b','ü c'"
    assert formatted("v", values, "sqlstring") == "'a''b','ü c'"
    assert formatted("v", values, "raw") == "a'b,ü c"
    assert formatted("v", values, "queryparam") == "var-v=a%27b&var-v=%C3%BC%20c"
    assert formatted("v", values, "") == "'a'b','ü c'"  # the plugin's own: it escapes nothing
    assert formatted("v", "a'b", "") == "a'b"


def test_a_value_is_not_looked_through_for_variables_but_for_macros_it_is() -> None:
    shown = replace(SHOWN, chosen={"node": "${check} $check $__toTime $__unheard"})
    assert expand("${node:singlequote}", shown) == (
        f"'${{check}} $check toDateTime({TO}) $__unheard'"
    )


@given(st.lists(st.text().filter(lambda text: "\\" not in text and "$" not in text), min_size=1))
def test_no_value_without_a_backslash_leaves_its_quotes(values: list[str]) -> None:
    shown = replace(SHOWN, chosen={"node": values})
    written = expand("(${node:singlequote})", shown)
    found = [re.sub(r"\\(.)", r"\1", text) for text in LITERAL.findall(written)]
    assert found == values
    assert LITERAL.sub("", written) == "(" + "," * (len(values) - 1) + ")"


def test_a_value_with_a_backslash_does_leave_its_quotes() -> None:
    """Grafana escapes no backslash: that a reader may only read is the database's to say."""
    shown = replace(SHOWN, chosen={"node": "\\') OR 1=1 --"})
    written = expand(f"WHERE {NODES}", shown).rstrip()
    assert LITERAL.sub("?", written) == "WHERE node IN (?) OR 1=1"


@pytest.mark.parametrize(
    ("span", "minimum", "expected_s"),
    [("1h", "", 5), ("24h", "", 60), ("7d", "", 600), ("30d", "", 1800), ("24h", "5m", 300),
     ("30d", "5m", 1800)],
)  # fmt: skip
def test_an_interval_is_a_round_part_of_the_time_that_is_shown(
    span: str, minimum: str, expected_s: int
) -> None:
    shown = UNTIL - since(f"now-{span}", UNTIL)
    assert interval_ms(shown, minimum=minimum) == expected_s * 1000


def test_the_questions_of_closed_rows_and_repeated_panels_are_found() -> None:
    def panel(title: str) -> dict[str, object]:
        return {"title": title, "type": "stat", "targets": [{"refId": "A", "rawSql": title}]}

    row = {"type": "row", "title": "row", "panels": [panel("c")]}
    written = {"panels": [panel("a"), {**panel("b"), "repeat": "node"}, row]}
    assert [(one.title, one.repeat, found.sql) for one, found in targets(written)] == [
        ("a", "", "a"), ("b", "node", "b"), ("c", "", "c"),
    ]  # fmt: skip
