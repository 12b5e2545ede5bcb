"""One file of the spool: its bytes, or why it has none; and what is in the history against it."""

import errno
from dataclasses import dataclass, replace
from pathlib import Path

from slurm_hooks.files import read_regular
from slurm_hooks.record import MAX_BYTES, Evidence, Record

_NOT_A_FILE = (None, errno.ELOOP, errno.ENXIO, errno.EISDIR)


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that will never enter the history."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """A file that cannot be read now; it stays where it is."""

    problem: str


@dataclass(frozen=True, slots=True)
class Gone:
    """A file that vanished between the look into its directory and the look at it."""


def overruled(results: Path, record: Record) -> str | None:
    """The snapshot counts the record of a conflict after the runner's, and so once and for all."""
    overruling = results / replace(record, evidence=Evidence.CONFLICT).file_name
    if record.evidence is Evidence.CONFLICT or not overruling.exists():
        return None
    return f"it contradicts Slurm's word, which is in the history already: {overruling}"


def repeated(earlier: Path, data: bytes) -> str | None:
    """A record may come twice; another one of the same name may not take its place."""
    if not earlier.exists() or read(earlier) == data:
        return None
    return f"another record of this name is in the history already: {earlier}"


def read(path: Path, *, limit: int = MAX_BYTES) -> bytes | Refused | Unclear | Gone:
    """Return what *path* holds, or why that cannot be told."""
    try:
        return read_regular(path, limit=limit)
    except FileNotFoundError:
        return Gone()
    except OSError as error:
        if error.errno in _NOT_A_FILE:
            return Refused("not a plain file")
        return Unclear(error.strerror or str(error))
