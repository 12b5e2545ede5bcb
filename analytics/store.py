"""The history: the one wall to SQL. Parquet segments, read by ClickHouse's engine in-process."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import polars as pl

from analytics.segments import Segments
from analytics.tables import BATCHES, REACTIONS, RESULTS
from slurm_hooks.errors import StoreError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_NONE: Mapping[str, object] = MappingProxyType({})
_VIEWS = ("history", "status", "visits", "runs", "reactions")
_MAX_QUERY_BYTES = 64_000_000
"""The list of segments is part of the view's text; ClickHouse's own limit is 256 KiB."""

_Names = tuple[tuple[str, ...], ...]
"""The segments of each table."""


class Store(Protocol):
    """Where results are kept. Raises StoreError when it refuses."""

    def append(self, rows: pl.DataFrame) -> None:
        """Add *rows* to `results`, all or none; adding rows again changes no view."""
        ...

    def append_plans(self, rows: pl.DataFrame) -> None:
        """Add *rows* to `batches`, all or none; adding rows again changes no view."""
        ...

    def append_reactions(self, rows: pl.DataFrame) -> None:
        """Add *rows* to `reaction_states`, all or none; adding rows again changes no view."""
        ...

    def query(self, sql: str, parameters: Mapping[str, object] = _NONE) -> pl.DataFrame:
        """Return the rows of *sql*, which may read the tables and every view in sql/.

        ``{name:Type}`` in it stands for a parameter. Times come back in UTC.
        """
        ...


class EmbeddedStore:
    """Immutable segments: of `results` in the directory, of other tables in ones below it.

    Many readers; one writer at a time. The engine is loaded at the first query; a process
    that asked must not fork after it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._results = Segments(RESULTS, directory)
        self._batches = Segments(BATCHES, directory / BATCHES.name)
        self._reactions = Segments(REACTIONS, directory / REACTIONS.name)
        self._tables = (self._results, self._batches, self._reactions)
        self._client: Client | None = None
        self._shown: _Names | None = None

    @property
    def refused(self) -> Sequence[str]:
        """One line for each ``.parquet`` file that is not a segment of ours; it is not read."""
        return [line for table in self._tables for line in table.refused]

    def append(self, rows: pl.DataFrame) -> None:
        """Add *rows* to `results`; the same rows replace themselves."""
        self._results.append(rows)

    def append_plans(self, rows: pl.DataFrame) -> None:
        """Add *rows* to `batches`; the same rows replace themselves."""
        self._batches.make()
        self._batches.append(rows)

    def append_reactions(self, rows: pl.DataFrame) -> None:
        """Add *rows* to `reaction_states`; the same rows replace themselves."""
        self._reactions.make()
        self._reactions.append(rows)

    def query(self, sql: str, parameters: Mapping[str, object] = _NONE) -> pl.DataFrame:
        """Return the rows of *sql*; asks once more where a segment vanished meanwhile."""
        for last in (False, True):
            segments = self._segments()
            self._show(segments)
            try:
                found = self._ask(sql, parameters)
            except StoreError:
                if last or not self._vanished(segments):
                    raise
            else:
                # The engine passes over a missing file of a list without a word.
                if not self._vanished(segments):
                    return found
        raise StoreError(f"{self._directory}: its segments vanish while they are read; try again")

    def close(self) -> None:
        """Let the engine go."""
        if self._client:
            self._client.close()
        self._client, self._shown = None, None

    def _segments(self) -> _Names:
        if not self._directory.is_dir():
            raise StoreError(f"{self._directory}: there is no such directory; is it mounted?")
        return tuple(table.names() for table in self._tables)

    def _vanished(self, segments: _Names) -> bool:
        return any(
            table.vanished(names) for table, names in zip(self._tables, segments, strict=True)
        )

    def _show(self, segments: _Names) -> None:
        """Make the tables read exactly *segments*."""
        if self._shown == segments and self._client:
            return
        first = self._shown is None
        for table, names in zip(self._tables, segments, strict=True):
            source = f"SELECT * FROM {table.source(names)}"  # noqa: S608 quoted
            self._command(f"CREATE OR REPLACE VIEW {table.table.name} AS {source}")
        if first:
            for name in _VIEWS:
                self._command(files("analytics").joinpath(f"sql/{name}.sql").read_text())
        self._shown = segments

    def _command(self, sql: str) -> None:
        from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415 slow

        try:
            self._engine().command(sql)
        except ClickHouseError as error:
            raise StoreError(f"{self._directory}: {_first_line(error)}") from error

    def _ask(self, sql: str, parameters: Mapping[str, object]) -> pl.DataFrame:
        from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415 slow

        try:
            found = self._engine().query_df_arrow(
                sql, parameters=dict(parameters), dataframe_library="polars"
            )
        except ClickHouseError as error:
            raise StoreError(
                f"{self._directory}: the history gave no answer: {_first_line(error)}"
            ) from error
        if not isinstance(found, pl.DataFrame):
            raise StoreError(f"{self._directory}: the history answered with a {type(found)}")
        return found.with_columns(pl.selectors.datetime().dt.replace_time_zone("UTC"))

    def _engine(self) -> "Client":
        """Return the in-process engine; each store has a database of its own in it."""
        if self._client is None:
            self._client = _open(f"store_{id(self):x}")
        return self._client


def _open(database: str) -> "Client":
    import clickhouse_connect  # noqa: PLC0415 takes 0.3 s; only who asks pays for it
    from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415

    try:
        import chdb  # noqa: F401, PLC0415
    except ImportError as error:
        raise StoreError(
            "this installation has no engine to read the history with; "
            "add it: pip install 'cluster-doctor[embedded]'"
        ) from error
    settings = {"max_query_size": _MAX_QUERY_BYTES}
    try:
        first = clickhouse_connect.get_client(interface="chdb", settings=settings)
        first.command(f"CREATE DATABASE IF NOT EXISTS {database}")
        return clickhouse_connect.get_client(interface="chdb", database=database, settings=settings)
    except ClickHouseError as error:
        raise StoreError(f"the history's engine does not start: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
