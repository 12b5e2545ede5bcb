"""ClickHouse's engine in this process: chDB, in memory, one engine for all who ask.

Frames come by clickhouse-connect, as a server's do. Rows for the command line come from the
engine's extension module itself: importing clickhouse-connect and chDB's package would take three
times as long as the engine needs to start and answer.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Protocol

from slurm_hooks.errors import StoreError

if TYPE_CHECKING:
    import polars as pl
    from clickhouse_connect.driver.client import Client

NONE: Mapping[str, object] = MappingProxyType({})

_MODULE = "chdb._chdb"
_SETTINGS = {
    "max_query_size": "64000000",
    "date_time_output_format": "iso",
    "output_format_json_quote_64bit_integers": "0",
    "output_format_json_quote_denormals": "1",
    "output_format_json_named_tuples_as_objects": "1",
}
"""The list of segments is part of a view's text, whose limit is 256 KiB otherwise."""

_FORMAT = "JSONCompactEachRowWithNamesAndTypes"


class _Answer(Protocol):
    """What the extension module returns."""

    def bytes(self) -> bytes: ...


class _Connection(Protocol):
    """Its connection: one engine for all connections of a process."""

    def query(self, sql: str, form: str, *, params: Mapping[str, str]) -> _Answer: ...

    def close(self) -> None: ...


class Engine:
    """A database of its own in the process's engine. The process must not fork after the first
    question."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._connection: _Connection | None = None
        self._client: Client | None = None

    def command(self, sql: str) -> None:
        """Do *sql*, which returns nothing."""
        self._query(sql, "Null", NONE)

    def rows(self, sql: str, parameters: Mapping[str, object] = NONE) -> list[tuple[object, ...]]:
        """Return the rows of *sql*; times are aware and in UTC."""
        return parsed(self._query(sql, _FORMAT, parameters))

    def frame(self, sql: str, parameters: Mapping[str, object] = NONE) -> "pl.DataFrame":
        """Return the rows of *sql* as a frame; times are aware and in UTC."""
        from analytics.connect import ask_frame  # noqa: PLC0415 takes 0.3 s to import

        if self._client is None:
            self._client = self._open_client()
        return ask_frame(self._client, sql, parameters)

    def close(self) -> None:
        """Let the engine go; the last one of a process ends it."""
        for opened in (self._client, self._connection):
            if opened is not None:
                opened.close()
        self._client = self._connection = None

    def _query(self, sql: str, form: str, parameters: Mapping[str, object]) -> bytes:
        if self._connection is None:
            self._connection = self._open()
        bound = {name: literal(value) for name, value in parameters.items()}
        try:
            return self._connection.query(sql, form, params=bound).bytes()
        except RuntimeError as error:
            raise StoreError(first_line(error)) from error

    def _open(self) -> _Connection:
        try:
            connection: _Connection = _load().connect(":memory:")
            settings = ", ".join(f"{name} = '{value}'" for name, value in _SETTINGS.items())
            connection.query(f"CREATE DATABASE IF NOT EXISTS {self._database}", "Null", params={})
            connection.query(f"USE {self._database}", "Null", params={})
            connection.query(f"SET {settings}", "Null", params={})
        except RuntimeError as error:
            raise StoreError(f"the history's engine does not start: {first_line(error)}") from error
        return connection

    def _open_client(self) -> "Client":
        import clickhouse_connect  # noqa: PLC0415 slow
        from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415

        self._connection = self._connection or self._open()
        try:
            return clickhouse_connect.get_client(
                interface="chdb",
                database=self._database,
                settings={"max_query_size": _SETTINGS["max_query_size"]},
            )
        except ClickHouseError as error:
            raise StoreError(f"the history's engine does not start: {first_line(error)}") from error


def _load() -> ModuleType:
    """Return the extension module, under the name that chDB's own package knows it by.

    As that package does, bound to its own symbols before those of other libraries.
    """
    if _MODULE in sys.modules:
        return sys.modules[_MODULE]
    flags = sys.getdlopenflags()
    try:
        found = find_spec("chdb")
        places = (found.submodule_search_locations or ()) if found else ()
        path = next(file for place in places for file in Path(place).glob("_chdb.*.so"))
        loader = ExtensionFileLoader(_MODULE, str(path))
        sys.setdlopenflags(flags | getattr(os, "RTLD_DEEPBIND", 0))
        module = module_from_spec(ModuleSpec(_MODULE, loader, origin=str(path)))
        sys.modules[_MODULE] = module
        loader.exec_module(module)
    except (ImportError, StopIteration, ValueError, OSError) as error:
        sys.modules.pop(_MODULE, None)
        raise StoreError(
            "this installation has no engine to read the history with; "
            "add it: pip install 'cluster-doctor[embedded]'"
        ) from error
    finally:
        sys.setdlopenflags(flags)
    return module


def literal(value: object) -> str:
    """Return *value* as ClickHouse reads the value of a parameter: text, number or a list of text.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(value, str):
        return _escaped(value)
    if isinstance(value, list | tuple):
        quoted = (_escaped(str(one)).replace("'", "\\'") for one in value)
        return "[" + ",".join(f"'{one}'" for one in quoted) + "]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise TypeError(f"{value!r} cannot be a parameter")


def _escaped(text: str) -> str:
    for raw, written in (("\\", "\\\\"), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r")):
        text = text.replace(raw, written)
    return text


def parsed(answer: bytes) -> list[tuple[object, ...]]:
    """Return the rows of an answer in the format that has names and types in its first lines."""
    lines = answer.decode(errors="replace").split("\n")
    if len(lines) < 3:
        return []
    kinds: Sequence[str] = json.loads(lines[1])
    rows: list[list[object]] = json.loads(f"[{','.join(lines[2:-1])}]")
    if not rows:
        return []
    columns = [
        list(map(convert, column)) if (convert := _CONVERTERS.get(_plain(kind))) else column
        for kind, column in zip(kinds, zip(*rows, strict=True), strict=True)
    ]
    return list(zip(*columns, strict=True))


def _plain(kind: str) -> str:
    """Return the type's name without what wraps it and what is in its brackets."""
    while kind.startswith(("Nullable(", "LowCardinality(")):
        kind = kind.partition("(")[2]
    return kind.partition("(")[0].rstrip(")")


def _time(value: object) -> datetime | None:
    return None if value is None else datetime.fromisoformat(str(value))


def _number(value: object) -> float | None:
    """Return a float: JSON writes 2.0 as 2, and has no word for infinity, which comes as text."""
    return value if value is None or isinstance(value, float) else float(str(value))


def _map(value: object) -> object:
    """Return a map with its numbers as floats; ours have no others."""
    return {k: _number(v) for k, v in value.items()} if isinstance(value, dict) else value


_CONVERTERS: Mapping[str, Callable[[object], object]] = {
    "DateTime64": _time,
    "DateTime": _time,
    "Float64": _number,
    "Float32": _number,
    "Map": _map,
}


def first_line(error: Exception) -> str:
    """Return the first line of what *error* says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
