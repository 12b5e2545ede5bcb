"""Draws our dashboards over a synthetic fleet's history: the pictures in docs/.

``python -m tests.dashboard_pictures [--into DIRECTORY] [--theme light]`` fills a ClickHouse store,
asks every panel of it, and draws each dashboard in Chromium. It says what is wrong with a picture,
and exits 1 then. ``make pictures`` makes the files small, too.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from analytics.clickhouse import ClickHouseStore
from slurm_hooks.store_settings import StoreSettings
from tests.clickhouse import ROOT, ClickHouse, start
from tests.dashboard_engine import TEXTS, Selection, written
from tests.dashboard_pages import Ask, page
from tests.fleet import Fleet
from tests.fleet_store import fill
from tests.seen.picture import Answer, Page, Report, draw

UNTIL = datetime(2030, 6, 1, 12, tzinfo=UTC)
FLEET = Fleet(nodes=1000, days=30, results=2_000_000, end=UNTIL, fail_rate=0.002)

_CHOSEN = {"node": ("n0385",), "check": ("cpu",), "cluster": ("alpha",)}
"""The lemon, and the check that sees a node's speed drift away."""


def pages(ask: Ask, theme: Literal["dark", "light"]) -> Iterator[Page]:
    """Yield every dashboard as somebody sees it who looks for what is wrong."""
    for text in TEXTS.values():
        chosen = Selection(name="all", values=_CHOSEN, most=None)
        yield page(text, ask=ask, until=UNTIL, selection=chosen, theme=theme)


@contextmanager
def asking(fleet: Fleet) -> Iterator[Ask]:
    """Yield who answers from *fleet*'s history."""
    with (
        TemporaryDirectory(prefix="cdseen-") as directory,
        start(Path(directory)) as clickhouse,
        clickhouse.database() as settings,
    ):
        store = ClickHouseStore(settings, environ=clickhouse.environ)
        fill(store, fleet)
        store.close()
        yield partial(asked, clickhouse, settings)


def asked(clickhouse: ClickHouse, settings: StoreSettings, sql: str) -> Answer:
    """Return the answer to *sql*, as the page takes it."""
    found = written(clickhouse, settings, sql)
    return Answer(
        names=[one["name"] for one in found["meta"]],
        types=[one["type"] for one in found["meta"]],
        rows=found["data"],
    )


def main(arguments: Sequence[str]) -> int:
    """Draw what *arguments* say; 1 where something is wrong with a picture."""
    parser = argparse.ArgumentParser(prog="python -m tests.dashboard_pictures", description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "docs")
    parser.add_argument("--theme", choices=["dark", "light"], default="dark")
    given = parser.parse_args(arguments)
    with asking(FLEET) as ask:
        drawn = [*pages(ask, given.theme)]
    drawn.append(first_rows(next(one for one in drawn if one.name == "fleet"), 3))
    with TemporaryDirectory(prefix="cdseen-") as made_in:
        reports = draw(drawn, Path(made_in))
        for report in reports:
            shutil.copyfile(report.picture, given.into / report.picture.name)
    complaints = [one for report in reports for one in wrong(report)]
    print("\n".join(complaints or [f"{len(reports)} pictures in {given.into}"]))
    return int(bool(complaints))


def first_rows(whole: Page, rows: int) -> Page:
    """Return the beginning of a page: so many rows of panels."""
    panels = whole.dashboard["panels"]
    assert isinstance(panels, list)
    titles = [one["gridPos"]["y"] for one in panels if one["type"] == "row"]
    kept = [one for one in panels if one["gridPos"]["y"] < titles[rows]]
    return replace(whole, name=f"{whole.name}-first", dashboard={**whole.dashboard, "panels": kept})


def wrong(report: Report) -> list[str]:
    """Return what is wrong with a picture; that a panel is empty is told, too."""
    empty = [f"{report.name}: {one.title}: empty" for one in report.panels if one.empty]
    return [*report.complaints, *empty]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
