"""The history: the one wall to SQL. Parquet segments, read by ClickHouse's engine in-process."""

import contextlib
import hashlib
import io
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import polars as pl

from analytics.frame import schema
from analytics.result import structure
from slurm_hooks.errors import StoreError
from slurm_hooks.files import write_durably

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_NONE: Mapping[str, object] = MappingProxyType({})
_MAGIC = b"PAR1"
_VIEWS = ("history", "status")
_SEGMENT_MODE = 0o644
_MAX_QUERY_BYTES = 64_000_000
"""The list of segments is part of the view's text; ClickHouse's own limit is 256 KiB."""


class Store(Protocol):
    """Where results are kept. Raises StoreError when it refuses."""

    def append(self, rows: pl.DataFrame) -> None:
        """Add *rows*, all or none; adding rows again changes no view."""
        ...

    def query(self, sql: str, parameters: Mapping[str, object] = _NONE) -> pl.DataFrame:
        """Return the rows of *sql*, which may read `results`, `history` and `status`.

        ``{name:Type}`` in it stands for a parameter. Times come back in UTC.
        """
        ...


class EmbeddedStore:
    """Immutable segments in one directory. Many readers; one writer at a time.

    The engine is loaded at the first query; a process that asked must not fork after it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._client: Client | None = None
        self._shown: tuple[str, ...] | None = None
        self._whole: set[str] = set()
        self._refused: dict[str, str] = {}

    @property
    def refused(self) -> Sequence[str]:
        """One line for each ``.parquet`` file that is not a segment of ours; it is not read."""
        return [self._refused[name] for name in sorted(self._refused)]

    def append(self, rows: pl.DataFrame) -> None:
        """Add *rows* as one segment, named by its content: the same rows replace themselves."""
        if rows.schema != schema():
            raise StoreError(f"{self._directory}: rows of another schema: {rows.schema}")
        ordered = rows.sort("node", "check_name", "finished_at", "result_id", "revision")
        buffer = io.BytesIO()
        ordered.write_parquet(buffer, compression="zstd")
        path = self._directory / f"{_segment_name(ordered)}.parquet"
        try:
            self._remove_leftovers()
            write_durably(path, buffer.getvalue(), mode=_SEGMENT_MODE)
        except OSError as error:
            raise StoreError(
                f"{path}: cannot write the segment: {error.strerror or error}; "
                "nothing is lost: the records stay in the spool until `cluster-doctor ingest` works"
            ) from error

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

    def _segments(self) -> tuple[str, ...]:
        try:
            names = sorted(path.stem for path in self._directory.glob("[!.]*.parquet"))
            if not names and not self._directory.is_dir():
                raise StoreError(f"{self._directory}: there is no such directory; is it mounted?")
        except OSError as error:
            raise StoreError(f"{self._directory}: cannot list it: {error.strerror}") from error
        self._refused = {name: why for name, why in self._refused.items() if name in names}
        for name in names:
            if name not in self._whole:
                self._inspect(name)
        return tuple(name for name in names if name in self._whole)

    def _inspect(self, name: str) -> None:
        path = self._directory / f"{name}.parquet"
        with contextlib.suppress(FileNotFoundError):
            reason = _why_not_ours(path)
            if reason is None:
                self._whole.add(name)
                self._refused.pop(name, None)
            else:
                self._refused[name] = f"{path}: not read: {reason}; move it out of this directory"

    def _vanished(self, segments: Sequence[str]) -> bool:
        return any(not (self._directory / f"{name}.parquet").exists() for name in segments)

    def _show(self, segments: tuple[str, ...]) -> None:
        """Make the view `results` read exactly *segments*."""
        if self._shown == segments and self._client:
            return
        first = self._shown is None
        source = self._source(segments)
        self._command(f"CREATE OR REPLACE VIEW results AS SELECT * FROM {source}")  # noqa: S608
        if first:
            for name in _VIEWS:
                self._command(files("analytics").joinpath(f"sql/{name}.sql").read_text())
        self._shown = segments

    def _source(self, segments: Sequence[str]) -> str:
        if not segments:
            return f"null({_quoted(structure())})"
        if set(str(self._directory)) & set("{}*?"):
            raise StoreError(f"{self._directory}: a history's path cannot hold any of {{}}*?")
        listed = f"{self._directory}/{{{','.join(segments)}}}.parquet"
        return f"file({_quoted(listed)}, Parquet, {_quoted(structure())})"

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

    def _remove_leftovers(self) -> None:
        for path in self._directory.glob(".*.tmp"):
            path.unlink(missing_ok=True)


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


def _segment_name(rows: pl.DataFrame) -> str:
    ids = zip(rows["result_id"].to_list(), rows["revision"].to_list(), strict=True)
    digest = hashlib.sha256("".join(f"{name}.{number}\n" for name, number in ids).encode())
    latest = max(rows["finished_at"].to_list())
    return f"{latest:%Y%m%dT%H%M%S}-{digest.hexdigest()[:16]}"


def _why_not_ours(path: Path) -> str | None:
    """Return why *path* is not a whole segment of our schema, or None where it is one."""
    try:
        with path.open("rb") as file:
            if file.read(4) != _MAGIC or file.seek(-4, io.SEEK_END) < 0 or file.read() != _MAGIC:
                return "torn, or not Parquet"
        found = pl.read_parquet_schema(path)
    except FileNotFoundError:
        raise
    except (OSError, pl.exceptions.PolarsError) as error:
        return _first_line(error)
    return None if found == dict(schema()) else "its columns are not ours"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
