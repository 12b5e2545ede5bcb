"""How checks without a verdict ended, by the word of Slurm. Pure: evidence in, records out."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from slurm_hooks.batch import Batch, ControllerWord, Visit
from slurm_hooks.record import Evidence, Outcome, Record
from slurm_hooks.slurm_text import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitEvidence:
    """All that is known of one visit whose checks do not all have a result yet."""

    finished: Collection[str]
    """Checks whose result is known."""
    interrupted: Mapping[str, Record]
    """The runner's records without an outcome, by check."""
    word: ControllerWord | None
    """EpilogSlurmctld's."""
    task: Task | None
    """squeue's or sacct's; None where Slurm answered and does not know it."""
    submitted_at: datetime | None
    """None where nothing says that Slurm ever took the batch."""
    cancelled_by: str = ""
    """Who asked for its end; empty where nobody did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """How a visit ended: for the check that ran then, and why the later ones did not."""

    outcome: Outcome
    detail: str


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
    """Return a record for every check of *visit* that still needs one; none while it may go on.

    Never a `pass`: a pass needs the runner's own record. Checks run in order and
    each is recorded as it ends, so the first one without a result is the one that
    ran when the visit ended; those after it never began.

    *grace* is how long after a visit's end its records may still be on their way
    through the shared file system.
    """
    end = _end(evidence, now=now, batch=batch)
    if end is None or _too_soon(evidence, now=now, grace=grace):
        return []
    missing = [check for check in visit.checks if check not in evidence.finished]
    running = _running(missing, evidence) if _began(evidence) else None
    return [
        _record(batch, visit, check, evidence, end, ran=check == running, now=now)
        for check in missing
    ]


def _end(evidence: VisitEvidence, *, now: datetime, batch: Batch) -> _End | None:
    """Return how the visit ended, or None while it has not."""
    task = evidence.task
    if task is not None:
        return _end_by_state(task, evidence) if task.ended else None
    if evidence.word is not None:
        return _end_by_word(evidence.word, evidence)
    if evidence.cancelled_by:
        return _cancelled(evidence)
    if evidence.interrupted or evidence.finished:
        return _End(
            outcome=Outcome.CANCELLED, detail="the visit was stopped; Slurm does not know why"
        )
    if evidence.submitted_at is None and now < batch.start_by:
        return None
    why = "Slurm never took it" if evidence.submitted_at is None else "Slurm lost the job"
    return _End(outcome=Outcome.NOT_STARTED, detail=why)


def _end_by_state(task: Task, evidence: VisitEvidence) -> _End:
    if task.state in _BY_STATE:
        return _BY_STATE[task.state]
    if task.state in {"CANCELLED", "REVOKED"}:
        return _cancelled(evidence)
    if task.state == "COMPLETED":
        return _End(outcome=Outcome.ERROR, detail="the visit ended without leaving a record")
    code = f", exit {task.exit_code}" if task.exit_code else ""
    return _End(outcome=Outcome.ERROR, detail=f"the runner died (Slurm: {task.state}{code})")


def _cancelled(evidence: VisitEvidence) -> _End:
    """Return the end of a visit that somebody cancelled: with us, or past us with scancel."""
    began = _began(evidence)
    outcome = Outcome.CANCELLED if began else Outcome.NOT_STARTED
    reason = evidence.task.reason if evidence.task is not None else ""
    who = f" ({reason})" if reason.startswith("CANCELLED by") else ""
    if evidence.cancelled_by:
        who = f" (cancelled by {evidence.cancelled_by})"
    when = "while it ran" if began else "before it started"
    return _End(outcome=outcome, detail=f"the visit was cancelled {when}{who}")


def _end_by_word(word: ControllerWord, evidence: VisitEvidence) -> _End:
    if word.exit_status:
        return _End(
            outcome=Outcome.ERROR, detail=f"the runner died (wait status {word.exit_status})"
        )
    if evidence.cancelled_by:
        return _cancelled(evidence)
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
    return _began(evidence) and ended_at is not None and now - ended_at < grace


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
