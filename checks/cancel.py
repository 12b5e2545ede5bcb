"""Ends visits that somebody wants gone: written down first, so that the next sweep completes it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from slurm_hooks.batch import Cancellation, Visit
from slurm_hooks.errors import StateError
from slurm_hooks.opened import OpenBatch, read_open_batches
from slurm_hooks.slurm import Slurm
from slurm_hooks.slurm_text import Task
from slurm_hooks.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which visits of open batches; an empty field means all."""

    batches: Collection[str] = ()
    nodes: Collection[str] = ()
    checks: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """One visit that is to end."""

    batch: str
    visit: Visit


def cancel(
    slurm: Slurm, state: State, chosen: Chosen, *, user: str, by: str, now: datetime
) -> list[Cancelled]:
    """End the visits of *chosen* that still miss a result, running or waiting.

    Needs no lock: each visit's cancellation is a file of its own, and whatever a sweep does
    meanwhile, the next one cancels what is still alive.

    Raises:
        StateError: there is no such open batch, or it cannot be written down.
        SlurmError: slurmctld does not answer; the next sweep cancels what is written down.
    """
    opened = read_open_batches(state)
    found = choose(opened, chosen)
    for one in found:
        state.write_cancellation(one.batch, Cancellation(task=one.visit.task, by=by, at=now))
    slurm.cancel(live(slurm.queue(user), opened, found), only_pending=False)
    return found


def choose(opened: Sequence[OpenBatch], chosen: Chosen) -> list[Cancelled]:
    """Return the unfinished visits that *chosen* names.

    Raises:
        StateError: a batch that it names is not open.
    """
    known = {one.batch.id for one in opened}
    for batch_id in chosen.batches:
        if batch_id not in known:
            raise StateError(f"there is no open batch {batch_id}; cluster-doctor plan names them")
    return [
        Cancelled(batch=one.batch.id, visit=visit)
        for one in opened
        if not chosen.batches or one.batch.id in chosen.batches
        for visit in one.unfinished
        if (not chosen.nodes or visit.node in chosen.nodes)
        and (not chosen.checks or not set(chosen.checks).isdisjoint(visit.checks))
    ]


def live(
    queue: Sequence[Task], opened: Sequence[OpenBatch], found: Sequence[Cancelled]
) -> list[str]:
    """Return the array tasks of *found* that Slurm has: of *queue*, those named like its batch."""
    comments = {one.batch.id: one.batch.comment for one in opened}
    wanted = {(comments[one.batch], one.visit.task) for one in found}
    return [
        f"{task.array_job_id}_{task.task}"
        for task in queue
        if not task.ended and (task.comment, task.task) in wanted
    ]
