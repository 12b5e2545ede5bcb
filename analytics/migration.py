"""Brings a server's tables and views to what this cluster-doctor knows, and says how far it is."""

import getpass
import hashlib
import socket
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from analytics import ddl
from analytics.server import Server
from analytics.tables import TABLES
from slurm_hooks.errors import StoreError

_VIEWS = 0
"""The row of `schema_version` that says which views there are."""


def make_database(server: Server) -> None:
    """Make the database; *server* must not be asking in it yet."""
    server.command(ddl.database(server.store))


def migrate(server: Server) -> Iterator[str]:
    """Apply the numbered files that are missing, make the views, set the retention; tell of each.

    Killed anywhere, the next one goes on there: what is done again changes nothing.

    Raises:
        StoreError: the server refuses, or its schema is from the future.
    """
    at = _applied(server)
    _refuse_newer(server, at)
    for one in ddl.migrations(server.store):
        if one.number > at:
            for statement in one.statements:
                server.command(statement)
            _note(server, one.number, one.file)
            yield f"applied {one.file}"
    for view in ddl.views(server.store):
        server.command(view)
    _note(server, _VIEWS, _digest(server))
    yield "made the views"
    yield from _lifetimes(server)


def behind(server: Server) -> str:
    """Return what is to be done before this cluster-doctor can use the server; empty: nothing.

    Raises:
        StoreError: the server refuses, or its schema is from the future.
    """
    at = _applied(server)
    _refuse_newer(server, at)
    if not at:
        return f"there are no tables of ours in {server.store.database!r}; run: {_command('init')}"
    if at < ddl.newest():
        return f"its schema is version {at}, this is {ddl.newest()}; run: {_command('migrate')}"
    return ""


def views_differ(server: Server) -> bool:
    """Whether another cluster-doctor made the views."""
    return _noted(server).get(_VIEWS) != _digest(server)


def schema_at(server: Server) -> int:
    """Return the number of the last file that was applied; 0: none."""
    return _applied(server)


def _applied(server: Server) -> int:
    known = server.rows(
        "SELECT name FROM system.tables WHERE database = {database:String} "
        "AND name = 'schema_version'",
        {"database": server.store.database},
    )
    return max(_noted(server), default=0) if known else 0


def _noted(server: Server) -> dict[int, str]:
    found = server.rows("SELECT version, file FROM schema_version FINAL")
    return {int(str(number)): str(file) for number, file in found}


def _refuse_newer(server: Server, at: int) -> None:
    if at > ddl.newest():
        raise StoreError(
            f"{server.store.url}: a newer cluster-doctor made its schema (version {at}; this one "
            f"knows {ddl.newest()}); update this installation"
        )


def _note(server: Server, number: int, file: str) -> None:
    server.command(
        "INSERT INTO schema_version (version, file, applied_at, by) "
        "SELECT {number:UInt32}, {file:String}, now64(3), {by:String}",
        {"number": number, "file": file, "by": _whoami()},
    )


def _lifetimes(server: Server) -> Iterator[str]:
    """Let rows live as long as the settings say, where they do not."""
    found = server.rows(
        "SELECT name, engine_full FROM system.tables WHERE database = {database:String}",
        {"database": server.store.database},
    )
    engines = {str(name): str(engine) for name, engine in found}
    for table in TABLES:
        if ddl.lifetime(server.store) not in engines.get(table.name, ""):
            server.command(ddl.change_lifetime(table.name, table.time, server.store))
            yield f"{table.name}: rows live for {server.store.retention.days} days now"


def _digest(server: Server) -> str:
    text = "\n".join(ddl.views(server.store))
    return f"views {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _whoami() -> str:
    try:
        release = version("cluster-doctor")
    except PackageNotFoundError:
        release = "unknown"
    return f"{getpass.getuser()}@{socket.gethostname()}, cluster-doctor {release}"


def _command(name: str) -> str:
    return f"cluster-doctor store {name}"
