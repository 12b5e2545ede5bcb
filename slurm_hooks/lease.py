"""Whose turn it is: a lease that names its owner, so that two sweeps never overlap on any host.

Two things guard it. A lock (flock(2)) that the kernel releases when its holder dies, however it
dies; some shared file systems keep it only within one host, or do not know it. So beside it lies
a numbered note of who has the turn. The next number is made by link(2), which one host alone can
win on every file system, and the highest number counts.
"""

import contextlib
import errno
import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from slurm_hooks.decode import DecodeError, decode, encode
from slurm_hooks.duration import format_duration
from slurm_hooks.errors import StateError
from slurm_hooks.files import read_regular, write_durably
from slurm_hooks.procfs import read_process

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NO_FLOCK = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
"""What a file system answers that knows no flock (Lustre without its mount option flock)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process on one host, never taken for another one that got its id later."""

    host: str
    boot: str
    """The kernel's id of this boot (random(4)): another one after a reboot."""
    pid: int
    started: int
    """In clock ticks since boot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is written down of who has the turn."""

    owner: Process
    since: datetime
    written_at: datetime
    released: bool = False


def this_process() -> Process:
    """Return who we are."""
    found = read_process(os.getpid())
    boot = _BOOT.read_text(encoding="ascii").strip()
    started = found.started if found else 0
    return Process(host=socket.gethostname(), boot=boot, pid=os.getpid(), started=started)


def is_alive(owner: Process) -> bool:
    """Whether *owner*, a process under this kernel, still runs."""
    found = read_process(owner.pid)
    return found is not None and found.started == owner.started and not found.ended


def why_not(
    note: Note | None,
    me: Process,
    *,
    locked: bool,
    alive: bool,
    now: datetime,
    stale_after: timedelta,
) -> str | None:
    """Return who has the turn, or None where *me* may take it. Pure.

    *locked* says that nobody else has the lock, as far as the file system tells;
    *alive* that the note's owner runs under this kernel. An owner elsewhere cannot
    be asked: it has the turn until its note is *stale_after* old. A note that far
    in the future was written by another clock, and is as stale.
    """
    if note is None:
        return None if locked else "it has just begun or ended"
    owner = note.owner
    here = owner.boot == me.boot
    stale = abs(now - note.written_at) >= stale_after
    if note.released:
        free = locked or stale
    elif here:
        free = locked and not alive
    else:
        rebooted = owner.host == me.host and locked
        free = rebooted or stale
    if free:
        return None
    age = format_duration(now - note.since)
    named = f"process {owner.pid} on {owner.host}, begun {age} ago"
    return "it has just begun or ended" if note.released else named


class Turn:
    """A turn that was asked for; it is ours unless somebody else has it."""

    def __init__(self, directory: Path, number: int, note: Note | None, taken_by: str) -> None:
        self.taken_by = taken_by
        """Who else has it; empty where it is ours."""
        self._directory = directory
        self._number = number
        self._note = note

    def release(self, now: datetime) -> None:
        """Give the turn back; where that cannot be written, the lock's end says it."""
        if self._note is not None:
            note = replace(self._note, written_at=now, released=True)
            with contextlib.suppress(StateError):
                _write(self._directory, self._number, note, new=False)
            self._note = None


@contextlib.contextmanager
def turn(
    directory: Path,
    *,
    clock: Callable[[], datetime],
    stale_after: timedelta,
    me: Process | None = None,
    lock: Path | None = None,
) -> Iterator[Turn]:
    """Take the turn that *directory* stands for while the block runs, unless another has it.

    *me* and *lock* are for tests: a process of another host, on a file system whose
    locks that host does not see.

    Raises:
        StateError: the directory cannot be read or written.
    """
    me = me or this_process()
    _make(directory)
    with _flocked(lock or directory / "lock") as locked:
        made = _take(directory, me, locked=locked, now=clock(), stale_after=stale_after)
        try:
            yield made
        finally:
            made.release(clock())


def _take(
    directory: Path, me: Process, *, locked: bool, now: datetime, stale_after: timedelta
) -> Turn:
    number = _highest(directory)
    note = _read(directory, number)
    alive = note is not None and note.owner.boot == me.boot and is_alive(note.owner)
    taken_by = why_not(note, me, locked=locked, alive=alive, now=now, stale_after=stale_after)
    if taken_by is not None:
        return Turn(directory, number, None, taken_by)
    ours = Note(owner=me, since=now, written_at=now)
    number += 1
    if not _write(directory, number, ours, new=True) or _highest(directory) != number:
        return Turn(directory, number, None, "it was a moment faster")
    for old in _numbers(directory):
        if old < number:
            _path(directory, old).unlink(missing_ok=True)
    return Turn(directory, number, ours, "")


@contextlib.contextmanager
def _flocked(path: Path) -> Iterator[bool]:
    """Hold the lock if nobody else does; yields whether nobody else is known to."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise StateError(f"{path}: cannot open the lock: {error.strerror}") from error
    try:
        yield _try_lock(handle, path)
    finally:
        os.close(handle)


def _try_lock(handle: int, path: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_FLOCK:
            raise StateError(f"{path}: cannot lock it: {error.strerror}") from error
    return True


def _numbers(directory: Path) -> list[int]:
    try:
        return sorted(int(path.stem) for path in directory.glob("[0-9]*.json"))
    except (OSError, ValueError) as error:
        raise StateError(f"{directory}: cannot list it: {error}") from error


def _highest(directory: Path) -> int:
    return max(_numbers(directory), default=0)


def _path(directory: Path, number: int) -> Path:
    return directory / f"{number:08d}.json"


def _read(directory: Path, number: int) -> Note | None:
    """Return note *number*; None where there is none that can be read."""
    try:
        return decode(Note, json.loads(read_regular(_path(directory, number), limit=10_000)))
    except (OSError, ValueError, DecodeError):
        return None


def _write(directory: Path, number: int, note: Note, *, new: bool) -> bool:
    path = _path(directory, number)
    data = json.dumps(encode(note)).encode() + b"\n"
    try:
        return write_durably(path, data, replace=not new)
    except OSError as error:
        raise StateError(f"{path}: cannot write it: {error.strerror or error}") from error


def _make(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o750, exist_ok=True)
    except OSError as error:
        raise StateError(
            f"{directory}: cannot make the directory: {error.strerror}; "
            f"{directory.parent} must exist and belong to the service account"
        ) from error
