"""How a check without a verdict ends, whatever evidence there is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_hooks.batch import Batch, ControllerWord, Program, Shape, Visit
from slurm_hooks.record import Evidence, Outcome, Record
from slurm_hooks.settle import VisitEvidence, settle
from slurm_hooks.slurm_text import Task

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
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
    start_by=NOW - timedelta(minutes=30),
    throttle=1,
    programs=tuple(Program(name=name, argv=("true",), time_limit_s=60) for name in CHECKS),
    visits=(VISIT,),
)


def record(check: str, *, started: bool, outcome: Outcome | None = None) -> Record:
    return Record(
        cluster="lab", batch=BATCH.id, task=0, attempt=0, check=check, node="n1", job_id=5,
        token="secret", evidence=Evidence.RUNNER, outcome=outcome,
        started_at=NOW - timedelta(minutes=9) if started else None,
        finished_at=NOW - timedelta(minutes=8),
    )  # fmt: skip


def word(exit_status: int = 0) -> ControllerWord:
    return ControllerWord(
        batch=BATCH.id, task=0, attempt=0, job_id=5, node="n1", exit_status=exit_status,
        ended_at=NOW - timedelta(minutes=8),
    )  # fmt: skip


def task(state: str, *, node: str = "n1") -> Task:
    return Task(
        job_id=5, array_job_id=5, task=0, state=state, node=node,
        started_at=NOW - timedelta(minutes=10) if node else None,
        ended_at=NOW - timedelta(minutes=8),
    )  # fmt: skip


def evidence(
    *,
    finished: frozenset[str] = frozenset(),
    interrupted: dict[str, Record] | None = None,
    word: ControllerWord | None = None,
    task: Task | None = None,
    submitted: bool = True,
) -> VisitEvidence:
    return VisitEvidence(
        finished=finished,
        interrupted=interrupted or {},
        word=word,
        task=task,
        submitted_at=NOW - timedelta(hours=1) if submitted else None,
    )


def outcomes(found: VisitEvidence, grace: timedelta = timedelta(0)) -> list[Outcome | None]:
    return [one.outcome for one in settle(BATCH, VISIT, found, now=NOW, grace=grace)]


STOPPED = {
    "memory": record("memory", started=True),
    "storage": record("storage", started=False),
}


@pytest.mark.parametrize(
    ("state", "running"),
    [
        ("PREEMPTED", Outcome.PREEMPTED),
        ("CANCELLED", Outcome.CANCELLED),
        ("TIMEOUT", Outcome.TIMEOUT),
        ("NODE_FAIL", Outcome.NODE_FAIL),
        ("OUT_OF_MEMORY", Outcome.ERROR),
        ("FAILED", Outcome.ERROR),
        ("COMPLETED", Outcome.ERROR),
    ],
)
def test_the_running_check_gets_slurms_word_and_the_rest_did_not_start(
    state: str, running: Outcome
) -> None:
    found = evidence(finished=frozenset({"cpu"}), interrupted=STOPPED, task=task(state))
    assert outcomes(found) == [running, Outcome.NOT_STARTED]


def test_without_any_record_the_first_check_is_the_one_that_ran() -> None:
    """The runner writes each record as its check ends, so a killed one leaves the first missing."""
    found = evidence(finished=frozenset({"cpu"}), task=task("NODE_FAIL"))
    assert outcomes(found) == [Outcome.NODE_FAIL, Outcome.NOT_STARTED]


def test_a_visit_that_waited_too_long_did_not_start_at_all() -> None:
    assert outcomes(evidence(task=task("DEADLINE", node=""))) == [Outcome.NOT_STARTED] * 3


def test_a_task_cancelled_while_pending_did_not_start() -> None:
    assert outcomes(evidence(task=task("CANCELLED", node=""))) == [Outcome.NOT_STARTED] * 3


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED"])
def test_nothing_is_said_while_slurm_may_still_run_it(state: str) -> None:
    assert outcomes(evidence(interrupted=STOPPED, word=word(), task=task(state))) == []


def test_who_cancelled_it_is_named_even_where_slurm_knows_nothing_more() -> None:
    found = replace(evidence(), cancelled_by="alice")
    first = settle(BATCH, VISIT, found, now=NOW, grace=timedelta(0))[0]
    assert first.outcome is Outcome.NOT_STARTED
    assert first.detail == "the visit was cancelled before it started (cancelled by alice)"


def test_an_exit_code_of_zero_alone_is_an_error() -> None:
    """Slurm shows 0:0 for preempted, cancelled and timed-out jobs too."""
    assert outcomes(evidence(word=word()))[0] is Outcome.ERROR


def test_a_job_that_slurm_lost_without_a_trace_did_not_start() -> None:
    assert outcomes(evidence()) == [Outcome.NOT_STARTED] * 3


def test_a_batch_never_submitted_waits_until_its_time_is_over() -> None:
    found = evidence(submitted=False)
    assert outcomes(found) == [Outcome.NOT_STARTED] * 3
    early = BATCH.start_by - timedelta(seconds=1)
    assert settle(BATCH, VISIT, found, now=early, grace=timedelta(0)) == []


def test_records_still_on_their_way_are_waited_for() -> None:
    ended = evidence(task=task("COMPLETED"))
    assert outcomes(ended, grace=timedelta(minutes=9)) == []
    assert outcomes(ended, grace=timedelta(minutes=7)) != []


def test_a_settled_record_keeps_what_the_runner_knew() -> None:
    found = evidence(interrupted={"cpu": record("cpu", started=True)}, task=task("PREEMPTED"))
    first = settle(BATCH, VISIT, found, now=NOW, grace=timedelta(0))[0]
    assert first.started_at == NOW - timedelta(minutes=9)
    assert first.duration_s == 60
    assert first.evidence is Evidence.SLURM
    assert "user's job" in first.detail


@given(
    finished=st.frozensets(st.sampled_from(CHECKS)),
    interrupted=st.dictionaries(st.sampled_from(CHECKS), st.booleans()),
    said=st.none() | st.integers(0, 65535),
    state=st.none()
    | st.sampled_from(["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT",
                       "PREEMPTED", "NODE_FAIL", "DEADLINE", "OUT_OF_MEMORY", "BOOT_FAIL"]),
    node=st.sampled_from(["", "n1"]),
    submitted=st.booleans(),
    cancelled_by=st.sampled_from(["", "alice"]),
)  # fmt: skip
def test_no_evidence_but_a_record_ever_makes_a_judgement(
    finished: frozenset[str],
    interrupted: dict[str, bool],
    said: int | None,
    state: str | None,
    node: str,
    submitted: bool,
    cancelled_by: str,
) -> None:
    found = evidence(
        finished=finished,
        interrupted={name: record(name, started=ran) for name, ran in interrupted.items()},
        word=None if said is None else word(said),
        task=None if state is None else task(state, node=node),
        submitted=submitted,
    )
    found = replace(found, cancelled_by=cancelled_by)
    settled = settle(BATCH, VISIT, found, now=NOW, grace=timedelta(0))
    assert all(one.outcome is not None and not one.outcome.judged for one in settled)
    names = [one.check for one in settled]
    assert names in ([], [check for check in CHECKS if check not in finished])
    assert sum(one.outcome is not Outcome.NOT_STARTED for one in settled) <= 1
