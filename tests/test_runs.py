"""A run's numbers are those of a plain count, and what `runs` shows of them."""

import csv
import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.embedded import EmbeddedStore
from analytics.frame import frame, plan_frame
from analytics.ingest import ingest
from analytics.planned import COLUMNS as PLAN_COLUMNS
from analytics.planned import Planned, planned
from analytics.result import JUDGED, Result, result
from analytics.run import COLUMNS, Run, RunStatus
from analytics.run_question import WantedRuns, runs_question
from analytics.run_rows import RUNS
from analytics.tables import BATCHES
from slurm_hooks.batch import Batch, Submission
from slurm_hooks.record import Evidence, Outcome
from slurm_hooks.state import State
from tests.command_line import ROOT, Site, new_site
from tests.history_examples import CHECKS, NOW, batch, new_state, put, record

SUBMITTED = Submission(job_id=77, submitted_at=NOW - timedelta(minutes=50))
BROKEN = (Outcome.ERROR.value, Outcome.TIMEOUT.value, Outcome.NODE_FAIL.value)


def winners(rows: Iterable[Result]) -> list[Result]:
    """Of each result the highest revision, then of each visit a judged or the latest attempt."""
    results: dict[str, Result] = {}
    for one in rows:
        before = results.get(one.result_id)
        if before is None or one.revision > before.revision:
            results[one.result_id] = one
    visits: dict[tuple[str, str, int], Result] = {}
    for one in results.values():
        key = (one.batch, one.check_name, one.task)
        rank = (one.outcome in JUDGED, one.attempt)
        if key not in visits or rank > (visits[key].outcome in JUDGED, visits[key].attempt):
            visits[key] = one
    return [*visits.values()]


def jobs(rows: Iterable[Result]) -> list[dict[str, object]]:
    found = [(one.node, one.job_id, one.detail or one.outcome) for one in rows]
    return [dict(zip(("node", "job_id", "reason"), one, strict=True)) for one in sorted(found)]


def expected(rows: Sequence[Result], plans: Sequence[Planned]) -> list[Run]:
    """The definition of every run."""
    won = winners(rows)
    keys = {(one.batch, one.check_name) for one in won}
    keys |= {(one.batch, one.check_name) for one in plans}
    return [
        _run(
            [one for one in won if (one.batch, one.check_name) == key],
            [one for one in plans if (one.batch, one.check_name) == key],
        )
        for key in sorted(keys)
    ]


def _run(won: list[Result], plans: list[Planned]) -> Run:
    plan = max(plans, key=lambda one: one.submitted_at is not None) if plans else None
    counts = Counter(one.outcome for one in won)
    fails = [one for one in won if one.outcome == "fail"]
    errors = [one for one in won if one.outcome in BROKEN]
    if plan and plan.submitted_at is None:
        errors += [one for one in won if one.outcome == "not_started"]
    status = RunStatus.FAILED if fails else RunStatus.ERROR if errors else RunStatus.COMPLETE
    if plan and len(won) < plan.planned:
        status = RunStatus.IN_PROGRESS
    made = plan.created_at if plan else min(one.started_at or one.finished_at for one in won)
    began = plan.submitted_at or made if plan else made
    changed = max((one.finished_at for one in won), default=began)
    took = max(0.0, (changed - began).total_seconds())
    some = plan or won[0]
    return Run._make(
        (
            *(some.cluster, some.check_name, some.batch, f"cluster-doctor:{some.batch}"),
            *(status.value, plan.planned if plan else None, len(won)),
            *(counts[outcome.value] for outcome in Outcome),
            *(jobs(fails), jobs(errors)),
            *(made, plan.submitted_at if plan else None, changed),
            *(None if status is RunStatus.IN_PROGRESS else took, "background"),
            plan.job_id if plan else 0,
            sorted({*(plan.nodes if plan else ())} - {one.node for one in won}),
        )
    )


def asked(store: EmbeddedStore, wanted: WantedRuns | None = None) -> list[Run]:
    sql, bound = runs_question(wanted or WantedRuns(cluster="alpha"))
    return [Run._make(row) for row in store.query(sql, bound).iter_rows()]


def _delivered(number: int, task: int, check: str, attempt: int, *, runner: bool) -> Result:
    """The key decides the rest, as two records of one result differ only by their writer."""
    dice = random.Random(f"{number} {task} {check} {attempt} {runner}")
    unjudged = [one for one in Outcome if not one.judged]
    outcome = dice.choice([*Outcome] if runner else unjudged)
    made = record(
        batch(number),
        task,
        check,
        attempt=attempt,
        outcome=outcome,
        evidence=Evidence.RUNNER if runner else Evidence.SLURM,
        ago=timedelta(minutes=dice.randrange(70)),
        detail=dice.choice(["", "it says so"]),
    )
    return result(made, outcome, partition="background", now=NOW)


NUMBERS = st.integers(0, 2)
DELIVERIES = st.builds(
    _delivered,
    NUMBERS,
    st.integers(0, 3),
    st.sampled_from(CHECKS),
    st.integers(0, 2),
    runner=st.booleans(),
)
PLANS = st.builds(
    lambda number, taken: planned(batch(number), SUBMITTED if taken else None),
    NUMBERS,
    st.booleans(),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rounds=st.lists(st.lists(DELIVERIES, max_size=16) | PLANS, max_size=8), dice=st.randoms())
def test_the_view_is_a_plain_count_in_whatever_order_and_however_often_things_come(
    tmp_path_factory: pytest.TempPathFactory,
    rounds: list[list[Result] | list[Planned]],
    dice: random.Random,
) -> None:
    store = EmbeddedStore(tmp_path_factory.mktemp("history"))
    results: list[Result] = []
    plans: list[Planned] = []
    for one in [*rounds, *dice.sample(rounds, len(rounds) // 2)]:  # half of it comes again
        found = [row for row in one if isinstance(row, Result)]
        made = [row for row in one if isinstance(row, Planned)]
        if found:
            store.append(frame(found))
        if made:
            store.append(plan_frame(made), BATCHES)
        results += found
        plans += made
    try:
        assert asked(store) == expected(results, plans)
    finally:
        store.close()


def test_the_columns_are_the_fields_in_the_same_order(tmp_path: Path) -> None:
    assert tuple(PLAN_COLUMNS) == Planned._fields
    assert tuple(EmbeddedStore(tmp_path).query("SELECT * FROM runs").columns) == COLUMNS


def test_the_visits_view_judges_by_the_same_outcomes_as_the_records() -> None:
    text = (ROOT / "analytics/sql/visits.sql").read_text()
    assert f"outcome IN {JUDGED}" in text


def test_a_run_s_name_is_the_job_s(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    store.append(plan_frame(planned(batch(), None)), BATCHES)
    assert {run.name for run in asked(store)} == {batch().comment}


@pytest.fixture
def state(tmp_path: Path) -> State:
    return new_state(tmp_path)


def _ingest(state: State) -> list[Run]:
    store = EmbeddedStore(state.history)
    ingest(state, store, cluster="alpha", now=NOW)
    return asked(store)


def _open(state: State, of: Batch, submission: Submission | None = SUBMITTED) -> None:
    state.write_batch(of)
    if submission:
        state.write_submission(of.id, submission)


def test_a_batch_is_a_run_of_each_check_once_slurm_took_it(state: State) -> None:
    _open(state, batch(), None)
    assert _ingest(state) == []
    _open(state, batch())
    found = _ingest(state)
    assert [(run.check_name, run.status, run.planned) for run in found] == [
        ("memory", "InProgress", 4),
        ("storage", "InProgress", 4),
    ]
    assert found[0].submitted_at == SUBMITTED.submitted_at
    assert found[0].missing == ["n0", "n1", "n2", "n3"]


def test_a_batch_is_written_into_the_history_once(state: State) -> None:
    _open(state, batch())
    _ingest(state)
    put(state, record(batch()))
    _ingest(state)
    store = EmbeddedStore(state.history)
    assert store.query("SELECT count() FROM batches").item() == len(CHECKS)


def _all(of: Batch, outcome: Outcome, evidence: Evidence, state: State) -> None:
    visits = [(visit.task, check) for visit in of.visits for check in visit.checks]
    put(state, *(record(of, *one, outcome=outcome, evidence=evidence) for one in visits))


def test_a_batch_that_slurm_never_took_is_an_error_with_every_node_s_reason(state: State) -> None:
    _open(state, batch(), None)
    _all(batch(), Outcome.NOT_STARTED, Evidence.SLURM, state)
    for run in _ingest(state):
        assert (run.status, run.submitted_at, len(run.errored_jobs)) == ("Error", None, 4)


@pytest.mark.parametrize("outcome", [one for one in Outcome if not one.judged])
def test_only_what_broke_makes_an_error_and_not_what_gave_way(
    state: State, outcome: Outcome
) -> None:
    _open(state, batch())
    _all(batch(), outcome, Evidence.SLURM, state)
    status = "Error" if outcome.value in BROKEN else "Complete"
    assert {run.status for run in _ingest(state)} == {status}


def test_a_plan_comes_late_and_still_counts_when_its_batch_is_archived(state: State) -> None:
    """A sweep may archive a batch between another ingest's listing of the spool and its end."""
    _open(state, batch())
    put(state, record(batch()))
    state.close_batch(batch().id)
    found = _ingest(state)
    assert [(run.status, run.planned, run.ended) for run in found] == [
        ("InProgress", 4, 0),
        ("InProgress", 4, 1),
    ]


def test_a_batch_that_cannot_be_read_is_noted_and_the_others_are_recorded(state: State) -> None:
    _open(state, batch(0))
    _open(state, batch(1))
    (state.batches / batch(0).id / "batch.json").write_bytes(b"torn")
    store = EmbeddedStore(state.history)
    done = ingest(state, store, cluster="alpha", now=NOW)
    assert f"the plan of batch {batch(0).id} is not in the history" in done.notes[0]
    assert {run.batch for run in asked(store)} == {batch(1).id}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Two batches: the first ended with a fail and an error, the second is under way."""
    made = new_site(tmp_path_factory.mktemp("site"))
    old, new = batch(0), batch(1)
    _open(made.state, old)
    _open(made.state, new)
    put(made.state, *(record(old, task, "memory") for task in range(4)))
    put(made.state, *(record(old, task, "storage") for task in range(2)))
    put(made.state, record(old, 2, outcome=Outcome.FAIL, detail="\x1b[2Jread-only"))
    put(
        made.state,
        record(old, 3, outcome=Outcome.NODE_FAIL, evidence=Evidence.SLURM, detail="it died"),
        record(new, 0, outcome=Outcome.PREEMPTED, evidence=Evidence.SLURM),
    )
    ingest(made.state, EmbeddedStore(made.state.history), cluster="alpha", now=NOW)
    return made


OLD, NEW = batch(0).id, batch(1).id
WHY = r"n2: \x1b[2Jread-only; n3: it died"


def _lines(site: Site, *arguments: str) -> Sequence[str]:
    done = site.run("runs", *arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_each_check_s_last_run_is_shown(site: Site) -> None:
    assert _lines(site) == [
        "RUN                        CHECK    STATUS      VISITS  FOUND",
        f"{NEW}  memory   InProgress     0/4",
        f"{NEW}  storage  InProgress     1/4  1 preempted",
    ]


def test_every_run_is_shown_on_request(site: Site) -> None:
    assert _lines(site, "-a", "-n")[:2] == [
        f"{OLD}  memory   Complete    4/4  4 pass",
        f"{OLD}  storage  Failed      4/4  1 fail, 1 node_fail, 2 pass; {WHY}",
    ]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["-a"], ["0 memory", "0 storage", "1 memory", "1 storage"]),
        (["-a", "-r"], ["1 storage", "1 memory", "0 storage", "0 memory"]),
        (["-a", "-c", "memory"], ["0 memory", "1 memory"]),
        (["-a", "-s", "fail"], ["0 storage"]),
        (["-s", "fail"], []),
        (["-s", "preempted,fail"], ["1 storage"]),
        (["-N", "n3"], ["1 memory", "1 storage"]),
        (["-N", "n9"], []),
        (["-S", "2030-01-02T11:00:00"], ["0 memory", "0 storage", "1 memory", "1 storage"]),
        (["-S", "2030-01-02T11:00:01"], []),
        (["-E", "2030-01-02T10:59:59"], []),
        (["-E", "2030-01-02T11:00", "-c", "storage"], ["0 storage", "1 storage"]),
    ],
)
def test_options_choose_runs(site: Site, arguments: list[str], found: list[str]) -> None:
    lines = _lines(site, "-nP", "-o", "run,check", *arguments)
    assert [f"{int(line[17:25], 16)} {line[26:]}" for line in lines] == found


def test_one_run_is_shown_with_its_nodes_and_what_is_missing(site: Site) -> None:
    said = "1/4 visits: 1 preempted; submitted 2030-01-02T11:10:00, job 77"
    gap = " " * 47
    assert _lines(site, NEW, "-c", "storage") == [
        "NODE  CHECK    OUTCOME    FINISHED             DURATION   JOB  DETAIL",
        "n0    storage  preempted  2030-01-02T11:55:00      6.0s  4711",
        f"n1    storage  -{gap}no result yet",
        f"n2    storage  -{gap}no result yet",
        f"n3    storage  -{gap}no result yet",
        f"storage: InProgress; {said}",
    ]
    assert _lines(site, "cluster-doctor:" + OLD, "-P", "-o", "node,outcome", "-s", "fail") == [
        "NODE|OUTCOME",
        "n2|fail",
    ]


def test_programs_get_the_second_seed_s_fields(site: Site) -> None:
    found = json.loads("".join(_lines(site, "-a", "--json", "-c", "storage")))
    first = found[0]
    assert (first["run"], first["name"], first["status"]) == (OLD, batch().comment, "Failed")
    assert first["failed_jobs"] == [{"job_id": 4711, "node": "n2", "reason": "\x1b[2Jread-only"}]
    assert first["errored_jobs"] == [{"job_id": 4711, "node": "n3", "reason": "it died"}]
    assert first["submitted"] == "2030-01-02T11:10:00.000Z"
    assert first["changed"] == "2030-01-02T11:55:00.000Z"
    assert (first["duration"], first["pass"], first["fail"]) == (2700.0, 2, 1)
    assert found[1]["missing"] == ["n1", "n2", "n3"]
    rows = [*csv.DictReader(_lines(site, "-a", "--csv", "-c", "storage"))]
    assert json.loads(rows[0]["failed_jobs"]) == first["failed_jobs"]


def test_a_run_that_is_not_there_is_named(site: Site) -> None:
    done = site.run("runs", batch(9).id, "-c", "cpu")
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"the history has no run {batch(9).id} of cpu" in done.stderr


def test_a_new_state_directory_has_no_runs_and_that_is_no_error(tmp_path: Path) -> None:
    assert _lines(new_site(tmp_path)) == ["RUN  CHECK  STATUS  VISITS  FOUND"]


def test_the_fields_are_listed_and_each_reads_well(site: Site) -> None:
    assert len(_lines(site, "-e")) == len(RUNS)
    every = ",".join(field.name for field in RUNS)
    for line in _lines(site, "-a", "-nP", "-o", every):
        assert line.count("|") == len(RUNS) - 1
