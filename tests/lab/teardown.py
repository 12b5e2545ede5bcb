"""Ending a lab by its directory alone: its processes, its mounts, its files.

Nothing here needs the process that made the lab, so whoever finds the directory can end it: the
owner, its watchdog, or a person at the command line. Doing it twice, even at once, does no harm.
"""

import signal
import subprocess
import time
from pathlib import Path

from tests.lab import mounts, processes
from tests.lab.errors import LabError
from tests.lab.waiting import POLL_S

DAEMONS = ("slurmctld", "slurmdbd", "slurmd", "mariadbd", "munged")
# Parts of slurmctld that end with it, and whose loss it would wait for.
WITH_THEIR_DAEMON = ("slurmscriptd",)
POLITE_S = 2.0  # slurmctld would wait longer for slurmdbd, to save what is about to be removed
DEADLINE_S = 20.0


def tear_down(root: Path) -> None:
    """End everything that belongs to the lab at *root* and remove its directory.

    Raises:
        LabError: something is still there after the deadline; the message names it.
    """
    end_processes(root)
    for point in mounts.below(root):
        mounts.unmount(point)
    _remove(root)


def end_processes(root: Path) -> None:
    """Ask the daemons to end, kill all else, then kill what is deaf, until none is left."""
    started = time.monotonic()
    asked: set[int] = set()
    while pids := processes.of_lab(root):
        waited_s = time.monotonic() - started
        if waited_s > DEADLINE_S:
            raise LabError(f"{root}: still running: {_names(pids)}; end them, then run down again")
        for pid in pids:
            _end(pid, root, asked, politely=waited_s < POLITE_S)
        time.sleep(POLL_S)


def _end(pid: int, root: Path, asked: set[int], *, politely: bool) -> None:
    name = processes.name(pid)
    if politely and name in WITH_THEIR_DAEMON:
        return
    if not politely or name not in DAEMONS:
        processes.send(pid, signal.SIGKILL, root)
    elif pid not in asked:
        asked.add(pid)
        processes.send(pid, signal.SIGTERM, root)
        processes.send(pid, signal.SIGCONT, root)  # a paused daemon hears SIGTERM only now


def _names(pids: list[int]) -> str:
    return ", ".join(f"{processes.name(pid)} ({pid})" for pid in pids)


def _remove(root: Path) -> None:
    """Remove the directory, never crossing into a file system mounted inside it."""
    argv = ["rm", "-rf", "--one-file-system", "--", str(root)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode and root.exists():
        raise LabError(f"{root}: could not be removed: {done.stderr.strip()}")
