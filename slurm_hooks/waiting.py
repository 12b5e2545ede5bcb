"""Which pending tasks have waited enough, and why. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from slurm_hooks.batch import Batch, Visit
from slurm_hooks.duration import format_duration
from slurm_hooks.opened import OpenBatch
from slurm_hooks.slurm_text import Task

THROTTLED = "JobArrayTaskLimit"
"""Slurm's reason where as many tasks of the array run as may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A task that has waited enough, and why."""

    task: Task
    batch: Batch
    visit: Visit
    why: str


def waiting(
    jobs: Mapping[int, OpenBatch],
    queue: Sequence[Task],
    *,
    taken: Mapping[str, str],
    idle_since: Mapping[str, datetime],
    now: datetime,
) -> list[Waiting]:
    """Return the released tasks that are pending and will be given up, each with the reason."""
    last_moved = _last_moved(queue)
    found = []
    for task in queue:
        one = jobs.get(task.array_job_id)
        if one is None or not task.pending or task.held_by_us or task.task in one.cancelled:
            continue
        for visit in one.batch.visits:
            if visit.task == task.task:
                since = [last_moved.get(task.array_job_id), idle_since.get(visit.node)]
                why = why_give_up(
                    task, one.batch, taken=taken.get(visit.node), movable_since=since, now=now
                )
                if why is not None:
                    found.append(Waiting(task=task, batch=one.batch, visit=visit, why=why))
    return found


def why_give_up(
    task: Task,
    batch: Batch,
    *,
    taken: str | None,
    movable_since: Sequence[datetime | None],
    now: datetime,
) -> str | None:
    """Return why pending *task* is waited for no longer, or None where it still is.

    *taken* says why its node is not free; a patient batch waits for it. While it is free,
    Slurm gets the batch's pending limit to start the task, counted from the latest of
    *movable_since*: before then it could not. A task whose turn in the array has not come
    (squeue(1), JobArrayTaskLimit) has only the queue limit, which Slurm enforces by the
    deadline, and this as well.
    """
    if taken is not None and not batch.patient:
        return f"the node was no longer free: {taken}"
    if now >= batch.start_by:
        limit = format_duration(batch.start_by - batch.created_at)
        return f"its turn did not come within its queue time of {limit} ({task.reason})"
    since = max((at for at in (task.submitted_at, *movable_since) if at is not None), default=now)
    pending_limit = timedelta(seconds=batch.pending_limit_s)
    if taken is not None or task.reason == THROTTLED or now - since < pending_limit:
        return None
    limit = format_duration(pending_limit)
    return f"Slurm did not start it within {limit}, though its node was free ({task.reason})"


def _last_moved(queue: Sequence[Task]) -> dict[int, datetime]:
    """Return when a task of each array last started or ended, which is when others may start."""
    found: dict[int, datetime] = {}
    for task in queue:
        for at in (task.started_at if task.node else None, task.ended_at if task.ended else None):
            if at is not None and at > found.get(task.array_job_id, at - timedelta(1)):
                found[task.array_job_id] = at
    return found
