"""Writes what a command lists as one Parquet file: a column for each field, each of one type."""

import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

import click
import polars as pl

from analytics.fields import Chosen, T
from analytics.frame import maps
from slurm_hooks.errors import ClusterDoctorError
from slurm_hooks.files import write_durably

_KINDS: Mapping[type, pl.DataType] = {
    str: pl.String(),
    int: pl.Int64(),
    float: pl.Float64(),
    bool: pl.Boolean(),
    date: pl.Date(),
    datetime: pl.Datetime("ms", "UTC"),
    list: pl.List(pl.String()),
}


def write(columns: Sequence[Chosen[T]], rows: Sequence[T], file: str) -> None:
    """Write *rows* to *file*, whole or not at all, over what is there; - is standard output.

    A file that is no plain one, like /dev/stdout or a pipe, is written into.

    Raises:
        click.UsageError: it would go to a terminal.
        ClusterDoctorError: it cannot be written, or two columns have one name.
    """
    if file == "-" and sys.stdout.isatty():
        raise click.UsageError("--parquet - would fill the terminal; write it to a file.")
    data = _parquet(columns, rows)
    try:
        if file == "-":
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
        elif (path := Path(file)).exists() and not path.is_file():
            path.write_bytes(data)
        else:
            write_durably(path.resolve(), data, mode=0o666 & ~_umask())
    except OSError as error:
        raise ClusterDoctorError(f"{file}: cannot write it: {error.strerror or error}") from error


def _parquet(columns: Sequence[Chosen[T]], rows: Sequence[T]) -> bytes:
    buffer = io.BytesIO()
    series = [
        _series(column.field.name, column.field.kind, [column.field.value(row) for row in rows])
        for column in columns
    ]
    try:
        pl.DataFrame(series).write_parquet(buffer, compression="zstd")
    except pl.exceptions.DuplicateError as error:
        raise ClusterDoctorError(
            "two columns have the same name; name each once, in SQL with AS"
        ) from error
    return buffer.getvalue()


def _series(name: str, kind: type, values: Sequence[object]) -> pl.Series:
    """Return a column; what does not fit its type is written as text."""
    if kind is dict:
        return maps(name, [value if isinstance(value, dict) else {} for value in values])
    if kind is str:
        return pl.Series(name, list(map(_text, values)), dtype=pl.String)
    try:
        return pl.Series(name, values, dtype=_KINDS[kind])
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        return pl.Series(name, list(map(_text, values)), dtype=pl.String)


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, default=str)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
