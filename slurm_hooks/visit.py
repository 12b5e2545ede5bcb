"""One visit: the checks of one node in order, each to exactly one record."""

import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from slurm_hooks.batch import Batch, Program, Visit
from slurm_hooks.environment import SlurmTask, fill_in, program_environment
from slurm_hooks.family import Family
from slurm_hooks.log_file import LogFile, open_log
from slurm_hooks.oneline import one_line
from slurm_hooks.process import Command, Ended, run_program
from slurm_hooks.record import Evidence, Outcome, Record
from slurm_hooks.report import Report, read_report
from slurm_hooks.scratch import remove_tree
from slurm_hooks.settings import Settings
from slurm_hooks.signals import Signals
from slurm_hooks.verdict import verdict

_GOOD_ENOUGH = (Outcome.PASS, Outcome.WARN)
_RESERVE_S = 3.0
"""Kept back of the job's time limit, to end the last program and write its record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the checks of one visit have in common."""

    settings: Settings
    batch: Batch
    visit: Visit
    task: SlurmTask
    environ: Mapping[str, str]
    scratch: Path
    ends_at: float
    """On the monotonic clock: when the job's own time limit is used up."""


def run_visit(
    turn: Turn, *, family: Family, signals: Signals, deliver: Callable[[Record], None]
) -> None:
    """Hand *deliver* one record per check of the visit, each as soon as its check ends."""
    ended: dict[str, Outcome | None] = {}
    for name in turn.visit.checks:
        record = _settle(turn, name, ended, family, signals)
        ended[name] = record.outcome
        deliver(record)
        if not signals.stopped_by:
            remove_tree(turn.scratch / name)


def _settle(
    turn: Turn, name: str, ended: Mapping[str, Outcome | None], family: Family, signals: Signals
) -> Record:
    try:
        program = turn.batch.program(name)
        excused = _excuse(turn, program, ended, signals)
        return excused or _run(turn, program, family, signals)
    except Exception as error:  # noqa: BLE001 - a fault of ours costs one check, never a record
        family.end()
        fault = f"cluster-doctor's own fault: {type(error).__name__}: {error}"
        return _record(turn, name, Outcome.ERROR, fault)


def _excuse(
    turn: Turn, program: Program, ended: Mapping[str, Outcome | None], signals: Signals
) -> Record | None:
    """Return the record of a check that must not run, None for one that may."""
    name = program.name
    if signals.stopped_by:
        return _record(turn, name, None, f"not started: stopped by {signals.stopped_by}")
    if turn.visit.node != turn.task.node:
        detail = f"pinned to {turn.visit.node}, ran on {turn.task.node}"
        return _record(turn, name, Outcome.ERROR, detail)
    for needed in program.depends_on:
        outcome = ended.get(needed, Outcome.PASS)
        if outcome not in _GOOD_ENOUGH:
            return _record(turn, name, Outcome.SKIP, f"needs {needed}, which ended {outcome}")
    if turn.ends_at - _RESERVE_S <= time.monotonic():
        return _record(turn, name, Outcome.NOT_STARTED, "the visit's time limit was used up")
    return None


def _run(turn: Turn, program: Program, family: Family, signals: Signals) -> Record:
    scratch = turn.scratch / program.name
    try:
        scratch.mkdir(mode=0o700)
    except OSError as error:
        detail = f"no scratch directory on this node: {scratch}: {error.strerror}"
        return _record(turn, program.name, Outcome.ERROR, detail)
    report_path = turn.scratch / f".report-{program.name}"
    command = Command(
        argv=fill_in(
            program.argv,
            python=turn.settings.node_python,
            node=turn.task.node,
            scratch=scratch,
        ),
        cwd=scratch,
        environment=program_environment(
            turn.settings,
            turn.batch,
            turn.task,
            turn.environ,
            check=program.name,
            scratch=scratch,
            report=report_path,
        ),
        limit_s=min(program.time_limit_s, turn.ends_at - _RESERVE_S - time.monotonic()),
    )
    started_at = datetime.now(UTC)
    log = _open_log(turn, program.name, command, started_at)
    ended = run_program(command, family=family, signals=signals, output=log.write)
    record = judge(
        _record(turn, program.name, None, ""),
        ended,
        read_report(report_path),
        last_line=log.last_line,
        limit_s=command.limit_s,
        stopped_by=signals.stopped_by,
    )
    log.end(_footer(record, ended))
    notes = [record.detail, log.problem]
    return replace(
        record,
        started_at=started_at,
        log_path=log.path,
        detail=one_line("; ".join(note for note in notes if note)),
    )


def judge(
    blank: Record, ended: Ended, report: Report, *, last_line: str, limit_s: float, stopped_by: str
) -> Record:
    """Return *blank* with what is known now: outcome, detail, numbers.

    A program over its limit timed out, even where the visit was stopped a moment later.
    Of one that was stopped nothing is believed, whatever its exit code: it may answer
    SIGTERM with an orderly exit 0.
    """
    outcome: Outcome | None
    if ended.timed_out:
        outcome, why = Outcome.TIMEOUT, f"over its time limit of {limit_s:.3g} s"
    elif ended.stopped:
        outcome, why = None, f"stopped by {stopped_by}"
    elif ended.not_started:
        outcome, why = Outcome.ERROR, f"cannot be started: {ended.not_started}"
    else:
        outcome, why = verdict(ended.exit_code, ended.signal)
    said = report.detail or ("" if outcome is Outcome.PASS else last_line)
    stuck = f"{ended.stuck} processes survived SIGKILL, stuck in the kernel" if ended.stuck else ""
    parts = (one_line(said, 300), why, stuck, report.problem)
    return replace(
        blank,
        outcome=outcome,
        detail=one_line("; ".join(part for part in parts if part)),
        exit_code=ended.exit_code,
        signal=ended.signal,
        duration_s=round(ended.duration_s, 3),
        metrics=report.metrics,
    )


def _record(turn: Turn, name: str, outcome: Outcome | None, detail: str) -> Record:
    return Record(
        cluster=turn.batch.cluster,
        batch=turn.batch.id,
        task=turn.visit.task,
        attempt=turn.task.attempt,
        check=name,
        node=turn.visit.node,
        job_id=turn.task.job_id,
        token=turn.batch.token,
        evidence=Evidence.RUNNER,
        outcome=outcome,
        detail=one_line(detail),
        finished_at=datetime.now(UTC),
    )


def _open_log(turn: Turn, check: str, command: Command, at: datetime) -> LogFile:
    header = (
        f"# {check} on {turn.task.node}, job {turn.task.job_id}\n"
        f"# batch {turn.batch.id}, task {turn.task.task}, attempt {turn.task.attempt}\n"
        f"# {one_line(shlex.join(command.argv), 1000)}\n"
        f"# started {at.isoformat(timespec='milliseconds')}\n"
    )
    return open_log(
        turn.settings.log_dir,
        check=check,
        node=turn.task.node,
        at=at,
        header=header,
        limit=turn.settings.log_limit_bytes,
    )


def _footer(record: Record, ended: Ended) -> str:
    outcome = record.outcome or "no outcome yet"
    status = "" if ended.exit_code is None else f", exit status {ended.exit_code}"
    return f"# {outcome}{status}, after {ended.duration_s:.3f} s: {record.detail}\n"
