"""One visit to one node, and all that a runner, Slurm and the controller may say of it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from slurm_hooks.batch import Batch, ControllerWord, Program, Shape, Visit
from slurm_hooks.record import Evidence, Outcome, Record
from slurm_hooks.settle import VisitEvidence, settle
from slurm_hooks.slurm_text import Task

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
STARTED, ENDED = NOW - 40 * MINUTE, NOW - 30 * MINUTE
CHECKS = ("cpu", "memory", "storage")
VISIT = Visit(task=0, node="n1", checks=CHECKS)
BATCH = Batch(
    id="20261121T110000Z-00000000",
    token="secret",
    cluster="lab",
    created_at=NOW - timedelta(hours=1),
    partition="background",
    shape=Shape(),
    time_limit_s=600,
    start_by=NOW - 30 * MINUTE,
    throttle=1,
    programs=tuple(Program(name=name, argv=("true",), time_limit_s=60) for name in CHECKS),
    visits=(VISIT,),
)


def record(
    check: str, outcome: Outcome | None = None, *, started: bool = True, detail: str = ""
) -> Record:
    """The runner's, of the visit's second minute; without an outcome the check was stopped."""
    return Record(
        cluster="lab", batch=BATCH.id, task=0, attempt=0, check=check, node="n1", job_id=5,
        token="secret", evidence=Evidence.RUNNER, outcome=outcome, detail=detail,
        started_at=STARTED + MINUTE if started else None, finished_at=STARTED + 2 * MINUTE,
    )  # fmt: skip


def word(exit_status: int = 0) -> ControllerWord:
    """EpilogSlurmctld's."""
    return ControllerWord(
        batch=BATCH.id, task=0, attempt=0, job_id=5, node="n1", exit_status=exit_status,
        ended_at=ENDED,
    )  # fmt: skip


def task(state: str, *, node: str = "n1") -> Task:
    """What squeue or sacct says; without a node it never started."""
    return Task(
        job_id=5, array_job_id=4, task=0, state=state, node=node,
        started_at=STARTED if node else None, ended_at=ENDED,
    )  # fmt: skip


def evidence(
    *,
    finished: frozenset[str] = frozenset(),
    judged: Mapping[str, Sequence[Record]] | None = None,
    interrupted: Mapping[str, Record] | None = None,
    word: ControllerWord | None = None,
    tasks: Sequence[Task] = (),
    submitted: bool = True,
    cancelled_by: str = "",
) -> VisitEvidence:
    """All of it together; the last of *tasks* is the one that counts."""
    return VisitEvidence(
        finished=finished,
        judged=judged or {},
        interrupted=interrupted or {},
        word=word,
        task=tasks[-1] if tasks else None,
        incarnations=tasks,
        submitted_at=BATCH.created_at if submitted else None,
        cancelled_by=cancelled_by,
    )


def settled(found: VisitEvidence, grace: timedelta = timedelta(0)) -> list[Record]:
    """What becomes of it now."""
    return settle(BATCH, VISIT, found, now=NOW, grace=grace)
