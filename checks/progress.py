"""Waits for batches to end, and says how far they are."""

import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

import click

from checks.sweep import collect
from checks.sweeper import Sweeper
from slurm_hooks.batch import Batch
from slurm_hooks.errors import SlurmError
from slurm_hooks.state import State

_POLL_S = 1.0
_LATE = timedelta(minutes=2)
"""How long past its last possible end a batch is waited for: Slurm looks at limits every 30 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the batches one waits for are."""

    done: int
    total: int
    """Checks with a result, and all."""
    problem: str = ""
    """What a person should know: Slurm did not answer just now, a record was set aside."""


def wait_for(
    sweeper: Sweeper,
    batch_ids: Collection[str],
    *,
    clock: Callable[[], datetime],
    tell: Callable[[Progress], None],
    turn: Callable[[], AbstractContextManager[str]],
) -> Progress:
    """Return once every check of *batch_ids* has its result, or none can come any more.

    Brings results into the history as they come. Slurm not answering for a while is
    told and waited out. *turn* yields who else does this just now (`service.my_turn`); what
    they bring in counts as well.
    """
    batches = [sweeper.state.read_batch(batch_id) for batch_id in batch_ids]
    total = sum(len(visit.checks) for batch in batches for visit in batch.visits)
    ends_at = max((_last_end(batch) for batch in batches), default=clock())
    problem = ""
    while True:
        with turn() as taken_by:
            if not taken_by:
                problem = _collect(sweeper, clock())
        missing = sum(_missing(sweeper.state, batch) for batch in batches)
        progress = Progress(done=total - missing, total=total, problem=problem)
        tell(progress)
        if not missing or clock() > ends_at:
            return progress
        time.sleep(_POLL_S)


def _collect(sweeper: Sweeper, now: datetime) -> str:
    try:
        queue = sweeper.slurm.queue(sweeper.settings.service_user)
        return "; ".join(collect(sweeper, queue, now=now).warnings)
    except SlurmError as error:
        return f"{error}; asking again"


def _missing(state: State, batch: Batch) -> int:
    """Return how many checks of *batch* have no result in the history; the spool is on its way."""
    if batch.id not in state.open_batches():
        return 0
    in_history = state.finished(batch.id)
    return sum(
        (visit.task, check) not in in_history for visit in batch.visits for check in visit.checks
    )


def _last_end(batch: Batch) -> datetime:
    return batch.start_by + timedelta(seconds=batch.time_limit_s) + _LATE


def say_progress() -> Callable[[Progress], None]:
    """Return what tells a person each new state once, on stderr."""
    shown = Progress(done=-1, total=0)

    def tell(progress: Progress) -> None:
        nonlocal shown
        if progress != shown:
            click.echo(_line(progress), err=True)
        shown = progress

    return tell


def _line(progress: Progress) -> str:
    filled = round(20 * progress.done / max(1, progress.total))
    bar = "#" * filled + "." * (20 - filled)
    problem = f"  ({progress.problem})" if progress.problem else ""
    return f"[{bar}] {progress.done} of {progress.total} checks{problem}"
