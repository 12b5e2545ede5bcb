"""Made-up dashboards of rarer kinds: every other form of a panel, and all that can be wrong."""

from datetime import timedelta
from random import Random

from tests.seen.picture import Answer, Page
from tests.seen_parts import (
    BAD,
    DAY,
    GOOD,
    UNTIL,
    Drawn,
    Theme,
    config,
    mapping,
    override,
    page,
    panel,
    series,
    stamps,
    steps,
    table,
)  # fmt: skip # isort: skip

HOSTILE = "</script><b onclick='x'>n&lt;1"
AT = "2026-11-26 02:00:00"


def wrong() -> Page:
    """A dashboard with all that can be wrong with one."""
    backwards = [[AT, "a", 1], ["2026-11-26 01:00:00", "a", 1]]
    many = series([[AT, f"{i} {HOSTILE}", 1] for i in range(30)])
    long = "a title that is far too long for a panel as narrow as this"
    seven = table({"n": "UInt8"}, [[7]])
    garbage = table({"time": "DateTime", "Value": "Float64"}, [["yesterday", "much"]])
    made: list[Drawn] = [
        (panel(1, "timeseries", "refused", (0, 0, 8, 6)), Answer(error="Unknown identifier `<b>`")),
        (panel(2, "timeseries", "nothing", (8, 0, 8, 6)), series([])),
        (
            panel(3, "stat", "null", (16, 0, 8, 6), fieldConfig=config(noValue="never swept")),
            table({"at": "Nullable(UInt64)"}, [[None]]),
        ),
        (panel(4, "timeseries", "backwards", (0, 6, 8, 6)), series(backwards)),
        (panel(5, "piechart", "unknown", (8, 6, 8, 6)), series([])),
        (
            panel(6, "table", HOSTILE, (16, 6, 8, 6)),
            table({HOSTILE: "String", "n": "UInt8"}, [[HOSTILE * 3, 1]]),
        ),
        (panel(7, "stat", "above", (0, 12, 8, 4)), seven),
        (panel(8, "stat", "below", (4, 14, 8, 4)), seven),
        (
            panel(9, "table", "many columns", (16, 12, 8, 6)),
            table(dict.fromkeys("abcdefgh", "String"), [list("abcdefgh")]),
        ),
        (panel(10, "timeseries", long, (0, 18, 5, 6)), many),
        (panel(11, "state-timeline", "no room", (6, 18, 3, 2)), series([[AT, "a", 1]])),
        (panel(12, "timeseries", "garbage", (9, 18, 6, 6)), garbage),
    ]
    return page("wrong", made, days=7, theme="dark", title=HOSTILE)


def _charts(dice: Random, hours: list[str], stack: Answer) -> list[Drawn]:
    types = {"time": "DateTime", "jobs": "UInt64", "share": "Float64"}
    two = table(types, [[at, dice.randint(100, 900), dice.random()] for at in hours])
    smooth = {
        "lineInterpolation": "smooth", "fillOpacity": 20, "gradientMode": "opacity",
        "thresholdsStyle": {"mode": "dashed"}, "axisLabel": "jobs in an hour",
    }  # fmt: skip
    dashed = override(
        "share", unit="percentunit", min=0, max=1, custom__axisLabel="", custom__fillOpacity=0,
        custom__lineStyle={"fill": "dash", "dash": [6, 4]},
    )  # fmt: skip
    limit = steps((None, "green"), (700, "red"))
    percent = {"stacking": {"mode": "percent"}, "fillOpacity": 60}
    log = {"drawStyle": "points", "scaleDistribution": {"type": "log", "log": 10}}
    odd = table(
        {"time": "DateTime", "Value": "Float64"}, [[at, 10 ** dice.uniform(-2, 3)] for at in hours]
    )
    return [
        (
            panel(1, "timeseries", "Two units", (0, 0, 12, 7),
                  fieldConfig=config(dashed, custom=smooth, unit="short", thresholds=limit)),
            two,
        ),
        (
            panel(2, "timeseries", "Shares of a whole", (12, 0, 12, 7),
                  fieldConfig=config(custom=percent)),
            stack,
        ),
        (
            panel(3, "timeseries", "Log scale, points", (16, 12, 8, 7),
                  fieldConfig=config(unit="s", custom=log)),
            odd,
        ),
    ]  # fmt: skip


def _numbers(stack: Answer) -> list[Drawn]:
    fields = config(thresholds=steps((None, "green"), (6, "red")))
    over_time = [{"format": 0}]
    mean = {"reduceOptions": {"calcs": ["mean"]}}
    filled = {"colorMode": "background", "graphMode": "none"}
    return [
        (panel(4, "stat", "Sparklines", (0, 7, 12, 5), targets=over_time, fieldConfig=fields,
               options=mean), stack),
        (panel(5, "stat", "Backgrounds", (12, 7, 12, 5), targets=over_time, fieldConfig=fields,
               options=filled), stack),
        (panel(6, "bargauge", "Upright", (0, 12, 8, 7), targets=over_time,
               fieldConfig=config(min=0, max=10), options={"orientation": "vertical"}), stack),
    ]  # fmt: skip


def _pills() -> Drawn:
    outcomes = mapping({"pass": GOOD, "fail": BAD})
    fields = config(
        override("outcome", mappings=outcomes, custom__cellOptions={"type": "pill"}),
        override("seen", unit="dateTimeFromNow"),
        override("id", custom__hidden=True),
    )
    rows = [
        [1, "pass", "18446744073709551615", "2026-11-26 22:00:00"],
        [2, "fail", 1536, "2026-11-26 23:58:00"],
    ]
    types = {"id": "UInt64", "outcome": "String", "size": "UInt64", "seen": "DateTime"}
    options = {"sortBy": [{"displayName": "seen", "desc": True}]}
    spec = panel(7, "table", "Pills", (8, 12, 8, 7), fieldConfig=fields, options=options)
    return spec, table(types, rows)


def forms(theme: Theme = "dark") -> Page:
    """Panels in the forms that a fleet's dashboard does not use."""
    dice = Random(3)
    hours = list(stamps(UNTIL - DAY, UNTIL, timedelta(hours=1)))
    stack = series([[at, name, dice.randint(1, 9)] for at in hours for name in ("a", "b", "c")])
    made = [*_charts(dice, hours, stack), *_numbers(stack), _pills()]
    return page("forms", made, days=1, theme=theme)
