"""Rows of a table as JSON and back, held to the table's column types. Pure.

Some thousand rows of thirty columns pass here in a sweep, so a type is checked a column at a time.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite

Row = tuple[object, ...]

_UNSIGNED = {"UInt8": 2**8, "UInt32": 2**32, "UInt64": 2**64}


def rows_to_json(rows: Iterable[Row]) -> list[list[object]]:
    """Return *rows* as lists that json.dumps takes; times are ISO 8601, to the millisecond."""
    return [[_plain(value) for value in row] for row in rows]


def rows_from_json(columns: Mapping[str, str], found: object) -> list[Row]:
    """Return the rows in *found*, which `rows_to_json` made of a table with these *columns*.

    Raises:
        ValueError: it is nothing of the kind; the message names the column.
    """
    if not isinstance(found, list) or not all(
        isinstance(row, list) and len(row) == len(columns) for row in found
    ):
        raise ValueError(f"not a list of rows of {len(columns)} columns")
    if not found:
        return []
    by_column = zip(columns.items(), zip(*found, strict=True), strict=True)
    read = [_column(name, kind, values) for (name, kind), values in by_column]
    return list(zip(*read, strict=True))


def _plain(value: object) -> object:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value


def _column(name: str, kind: str, values: Sequence[object]) -> Sequence[object]:
    """Return *values* as what the rows hold."""
    inner = kind.removeprefix("Nullable(").removesuffix(")") if "Nullable" in kind else kind
    read = _READ.get(inner) or _time
    try:
        if inner != kind:
            return [None if value is None else read(value, inner) for value in values]
        return [read(value, inner) for value in values]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error


def _text(value: object, _kind: str) -> object:
    if type(value) is not str:
        raise TypeError(f"expected text, got {value!r:.60}")
    if not value.isascii():
        value.encode()  # JSON can name half a character, which no file and so no segment can hold
    return value


def _whole(value: object, kind: str) -> object:
    if type(value) is not int or not 0 <= value < _UNSIGNED[kind]:
        raise ValueError(f"expected a whole number ({kind}), got {value!r:.60}")
    return value


def _number(value: object, _kind: str) -> object:
    if type(value) not in {int, float} or not isfinite(value):  # type: ignore[arg-type]  # a number
        raise ValueError(f"expected a number, got {value!r:.60}")
    return float(value)  # type: ignore[arg-type]  # a number


def _texts(value: object, kind: str) -> object:
    if type(value) is not list:
        raise TypeError(f"expected a list of text, got {value!r:.60}")
    return tuple(_text(one, kind) for one in value)


def _numbers(value: object, kind: str) -> object:
    if type(value) is not dict:
        raise TypeError(f"expected numbers by name, got {value!r:.60}")
    return {_text(name, kind): _number(one, kind) for name, one in value.items()}


def _time(value: object, _kind: str) -> object:
    time = datetime.fromisoformat(value) if type(value) is str else None
    if time is None or time.tzinfo is None:
        raise ValueError(f"expected a time with its offset from UTC, got {value!r:.60}")
    return time.astimezone(UTC)


_READ: Mapping[str, Callable[[object, str], object]] = {
    "String": _text,
    "UInt8": _whole,
    "UInt32": _whole,
    "UInt64": _whole,
    "Float64": _number,
    "Array(String)": _texts,
    "Map(String, Float64)": _numbers,
}
"""All others are times."""


def loaded(data: bytes) -> object:
    """Return what *data* holds.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
