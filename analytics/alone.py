"""The ingest lock: one writer of the history and the snapshot at a time."""

import contextlib
import time
from collections.abc import Iterator

from slurm_hooks.errors import StateError
from slurm_hooks.files import locked
from slurm_hooks.state import State


@contextlib.contextmanager
def alone(state: State, *, wait_s: float = 60.0) -> Iterator[None]:
    """Hold the ingest lock, waiting for another ingest to end, but not for ever.

    Raises:
        StateError: another one held it for *wait_s*, or it cannot be made.
    """
    path = state.ingest_lock
    ends_at = time.monotonic() + wait_s
    with contextlib.ExitStack() as stack:
        while not _lock(state, stack):
            if time.monotonic() > ends_at:
                raise StateError(f"{path}: another ingest has held it for {wait_s:.0f} s")
            time.sleep(0.1)
        yield


def _lock(state: State, stack: contextlib.ExitStack) -> bool:
    """Leave the lock's release to *stack*, if it could be had."""
    path = state.ingest_lock
    try:
        with contextlib.ExitStack() as attempt:
            held = attempt.enter_context(locked(path, blocking=False))
            if held:
                stack.push(attempt.pop_all())
            return held
    except OSError as error:
        raise StateError(f"{path}: cannot lock it: {error.strerror}") from error
