"""The embedded store: Parquet segments in the state directory, read by ClickHouse in-process."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from analytics.answer import Answer
from analytics.engine import NONE, Engine
from analytics.layout import split
from analytics.manifest import Segment
from analytics.reader import SegmentReader
from analytics.tables import RESULTS, TABLES, Table
from analytics.views import VIEWS, mentioned, view
from slurm_hooks.errors import StoreError

if TYPE_CHECKING:
    import polars as pl

Found = TypeVar("Found")

RETENTION = timedelta(days=400)

_LATEST = ", ".join(f"{name} {'DESC' if down else 'ASC'}" for name, down in RESULTS.latest)
_SAME = ", ".join(RESULTS.identity)
_ONE_OF_EACH = f"SELECT * FROM contested_results ORDER BY {_LATEST} LIMIT 1 BY {_SAME}"  # noqa: S608
_OF_RESULTS: Mapping[str, str] = {
    "results": "SELECT * FROM settled_results UNION ALL SELECT * FROM contested_results",
    "latest_results": f"SELECT * FROM settled_results UNION ALL SELECT * FROM ({_ONE_OF_EACH})",  # noqa: S608
}
"""What the two tables of results are for; view `history` is made of the second."""


class EmbeddedStore:
    """The segments of each table in a directory of its own.

    Many readers; one writer at a time, by the ingest's lock. The engine is loaded at the first
    question; a process that asked must not fork after it.
    """

    def __init__(self, directory: Path, *, retention: timedelta = RETENTION) -> None:
        self._directory = directory
        self._retention = retention
        self._readers = tuple(SegmentReader(table, directory / table.name) for table in TABLES)
        self._engine = Engine(f"store_{id(self):x}")
        self._made: dict[str, str] = {}
        """The tables and views that the engine has, each with what made it."""

    @property
    def refused(self) -> Sequence[str]:
        """One line for each segment that the last question had to leave out."""
        return [line for reader in self._readers for line in reader.refused]

    def append(self, rows: "pl.DataFrame", table: Table = RESULTS) -> None:
        """Add *rows* to *table*; the same rows replace themselves."""
        from analytics.segments import Segments  # noqa: PLC0415 loads Polars

        Segments(table, self._directory / table.name).append(rows)

    def rows(self, sql: str, parameters: Mapping[str, object] = NONE) -> list[tuple[object, ...]]:
        """Return the rows of *sql*."""
        return self._answered(sql, lambda: self._engine.rows(sql, parameters))

    def query(self, sql: str, parameters: Mapping[str, object] = NONE) -> "pl.DataFrame":
        """Return the rows of *sql* as a frame."""
        return self._answered(sql, lambda: self._engine.frame(sql, parameters))

    def answer(self, sql: str) -> Answer:
        """Return the answer to what somebody else asks, who can only read."""
        return self._answered(sql, lambda: self._engine.answer(sql), ours=False)

    def untouched(self) -> bool:
        """Whether nothing was ever written; so it is where nobody made the directory yet."""
        try:
            return not any((self._directory / RESULTS.name).iterdir())
        except FileNotFoundError:
            return True
        except OSError as error:
            raise StoreError(f"{self._directory}: cannot list it: {error.strerror}") from error

    def tidy(self, *, now: datetime) -> Sequence[str]:
        """Merge segments and drop old ones, in a process of its own where there are such."""
        from analytics.tidying import tidy_apart  # noqa: PLC0415 readers need none of it

        return tidy_apart(self._directory, now=now, retention=self._retention)

    def tidy_here(self, *, now: datetime, all_of_it: bool = False) -> list[str]:
        """Do the same in this process, with *all_of_it* also what is not worth it yet."""
        from analytics.compaction import tidy  # noqa: PLC0415 loads Polars
        from analytics.segments import Segments  # noqa: PLC0415

        return [
            line
            for table in TABLES
            for line in tidy(
                Segments(table, self._directory / table.name),
                now=now,
                retention=self._retention,
                all_of_it=all_of_it,
            )
        ]

    def rebuild(self) -> None:
        """Nothing: every view is made of the segments at each question."""

    def close(self) -> None:
        """Let the engine go."""
        self._engine.close()
        self._made.clear()

    def _answered(self, sql: str, ask: Callable[[], Found], *, ours: bool = True) -> Found:
        """Return the answer; asks once more where a segment vanished meanwhile.

        Where the question is *ours* a refusal is the history's fault, and else the question's.
        """
        for last in (False, True):
            segments = self._segments()
            try:
                self._show(segments, sql)
                found = ask()
            except StoreError as error:
                if last or not self._vanished(segments):
                    failed = f"{self._directory}: the history gave no answer: " if ours else ""
                    raise StoreError(f"{failed}{error}") from error
            else:
                # The engine passes over a missing file of a list without a word.
                if not self._vanished(segments):
                    return found
        raise StoreError(f"{self._directory}: its segments vanish while they are read; try again")

    def _there(self) -> None:
        if not self._directory.is_dir():
            raise StoreError(f"{self._directory}: there is no such directory; is it mounted?")

    def _segments(self) -> Sequence[tuple[Segment, ...]]:
        self._there()
        return [reader.segments() for reader in self._readers]

    def _vanished(self, segments: Sequence[tuple[Segment, ...]]) -> bool:
        return any(
            reader.vanished(found) for reader, found in zip(self._readers, segments, strict=True)
        )

    def _show(self, segments: Sequence[tuple[Segment, ...]], sql: str) -> None:
        """Make the tables that *sql* is made of read exactly *segments*."""
        tables: dict[str, str] = {}
        for reader, found in zip(self._readers, segments, strict=True):
            tables |= _tables(reader, found)
        views = {
            **{name: f"CREATE OR REPLACE VIEW {name} AS {of}" for name, of in _OF_RESULTS.items()},
            **{name: view(name) for name in VIEWS},
        }
        for name in mentioned(sql, tables, views):
            made = tables.get(name) or views[name]
            if self._made.get(name) != made:
                self._engine.command(made)
                self._made[name] = made


def _tables(reader: SegmentReader, segments: Sequence[Segment]) -> Mapping[str, str]:
    """Return what makes the table of *segments*, those of results by who needs a second look."""
    table = reader.table
    if table is not RESULTS:
        return {table.name: reader.table_of(table.name, [one.name for one in segments])}
    found = split(segments)
    return {
        "settled_results": reader.table_of("settled_results", found.settled),
        "contested_results": reader.table_of("contested_results", found.contested),
    }
