"""Files that are either whole or not there, whatever dies while they are written."""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path


def write_durably(path: Path, data: bytes, *, mode: int = 0o640, replace: bool = True) -> bool:
    """Put *data* at *path*: temporary name, fsync, rename, fsync of the directory.

    Returns whether it was written: with ``replace=False`` a file already there is
    left as it is.

    Raises:
        OSError: the disk is full, read-only or gone; nothing is at *path* then but
            what was there before.
    """
    temporary = path.with_name(f".{path.name[:180]}.{os.urandom(6).hex()}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        written = _rename(temporary, path, replace=replace)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(path.parent)
    return written


def _rename(temporary: Path, path: Path, *, replace: bool) -> bool:
    if replace:
        temporary.rename(path)
        return True
    try:
        os.link(temporary, path, follow_symlinks=False)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def sync_directory(path: Path) -> None:
    """Make renames in *path* survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_regular(path: Path, *, limit: int, owner: int | None = None) -> bytes:
    """Return at most *limit* + 1 bytes of *path*, which must be a plain file, of *owner* if given.

    Never follows a link in the last part and never blocks on a fifo.

    Raises:
        OSError: missing, unreadable, not a plain file, or somebody else's.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    return read_handle(os.open(path, flags), path, limit=limit, owner=owner)


def read_handle(handle: int, path: Path, *, limit: int, owner: int | None = None) -> bytes:
    """Return what `read_regular` would of an open file, and close it; *path* names it.

    Raises:
        OSError: as `read_regular`.
    """
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(f"{path}: not a plain file")
        if owner is not None and found.st_uid != owner:
            raise OSError(f"{path}: belongs to uid {found.st_uid}, not {owner}")
        return file.read(limit + 1)


@contextlib.contextmanager
def locked(path: Path, *, blocking: bool) -> Iterator[bool]:
    """Hold an exclusive lock on *path* while the block runs; yields whether it is held.

    The kernel releases it when the holder dies, however it dies.

    Raises:
        OSError: the lock file cannot be opened.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if blocking else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
