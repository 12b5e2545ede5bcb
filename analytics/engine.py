"""ClickHouse's engine in this process: chDB, in memory, one engine for all who ask.

Frames come by clickhouse-connect, as a server's do. Rows for the command line come from the
engine's extension module itself: importing clickhouse-connect and chDB's package would take three
times as long as the engine needs to start and answer.
"""

import os
import sys
from collections.abc import Mapping
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Protocol

from analytics.answer import FORMAT, SETTINGS, Answer, parsed
from slurm_hooks.errors import StoreError

if TYPE_CHECKING:
    import polars as pl
    from clickhouse_connect.driver.client import Client

NONE: Mapping[str, object] = MappingProxyType({})

_MODULE = "chdb._chdb"
_SETTINGS = {**SETTINGS, "max_query_size": "64000000"}
"""The list of segments is part of a table's text, whose limit is 256 KiB otherwise."""

_SET = "SET " + ", ".join(f"{name} = '{value}'" for name, value in _SETTINGS.items())


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
        return parsed(self._query(sql, FORMAT, parameters)).rows

    def answer(self, sql: str) -> Answer:
        """Return the answer to what somebody else asks, who can only read: the engine sees to it.

        In a connection of its own, since nothing takes its settings back.
        """
        self._connection = self._connection or self._open()
        reading: _Connection = _load().connect(":memory:")
        try:
            for prepared in (f"USE {self._database}", _SET, "SET readonly = 1"):
                reading.query(prepared, "Null", params={})
            return parsed(reading.query(sql, FORMAT, params={}).bytes())
        except RuntimeError as error:
            raise StoreError(first_line(error)) from error
        except ValueError as error:
            raise StoreError(f"it answered in a form of its own: {error}") from error
        finally:
            reading.close()

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
            connection.query(f"CREATE DATABASE IF NOT EXISTS {self._database}", "Null", params={})
            connection.query(f"USE {self._database}", "Null", params={})
            connection.query(_SET, "Null", params={})
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


def first_line(error: Exception) -> str:
    """Return the first line of what *error* says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
