"""How long a visit may wait, and a batch live; why it was given up stands in its results."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from checks.catalogue import Catalogue
from slurm_hooks.batch import dump_batch, load_batch
from slurm_hooks.errors import ConfigError, SlurmError
from slurm_hooks.record import Evidence, Outcome, Record
from slurm_hooks.settings import parse_settings
from slurm_hooks.slurm_text import Node, Task
from slurm_hooks.waiting import THROTTLED, why_give_up
from tests.evidence import BATCH
from tests.fakes.slurm import FakeSlurm
from tests.test_sweep import CHECKS, NODES, PROVEN, World, definition

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "state")


def details(world: World, node: str) -> set[tuple[str, str]]:
    found = world.store.query("SELECT node, outcome, detail FROM history")
    return {(outcome, detail) for name, outcome, detail in found.iter_rows() if name == node}


def change(world: World, name: str, **changes: object) -> None:
    place = next(n for n, node in enumerate(world.slurm.node_list) if node.name == name)
    old = world.slurm.node_list[place]
    world.slurm.node_list[place] = replace(old, **changes)  # type: ignore[arg-type]  # the test's own


def throttle(world: World) -> None:
    """Give waiting tasks the reason that slurmctld does."""
    for key, task in world.slurm.tasks.items():
        if task.pending and not task.held_by_us:
            world.slurm.tasks[key] = replace(task, reason=THROTTLED)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"state": "ALLOCATED"}, "jobs run on it (ALLOCATED)"),
        ({"state": "MIXED"}, "jobs run on it (MIXED)"),
        ({"state": "DOWN", "reason": "Not responding"}, "Slurm shows DOWN: Not responding"),
        ({"flags": frozenset({"DRAIN"}), "reason": "bad fan"}, "drained: bad fan"),
        ({"flags": frozenset({"RESERVED"})}, "it is reserved"),
        ({"flags": frozenset({"MAINTENANCE", "RESERVED"})}, "it is in a maintenance reservation"),
        ({"flags": frozenset({"PLANNED"})}, "a waiting job is about to get it"),
        ({"flags": frozenset({"NOT_RESPONDING"})}, "it does not respond"),
        ({"flags": frozenset({"REBOOT_ISSUED"})}, "Slurm shows IDLE+REBOOT_ISSUED"),
    ],
)
def test_a_visit_whose_node_is_lost_is_given_up_and_its_results_say_why(
    world: World, changes: dict[str, object], why: str
) -> None:
    world.sweep()
    change(world, "n0", **changes)
    assert len(world.sweep().advanced.cancelled) == 1
    world.sweep()
    assert details(world, "n0") == {("not_started", f"the node was no longer free: {why}")}


def test_a_visit_that_slurm_could_start_and_does_not_is_given_up_after_the_pending_limit(
    world: World,
) -> None:
    world.sweep()
    world.slurm.pass_time(5 * MINUTE - timedelta(seconds=1))
    assert world.sweep().advanced.cancelled == []
    world.slurm.pass_time(timedelta(seconds=1))
    assert len(world.sweep().advanced.cancelled) == len(NODES)
    world.sweep()
    assert details(world, "n0") == {
        ("not_started", "Slurm did not start it within 5m, though its node was free (None)")
    }


def test_a_visit_whose_turn_has_not_come_waits_for_the_queue_limit(world: World) -> None:
    world.sweep()
    throttle(world)
    world.slurm.pass_time(29 * MINUTE)
    assert world.sweep().advanced.cancelled == []
    world.slurm.pass_time(MINUTE)
    assert len(world.sweep().advanced.cancelled) == len(NODES)
    world.sweep()
    assert details(world, "n3") == {
        (
            "not_started",
            "its turn did not come within its queue time of 30m (JobArrayTaskLimit)",
        )
    }


def test_the_pending_limit_counts_from_the_last_start_or_end_in_the_array(world: World) -> None:
    """Until then the others may have waited for their turn."""
    world.sweep()
    started = list(world.slurm.start())
    throttle(world)
    world.slurm.pass_time(4 * MINUTE)
    for batch, task in started:
        world.run_visit(batch, task, Outcome.PASS)
    for key, task in world.slurm.tasks.items():
        if task.pending:
            world.slurm.tasks[key] = replace(task, reason="Priority")
    world.slurm.pass_time(4 * MINUTE)
    assert world.sweep().advanced.cancelled == []
    world.slurm.pass_time(MINUTE)
    assert len(world.sweep().advanced.cancelled) == len(NODES) - len(started)


def test_the_pending_limit_counts_from_when_the_node_came_free(world: World) -> None:
    world.sweep()
    world.slurm.pass_time(4 * MINUTE)
    change(world, "n1", last_busy_at=world.slurm.now)
    world.slurm.pass_time(MINUTE)
    assert len(world.sweep().advanced.cancelled) == len(NODES) - 1
    assert [key[1] for key, task in world.slurm.tasks.items() if task.pending] == [1]


@pytest.mark.parametrize("reason", ["None", "Priority", "Resources", "JobHeldAdmin", "Licenses"])
def test_any_other_reason_of_slurms_is_kept_in_the_result(reason: str) -> None:
    task = Task(job_id=5, array_job_id=5, task=0, state="PENDING", reason=reason)
    late = BATCH.created_at + 10 * MINUTE
    why = why_give_up(task, BATCH, taken=None, movable_since=[BATCH.created_at], now=late)
    assert why is not None
    assert f"({reason})" in why


def test_what_is_left_of_an_old_batch_is_cancelled_and_settled(world: World) -> None:
    world.sweep()
    started = list(world.slurm.start())
    throttle(world)
    world.slurm.pass_time(timedelta(hours=4))
    done = world.sweep()
    assert len(done.advanced.cancelled) == 1
    assert all(task.ended for key, task in world.slurm.tasks.items() if key[0] == 100)
    world.sweep()
    ran = {task.node for _, task in started}
    for node in NODES:
        outcomes = {outcome for outcome, _ in details(world, node)}
        assert outcomes == ({"cancelled", "not_started"} if node in ran else {"not_started"})
        assert all("its batch was over 4h old" in detail for _, detail in details(world, node))


def test_an_old_batch_does_not_wait_for_the_accounting(world: World) -> None:
    world.sweep()
    world.slurm.lose_state()

    class Silent(FakeSlurm):
        def accounting(self, user: str, since: datetime) -> list[Task]:
            raise SlurmError(f"sacct: no answer about {user} since {since}")

    world.slurm.__class__ = Silent
    assert world.sweep().collected.settled == 0
    world.slurm.pass_time(timedelta(hours=4))
    assert world.sweep().collected.settled == len(NODES) * len(CHECKS)


def with_timeouts(world: World, **own: Mapping[str, str]) -> None:
    found = tuple(definition(name, timeouts=own.get(name, {})) for name in CHECKS)
    world.sweeper = replace(world.sweeper, catalogue=Catalogue(definitions=found, sources={}))


@pytest.mark.parametrize(
    ("cpu", "storage", "queue", "pending"),
    [
        ({}, {}, 30, 5),
        ({"queue": "10m", "pending": "2m"}, {}, 10, 2),
        ({"queue": "10m", "pending": "2m"}, {"queue": "9m", "pending": "1m"}, 9, 1),
        ({"queue": "2h", "pending": "1h"}, {}, 30, 5),
        ({"queue": "2h", "pending": "1h"}, {"queue": "1h", "pending": "10m"}, 60, 10),
        ({"queue": "9h"}, {"queue": "8h"}, 4 * 60 - 20, 5),
    ],
)
def test_a_batch_has_the_least_of_its_checks_limits_and_always_time_for_its_visits(
    world: World, cpu: dict[str, str], storage: dict[str, str], queue: int, pending: int
) -> None:
    """A check without one has the settings'; batch_limit less visit_budget is the most."""
    with_timeouts(world, cpu=cpu, storage=storage)
    world.sweep()
    [batch] = [world.state.read_batch(one) for one in world.state.open_batches()]
    assert batch.start_by - batch.created_at == queue * MINUTE
    assert batch.pending_limit_s == pending * 60


def test_a_check_with_less_time_to_wait_is_given_up_sooner_and_fewer_visits_are_planned(
    world: World,
) -> None:
    """Two visits of 2.5 minutes at once: in 4 minutes two can start, not four."""
    with_timeouts(world, cpu={"queue": "4m"})
    assert sum(len(one.visits) for one in world.sweep().plan.batches) == 2
    throttle(world)
    world.slurm.pass_time(4 * MINUTE)
    assert len(world.sweep().advanced.cancelled) == 2
    world.sweep()
    assert details(world, "n0") == {
        ("not_started", "its turn did not come within its queue time of 4m (JobArrayTaskLimit)")
    }


def test_a_batch_that_an_earlier_version_wrote_has_the_default_limits() -> None:
    old = json.loads(dump_batch(BATCH))
    del old["pending_limit_s"], old["age_limit_s"]
    assert load_batch(json.dumps(old).encode()) == BATCH


def test_a_batch_limit_under_which_no_visit_could_end_is_refused(tmp_path: Path) -> None:
    text = f'cluster = "lab"\nstate_dir = "{tmp_path}"\nlog_dir = "{tmp_path}"\n'
    with pytest.raises(ConfigError, match=r"batch_limit.*50m"):
        parse_settings(f'{text}batch_limit = "50m"\n', tmp_path / "settings.toml")
    parse_settings(f'{text}batch_limit = "51m"\n', tmp_path / "settings.toml")


def forged(world: World, task: Task) -> Record:
    """A pass with the batch's token for a visit that never was."""
    batch = world.slurm.batches[task.array_job_id]
    visit = next(one for one in batch.visits if one.task == task.task)
    return Record(
        cluster="lab", batch=batch.id, task=visit.task, attempt=0, check="cpu", node=visit.node,
        job_id=task.job_id, token=batch.token, evidence=Evidence.RUNNER, outcome=Outcome.PASS,
        detail="trust me", started_at=world.slurm.now, finished_at=world.slurm.now,
    )  # fmt: skip


def end_without_a_start(world: World) -> Task:
    world.sweep()
    key = min(world.slurm.tasks)
    world.slurm.end(key, "DEADLINE")
    return world.slurm.tasks[key]


def conflicted(world: World) -> None:
    task = end_without_a_start(world)
    world.state.write_record(forged(world, task))


def test_a_pass_that_slurm_contradicts_is_an_error_with_both_sides(world: World) -> None:
    conflicted(world)
    world.sweep()
    found = dict(details(world, "n0"))
    assert set(found) == {"error", "not_started"}
    assert "trust me" in found["error"]
    assert "it never started (DEADLINE)" in found["error"]
    told = world.store.query("SELECT count() FROM results WHERE outcome = 'pass'")
    assert told.item() == 1  # kept, and overruled
    last = world.sweeper.history.last()["n0", "cpu"]
    assert (last.judged, last.attempt) == (None, Outcome.ERROR)


def test_a_contradiction_is_found_after_somebody_ran_ingest_too(world: World) -> None:
    conflicted(world)
    world.ingest(world.slurm.now)
    assert dict(details(world, "n0")) == {"pass": "trust me"}
    world.sweep()
    found = dict(details(world, "n0"))
    assert set(found) == {"error", "not_started"}
    assert "trust me" in found["error"]
    assert "it never started (DEADLINE)" in found["error"]
    assert world.sweeper.history.last()["n0", "cpu"].judged is None
    world.sweep()
    assert not [*world.state.aside.iterdir()]


def test_a_batch_whose_last_results_came_by_hand_is_archived_once_a_sweep_compared_them(
    world: World,
) -> None:
    world.sweep()
    world.run_visits()
    world.ingest(world.slurm.now)
    assert len(world.state.open_batches()) == 1
    world.sweep()
    assert world.state.open_batches() == []
    assert world.rows() == PROVEN


def test_what_a_runner_writes_while_a_sweep_looks_at_slurm_waits_for_the_next_one(
    world: World,
) -> None:
    """Nobody has held it against Slurm's word yet."""
    task = end_without_a_start(world)
    record = forged(world, task)

    class Slow(FakeSlurm):
        def accounting(self, user: str, since: datetime) -> list[Task]:
            world.state.write_record(record)
            return super().accounting(user, since)

    world.slurm.pass_time(6 * MINUTE)  # slurmctld has forgotten it, and sacct is asked
    world.slurm.__class__ = Slow
    world.sweep()
    assert details(world, "n0") == {("not_started", "the node did not come free in time")}
    world.slurm.__class__ = FakeSlurm
    world.sweep()
    found = dict(details(world, "n0"))
    assert "trust me" in found["error"]
    assert "it never started (DEADLINE)" in found["error"]


def test_the_only_task_of_an_array_is_known_even_where_squeue_forgets_its_number(
    world: World,
) -> None:
    """It does once the task was cancelled before it started."""
    only = Node(name="n0", state="IDLE", partitions=("main", "background"))
    world.slurm.node_list[:] = [only]
    task = end_without_a_start(world)
    key = (task.array_job_id, 0)
    world.slurm.tasks[key] = replace(task, task=None, state="CANCELLED")
    world.sweep()
    assert details(world, "n0") == {("not_started", "the visit was cancelled before it started")}


def test_a_contradicted_record_that_comes_again_is_set_aside(world: World) -> None:
    task = end_without_a_start(world)
    record = forged(world, task)
    world.state.write_record(record)
    world.sweep()
    world.state.write_record(record)
    warnings = world.sweep().collected.warnings
    assert any("contradicts Slurm's word" in one for one in warnings)
    assert world.sweeper.history.last()["n0", "cpu"].judged is None


def test_a_second_record_with_another_outcome_makes_an_error_of_both(world: World) -> None:
    world.sweep()
    batch, task = next(iter(world.slurm.start()))
    world.state.write_record(forged(world, task))
    world.ingest(world.slurm.now)
    world.state.write_record(replace(forged(world, task), outcome=Outcome.FAIL, detail="no"))
    world.sweep()
    assert batch.visits[0].node == "n0"
    assert [outcome for outcome, _ in details(world, "n0")] == ["error"]
    assert world.sweeper.history.last()["n0", "cpu"].judged is None


def test_a_judgement_before_a_preemption_stands(world: World) -> None:
    world.sweep()
    _, task = next(iter(world.slurm.start()))
    world.state.write_record(forged(world, task))
    world.slurm.end((task.array_job_id, task.task or 0), "PREEMPTED")
    world.run_visits()
    world.sweep()
    expected = [row for row in PROVEN if row != ("n0", "storage", "pass")]
    assert world.rows() == sorted([*expected, ("n0", "storage", "preempted")])
