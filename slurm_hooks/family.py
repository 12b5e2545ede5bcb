"""Keeps hold of everything this process starts, however it hides, and ends all of it."""

import contextlib
import ctypes
import os
import signal
import time

from slurm_hooks import procfs

_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE_S = 2.0
"""A process that lives on this long after SIGKILL is stuck in the kernel."""


def adopt_orphans() -> bool:
    """Make descendants whose parent ends children of this process (prctl(2)).

    Returns False where that cannot be had; what then escapes is left to the node
    Epilog and to Slurm.
    """
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return bool(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


class Family:
    """The children of this process: one program, and whatever it left behind."""

    def __init__(self) -> None:
        self._stuck: set[int] = set()
        self._pid = 0
        self._status: int | None = None

    def expect(self, pid: int) -> None:
        """Keep the exit status of child *pid*, the leader of its process group."""
        self._pid, self._status = pid, None

    @property
    def status(self) -> int | None:
        """The wait status of the expected child, None while it lives."""
        return self._status

    def reap(self) -> bool:
        """Take notice of children that ended; returns whether any are left.

        The expected child's process group ends with it: its id is certainly still its
        own until the child is reaped.
        """
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return False
            if ended is None:
                return True
            if ended.si_pid == self._pid:
                _signal_group(self._pid, signal.SIGKILL)
            _, status = os.waitpid(ended.si_pid, 0)
            if ended.si_pid == self._pid:
                self._pid, self._status = 0, status

    def ask(self) -> None:
        """Send SIGTERM to the expected child's process group."""
        if self._pid:
            _signal_group(self._pid, signal.SIGTERM)

    def end(self) -> int:
        """Kill all descendants; returns how many are stuck in the kernel and live on.

        Groups are killed in one atomic step. Whoever hides is looked for until this
        process has no children: it adopts orphans, so then there are no descendants
        either.
        """
        if self._pid:
            _signal_group(self._pid, signal.SIGKILL)
        gives_up_at = time.monotonic() + _PATIENCE_S
        while self.reap():
            alive = procfs.descendants(os.getpid())
            fresh = [process for process in alive if process.pid not in self._stuck]
            if alive and not fresh:
                return 0
            if time.monotonic() > gives_up_at:
                self._stuck |= {process.pid for process in fresh}
                return len(fresh)
            for process in fresh:
                procfs.kill(process)
            for group in {process.group for process in fresh} - {os.getpgrp()}:
                _signal_group(group, signal.SIGKILL)
            time.sleep(0.002)
        return 0


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
