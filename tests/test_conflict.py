"""What the runner says and what Slurm says: which pairs cannot both be true, and what becomes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_hooks.batch import ControllerWord
from slurm_hooks.record import Evidence, Outcome, Record
from slurm_hooks.settle import CLOCKS_DIFFER
from slurm_hooks.slurm_text import Task
from tests.evidence import (
    CHECKS,
    MINUTE,
    NOW,
    STARTED,
    evidence,
    record,
    settled,
    task,
    word,
)

PASSED = record("cpu", Outcome.PASS, detail="all well")
RAN, NEVER = task("COMPLETED"), task("COMPLETED", node="")
WORD = word()


def overruled(
    records: Sequence[Record] = (PASSED,),
    *,
    tasks: Sequence[Task] = (),
    word: ControllerWord | None = None,
) -> list[Record]:
    """The records of conflict over `cpu`; the others have their results."""
    everything = frozenset(CHECKS)
    return settled(evidence(finished=everything, judged={"cpu": records}, tasks=tasks, word=word))


@pytest.mark.parametrize(
    "state",
    ["COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "PREEMPTED", "NODE_FAIL", "OUT_OF_MEMORY",
     "DEADLINE", "RUNNING", "COMPLETING"],
)  # fmt: skip
def test_however_a_visit_ended_that_ran_there_then_its_earlier_judgement_stands(
    state: str,
) -> None:
    assert overruled(tasks=[replace(RAN, state=state)]) == []
    assert overruled(tasks=[replace(RAN, state=state)], word=WORD) == []


@pytest.mark.parametrize("state", ["DEADLINE", "CANCELLED", "REVOKED", "BOOT_FAIL", "NODE_FAIL"])
def test_a_task_that_never_started_cannot_have_judged(state: str) -> None:
    found = overruled(tasks=[replace(NEVER, state=state)])
    assert [(one.outcome, one.evidence) for one in found] == [(Outcome.ERROR, Evidence.CONFLICT)]
    for side in ("pass of job 5 on n1", "all well", "never started", state):
        assert side in found[0].detail


@pytest.mark.parametrize(
    ("task", "says"),
    [
        (replace(RAN, node="n2"), "it ran on n2"),
        (replace(RAN, job_id=6), "it was job 6"),
        (replace(RAN, state="RUNNING", node="n2"), "it ran on n2"),
        (
            replace(RAN, started_at=STARTED + CLOCKS_DIFFER + 2 * MINUTE, ended_at=NOW),
            "it started at",
        ),
        (replace(RAN, ended_at=STARTED, started_at=STARTED - timedelta(hours=1)), None),
        (
            replace(RAN, ended_at=STARTED - CLOCKS_DIFFER, started_at=STARTED - timedelta(hours=1)),
            "it ended at",
        ),
        (replace(RAN, started_at=STARTED + MINUTE + CLOCKS_DIFFER, ended_at=NOW), None),
        # Slurm's clock was set back while the task ran: its times prove nothing.
        (replace(RAN, started_at=NOW, ended_at=STARTED - timedelta(hours=1)), None),
        (replace(RAN, state="RUNNING", started_at=NOW + timedelta(hours=1), ended_at=None), None),
        # squeue tells a running task's end too: when its time limit will be over.
        (replace(RAN, state="RUNNING", ended_at=STARTED), None),
        (replace(NEVER, state="PENDING"), None),
    ],
)  # fmt: skip
def test_place_job_and_time_must_agree(task: Task, says: str | None) -> None:
    found = overruled(tasks=[task])
    assert bool(found) == (says is not None)
    assert all(says is not None and says in one.detail for one in found)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        (WORD, None),
        (replace(WORD, exit_status=9), None),
        (replace(WORD, node="n2"), "ran on n2"),
        (replace(WORD, job_id=6), "was job 6"),
        (replace(WORD, ended_at=STARTED - CLOCKS_DIFFER), "ended at"),
        (replace(WORD, attempt=1, job_id=6), None),
    ],
)
def test_the_controllers_word_must_agree_too_if_it_is_on_this_attempt(
    word: ControllerWord, says: str | None
) -> None:
    found = overruled(word=word)
    assert bool(found) == (says is not None)
    assert all(says is not None and says in one.detail for one in found)


def test_a_requeued_task_that_never_started_again_contradicts_nothing() -> None:
    """The controller's word says that this attempt ran, whatever became of the next one."""
    assert overruled(tasks=[replace(NEVER, state="CANCELLED")], word=WORD) == []


def test_one_incarnation_that_agrees_is_enough() -> None:
    """A second submission of the batch was cancelled while it was held."""
    twin = replace(NEVER, job_id=9, array_job_id=9, state="CANCELLED")
    assert overruled(tasks=[RAN, twin]) == []
    assert overruled(tasks=[twin, RAN]) == []
    assert overruled(tasks=[twin, replace(RAN, node="n2")]) != []


def test_two_records_with_different_outcomes_contradict_each_other() -> None:
    failed = replace(PASSED, outcome=Outcome.FAIL, detail="dead fan")
    found = overruled([PASSED, failed], tasks=[RAN])
    assert [one.outcome for one in found] == [Outcome.ERROR]
    assert "all well" in found[0].detail
    assert "dead fan" in found[0].detail
    assert overruled([PASSED, PASSED], tasks=[RAN]) == []


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if not outcome.judged])
def test_what_says_nothing_of_the_node_needs_no_contradiction(outcome: Outcome) -> None:
    assert overruled([replace(PASSED, outcome=outcome)], tasks=[NEVER]) == []


def test_a_conflict_counts_for_more_than_both_sides_and_is_one_result_with_them() -> None:
    conflict = overruled(tasks=[NEVER])[0]
    inferred = replace(PASSED, evidence=Evidence.SLURM)
    assert conflict.evidence.revision > PASSED.evidence.revision > inferred.evidence.revision
    assert conflict.result_id == PASSED.result_id
    names = [one.file_name for one in (inferred, PASSED, conflict)]
    assert names == sorted(set(names))  # counted in this order


TIMES = st.integers(-120, 120).map(lambda minutes: NOW + timedelta(minutes=minutes))
TASKS = st.builds(
    Task,
    job_id=st.sampled_from([5, 6]), array_job_id=st.just(4), task=st.just(0),
    state=st.sampled_from(["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT",
                           "PREEMPTED", "NODE_FAIL", "DEADLINE", "OUT_OF_MEMORY"]),
    node=st.sampled_from(["", "n1", "n2"]), started_at=st.none() | TIMES,
    ended_at=st.none() | TIMES,
)  # fmt: skip
RECORDS = st.builds(
    lambda check, outcome, job_id, started, finished: replace(
        PASSED, check=check, outcome=outcome, job_id=job_id, started_at=started,
        finished_at=finished,
    ),
    st.sampled_from(CHECKS), st.sampled_from(Outcome) | st.none(), st.sampled_from([5, 6]),
    st.none() | TIMES, TIMES,
)  # fmt: skip
WORDS = st.none() | st.builds(
    lambda job_id, node, attempt, at, status: replace(
        WORD, job_id=job_id, node=node, attempt=attempt, ended_at=at, exit_status=status
    ),
    st.sampled_from([5, 6]), st.sampled_from(["n1", "n2"]), st.sampled_from([0, 1]), TIMES,
    st.sampled_from([0, 9, 256]),
)  # fmt: skip


@given(
    records=st.lists(RECORDS, max_size=3),
    tasks=st.lists(TASKS, max_size=2),
    word=WORDS,
    submitted=st.booleans(),
    grace=st.sampled_from([0, 60]),
)
def test_from_any_evidence_every_check_gets_one_outcome_and_a_pass_only_from_a_runner(
    records: list[Record],
    tasks: list[Task],
    word: ControllerWord | None,
    submitted: bool,
    grace: int,
) -> None:
    told = {
        check: [one for one in records if one.check == check and one.outcome] for check in CHECKS
    }
    stopped = {one.check: one for one in records if one.outcome is None and not told[one.check]}
    found = evidence(
        finished=frozenset(check for check in CHECKS if told[check]),
        judged={check: ones for check, ones in told.items() if ones},
        interrupted=stopped,
        word=word,
        tasks=tasks,
        submitted=submitted,
    )
    ours = settled(found, timedelta(seconds=grace))
    assert all(one.outcome is not None and not one.outcome.judged for one in ours)
    assert all(one.outcome is Outcome.ERROR for one in ours if one.evidence is Evidence.CONFLICT)
    final = {}
    for one in sorted([*ours, *(found[0] for found in told.values() if found)], key=_revision):
        final[one.check] = one
    for check, one in final.items():
        if one.outcome is Outcome.PASS:
            assert one.evidence is Evidence.RUNNER
            assert one in told[check]
    over = not tasks or tasks[-1].ended
    if over and not grace:
        assert set(final) == set(CHECKS)
    inferred = [one for one in ours if one.evidence is Evidence.SLURM]
    assert len({one.check for one in inferred}) == len(inferred)
    assert not {one.check for one in inferred} & {check for check in CHECKS if told[check]}


def _revision(record: Record) -> int:
    return record.evidence.revision
