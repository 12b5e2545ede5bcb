"""Made-up dashboards and answers: one as a fleet has it, one with all that can be wrong."""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from tests.seen.picture import Answer, Page

UNTIL = datetime(2026, 11, 27, tzinfo=UTC)
DAY = timedelta(days=1)

GOOD, WARN, BAD, UNCLEAR = "#45bd86", "#e5b04a", "#ef6b6b", "#a98ee0"
AWAY, DEAD, IDLE, ACCENT, QUIET = "#4a5668", "#b0486c", "#5c7d70", "#6fa2ff", "#93a0b4"

OUTCOMES = {
    "pass": GOOD, "fail": BAD, "warn": WARN, "error": UNCLEAR, "timeout": "#c77dba", "lost": DEAD,
    "preempted": AWAY, "cancelled": QUIET, "skipped": IDLE, "refused": ACCENT,
}  # fmt: skip
CHECKS = ["cpu", "memory", "storage", "network", "gpu", "nccl", "filesystem", "dl-unit"]



def stamps(since: datetime, until: datetime, step: timedelta) -> Iterator[str]:
    """Times as JSONCompact writes a DateTime."""
    at = since
    while at < until:
        yield at.strftime("%Y-%m-%d %H:%M:%S")
        at += step


def series(rows: Sequence[Sequence[object]], label: str = "check") -> Answer:
    """A long answer of a time, a label and a number."""
    return Answer(names=["time", label, "Value"], types=["DateTime", "String", "Float64"], rows=rows)


def mapping(colours: Mapping[str, str]) -> list[dict[str, object]]:
    """A value mapping that only colours."""
    return [
        {"type": "value", "options": {text: {"color": colour, "index": i}}}
        for i, (text, colour) in enumerate(colours.items())
    ]


def colour_of(name: str, colour: str, **more: object) -> dict[str, object]:
    """An override: this series in this colour."""
    properties = [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}]
    properties += [{"id": f"custom.{key}", "value": value} for key, value in more.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": properties}


def override(name: str, **properties: object) -> dict[str, object]:
    """An override of a column: custom__width=80 is custom.width."""
    told = [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": told}


def panel(
    number: int, kind: str, title: str, box: tuple[int, int, int, int], **more: object
) -> dict[str, object]:
    """A panel at (x, y, w, h) with one target: series for charts over time, else a table."""
    x, y, w, h = box
    over_time = kind in {"timeseries", "state-timeline", "heatmap"}
    return {
        "id": number, "type": kind, "title": title, "gridPos": {"x": x, "y": y, "w": w, "h": h},
        "targets": [{"refId": "A", "format": 0 if over_time else 1}],
        **more,
    }  # fmt: skip


def config(*overrides: object, **defaults: object) -> dict[str, object]:
    return {"defaults": defaults, "overrides": list(overrides)}


def _outcome_bars(dice: random.Random) -> tuple[dict[str, object], Answer]:
    rows: list[list[object]] = []
    for at in stamps(UNTIL - DAY, UNTIL, timedelta(minutes=30)):
        weights = [190, 6, 5, 3, 2, 1, 18, 4, 9, 1]
        rows += [
            [at, name, str(dice.randint(0, weight))]
            for name, weight in zip(OUTCOMES, weights, strict=True)
        ]
    custom = {"drawStyle": "bars", "fillOpacity": 90, "lineWidth": 0, "stacking": {"mode": "normal"}}
    fields = config(
        *(colour_of(name, colour) for name, colour in OUTCOMES.items()),
        custom=custom, unit="short",
    )  # fmt: skip
    legend = {"displayMode": "list", "placement": "bottom", "calcs": []}
    spec = panel(
        5, "timeseries", "Results by outcome", (0, 5, 12, 8), timeFrom="24h",
        fieldConfig=fields, options={"legend": legend}, description="What every visit gave",
    )  # fmt: skip
    return spec, series(rows, "outcome")


def _coverage_lines(dice: random.Random) -> tuple[dict[str, object], Answer]:
    rows = [
        [at, check, min(1, max(0, 0.965 + 0.03 * dice.random() - 0.012 * i))]
        for at in stamps(UNTIL - 7 * DAY, UNTIL, timedelta(hours=2))
        for i, check in enumerate(CHECKS)
        if not (check == "gpu" and "11-23" in at)
    ]
    legend = {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "min"]}
    fields = config(
        unit="percentunit", max=1, custom={"lineWidth": 2, "showPoints": "never"},
        color={"mode": "palette-classic"},
    )  # fmt: skip
    spec = panel(
        6, "timeseries", "Coverage by check", (12, 5, 12, 8),
        fieldConfig=fields, options={"legend": legend},
    )  # fmt: skip
    return spec, series(rows)


def _debt_areas(dice: random.Random) -> tuple[dict[str, object], Answer]:
    rows: list[list[object]] = []
    for i, at in enumerate(stamps(UNTIL - 7 * DAY, UNTIL, timedelta(hours=1))):
        rows.append([at, 40 + dice.randint(0, 9) + i // 8, 9 + dice.randint(0, 5), None if i < 30 else 4])
    custom = {
        "fillOpacity": 45, "lineWidth": 1, "stacking": {"mode": "normal"},
        "lineInterpolation": "stepAfter", "showPoints": "never",
    }  # fmt: skip
    fields = config(
        colour_of("due", ACCENT), colour_of("overdue", WARN), colour_of("never judged", BAD),
        unit="short", custom=custom,
    )  # fmt: skip
    answer = Answer(
        names=["time", "due", "overdue", "never judged"],
        types=["DateTime", "UInt64", "UInt64", "Nullable(UInt64)"],
        rows=rows,
    )
    spec = panel(7, "timeseries", "Debt: node checks to do", (0, 13, 8, 8), fieldConfig=fields)
    return spec, answer


def _band(dice: random.Random) -> tuple[dict[str, object], Answer]:
    rows = []
    for i, at in enumerate(stamps(UNTIL - 7 * DAY, UNTIL, timedelta(hours=3))):
        middle = 13.8e9 - 1.2e9 * (i > 40)
        rows.append([at, 13.1e9 + dice.random() * 2e8, 14.6e9 + dice.random() * 2e8, middle + dice.random() * 4e8])
    fields = config(
        colour_of("p90", QUIET, fillBelowTo="p10", lineWidth=0, fillOpacity=15),
        colour_of("p10", QUIET, lineWidth=0),
        colour_of("n002", ACCENT, lineWidth=2),
        unit="binBps", custom={"showPoints": "never"},
    )  # fmt: skip
    answer = Answer(names=["time", "p10", "p90", "n002"], types=["DateTime", *["Float64"] * 3], rows=rows)
    spec = panel(8, "timeseries", "memory: copy, n002 among its kind", (8, 13, 8, 8), fieldConfig=fields)
    return spec, answer


def _durations(dice: random.Random) -> tuple[dict[str, object], Answer]:
    limits = ["1", "2", "5", "10", "30", "60", "120", "300"]
    rows = []
    for at in stamps(UNTIL - 7 * DAY, UNTIL, timedelta(hours=4)):
        weights = [3, 20, 90, 160, 70, 20, 4, 1]
        rows += [[at, limit, dice.randint(0, top)] for limit, top in zip(limits, weights, strict=True)]
    options = {"yAxis": {"unit": "s"}, "color": {"mode": "scheme", "scheme": "Blues"}}
    spec = panel(9, "heatmap", "How long checks take", (16, 13, 8, 8), options=options)
    return spec, series(rows, "le")


def _failing(dice: random.Random) -> tuple[dict[str, object], Answer]:
    chip = {"type": "color-background", "mode": "basic"}
    rows = [
        [f"n{i:03}", CHECKS[i % 8], name, f"2026-11-2{dice.randint(0, 6)} 0{i % 10}:12:40.000",
         dice.random(), "killed by SIGSEGV" if name == "error" else "copy 8.48G/s of 14G/s expected"]
        for i, name in enumerate(list(OUTCOMES)[1:] * 3)
    ]  # fmt: skip
    fields = config(
        override("node", custom__width=90, links=[{"title": "node", "url": "/d/node"}]),
        override("check", custom__width=110),
        override("outcome", custom__width=110, custom__cellOptions=chip, mappings=mapping(OUTCOMES)),
        override("judged", custom__width=170, unit="dateTimeAsIso"),
        override("share", custom__width=180, unit="percentunit", min=0, max=1, decimals=0,
                 custom__cellOptions={"type": "gauge", "mode": "basic"},
                 color={"mode": "fixed", "fixedColor": ACCENT}),
    )  # fmt: skip
    answer = Answer(
        names=["node", "check", "outcome", "judged", "share", "remark"],
        types=["String", "LowCardinality(String)", "String", "DateTime64(3, 'UTC')", "Float64", "String"],
        rows=rows,
    )
    return panel(10, "table", "Failing nodes", (0, 21, 14, 9), fieldConfig=fields), answer


def _timeline(dice: random.Random) -> tuple[dict[str, object], Answer]:
    states = {"1": ("pass", GOOD), "2": ("warn", WARN), "3": ("fail", BAD), "4": ("error", UNCLEAR)}
    rows: list[list[object]] = []
    for at in stamps(UNTIL - 21 * DAY, UNTIL, timedelta(hours=12)):
        for i, check in enumerate(CHECKS):
            gap = i == 4 and "2026-11-15" < at < "2026-11-19"
            rows.append([at, check, None if gap else dice.choices([1, 2, 3, 4], [40, 2, 1, 1])[0]])
    mappings = [
        {"type": "value", "options": {key: {"text": text, "color": colour}}}
        for key, (text, colour) in states.items()
    ]
    fields = config(mappings=mappings, custom={"fillOpacity": 85, "lineWidth": 0})
    options = {"mergeValues": True, "rowHeight": 0.82, "showValue": "never"}
    spec = panel(12, "state-timeline", "n002, check by check", (0, 30, 24, 8), timeFrom="21d", fieldConfig=fields, options=options)
    return spec, series(rows)


def _shares() -> tuple[dict[str, object], Answer]:
    rows = [[check, 0.99 - i * 0.07] for i, check in enumerate(CHECKS)]
    steps = [{"value": None, "color": BAD}, {"value": 0.6, "color": WARN}, {"value": 0.9, "color": GOOD}]
    fields = config(unit="percentunit", min=0, max=1, thresholds={"mode": "absolute", "steps": steps})
    options = {"reduceOptions": {"values": True}, "orientation": "horizontal", "displayMode": "basic"}
    spec = panel(11, "bargauge", "Judged within a day", (14, 21, 10, 9), fieldConfig=fields, options=options)
    return spec, Answer(names=["check", "share"], types=["String", "Float64"], rows=rows)


def _stats() -> Iterator[tuple[dict[str, object], Answer]]:
    steps = [{"value": None, "color": GOOD}, {"value": 1, "color": WARN}, {"value": 10, "color": BAD}]
    thresholds = {"mode": "absolute", "steps": steps}
    told = [
        ("Nodes", "UInt64", "1024", {"color": {"mode": "fixed", "fixedColor": ACCENT}}, "value"),
        ("Failing nodes", "UInt64", 14, {"thresholds": thresholds}, "background"),
        ("Coverage", "Float64", 0.9712, {"unit": "percentunit", "color": {"mode": "fixed", "fixedColor": GOOD}}, "value"),
        ("Last sweep", "Float64", 90, {"unit": "s", "color": {"mode": "fixed", "fixedColor": "text"}}, "value"),
    ]  # fmt: skip
    for i, (title, type_name, value, defaults, mode) in enumerate(told):
        spec = panel(
            i + 1, "stat", title, (6 * i, 0, 6, 4),
            fieldConfig=config(**defaults), options={"colorMode": mode, "graphMode": "none"},
        )  # fmt: skip
        yield spec, Answer(names=[title.lower()], types=[type_name], rows=[[value]])


def fleet(theme: str = "dark") -> Page:
    """A dashboard as somebody who runs a cluster would have it, over seven days."""
    dice = random.Random(7)
    made = [
        *_stats(), _outcome_bars(dice), _coverage_lines(dice), _debt_areas(dice), _band(dice),
        _durations(dice), _failing(dice), _shares(), _timeline(dice),
    ]  # fmt: skip
    row = {"type": "row", "title": "Checks", "collapsed": False, "gridPos": {"x": 0, "y": 4, "w": 24, "h": 1}}
    closed = {**row, "title": "How the sweep does", "collapsed": True, "panels": [{}, {}], "gridPos": {"x": 0, "y": 38, "w": 24, "h": 1}}
    note = panel(13, "text", "", (0, 39, 24, 3), options={"content": "**Reading this:** a node is *good*, *bad*, or we `could not tell`.\n\n- see [the history](docs/history.md)"})
    dashboard = {
        "title": "Fleet",
        "panels": [*(spec for spec, _ in made), row, closed, note],
        "templating": {"list": [
            {"name": "datasource", "label": "Store", "type": "datasource", "current": {"text": "cluster-doctor"}},
            {"name": "partition", "label": "Partition", "type": "query", "current": {"text": ["gpu", "cpu"]}},
            {"name": "node", "type": "textbox", "query": "n002"},
        ]},
        "links": [{"title": "Node", "type": "link"}, {"title": "Checks", "type": "dashboards"}],
    }  # fmt: skip
    return Page(
        name=f"fleet-{theme}",
        dashboard=dashboard,
        answers={_id(spec): [answer] for spec, answer in made},
        since=UNTIL - 7 * DAY,
        until=UNTIL,
        theme="light" if theme == "light" else "dark",
    )


def _id(spec: Mapping[str, object]) -> int:
    number = spec["id"]
    assert isinstance(number, int)
    return number
