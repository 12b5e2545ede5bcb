"""The reactor against a slurmctld that goes away at the worst moment, and an admin who is quick."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from slurm_hooks.errors import SlurmError
from slurm_hooks.journal import What
from slurm_hooks.node_control import NodeCommands
from slurm_hooks.reaction import Reacting
from slurm_hooks.reactor import Reacted, react
from slurm_hooks.record import Outcome
from tests.conftest import MakeLab
from tests.lab import Lab
from tests.node_walls import STAYS_DOWN, NodeLab
from tests.reactions import COMMENT, DRAIN, ROOM, UNDRAIN, Clinic, clinic

pytestmark = pytest.mark.lab

DRAINS = Reacting(on_fail=(DRAIN,), on_pass=(UNDRAIN,))
MANY = ROOM + "suspect = '100%'\n"


@pytest.fixture(scope="module")
def there(make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeLab]:
    with make_lab(nodes=2, idle_nodes=500, extra=STAYS_DOWN) as lab:
        lab.up()
        yield NodeLab(lab, tmp_path_factory.mktemp("walls"))


@dataclass
class Between:
    """The real wall, with something happening right before or after one of its calls."""

    wall: NodeCommands
    call: str
    what: Callable[[], None]
    after: bool = False

    def __getattr__(self, name: str) -> object:
        found = getattr(self.wall, name)
        if name != self.call:
            return found

        def called(*arguments: object) -> object:
            if not self.after:
                self.what()
            result = found(*arguments)
            if self.after:
                self.what()
            return result

        return called


def run(world: Clinic, control: object) -> Reacted:
    return react(replace(world.reactor(), control=control))  # type: ignore[arg-type]


def restart(lab: Lab) -> None:
    lab.slurmctld.stop()
    start(lab)


def start(lab: Lab) -> None:
    lab.slurmctld.start()
    lab.wait_for(
        lambda: all(lab.states()[node].startswith("idle") for node in lab.nodes), 30, "the nodes"
    )


@pytest.mark.parametrize("after", [False, True])
def test_slurmctld_restarts_around_the_act_and_the_drain_is_there_once(
    there: NodeLab, tmp_path: Path, after: bool
) -> None:
    world, node = clinic(tmp_path, more=MANY), there.lab.nodes[0]
    world.result(node, Outcome.FAIL, DRAINS)
    run(world, Between(there.wall(), "drain", lambda: restart(there.lab), after=after))
    found = there.wall().some_nodes([node])[0]
    assert found.reason.startswith("gpu: gpu-xid: Xid 79")
    assert run(world, there.wall()).lines == ()
    assert there.wall().some_nodes([node])[0] == found
    there.wall().undrain([node])


def test_slurmctld_is_gone_between_the_decision_and_the_act(there: NodeLab, tmp_path: Path) -> None:
    world, node = clinic(tmp_path, more=MANY), there.lab.nodes[0]
    world.result(node, Outcome.FAIL, DRAINS)
    gone = Between(there.wall(), "some_nodes", there.lab.slurmctld.stop)
    try:
        assert run(world, gone).problems
        with pytest.raises(SlurmError):
            run(world, there.wall())
    finally:
        start(there.lab)
    run(world, there.wall())
    assert there.wall().some_nodes([node])[0].reason.startswith("gpu: gpu-xid")
    there.wall().undrain([node])


def test_a_slurmctld_killed_before_it_saved_is_told_again(there: NodeLab, tmp_path: Path) -> None:
    world, lab = clinic(tmp_path, more=MANY), there.lab
    node = lab.nodes[0]
    saved = [lab.layout.controller / name for name in ("node_state", "node_state.old")]
    lab.slurmctld.stop()
    before = {path: path.read_bytes() for path in saved if path.exists()}
    start(lab)
    world.now = datetime.now(UTC)
    world.result(node, Outcome.FAIL, DRAINS)
    run(world, there.wall())
    reason = there.wall().some_nodes([node])[0].reason
    wait_for_the_next_second()
    lab.slurmctld.kill()
    for path, data in before.items():
        path.write_bytes(data)
    start(lab)
    assert there.wall().some_nodes([node])[0].reason == ""
    run(world, there.wall())
    assert there.wall().some_nodes([node])[0].reason == reason
    there.wall().undrain([node])


def wait_for_the_next_second() -> None:
    """slurmctld tells its start in whole seconds."""
    begun = int(time.time())
    while int(time.time()) == begun:
        time.sleep(0.01)


def test_three_hundred_fails_in_a_second_are_one_call_or_none(
    there: NodeLab, tmp_path: Path
) -> None:
    nodes = there.idle[:300]
    cautious = clinic(_new(tmp_path / "cautious"))
    cautious.tell(cautious.batch(nodes, DRAINS), Outcome.FAIL)
    run(cautious, there.wall())
    assert not [one for one in there.wall().some_nodes(nodes) if "DRAIN" in one.flags]
    world = clinic(_new(tmp_path / "all"), more=MANY)
    world.tell(world.batch(nodes, DRAINS), Outcome.FAIL)
    before = there.count()
    run(world, there.wall())
    assert there.count() - before < 10
    assert all("DRAIN" in one.flags for one in there.wall().some_nodes(nodes))
    there.wall().undrain(nodes)


def test_an_admin_who_drains_and_resumes_in_a_loop_is_never_undone(
    there: NodeLab, tmp_path: Path
) -> None:
    """Whatever we find, an admin's drain is never lifted, and ours is not put back over it."""
    world, node = clinic(tmp_path, more=MANY), there.idle[1]
    admin, over = there.wall("root"), threading.Event()
    done: list[str] = []

    def loop() -> None:
        while not over.is_set():
            admin.drain([node], "admin at work")
            admin.undrain([node])
            done.append("round")

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        for number in range(10):
            outcome = Outcome.FAIL if number % 2 == 0 else Outcome.PASS
            world.result(node, outcome, DRAINS)
            run(world, there.wall())
    finally:
        over.set()
        thread.join()
    assert len(done) > 3
    admin.drain([node], "admin was here")
    world.result(node, Outcome.PASS, DRAINS)
    run(world, there.wall())
    assert there.wall().some_nodes([node])[0].reason == "admin was here"
    whats = [event.what for item in world.items(node) for event in item.events]
    assert What.DONE in whats or What.NOTED in whats
    admin.undrain([node])
    admin.comment({node: ""})


def test_what_a_program_printed_cannot_break_a_reason(there: NodeLab, tmp_path: Path) -> None:
    world, node = clinic(tmp_path, more=MANY), there.idle[2]
    hostile = 'x" State=IDLE [root@2026-01-01T00:00:00] \\ Comment=y; $(reboot) `id`'
    world.result(node, Outcome.FAIL, Reacting(on_fail=(DRAIN, COMMENT)))
    world.result(node, Outcome.FAIL, Reacting(on_fail=(COMMENT,)), check="b", detail=hostile)
    world.result(there.idle[3], Outcome.FAIL, DRAINS, check="c", detail=hostile * 20)
    run(world, there.wall())
    states = [event.what for item in world.book.items.values() for event in item.events]
    assert states == [What.DONE] * 4
    there.wall().undrain([node, there.idle[3]])


def _new(path: Path) -> Path:
    path.mkdir()
    return path
