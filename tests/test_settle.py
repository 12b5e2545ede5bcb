"""How a check without a verdict ends, whatever evidence there is."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_hooks.record import Evidence, Outcome
from slurm_hooks.settle import VisitEvidence, settle
from tests.evidence import (
    BATCH,
    CHECKS,
    MINUTE,
    STARTED,
    VISIT,
    evidence,
    record,
    settled,
    task,
    word,
)


def outcomes(found: VisitEvidence, grace: timedelta = timedelta(0)) -> list[Outcome | None]:
    return [one.outcome for one in settled(found, grace)]


STOPPED = {
    "memory": record("memory"),
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
    found = evidence(finished=frozenset({"cpu"}), interrupted=STOPPED, tasks=[task(state)])
    assert outcomes(found) == [running, Outcome.NOT_STARTED]


def test_without_any_record_the_first_check_is_the_one_that_ran() -> None:
    """The runner writes each record as its check ends, so a killed one leaves the first missing."""
    found = evidence(finished=frozenset({"cpu"}), tasks=[task("NODE_FAIL")])
    assert outcomes(found) == [Outcome.NODE_FAIL, Outcome.NOT_STARTED]


def test_a_visit_that_waited_too_long_did_not_start_at_all() -> None:
    assert outcomes(evidence(tasks=[task("DEADLINE", node="")])) == [Outcome.NOT_STARTED] * 3


def test_a_task_cancelled_while_pending_did_not_start() -> None:
    assert outcomes(evidence(tasks=[task("CANCELLED", node="")])) == [Outcome.NOT_STARTED] * 3


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED"])
def test_nothing_is_said_while_slurm_may_still_run_it(state: str) -> None:
    assert outcomes(evidence(interrupted=STOPPED, word=word(), tasks=[task(state)])) == []


def test_who_cancelled_it_is_named_even_where_slurm_knows_nothing_more() -> None:
    first = settled(evidence(cancelled_by="alice"))[0]
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
    ended = evidence(tasks=[task("COMPLETED")])
    assert outcomes(ended, grace=31 * MINUTE) == []
    assert outcomes(ended, grace=29 * MINUTE) != []


def test_a_settled_record_keeps_what_the_runner_knew() -> None:
    found = evidence(interrupted={"cpu": record("cpu")}, tasks=[task("PREEMPTED")])
    first = settled(found)[0]
    assert first.started_at == STARTED + MINUTE
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
        tasks=[] if state is None else [task(state, node=node)],
        submitted=submitted,
        cancelled_by=cancelled_by,
    )
    ours = settled(found)
    assert all(one.outcome is not None and not one.outcome.judged for one in ours)
    names = [one.check for one in ours]
    assert names in ([], [check for check in CHECKS if check not in finished])
    assert sum(one.outcome is not Outcome.NOT_STARTED for one in ours) <= 1
