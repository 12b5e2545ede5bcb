"""What visits of a verification come to: nothing but passes is a pass. Properties."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from slurm_hooks.batch import Batch, Program, Shape, Verifying, Visit
from slurm_hooks.record import Evidence, Outcome, Record
from slurm_hooks.verified import TRIES, Standing, Visited, judge

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
GOOD = {Outcome.PASS, Outcome.WARN}
CHECKS = ("a", "b", "c")

Found = Mapping[str, Outcome | None]
"""What each check of a visit ended as; None while it has not."""

VISITS = st.lists(
    st.dictionaries(
        st.sampled_from(CHECKS), st.none() | st.sampled_from(Outcome), min_size=1, max_size=3
    ),
    max_size=5,
)


def visited(number: int, found: Found, wanted: Sequence[str]) -> Visited:
    batch = Batch(
        id=f"20261121T120000Z-{number:08x}", token="t", cluster="lab", created_at=NOW,
        partition="background", shape=Shape(), time_limit_s=60, throttle=1,
        start_by=NOW + timedelta(minutes=30),
        programs=tuple(Program(name=one, argv=("true",), time_limit_s=1) for one in CHECKS),
        visits=(Visit(task=0, node="n1", checks=tuple(found)),),
        verifying=Verifying(entry="e", reservation="r", checks=tuple(wanted)),
    )  # fmt: skip
    records = {
        check: Record(
            cluster="lab", batch=batch.id, task=0, attempt=0, check=check, node="n1", job_id=1,
            token="t", evidence=Evidence.RUNNER, outcome=outcome, finished_at=NOW,
        )
        for check, outcome in found.items()
        if outcome is not None
    }  # fmt: skip
    return Visited(batch=batch, records=records)


def judged(visits: Sequence[Found], wanted: Sequence[str] = CHECKS) -> Standing:
    return judge([visited(n, one, wanted) for n, one in enumerate(visits)]).standing


@given(VISITS)
def test_passed_is_every_check_and_no_fail_and_nothing_under_way(visits: list[Found]) -> None:
    latest = {check: outcome for visit in visits for check, outcome in visit.items()}
    ended = all(None not in visit.values() for visit in visits)
    failed = any(Outcome.FAIL in visit.values() for visit in visits)
    good = all(latest.get(check) in GOOD for check in CHECKS)
    assert (judged(visits) is Standing.PASSED) is (ended and not failed and good)


@given(VISITS)
def test_a_fail_fails_as_soon_as_all_visits_ended(visits: list[Found]) -> None:
    if any(Outcome.FAIL in visit.values() for visit in visits):
        ended = all(None not in visit.values() for visit in visits)
        assert judged(visits) is (Standing.FAILED if ended else Standing.RUNNING)


@given(VISITS)
def test_no_more_than_three_visits_may_judge_nothing(visits: list[Found]) -> None:
    unjudged = sum(bool(set(visit.values()) - GOOD) for visit in visits)
    if judged(visits) is Standing.AGAIN:
        assert unjudged < TRIES


@given(VISITS)
def test_nothing_is_never_a_pass(visits: list[Found]) -> None:
    assert judged([]) is Standing.AGAIN
    assert judged(visits, wanted=()) is not Standing.PASSED
