"""Brings open batches' unjudged checks to an explained end, by what Slurm and the spool say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from slurm_hooks.batch import Batch, ControllerWord, Submission, Visit
from slurm_hooks.errors import RecordError, SlurmError
from slurm_hooks.files import read_regular
from slurm_hooks.record import MAX_BYTES, Evidence, Record, loads
from slurm_hooks.settle import VisitEvidence, settle
from slurm_hooks.slurm import Slurm
from slurm_hooks.slurm_text import Task
from slurm_hooks.state import State
from slurm_hooks.trust import why_refused

_Pair = tuple[int, str]
"""(task, check)"""

_Incarnations = dict[tuple[str, int], list[Task]]
"""By (batch id, task)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBatch:
    """A batch that still misses a result, with all that its directory and the spool say."""

    batch: Batch
    submission: Submission | None
    finished: frozenset[_Pair]
    interrupted: Mapping[_Pair, tuple[Path, Record]]
    words: Mapping[int, ControllerWord]
    told: Mapping[int, Mapping[str, Sequence[Record]]]
    """By task and check: the runner's records with an outcome that are in the spool, after the
    one of the same name that is in the history already."""

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
    """Checks that got a record of ours: from Slurm's word, or over a contradiction."""
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
            told=_told(state, spooled[batch_id]),
        )
        for batch_id, batch in batches.items()
    ]


def _told(
    state: State, spooled: Iterable[tuple[Path, Record]]
) -> dict[int, dict[str, tuple[Record, ...]]]:
    found: dict[int, dict[str, tuple[Record, ...]]] = {}
    for path, record in spooled:
        if record.evidence is Evidence.RUNNER and record.outcome:
            earlier = state.batches / record.batch / "results" / path.name
            found.setdefault(record.task, {})[record.check] = (*_readable(earlier), record)
    return found


def _readable(path: Path) -> Iterable[Record]:
    try:
        yield loads(read_regular(path, limit=MAX_BYTES))
    except (OSError, RecordError):
        return


def _spooled(state: State, batches: Mapping[str, Batch]) -> dict[str, list[tuple[Path, Record]]]:
    found: dict[str, list[tuple[Path, Record]]] = {batch_id: [] for batch_id in batches}
    for path in state.spooled():
        batch = batches.get(path.name.split(".")[0])
        if batch is None:
            continue
        for record in _readable(path):  # ingest sets others aside and says why
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
    """Put a record of ours in the spool for every check that needs one (`settle`).

    *queue* was read before this is called, so a record of a task that had ended
    then is in the spool by now. *grace* is for file systems that show it later.
    A batch over its age limit does not wait for slurmdbd.

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
    return Reconciled(settled=settled, unanswered=unanswered)


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
    """Return its number in the array, which squeue forgets of an only task that never started."""
    return batch.visits[0].task if task.task is None and len(batch.visits) == 1 else task.task


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
