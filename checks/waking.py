"""Has the reactor look again at each sweep, where the sweep's own end does not bring that about."""

import subprocess
from collections.abc import Sequence

_LONGEST_S = 30.0


def wake_reactor(command: Sequence[str], *, timeout_s: float = _LONGEST_S) -> str:
    """Run *command* to its end; returns what is to be said of it where it did not work.

    What it prints is not kept: nothing that it leaves behind can hold the sweep up.
    """
    if not command:
        return ""
    shown = f"the reactor was not woken: {' '.join(command)}"
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )
    except OSError as error:
        return f"{shown}: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"{shown}: it did not end within {timeout_s:g} s"
    return f"{shown}: exit {done.returncode}" if done.returncode else ""
