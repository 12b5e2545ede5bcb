"""Verified return on a real cluster that users flood: none of their jobs starts there before."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from slurm_hooks.journal import Event, Item, What
from slurm_hooks.journal_file import JournalFile
from slurm_hooks.node_control import NodeControl
from slurm_hooks.reaction import Kind
from slurm_hooks.reactor import Reactor, ask_to_verify, react
from slurm_hooks.record import Outcome
from slurm_hooks.state import State
from slurm_hooks.verified import verifications
from tests.conftest import MakeLab
from tests.fakes.crash import NODE_EFFECTS, CrashPoint, Killed, Mortal
from tests.flood import Flood, flood
from tests.lab import Lab
from tests.node_walls import NodeLab
from tests.reactions import Clinic, clinic
from tests.site import DRAINS, doctor, drained, history, make_room, state_of
from tests.verifying import visit

pytestmark = pytest.mark.lab

NODE = "n003"


@pytest.fixture
def ward(site: Lab) -> Lab:
    """A site with a node that our own check drained."""
    make_room(site)
    site.add_check("quick", failure_reactions=DRAINS)
    site.fault(NODE, "quick", "fail")
    doctor(site, "sweep", "--wait")
    site.wait_for(lambda: drained(site) == [NODE], 20, "the drain")
    return site


def book_items(lab: Lab) -> list[Item]:
    return [*JournalFile(State(lab.state_dir).reactions).read().items.values()]


def events(lab: Lab) -> list[Event]:
    """What became of the only verification."""
    [item] = [one for one in book_items(lab) if one.entry.kind is Kind.VERIFY]
    return list(item.events)


def sweep_until_over(lab: Lab) -> None:
    """Sweep as cron does, until no node is being verified any more."""
    ends_at = time.monotonic() + 120
    while verifications(JournalFile(State(lab.state_dir).reactions).read()):
        assert time.monotonic() < ends_at, (events(lab), lab.states())
        doctor(lab, "sweep", "--wait", check=False)
        lab.run(["cluster-doctor", "react"], check=False)


def reservations(lab: Lab) -> str:
    return lab.run(["scontrol", "show", "reservations", "-o"]).stdout


def test_a_node_that_passes_returns_and_no_users_job_ran_there_before(ward: Lab) -> None:
    ward.clear_fault(NODE, "quick")
    with flood(ward, NODE) as users:
        ward.run(["cluster-doctor", "verify", NODE])
        users.wait_to_move()
        sweep_until_over(ward)
        whats = {event.what: event.at for event in events(ward)}
        assert [*whats] == [What.READY, What.PASSED, What.UNDONE], events(ward)
        ward.wait_for(lambda: bool(users.here()), 30, "a user's job on the node that passed")
        assert min(users.here()) > whats[What.PASSED].timestamp()
        ward.wait_for(lambda: bool(users.accounted()), 30, "the accounting to know it")
        assert min(users.accounted()) >= whats[What.PASSED].replace(microsecond=0)
    assert "cluster-doctor-verify" not in reservations(ward)
    assert drained(ward) == []
    assert [row.outcome for row in history(ward) if row.node == NODE][-1:] == ["pass"]


def test_a_node_that_fails_again_never_runs_a_users_job(ward: Lab) -> None:
    first = state_of(ward, NODE).reason
    with flood(ward, NODE) as users:
        ward.run(["cluster-doctor", "verify", NODE])
        users.wait_to_move()
        sweep_until_over(ward)
        users.wait_to_move()
        whats = [event.what for event in events(ward)]
        assert whats == [What.READY, What.FAILED, What.UNDONE]
    assert users.here() == []
    assert users.accounted() == []
    found = state_of(ward, NODE)
    assert "DRAIN" in found.flags
    assert found.reason.startswith("doctor: quick")
    assert found.reason != first
    assert "cluster-doctor-verify" not in reservations(ward)


def reacted(site: Lab) -> bool:
    """Let the reactor look; returns whether it did anything. One under way may look too early."""
    site.run(["cluster-doctor", "react"])
    return any(one.events for one in book_items(site) if one.entry.kind is Kind.VERIFY)


def test_an_admins_marker_is_enough(site: Lab) -> None:
    make_room(site)
    site.add_check("quick")
    doctor(site, "sweep", "--wait")
    site.drain(NODE, "new fan cluster-doctor:verify")
    site.wait_for(lambda: reacted(site), 30, "the reactor to see the marker")
    assert [event.what for event in events(site)] == [What.READY]
    sweep_until_over(site)
    assert drained(site) == []


def test_the_command_waits_and_exits_by_what_was_found(ward: Lab) -> None:
    waiting = ward.commands.start(["cluster-doctor", "verify", NODE, "--wait"], user="root")
    try:
        ward.wait_for(lambda: any("resv" in one or "maint" in one for one in _states(ward)), 30,
                      "the reservation to show")  # fmt: skip
        sweep_until_over(ward)
        said, _ = waiting.communicate(timeout=60)
    finally:
        waiting.kill()
    assert waiting.returncode == 1
    assert f"{NODE}: reserved and resumed; the next sweep visits it" in said
    assert f"{NODE}: drained again: quick:" in said
    refused = ward.run(["cluster-doctor", "verify", "n001"], check=False)
    assert (refused.returncode, refused.stderr) == (
        1, "n001: cannot be verified: it is in service\n",
    )  # fmt: skip


def _states(lab: Lab) -> list[str]:
    return lab.run(["sinfo", "-h", "-N", "-n", NODE, "-o", "%T"]).stdout.split()


# Killed between any two of the reactor's acts.


@pytest.fixture(scope="module")
def there(make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeLab]:
    with make_lab(nodes=3) as lab:
        lab.up()
        yield NodeLab(lab, tmp_path_factory.mktemp("walls"))


@dataclass
class Noted:
    """The real wall, which notes when a reservation was about to go."""

    wall: object
    opened_at: list[float] = field(default_factory=list)

    def __getattr__(self, name: str) -> object:
        if name == "unreserve":
            self.opened_at.append(time.time())
        return getattr(self.wall, name)


@dataclass
class Cycle:
    """One verification under a flood, of a reactor that is killed at one moment."""

    world: Clinic
    there: NodeLab
    users: Flood
    outcome: Outcome
    killed_at: int

    def run(self) -> bool:
        """Go through all of it; returns whether it was killed. Asserts that no job came in."""
        lab, name = self.there.lab, self.users.node
        lab.drain(name, "changing the fan")
        lab.wait_for(lambda: _idle(lab, name), 30, "the users' last job to end")
        closed_at, noted, killed = time.time(), Noted(self.there.wall()), False
        assert not ask_to_verify(self._reactor(noted), [name], by="alice", patience_s=0)
        self.world.point = CrashPoint(at=self.killed_at)
        wall = Mortal(noted, NODE_EFFECTS, self.world.point)
        killed |= self._pass(wall)
        [item] = self.world.items(name)
        assert [event.what for event in item.events] == [What.READY], item.events
        visit(self.world, name, self.outcome)
        killed |= self._pass(wall)
        opened_at = noted.opened_at[0] if self.outcome is Outcome.PASS else time.time()
        early = [at for at in self.users.here() if closed_at < at < opened_at]
        assert early == [], f"killed before effect {self.killed_at}"
        return killed

    def _pass(self, wall: object) -> bool:
        """React; where that is killed, let the flood beat on the node, and react again."""
        for again in (False, True):
            try:
                assert not react(self._reactor(wall)).problems
            except Killed:
                assert not again
                self.world.point.at = None
                self.users.wait_to_move()
                continue
            self.users.wait_to_move(1)
            return again
        raise AssertionError

    def _reactor(self, wall: object) -> Reactor:
        return replace(self.world.reactor(), control=cast("NodeControl", wall))


@pytest.mark.parametrize("outcome", [Outcome.PASS, Outcome.FAIL])
def test_killed_between_any_two_acts_the_node_stays_shut(
    there: NodeLab, tmp_path: Path, outcome: Outcome
) -> None:
    lab, tried = there.lab, 0
    with flood(lab, lab.nodes[0], anywhere=5000, here=1000) as users:
        for at in range(100):
            world = clinic(_new(tmp_path / f"{at}"))
            world.now = datetime.now(UTC) - timedelta(seconds=5)
            killed = Cycle(world, there, users, outcome, at).run()
            _check(world, lab, users.node, outcome)
            _give_back(lab, users.node)
            if not killed:
                break
            tried += 1
        else:
            raise AssertionError("it was killed every time")
        if outcome is Outcome.PASS:
            lab.wait_for(lambda: bool(users.here()), 30, "users' jobs on the node that passed")
    assert tried >= 10


def _check(world: Clinic, lab: Lab, name: str, outcome: Outcome) -> None:
    [item] = [one for one in world.items(name) if one.entry.kind is Kind.VERIFY]
    ended = What.PASSED if outcome is Outcome.PASS else What.FAILED
    assert [event.what for event in item.events] == [What.READY, ended, What.UNDONE]
    assert "verify" not in reservations(lab)
    assert ("drain" in lab.states()[name]) is (outcome is not Outcome.PASS)


def _give_back(lab: Lab, name: str) -> None:
    if "drain" in lab.states()[name]:
        lab.run(["scontrol", "update", f"NodeName={name}", "State=UNDRAIN"])


def _idle(lab: Lab, name: str) -> bool:
    return lab.states()[name].startswith("idle")


def _new(path: Path) -> Path:
    path.mkdir()
    return path
