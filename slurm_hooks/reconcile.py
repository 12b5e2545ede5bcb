"""Brings open batches' unjudged checks to an explained end, by what Slurm and the spool say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from slurm_hooks.batch import Batch, Visit
from slurm_hooks.errors import RecordError, SlurmError
from slurm_hooks.files import read_regular
from slurm_hooks.opened import OpenBatch, read_open_batches
from slurm_hooks.record import MAX_BYTES, loads
from slurm_hooks.settle import VisitEvidence, settle
from slurm_hooks.slurm import Slurm
from slurm_hooks.slurm_text import Task
from slurm_hooks.state import State

_Incarnations = dict[tuple[str, int], list[Task]]
"""By (batch id, task)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What `reconcile` did."""

    settled: int
    """Checks that got a record of ours: from Slurm's word, or over a contradiction."""
    unanswered: str = ""
    """Why slurmdbd could not be asked; what only it knows stays open."""
    compared: frozenset[str] = frozenset()
    """The names of the spool's files that were there before Slurm's word was looked at."""


def reconcile(
    slurm: Slurm,
    state: State,
    queue: Sequence[Task],
    *,
    user: str,
    now: datetime,
    grace: timedelta,
) -> Reconciled:
    """Put a record of ours in the spool for every check that needs one (`settle`).

    *queue* was read before this is called, so a record of a task that had ended
    then is in the spool by now. *grace* is for file systems that show it later.
    A batch over its age limit does not wait for slurmdbd.

    Raises:
        StateError: the state directory cannot be read or written.
        SlurmError: slurmctld does not answer.
    """
    compared = frozenset(path.name for path in state.spooled())
    opened = read_open_batches(state)
    tasks = _by_batch(queue, opened)
    forgotten = [one for one in opened if _needs_accounting(one, tasks)]
    unanswered = ""
    if forgotten and _has_accounting(slurm):
        since = min(one.batch.created_at for one in forgotten) - timedelta(minutes=10)
        try:
            past = [task for task in slurm.accounting(user, since) if task.ended]
            tasks = _together(tasks, _by_batch(past, forgotten))
        except SlurmError as error:
            unanswered = str(error)
    settled = 0
    for one in opened:
        waits = bool(unanswered) and one in forgotten and now < one.batch.end_by
        visits = [
            visit for visit in one.batch.visits if not waits or (one.batch.id, visit.task) in tasks
        ]
        settled += _settle_visits(state, one, visits, tasks, now=now, grace=grace)
        if not one.compared and not waits:
            state.mark_compared(one.batch.id, yes=True)
    return Reconciled(settled=settled, unanswered=unanswered, compared=compared)


def _by_batch(tasks: Iterable[Task], opened: Sequence[OpenBatch]) -> _Incarnations:
    """Return the tasks of *opened* by (batch id, task): more than one where ids were reused."""
    wanted = {one.batch.comment: one.batch for one in opened}
    found: _Incarnations = {}
    for task in tasks:
        batch = wanted.get(task.comment)
        number = task.task if batch is None else _number(task, batch)
        if batch is not None and number is not None:
            found.setdefault((batch.id, number), []).append(task)
    return found


def _number(task: Task, batch: Batch) -> int | None:
    """Return its number, which squeue forgets of an array's only task that never started."""
    if task.task is not None:
        return task.task
    bound = [one.task for one in batch.visits if one.node == task.required_node]
    return next(iter(bound), batch.visits[0].task if len(batch.visits) == 1 else None)


def _together(seen: _Incarnations, past: _Incarnations) -> _Incarnations:
    """Put what slurmctld knows after what only the accounting does: its word is the later."""
    return {key: [*past.get(key, ()), *seen.get(key, ())] for key in {**past, **seen}}


def _latest(incarnations: Sequence[Task]) -> Task | None:
    """Return the one that may still run, or else the last; None where there is none."""
    live = [task for task in incarnations if not task.ended]
    return next(iter(live or incarnations[-1:]), None)


def _needs_accounting(one: OpenBatch, tasks: _Incarnations) -> bool:
    """Whether slurmctld has forgotten a task whose end, or whose very run, nobody else tells."""
    untold = {visit.task for visit in one.unfinished}
    untold |= one.told.keys() - one.words.keys()
    return one.submission is not None and any((one.batch.id, task) not in tasks for task in untold)


def _has_accounting(slurm: Slurm) -> bool:
    storage = slurm.config().get("AccountingStorageType", "")
    if not storage:
        raise SlurmError("scontrol show config: AccountingStorageType is missing")
    return storage.endswith("slurmdbd")


def _settle_visits(
    state: State,
    one: OpenBatch,
    visits: Sequence[Visit],
    tasks: _Incarnations,
    *,
    now: datetime,
    grace: timedelta,
) -> int:
    wanted = {visit.task for visit in one.unfinished} | one.told.keys()
    written = 0
    for visit in visits:
        if visit.task not in wanted:
            continue
        incarnations = tasks.get((one.batch.id, visit.task), [])
        evidence = VisitEvidence(
            judged=one.told.get(visit.task, {}),
            finished={check for task, check in one.finished if task == visit.task},
            interrupted={
                check: record
                for (task, check), (_, record) in one.interrupted.items()
                if task == visit.task
            },
            word=one.words.get(visit.task),
            task=_latest(incarnations),
            incarnations=incarnations,
            submitted_at=one.submission.submitted_at if one.submission else None,
            cancelled_by=one.cancelled[visit.task].by if visit.task in one.cancelled else "",
        )
        for record in settle(one.batch, visit, evidence, now=now, grace=grace):
            written += state.write_record(record)
            if (visit.task, record.check) in one.interrupted:
                path, _ = one.interrupted[visit.task, record.check]
                state.keep_interrupted(path, one.batch.id)
    return written


def close_finished(state: State) -> list[str]:
    """Archive the batches whose every check is in the history and compared; returns their ids."""
    closed = []
    for one in read_open_batches(state):
        in_history = state.finished(one.batch.id)
        pairs = {(visit.task, check) for visit in one.batch.visits for check in visit.checks}
        if pairs <= in_history and one.compared:
            state.close_batch(one.batch.id)
            closed.append(one.batch.id)
    return closed


def tidy(state: State, *, now: datetime, keep: timedelta) -> None:
    """Remove what nobody will ask for again.

    That is: the controller's words on batches that are not open (they often come
    a moment after the last record), records without an outcome that came after
    their batch was settled, and archived batches older than *keep*. A word that
    cannot be read is set aside.
    """
    opened = set(state.open_batches())
    for path, word in state.words():
        if isinstance(word, str):
            state.set_aside(path, word)
        elif word.batch not in opened:
            state.forget_word(word)
    for path in state.spooled():
        batch_id = path.name.split(".")[0]
        if batch_id not in opened and state.batch_directory(batch_id) is not None:
            _put_away(state, path, batch_id)
    state.prune_archive(before=now - keep)


def _put_away(state: State, path: Path, batch_id: str) -> None:
    """Take a late record without an outcome out of the spool: its check was settled without it."""
    try:
        record = loads(read_regular(path, limit=MAX_BYTES))
    except (OSError, RecordError):
        return  # ingest sets it aside and says why
    if record.outcome is None and record.batch == batch_id:
        state.keep_interrupted(path, batch_id)
