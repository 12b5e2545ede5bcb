"""Waits for batches to end, and says how far they are."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from checks.sweep import Sweeper, collect
from slurm_hooks.errors import SlurmError
from slurm_hooks.reconcile import OpenBatch, read_open_batches

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
) -> Progress:
    """Return once every check of *batch_ids* has its result, or none can come any more.

    Brings results into the history as they come. Slurm not answering for a while is
    told and waited out.
    """
    opened = [one for one in read_open_batches(sweeper.state) if one.batch.id in batch_ids]
    total = sum(len(visit.checks) for one in opened for visit in one.batch.visits)
    ends_at = max((_last_end(one) for one in opened), default=clock())
    while True:
        problem = _collect(sweeper, clock())
        left = [one for one in read_open_batches(sweeper.state) if one.batch.id in batch_ids]
        missing = sum(_missing(one) for one in left)
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


def _missing(one: OpenBatch) -> int:
    return sum(
        (visit.task, check) not in one.finished
        for visit in one.batch.visits
        for check in visit.checks
    )


def _last_end(one: OpenBatch) -> datetime:
    return one.batch.start_by + timedelta(seconds=one.batch.time_limit_s) + _LATE
