"""Takes open batches from written down to released, whether new or found half done."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from slurm_hooks.batch import Batch, Mode, Submission, Visit, batch_of_comment
from slurm_hooks.errors import SlurmError, UnreachableError
from slurm_hooks.opened import OpenBatch
from slurm_hooks.record import Evidence, Outcome, Record
from slurm_hooks.slurm import Slurm
from slurm_hooks.slurm_text import Task
from slurm_hooks.state import State
from slurm_hooks.waiting import Waiting, waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Advanced:
    """What `advance` did."""

    submitted: Mapping[str, int]
    """Job ids by batch id; the first, where each visit is a job of its own."""
    released: Sequence[int]
    cancelled: Sequence[str]
    """Jobs and array tasks."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """By batch id why Slurm would not take it, or not all of it, now; the next sweep asks again."""


def advance(
    slurm: Slurm,
    state: State,
    opened: Sequence[OpenBatch],
    queue: Sequence[Task],
    *,
    user: str,
    script: Callable[[str], str],
    taken: Mapping[str, str],
    idle_since: Mapping[str, datetime],
    now: datetime,
) -> Advanced:
    """Submit, pin and release what needs it; cancel what nobody waits for.

    Each step looks at what is there and does what is missing, so that a sweep
    killed anywhere is completed by the next one. No task is released before the
    queue shows it pinned to its node. *taken* says of each node that is not free
    why; a task that waits for one of them is cancelled, and so is one that waits
    too long. *idle_since* says since when a free node is, where Slurm tells. Of a batch
    over its age limit nothing is left running.

    *script* makes a batch's job script from its id. Two reads of the queue at
    most, however many batches and nodes. A batch that Slurm refuses keeps no other up.

    Raises:
        SlurmError, StateError: a step could not be done; the next sweep goes on there.
    """
    strays = _strays(opened, queue)
    expired = _expired(opened, queue, now)
    slurm.cancel([*strays, *expired], only_pending=False)
    submitted = {}
    refused = {}
    jobs = {}
    fresh: list[int] = []
    for one in opened:
        new, why = _submit(slurm, one, queue, script) if _worth_submitting(one, now) else ([], "")
        if why:
            refused[one.batch.id] = why
        if new:
            submitted[one.batch.id] = new[0]
            fresh.extend(new)
        job_ids = [*_job_ids(one, queue), *new]
        jobs.update(dict.fromkeys(job_ids, one))
        if job_ids and one.submission is None and not why:
            first, *others = job_ids
            submission = Submission(job_id=first, other_job_ids=tuple(others), submitted_at=now)
            state.write_submission(one.batch.id, submission)
    live = {job_id: one for job_id, one in jobs.items() if str(job_id) not in expired}
    released, unpinned = _pin_and_release(slurm, live, queue, fresh, user=user)
    unwanted = _cancel_unwanted(slurm, live, queue)
    enough = waiting(live, queue, taken=taken, idle_since=idle_since, now=now)
    given_up = _give_up(slurm, state, enough, now=now)
    return Advanced(
        submitted=submitted,
        released=released,
        cancelled=[*strays, *expired, *unpinned, *unwanted, *given_up],
        refused=refused,
    )


def _job_ids(one: OpenBatch, queue: Sequence[Task]) -> list[int]:
    """Return the batch's jobs: those written down, or those that the queue shows.

    Of several for one task, or of several arrays, the first counts.
    """
    if one.submission is not None:
        return [one.submission.job_id, *one.submission.other_job_ids]
    firsts: dict[int | None, int] = {}
    for task in queue:
        if task.comment == one.batch.comment:
            job_id = task.array_job_id
            firsts[task.task] = min(job_id, firsts.get(task.task, job_id))
    found = sorted(set(firsts.values()))
    return found[:1] if one.batch.shape.mode is Mode.ARRAY else found


def _submit(
    slurm: Slurm, one: OpenBatch, queue: Sequence[Task], script: Callable[[str], str]
) -> tuple[list[int], str]:
    """Submit what of the batch the queue does not show.

    Returns the new jobs, and why the rest was refused. A limit on jobs or a closed partition
    is this batch's own; where slurmctld does not answer, no batch is worth another try.
    """
    batch = one.batch
    there = {task.task for task in queue if task.comment == batch.comment}
    alone: list[Visit | None] = [visit for visit in one.unfinished if visit.task not in there]
    together: list[Visit | None] = [] if there else [None]
    new: list[int] = []
    for visit in together if batch.shape.mode is Mode.ARRAY else alone:
        try:
            new.append(slurm.submit(batch, script(batch.id), visit))
        except UnreachableError:
            raise
        except SlurmError as error:
            return new, str(error)
    return new, ""


def _worth_submitting(one: OpenBatch, now: datetime) -> bool:
    return one.submission is None and now < one.batch.start_by and bool(one.unfinished)


def _strays(opened: Sequence[OpenBatch], queue: Sequence[Task]) -> list[str]:
    """Return the live jobs of ours that no open batch waits for.

    Such are a second submission of one batch, after the first one's answer was
    lost, and jobs of a batch that was given up meanwhile.
    """
    wanted = {one.batch.id: _job_ids(one, queue) for one in opened}
    found = set()
    for task in queue:
        batch_id = batch_of_comment(task.comment)
        if batch_id and not task.ended and task.array_job_id not in wanted.get(batch_id, ()):
            found.add(task.array_job_id)
    return [str(job_id) for job_id in sorted(found)]


def _expired(opened: Sequence[OpenBatch], queue: Sequence[Task], now: datetime) -> list[str]:
    """Return the jobs that still live of batches over their age limit."""
    over = {one.batch.comment for one in opened if now >= one.batch.end_by}
    found = {task.array_job_id for task in queue if task.comment in over and not task.ended}
    return [str(job_id) for job_id in sorted(found)]


def _pin_and_release(
    slurm: Slurm,
    jobs: Mapping[int, OpenBatch],
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
        batch = jobs[job_id].batch
        if batch.shape.mode is Mode.ARRAY:  # a job of its own is bound as it is submitted
            slurm.pin(job_id, {visit.task: visit.node for visit in batch.visits})
    unpinned = [
        f"{task.array_job_id}_{task.task}"
        for task in slurm.queue(user)
        if task.array_job_id in to_release and task.held_by_us and not _pinned(task, jobs)
    ]
    slurm.cancel(unpinned, only_pending=True)
    slurm.release(to_release)
    return to_release, unpinned


def _pinned(task: Task, jobs: Mapping[int, OpenBatch]) -> bool:
    """Whether it may start: it is bound to its node, and nobody has cancelled it meanwhile."""
    one = jobs[task.array_job_id]
    return task.task not in one.cancelled and any(
        task.task == visit.task and task.required_node == visit.node for visit in one.batch.visits
    )


def _cancel_unwanted(
    slurm: Slurm, jobs: Mapping[int, OpenBatch], queue: Sequence[Task]
) -> list[str]:
    """Cancel what somebody wants gone, where that did not happen at once."""
    names = [
        f"{task.array_job_id}_{task.task}"
        for task in queue
        if not task.ended
        and task.array_job_id in jobs
        and task.task in jobs[task.array_job_id].cancelled
    ]
    slurm.cancel(names, only_pending=False)
    return names


def _give_up(slurm: Slurm, state: State, enough: Sequence[Waiting], *, now: datetime) -> list[str]:
    """Cancel the tasks that have waited enough; their records say why.

    The records come first: a task that starts in this very moment is not
    cancelled, and its runner's records count for more.
    """
    for one in enough:
        records = _not_started(one.batch, one.visit, job_id=one.task.job_id, why=one.why, now=now)
        for record in records:
            state.write_record(record)
    names = [f"{one.task.array_job_id}_{one.task.task}" for one in enough]
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
