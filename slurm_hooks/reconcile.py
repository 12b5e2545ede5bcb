"""Brings open batches' unjudged checks to an explained end, by what Slurm and the spool say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from slurm_hooks.batch import Batch, Cancellation, ControllerWord, Submission, Visit
from slurm_hooks.errors import RecordError, SlurmError
from slurm_hooks.files import read_regular
from slurm_hooks.record import MAX_BYTES, Record, loads
from slurm_hooks.settle import VisitEvidence, settle
from slurm_hooks.slurm import Slurm
from slurm_hooks.slurm_text import Task
from slurm_hooks.state import State
from slurm_hooks.trust import why_refused

_Pair = tuple[int, str]
"""(task, check)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBatch:
    """A batch that still misses a result, with all that its directory and the spool say."""

    batch: Batch
    submission: Submission | None
    finished: frozenset[_Pair]
    interrupted: Mapping[_Pair, tuple[Path, Record]]
    words: Mapping[int, ControllerWord]
    cancelled: Mapping[int, Cancellation]

    @property
    def unfinished(self) -> list[Visit]:
        """The visits that still miss a result."""
        return [
            visit
            for visit in self.batch.visits
            if any((visit.task, check) not in self.finished for check in visit.checks)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What `reconcile` did."""

    settled: int
    """Checks that got a record from Slurm's word."""
    unanswered: str = ""
    """Why slurmdbd could not be asked; what only it knows stays open."""


def read_open_batches(state: State) -> list[OpenBatch]:
    """Return every open batch, oldest first.

    Raises:
        StateError: the state directory cannot be read.
    """
    batches = {batch_id: state.read_batch(batch_id) for batch_id in state.open_batches()}
    spooled = _spooled(state, batches)
    words: dict[str, dict[int, ControllerWord]] = {}
    for _, word in state.words():
        if isinstance(word, ControllerWord):
            words.setdefault(word.batch, {})[word.task] = word
    return [
        OpenBatch(
            batch=batch,
            submission=state.read_submission(batch_id),
            finished=frozenset(
                state.finished(batch_id)
                | {(found.task, found.check) for _, found in spooled[batch_id] if found.outcome}
            ),
            interrupted={
                (found.task, found.check): (path, found)
                for path, found in spooled[batch_id]
                if found.outcome is None
            },
            words=words.get(batch_id, {}),
            cancelled=state.read_cancellations(batch_id),
        )
        for batch_id, batch in batches.items()
    ]


def _spooled(state: State, batches: Mapping[str, Batch]) -> dict[str, list[tuple[Path, Record]]]:
    found: dict[str, list[tuple[Path, Record]]] = {batch_id: [] for batch_id in batches}
    for path in state.spooled():
        batch = batches.get(path.name.split(".")[0])
        if batch is None:
            continue
        try:
            record = loads(read_regular(path, limit=MAX_BYTES))
        except (OSError, RecordError):
            continue  # ingest sets it aside and says why
        if why_refused(record, batch) is None:
            found[batch.id].append((path, record))
    return found


def reconcile(
    slurm: Slurm,
    state: State,
    queue: Sequence[Task],
    *,
    user: str,
    now: datetime,
    grace: timedelta,
) -> Reconciled:
    """Put a record in the spool for every check that no runner will speak for any more.

    *queue* was read before this is called, so a record of a task that had ended
    then is in the spool by now. *grace* is for file systems that show it later.

    Raises:
        StateError: the state directory cannot be read or written.
        SlurmError: slurmctld does not answer.
    """
    opened = read_open_batches(state)
    tasks = _by_batch(queue, opened)
    forgotten = [one for one in opened if _needs_accounting(one, tasks)]
    unanswered = ""
    if forgotten and _has_accounting(slurm):
        since = min(one.batch.created_at for one in forgotten) - timedelta(minutes=10)
        try:
            past = [task for task in slurm.accounting(user, since) if task.ended]
            tasks = {**_by_batch(past, forgotten), **tasks}
        except SlurmError as error:
            unanswered = str(error)
    settled = 0
    for one in opened:
        visits = [
            visit
            for visit in one.unfinished
            if not unanswered or one not in forgotten or (one.batch.id, visit.task) in tasks
        ]
        settled += _settle_visits(state, one, visits, tasks, now=now, grace=grace)
    return Reconciled(settled=settled, unanswered=unanswered)


def _by_batch(tasks: Iterable[Task], opened: Sequence[OpenBatch]) -> dict[tuple[str, int], Task]:
    """Return the tasks of *opened* by (batch id, task); of two incarnations the live one."""
    wanted = {one.batch.comment: one.batch for one in opened}
    found: dict[tuple[str, int], Task] = {}
    for task in tasks:
        batch = wanted.get(task.comment)
        number = task.task if batch is None else _number(task, batch)
        if batch is not None and number is not None:
            key = batch.id, number
            if key not in found or found[key].ended:
                found[key] = task
    return found


def _number(task: Task, batch: Batch) -> int | None:
    """Return its number, which squeue forgets of an array's only task that never started."""
    if task.task is not None:
        return task.task
    bound = [one.task for one in batch.visits if one.node == task.required_node]
    return next(iter(bound), batch.visits[0].task if len(batch.visits) == 1 else None)


def _needs_accounting(one: OpenBatch, tasks: Mapping[tuple[str, int], Task]) -> bool:
    return one.submission is not None and any(
        (one.batch.id, visit.task) not in tasks for visit in one.unfinished
    )


def _has_accounting(slurm: Slurm) -> bool:
    storage = slurm.config().get("AccountingStorageType", "")
    if not storage:
        raise SlurmError("scontrol show config: AccountingStorageType is missing")
    return storage.endswith("slurmdbd")


def _settle_visits(
    state: State,
    one: OpenBatch,
    visits: Sequence[Visit],
    tasks: Mapping[tuple[str, int], Task],
    *,
    now: datetime,
    grace: timedelta,
) -> int:
    written = 0
    for visit in visits:
        evidence = VisitEvidence(
            finished={check for task, check in one.finished if task == visit.task},
            interrupted={
                check: record
                for (task, check), (_, record) in one.interrupted.items()
                if task == visit.task
            },
            word=one.words.get(visit.task),
            task=tasks.get((one.batch.id, visit.task)),
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
    """Archive the batches whose every check is in the history; returns their ids."""
    closed = []
    for one in read_open_batches(state):
        in_history = state.finished(one.batch.id)
        pairs = {(visit.task, check) for visit in one.batch.visits for check in visit.checks}
        if pairs <= in_history:
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
