"""A made-up dashboard as somebody who runs a cluster would have it, with a week of answers."""

from collections.abc import Iterator
from datetime import timedelta
from random import Random

from tests.seen.picture import Page
from tests.seen_parts import (
    ACCENT,
    AWAY,
    BAD,
    DAY,
    DEAD,
    GOOD,
    IDLE,
    QUIET,
    UNCLEAR,
    UNTIL,
    WARN,
    Drawn,
    Spec,
    Theme,
    config,
    fixed,
    mapping,
    override,
    page,
    panel,
    series,
    stamps,
    steps,
    table,
)  # fmt: skip # isort: skip

OUTCOMES = {
    "pass": GOOD, "fail": BAD, "warn": WARN, "error": UNCLEAR, "timeout": "#c77dba", "lost": DEAD,
    "preempted": AWAY, "cancelled": QUIET, "skipped": IDLE, "refused": ACCENT,
}  # fmt: skip
CHECKS = ["cpu", "memory", "storage", "network", "gpu", "nccl", "filesystem", "dl-unit"]
WEEK = UNTIL - 7 * DAY


def _stats() -> Iterator[Drawn]:
    failing = steps((None, GOOD), (1, WARN), (10, BAD))
    told = [
        ("Nodes", "1024", config(color=fixed(ACCENT)), "value"),
        ("Failing nodes", 14, config(thresholds=failing), "background"),
        ("Coverage", 0.9712, config(unit="percentunit", color=fixed(GOOD)), "value"),
        ("Last sweep", 90, config(unit="s", color=fixed("text")), "value"),
    ]
    for i, (title, value, fields, mode) in enumerate(told):
        options = {"colorMode": mode, "graphMode": "none"}
        spec = panel(
            i + 1, "stat", title, (6 * i, 0, 6, 4), fieldConfig=fields, options=options
        )  # fmt: skip
        yield spec, table({"n": "Float64"}, [[value]])


def _outcome_bars(dice: Random) -> Drawn:
    most = [190, 6, 5, 3, 2, 1, 18, 4, 9, 1]
    rows = [
        [at, name, str(dice.randint(0, weight))]
        for at in stamps(UNTIL - DAY, UNTIL, timedelta(minutes=30))
        for name, weight in zip(OUTCOMES, most, strict=True)
    ]
    fields = config(
        *(override(name, color=fixed(colour)) for name, colour in OUTCOMES.items()),
        custom={
            "drawStyle": "bars", "fillOpacity": 90, "lineWidth": 0, "stacking": {"mode": "normal"},
        },
    )  # fmt: skip
    spec = panel(
        5, "timeseries", "Results by outcome", (0, 5, 12, 8), timeFrom="24h",
        fieldConfig=fields, description="What every visit gave",
    )  # fmt: skip
    return spec, series(rows, "outcome")


def _coverage_lines(dice: Random) -> Drawn:
    rows = [
        [at, check, min(1, 0.965 + 0.03 * dice.random() - 0.012 * i)]
        for at in stamps(WEEK, UNTIL, timedelta(hours=2))
        for i, check in enumerate(CHECKS)
        if not (check == "gpu" and "11-23" in at)
    ]
    lines = {"lineWidth": 2, "showPoints": "never"}
    legend = {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "min"]}
    spec = panel(
        6, "timeseries", "Coverage by check", (12, 5, 12, 8), options={"legend": legend},
        fieldConfig=config(unit="percentunit", max=1, custom=lines),
    )  # fmt: skip
    return spec, series(rows)


def _debt_areas(dice: Random) -> Drawn:
    rows = [
        [at, 40 + dice.randint(0, 9) + i // 8, 9 + dice.randint(0, 5), None if i < 30 else 4]
        for i, at in enumerate(stamps(WEEK, UNTIL, timedelta(hours=1)))
    ]
    custom = {
        "fillOpacity": 45, "lineWidth": 1, "stacking": {"mode": "normal"},
        "lineInterpolation": "stepAfter", "showPoints": "never",
    }  # fmt: skip
    fields = config(
        override("due", color=fixed(ACCENT)),
        override("overdue", color=fixed(WARN)),
        override("never judged", color=fixed(BAD)),
        custom=custom,
    )
    types = {"time": "DateTime", **dict.fromkeys(["due", "overdue"], "UInt64")}
    types["never judged"] = "Nullable(UInt64)"
    spec = panel(7, "timeseries", "Debt: node checks to do", (0, 13, 8, 8), fieldConfig=fields)
    return spec, table(types, rows)


def _band(dice: Random) -> Drawn:
    rows = [
        [at, 13.1e9 + dice.random() * 2e8, 14.6e9 + dice.random() * 2e8,
         (13.8e9 if i < 40 else 12.6e9) + dice.random() * 4e8]
        for i, at in enumerate(stamps(WEEK, UNTIL, timedelta(hours=3)))
    ]  # fmt: skip
    band = {"custom__fillBelowTo": "p10", "custom__fillOpacity": 15}
    fields = config(
        override("p90", color=fixed(QUIET), custom__lineWidth=0, **band),
        override("p10", color=fixed(QUIET), custom__lineWidth=0),
        override("n002", color=fixed(ACCENT), custom__lineWidth=2),
        unit="binBps",
        custom={"showPoints": "never"},
    )
    types = {"time": "DateTime", "p10": "Float64", "p90": "Float64", "n002": "Float64"}
    title = "memory: copy, n002 among its kind"
    return panel(8, "timeseries", title, (8, 13, 8, 8), fieldConfig=fields), table(types, rows)


def _durations(dice: Random) -> Drawn:
    most = {"1": 3, "2": 20, "5": 90, "10": 160, "30": 70, "60": 20, "120": 4, "300": 1}
    rows = [
        [at, limit, dice.randint(0, top)]
        for at in stamps(WEEK, UNTIL, timedelta(hours=4))
        for limit, top in most.items()
    ]
    options = {"yAxis": {"unit": "s"}, "color": {"mode": "scheme", "scheme": "Blues"}}
    spec = panel(9, "heatmap", "How long checks take", (16, 13, 8, 8), options=options)
    return spec, series(rows, "le")


def _failing(dice: Random) -> Drawn:
    rows = [
        [f"n{i:03}", CHECKS[i % 8], name, f"2026-11-2{dice.randint(0, 6)} 0{i % 10}:12:40.000",
         dice.random(), "killed by SIGSEGV" if name == "error" else "copy 8.48G/s, usual 14G/s"]
        for i, name in enumerate(list(OUTCOMES)[1:])
    ]  # fmt: skip
    chip = {"type": "color-background", "mode": "basic"}
    fields = config(
        override("node", custom__width=90, links=[{"title": "node", "url": "/d/node"}]),
        override("check", custom__width=110),
        override(
            "outcome", custom__width=110, custom__cellOptions=chip, mappings=mapping(OUTCOMES)
        ),
        override("judged", custom__width=170, unit="dateTimeAsIso"),
        override(
            "share", custom__width=180, unit="percentunit", min=0, max=1, decimals=0,
            custom__cellOptions={"type": "gauge", "mode": "basic"}, color=fixed(ACCENT),
        ),
    )  # fmt: skip
    types = {
        "node": "String", "check": "LowCardinality(String)", "outcome": "String",
        "judged": "DateTime64(3, 'UTC')", "share": "Float64", "remark": "String",
    }  # fmt: skip
    spec = panel(10, "table", "Failing nodes", (0, 21, 14, 9), fieldConfig=fields)
    return spec, table(types, rows)


def _shares() -> Drawn:
    rows = [[check, 0.99 - i * 0.07] for i, check in enumerate(CHECKS)]
    judged = steps((None, BAD), (0.6, WARN), (0.9, GOOD))
    spec = panel(
        11, "bargauge", "Judged within a day", (14, 21, 10, 9),
        fieldConfig=config(unit="percentunit", min=0, max=1, decimals=0, thresholds=judged),
        options={
            "reduceOptions": {"values": True}, "orientation": "horizontal", "displayMode": "basic",
        },
    )  # fmt: skip
    return spec, table({"check": "String", "share": "Float64"}, rows)


def _timeline(dice: Random) -> Drawn:
    """Eight checks of one node over three weeks; nobody judged its GPU for some days."""
    states = {"1": ("pass", GOOD), "2": ("warn", WARN), "3": ("fail", BAD), "4": ("error", UNCLEAR)}
    rows = [
        [at, check, None if silent else dice.choices([1, 2, 3, 4], [40, 2, 1, 1])[0]]
        for at in stamps(UNTIL - 21 * DAY, UNTIL, timedelta(hours=12))
        for check in CHECKS
        for silent in [check == "gpu" and "2026-11-15" < at < "2026-11-19"]
    ]
    mappings = [
        {"type": "value", "options": {key: {"text": text, "color": colour}}}
        for key, (text, colour) in states.items()
    ]
    spec = panel(
        12, "state-timeline", "n002, check by check", (0, 30, 24, 8), timeFrom="21d",
        fieldConfig=config(mappings=mappings, custom={"fillOpacity": 85, "lineWidth": 0}),
        options={"mergeValues": True, "rowHeight": 0.82, "showValue": "never"},
    )  # fmt: skip
    return spec, series(rows)


VARIABLES: list[Spec] = [
    {"name": "store", "label": "Store", "type": "datasource", "current": {"text": "ClickHouse"}},
    {"name": "partition", "label": "Partition", "current": {"text": ["gpu", "cpu"]}},
    {"name": "node", "type": "textbox", "query": "n002"},
]
NOTE = """**Reading this:** a node is *good*, *bad*, or we `could not tell`.

- see [the history](docs/history.md)"""


def fleet(theme: Theme = "dark") -> Page:
    """Every type of panel, as it ought to look."""
    dice = Random(7)
    made = [
        *_stats(), _outcome_bars(dice), _coverage_lines(dice), _debt_areas(dice), _band(dice),
        _durations(dice), _failing(dice), _shares(), _timeline(dice),
    ]  # fmt: skip
    row = {"type": "row", "title": "Checks", "gridPos": {"x": 0, "y": 4, "w": 24, "h": 1}}
    closed = {
        "type": "row", "title": "How the sweep does", "collapsed": True, "panels": [{}, {}],
        "gridPos": {"x": 0, "y": 38, "w": 24, "h": 1},
    }  # fmt: skip
    note = panel(13, "text", "", (0, 39, 24, 3), options={"content": NOTE})
    return page(
        "fleet",
        made,
        days=7,
        theme=theme,
        panels=[*(spec for spec, _ in made), row, closed, note],
        templating={"list": VARIABLES},
        links=[{"title": "Node", "type": "link"}, {"title": "Checks", "type": "dashboards"}],
    )
