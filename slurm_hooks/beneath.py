"""Reads below a directory that somebody else writes to, without following any link on the way."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from slurm_hooks.files import read_handle

_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Beneath:
    """What lies below *root*; each part of a path is one name, and no directory is a link.

    So whoever may write there can point us nowhere else, at whatever moment it tries.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, *parts: str) -> list[str]:
        """Return the names in a directory, sorted.

        Raises:
            OSError: it is missing, a link, no directory, or unreadable.
        """
        with self._inside(parts[:-1]) as where:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(parts[-1], flags, dir_fd=where)
            try:
                return sorted(os.listdir(handle))  # noqa: PTH208 - a handle, not a path
            finally:
                os.close(handle)

    def read(self, *parts: str, limit: int, owner: int) -> bytes:
        """Return at most *limit* + 1 bytes of a plain file of *owner*; never blocks on a fifo.

        Raises:
            OSError: as `names`, or the file is not plain, or somebody else's.
        """
        with self._inside(parts[:-1]) as where:
            handle = os.open(parts[-1], _FILE, dir_fd=where)
        return read_handle(handle, Path(*parts), limit=limit, owner=owner)

    @contextlib.contextmanager
    def _inside(self, parts: tuple[str, ...]) -> Iterator[int]:
        handle = os.open(self._root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts:
                inner = os.open(part, _STEP, dir_fd=handle)
                os.close(handle)
                handle = inner
            yield handle
        finally:
            os.close(handle)
