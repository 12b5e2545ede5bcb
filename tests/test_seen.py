"""The page that draws dashboards: what it shows, and that it tells what is wrong with it."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from tests.seen.picture import CHROMIUM, Answer, Page, Panel, PictureError, Report, draw, page_html
from tests.seen_fleet import CHECKS, OUTCOMES, fleet
from tests.seen_odd import AT, HOSTILE, forms, wrong
from tests.seen_parts import BAD, GOOD, UNTIL, config, override, panel, series, table

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"{CHROMIUM} is not here; scripts/install-debian.sh installs it"
)

Reports = Mapping[str, Report]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    pages = [fleet(), fleet("light"), forms(), forms("light"), wrong()]
    return {one.name: one for one in draw(pages, tmp_path_factory.mktemp("seen"))}


def named(report: Report, title: str) -> Panel:
    return next(one for one in report.panels if one.title == title)


def seen(
    tmp_path: Path, kind: str, answer: Answer, over: Sequence[object] = (), **more: object
) -> Panel:
    """What is told of one panel of this kind with this answer."""
    spec = panel(1, kind, "it", (0, 0, 12, 8), **more)
    spec.setdefault("fieldConfig", config(*over))
    page = Page(
        name="one", dashboard={"title": "one", "panels": [spec]}, answers={1: [answer]},
        since=UNTIL - timedelta(days=1), until=UNTIL,
    )  # fmt: skip
    [report] = draw([page], tmp_path)
    assert not report.errors
    return report.panels[0]


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


def test_long_answers_are_series_named_by_their_labels(tmp_path: Path) -> None:
    found = seen(tmp_path, "timeseries", series([[AT, "disk", 1], [AT, "cpu", 2]]))
    assert re.findall(r"cpu|disk|Value", found.text) == ["cpu", "disk"]  # sorted, as LongToWide
    answer = table({"time": "DateTime", "check": "String", "n": "UInt8"}, [[AT, "cpu", 2]])
    assert "n cpu" in seen(tmp_path, "timeseries", answer).text


UNITS = [
    (0.97, "percentunit", "97%"), (97.25, "percent", "97.3%"), (90, "s", "1.50 mins"),
    (86400 * 3, "s", "3 days"), (1500, "ms", "1.50 s"), (36, "h", "1.50 day"),
    (1536, "bytes", "1.50 KiB"), (1500, "decbytes", "1.50 kB"), (2e9, "Bps", "2 GB/s"),
    (2**30, "binBps", "1 GiB/s"), (1234567, "short", "1.23 Mil"), (1234567, "none", "1234567"),
    (1234567, "locale", "1,234,567"),
]  # fmt: skip


def test_units_read_as_grafanas(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(len(UNITS))]
    answer = table(dict.fromkeys(names, "Float64"), [[value for value, _, _ in UNITS]])
    over = [override(name, unit=unit) for name, (_, unit, _) in zip(names, UNITS, strict=True)]
    found = seen(tmp_path, "table", answer, over).text.split("\n")[-1].split("\t")
    assert found == [text for _, _, text in UNITS]


def test_a_box_lasts_until_the_next_value_of_any_series_or_of_its_own_if_nulls_are_spanned(
    tmp_path: Path,
) -> None:
    """Grafana makes long answers wide: where a series has no row, a null ends its box."""
    rows = [
        ["2026-11-26 00:00:00", "a", 1],
        ["2026-11-26 06:00:00", "b", 1],
        ["2026-11-26 12:00:00", "a", 1],
    ]
    for spanned, boxes in [(False, 3), (True, 2)]:
        fields = config(custom={"spanNulls": spanned})
        assert seen(tmp_path, "state-timeline", series(rows), fieldConfig=fields).marks == boxes


def test_a_mapped_value_is_coloured_and_told_by_its_mapping_not_by_its_threshold(
    tmp_path: Path,
) -> None:
    mappings = [{"type": "value", "options": {"3": {"text": "drained", "color": BAD}}}]
    over = [override("n", mappings=mappings, custom__cellOptions={"type": "color-background"})]
    found = seen(tmp_path, "table", table({"n": "UInt8"}, [[3]]), over)
    assert "drained" in found.text
    assert BAD in found.colours


def test_a_bar_gauge_of_rows_is_named_by_its_first_text(tmp_path: Path) -> None:
    answer = table({"node": "String", "n": "UInt64"}, [["n1", "5"], ["n2", 7]])
    options = {"reduceOptions": {"values": True}, "orientation": "horizontal"}
    found = seen(tmp_path, "bargauge", answer, options=options)
    assert found.text.split() == ["n1", "5", "n2", "7"]


def test_a_stat_shows_the_last_number_that_is_not_null(tmp_path: Path) -> None:
    rows: list[list[object]] = [["2026-11-26 00:00:00", 4], ["2026-11-26 01:00:00.000", 2.5]]
    rows.append([AT, None])
    answer = table({"at": "DateTime", "n": "Nullable(Float64)"}, rows)
    assert seen(tmp_path, "stat", answer).text == "2.50"


def test_a_repeated_panel_is_titled_by_its_own_variable(tmp_path: Path) -> None:
    own = {"check": {"text": "cpu", "value": "cpu"}}
    page = Page(
        name="repeated", since=UNTIL, until=UNTIL, answers={},
        dashboard={
            "panels": [panel(1, "stat", "$check on ${node}", (0, 0, 6, 4), scopedVars=own)],
            "templating": {"list": [{"name": "node", "current": {"text": "n1"}}]},
        },
    )  # fmt: skip
    [report] = draw([page], tmp_path)
    assert report.panels[0].title == "cpu on n1"


def test_columns_are_organized_and_other_transformations_are_refused(tmp_path: Path) -> None:
    answer = table({"a": "String", "b": "String", "c": "String"}, [["1", "2", "3"]])
    order = {"c": 0, "a": 1}
    options = {
        "excludeByName": {"b": True}, "indexByName": order, "renameByName": {"a": "node"},
    }  # fmt: skip
    organize = [{"id": "organize", "options": options}]
    found = seen(tmp_path, "table", answer, transformations=organize)
    assert found.text.split() == ["c", "node", "3", "1"]
    found = seen(tmp_path, "table", answer, transformations=[{"id": "merge", "options": {}}])
    assert found.error == "transformation merge is not drawn here"
