"""Waiting for a condition until a deadline, and saying what the logs say when it passes."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.lab.errors import LabError

POLL_S = 0.02
TAIL_LINES = 8
NOISE = ("pmi", "MPI:")  # every daemon of Debian's Slurm complains that PMIx is missing


def wait_for(
    condition: Callable[[], bool], deadline_s: float, what: str, *, logs: Iterable[Path] = ()
) -> None:
    """Return as soon as *condition* holds.

    Raises:
        LabError: it still does not after *deadline_s*; the message ends with the tails of *logs*.
    """
    ends = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > ends:
            raise LabError(f"waited {deadline_s:g} s for {what}, in vain{tails(logs)}")
        time.sleep(POLL_S)


def tails(logs: Iterable[Path]) -> str:
    """The last lines of each of *logs* that has any, under its name."""
    return "".join(f"\n--- {path}\n{tail}" for path in logs if (tail := _tail(path)))


def _tail(path: Path) -> str:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    telling = [line for line in lines if not any(word in line for word in NOISE)]
    return "\n".join(telling[-TAIL_LINES:])
