"""Expands a panel's SQL as Grafana and grafana-clickhouse-datasource 4.20 do, in their order.

First the front end, `tests.grafana_variables`; then the plugin's back end (`pkg/macros/macros.go`
and macropro): comments go, then every other macro, the innermost first.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from grafana import reading
from grafana.reading import Json, Panel, Target, Variable
from tests.grafana_variables import ALL, MacroError, Shown, Value, milliseconds, substitute

__all__ = [
    "ALL", "MACROS", "MacroError", "Shown", "Value",
    "duration", "expand", "interval_ms", "since", "targets", "variables",
]  # fmt: skip

_MACRO = re.compile(r"\$__(\w+)")
_COMMENT = re.compile(
    r"'(?:\\.|''|[^'\\])*'?|\"(?:\\.|\"\"|[^\"\\])*\"?|`[^`]*`?"  # quoted: stays
    r"|(?P<comment>--[^\n\r]*|/\*.*?(?:\*/|\Z))",
    re.DOTALL,
)
_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def expand(sql: str, shown: Shown) -> str:
    """Return what ClickHouse is sent for *sql*. Raises MacroError."""
    return _macros(_without_comments(substitute(sql, shown, MACROS)), shown)


def targets(dashboard: Json) -> Iterator[tuple[Panel, Target]]:
    """Yield every question of every panel of a dashboard's JSON, those in closed rows too."""
    for panel in reading.dashboard(dashboard).every_panel():
        for target in panel.targets:
            yield panel, target


def variables(dashboard: Json) -> Sequence[Variable]:
    """Return the variables of a dashboard's JSON, in order."""
    return reading.dashboard(dashboard).variables


def duration(text: str) -> timedelta:
    """Return how long *text* is, such as 5m or 24h."""
    found = re.fullmatch(r"(\d+)(ms|[smhdw])", text)
    if found is None:
        raise MacroError(f"{text} is no duration")
    return timedelta(milliseconds=int(found[1]) * _UNITS_MS[found[2]])


def since(written: str, until: datetime) -> datetime:
    """Return the time that a dashboard's *written*, such as now-24h, means at *until*."""
    if not written.startswith("now-"):
        raise MacroError(f"{written} is no time before now")
    return until - duration(written.removeprefix("now-"))


def interval_ms(span: timedelta, *, width: int = 1000, minimum: str = "") -> int:
    """Return Grafana's interval for a panel of *width* pixels; at least the panel's *minimum*."""
    exact = span / timedelta(milliseconds=1) / width
    rounded = next((step for below, step in _ROUNDED if exact < below), 31_536_000_000)
    least = duration(minimum) / timedelta(milliseconds=1) if minimum else 1
    return max(rounded, int(least))


_ROUNDED: Sequence[tuple[int, int]] = (
    (10, 1), (15, 10), (35, 20), (75, 50), (150, 100), (350, 200), (750, 500),
    (1_500, 1_000), (3_500, 2_000), (7_500, 5_000), (12_500, 10_000), (17_500, 15_000),
    (25_000, 20_000), (45_000, 30_000), (90_000, 60_000), (210_000, 120_000), (450_000, 300_000),
    (750_000, 600_000), (1_050_000, 900_000), (1_500_000, 1_200_000), (2_700_000, 1_800_000),
    (5_400_000, 3_600_000), (9_000_000, 7_200_000), (16_200_000, 10_800_000),
    (32_400_000, 21_600_000), (86_400_000, 43_200_000), (604_800_000, 86_400_000),
    (1_814_400_000, 604_800_000), (3_628_800_000, 2_592_000_000),
)  # fmt: skip
"""Below which interval in ms it is rounded to which: `rangeutil.roundInterval` of @grafana/data."""


def _without_comments(sql: str) -> str:
    def left(found: re.Match[str]) -> str:
        return " " * len(found[0]) if found["comment"] else found[0]

    return _COMMENT.sub(left, sql)


def _macros(sql: str, shown: Shown) -> str:
    """Return *sql* with each macro expanded, the last one first: so arguments are, before."""
    for found in reversed([*_MACRO.finditer(sql)]):
        if found[1] not in MACROS:
            continue  # within a value: it stays
        arguments, end = _arguments(sql, found.end())
        try:
            made = MACROS[found[1]](shown, arguments)
        except ValueError as error:
            raise MacroError(f"{found[0]} does not take {arguments}") from error
        sql = sql[: found.start()] + made + sql[end:]
    return sql


def _arguments(sql: str, start: int) -> tuple[list[str], int]:
    """Return the arguments in the brackets that begin at *start*, if any, and where they end."""
    if sql[start : start + 1] != "(":
        return [], start
    found, depth, begin = [], 0, start + 1
    for token in re.finditer(r"'(?:''|[^'])*'?|\"(?:\"\"|[^\"])*\"?|[(),]", sql[start:]):
        place, mark = start + token.start(), token[0]
        depth += {"(": 1, ")": -1}.get(mark, 0)
        if depth == 0 or (mark == "," and depth == 1):
            found.append(sql[begin:place].strip())
            begin = place + 1
        if depth == 0:
            return found if found != [""] else [], begin
    return [], start


Macro = Callable[[Shown, Sequence[str]], str]


def _second(time: datetime) -> str:
    return f"toDateTime({milliseconds(time) // 1000})"


def _milli(time: datetime) -> str:
    return f"fromUnixTimestamp64Milli({milliseconds(time)})"


def _day(time: datetime) -> str:
    return f"toDate('{time.astimezone(UTC):%Y-%m-%d}')"


def _within(write: Callable[[datetime], str]) -> Macro:
    def made(shown: Shown, given: Sequence[str]) -> str:
        (column,) = given
        return f"{column} >= {write(shown.since)} AND {column} <= {write(shown.until)}"

    return made


def _date_and_time(shown: Shown, given: Sequence[str]) -> str:
    day, time = given
    return f"({_within(_day)(shown, [day])}) AND ({_within(_second)(shown, [time])})"


def _from(shown: Shown, given: Sequence[str]) -> str:
    (column,) = given
    return f"{column} >= {_second(shown.since)}"


def _to(shown: Shown, given: Sequence[str]) -> str:
    (column,) = given
    return f"{column} <= {_second(shown.until)}"


def _seconds(shown: Shown) -> int:
    return max(shown.interval_ms // 1000, 1)


def _bucket(shown: Shown, given: Sequence[str]) -> str:
    (column,) = given
    return f"toStartOfInterval(toDateTime({column}), INTERVAL {_seconds(shown)} second)"


def _bucket_ms(shown: Shown, given: Sequence[str]) -> str:
    (column,) = given
    length = max(shown.interval_ms, 1)
    return f"toStartOfInterval(toDateTime64({column}, 3), INTERVAL {length} millisecond)"


def _bucket_of(_shown: Shown, given: Sequence[str]) -> str:
    column, length = given
    seconds = round(duration(length.strip("'\"")).total_seconds())
    return f"toStartOfInterval(toDateTime({column}), INTERVAL {seconds} second)"


def _short(shown: Shown, _given: Sequence[str]) -> str:
    for unit in ("h", "m", "s"):
        if shown.interval_ms % _UNITS_MS[unit] == 0:
            return f"{shown.interval_ms // _UNITS_MS[unit]}{unit}"
    return f"{shown.interval_ms}ms"


MACROS: Mapping[str, Macro] = {
    "timeFilter": _within(_second),
    "timeFilter_ms": _within(_milli),
    "dateFilter": _within(_day),
    "dateTimeFilter": _date_and_time,
    "dt": _date_and_time,
    "timeFrom": _from,
    "timeTo": _to,
    "timeInterval": _bucket,
    "timeInterval_ms": _bucket_ms,
    "timeGroup": _bucket_of,
    "fromTime": lambda shown, _given: _second(shown.since),
    "toTime": lambda shown, _given: _second(shown.until),
    "fromTime_ms": lambda shown, _given: _milli(shown.since),
    "toTime_ms": lambda shown, _given: _milli(shown.until),
    "interval_s": lambda shown, _given: str(_seconds(shown)),
    "interval_ms": lambda shown, _given: str(shown.interval_ms),
    "interval": _short,
}
"""What the back end knows, without those that rewrite a whole statement."""
