"""Our dashboards, drawn: everything fits, nothing is empty that should not be, in either theme."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import pytest

from grafana.build import made
from tests.clickhouse import ClickHouse
from tests.dashboard_engine import ALPHA, END, History, Selection, told
from tests.dashboard_pages import page
from tests.dashboard_pictures import asked, first_rows
from tests.seen.picture import CHROMIUM, Report, draw

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"{CHROMIUM} is not here; scripts/install-debian.sh installs it"
)

Theme = Literal["dark", "light"]
Drawing = Callable[[Selection, Theme], Sequence[Report]]

assert ALPHA.events.lemon is not None
LEMON = Selection(
    name="lemon", values={"node": [ALPHA.events.lemon.node], "check": ["cpu"]}, most=None
)
"""All there is, and where one must be chosen the lemon."""
NOBODY = Selection(name="nobody", hostile="</script><b>nobody</b>")


@pytest.fixture(scope="module")
def history(clickhouse: ClickHouse) -> Iterator[History]:
    with told(clickhouse) as one:
        yield one


@pytest.fixture
def drawing(history: History, tmp_path: Path) -> Drawing:
    ask = partial(asked, history.clickhouse, history.settings)

    def drawn(selection: Selection, theme: Theme) -> Sequence[Report]:
        texts = [text for name, text in made().items() if name.endswith(".json")]
        pages = [page(text, ask=ask, until=END, selection=selection, theme=theme) for text in texts]
        return draw(pages, tmp_path)

    return drawn


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_nothing_is_cut_hidden_or_empty(drawing: Drawing, theme: Theme) -> None:
    reports = drawing(LEMON, theme)
    assert len(reports) == 5
    for report in reports:
        assert report.complaints == []
        assert [one.title for one in report.panels if one.empty] == []
        assert all(one.drawn for one in report.panels)


def test_of_what_is_not_there_a_dashboard_says_so_and_breaks_nowhere(drawing: Drawing) -> None:
    for report in drawing(NOBODY, "dark"):
        assert report.errors == []
        assert [one.title for one in report.panels if one.error] == []
        tables = [one for one in report.panels if one.type == "table"]
        assert [one.title for one in tables if not one.empty] == []


def test_the_first_rows_are_the_beginning_of_a_page(history: History, tmp_path: Path) -> None:
    ask = partial(asked, history.clickhouse, history.settings)
    whole = page(made()["generated/fleet.json"], ask=ask, until=END, selection=LEMON)
    [long, short] = draw([whole, first_rows(whole, 2)], tmp_path)
    assert short.height < long.height
    rows = [one.title for one in short.panels if one.type == "row"]
    assert rows == ["Now", "Coverage"]
    assert {one.title for one in short.panels} < {one.title for one in long.panels}
