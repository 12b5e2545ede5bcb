"""Takes open batches from written down to released, whether new or found half done."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from slurm_hooks.batch import Batch, Submission, Visit, batch_of_comment
from slurm_hooks.reconcile import OpenBatch
from slurm_hooks.record import Evidence, Outcome, Record
from slurm_hooks.slurm import Slurm
from slurm_hooks.slurm_text import Task
from slurm_hooks.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Advanced:
    """What `advance` did."""

    submitted: Mapping[str, int]
    """Job ids by batch id."""
    released: Sequence[int]
    cancelled: Sequence[str]
    """Jobs and array tasks."""


def advance(
    slurm: Slurm,
    state: State,
    opened: Sequence[OpenBatch],
    queue: Sequence[Task],
    *,
    user: str,
    script: Callable[[str], str],
    taken: Mapping[str, str],
    now: datetime,
) -> Advanced:
    """Submit, pin and release what needs it; cancel what nobody waits for.

    Each step looks at what is there and does what is missing, so that a sweep
    killed anywhere is completed by the next one. No task is released before the
    queue shows it pinned to its node. *taken* says of each node that is not free
    why; a task that waits for one of them is cancelled.

    *script* makes a batch's job script from its id. Two reads of the queue at
    most, however many batches and nodes.

    Raises:
        SlurmError, StateError: a step could not be done; the next sweep goes on there.
    """
    strays = _strays(opened, queue)
    slurm.cancel(strays, only_pending=False)
    submitted = {}
    jobs = {}
    for one in opened:
        job_id = _job_id(one, queue)
        if job_id is None and _worth_submitting(one, now):
            job_id = slurm.submit(one.batch, script(one.batch.id))
            submitted[one.batch.id] = job_id
        if job_id is not None:
            jobs[job_id] = one.batch
            if one.submission is None:
                state.write_submission(one.batch.id, Submission(job_id=job_id, submitted_at=now))
    released, unpinned = _pin_and_release(slurm, jobs, queue, [*submitted.values()], user=user)
    waiting = _give_up(slurm, state, jobs, queue, taken, now=now)
    return Advanced(
        submitted=submitted, released=released, cancelled=[*strays, *unpinned, *waiting]
    )


def _job_id(one: OpenBatch, queue: Sequence[Task]) -> int | None:
    """Return the batch's job: the one written down, or the one that the queue shows."""
    if one.submission is not None:
        return one.submission.job_id
    found = [task.array_job_id for task in queue if task.comment == one.batch.comment]
    return min(found) if found else None


def _worth_submitting(one: OpenBatch, now: datetime) -> bool:
    return one.submission is None and now < one.batch.start_by and bool(one.unfinished)


def _strays(opened: Sequence[OpenBatch], queue: Sequence[Task]) -> list[str]:
    """Return the live jobs of ours that no open batch waits for.

    Such are a second submission of one batch, after the first one's answer was
    lost, and jobs of a batch that was given up meanwhile.
    """
    wanted = {one.batch.id: _job_id(one, queue) for one in opened}
    found = set()
    for task in queue:
        batch_id = batch_of_comment(task.comment)
        if batch_id and not task.ended and wanted.get(batch_id) != task.array_job_id:
            found.add(task.array_job_id)
    return [str(job_id) for job_id in sorted(found)]


def _pin_and_release(
    slurm: Slurm,
    jobs: Mapping[int, Batch],
    queue: Sequence[Task],
    new: Sequence[int],
    *,
    user: str,
) -> tuple[list[int], list[str]]:
    held = {task.array_job_id for task in queue if task.held_by_us}
    to_release = [job_id for job_id in jobs if job_id in held or job_id in new]
    if not to_release:
        return [], []
    for job_id in to_release:
        slurm.pin(job_id, {visit.task: visit.node for visit in jobs[job_id].visits})
    unpinned = [
        f"{task.array_job_id}_{task.task}"
        for task in slurm.queue(user)
        if task.array_job_id in to_release and task.held_by_us and not _pinned(task, jobs)
    ]
    slurm.cancel(unpinned, only_pending=True)
    slurm.release(to_release)
    return to_release, unpinned


def _pinned(task: Task, jobs: Mapping[int, Batch]) -> bool:
    visits = jobs[task.array_job_id].visits
    return any(task.task == visit.task and task.required_node == visit.node for visit in visits)


def _give_up(
    slurm: Slurm,
    state: State,
    jobs: Mapping[int, Batch],
    queue: Sequence[Task],
    taken: Mapping[str, str],
    *,
    now: datetime,
) -> list[str]:
    """Cancel the tasks that wait for a node that somebody else has; their records say why.

    The records come first: a task that starts in this very moment is not
    cancelled, and its runner's records count for more.
    """
    waiting = [
        (task, batch, visit)
        for task in queue
        if task.pending and not task.held_by_us
        for batch in [jobs.get(task.array_job_id)]
        if batch is not None
        for visit in batch.visits
        if visit.task == task.task and visit.node in taken
    ]
    for task, batch, visit in waiting:
        why = f"the node was no longer free: {taken[visit.node]}"
        for record in _not_started(batch, visit, job_id=task.job_id, why=why, now=now):
            state.write_record(record)
    names = [f"{task.array_job_id}_{task.task}" for task, _, _ in waiting]
    slurm.cancel(names, only_pending=True)
    return names


def _not_started(
    batch: Batch, visit: Visit, *, job_id: int, why: str, now: datetime
) -> list[Record]:
    return [
        Record(
            cluster=batch.cluster,
            batch=batch.id,
            task=visit.task,
            attempt=0,
            check=check,
            node=visit.node,
            job_id=job_id,
            token=batch.token,
            evidence=Evidence.SLURM,
            outcome=Outcome.NOT_STARTED,
            detail=why,
            finished_at=now,
        )
        for check in visit.checks
    ]
