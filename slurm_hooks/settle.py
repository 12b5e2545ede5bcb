"""How checks ended that the runner's word alone cannot tell. Pure: evidence in, records out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from slurm_hooks.batch import Batch, ControllerWord, Visit
from slurm_hooks.duration import format_duration
from slurm_hooks.oneline import one_line
from slurm_hooks.record import Evidence, Outcome, Record
from slurm_hooks.slurm_text import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitEvidence:
    """All that is known of one visit."""

    finished: Collection[str]
    """Checks whose result is known."""
    judged: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    """The runner's records with an outcome that are looked at now, by check."""
    interrupted: Mapping[str, Record]
    """The runner's records without an outcome, by check."""
    word: ControllerWord | None
    """EpilogSlurmctld's."""
    task: Task | None
    """squeue's or sacct's; None where Slurm answered and does not know it."""
    incarnations: Sequence[Task] = ()
    """All that squeue and sacct say of it: a job id, or a task, may have been there twice."""
    submitted_at: datetime | None
    """None where nothing says that Slurm ever took the batch."""
    cancelled_by: str = ""
    """Who asked for its end; empty where nobody did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """How a visit ended: for the check that ran then, and why the later ones did not."""

    outcome: Outcome
    detail: str


CLOCKS_DIFFER = timedelta(minutes=10)
"""Munge, and so every job, stops working where clocks are five minutes apart."""

_BY_STATE = {
    "PREEMPTED": _End(outcome=Outcome.PREEMPTED, detail="a user's job took the node"),
    "TIMEOUT": _End(outcome=Outcome.TIMEOUT, detail="the visit's time limit in Slurm ended it"),
    "NODE_FAIL": _End(outcome=Outcome.NODE_FAIL, detail="the node failed during the visit"),
    "BOOT_FAIL": _End(outcome=Outcome.NODE_FAIL, detail="the node failed to boot for the visit"),
    "DEADLINE": _End(outcome=Outcome.NOT_STARTED, detail="the node did not come free in time"),
    "OUT_OF_MEMORY": _End(outcome=Outcome.ERROR, detail="the visit ran out of memory"),
}


def settle(
    batch: Batch, visit: Visit, evidence: VisitEvidence, *, now: datetime, grace: timedelta
) -> list[Record]:
    """Return a record for every check of *visit* that needs one of ours.

    That is a check without a result, once its visit is over: the first such one ran when
    it ended, since checks run in order and each is recorded as it ends; those after it never
    began. And a check whose judgement Slurm contradicts: that ends as `error`, with both
    sides in the detail. Never a `pass`: a pass needs the runner's own record.

    *grace* is how long after a visit's end its records may still be on their way
    through the shared file system.
    """
    return [
        *_unjudged(batch, visit, evidence, now=now, grace=grace),
        *_overruled(visit, evidence, now=now),
    ]


def _unjudged(
    batch: Batch, visit: Visit, evidence: VisitEvidence, *, now: datetime, grace: timedelta
) -> list[Record]:
    end = _end(evidence, now=now, batch=batch)
    if end is None or _too_soon(evidence, now=now, grace=grace):
        return []
    missing = [check for check in visit.checks if check not in evidence.finished]
    running = _running(missing, evidence) if _began(evidence) else None
    return [
        _record(batch, visit, check, evidence, end, ran=check == running, now=now)
        for check in missing
    ]


def _overruled(visit: Visit, evidence: VisitEvidence, *, now: datetime) -> list[Record]:
    found = []
    for check in visit.checks:
        records = evidence.judged.get(check, ())
        why = contradiction(records, evidence.incarnations, evidence.word, now=now)
        if why:
            found.append(
                replace(
                    records[0],
                    evidence=Evidence.CONFLICT,
                    outcome=Outcome.ERROR,
                    detail=one_line(f"conflicting evidence: {_said(records[0])}, but {why}"),
                    metrics={},
                )
            )
    return found


def contradiction(
    records: Sequence[Record],
    incarnations: Sequence[Task],
    word: ControllerWord | None,
    *,
    now: datetime,
) -> str | None:
    """Return what contradicts the runner's *records* of one result, or None where nothing does.

    A visit that was preempted, cancelled, timed out or lost its node after the check had
    ended contradicts nothing. What says nothing of the node needs no contradiction. A task
    that was there twice, by squeue or in the accounting, contradicts only where no
    incarnation of it agrees.
    """
    judged = [record for record in records if record.outcome and record.outcome.judged]
    if not judged:
        return None
    first = judged[0]
    for other in records:
        if other.outcome is not first.outcome:
            return f"another record of it has {_said(other)}"
    ran = word if word is not None and word.attempt == first.attempt else None
    if ran is not None:
        why = _contradicted_by_word(first, ran)
        if why:
            return f"the controller's word is that {why}"
    found = [_contradicted_by_task(first, task, ran, now) for task in incarnations]
    return f"Slurm says that {found[-1]}" if found and all(found) else None


def _said(record: Record) -> str:
    when = "" if record.started_at is None else f"from {record.started_at:%Y-%m-%dT%H:%M:%SZ} "
    return (
        f"the runner's {record.outcome} of job {record.job_id} on {record.node} "
        f"{when}to {record.finished_at:%Y-%m-%dT%H:%M:%SZ} ({one_line(record.detail, 100)})"
    )


def _contradicted_by_word(record: Record, word: ControllerWord) -> str | None:
    if word.job_id != record.job_id:
        return f"it was job {word.job_id}"
    if word.node and word.node != record.node:
        return f"it ran on {word.node}"
    if record.finished_at > word.ended_at + CLOCKS_DIFFER:
        return f"it ended at {word.ended_at:%Y-%m-%dT%H:%M:%SZ}"
    return None


def _contradicted_by_task(
    record: Record, task: Task, word: ControllerWord | None, now: datetime
) -> str | None:
    if task.pending:
        return None  # it may have been requeued
    if not task.node:
        return None if word or not task.ended else f"it never started ({task.state})"
    if task.job_id != record.job_id:
        return f"it was job {task.job_id} ({task.state})"
    if task.node != record.node:
        return f"it ran on {task.node} ({task.state})"
    return _outside(record, task, now)


def _outside(record: Record, task: Task, now: datetime) -> str | None:
    """Say how the record's times lie outside of the task's, by more than clocks may differ.

    Where Slurm's own times go backwards its clock was set, and they prove nothing.
    """
    start, end = task.started_at, task.ended_at if task.ended else None
    if start is None or start > (end or now):
        return None
    if record.started_at is not None and record.started_at < start - CLOCKS_DIFFER:
        return f"it started at {start:%Y-%m-%dT%H:%M:%SZ} ({task.state})"
    if end is not None and record.finished_at > end + CLOCKS_DIFFER:
        return f"it ended at {end:%Y-%m-%dT%H:%M:%SZ} ({task.state})"
    return None


def _end(evidence: VisitEvidence, *, now: datetime, batch: Batch) -> _End | None:
    """Return how the visit ended, or None while it has not."""
    task = evidence.task
    if task is not None:
        return _end_by_state(task, evidence, batch) if task.ended else None
    if evidence.word is not None:
        return _end_by_word(evidence.word, evidence, batch)
    if evidence.cancelled_by:
        return _cancelled(evidence, batch)
    if evidence.interrupted or evidence.finished:
        return _End(
            outcome=Outcome.CANCELLED, detail="the visit was stopped; Slurm does not know why"
        )
    if evidence.submitted_at is None and now < batch.start_by:
        return None
    why = "Slurm never took it" if evidence.submitted_at is None else "Slurm lost the job"
    return _End(outcome=Outcome.NOT_STARTED, detail=why)


def _end_by_state(task: Task, evidence: VisitEvidence, batch: Batch) -> _End:
    if task.state in _BY_STATE:
        return _BY_STATE[task.state]
    if task.state in {"CANCELLED", "REVOKED"}:
        return _cancelled(evidence, batch)
    if task.state == "COMPLETED":
        return _End(outcome=Outcome.ERROR, detail="the visit ended without leaving a record")
    code = f", exit {task.exit_code}" if task.exit_code else ""
    return _End(outcome=Outcome.ERROR, detail=f"the runner died (Slurm: {task.state}{code})")


def _second(time: datetime) -> datetime:
    """Return *time* as Slurm tells times."""
    return time.replace(microsecond=0)


def _cancelled(evidence: VisitEvidence, batch: Batch) -> _End:
    """Return the end of a visit that was cancelled: by age, with us, or past us with scancel."""
    began, task = _began(evidence), evidence.task
    outcome = Outcome.CANCELLED if began else Outcome.NOT_STARTED
    who = f" ({task.reason})" if task and task.reason.startswith("CANCELLED by") else ""
    if evidence.cancelled_by:
        who = f" (cancelled by {evidence.cancelled_by})"
    elif task and task.ended_at is not None and task.ended_at >= _second(batch.end_by):
        who = f": its batch was over {format_duration(batch.end_by - batch.created_at)} old"
    when = "while it ran" if began else "before it started"
    return _End(outcome=outcome, detail=f"the visit was cancelled {when}{who}")


def _end_by_word(word: ControllerWord, evidence: VisitEvidence, batch: Batch) -> _End:
    if word.exit_status:
        return _End(
            outcome=Outcome.ERROR, detail=f"the runner died (wait status {word.exit_status})"
        )
    if evidence.cancelled_by:
        return _cancelled(evidence, batch)
    if evidence.interrupted:
        return _End(
            outcome=Outcome.CANCELLED, detail="the visit was stopped; Slurm no longer knows why"
        )
    return _End(outcome=Outcome.ERROR, detail="the visit left no record; Slurm no longer knows why")


def _too_soon(evidence: VisitEvidence, *, now: datetime, grace: timedelta) -> bool:
    task = evidence.task
    ended_at = task.ended_at if task is not None else None
    if ended_at is None and evidence.word is not None:
        ended_at = evidence.word.ended_at
    if ended_at is None or not _began(evidence):
        return False
    return abs(now - ended_at) < grace  # a clock that was set back must not hold it up


def _began(evidence: VisitEvidence) -> bool:
    """Whether anything says that the visit ran at all."""
    if evidence.word is not None or evidence.interrupted or evidence.finished:
        return True
    task = evidence.task
    return task is not None and task.started_at is not None and bool(task.node)


def _running(missing: list[str], evidence: VisitEvidence) -> str | None:
    """Return the check that ran when the visit ended, if one did."""
    for check in missing:
        record = evidence.interrupted.get(check)
        if record is None or record.started_at is not None:
            return check
    return None


def _record(
    batch: Batch,
    visit: Visit,
    check: str,
    evidence: VisitEvidence,
    end: _End,
    *,
    ran: bool,
    now: datetime,
) -> Record:
    began = ran or end.outcome is Outcome.NOT_STARTED
    outcome = end.outcome if began else Outcome.NOT_STARTED
    detail = end.detail if began else f"its turn did not come: {end.detail}"
    interrupted = evidence.interrupted.get(check)
    task, word = evidence.task, evidence.word
    started_at = interrupted.started_at if interrupted is not None and ran else None
    finished_at = _finished_at(interrupted, task, word, now)
    job_ids = [found.job_id for found in (task, word, interrupted) if found is not None]
    attempts = [found.attempt for found in (interrupted, word) if found is not None]
    return Record(
        cluster=batch.cluster,
        batch=batch.id,
        task=visit.task,
        attempt=(attempts or [0])[0],
        check=check,
        node=visit.node,
        job_id=(job_ids or [0])[0],
        token=batch.token,
        evidence=Evidence.SLURM,
        outcome=outcome,
        detail=detail,
        started_at=started_at,
        finished_at=finished_at,
        duration_s=(finished_at - started_at).total_seconds() if started_at else 0.0,
        log_path=interrupted.log_path if interrupted is not None else "",
    )


def _finished_at(
    interrupted: Record | None, task: Task | None, word: ControllerWord | None, now: datetime
) -> datetime:
    if interrupted is not None:
        return interrupted.finished_at
    if task is not None and task.ended_at is not None and task.ended_at <= now:
        return task.ended_at
    return word.ended_at if word is not None else now
