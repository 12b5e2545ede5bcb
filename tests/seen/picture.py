"""Pictures of dashboards: one page of HTML each, drawn by Chromium, which tells what it drew."""

import html
import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryDirectory
from typing import Any, Literal

from pydantic import TypeAdapter

CHROMIUM = Path("/usr/bin/chromium")
HERE = Path(__file__).parent
TIMEOUT_S = 60
_LINE_PX = 38
"""Of the grid, with its gap; `dashboard.js` lays out."""
_AROUND_PX = 60
"""Above and below the grid, but for the last gap; variables and links take _CONTROLS_PX more."""
_CONTROLS_PX = 36


class PictureError(Exception):
    """Chromium gave no picture, or the page no report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one target's query gave, as ClickHouse's JSONCompact has it, or its error."""

    names: Sequence[str] = ()
    types: Sequence[str] = ()
    """ClickHouse's names of types."""
    rows: Sequence[Sequence[object]] = ()
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One dashboard to draw, with the answers to its queries.

    Variables are drawn as their `current` says. Panels that repeat come expanded, their own
    variables in `scopedVars`, as Grafana has it.
    """

    name: str
    """Of the files: NAME.html and NAME.png."""
    dashboard: Mapping[str, object]
    """Grafana's classic JSON."""
    answers: Mapping[int, Sequence[Answer]]
    """By panel id, one for each target that is not hidden."""
    since: datetime
    until: datetime
    theme: Literal["dark", "light"] = "dark"
    width: int = 1600


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What the page tells of one panel that it drew."""

    id: int
    title: str
    type: str
    drawn: bool
    empty: bool
    error: str
    overflow: bool
    """Something lies outside of the panel, text is cut, or labels lie on each other."""
    complaints: Sequence[str]
    """What overflow means here, a sentence each."""
    overlaps: Sequence[str]
    """Titles of panels that share some of its area."""
    series: int
    marks: int
    """Boxes, lines, dots, bars and cells that stand for data."""
    cut: int
    """Cells of a table whose text ends in an ellipsis."""
    colours: Sequence[str]
    """What data and config chose, as #rrggbb; not the theme's."""
    text: str
    """What can be read in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the page tells of itself."""

    name: str = ""
    picture: Path = field(default_factory=Path)
    height: int
    header: Sequence[str]
    """Texts above the panels that do not fit."""
    errors: Sequence[str]
    """Errors of the page's own scripts, which nobody caught."""
    panels: Sequence[Panel]

    @property
    def complaints(self) -> list[str]:
        """What is wrong with the picture, a sentence each; empty when all is well."""
        found = [f"{self.name}: script: {one}" for one in self.errors]
        found += [f"{self.name}: does not fit above the panels: {one}" for one in self.header]
        for panel in self.panels:
            where = f"{self.name}: {panel.title or panel.type}"
            found += [f"{where}: {panel.error}"] if panel.error else []
            found += [f"{where}: {one}" for one in panel.complaints]
            found += [f"{where}: overlaps {one}" for one in panel.overlaps]
        return found


_REPORT = TypeAdapter(Report)


def page_html(page: Page) -> str:
    """The page as one HTML text that needs nothing else; hostile names in it stay text."""
    text = (HERE / "page.html").read_text()
    text = text.replace(
        '<link rel="stylesheet" href="style.css">',
        f"<style>\n{(HERE / 'style.css').read_text()}</style>",
    )
    text = re.sub(
        r'<script src="([\w.-]+)"></script>',
        lambda found: f"<script>\n{(HERE / found[1]).read_text()}</script>",
        text,
    )
    return text.replace('id="page">null<', f'id="page">{_data(page)}<')


def _data(page: Page) -> str:
    """What the page draws, as JSON without any character that HTML reads."""
    data = {
        "dashboard": page.dashboard,
        "answers": {
            panel: [
                {"names": one.names, "types": one.types, "rows": one.rows, "error": one.error}
                for one in answers
            ]
            for panel, answers in page.answers.items()
        },
        "range": {"from": _milliseconds(page.since), "to": _milliseconds(page.until)},
        "theme": page.theme,
    }
    text = json.dumps(data, default=_plain, allow_nan=False)
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _plain(value: object) -> object:
    """JSON of what Python's clients give beside JSONCompact: times as ClickHouse writes them."""
    if isinstance(value, datetime):
        at = value if value.tzinfo is None else value.astimezone(UTC)
        return at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return str(value)


def draw(pages: Sequence[Page], into: Path, *, chromium: Path = CHROMIUM) -> list[Report]:
    """Write NAME.html and NAME.png of each page into *into*; what each tells of itself.

    Raises:
        PictureError: Chromium is not there, took over a minute, or drew nothing.
    """
    into.mkdir(parents=True, exist_ok=True)
    return [_draw(page, into, chromium) for page in pages]


def _draw(page: Page, into: Path, chromium: Path) -> Report:
    """One run at the likely height; where the page tells another (0: a script failed), a second."""
    source = into / f"{page.name}.html"
    picture = into / f"{page.name}.png"
    source.write_text(page_html(page), encoding="utf-8")
    picture.unlink(missing_ok=True)
    likely = _likely_height(page.dashboard)
    told = _report(_dom(chromium, source, (page.width, likely), f"--screenshot={picture}"))
    if told.height not in {0, likely}:
        size = (page.width, told.height)
        told = _report(_dom(chromium, source, size, f"--screenshot={picture}"))
    if not picture.exists():
        raise PictureError(f"{source}: Chromium wrote no picture of it")
    return Report(
        name=page.name,
        picture=picture,
        height=told.height,
        header=told.header,
        errors=told.errors,
        panels=told.panels,
    )


def _likely_height(dashboard: Mapping[str, Any]) -> int:
    """The height of a page in pixels, unless what stands above the panels takes two lines."""
    boxes = [one.get("gridPos", {}) for one in dashboard.get("panels", [])]
    lines = max((box.get("y", 0) + box.get("h", 1) for box in boxes), default=1)
    above = bool(dashboard.get("links") or dashboard.get("templating", {}).get("list"))
    return int(_AROUND_PX + _CONTROLS_PX * above + _LINE_PX * lines)


def _report(dom: str) -> Report:
    found = re.search(r'<body[^>]* data-report="([^"]*)"', dom)
    if found is None:
        raise PictureError(f"the page published no report: {dom[-500:]}")
    return _REPORT.validate_json(html.unescape(found[1]))


def _dom(chromium: Path, source: Path, size: tuple[int, int], *more: str) -> str:
    """The DOM of *source* once drawn; Chromium's home and profile are gone afterwards."""
    with TemporaryDirectory(prefix="seen-") as home:
        command = [
            str(chromium), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--force-device-scale-factor=1", "--force-color-profile=srgb", "--disable-extensions",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--no-first-run", "--mute-audio",
            f"--user-data-dir={home}/profile", f"--window-size={size[0]},{size[1]}",
            *more, "--dump-dom", source.resolve().as_uri(),
        ]  # fmt: skip
        return _run(command, home)


def _run(command: Sequence[str], home: str) -> str:
    """What *command* printed; every process and file that it made is gone with it and *home*."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": home,
        "TMPDIR": home,
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }
    try:
        process = subprocess.Popen(
            command, stdout=PIPE, stderr=PIPE, text=True, env=environment, start_new_session=True
        )
    except OSError as error:
        raise PictureError(f"{command[0]} did not start: {error}; install chromium") from error
    with process:
        try:
            out, told = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise PictureError(f"{command[0]} took over {TIMEOUT_S} s for {command[-1]}") from error
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode != 0:
        raise PictureError(f"{command[0]} ended with {process.returncode}: {told[-500:]}")
    return out
