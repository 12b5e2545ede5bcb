"""A clock that is stepped by an hour, at the sweep's host alone or everywhere: nothing is lost."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from checks.sweep import sweep
from slurm_hooks.record import Outcome
from tests.test_sweep import CHECKS, NODES, World

HOUR = timedelta(hours=1)
GRACE = timedelta(seconds=60)


class Skewed(World):
    """A world whose sweeps read another clock than its slurmctld."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.skew = timedelta(0)
        self.sweeper = replace(self.sweeper, settings=replace(self.settings, record_grace=GRACE))

    def tick(self) -> None:
        """Five minutes later cron starts a sweep; before it visits may start."""
        self.run_visits()
        self.slurm.now += timedelta(minutes=5)
        sweep(self.sweeper, clock=lambda: self.slurm.now + self.skew)

    def planned(self) -> Counter[tuple[str, int, str]]:
        paths = [*self.state.batches.iterdir(), *self.state.archive.iterdir()]
        return Counter(
            (path.name, visit.task, check)
            for path in paths
            for visit in self.state.read_batch(path.name).visits
            for check in visit.checks
        )

    def recorded(self) -> Counter[tuple[str, int, str]]:
        found = self.store.query("SELECT batch, task, check_name FROM history")
        return Counter(
            (str(batch), int(task), str(check)) for batch, task, check in found.iter_rows()
        )


def stage_nothing(world: Skewed) -> None:
    """Nothing was done before."""


def stage_waiting(world: Skewed) -> None:
    """All is submitted, and nothing has started."""
    world.tick()


def stage_preempted(world: Skewed) -> None:
    """All ended just now without a word of their runners."""
    world.tick()
    while started := list(world.slurm.start()):
        for _, task in started:
            world.slurm.end((task.array_job_id, task.task or 0), "PREEMPTED")


def stage_done(world: Skewed) -> None:
    """All passed just now."""
    world.tick()
    world.run_visits(Outcome.PASS)


@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forward", "back"])
@pytest.mark.parametrize("everywhere", [True, False], ids=["everywhere", "sweeps-alone"])
@pytest.mark.parametrize("stage", [stage_nothing, stage_waiting, stage_preempted, stage_done])
def test_a_stepped_clock_loses_nothing_and_holds_nothing_up(
    stage: Callable[[Skewed], None], step: timedelta, tmp_path: Path, *, everywhere: bool
) -> None:
    world = Skewed(tmp_path / "state")
    stage(world)
    if everywhere:
        world.slurm.now += step
    else:
        world.skew = step
    for _ in range(3):
        world.tick()
    assert world.recorded() == world.planned()
    assert world.state.open_batches() == []
    passed = {(node, check) for node, check, outcome in world.rows() if outcome == "pass"}
    assert passed == {(node, check) for node in NODES for check in CHECKS}
