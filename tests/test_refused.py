"""A batch that Slurm will not take keeps no other up, and is tried again until its time is over."""

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from checks.catalogue import Catalogue
from checks.ondemand import Started, start
from slurm_hooks.batch import Batch, Visit
from slurm_hooks.errors import UnreachableError
from tests.fakes.slurm import FakeSlurm
from tests.test_sweep import NODES, PROVEN, World, definition

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """storage's visits are jobs of their own, in another partition than cpu's."""
    made = World(tmp_path / "state")
    found = (definition("cpu"), definition("storage", mode="jobs"))
    settings = replace(made.settings, max_concurrent_visits=8)
    made.sweeper = replace(
        made.sweeper, settings=settings, catalogue=Catalogue(definitions=found, sources={})
    )
    made.slurm.node_list = [
        replace(node, partitions=("main", "background", "hidden")) for node in made.slurm.node_list
    ]
    return made


def visit_in_turn(world: World) -> None:
    """Let every visit run that can, and every batch that Slurm takes be submitted."""
    for _ in range(3):
        world.sweep()
        world.run_visits()
    world.sweep()


def test_the_batches_after_a_refused_one_are_submitted_all_the_same(world: World) -> None:
    world.slurm.closed = {"background"}
    done = world.sweep()
    assert [*done.advanced.refused.values()] == [
        "Required partition not available (inactive or drain)"
    ]
    world.slurm.node_list.append(replace(world.slurm.node_list[0], name="n9"))
    catalogue = Catalogue(definitions=world.sweeper.catalogue.definitions[1:], sources={})
    made = world.sweeper
    world.sweeper = replace(made, catalogue=catalogue)
    later = world.sweep()
    world.sweeper = made
    assert len(later.advanced.refused) == len(later.advanced.submitted) == 1
    assert world.run_visits() == 1
    world.slurm.closed = set()
    visit_in_turn(world)
    assert {row for row in world.rows() if row[0] != "n9"} == set(PROVEN)


def test_the_heartbeat_names_a_refused_batch_with_slurms_reason(world: World) -> None:
    world.slurm.closed = {"background"}
    world.sweep()
    [batch] = world.state.open_batches()
    warnings = json.loads(world.state.heartbeat.read_text())["warnings"]
    assert len(warnings) == 1
    assert batch in warnings[0]
    assert "inactive or drain" in warnings[0]


def test_a_refused_batch_is_tried_until_its_time_is_over_and_its_results_say_so(
    world: World,
) -> None:
    world.slurm.closed = {"background"}
    world.sweep()
    world.slurm.pass_time(29 * MINUTE)
    assert len(world.sweep().advanced.refused) == 1
    world.slurm.pass_time(MINUTE)
    world.sweep()
    assert Counter(world.rows()) == Counter((node, "cpu", "not_started") for node in NODES)


def test_what_slurm_takes_of_a_batch_of_jobs_runs_and_the_rest_is_tried_again(
    world: World,
) -> None:
    catalogue = Catalogue(definitions=world.sweeper.catalogue.definitions[1:], sources={})
    world.sweeper = replace(world.sweeper, catalogue=catalogue)
    world.slurm.most_jobs = 3
    assert len(world.sweep().advanced.refused) == 1
    assert len(world.slurm.tasks) == 3
    assert world.run_visits() == 3
    done = world.sweep()
    assert not done.advanced.refused
    assert world.run_visits() == 1
    world.sweep()
    assert world.rows() == [(node, "storage", "pass") for node in NODES]
    assert len(world.slurm.tasks) == len(NODES)
    assert world.state.open_batches() == []


def test_whoever_asked_for_visits_is_told_of_their_refusal_and_not_of_another(world: World) -> None:
    world.slurm.closed = {"background"}
    world.sweep()
    world.slurm.node_list.append(replace(world.slurm.node_list[0], name="n9"))
    world.slurm.node_list.append(replace(world.slurm.node_list[0], name="n8"))

    def ask(node: str, check: str) -> Started:
        wanted = {node: frozenset({check})}
        return start(world.sweeper, wanted, patient=False, clock=lambda: world.slurm.now)

    own = ask("n9", "cpu")
    assert (own.batch_ids, len(own.refused), len(own.advanced.refused)) == ((), 1, 2)
    other = ask("n8", "storage")
    assert (len(other.batch_ids), other.refused) == (1, {})


def test_where_slurmctld_does_not_answer_no_further_batch_is_tried(world: World) -> None:
    tried = []

    class Dying(FakeSlurm):
        def submit(self, batch: Batch, script: str, visit: Visit | None = None) -> int:
            tried.append((batch.id, bool(script), visit))
            raise UnreachableError("sbatch: no answer in 60 s; is slurmctld up?")

    world.slurm.closed = {"background"}
    world.sweep()
    world.slurm.node_list.append(replace(world.slurm.node_list[0], name="n9"))
    world.slurm.__class__ = Dying
    with pytest.raises(UnreachableError, match="is slurmctld up"):
        world.sweep()
    assert len(world.state.open_batches()) == 2
    assert len(tried) == 1
