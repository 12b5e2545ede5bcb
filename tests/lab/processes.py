"""Which processes belong to a lab, told from /proc, and how to end them.

A process belongs to a lab when its environment names one of the lab's files, when the program
or the script that it runs lies in the lab, or when an ordinary user's process works there. Each is
asked again, through a pidfd, right before it gets a signal: a number used again is never hit.
"""

import os
import signal
from pathlib import Path

TELLING_VARIABLES = (b"SLURM_CONF", b"MYSQL_UNIX_PORT", b"CLUSTER_DOCTOR_SETTINGS")


def of_lab(root: Path) -> list[int]:
    """The living processes of the lab at *root*, without this one and its ancestors."""
    spared = {os.getpid(), *ancestors(os.getpid())}
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return sorted(pid for pid in numbers if pid not in spared and belongs(pid, root))


def belongs(pid: int, root: Path) -> bool:
    """Whether process *pid* lives and is part of the lab at *root*."""
    inside = os.fsencode(root) + b"/"
    try:
        return alive(pid) and (
            _environment_names(pid, inside) or _runs(pid, inside) or _works_in(pid, inside)
        )
    except OSError:  # it ended meanwhile
        return False


def hooks(opt: Path) -> list[int]:
    """The living processes of the hooks' shells below *opt*; some go on after Slurm's job."""
    inside = [os.fsencode(opt / room) + b"/" for room in ("prolog", "epilog")]
    return [
        pid
        for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        if any(word.startswith(room) for word in _argv(pid) for room in inside) and alive(pid)
    ]


def alive(pid: int) -> bool:
    """Whether process *pid* exists and is no zombie: PID 1 may reap orphans seconds late."""
    return _status(pid)[0] not in ("", "Z", "X")


def ancestors(pid: int) -> list[int]:
    """The parent of *pid*, its parent, and so on up to PID 1."""
    chain = []
    while (pid := _status(pid)[1]) > 0:
        chain.append(pid)
    return chain


def name(pid: int) -> str:
    """The name of process *pid*, as the kernel has it."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def send(pid: int, number: signal.Signals, root: Path) -> bool:
    """Signal process *pid* if it is still part of the lab at *root*; say whether it was."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not belongs(pid, root):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def _status(pid: int) -> tuple[str, int]:
    """The state letter and the parent of *pid* (proc(5), /proc/pid/stat)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return "", 0
    return fields[0], int(fields[1])


def _environment_names(pid: int, inside: bytes) -> bool:
    for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
        variable, _, value = entry.partition(b"=")
        if variable in TELLING_VARIABLES and value.startswith(inside):
            return True
    return False


def _runs(pid: int, inside: bytes) -> bool:
    return any(word.startswith(inside) for word in _argv(pid)[:2])


def _argv(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _works_in(pid: int, inside: bytes) -> bool:
    """Whether an ordinary user's process works in the lab; root's may be someone's shell."""
    if Path(f"/proc/{pid}").stat().st_uid == 0:
        return False
    return (os.fsencode(Path(f"/proc/{pid}/cwd").readlink()) + b"/").startswith(inside)
