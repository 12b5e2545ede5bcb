"""Writes rows in the form that was asked for: a table, sacct's delimited lines, JSON or CSV."""

import csv
import io
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from analytics.fields import Chosen, T, utc_time
from analytics.table import neutral, table


class Form(Enum):
    """How rows are written."""

    TABLE = "table"
    PARSABLE = "parsable"
    PARSABLE2 = "parsable2"
    JSON = "json"
    CSV = "csv"


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
        width=shutil.get_terminal_size().columns if terminal else None,
        colour=wanted if colour == "auto" else colour == "always",
    )


def lines(
    columns: Sequence[Chosen[T]], rows: Sequence[T], form: Form, on: Screen, *, header: bool
) -> Iterator[str]:
    """Yield *rows* line by line in *form*; times are local for people, UTC in JSON and CSV."""
    match form:
        case Form.TABLE:
            shown = [[column.field.shown(row) for column in columns] for row in rows]
            layout = [column.column for column in columns]
            yield from table(layout, shown, width=on.width, colour=on.colour, header=header)
        case Form.JSON:
            yield from _json(columns, rows)
        case Form.CSV:
            yield from _csv(columns, rows, header=header)
        case Form.PARSABLE | Form.PARSABLE2:
            yield from _delimited(columns, rows, form, header=header)


def plain(columns: Sequence[Chosen[T]], row: T) -> dict[str, object]:
    """Return *row* as JSON has it."""
    return {column.field.name: _plain(column.field.value(row)) for column in columns}


def _delimited(
    columns: Sequence[Chosen[T]], rows: Iterable[T], form: Form, *, header: bool
) -> Iterator[str]:
    end = "|" if form is Form.PARSABLE else ""
    if header:
        yield "|".join(column.column.title for column in columns) + end
    for row in rows:
        yield "|".join(neutral(column.field.shown(row)) for column in columns) + end


def _json(columns: Sequence[Chosen[T]], rows: Sequence[T]) -> Iterator[str]:
    """Yield one array, an object a line; escapes leave only ASCII, so no terminal minds it."""
    yield "["
    for number, row in enumerate(rows, start=1):
        yield json.dumps(plain(columns, row)) + ("," if number < len(rows) else "")
    yield "]"


def _csv(columns: Sequence[Chosen[T]], rows: Iterable[T], *, header: bool) -> Iterator[str]:
    if header:
        yield _csv_line([column.field.name for column in columns])
    for row in rows:
        yield _csv_line([_csv_cell(column.field.value(row)) for column in columns])


def _csv_line(cells: Sequence[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(cells)
    return buffer.getvalue()


def _csv_cell(value: object) -> object:
    if isinstance(value, Mapping | list):
        return json.dumps(value, sort_keys=True)
    found = _plain(value)
    return neutral(found) if isinstance(found, str) else found


def _plain(value: object) -> object:
    return utc_time(value) if isinstance(value, datetime) else value
