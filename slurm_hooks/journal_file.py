"""The journal on disk: one file of JSON lines a month, written by one process at a time."""

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from slurm_hooks.errors import RecordError, StateError
from slurm_hooks.files import read_regular, sync_directory, write_durably
from slurm_hooks.journal import Book, Line, carried, fold
from slurm_hooks.journal_lines import dump, load

KEPT = timedelta(days=35)
"""So long what is over is carried into the next month's file: longer than any window."""

_MAX_BYTES = 1_000_000_000
_BLOCK = 64 * 1024
_NAME = re.compile(r"[0-9]{4}-[0-9]{2}\.jsonl")
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class JournalFile:
    """The files in *directory*; the latest holds all that still matters.

    Readers need nothing but to read. A writer must have the reactor's turn.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self) -> Book:
        """Return what the latest file says; an empty book where there is none.

        Raises:
            StateError: it cannot be read, or a line in it is damaged. Nothing may be
                decided then.
        """
        path = self._latest()
        return fold(_lines(path)) if path is not None else Book()

    def months(self) -> list[Path]:
        """Return the files, the oldest first.

        Raises:
            StateError: the directory cannot be listed. That is not an empty journal.
        """
        try:
            names = [path.name for path in self._directory.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StateError(f"{self._directory}: cannot list it: {error.strerror}") from error
        return [self._directory / name for name in sorted(names) if _NAME.fullmatch(name)]

    def append(self, lines: Sequence[Line], *, now: datetime) -> None:
        """Write *lines* down for good.

        A line that a crash or a full disk left half written is taken away first.

        Raises:
            StateError: they could not all be written; nothing may be done about them then.
        """
        if not lines:
            return
        path = self._current(now)
        try:
            handle = os.open(path, _FLAGS, 0o640)
            with os.fdopen(handle, "r+b") as file:
                end = _end_of_what_is_finished(file)
                file.seek(end)
                file.truncate()
                file.write(dump(lines))
                file.flush()
                os.fsync(file.fileno())
            if not end:
                path.chmod(0o640)  # whatever the umask of slurmctld was: others read it
                sync_directory(path.parent)
        except OSError as error:
            raise StateError(f"{path}: cannot write to it: {error.strerror or error}") from error

    def _latest(self) -> Path | None:
        found = self.months()
        return found[-1] if found else None

    def _current(self, now: datetime) -> Path:
        """Return the file to write to; a new month's begins with what still matters."""
        latest = self._latest()
        path = self._directory / f"{now.astimezone(UTC):%Y-%m}.jsonl"
        if latest is None or latest == path:
            return path
        if latest.name > path.name:
            return latest  # a clock that was set back must not hide the later file
        lines = carried(fold(_lines(latest)), since=now - KEPT)
        try:
            write_durably(path, dump(lines))
        except OSError as error:
            raise StateError(f"{path}: cannot write it: {error.strerror or error}") from error
        return path


def _end_of_what_is_finished(file: BinaryIO) -> int:
    """Return where the last line end of *file* is, and what follows it was never finished."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _BLOCK)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _lines(path: Path) -> list[Line]:
    try:
        return load(_whole(path))
    except (OSError, RecordError) as error:
        raise StateError(f"{path}: cannot read the journal of reactions: {error}") from error


def _whole(path: Path) -> bytes:
    data = read_regular(path, limit=_MAX_BYTES)
    if len(data) > _MAX_BYTES:
        raise RecordError(f"larger than {_MAX_BYTES} bytes")
    return data
