"""The reactor over nodes in memory: what it does, to whom not, and whatever kills it."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from slurm_hooks.errors import SlurmError, StateError
from slurm_hooks.journal import Line, Verdict, What
from slurm_hooks.journal_file import JournalFile
from slurm_hooks.reaction import Kind, Reacting
from slurm_hooks.reactor import Reacted, react
from slurm_hooks.record import Evidence, Outcome
from tests.fakes.crash import CrashPoint, Killed
from tests.reactions import (
    COMMENT,
    DRAIN,
    RESERVE,
    ROOM,
    UNCOMMENT,
    UNDRAIN,
    UNRESERVE,
    Clinic,
    clinic,
    settings,
)

DRAINS = Reacting(on_fail=(DRAIN,), on_pass=(UNDRAIN,))
ALL = Reacting(on_fail=(DRAIN, COMMENT, RESERVE), on_pass=(UNDRAIN, UNCOMMENT, UNRESERVE))


def whats(clinic: Clinic, node: str, kind: Kind = Kind.DRAIN) -> list[What]:
    return [
        event.what
        for item in clinic.items(node)
        if item.entry.kind is kind
        for event in item.events
    ]


def test_a_failed_node_is_drained_with_a_reason_that_says_why(tmp_path: Path) -> None:
    world = clinic(tmp_path)
    world.result("n1", Outcome.FAIL, DRAINS)
    world.react()
    reason = world.drained()["n1"]
    assert reason.startswith("gpu: gpu-xid: Xid 79 on GPU 3 (2026-11-21T12:00Z) [cd:")
    assert [*world.drained()] == ["n1"]
    assert whats(world, "n1") == [What.DONE]


def test_a_second_pass_over_the_same_results_does_nothing(tmp_path: Path) -> None:
    world = clinic(tmp_path)
    world.result("n1", Outcome.FAIL, DRAINS)
    world.react()
    before = list(world.nodes.calls)
    assert world.react().lines == ()
    assert world.nodes.calls.count("drain") == before.count("drain") == 1


def test_many_nodes_with_the_same_reason_are_drained_in_one_call(tmp_path: Path) -> None:
    world = clinic(tmp_path, nodes=500, more=ROOM + "suspect = '100%'\n")
    batch = world.batch([node.name for node in world.nodes.node_list], DRAINS)
    world.tell(batch, Outcome.FAIL)
    world.react()
    assert len(world.drained()) == 500
    assert world.nodes.calls.count("drain") == 1


@pytest.mark.parametrize(
    "outcome", sorted(set(Outcome) - {Outcome.FAIL, Outcome.TIMEOUT, Outcome.PASS})
)
def test_what_judges_nothing_does_nothing(tmp_path: Path, outcome: Outcome) -> None:
    world = clinic(tmp_path)
    world.result("n1", outcome, Reacting(on_fail=(DRAIN, COMMENT), hang_condemns=True))
    assert world.react().lines == ()
    assert not set(world.nodes.calls) & {"drain", "comment", "reserve"}


def test_a_hang_drains_only_where_the_definition_says_so(tmp_path: Path) -> None:
    world = clinic(tmp_path)
    world.result("n1", Outcome.TIMEOUT, DRAINS)
    world.result("n2", Outcome.TIMEOUT, Reacting(on_fail=(DRAIN,), hang_condemns=True))
    world.react()
    assert [*world.drained()] == ["n2"]


def test_a_fail_that_needs_confirmation_waits_for_the_next(tmp_path: Path) -> None:
    world = clinic(tmp_path)
    twice = Reacting(on_fail=(DRAIN,), confirm_fails=2, confirm_of=3)
    world.result("n1", Outcome.FAIL, twice)
    world.react()
    assert world.drained() == {}
    world.result("n1", Outcome.FAIL, twice, earlier=[Outcome.FAIL])
    world.react()
    assert [*world.drained()] == ["n1"]


def test_a_node_that_an_admin_drained_keeps_reason_user_and_time(tmp_path: Path) -> None:
    world = clinic(tmp_path)
    world.nodes.other("alice").drain(["n1"], "changing the fan")
    before = world.node("n1")
    world.result("n1", Outcome.FAIL, DRAINS)
    world.react()
    after = world.node("n1")
    assert (after.reason, after.reason_user, after.reason_at) == (
        before.reason, before.reason_user, before.reason_at,
    )  # fmt: skip
    assert "gpu-xid: Xid 79" in after.comment
    assert whats(world, "n1") == [What.NOTED]


def test_a_node_that_its_admin_resumed_is_drained_when_it_fails_again(tmp_path: Path) -> None:
    """What stood in its comment only, because somebody else held it, stands in nobody's way."""
    world = clinic(tmp_path)
    world.nodes.other("alice").drain(["n1"], "changing the fan")
    world.result("n1", Outcome.FAIL, DRAINS)
    world.react()
    world.nodes.other("alice").undrain(["n1"])
    world.react()
    assert whats(world, "n1") == [What.NOTED, What.LOST]
    world.tick()
    world.result("n1", Outcome.FAIL, DRAINS)
    world.react()
    assert [*world.drained()] == ["n1"]


def test_one_node_that_slurm_refuses_keeps_no_other_up(tmp_path: Path) -> None:
    world = clinic(tmp_path)
    world.result("n1", Outcome.FAIL, DRAINS)
    world.nodes.refuses = True
    world.react()

    def refuse_n1(call: str) -> None:
        world.nodes.refuses = call == "drain" and "n2" not in "".join(world.drained()) and first()

    calls: list[bool] = []

    def first() -> bool:
        calls.append(True)
        return len(calls) == 1

    world.nodes.before = refuse_n1
    world.result("n2", Outcome.FAIL, DRAINS)
    world.react()
    assert sorted(world.drained()) == ["n1", "n2"]


def test_a_reservation_in_use_keeps_no_other_return_up(tmp_path: Path) -> None:
    """Slurm does not remove one in which a job runs; the next pass tries again."""
    world = clinic(tmp_path)
    quarantine = Reacting(on_fail=(RESERVE,), on_pass=(UNRESERVE,))
    for node in ("n1", "n2"):
        world.result(node, Outcome.FAIL, quarantine)
    world.react()
    names = {one.nodes[0]: one.name for one in world.nodes.reservation_list}
    world.nodes.in_use.add(names["n1"])
    world.tick()
    for node in ("n1", "n2"):
        world.result(node, Outcome.PASS, quarantine)
    assert world.react().problems
    assert [one.name for one in world.nodes.reservation_list] == [names["n1"]]
    world.nodes.in_use.clear()
    world.react()
    assert world.nodes.reservation_list == []


def test_shadow_holds_back_what_was_decided_before(tmp_path: Path) -> None:
    world = clinic(tmp_path)
    world.result("n1", Outcome.FAIL, DRAINS)
    world.nodes.refuses = True
    world.react()
    world.nodes.refuses = False
    world.settings = settings(tmp_path, ROOM + "mode = 'shadow'\n")
    world.react()
    assert world.drained() == {}
    world.settings = settings(tmp_path)
    world.react()
    assert [*world.drained()] == ["n1"]


def test_an_admin_who_drains_between_the_reading_and_the_act_is_noticed(tmp_path: Path) -> None:
    """slurmctld has no compare-and-set; what comes after our act is seen, and left alone."""
    world = clinic(tmp_path)
    world.result("n1", Outcome.FAIL, DRAINS)
    reads = iter(range(100))

    def admin(call: str) -> None:
        if call == "some_nodes" and next(reads) == 1:  # right after our drain
            world.nodes.other("alice").drain(["n1"], "mine")

    world.nodes.before = admin
    world.react()
    assert world.node("n1").reason == "mine"
    assert "gpu-xid" in world.node("n1").comment
    assert whats(world, "n1") == [What.NOTED]


def test_a_node_in_somebody_elses_reservation_is_only_commented_on(tmp_path: Path) -> None:
    world = clinic(tmp_path)
    world.nodes.other("alice").reserve("maintenance", ["n1"], ["alice"])
    world.result("n1", Outcome.FAIL, ALL)
    world.react()
    assert world.drained() == {}
    assert [one.name for one in world.nodes.reservation_list] == ["maintenance"]
    assert "gpu-xid" in world.node("n1").comment


def test_what_an_admin_resumed_is_not_drained_again_for_the_same_result(tmp_path: Path) -> None:
    world = clinic(tmp_path)
    world.result("n1", Outcome.FAIL, DRAINS)
    world.react()
    world.nodes.other("alice").undrain(["n1"])
    world.react()
    assert world.drained() == {}
    assert whats(world, "n1") == [What.DONE, What.LOST]


def test_the_books_on_batches_long_archived_are_closed_and_then_forgotten(tmp_path: Path) -> None:
    """Else every pass would list all that was ever found; a closed one reacts to nothing again."""
    world = clinic(tmp_path)
    old = world.result("n1", Outcome.FAIL, DRAINS)
    results = world.state.batches / old.id / "results"
    results.mkdir(exist_ok=True)
    for path in world.state.spooled():
        path.rename(results / path.name)
    world.react()
    world.state.close_batch(old.id)
    seen = world.state.considered
    assert [path.name for path in seen.iterdir()] == [old.id]
    world.now += timedelta(days=3)
    world.result("n2", Outcome.PASS, DRAINS)
    world.react()
    assert sorted(path.name for path in seen.glob("*.closed")) == [f"{old.id}.closed"]
    assert [*world.drained()] == ["n1"]
    shutil.rmtree(world.state.archive / old.id)
    world.result("n3", Outcome.PASS, DRAINS)
    world.react()
    assert not [path for path in seen.iterdir() if old.id in path.name]


def test_what_slurmctld_forgot_is_done_again(tmp_path: Path) -> None:
    """Killed before it had saved: the node looks as if an admin had resumed it, and is sick."""
    world = clinic(tmp_path)
    world.result("n1", Outcome.FAIL, DRAINS)
    world.react()
    reason = world.drained()["n1"]
    world.nodes.other("slurmctld").undrain(["n1"])
    world.nodes.started = world.now + timedelta(seconds=9)
    world.now += timedelta(seconds=10)
    world.react()
    assert world.drained() == {"n1": reason}
    assert whats(world, "n1") == [What.DONE, What.FORGOTTEN, What.DONE]


def test_what_slurmctld_had_saved_was_taken_back_by_a_person(tmp_path: Path) -> None:
    world = clinic(tmp_path)
    world.result("n1", Outcome.FAIL, DRAINS)
    world.react()
    world.now += timedelta(minutes=2)
    world.react()
    world.nodes.started = world.now
    world.nodes.other("alice").undrain(["n1"])
    world.now += timedelta(minutes=2)
    world.react()
    assert world.drained() == {}
    assert whats(world, "n1") == [What.DONE, What.KEPT, What.LOST]


def test_a_pass_undoes_our_own_drain(tmp_path: Path) -> None:
    world = clinic(tmp_path)
    world.result("n1", Outcome.FAIL, ALL)
    world.react()
    assert world.drained()
    assert [one.name[:14] for one in world.nodes.reservation_list] == ["quarantine-n1-"]
    world.tick()
    world.result("n1", Outcome.PASS, ALL)
    world.react()
    assert world.drained() == {}
    assert world.nodes.reservation_list == []
    assert world.node("n1").comment == ""


def test_a_pass_does_not_undo_an_admins_drain(tmp_path: Path) -> None:
    world = clinic(tmp_path)
    world.result("n1", Outcome.FAIL, DRAINS)
    world.react()
    world.nodes.other("alice").drain(["n1"], "mine now")
    world.result("n1", Outcome.PASS, DRAINS)
    world.react()
    assert world.drained() == {"n1": "mine now"}
    assert whats(world, "n1") == [What.DONE, What.LOST]


def test_an_admins_part_of_a_comment_stays(tmp_path: Path) -> None:
    world = clinic(tmp_path)
    notes = Reacting(on_fail=(COMMENT,), on_pass=(UNCOMMENT,))
    world.nodes.other("alice").comment({"n1": "rack 7 | loose cable"})
    world.result("n1", Outcome.FAIL, notes)
    world.react()
    assert world.node("n1").comment.startswith("rack 7 | loose cable | gpu: gpu-xid")
    world.tick()
    world.result("n1", Outcome.PASS, notes)
    world.react()
    assert world.node("n1").comment == "rack 7 | loose cable"


def test_a_node_that_another_check_speaks_against_stays_drained(tmp_path: Path) -> None:
    world = clinic(tmp_path)
    world.result("n1", Outcome.FAIL, DRAINS)
    world.result("n1", Outcome.FAIL, DRAINS, check="ib", detail="link down")
    world.react()
    world.tick()
    world.result("n1", Outcome.PASS, DRAINS)
    world.react()
    assert [*world.drained()] == ["n1"]
    world.tick()
    world.result("n1", Outcome.PASS, DRAINS, check="ib")
    world.react()
    assert world.drained() == {}
    assert world.node("n1").comment == ""


def test_a_word_that_slurm_contradicts_is_taken_back(tmp_path: Path) -> None:
    world = clinic(tmp_path)
    batch = world.result("n1", Outcome.FAIL, DRAINS)
    world.react()
    assert world.drained()
    world.tell(batch, Outcome.ERROR, evidence=Evidence.CONFLICT)
    world.react()
    assert world.drained() == {}


def test_the_same_fail_on_many_nodes_at_once_drains_none(tmp_path: Path) -> None:
    world = clinic(tmp_path, nodes=20, more=ROOM + "suspect = 5\n")
    world.tell(world.batch([f"n{i}" for i in range(6)], DRAINS), Outcome.FAIL)
    world.react()
    assert world.drained() == {}
    assert world.book.suspended("gpu-xid") is not None
    assert len(world.book.waiting) == 6


def test_shadow_decides_everything_and_does_nothing(tmp_path: Path) -> None:
    world = clinic(tmp_path, more="[reactions]\nmode = 'shadow'\n")
    world.result("n1", Outcome.FAIL, ALL)
    world.react()
    assert {item.entry.verdict for item in world.items("n1")} == {Verdict.WOULD}
    assert not set(world.nodes.calls) & {"drain", "comment", "reserve"}


def test_what_slurm_refuses_is_done_by_the_next_pass(tmp_path: Path) -> None:
    world = clinic(tmp_path)
    world.result("n1", Outcome.FAIL, DRAINS)
    world.nodes.refuses = True
    assert world.react().problems
    world.nodes.refuses = False
    world.react()
    assert [*world.drained()] == ["n1"]


def test_while_slurmctld_is_away_nothing_is_lost(tmp_path: Path) -> None:
    world = clinic(tmp_path)
    world.result("n1", Outcome.FAIL, DRAINS)
    world.nodes.up = False
    with pytest.raises(SlurmError):
        world.react()
    world.nodes.up = True
    world.react()
    assert [*world.drained()] == ["n1"]


def test_what_cannot_be_written_down_is_not_done(tmp_path: Path) -> None:
    """A full disk under the journal: no node is touched, and nothing is forgotten."""
    world = clinic(tmp_path)
    world.result("n1", Outcome.FAIL, ALL)

    class Full:
        read = world.journal.read

        def append(self, lines: Sequence[Line], *, now: datetime) -> None:
            if lines:
                raise StateError(f"no space left on device at {now}")

    with pytest.raises(StateError, match="no space left"):
        react(replace(world.reactor(), journal=cast("JournalFile", Full())))
    assert not set(world.nodes.calls) & {"drain", "comment", "reserve"}
    world.react()
    assert [*world.drained()] == ["n1"]


def test_two_passes_at_once_do_everything_once(tmp_path: Path) -> None:
    """As EpilogSlurmctld of many tasks does; whoever comes second leaves a sign, and ends."""
    world = clinic(tmp_path, nodes=8, more=ROOM + "suspect = '100%'\n")
    begun: list[Reacted] = []

    def another(call: str) -> None:
        if call == "drain" and not begun:
            world.result("n5", Outcome.FAIL, DRAINS)
            begun.append(world.react())

    world.nodes.before = another
    world.result("n1", Outcome.FAIL, DRAINS)
    world.react()
    assert begun[0].taken_by
    assert sorted(world.drained()) == ["n1", "n5"]
    assert world.nodes.calls.count("drain") == 2


def _fails(world: Clinic) -> None:
    world.nodes.other("alice").drain(["n3"], "mine")
    batch = world.batch(["n0", "n1", "n3"], ALL)
    world.tell(batch, Outcome.FAIL)
    world.result("n0", Outcome.FAIL, DRAINS, check="ib", detail="link down")


def _recovers(world: Clinic) -> None:
    _fails(world)
    world.react()
    world.tick()
    world.result("n0", Outcome.PASS, ALL)
    world.result("n1", Outcome.PASS, ALL)
    world.result("n0", Outcome.PASS, DRAINS, check="ib")


def _final(world: Clinic) -> tuple[object, ...]:
    """All that Slurm and the journal say, but for the times."""
    nodes = [(n.name, sorted(n.flags), n.reason.split(" (")[0], n.comment.count("[cd:"))
             for n in world.nodes.node_list]  # fmt: skip
    reservations = sorted(one.name for one in world.nodes.reservation_list)
    items = sorted(
        (item.entry.id, item.entry.verdict, tuple(event.what for event in item.events))
        for item in world.book.items.values()
    )
    return nodes, reservations, items


@pytest.mark.parametrize("story", [_fails, _recovers])
def test_killed_before_any_effect_the_next_pass_ends_in_the_same_state(
    tmp_path: Path, story: Callable[[Clinic], None]
) -> None:
    """Every effect is tried in turn; each reaction happens exactly once, whatever died."""
    whole = clinic(_fresh(tmp_path / "whole"))
    story(whole)
    whole.point = CrashPoint()
    whole.react()
    effects = whole.point.effects
    assert len(effects) >= 8
    for at in range(len(effects)):
        world = clinic(_fresh(tmp_path / f"killed-{at}"))
        story(world)
        before = len(world.nodes.calls)
        world.point = CrashPoint(at=at)
        with pytest.raises(Killed):
            world.react()
        world.point = CrashPoint()
        world.react()
        assert _final(world) == _final(whole), f"killed before effect {at}, {effects[at]}"
        for call in ("drain", "undrain", "reserve", "unreserve"):
            made = world.nodes.calls[before:].count(call)
            assert made <= effects.count(call), f"{call} again after {at}, {effects[at]}"


def _fresh(path: Path) -> Path:
    path.mkdir()
    return path
