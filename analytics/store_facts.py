"""What there is to know of a store: what `store check` prints, and what is wrong with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from analytics import ddl, migration
from analytics.embedded import EmbeddedStore
from analytics.fields import local_time
from analytics.layout import split
from analytics.manifest import FILE, read_manifest
from analytics.reader import SegmentReader
from analytics.server import Server
from analytics.store import Store
from analytics.tables import TABLES, Table
from slurm_hooks.errors import StoreError

_MANY = 200
"""So many contested segments are never left by an ingest that tidies up."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line. What is wrong comes with the next step."""

    name: str
    text: str
    wrong: bool = False


def embedded_facts(store: EmbeddedStore, directory: Path) -> Iterator[Fact]:
    """Yield what there is to know of the segments in *directory*.

    Raises:
        StoreError: it cannot be read, or there is no engine.
    """
    yield Fact("store", f"embedded, in {directory}")
    yield Fact("engine", f"ClickHouse {_one(store, 'SELECT version()')} in this process")
    for table in TABLES:
        yield Fact(table.name, _content(store, table, _size(directory / table.name)))
        yield from _segments(table, directory / table.name)


def server_facts(server: Server, store: Store) -> Iterator[Fact]:
    """Yield what there is to know of a server.

    Raises:
        StoreError: it cannot be reached, or does not let us in.
    """
    settings = server.store
    yield Fact("store", f"{settings.url}, database {settings.database!r}, user {server.user!r}")
    began = monotonic()
    [(version,)] = server.rows("SELECT version()")
    yield Fact("server", f"ClickHouse {version}, answers in {(monotonic() - began) * 1000:.0f} ms")
    remedy = migration.behind(server)
    if remedy:
        yield Fact("schema", remedy, wrong=True)
        return
    yield Fact("schema", f"version {ddl.newest()}, as this cluster-doctor has it")
    if migration.views_differ(server):
        yield Fact("views", "another version's; run: cluster-doctor store migrate", wrong=True)
    for table in TABLES:
        yield Fact(table.name, _content(store, table, _server_size(server, table.name)))
    pairs = _one(store, "SELECT count() FROM status")
    yield Fact("status", f"{pairs} checks on nodes")


def _content(store: Store, table: Table, size: int | None) -> str:
    [(rows, oldest, newest)] = store.rows(
        f"SELECT count(), min({table.time}), max({table.time}) FROM {table.name}"  # noqa: S608 ours
    )
    if not rows:
        return "no rows"
    text = f"{int(str(rows)):,} rows"
    if size is not None:
        text += f" in {size / 1e6:,.1f} MB"
    if isinstance(oldest, datetime) and isinstance(newest, datetime):
        text += f", from {local_time(oldest)} to {local_time(newest)}"
    return text


def _segments(table: Table, directory: Path) -> Iterator[Fact]:
    manifest = read_manifest(directory)
    if manifest is None:
        return
    parts = split(manifest.segments)
    tidied = datetime.fromtimestamp((directory / FILE).stat().st_mtime, UTC)
    reader = SegmentReader(table, directory)
    reader.segments()
    yield Fact(
        "",
        f"segments: {len(parts.settled)} settled, {len(parts.contested)} contested, "
        f"{len(manifest.retired)} retired, {len(reader.refused)} refused; "
        f"changed {local_time(tidied)}",
    )
    for line in reader.refused:
        yield Fact("", line, wrong=True)
    if len(parts.contested) > _MANY:
        yield Fact("", "so many wait to be merged; run: cluster-doctor ingest", wrong=True)


def _size(directory: Path) -> int:
    try:
        return sum(path.stat().st_size for path in directory.glob("*.parquet"))
    except OSError as error:
        raise StoreError(f"{directory}: cannot read it: {error.strerror}") from error


def _server_size(server: Server, table: str) -> int | None:
    """Return how many bytes *table* has; None where the user may not know."""
    try:
        [(size,)] = server.rows(
            "SELECT sum(bytes_on_disk) FROM system.parts WHERE active "
            "AND database = {database:String} AND table = {table:String}",
            {"database": server.store.database, "table": table},
        )
    except StoreError:
        return None
    return int(str(size or 0))


def _one(store: Store, sql: str) -> str:
    [(found,)] = store.rows(sql)
    return f"{found:,}" if isinstance(found, int) else str(found)
