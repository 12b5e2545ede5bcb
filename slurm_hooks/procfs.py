"""Reads /proc, and kills exactly the process it read about."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process; ``pid`` and ``started`` together are never used again (proc(5), stat)."""

    pid: int
    name: str
    state: str
    parent: int
    group: int
    started: int
    """In clock ticks since boot."""

    @property
    def ended(self) -> bool:
        """Whether it only waits for its parent to take notice."""
        return self.state in "ZX"


def read_process(pid: int) -> Process | None:
    """Return what runs as *pid* now, or None."""
    try:
        line = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    front, _, rest = line.rpartition(b")")
    fields = rest.split()
    return Process(
        pid=pid,
        name=front.partition(b"(")[2].decode(errors="replace"),
        state=fields[0].decode(),
        parent=int(fields[1]),
        group=int(fields[2]),
        started=int(fields[19]),
    )


def pids() -> Iterator[int]:
    """Yield the id of every process."""
    for entry in os.listdir(_PROC):  # noqa: PTH208 - thousands of names, no paths needed
        if entry.isdigit():
            yield int(entry)


def descendants(pid: int) -> list[Process]:
    """Return what *pid* started and what those started, as far as they live.

    One that is born or adopted meanwhile may be missing: ask again.
    """
    children = listed_children if listed_children(pid) is not None else children_from_all()
    found: list[Process] = []
    left = [pid]
    while left:
        for child in children(left.pop()) or ():
            process = read_process(child)
            if process is not None:
                found.append(process)
                left.append(child)
    return [process for process in found if not process.ended]


def listed_children(pid: int) -> list[int] | None:
    """Return the children of *pid*, None where the kernel lists none (proc_pid_task(5))."""
    found: list[int] | None = None
    with contextlib.suppress(OSError):
        for thread in os.listdir(_PROC / str(pid) / "task"):  # noqa: PTH208 - names, no paths
            with contextlib.suppress(OSError):
                path = _PROC / str(pid) / "task" / thread / "children"
                found = (found or []) + [int(child) for child in path.read_bytes().split()]
    return found


def children_from_all() -> Callable[[int], list[int]]:
    """Return what answers as `listed_children`, from one look at all, maybe thousands of them."""
    children: dict[int, list[int]] = {}
    for process in map(read_process, pids()):
        if process is not None:
            children.setdefault(process.parent, []).append(process.pid)
    return lambda pid: children.get(pid, [])


def ancestors(pid: int) -> set[int]:
    """Return *pid*, its parent, that one's parent and so on."""
    found: set[int] = set()
    while pid > 0 and pid not in found:
        found.add(pid)
        process = read_process(pid)
        pid = process.parent if process else 0
    return found


def owner(pid: int) -> int | None:
    """Return the user id that *pid* runs as, or None when it is gone."""
    try:
        return (_PROC / str(pid)).stat().st_uid
    except OSError:
        return None


def environment(pid: int) -> dict[bytes, bytes]:
    """Return the environment that *pid* was started with; empty when it cannot be read."""
    try:
        data = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (item.partition(b"=") for item in data.split(b"\0") if b"=" in item)
    return {name: value for name, _, value in pairs}


def working_directory(pid: int) -> Path | None:
    """Return the directory that *pid* is in, removed or not; None when it cannot be told."""
    try:
        found = str((_PROC / str(pid) / "cwd").readlink())
    except OSError:
        return None
    return Path(found.removesuffix(" (deleted)"))


def kill(process: Process) -> None:
    """Send SIGKILL to *process*, never to another one that got its id in the meantime."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        try:
            handle = os.pidfd_open(process.pid)
        except OSError as error:
            if isinstance(error, ProcessLookupError):
                return
            _kill_by_id(process)  # no pidfds: a kernel before 5.3, or no free descriptor
            return
        try:
            if _is_still(process):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def _kill_by_id(process: Process) -> None:
    if _is_still(process):
        os.kill(process.pid, signal.SIGKILL)


def _is_still(process: Process) -> bool:
    now = read_process(process.pid)
    return now is not None and now.started == process.started
