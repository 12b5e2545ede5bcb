"""Our dashboards, drawn: everything fits, nothing is empty that should not be."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.dashboard_engine import ALPHA, END, TEXTS, History, Selection
from tests.dashboard_pages import page
from tests.dashboard_pictures import asked, first_rows
from tests.seen.picture import CHROMIUM, Page, Report, draw

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"{CHROMIUM} is not here; make browser installs it"
)

Drawing = Callable[[Selection], Sequence[Report]]

assert ALPHA.events.lemon is not None
LEMON = Selection(
    name="lemon", values={"node": [ALPHA.events.lemon.node], "check": ["cpu"]}, most=None
)
"""All there is, and where one must be chosen the lemon."""
NOBODY = Selection(name="nobody", hostile="</script><b>nobody</b>")


@pytest.fixture
def drawing(fleets: History, tmp_path: Path) -> Drawing:
    ask = partial(asked, fleets.clickhouse, fleets.settings)

    def drawn(selection: Selection) -> Sequence[Report]:
        pages = [page(text, ask=ask, until=END, selection=selection) for text in TEXTS.values()]
        return draw(pages, tmp_path)

    return drawn


# The other theme has other colours and the same boxes: tests/test_seen.py has both.
def test_nothing_is_cut_hidden_or_empty(drawing: Drawing) -> None:
    reports = drawing(LEMON)
    assert len(reports) == 5
    for report in reports:
        assert report.complaints == []
        assert [one.title for one in report.panels if one.empty] == []
        assert all(one.drawn for one in report.panels)


def test_of_what_is_not_there_a_dashboard_says_so_and_breaks_nowhere(drawing: Drawing) -> None:
    for report in drawing(NOBODY):
        assert report.errors == []
        assert [one.title for one in report.panels if one.error] == []
        tables = [one for one in report.panels if one.type == "table"]
        assert [one.title for one in tables if not one.empty] == []


def test_the_first_rows_are_the_beginning_of_a_page(fleets: History) -> None:
    ask = partial(asked, fleets.clickhouse, fleets.settings)
    whole = page(TEXTS["fleet"], ask=ask, until=END, selection=LEMON)
    first = titles(first_rows(whole, 2))
    assert first == titles(whole)[: len(first)]
    assert first[0] == "Now"
    assert "Coverage" in first
    assert titles(whole)[len(first)] == "Nodes"


def titles(one: Page) -> list[str]:
    panels = one.dashboard["panels"]
    assert isinstance(panels, list)
    return [panel["title"] for panel in panels]
