"""A small process that outlives a lab's owner just long enough to end the lab.

atexit and fixtures do not run when a process is killed. The watchdog holds a pidfd of the owner,
which becomes readable the moment the owner is dead, whatever killed it.
"""

import os
import select
import subprocess
import sys
from pathlib import Path

from tests.lab.teardown import tear_down

CHECKOUT = Path(__file__).parents[2]


def start(root: Path) -> "subprocess.Popen[bytes]":
    """Start a watchdog over this process, which ends the lab at *root* when this process dies."""
    owner = os.pidfd_open(os.getpid())
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.lab", "watch", str(root), str(owner)],
            cwd=CHECKOUT,
            pass_fds=[owner],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C at the terminal is for the owner alone
        )
    finally:
        os.close(owner)


def end(watchdog: "subprocess.Popen[bytes]") -> None:
    """Send the watchdog home; the owner ends the lab itself."""
    watchdog.kill()
    watchdog.wait(timeout=10)


def watch(root: Path, owner: int) -> None:
    """Wait for the death of the process behind the pidfd *owner*, then end the lab at *root*."""
    select.select([owner], [], [])
    tear_down(root)
