"""Visits that are jobs of their own: chosen in turn, never more than may run, killed anywhere."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from checks.catalogue import Catalogue
from checks.definition_file import DefinitionFile, parse_definition
from checks.eligible import Verdict
from checks.ondemand import start
from checks.partitions import check_single_partition
from slurm_hooks.batch import Mode
from slurm_hooks.errors import ConfigError
from slurm_hooks.record import Outcome
from slurm_hooks.slurm_text import Partition
from tests.fakes.crash import CrashPoint
from tests.fakes.slurm import PARTITIONS
from tests.test_sweep import NODES, World, definition, fresh, half_run, kill_and_recover, settings


def in_mode(world: World, mode: str, max_jobs: int = 0, *, both: bool = False) -> World:
    """Give storage, or *both* checks, another mode."""
    changes = {"mode": mode, "max_jobs": max_jobs}
    found = tuple(
        definition(name).model_copy(update=changes if both or name == "storage" else {})
        for name in ("cpu", "storage")
    )
    world.sweeper = replace(world.sweeper, catalogue=Catalogue(definitions=found, sources={}))
    world.slurm.node_list = [
        replace(node, partitions=("main", "background", "hidden")) for node in world.slurm.node_list
    ]
    return world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "state")


def submitted(world: World) -> Counter[tuple[str, str]]:
    """How many visits each mode has under way, and where."""
    return Counter(
        (batch.shape.mode.value, batch.partition)
        for one in world.state.open_batches()
        for batch in [world.state.read_batch(one)]
        for _ in batch.visits
    )


def until_nothing_is_due(world: World) -> int:
    for number in range(1, 20):
        world.sweep()
        if not world.run_visits():
            return number
    raise AssertionError("never ends")


def test_jobs_are_one_for_each_node_and_no_more_than_may_run(world: World) -> None:
    in_mode(world, "jobs", both=True)
    done = world.sweep()
    assert submitted(world) == {("jobs", "hidden"): 2}
    assert len({task.array_job_id for task in world.slurm.tasks.values()}) == 2
    assert Counter(one.verdict for one in done.plan.nodes) == {
        Verdict.DUE: 2,
        Verdict.OVER_LIMIT: 2,
    }
    until_nothing_is_due(world)
    assert world.rows() == [(node, check, "pass") for node in NODES for check in ("cpu", "storage")]


def test_one_job_is_the_stalest_nodes_and_the_others_do_not_wait_behind_it(world: World) -> None:
    """Its turn does not keep other nodes from their other checks."""
    in_mode(world, "job")
    world.sweep()
    assert submitted(world)[("job", "hidden")] <= 1
    until_nothing_is_due(world)
    assert world.rows() == [(node, check, "pass") for node in NODES for check in ("cpu", "storage")]
    first = [world.state.read_batch(path.name) for path in sorted(world.state.archive.iterdir())]
    assert [len(batch.visits) for batch in first if batch.shape.mode is Mode.JOB] == [1] * 4


def test_a_node_out_of_turn_says_so(world: World) -> None:
    in_mode(world, "job", both=True)
    done = world.sweep()
    assert [one.verdict for one in done.plan.nodes] == [Verdict.DUE, *[Verdict.OVER_LIMIT] * 3]
    assert "at most 1 at once" in done.plan.nodes[3].detail
    assert world.sweep().plan.batches == ()


def test_max_jobs_holds_over_sweeps_and_in_an_array_too(world: World) -> None:
    in_mode(world, "array", 1, both=True)
    for _ in range(2):
        world.sweep()
        assert submitted(world) == {("array", "background"): 1}
    until_nothing_is_due(world)
    assert {node for node, *_ in world.rows()} == set(NODES)


def test_a_node_that_only_errs_does_not_keep_the_turn(world: World) -> None:
    in_mode(world, "job", both=True)
    world.sweep()
    world.run_visits(Outcome.ERROR)
    world.slurm.now += timedelta(minutes=5)
    done = world.sweep()
    assert [one.node for one in done.plan.nodes if one.verdict is Verdict.DUE] == ["n1"]


def test_a_node_outside_the_partition_for_single_jobs_is_not_visited_by_them(world: World) -> None:
    in_mode(world, "jobs", both=True)
    world.slurm.node_list[0] = replace(world.slurm.node_list[0], partitions=("main", "background"))
    asked = start(
        world.sweeper, {"n0": frozenset({"cpu"})}, patient=False, clock=lambda: world.slurm.now
    )
    assert [one.why for one in asked.asked.left_out] == ["not for it: is not in partition hidden"]
    until_nothing_is_due(world)
    assert {node for node, *_ in world.rows()} == {"n1", "n2", "n3"}


@pytest.mark.parametrize("before", [fresh, half_run])
def test_a_sweep_killed_at_any_effect_submits_each_job_once(before: object, tmp_path: Path) -> None:
    def killed(name: str, point: CrashPoint) -> World:
        world = in_mode(World(tmp_path / name), "jobs", both=True)
        kill_and_recover(world, point, before)  # type: ignore[arg-type]
        return world

    expected = killed("undisturbed", CrashPoint()).rows()
    for number in count():
        point = CrashPoint(at=number)
        world = killed(f"killed-{number}", point)
        assert world.rows() == expected, f"killed before effect {number}: {point.effects}"
        assert world.state.open_batches() == []
        if len(point.effects) < number:
            break
    assert number >= 8


@pytest.mark.parametrize(
    ("partitions", "message"),
    [
        (PARTITIONS[:2], "no partition 'hidden'"),
        (
            [*PARTITIONS, Partition(name="low", priority_tier=20, preempt_mode="REQUEUE")],
            "could preempt jobs in low",
        ),
    ],
)
def test_a_partition_that_would_preempt_users_is_refused(
    partitions: list[Partition], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        check_single_partition(settings(tmp_path), partitions)
    assert "mode: array" in str(caught.value)
    check_single_partition(settings(tmp_path), PARTITIONS)


@pytest.mark.parametrize(
    ("written", "mode"),
    [
        ("", "array"),
        ("mode: job", "job"),
        ("eachWorkerJobArray: true", "array"),
        ("eachWorkerJobs: true\nmaxNumberOfJobs: 3", "jobs"),
        ("eachWorkerJobs: true\neachWorkerJobArray: false", "jobs"),
        ("eachWorkerJobs: false", "job"),
    ],
)
def test_modes_of_active_checks_are_read_as_ours(written: str, mode: str) -> None:
    text = f"name: x\ndescription: x\ncommand: [x]\nmax_age: 1d\n{written}\n"
    found = parse_definition(text.encode(), Path("x.yaml"))
    assert isinstance(found, DefinitionFile)
    assert found.definition.mode == mode
    assert found.definition.max_jobs == (3 if "maxNumber" in written else 0)


@pytest.mark.parametrize(
    "written",
    ["eachWorkerJobs: true\neachWorkerJobArray: true", "eachWorkerJobs: true\nmode: jobs",
     "eachWorkerJobs: 1"],
)  # fmt: skip
def test_modes_that_contradict_each_other_are_refused(written: str) -> None:
    text = f"name: x\ndescription: x\ncommand: [x]\nmax_age: 1d\n{written}\n"
    with pytest.raises(ConfigError, match="eachWorkerJobs"):
        parse_definition(text.encode(), Path("x.yaml"))
