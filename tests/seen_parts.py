"""What made-up dashboards are made of: panels, overrides, answers, the house's colours."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from analytics.house import COLOURS
from tests.seen.picture import Answer, Page

UNTIL = datetime(2026, 11, 27, tzinfo=UTC)
DAY = timedelta(days=1)

GOOD, WARN, BAD, UNCLEAR, AWAY, DEAD, IDLE, ACCENT, QUIET = (
    COLOURS[name].dark
    for name in ("good", "warn", "bad", "unclear", "away", "dead", "idle", "accent", "quiet")
)

Spec = dict[str, object]
Theme = Literal["dark", "light"]
Drawn = tuple[Spec, Answer]
"""A panel and the answer to its one query."""


def stamps(since: datetime, until: datetime, step: timedelta) -> Iterator[str]:
    """Times as JSONCompact writes a DateTime."""
    at = since
    while at < until:
        yield at.strftime("%Y-%m-%d %H:%M:%S")
        at += step


def table(types: Mapping[str, str], rows: Sequence[Sequence[object]]) -> Answer:
    """An answer of columns by name and ClickHouse type."""
    return Answer(names=list(types), types=list(types.values()), rows=rows)


def series(rows: Sequence[Sequence[object]], label: str = "check") -> Answer:
    """A long answer of a time, a label and a number."""
    return table({"time": "DateTime", label: "String", "Value": "Float64"}, rows)


def panel(
    number: int, kind: str, title: str, box: tuple[int, int, int, int], **more: object
) -> Spec:
    """A panel at (x, y, w, h) with one target: series for charts over time, else a table."""
    over_time = kind in {"timeseries", "state-timeline", "heatmap"}
    return {
        "id": number,
        "type": kind,
        "title": title,
        "gridPos": dict(zip("xywh", box, strict=True)),
        "targets": [{"refId": "A", "format": 0 if over_time else 1}],
        **more,
    }


def config(*overrides: object, **defaults: object) -> Spec:
    """A fieldConfig."""
    return {"defaults": defaults, "overrides": list(overrides)}


def override(name: str, **properties: object) -> Spec:
    """An override of a field: custom__width=80 is custom.width."""
    told = [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": told}


def fixed(colour: str) -> Spec:
    """A colour that is always the same."""
    return {"mode": "fixed", "fixedColor": colour}


def steps(*pairs: tuple[float | None, str]) -> Spec:
    """Thresholds: from each value on, its colour."""
    return {"mode": "absolute", "steps": [{"value": at, "color": colour} for at, colour in pairs]}


def mapping(colours: Mapping[str, str]) -> list[Spec]:
    """A value mapping that only colours."""
    return [
        {"type": "value", "options": {text: {"color": colour, "index": i}}}
        for i, (text, colour) in enumerate(colours.items())
    ]


def page(name: str, made: Sequence[Drawn], *, days: int, theme: Theme, **more: object) -> Page:
    """A dashboard of these panels, over the days before UNTIL."""
    more.setdefault("panels", [spec for spec, _ in made])
    answers = {number: [answer] for spec, answer in made if isinstance(number := spec["id"], int)}
    return Page(
        name=f"{name}-{theme}",
        dashboard={"title": name.capitalize(), **more},
        answers=answers,
        since=UNTIL - days * DAY,
        until=UNTIL,
        theme=theme,
    )
