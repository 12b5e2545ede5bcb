"""The page that draws dashboards: what it shows, and that it tells what is wrong with it."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from tests.seen.picture import CHROMIUM, Answer, Page, Panel, PictureError, Report, draw, page_html
from tests.seen_fleet import CHECKS, OUTCOMES, fleet
from tests.seen_odd import AT, HOSTILE, forms, wrong
from tests.seen_parts import BAD, GOOD, UNTIL, config, override, panel, series, table

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"{CHROMIUM} is not here; make browser installs it"
)

Reports = Mapping[str, Report]


UNITS = [
    (0.97, "percentunit", "97%"), (97.25, "percent", "97.3%"), (90, "s", "1.50 mins"),
    (86400 * 3, "s", "3 days"), (1500, "ms", "1.50 s"), (36, "h", "1.50 day"),
    (1536, "bytes", "1.50 KiB"), (1500, "decbytes", "1.50 kB"), (2e9, "Bps", "2 GB/s"),
    (2**30, "binBps", "1 GiB/s"), (1234567, "short", "1.23 Mil"), (1234567, "none", "1234567"),
    (1234567, "locale", "1,234,567"),
]  # fmt: skip
_IN_TURN = series(
    [
        [f"2026-11-26 {hour}:00:00", name, 1]
        for hour, name in [("00", "a"), ("06", "b"), ("12", "a")]
    ]
)
_STATE = {"3": {"text": "drained", "color": BAD}}
_ABC = table(dict.fromkeys("abc", "String"), [["1", "2", "3"]])

SMALL: Mapping[str, tuple[str, Answer, Mapping[str, object]]] = {
    "long": ("timeseries", series([[AT, "disk", 1], [AT, "cpu", 2]]), {}),
    "long, another number": (
        "timeseries",
        table({"time": "DateTime", "check": "String", "n": "UInt8"}, [[AT, "cpu", 2]]),
        {},
    ),
    "units": (
        "table",
        table(
            {f"c{i}": "Float64" for i in range(len(UNITS))}, [[value for value, _, _ in UNITS]]
        ),
        {"fieldConfig": config(
            *(override(f"c{i}", unit=unit) for i, (_, unit, _) in enumerate(UNITS))
        )},
    ),
    "states": (
        "state-timeline", _IN_TURN, {"fieldConfig": config(custom={"spanNulls": False})},
    ),
    "states, nulls spanned": (
        "state-timeline", _IN_TURN, {"fieldConfig": config(custom={"spanNulls": True})},
    ),
    "mapped": (
        "table",
        table({"n": "UInt8"}, [[3]]),
        {"fieldConfig": config(
            override(
                "n", mappings=[{"type": "value", "options": _STATE}],
                custom__cellOptions={"type": "color-background"},
            )
        )},
    ),
    "bars": (
        "bargauge",
        table({"node": "String", "n": "UInt64"}, [["n1", "5"], ["n2", 7]]),
        {"options": {"reduceOptions": {"values": True}, "orientation": "horizontal"}},
    ),
    "stat": (
        "stat",
        table(
            {"at": "DateTime", "n": "Nullable(Float64)"},
            [["2026-11-26 00:00:00", 4], ["2026-11-26 01:00:00.000", 2.5], [AT, None]],
        ),
        {},
    ),
    "$check on ${node}": (
        "stat", series([]), {"scopedVars": {"check": {"text": "cpu", "value": "cpu"}}},
    ),
    "organized": (
        "table",
        _ABC,
        {"transformations": [{"id": "organize", "options": {
            "excludeByName": {"b": True}, "indexByName": {"c": 0, "a": 1},
            "renameByName": {"a": "node"},
        }}]},
    ),
    "merged": ("table", _ABC, {"transformations": [{"id": "merge", "options": {}}]}),
}  # fmt: skip
"""Panels with their answers, by title."""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    pages = [fleet(), fleet("light"), forms(), forms("light"), wrong()]
    return {one.name: one for one in draw(pages, tmp_path_factory.mktemp("seen"))}


def named(report: Report, title: str) -> Panel:
    return next(one for one in report.panels if one.title == title)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Panel]:
    """What is told of each of SMALL; one page of all, since Chromium takes a second to start."""
    specs = [
        panel(i, kind, title, (0, 8 * i, 24, 8), **more)
        for i, (title, (kind, _, more)) in enumerate(SMALL.items())
    ]
    page = Page(
        name="small", since=UNTIL - timedelta(days=1), until=UNTIL,
        dashboard={
            "title": "small", "panels": specs,
            "templating": {"list": [{"name": "node", "current": {"text": "n1"}}]},
        },
        answers={i: [answer] for i, (_, answer, _) in enumerate(SMALL.values())},
    )  # fmt: skip
    [report] = draw([page], tmp_path_factory.mktemp("small"))
    assert not report.errors
    return dict(zip(SMALL, report.panels, strict=True))


@pytest.mark.parametrize("name", ["fleet-dark", "fleet-light", "forms-dark", "forms-light"])
def test_nothing_is_wrong_with_a_good_dashboard_in_either_theme(
    reports: Reports, name: str
) -> None:
    assert reports[name].complaints == []
    assert all(one.drawn for one in reports[name].panels if one.type != "row")
    assert not any(one.empty for one in reports[name].panels)


def test_a_picture_is_a_png_as_high_as_the_page_and_small(reports: Reports) -> None:
    for report in reports.values():
        head = report.picture.read_bytes()[:24]
        assert head.startswith(b"\x89PNG")
        assert (int.from_bytes(head[16:20]), int.from_bytes(head[20:24])) == (1600, report.height)
        assert report.picture.stat().st_size < 400_000


def test_the_colours_that_a_dashboard_fixes_are_those_that_are_drawn(reports: Reports) -> None:
    for name in ("fleet-dark", "fleet-light"):
        assert set(named(reports[name], "Results by outcome").colours) == set(OUTCOMES.values())
        assert {GOOD, BAD} < set(named(reports[name], "n002, check by check").colours)


def test_every_series_and_its_name_are_there(reports: Reports) -> None:
    found = named(reports["fleet-dark"], "Coverage by check")
    assert found.series == len(CHECKS)
    assert all(check in found.text for check in CHECKS)


def test_a_collapsed_row_is_closed(reports: Reports) -> None:
    found = named(reports["fleet-dark"], "How the sweep does")
    assert "(2 panels)" in found.text
    assert not found.drawn


@pytest.mark.parametrize(
    ("title", "error"),
    [
        ("refused", "Unknown identifier `<b>`"),
        ("backwards", "sorted ascending by time"),
        ("unknown", "piechart is not drawn here"),
        ("no room", "no room to draw in"),
        ("garbage", "not a time: yesterday"),
    ],
)
def test_an_error_is_drawn_and_told(reports: Reports, title: str, error: str) -> None:
    found = named(reports["wrong-dark"], title)
    assert error in found.error
    assert error in found.text
    assert not found.drawn


def test_an_empty_panel_says_so_in_the_dashboards_words(reports: Reports) -> None:
    nothing, null = (named(reports["wrong-dark"], title) for title in ("nothing", "null"))
    assert (nothing.empty, nothing.text) == (True, "No data")
    assert (null.empty, null.text) == (True, "never swept")


def test_overlapping_panels_name_each_other(reports: Reports) -> None:
    assert named(reports["wrong-dark"], "above").overlaps == ["below"]
    assert named(reports["wrong-dark"], "below").overlaps == ["above"]
    assert named(reports["wrong-dark"], "nothing").overlaps == []


def test_what_is_cut_is_told(reports: Reports) -> None:
    assert named(reports["wrong-dark"], "many columns").complaints == [
        "columns need 1200 px of 515"
    ]
    [narrow] = [one for one in reports["wrong-dark"].panels if one.title.startswith("a title")]
    assert narrow.overflow
    assert f"cut: {narrow.title[:60]}" in narrow.complaints
    assert named(reports["wrong-dark"], HOSTILE).cut == 1


def test_hostile_names_stay_text(reports: Reports) -> None:
    found = named(reports["wrong-dark"], HOSTILE)
    assert HOSTILE in found.text
    assert reports["wrong-dark"].errors == []
    assert "<b onclick" not in page_html(wrong())


def test_a_page_needs_nothing_else() -> None:
    text = page_html(fleet())
    assert not re.findall(r"(?:src|href)=|https?://(?!www\.w3\.org/2000/svg)", text)


def test_a_script_that_fails_is_told(tmp_path: Path) -> None:
    page = Page(
        name="torn", dashboard={"panels": [{"type": "stat"}]}, answers={}, since=UNTIL, until=UNTIL
    )
    [report] = draw([page], tmp_path)
    assert "gridPos" in report.errors[0] or "undefined" in report.errors[0]
    assert report.complaints


def test_chromium_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="did not start"):
        draw([wrong()], tmp_path, chromium=tmp_path / "none")


def test_long_answers_are_series_named_by_their_labels(small: Mapping[str, Panel]) -> None:
    # sorted, as LongToWide has them
    assert re.findall(r"cpu|disk|Value", small["long"].text) == ["cpu", "disk"]
    assert "n cpu" in small["long, another number"].text


def test_units_read_as_grafanas(small: Mapping[str, Panel]) -> None:
    found = small["units"].text.split("\n")[-1].split("\t")
    assert found == [text for _, _, text in UNITS]


def test_a_box_lasts_until_the_next_value_of_any_series_or_of_its_own_if_nulls_are_spanned(
    small: Mapping[str, Panel],
) -> None:
    """Grafana makes long answers wide: where a series has no row, a null ends its box."""
    assert small["states"].marks == 3
    assert small["states, nulls spanned"].marks == 2


def test_a_mapped_value_is_coloured_and_told_by_its_mapping_not_by_its_threshold(
    small: Mapping[str, Panel],
) -> None:
    assert "drained" in small["mapped"].text
    assert BAD in small["mapped"].colours


def test_a_bar_gauge_of_rows_is_named_by_its_first_text(small: Mapping[str, Panel]) -> None:
    assert small["bars"].text.split() == ["n1", "5", "n2", "7"]


def test_a_stat_shows_the_last_number_that_is_not_null(small: Mapping[str, Panel]) -> None:
    assert small["stat"].text == "2.50"


def test_a_repeated_panel_is_titled_by_its_own_variable(small: Mapping[str, Panel]) -> None:
    assert small["$check on ${node}"].title == "cpu on n1"


def test_columns_are_organized_and_other_transformations_are_refused(
    small: Mapping[str, Panel],
) -> None:
    assert small["organized"].text.split() == ["c", "node", "3", "1"]
    assert small["merged"].error == "transformation merge is not drawn here"
