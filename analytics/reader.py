"""Which segments of a table a question reads: those that are there and as they were written."""

from collections.abc import Sequence
from pathlib import Path

from analytics.answer import quoted
from analytics.manifest import SUFFIX, Segment, files, read_manifest
from analytics.tables import Table
from slurm_hooks.errors import StoreError


class SegmentReader:
    """The segments of *table* in *directory*, for readers; loads no library to tell."""

    def __init__(self, table: Table, directory: Path) -> None:
        self.table = table
        self._directory = directory
        self.refused: Sequence[str] = ()
        """A line for each segment that the last look left out."""

    def segments(self) -> tuple[Segment, ...]:
        """Return the segments that can be read; none where the directory is missing.

        Raises:
            StoreError: the directory cannot be read, or a newer cluster-doctor wrote in it.
        """
        found, refused = [], []
        for one in self._named():
            wrong = self._wrong(one)
            if wrong:
                refused.append(f"{self._path(one)}: not read: {wrong}")
            else:
                found.append(one)
        self.refused = refused
        return tuple(found)

    def vanished(self, segments: Sequence[Segment]) -> bool:
        """Whether one of *segments* is not there any more."""
        return any(not self._path(one).exists() for one in segments)

    def table_of(self, name: str, names: Sequence[str]) -> str:
        """Return the statement that makes a table called *name* of exactly the segments *names*.

        A table, since who may only read may not call the function `file`.

        Raises:
            StoreError: the directory's path would be taken for a pattern.
        """
        if set(str(self._directory)) & set("{}*?"):
            raise StoreError(f"{self._directory}: a history's path cannot hold any of {{}}*?")
        listed = quoted(f"{self._directory}/{{{','.join(names)}}}{SUFFIX}")
        engine = f"File(Parquet, {listed})" if names else "Null"
        return f"CREATE OR REPLACE TABLE {name} ({self.table.structure}) ENGINE = {engine}"

    def _named(self) -> Sequence[Segment]:
        manifest = read_manifest(self._directory)
        if manifest is None:
            if not files(self._directory):
                return ()  # nothing was ever written, as where nobody ever reacted
            from analytics.segments import Segments  # noqa: PLC0415 loads Polars; a rare case

            manifest = Segments(self.table, self._directory).manifest()
        return manifest.segments

    def _wrong(self, segment: Segment) -> str:
        counted = f"{segment.rows:,} rows of {self.table.name}"
        try:
            size = self._path(segment).stat().st_size
        except FileNotFoundError:
            return f"it is gone, and {counted} with it; put it back from a backup"
        except OSError as error:
            return error.strerror or str(error)
        if size == segment.size:
            return ""
        return (
            f"it has {size:,} bytes and was written with {segment.size:,}; {counted} are not "
            "shown; put it back from a backup"
        )

    def _path(self, segment: Segment) -> Path:
        return self._directory / f"{segment.name}{SUFFIX}"
