"""Writes rows in the form that was asked for: a table, sacct's delimited lines, JSON or CSV."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from math import isfinite

from analytics.fields import Chosen, T, utc_time
from analytics.table import neutral, neutral_all, table


class Form(Enum):
    """How rows are written."""

    TABLE = "table"
    PARSABLE = "parsable"
    PARSABLE2 = "parsable2"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"
    """A file; `analytics.parquet` writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What the output goes to."""

    width: int | None
    """None where it is no terminal: nothing is cut then."""
    colour: bool


def screen(colour: str) -> Screen:
    """Return what stdout is; *colour* is always, never, or auto for a terminal without NO_COLOR."""
    terminal = sys.stdout.isatty()
    wanted = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Screen(
        width=_width() if terminal else None,
        colour=wanted if colour == "auto" else colour == "always",
    )


def _width() -> int:
    import shutil  # noqa: PLC0415 a pipe has no width, and compression comes with it

    return shutil.get_terminal_size().columns


def lines(
    columns: Sequence[Chosen[T]],
    rows: Sequence[T],
    form: Form,
    on: Screen,
    *,
    header: bool,
    delimiter: str = "|",
) -> Iterator[str]:
    """Yield *rows* line by line in *form*; times are local for people, UTC in JSON and CSV.

    Each column is made as a whole: 20,000 rows are a common answer.
    """
    match form:
        case Form.TABLE:
            shown = [*zip(*(column.field.shown(rows) for column in columns), strict=True)]
            layout = [column.column for column in columns]
            yield from table(layout, shown, width=on.width, colour=on.colour, header=header)
        case Form.JSON:
            yield from _json(columns, rows)
        case Form.CSV:
            yield from _csv(columns, rows, header=header)
        case Form.PARSABLE | Form.PARSABLE2:
            end = delimiter if form is Form.PARSABLE else ""
            yield from _delimited(columns, rows, delimiter, end, header=header)
        case Form.PARQUET:
            raise ValueError("Parquet has no lines")


def plain(columns: Sequence[Chosen[T]], row: T) -> dict[str, object]:
    """Return *row* as JSON has it."""
    return {column.field.name: _plain(column.field.value(row)) for column in columns}


def _delimited(
    columns: Sequence[Chosen[T]], rows: Sequence[T], delimiter: str, end: str, *, header: bool
) -> Iterator[str]:
    if header:
        yield delimiter.join(column.column.title for column in columns) + end
    cells = [neutral_all(column.field.shown(rows)) for column in columns]
    for row in zip(*cells, strict=True):
        yield delimiter.join(row) + end


def _json(columns: Sequence[Chosen[T]], rows: Sequence[T]) -> Iterator[str]:
    """Yield one array, an object a line; escapes leave only ASCII, so no terminal minds it."""
    names = [column.field.name for column in columns]
    cells = [list(map(_plain, map(column.field.value, rows))) for column in columns]
    yield "["
    for number, row in enumerate(zip(*cells, strict=True), start=1):
        yield _object(dict(zip(names, row, strict=True))) + ("," if number < len(rows) else "")
    yield "]"


def _object(row: Mapping[str, object]) -> str:
    try:
        return _ENCODED(row)
    except ValueError:
        return _ENCODED(_finite(row))


_ENCODED = json.JSONEncoder(allow_nan=False).encode


def _finite(value: object) -> object:
    """Return *value* with null for what JSON has no number for."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def _csv(columns: Sequence[Chosen[T]], rows: Sequence[T], *, header: bool) -> Iterator[str]:
    import csv  # noqa: PLC0415 few ask for it
    import io  # noqa: PLC0415

    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    if header:
        writer.writerow([column.field.name for column in columns])
    cells = [map(_csv_cell, map(column.field.value, rows)) for column in columns]
    writer.writerows(zip(*cells, strict=True))
    yield from buffer.getvalue().splitlines()  # no cell holds a line's end, see `neutral`


def _csv_cell(value: object) -> object:
    if isinstance(value, str):
        return neutral(value)
    if isinstance(value, Mapping | list):
        return json.dumps(value, sort_keys=True)
    return _plain(value)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return utc_time(value)
    return value.isoformat() if isinstance(value, date) else value
