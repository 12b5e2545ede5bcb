"""What a report says, and how it is written: text, JSON, HTML."""

import json
import os
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from math import inf, nan

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.fleet_facts import NOTHING, Facts
from analytics.lemon import Weights
from analytics.output import Screen
from analytics.past import empty
from analytics.quantity import quantity, share
from analytics.report import Kind, Report, ReportColumn, Section
from analytics.report_fleet import fleet_report
from analytics.report_html import html
from analytics.report_json import as_json
from analytics.report_node import peers
from analytics.report_text import text
from analytics.table import cells_of
from tests.fleet_story import NOW, RULES, SCOPE, answers, facts_of, no_answers, past_of, story

WEIGHTS = Weights(node_fail=3, node_fail_rate=10, out=2, fail=1, score=6)
ROWS = [*story()]


@pytest.fixture(autouse=True)
def _in_utc() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield
    os.environ.pop("TZ")
    os.environ.update({"TZ": before} if before else {})
    time.tzset()


def fleet(*, is_current: bool = True) -> Report:
    return fleet_report(
        SCOPE, past_of(ROWS), facts_of(ROWS), answers(),
        rules=RULES, weights=WEIGHTS, now=NOW, is_current=is_current,
    )  # fmt: skip


def written(report: Report, width: int | None = 80) -> list[str]:
    return [*text(report, Screen(width=width, colour=False))]


GOLDEN = r"""
alpha: the fleet, 2030-01-21T12:00:00 to 2030-03-02T12:00:00 (40d)
8 of 9 nodes are proven (88.9%); the oldest proof that counts is 3d2h old;
proofs owed: 1 (1 busy)
checks took 11.2 node-hours, 0.28 a day, on 9 nodes, 0.1% of their time

Coverage
CHECK    NODES  PROVEN  SHARE  NEVER  OLDEST PROOF
cpu          9       9   100%      0  2030-02-27T09:51:00
storage      9       8  88.9%      0  2030-03-02T09:52:00

Coverage debt (the most overdue first)
NODE  CHECK    JUDGED               OVERDUE  WHY
n9    storage  2030-02-27T09:51:00     2d2h  busy

Failing now
NODE  CHECK    SINCE                DETAIL
n1    storage  2030-03-02T09:59:00  /var/tmp: <script>alert('x')</script> \x1b[…
n3    storage  2030-03-02T09:57:00  /var/tmp: <script>alert('x')</script> \x1b[…

Held nodes (as the last sweep of the time saw them)
NODE  STATE       HOLDER         SINCE                REASON
n1    IDLE+DRAIN  check storage  2030-03-02T11:02:00  disk: storage: /var/tmp

Regressions (against the past, the peers, and their spread)
NODE  CHECK    METRIC            VERDICT   NOW  USUAL  CHANGE  AGAINST
n2    storage  write_bytes_per…  warn     803M     1G  -19.9%  past, peers, sp…

Flapping (judgements that keep changing)
NODE  CHECK    CHANGES  COUNT  LAST CHANGE
n1    storage    69.8%     13  2030-03-02T09:59:00

Lemons (nodes that fail again and again)
NODE  SCORE  NODE FAILS  VISITS  RATE  TAKEN OUT  FAILURES
n1     11.0           0      28    0%          2         7
n4      6.2           2      28  7.1%          0         0

Checks (the lowest pass rate first)
CHECK    JUDGED   PASS          95%  FAILURES    MTBF  NODE-HOURS
storage     355  97.7%  95.6%-98.9%         8  42d18h         9.0
cpu          89   100%   95.9%-100%         0   >108d         2.2

Reactions (the newest first)
DECIDED              NODE  CHECK    REACTION  STATE  WHY
2030-03-02T11:02:00  n1    storage  drain     done

Sweeps (the newest first)
BEGAN                TOOK  FREE  PLANNED  VISITS  RESULTS  SAID
2030-03-02T11:57:00    2s     7        2       2        4
2030-03-02T11:52:00    2s     7        2       2        4  slurmctld does not a…
"""


def test_the_fleet_reads_like_this_on_eighty_columns() -> None:
    assert "\n".join(written(fleet())) == GOLDEN.strip("\n")


def test_programs_get_every_row_and_plain_values() -> None:
    found = json.loads(as_json(fleet()))
    assert (found["report"], found["subject"], found["cluster"]) == ("fleet", "", "alpha")
    assert (found["since"], found["made_at"]) == (
        "2030-01-21T12:00:00.000Z", "2030-03-02T12:00:00.000Z",
    )  # fmt: skip
    assert found["summary"]["nodes_proven"] == 8
    assert found["summary"]["node_hours"] == pytest.approx(11.2, abs=0.1)
    assert [one["node"] for one in found["failing"]] == ["n1", "n3"]
    one = found["regressions"][0]
    assert (one["node"], one["verdict"], one["against"]) == ("n2", "warn", "past, peers, spread")
    assert 0.19 < one["loss"] < 0.21
    assert set(found["checks"][0]) == {
        "check_name", "judged", "pass_rate", "rate_low", "rate_high", "passed", "warned", "failed",
        "failures", "mtbf_s", "mtbf_floor_s", "results", "node_hours",
    }  # fmt: skip


def test_a_window_that_ended_says_nothing_of_now() -> None:
    found = json.loads(as_json(fleet(is_current=False)))
    assert not {"coverage", "debt", "failing"} & {*found, *found["summary"]}
    assert "proven" not in " ".join(written(fleet(is_current=False)))
    assert "regressions" in found


def test_where_nothing_was_recorded_every_section_says_so() -> None:
    made = fleet_report(
        SCOPE, empty(), NOTHING, no_answers(),
        rules=RULES, weights=WEIGHTS, now=NOW, is_current=True,
    )  # fmt: skip
    assert written(made)[1:] == [
        "no node is known that a check is for",
        "checks took 0.0 node-hours, 0.00 a day, on 0 nodes",
        "",
        "Coverage: no check is for any node that is known",
        "",
        "Coverage debt: none",
        "",
        "Failing now: nothing",
        "",
        "Held nodes: none",
        "",
        "Regressions: none",
        "",
        "Flapping: nothing",
        "",
        "Lemons: none",
        "",
        "Checks: no results in this time",
        "",
        "Reactions: none",
        "",
        "Sweeps: none in this time",
    ]
    assert json.loads(as_json(made))["coverage"] == []
    assert "no check is for any node that is known" in html(made)


class Tags(HTMLParser):
    """Collects what a browser would see as markup, and as text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def seen(page: str) -> Tags:
    found = Tags()
    found.feed(page)
    found.close()
    assert found.open == []
    return found


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    page = html(fleet())
    found = seen(page)
    assert not {"script", "link", "img", "iframe", "a", "object", "base"} & found.tags
    assert not {"src", "href", "onclick", "onload", "style"} & found.attributes - {"style"}
    assert not re.search(r"https?:|url\(|@import", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    assert {"svg", "table", "h1"} <= found.tags
    assert r"/var/tmp: <script>alert('x')</script> \x1b[31mred" in found.text


def test_every_class_of_a_page_has_its_style() -> None:
    page = html(fleet())
    style = page.split("<style>")[1].split("</style>")[0]
    used = {name for names in re.findall(r'class="([^"]+)"', page) for name in names.split()}
    assert {name for name in used if f".{name}" not in style} <= {"tick"}
    for name in ("plots", "card", "wide", "chip", "key", "band", "line", "mark"):
        assert f".{name}" in style


@given(st.text(min_size=1, max_size=30), st.floats(), st.sampled_from([*Kind]))
def test_whatever_a_cell_holds_no_tag_comes_of_it_and_no_line_is_too_wide(
    hostile: str, number: float, kind: Kind
) -> None:
    value: object = number if kind in (Kind.SHARE, Kind.NUMBER, Kind.POINTS) else hostile
    if kind in (Kind.LENGTH, Kind.TIME):
        value = None
    rows = pl.DataFrame({"a": [hostile], "b": [value]})
    columns = [
        ReportColumn(name="a", title="A", flexible=True),
        ReportColumn(name="b", title="B", kind=kind, bar=True),
    ]
    section = Section(key="k", title=hostile, rows=rows, columns=columns, nothing=hostile)
    made = Report(
        kind="node", subject=hostile, cluster=hostile, since=NOW, until=NOW, made_at=NOW,
        sentences=[hostile], figures=[(hostile, hostile)], sections=[section],
    )  # fmt: skip
    usual = {
        "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "p", "h1",
        "h2", "div", "b", "span", "i", "section", "table", "thead", "tbody", "tr", "th", "td",
    }  # fmt: skip
    assert seen(html(made)).tags <= usual
    assert all(cells_of(line) <= 80 and line.isprintable() for line in written(made))
    json.loads(as_json(made))


def test_what_is_no_number_is_null_to_programs() -> None:
    rows = pl.DataFrame({"a": [inf, nan, 1.5], "at": [NOW] * 3})
    section = Section(
        key="k", title="K", rows=rows, nothing="",
        columns=[ReportColumn(name="a"), ReportColumn(name="at")],
    )  # fmt: skip
    made = Report(
        kind="fleet", subject="", cluster="c", since=NOW, until=NOW + timedelta(days=1),
        made_at=NOW, sections=[section],
    )  # fmt: skip
    found = json.loads(as_json(made))["k"]
    assert [one["a"] for one in found] == [None, None, 1.5]
    assert found[0]["at"] == "2030-03-02T12:00:00.000Z"


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (1.53e9, "1.53G"), (999.6, "1k"), (999_999, "1M"), (42, "42"), (-1500, "-1.5k"),
     (0.0872, "87.2m"), (1e30, "1e+30"), (inf, "inf")],
)  # fmt: skip
def test_quantities_have_three_digits_and_a_prefix(number: float, shown: str) -> None:
    assert quantity(number) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [(1, "100%"), (0.99999, "99.9%"), (0.5, "50.0%"), (0.00001, "<0.1%"), (0, "0%"), (2, "200.0%")],
)
def test_all_and_nothing_are_said_only_where_it_is_so(number: float, shown: str) -> None:
    assert share(number) == shown


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 59))
def test_of_many_peers_some_are_asked_and_always_the_node_itself(
    nodes: int, most: int, place: int
) -> None:
    names = [f"n{number}" for number in range(nodes)]
    frame = pl.DataFrame({"node": names, "hardware": ["a"] * nodes})
    node = names[place % nodes]
    found = peers(node, frame, most)
    assert node in found
    assert len(found) <= most + 1
    assert found == peers(node, frame.reverse(), most)
    assert most <= nodes or len(found) == nodes
    assert peers(node, frame.with_columns(hardware=pl.lit(""))) == []
    assert peers("stranger", frame) == []


def test_a_failure_after_the_lemons_window_began_counts_whatever_came_before_it() -> None:
    found = {row["node"]: row["failures"] for row in past_of(ROWS).visits.iter_rows(named=True)}
    assert (found["n1"], found["n3"], found["n2"]) == (7, 1, 0)
    late = [row for row in ROWS if row.finished_at > NOW - timedelta(days=1)]
    assert past_of(late).visits["failures"].sum() == 0


def test_a_fail_that_is_not_confirmed_says_so() -> None:
    facts = facts_of(ROWS)
    unsure = facts.failing.with_columns(confirmed=pl.lit(value=False))
    made = fleet_report(
        SCOPE, past_of(ROWS), Facts(nodes=facts.nodes, pairs=facts.pairs, failing=unsure),
        answers(), rules=RULES, weights=WEIGHTS, now=NOW, is_current=True,
    )  # fmt: skip
    assert sum("(to be confirmed) /var/tmp" in line for line in written(made)) == 2


def test_a_table_that_is_too_long_for_a_screen_says_how_much_is_left() -> None:
    rows = pl.DataFrame({"a": [f"x{n}" for n in range(250)]})
    section = Section(
        key="k", title="K", rows=rows, columns=[ReportColumn(name="a", title="A")], nothing=""
    )
    made = Report(
        kind="fleet", subject="", cluster="c", since=NOW, until=NOW, made_at=NOW,
        sections=[section],
    )  # fmt: skip
    assert written(made)[-1] == "... and 240 more; --json lists them all"
    assert "… and 50 more" in html(made)
    assert len(json.loads(as_json(made))["k"]) == 250
