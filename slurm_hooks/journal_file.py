"""The journal on disk: one file of JSON lines a month, written by one process at a time."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from slurm_hooks.errors import RecordError, StateError
from slurm_hooks.files import read_regular, write_durably
from slurm_hooks.journal import Book, Line, carried, dump, fold, load

KEPT = timedelta(days=35)
"""So long what is over is carried into the next month's file: longer than any window."""

_MAX_BYTES = 1_000_000_000


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
            StateError: the directory cannot be listed.
        """
        try:
            return sorted(self._directory.glob("[0-9][0-9][0-9][0-9]-[0-9][0-9].jsonl"))
        except OSError as error:
            raise StateError(f"{self._directory}: cannot list it: {error.strerror}") from error

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
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
            with os.fdopen(handle, "r+b") as file:
                file.seek(_finished(file.read()))
                file.truncate()
                file.write(dump(lines))
                file.flush()
                os.fsync(file.fileno())
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


def _finished(data: bytes) -> int:
    return data.rfind(b"\n") + 1


def _lines(path: Path) -> list[Line]:
    try:
        return load(read_regular(path, limit=_MAX_BYTES))
    except (OSError, RecordError) as error:
        raise StateError(f"{path}: cannot read the journal of reactions: {error}") from error
