"""The log of one check: the head of its output as it comes, its tail when it ends."""

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

_RESERVED = 2_000
"""Of the limit, for header, footer and the line in the middle."""
_LAST = 2_000


class LogFile:
    """Takes any amount of output in bounded memory and space, and never raises.

    Up to half of the limit is written at once, so that it can be followed and survives
    the node's crash; the rest waits in memory, the oldest of it forgotten.
    """

    def __init__(
        self, path: Path | None, file: BinaryIO | None, *, header: str, limit: int, problem: str
    ) -> None:
        self._path = path
        self._file = file
        self._half = (limit - _RESERVED) // 2
        self._head_left = self._half
        self._tail = bytearray()
        self._left_out = 0
        self._last = b""
        self.problem = problem
        self._put(header.encode(errors="replace"))

    @property
    def path(self) -> str:
        """Where it is, or nothing where it could not be made."""
        return str(self._path or "")

    @property
    def last_line(self) -> str:
        """The last line of output that is not blank, as far as it was short."""
        lines = self._last.decode("utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "")

    def write(self, data: bytes) -> None:
        """Take the next piece of output."""
        self._last = (self._last + data[-_LAST:])[-_LAST:]
        head, rest = data[: self._head_left], data[self._head_left :]
        self._head_left -= len(head)
        self._put(head)
        self._tail += rest
        excess = len(self._tail) - self._half
        if excess > 0:
            del self._tail[:excess]
            self._left_out += excess

    def end(self, footer: str) -> None:
        """Write the tail and *footer*, a line, and close."""
        if self._left_out:
            self._put(f"\n# {self._left_out} bytes left out here\n".encode())
        self._put(bytes(self._tail))
        self._put(("" if self._last.endswith(b"\n") or not self._last else "\n").encode())
        self._put(footer.encode(errors="replace"))
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()

    def _put(self, data: bytes) -> None:
        if self._file is None or not data:
            return
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            self.problem = f"log incomplete: {error.strerror}"
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None


def open_log(
    directory: Path, *, check: str, node: str, at: datetime, header: str, limit: int
) -> LogFile:
    """Return a log at ``<directory>/<check>/<node>/<check>_<node>_<UTC time>.log``.

    Where it cannot be made, one that keeps nothing and says why in `problem`.
    """
    folder = directory / check / node
    path, file, problem = None, None, ""
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        path, file = _create(_names(folder / f"{check}_{node}_{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"))
    except OSError as error:
        problem = f"no log: {folder}: {error.strerror}"
    return LogFile(path, file, header=header, limit=limit, problem=problem)


def _names(stem: Path) -> Iterator[Path]:
    yield stem.with_name(f"{stem.name}.log")
    for number in range(2, 100):
        yield stem.with_name(f"{stem.name}_{number}.log")


def _create(names: Iterator[Path]) -> tuple[Path, BinaryIO]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    for path in names:
        with contextlib.suppress(FileExistsError):
            return path, os.fdopen(os.open(path, flags, 0o644), "wb", buffering=0)
    raise FileExistsError(0, "too many logs of this second")
