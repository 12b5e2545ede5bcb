"""The status snapshot: every standing in one small SQLite file, so that asking loads no engine."""

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analytics.result import Result
from analytics.standing import Brief, Seen, Standing, fold, seen
from slurm_hooks.errors import StoreError
from slurm_hooks.files import sync_directory

VERSION = 3

Key = tuple[str, str]
"""A node and the name of a check."""

Row = tuple[str, str, str | None, int | None, str | None, int | None, str | None, str | None]
"""Node, check, judged outcome and time, the latest attempt's, its unjudged tries, its failures."""

Ask = Callable[[Sequence[str]], Iterable[tuple[Key, Standing]]]
"""Returns from the history how everything on these nodes stands."""

_SEEN = ("visit", "revision", "outcome", "at", "detail", "duration_s", "job_id", "log_path")
_KINDS = ("TEXT", "INTEGER", "TEXT", "INTEGER", "TEXT", "REAL", "INTEGER", "TEXT")
_COLUMNS = (
    *(f"{part}_{name}" for part in ("judged", "attempt") for name in _SEEN),
    "unjudged",
    "failures",
)
_TYPES = (*_KINDS, *_KINDS, "TEXT", "TEXT")
_SCHEMA = f"""
CREATE TABLE meta (version INTEGER NOT NULL, written_at INTEGER NOT NULL);
CREATE TABLE status (
    node TEXT NOT NULL, check_name TEXT NOT NULL,
    {", ".join(f"{name} {kind}" for name, kind in zip(_COLUMNS, _TYPES, strict=True))},
    PRIMARY KEY (node, check_name)
) WITHOUT ROWID, STRICT;
"""
_SELECT = f"SELECT node, check_name, {', '.join(_COLUMNS)} FROM status"  # noqa: S608 constants
_UPSERT = f"INSERT OR REPLACE INTO status VALUES (?, ?{', ?' * len(_COLUMNS)})"  # noqa: S608
_LAST = (
    "SELECT node, check_name, judged_outcome, judged_at,"
    " coalesce(attempt_outcome, judged_outcome), coalesce(attempt_at, judged_at),"
    " unjudged, failures FROM status"
)
_NOTHING = (None,) * len(_SEEN)
_SPLIT = 2 + len(_SEEN)
"""Where the attempt's columns start in a row of the table."""

_MODE = 0o644
_AT_ONCE = 500
"""SQLite takes at least 999 parameters in a statement."""


class SnapshotUnusableError(StoreError):
    """There is no snapshot, or it is not whole, or another version wrote it."""


class Snapshot:
    """The file at *path*. Times in it are milliseconds since 1970 UTC.

    ``attempt_*`` is NULL where the latest attempt is the judged result itself, and
    ``unjudged`` and ``failures`` (JSON, see `briefs`) where there are none. It is
    replaced as a whole, so a reader never waits and never sees half of a change; writers
    take turns by the ingest lock.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def standings(
        self,
        nodes: Collection[str] | None = None,
        *,
        checks: Collection[str] = (),
        outcomes: Collection[str] = (),
    ) -> list[tuple[Key, Standing]]:
        """Return how each check on *nodes* (None: on all) stands.

        Of *checks* and *outcomes* an empty one means all; an outcome is that of the judged
        result or of a later attempt.

        Raises:
            SnapshotUnusableError: it cannot be read.
        """
        with self._reading() as connection:
            return list(_select(connection, nodes, checks, outcomes))

    def check(self) -> None:
        """Raise SnapshotUnusableError where there is none that could be read."""
        with self._reading():
            pass

    def last(self) -> list[Row]:
        """Return what the planner needs of each check on each node.

        Raises:
            SnapshotUnusableError: it cannot be read.
        """
        with self._reading() as connection:
            return connection.execute(_LAST).fetchall()

    def update(self, rows: Iterable[Result], ask: Ask, *, now: datetime) -> None:
        """Count *rows*, which the history has already; *ask* settles what it alone can tell.

        Raises:
            SnapshotUnusableError: there is none to start from; `replace` makes one.
            StoreError: it could not be written; the old one stays.
        """
        with self._replacing(keep=True, now=now) as connection:
            changed, unclear = _folded(connection, rows)
            connection.executemany(_UPSERT, (_flat(*item) for item in changed.items()))
            for nodes in _parts(sorted(unclear)):
                connection.executemany(_UPSERT, (_flat(*item) for item in ask(nodes)))

    def replace(self, standings: Iterable[tuple[Key, Standing]], *, now: datetime) -> None:
        """Write a snapshot of exactly *standings*, whatever was there before.

        Raises:
            StoreError: it could not be written; the old one stays.
        """
        with self._replacing(keep=False, now=now) as connection:
            connection.executemany(_UPSERT, (_flat(*item) for item in standings))

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Open it for reading; nobody ever changes it in place, so no lock is needed."""
        try:
            if not self._path.is_file():
                raise SnapshotUnusableError(f"{self._path}: there is no such file")
            uri = f"file:{_escaped(self._path)}?mode=ro&immutable=1"
            with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
                _check_version(connection, self._path)
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise SnapshotUnusableError(f"{self._path}: cannot read it: {error}") from error

    @contextlib.contextmanager
    def _replacing(self, *, keep: bool, now: datetime) -> Iterator[sqlite3.Connection]:
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        try:
            temporary.unlink(missing_ok=True)
            if keep:
                with self._reading():
                    import shutil  # noqa: PLC0415 readers copy nothing

                    shutil.copyfile(self._path, temporary)
            with contextlib.closing(sqlite3.connect(temporary)) as connection:
                # What survives a crash is decided by the rename below, not by SQLite's journal.
                connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
                if not keep:
                    connection.executescript(_SCHEMA)
                yield connection
                connection.execute("DELETE FROM meta")
                connection.execute("INSERT INTO meta VALUES (?, ?)", (VERSION, _ms(now)))
                connection.commit()
            _publish(temporary, self._path)
        except (sqlite3.Error, OSError) as error:
            if type(error) is sqlite3.DatabaseError:  # not its children: the file is damaged
                raise SnapshotUnusableError(f"{self._path}: {error}") from error
            raise StoreError(f"{self._path}: cannot write the status snapshot: {error}") from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def briefs(text: str | None) -> tuple[Brief, ...]:
    """Return what a column of the snapshot keeps of several results."""
    return tuple(Brief._make(one) for one in json.loads(text)) if text else ()


def time_of(at_ms: int) -> datetime:
    """Return a time of the snapshot as a UTC datetime."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _escaped(path: Path) -> str:
    """Return *path* for SQLite's URI (importing urllib for it would cost 10 ms)."""
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _publish(temporary: Path, path: Path) -> None:
    with temporary.open("rb") as file:
        os.fchmod(file.fileno(), _MODE)
        os.fsync(file.fileno())
    temporary.rename(path)
    sync_directory(path.parent)


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("SELECT version FROM meta").fetchone()
    if found != (VERSION,):
        raise SnapshotUnusableError(f"{path}: written by another version of cluster-doctor")


def _select(
    connection: sqlite3.Connection,
    nodes: Collection[str] | None,
    checks: Collection[str],
    outcomes: Collection[str],
) -> Iterator[tuple[Key, Standing]]:
    for part in ((),) if nodes is None else _parts(sorted(nodes)):
        wanted: dict[tuple[str, ...], Collection[str]] = {
            ("node",): part,
            ("check_name",): checks,
            ("judged_outcome", "attempt_outcome"): outcomes,
        }
        chosen = {columns: values for columns, values in wanted.items() if values}
        conditions = [_any_in(columns, len(values)) for columns, values in chosen.items()]
        bound = [one for columns, values in chosen.items() for _ in columns for one in values]
        sql = f"{_SELECT} WHERE {' AND '.join(conditions)}" if conditions else _SELECT
        yield from map(_standing, connection.execute(sql, bound))


def _any_in(columns: Sequence[str], count: int) -> str:
    """Return the condition that one of *columns* is one of *count* values."""
    among = f"IN ({', '.join('?' * count)})"
    return f"({' OR '.join(f'{column} {among}' for column in columns)})"


def _folded(
    connection: sqlite3.Connection, rows: Iterable[Result]
) -> tuple[Mapping[Key, Standing], set[str]]:
    """Return what *rows* change, and the nodes of which only the history can tell."""
    known: dict[Key, Standing | None] = {}
    changed: dict[Key, Standing] = {}
    unclear: set[Key] = set()
    for row in rows:
        key = (row.node, row.check_name)
        if key in unclear:
            continue
        if key not in known:
            found = connection.execute(f"{_SELECT} WHERE node = ? AND check_name = ?", key)
            known[key] = next((_standing(values)[1] for values in found), None)
        after = fold(known[key], seen(row))
        if after is None:
            unclear.add(key)
        elif after is not known[key]:
            known[key] = changed[key] = after
    return changed, {node for node, _ in unclear}


def _standing(values: Sequence[Any]) -> tuple[Key, Standing]:
    """Return a row of the table; what SQLite gives is of the declared types (STRICT)."""
    judged = Seen._make(values[2:_SPLIT]) if values[2] is not None else None
    attempt = Seen._make(values[_SPLIT:-2]) if values[_SPLIT] is not None else judged
    if attempt is None:
        raise sqlite3.DatabaseError(f"{values[0]} {values[1]}: neither judged nor attempted")
    return (values[0], values[1]), Standing(judged, attempt, briefs(values[-2]), briefs(values[-1]))


def _flat(key: Key, standing: Standing) -> tuple[object, ...]:
    attempt = None if standing.attempt == standing.judged else standing.attempt
    kept = (json.dumps(several) if several else None for several in standing[2:])
    return (*key, *(standing.judged or _NOTHING), *(attempt or _NOTHING), *kept)


def _parts(nodes: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(nodes), _AT_ONCE):
        yield nodes[start : start + _AT_ONCE]


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)
