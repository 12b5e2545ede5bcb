"""What only slurmdbd knows stays open while it is down, and ends explained once it is back."""

from datetime import timedelta
from pathlib import Path

from slurm_hooks.errors import SlurmError
from slurm_hooks.slurm_text import Task
from tests.fakes.slurm import FakeSlurm
from tests.test_sweep import CHECKS, NODES, World


class WithoutAccounting(FakeSlurm):
    """slurmctld answers, slurmdbd does not."""

    def accounting(self, user: str, since: object) -> list[Task]:  # noqa: ARG002
        raise SlurmError("sacct: exit 1: Connection refused")


def test_forgotten_visits_are_told_as_open_until_the_accounting_answers(tmp_path: Path) -> None:
    world = World(tmp_path / "state")
    world.sweep()
    while started := list(world.slurm.start()):
        for _, task in started:
            world.slurm.end((task.array_job_id, task.task or 0), "TIMEOUT")
    world.slurm.pass_time(timedelta(hours=2))  # slurmctld has forgotten them
    world.slurm.__class__ = WithoutAccounting
    down = world.sweep()
    assert down.collected.warnings == ("sacct: exit 1: Connection refused",)
    assert world.rows() == []
    assert len(world.state.open_batches()) == 1
    world.slurm.__class__ = FakeSlurm
    world.sweep()
    ended = {(node, outcome) for node, check, outcome in world.rows() if check == CHECKS[0]}
    assert ended == {(node, "timeout") for node in NODES}
