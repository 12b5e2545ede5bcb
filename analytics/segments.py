"""A directory of immutable Parquet segments of one table: what is whole in it, and adding to it.

A manifest names the segments, so that a reader sees a merge as a whole or not at all, and opens
nothing that is not ours. What it does not name is taken in by the next writer, since a restored
backup looks like that, and so does what a killed writer left.
"""

import hashlib
import io
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import polars as pl

from analytics.frame import schema
from analytics.layout import borders
from analytics.manifest import SUFFIX, Manifest, Segment, files, read_manifest, write_manifest
from analytics.tables import Table
from slurm_hooks.errors import StoreError
from slurm_hooks.files import write_durably

_MAGIC = b"PAR1"
_SEGMENT_MODE = 0o644
_DIRECTORY_MODE = 0o755
_ROW_GROUP = 32_768
"""Rows that are read or passed over together: about a thirtieth of what a node asks for."""


class Segments:
    """The segments of *table* in *directory*. One writer at a time; many readers:
    `analytics.reader`."""

    def __init__(self, table: Table, directory: Path) -> None:
        self.table = table
        self.directory = directory

    def append(self, rows: pl.DataFrame) -> None:
        """Add *rows*, all or none; the same rows replace themselves.

        Raises:
            StoreError: they are of another schema, or cannot be written.
        """
        if rows.schema != schema(self.table):
            raise StoreError(f"{self.directory}: rows of another schema: {rows.schema}")
        if rows.is_empty():
            return
        try:
            self.make()
            manifest = self.manifest()
            parts = self._parts(rows, manifest)
            added = [self.write(part, known=manifest.by_name) for part in parts]
            write_manifest(self.directory, manifest.adding(added))
        except OSError as error:
            raise unwritable(self.directory, error) from error

    def make(self) -> None:
        """Make the directory, readable for all whatever the umask; never the one above it."""
        try:
            self.directory.mkdir()
            self.directory.chmod(_DIRECTORY_MODE)
        except FileExistsError:
            return

    def manifest(self) -> Manifest:
        """Return which segments there are; where nothing says so, by what lies there.

        Raises:
            StoreError: a newer cluster-doctor wrote it, or the directory cannot be read.
        """
        found = read_manifest(self.directory)
        if found is not None:
            return found
        whole = [inspect(path, self.table) for path in files(self.directory)]
        segments = [one for one in whole if isinstance(one, Segment)]
        return Manifest(segments=tuple(sorted(segments, key=lambda one: (one.first, one.name))))

    def write(
        self,
        rows: pl.DataFrame,
        *,
        settled: bool = False,
        known: Mapping[str, Segment] = MappingProxyType({}),
    ) -> Segment:
        """Write *rows* as one segment, and return what a manifest says of it.

        One of the *known* that has the same rows stays as it is: it was ingested first.

        Raises:
            OSError: it cannot be written.
        """
        ordered = rows.sort(*self.table.order)
        name = _name(self.table, ordered, settled=settled)
        if name in known and self.is_whole(known[name]):
            return known[name]
        buffer = io.BytesIO()
        ordered.write_parquet(buffer, compression="zstd", row_group_size=_ROW_GROUP)
        data = buffer.getvalue()
        write_durably(self.directory / f"{name}{SUFFIX}", data, mode=_SEGMENT_MODE)
        return describe(ordered, self.table, name=name, size=len(data), settled=settled)

    def is_whole(self, segment: Segment) -> bool:
        """Return whether *segment* is there with the size that it was written with."""
        try:
            return (self.directory / f"{segment.name}{SUFFIX}").stat().st_size == segment.size
        except FileNotFoundError:
            return False

    def _parts(self, rows: pl.DataFrame, manifest: Manifest) -> Sequence[pl.DataFrame]:
        """Cut *rows* where settled segments end, so that no new one reaches over two of them."""
        ends = borders(manifest.segments)
        keys = key_text(self.table)
        cells = rows.select(pl.lit(pl.Series(ends, dtype=pl.String)).search_sorted(keys))
        parts = rows.with_columns(cells.to_series().alias("_cell")).partition_by("_cell")
        return [part.drop("_cell") for part in parts]


def inspect(path: Path, table: Table) -> Segment | str:
    """Return what a manifest would say of *path*, or why it is no whole segment of *table*."""
    try:
        with path.open("rb") as file:
            if file.read(4) != _MAGIC or file.seek(-4, io.SEEK_END) < 0 or file.read() != _MAGIC:
                return "torn, or not Parquet"
        if pl.read_parquet_schema(path) != dict(schema(table)):
            return "its columns are not ours"
        rows = pl.read_parquet(path, columns=[*{table.key, table.time}])
        if rows.is_empty():
            return "it holds no rows"
        return describe(rows, table, name=path.stem, size=path.stat().st_size)
    except (OSError, pl.exceptions.PolarsError) as error:
        return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def describe(
    rows: pl.DataFrame, table: Table, *, name: str, size: int, settled: bool = False
) -> Segment:
    """Return what a manifest says of *rows*, written as *name* in *size* bytes."""
    keys = rows.select(
        first=key_text(table).min(), last=key_text(table).max(), until=pl.col(table.time).max()
    )
    first, last, until = keys.row(0)
    return Segment(
        name=name, rows=rows.height, size=size, first=first, last=last, until=until, settled=settled
    )


def key_text(table: Table) -> pl.Expr:
    """Return the key of each row as text that sorts as the keys do."""
    key = pl.col(table.key)
    return key.dt.strftime("%Y%m%dT%H%M%S.%3f") if "DateTime" in table.columns[table.key] else key


def unwritable(path: Path, error: OSError) -> StoreError:
    """Return what to say where the history cannot be written."""
    return StoreError(
        f"{path}: cannot write the history: {error.strerror or error}; "
        "nothing is lost: the records stay in the spool until `cluster-doctor ingest` works"
    )


def _name(table: Table, rows: pl.DataFrame, *, settled: bool) -> str:
    """Return a name that the same rows get again: ingests that are repeated add nothing."""
    told = dict.fromkeys((*table.identity, *(column for column, _ in table.latest)))
    told.pop("ingested_at", None)
    hashes = array("Q", rows.select(*told).hash_rows().sort().to_list())
    digest = hashlib.sha256(hashes.tobytes()).hexdigest()[:16]
    latest = max(rows[table.time].to_list())
    name = f"{latest:%Y%m%dT%H%M%S}-{digest}"
    return f"{name}-settled" if settled else name
