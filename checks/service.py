"""Takes turns: of the commands that plan and submit, one at a time."""

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from slurm_hooks.errors import ClusterDoctorError
from slurm_hooks.lease import turn
from slurm_hooks.settings import Settings
from slurm_hooks.state import State

_LOOK_AGAIN_S = 0.2


@contextlib.contextmanager
def my_turn(settings: Settings, *, clock: Callable[[], datetime]) -> Iterator[str]:
    """Take the turn to plan and submit while the block runs; yields who else has it, or nothing.

    Raises:
        StateError: the state directory cannot be written.
    """
    state, stale_after = State(settings.state_dir), 3 * settings.sweep_interval
    with turn(state.turn, clock=clock, stale_after=stale_after) as ours:
        yield ours.taken_by


@contextlib.contextmanager
def in_turn(
    settings: Settings,
    *,
    clock: Callable[[], datetime],
    patience_s: float,
    tell: Callable[[str], None],
) -> Iterator[None]:
    """Wait for the turn up to *patience_s*, saying so, and hold it while the block runs.

    Raises:
        ClusterDoctorError: somebody else still has it.
        StateError: as `my_turn`.
    """
    ends_at = time.monotonic() + patience_s
    told = False
    while True:
        with my_turn(settings, clock=clock) as taken_by:
            if not taken_by:
                yield
                return
        if time.monotonic() > ends_at:
            raise ClusterDoctorError(
                f"a sweep is under way ({taken_by}); nothing was submitted, try again"
            )
        if not told:
            tell(f"a sweep is under way ({taken_by}); waiting for it")
            told = True
        time.sleep(_LOOK_AGAIN_S)
