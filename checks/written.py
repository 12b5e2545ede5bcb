"""Turns a planned batch into one that can be written down and submitted."""

from collections.abc import Mapping
from datetime import datetime

from analytics.history import Last
from checks.due import Key
from checks.pack import PlannedBatch
from checks.reacting import earlier, in_probation
from checks.sweeper import Sweeper
from slurm_hooks.batch import Batch, Mode, Visit, new_batch_id, new_token


def write_down(
    sweeper: Sweeper, planned: PlannedBatch, *, last: Mapping[Key, Last], now: datetime
) -> Batch:
    """Return *planned* as a batch with an id and a token of its own; writes no batch yet.

    Raises:
        StoreError: the history cannot tell which checks are new.
    """
    settings = sweeper.settings
    together = planned.shape.mode is Mode.ARRAY
    names = dict.fromkeys(check for visit in planned.visits for check in visit.checks)
    checks = {name: sweeper.catalogue.get(name) for name in names}
    pending_limit = min(one.timeouts.pending or settings.pending_limit for one in checks.values())
    probation = in_probation(
        sweeper.state, sweeper.history, [*checks.values()], wanted=settings.reactions.probation
    )
    return Batch(
        id=new_batch_id(now),
        token=new_token(),
        cluster=settings.cluster,
        created_at=now,
        partition=settings.partition if together else settings.partition_single,
        shape=planned.shape,
        time_limit_s=planned.time_limit.total_seconds(),
        start_by=now + planned.queue_limit,
        pending_limit_s=pending_limit.total_seconds(),
        age_limit_s=settings.batch_limit.total_seconds(),
        throttle=planned.throttle,
        programs=sweeper.catalogue.programs([*checks], probation=probation),
        visits=tuple(
            Visit(
                task=task,
                node=visit.node,
                checks=visit.checks,
                earlier=earlier((checks[name] for name in visit.checks), visit.node, last),
            )
            for task, visit in enumerate(planned.visits)
        ),
    )
