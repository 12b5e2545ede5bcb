"""Which segments a table consists of, as one file that is replaced as a whole."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from slurm_hooks.decode import DecodeError, decode, encode
from slurm_hooks.errors import StoreError
from slurm_hooks.files import read_regular, write_durably

VERSION = 1
"""Of the embedded history: of this file, and of the columns of the segments that it names."""

FILE = "manifest.json"
SUFFIX = ".parquet"
_MAX_BYTES = 50_000_000
_MODE = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One immutable Parquet file, and what of its content decides who must read it."""

    name: str
    """Without its suffix."""
    rows: int
    size: int
    """In bytes; a file of another size is damaged."""
    first: str
    """The least key in it, as text."""
    last: str
    """The greatest."""
    until: datetime
    """The latest time in it."""
    settled: bool = False
    """Whether no two of its rows tell of the same thing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """A segment whose rows are in others now; readers may still have it open."""

    name: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The segments of a table, in the order of their keys."""

    version: int = VERSION
    segments: tuple[Segment, ...] = ()
    retired: tuple[Retired, ...] = ()

    @property
    def by_name(self) -> Mapping[str, Segment]:
        """The segments by their names."""
        return {one.name: one for one in self.segments}

    def adding(self, segments: Sequence[Segment]) -> "Manifest":
        """Return it with *segments* in use, in the place of others of their names."""
        new = {one.name for one in segments}
        kept = [one for one in self.segments if one.name not in new]
        return Manifest(
            segments=tuple(sorted([*kept, *segments], key=lambda one: (one.first, one.name))),
            retired=tuple(one for one in self.retired if one.name not in new),
        )

    def retiring(self, names: Collection[str], *, now: datetime) -> "Manifest":
        """Return it with *names* out of use since *now*."""
        return Manifest(
            segments=tuple(one for one in self.segments if one.name not in names),
            retired=(*self.retired, *(Retired(name=name, at=now) for name in sorted(names))),
        )

    def forgetting(self, names: Collection[str]) -> "Manifest":
        """Return it without mention of the retired segments *names*."""
        kept = tuple(one for one in self.retired if one.name not in names)
        return Manifest(segments=self.segments, retired=kept)


def read_manifest(directory: Path) -> Manifest | None:
    """Return the manifest in *directory*; None where there is none, or nothing whole.

    Whoever gets None looks at the files themselves: each says what it is, and rows that come
    twice count once.

    Raises:
        StoreError: a newer cluster-doctor wrote it, or it cannot be read.
    """
    path = directory / FILE
    try:
        value = json.loads(read_regular(path, limit=_MAX_BYTES))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path}: cannot read it: {error.strerror or error}") from error
    except (ValueError, RecursionError):
        return None
    version = value.get("version") if isinstance(value, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise StoreError(
            f"{path}: written by a newer cluster-doctor (history version {version}; this one "
            f"knows {VERSION}); update this installation"
        )
    try:
        return decode(Manifest, value)
    except DecodeError:
        return None


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Put *manifest* in *directory*.

    Raises:
        OSError: it cannot be written; the old one stays.
    """
    data = json.dumps(encode(manifest)).encode() + b"\n"
    write_durably(directory / FILE, data, mode=_MODE)


def files(directory: Path) -> list[Path]:
    """Return what could be segments in *directory*, in name order; nothing where it is missing.

    Raises:
        StoreError: it cannot be listed.
    """
    try:
        return sorted(
            path
            for path in directory.iterdir()
            if path.suffix == SUFFIX and not path.name.startswith(".")
        )
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"{directory}: cannot list it: {error.strerror}") from error
