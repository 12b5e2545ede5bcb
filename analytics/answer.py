"""What ClickHouse answers, in the form that the command line reads it in: JSON lines. Pure."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

FORMAT = "JSONCompactEachRowWithNamesAndTypes"

SETTINGS = {
    "date_time_output_format": "iso",
    "output_format_json_quote_64bit_integers": "0",
    "output_format_json_quote_denormals": "1",
    "output_format_json_named_tuples_as_objects": "1",
}
"""What `parsed` needs the engine to be told; else numbers may be texts and times local."""


def quoted(text: str) -> str:
    """Return *text* as ClickHouse writes a text in SQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


_AT_ONCE = 10_000
"""Lines that are read together: what is read of them takes several times their memory."""


class Answer(NamedTuple):
    """What ClickHouse answered."""

    names: Sequence[str]
    kinds: Sequence[str]
    """The columns' ClickHouse types."""
    rows: list[tuple[object, ...]]
    """Times are aware and in UTC; what is no valid UTF-8 is replaced."""


def parsed(answer: bytes) -> Answer:
    """Return what an answer holds in the format that has names and types in its first lines."""
    lines = answer.decode(errors="replace").split("\n")
    if len(lines) < 3:
        return Answer((), (), [])
    names: Sequence[str] = json.loads(lines[0])
    kinds: Sequence[str] = json.loads(lines[1])
    converters = [_CONVERTERS.get(plain_kind(kind)) for kind in kinds]
    found: list[tuple[object, ...]] = []
    for start in range(2, len(lines) - 1, _AT_ONCE):
        part = json.loads(f"[{','.join(lines[start : min(start + _AT_ONCE, len(lines) - 1)])}]")
        columns = [
            list(map(convert, column)) if convert else column
            for convert, column in zip(converters, zip(*part, strict=True), strict=True)
        ]
        found += zip(*columns, strict=True)
    return Answer(names, kinds, found)


def plain_kind(kind: str) -> str:
    """Return the type's name without what wraps it and what is in its brackets."""
    while kind.startswith(("Nullable(", "LowCardinality(")):
        kind = kind.partition("(")[2]
    return kind.partition("(")[0].rstrip(")")


def _time(value: object) -> datetime | None:
    return None if value is None else datetime.fromisoformat(str(value))


def _date(value: object) -> date | None:
    return None if value is None else date.fromisoformat(str(value))


def _number(value: object) -> float | None:
    """Return a float: JSON writes 2.0 as 2, and has no word for infinity, which comes as text."""
    return value if value is None or isinstance(value, float) else float(str(value))


def _map(value: object) -> object:
    """Return a map with its numbers as floats; ours have no others."""
    return {k: _number(v) for k, v in value.items()} if isinstance(value, dict) else value


_CONVERTERS: Mapping[str, Callable[[object], object]] = {
    "Date": _date,
    "Date32": _date,
    "DateTime64": _time,
    "DateTime": _time,
    "Float64": _number,
    "Float32": _number,
    "Map": _map,
}
