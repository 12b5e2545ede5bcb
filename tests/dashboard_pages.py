"""Our dashboards as pages to draw: what they ask, asked of a filled store, and repeats laid out."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from grafana import reading
from tests.dashboard_engine import Selection, choose
from tests.grafana_macros import ALL, Shown, expand, interval_ms
from tests.seen.picture import Answer, Page

Json = dict[str, Any]
Ask = Callable[[str], Answer]

COLUMNS = 24
_CHART_PX = 60
"""Pixels of a column of the grid, about: a panel asks for so many points."""


def page(
    text: str,
    *,
    ask: Ask,
    until: datetime,
    selection: Selection,
    theme: Literal["dark", "light"] = "dark",
) -> Page:
    """Return the dashboard in *text*, as one sees it at *until* who chose *selection*."""
    written: Json = json.loads(text)
    board = reading.dashboard(written)
    shown = choose(board, selection, until=until, ask=lambda sql, so_far: _first(ask, sql, so_far))
    written["panels"] = _laid_out(written["panels"], shown)
    _choose(written, shown)
    return Page(
        name=written["title"].lower() if theme == "dark" else f"{written['title'].lower()}-{theme}",
        dashboard=written,
        answers={
            panel["id"]: [
                ask(expand(target["rawSql"], _seen(panel, shown))) for target in panel["targets"]
            ]
            for panel in _asking(written["panels"])
        },
        since=shown.since,
        until=until,
        theme=theme,
    )


def _first(ask: Ask, sql: str, shown: Shown) -> list[str]:
    return [str(row[0]) for row in ask(expand(sql, shown)).rows]


def _asking(panels: list[Json]) -> Iterator[Json]:
    """Yield the panels that ask something, those in closed rows too."""
    for panel in panels:
        if panel.get("targets"):
            yield panel
        yield from _asking(panel.get("panels") or [])


def _seen(panel: Json, shown: Shown) -> Shown:
    """Return what *panel* is about: its own variable where it is repeated, and its interval."""
    points = panel.get("maxDataPoints") or panel["gridPos"]["w"] * _CHART_PX
    least = interval_ms(shown.until - shown.since, width=points, minimum=panel.get("interval", ""))
    scoped = {name: one["value"] for name, one in panel.get("scopedVars", {}).items()}
    return replace(shown, interval_ms=least, scoped=scoped)


def _choose(written: Json, shown: Shown) -> None:
    """Write into the dashboard's variables what was chosen."""
    for variable in written["templating"]["list"]:
        value = shown.chosen.get(variable["name"])
        if value is not None and value != "":
            several = [value] if isinstance(value, str) else value
            text = ["All" if one == ALL else one for one in several]
            variable["current"] = {"text": text, "value": value, "selected": True}


def _laid_out(panels: list[Json], shown: Shown) -> list[Json]:
    """Return *panels* with each that is repeated as often as it is seen, the rest moved down."""
    found: list[Json] = []
    moved = 0
    number = max(panel["id"] for panel in panels) + 1
    for panel in panels:
        panel["gridPos"]["y"] += moved
        copies = [*_copies(panel, shown)]
        for nth, one in enumerate(copies[1:]):
            one["id"] = number + nth
        number += len(copies)
        moved += copies[-1]["gridPos"]["y"] - panel["gridPos"]["y"]
        found += copies
    return found


def _copies(panel: Json, shown: Shown) -> Iterator[Json]:
    """Yield *panel*, or one for each value of the variable that it is repeated for."""
    name = panel.pop("repeat", "")
    if not name:
        yield panel
        return
    several = panel.pop("maxPerRow", 4)
    chosen = shown.chosen[name]
    values = shown.offered[name] if chosen == [ALL] else chosen
    place: Mapping[str, int] = panel["gridPos"]
    for nth, value in enumerate([values] if isinstance(values, str) else values):
        width = COLUMNS // several
        yield copy.deepcopy(panel) | {
            "gridPos": {
                "x": nth % several * width,
                "y": place["y"] + nth // several * place["h"],
                "w": width,
                "h": place["h"],
            },
            "scopedVars": {name: {"text": value, "value": value}},
        }
