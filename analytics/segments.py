"""A directory of immutable Parquet segments of one table: what is whole in it, and adding one."""

import contextlib
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from analytics.frame import schema
from analytics.tables import Table
from slurm_hooks.errors import StoreError
from slurm_hooks.files import write_durably

_MAGIC = b"PAR1"
_SEGMENT_MODE = 0o644
_DIRECTORY_MODE = 0o755


class Segments:
    """The segments of *table* in *directory*. Many readers; one writer at a time."""

    def __init__(self, table: Table, directory: Path) -> None:
        self.table = table
        self._directory = directory
        self._whole: set[str] = set()
        self._refused: dict[str, str] = {}

    @property
    def refused(self) -> Sequence[str]:
        """One line for each ``.parquet`` file that is not a segment of ours; it is not read."""
        return [self._refused[name] for name in sorted(self._refused)]

    def make(self) -> None:
        """Make the directory, readable for all whatever the umask; never the one above it.

        Raises:
            StoreError: it cannot be made.
        """
        try:
            self._directory.mkdir()
            self._directory.chmod(_DIRECTORY_MODE)
        except FileExistsError:
            return
        except OSError as error:
            raise _unwritable(self._directory, error) from error

    def append(self, rows: pl.DataFrame) -> None:
        """Add *rows* as one segment, named by its content: the same rows replace themselves.

        Raises:
            StoreError: they are of another schema, or cannot be written.
        """
        if rows.schema != schema(self.table):
            raise StoreError(f"{self._directory}: rows of another schema: {rows.schema}")
        ordered = rows.sort(*self.table.order)
        buffer = io.BytesIO()
        ordered.write_parquet(buffer, compression="zstd")
        path = self._directory / f"{_name(self.table, ordered)}.parquet"
        try:
            self._remove_leftovers()
            write_durably(path, buffer.getvalue(), mode=_SEGMENT_MODE)
        except OSError as error:
            raise _unwritable(path, error) from error

    def names(self) -> tuple[str, ...]:
        """Return the names of the whole segments, without their suffix.

        Raises:
            StoreError: the directory cannot be listed.
        """
        try:
            names = sorted(path.stem for path in self._directory.glob("[!.]*.parquet"))
        except OSError as error:
            raise StoreError(f"{self._directory}: cannot list it: {error.strerror}") from error
        self._refused = {name: why for name, why in self._refused.items() if name in names}
        for name in names:
            if name not in self._whole:
                self._inspect(name)
        return tuple(name for name in names if name in self._whole)

    def vanished(self, names: Sequence[str]) -> bool:
        """Whether one of *names* is not there any more."""
        return any(not (self._directory / f"{name}.parquet").exists() for name in names)

    def source(self, names: Sequence[str]) -> str:
        """Return what reads exactly *names* as a table function of ClickHouse."""
        structure = _quoted(self.table.structure)
        if not names:
            return f"null({structure})"
        if set(str(self._directory)) & set("{}*?"):
            raise StoreError(f"{self._directory}: a history's path cannot hold any of {{}}*?")
        listed = f"{self._directory}/{{{','.join(names)}}}.parquet"
        return f"file({_quoted(listed)}, Parquet, {structure})"

    def _inspect(self, name: str) -> None:
        path = self._directory / f"{name}.parquet"
        with contextlib.suppress(FileNotFoundError):
            reason = _why_not_ours(path, self.table)
            if reason is None:
                self._whole.add(name)
                self._refused.pop(name, None)
            else:
                self._refused[name] = f"{path}: not read: {reason}; move it out of this directory"

    def _remove_leftovers(self) -> None:
        for path in self._directory.glob(".*.tmp"):
            path.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path}: cannot write the segment: {error.strerror or error}; "
        "nothing is lost: the records stay in the spool until `cluster-doctor ingest` works"
    )


def _name(table: Table, rows: pl.DataFrame) -> str:
    ids = rows.select(table.identity).iter_rows()
    digest = hashlib.sha256("".join(".".join(map(str, one)) + "\n" for one in ids).encode())
    latest = max(rows[table.time].to_list())
    return f"{latest:%Y%m%dT%H%M%S}-{digest.hexdigest()[:16]}"


def _why_not_ours(path: Path, table: Table) -> str | None:
    """Return why *path* is not a whole segment of *table*, or None where it is one."""
    try:
        with path.open("rb") as file:
            if file.read(4) != _MAGIC or file.seek(-4, io.SEEK_END) < 0 or file.read() != _MAGIC:
                return "torn, or not Parquet"
        found = pl.read_parquet_schema(path)
    except FileNotFoundError:
        raise
    except (OSError, pl.exceptions.PolarsError) as error:
        return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    return None if found == dict(schema(table)) else "its columns are not ours"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
