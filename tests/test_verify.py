"""Verified return over nodes in memory: a node comes back proven or not at all."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from slurm_hooks.journal import Verdict, What
from slurm_hooks.reaction import Kind, Reacting
from slurm_hooks.reactor import ask_to_verify
from slurm_hooks.record import Evidence, Outcome
from tests.fakes.crash import CrashPoint, Killed
from tests.reactions import COMMENT, DRAIN, RESERVE, ROOM, UNDRAIN, UNRESERVE, Clinic, clinic
from tests.verifying import (
    ask,
    open_to_users,
    plan,
    report,
    standing,
    verification,
    visit,
    watch,
    whats,
)

DRAINS = Reacting(on_fail=(DRAIN,), on_pass=(UNDRAIN,))
ALL = Reacting(on_fail=(DRAIN, COMMENT, RESERVE), on_pass=(UNRESERVE,))
MARKER = "cluster-doctor:verify"


def held(root: Path, *, reacting: Reacting = DRAINS, more: str = ROOM) -> Clinic:
    """A clinic whose n1 we drained."""
    world = clinic(root, more=more)
    world.result("n1", Outcome.FAIL, reacting)
    world.react()
    assert "n1" in world.drained() or world.nodes.reservation_list
    watch(world, "n1")
    return world


def mine(root: Path, reason: str = "changing the fan", more: str = ROOM) -> Clinic:
    """A clinic whose n1 alice drained."""
    world = clinic(root, more=more)
    world.nodes.other("alice").drain(["n1"], reason)
    return world


def test_a_node_is_reserved_for_the_service_account_and_then_resumed(tmp_path: Path) -> None:
    world = held(tmp_path)
    assert ask(world, "n1") == {}
    assert world.drained() == {}
    [made] = world.nodes.reservation_list
    assert (made.name, made.nodes, made.users) == (
        "cluster-doctor-verify-n1", ("n1",), ("cluster-doctor",),
    )  # fmt: skip
    assert world.nodes.calls.index("reserve") < world.nodes.calls.index("undrain")
    assert whats(world, "n1") == [What.READY]


def test_a_node_that_passes_is_returned_and_nothing_of_ours_stays(tmp_path: Path) -> None:
    world = held(tmp_path, reacting=ALL)
    assert world.node("n1").comment
    ask(world, "n1")
    visit(world, "n1", Outcome.PASS)
    world.react()
    assert open_to_users(world, "n1")
    assert world.nodes.reservation_list == []
    assert world.node("n1").comment == ""
    assert whats(world, "n1") == [What.READY, What.PASSED, What.UNDONE]
    ours = [item for item in world.items("n1") if item.entry.kind is not Kind.VERIFY]
    assert len(ours) == 3
    assert {(item.events[-1].what, item.events[-1].by) for item in ours} == {
        (What.UNDONE, "verified")
    }
    assert world.react().lines == ()


def test_a_warning_is_no_fail(tmp_path: Path) -> None:
    world = held(tmp_path)
    ask(world, "n1")
    visit(world, "n1", Outcome.WARN)
    world.react()
    assert open_to_users(world, "n1")


def test_a_node_that_fails_is_drained_again_before_its_reservation_goes(tmp_path: Path) -> None:
    world = held(tmp_path)
    ask(world, "n1")
    before = len(world.nodes.calls)
    visit(world, "n1", Outcome.FAIL, reacting=DRAINS)
    world.react()
    assert world.drained()["n1"].startswith("gpu: gpu-xid: gpu-xid says so (")
    assert world.nodes.reservation_list == []
    calls = world.nodes.calls[before:]
    assert calls.index("drain") < calls.index("unreserve")
    assert whats(world, "n1") == [What.READY, What.FAILED, What.UNDONE]
    assert [item.entry.text for item in world.book.holds] == [world.drained()["n1"]]
    assert world.react().lines == ()


@pytest.mark.parametrize(
    "more",
    [
        ROOM + "suspect = 0\n",
        "[reactions]\nmax_held = 0\nmax_held_in_partition = 0\nmax_taken = 0\n",
        "[reactions]\nmode = 'shadow'\n",
        ROOM + "mode = 'off'\n",
    ],
)
def test_no_guard_rail_keeps_a_node_that_fails_from_being_drained_again(
    tmp_path: Path, more: str
) -> None:
    world = mine(tmp_path)
    ask(world, "n1")
    watch(world, "n1")
    world.settings = clinic(_new(tmp_path / "other"), more=more).settings
    visit(world, "n1", Outcome.FAIL, reacting=DRAINS)
    world.react()
    assert "gpu-xid: gpu-xid says so (" in world.drained()["n1"]
    assert world.nodes.reservation_list == []


def test_an_unconfirmed_fail_does_not_return_the_node(tmp_path: Path) -> None:
    twice = Reacting(on_fail=(DRAIN,), confirm_fails=2, confirm_of=3)
    world = mine(tmp_path)
    ask(world, "n1")
    watch(world, "n1")
    visit(world, "n1", Outcome.FAIL, reacting=twice)
    world.react()
    assert "n1" in world.drained()


def test_one_of_many_checks_is_enough_to_keep_it(tmp_path: Path) -> None:
    world = held(tmp_path)
    ask(world, "n1")
    checks = ("gpu-xid", "ib")
    visit(world, "n1", {"gpu-xid": Outcome.PASS, "ib": Outcome.FAIL}, checks, reacting=DRAINS)
    world.react()
    assert "ib: ib says so" in world.drained()["n1"]
    assert whats(world, "n1")[-1] is What.UNDONE


def test_a_visit_is_waited_for_to_its_end(tmp_path: Path) -> None:
    world = held(tmp_path)
    ask(world, "n1")
    batch = plan(world, "n1", ("gpu-xid", "ib"))
    report(world, batch, {"gpu-xid": Outcome.FAIL})
    world.react()
    assert whats(world, "n1") == [What.READY]
    assert not open_to_users(world, "n1")
    report(world, batch, {"ib": Outcome.NOT_STARTED}, Evidence.SLURM)
    world.react()
    assert "n1" in world.drained()


def test_checks_that_need_a_visit_of_their_own_must_pass_as_well(tmp_path: Path) -> None:
    world = held(tmp_path)
    ask(world, "n1")
    both = ("gpu-xid", "ib")
    visit(world, "n1", Outcome.PASS, both, only=("gpu-xid",))
    world.react()
    assert standing(world, "n1") == "again"
    assert not open_to_users(world, "n1")
    visit(world, "n1", Outcome.PASS, both, only=("ib",))
    world.react()
    assert open_to_users(world, "n1")


@pytest.mark.parametrize("outcome", sorted({*Outcome} - {Outcome.PASS, Outcome.WARN, Outcome.FAIL}))
def test_what_cannot_judge_is_tried_three_times_and_then_drained_with_the_old_reason(
    tmp_path: Path, outcome: Outcome
) -> None:
    world = mine(tmp_path, f"changing the fan {MARKER}")
    world.react()
    watch(world, "n1")
    for _ in range(3):
        assert "n1" not in world.drained()
        visit(world, "n1", outcome)
        world.react()
    reason = world.drained()["n1"]
    assert reason.startswith(f"changing the fan (alice): not verified: gpu-xid ended {outcome}")
    assert MARKER not in reason
    assert world.nodes.reservation_list == []
    world.react()
    assert [item.entry.kind for item in world.items("n1")].count(Kind.VERIFY) == 1


def test_a_hang_fails_only_where_the_definition_says_so(tmp_path: Path) -> None:
    world = mine(tmp_path)
    ask(world, "n1")
    visit(world, "n1", Outcome.TIMEOUT, reacting=Reacting(hang_condemns=True))
    world.react()
    assert world.drained()["n1"].startswith("cluster-doctor: gpu-xid: ")


def test_after_a_try_that_judged_nothing_the_next_may_pass(tmp_path: Path) -> None:
    world = held(tmp_path)
    ask(world, "n1")
    visit(world, "n1", Outcome.ERROR)
    world.react()
    visit(world, "n1", Outcome.PASS)
    world.react()
    assert open_to_users(world, "n1")


def test_a_pass_that_slurm_contradicts_returns_nothing(tmp_path: Path) -> None:
    world = held(tmp_path)
    ask(world, "n1")
    batch = visit(world, "n1", Outcome.PASS)
    report(world, batch, Outcome.ERROR, Evidence.CONFLICT)
    world.react()
    assert not open_to_users(world, "n1")
    assert standing(world, "n1") == "again"


def test_a_node_that_nobody_visits_for_a_day_is_drained_again(tmp_path: Path) -> None:
    world = mine(tmp_path)
    ask(world, "n1")
    watch(world, "n1")
    world.now += timedelta(hours=23)
    world.react()
    assert world.drained() == {}
    world.now += timedelta(hours=2)
    world.react()
    assert "not verified: no visit judged it within 1 day" in world.drained()["n1"]


# Other hands.


def test_a_reason_that_an_admin_changes_meanwhile_ends_it(tmp_path: Path) -> None:
    world = held(tmp_path)
    reads = iter(range(100))

    def admin(call: str) -> None:
        if call == "reserve" and next(reads) == 0:
            world.nodes.other("alice").drain(["n1"], "mine now")

    world.nodes.before = admin
    ask(world, "n1")
    assert world.drained() == {"n1": "mine now"}
    assert world.nodes.reservation_list == []
    assert whats(world, "n1") == [What.ABORTED, What.UNDONE]


def test_an_admin_who_drains_it_during_the_visit_keeps_it(tmp_path: Path) -> None:
    world = held(tmp_path)
    ask(world, "n1")
    batch = plan(world, "n1")
    world.nodes.other("alice").drain(["n1"], "mine now")
    world.react()
    assert whats(world, "n1") == [What.READY]
    report(world, batch, Outcome.PASS)
    world.react()
    assert world.drained() == {"n1": "mine now"}
    assert world.node("n1").reason_user == "alice"
    assert world.nodes.reservation_list == []
    assert whats(world, "n1") == [What.READY, What.ABORTED, What.UNDONE]


def test_a_node_that_was_returned_meanwhile_is_left_in_service(tmp_path: Path) -> None:
    world = mine(tmp_path)
    ask_to_verify(world.reactor(), ["n1"], by="bob", patience_s=0)
    world.nodes.other("alice").undrain(["n1"])
    world.react()
    assert open_to_users(world, "n1")
    assert whats(world, "n1") == [What.ABORTED, What.UNDONE]


def test_a_reservation_that_goes_away_during_the_visit_drains_the_node(tmp_path: Path) -> None:
    """As where slurmctld was killed before it saved it."""
    world = held(tmp_path)
    ask(world, "n1")
    plan(world, "n1")
    world.nodes.before = lambda _call: None
    world.nodes.other("alice").unreserve("cluster-doctor-verify-n1")
    world.react()
    assert "not verified: reservation cluster-doctor-verify-n1 went away" in world.drained()["n1"]


def test_a_reservation_of_the_same_name_for_somebody_else_ends_it(tmp_path: Path) -> None:
    world = held(tmp_path)
    world.nodes.other("bob").reserve("cluster-doctor-verify-n1", ["n1"], ["bob"])
    ask(world, "n1")
    assert "n1" in world.drained()
    assert [one.users for one in world.nodes.reservation_list] == [("bob",)]


def test_a_node_in_somebody_elses_reservation_is_not_verified(tmp_path: Path) -> None:
    """Its users' jobs could start there, since ours may overlap theirs."""
    world = held(tmp_path)
    world.nodes.other("bob").reserve("course", ["n1"], ["bob"])
    assert ask(world, "n1") == {"n1": "it is in reservation course, whose jobs could start there"}
    assert "n1" in world.drained()


def test_a_maintenance_of_next_week_is_no_hindrance(tmp_path: Path) -> None:
    world = held(tmp_path)
    there = world.nodes.reservation_list
    world.nodes.other("bob").reserve("maintenance", ["n1"], ["root"])
    there[0] = replace(there[0], starts_at=world.now + timedelta(days=7), state="INACTIVE")
    assert ask(world, "n1") == {}
    assert whats(world, "n1") == [What.READY]


def test_a_node_that_goes_down_meanwhile_stays_reserved_until_it_can_be_drained(
    tmp_path: Path,
) -> None:
    world = held(tmp_path)
    ask(world, "n1")
    world.nodes.other("slurm").set_down("n1", "Not responding")
    for _ in range(3):
        visit(world, "n1", Outcome.NODE_FAIL)
        world.react()
    assert world.node("n1").reason == "Not responding"
    assert [one.name for one in world.nodes.reservation_list] == ["cluster-doctor-verify-n1"]
    world.react()
    world.nodes.node_list[1] = replace(
        world.node("n1"), state="IDLE", reason="", reason_user="", reason_at=None
    )
    world.react()
    assert "not verified" in world.drained()["n1"]
    assert world.nodes.reservation_list == []


@pytest.mark.parametrize("kind", ["down", "in service", "unknown", "twice"])
def test_what_cannot_be_verified_is_refused_with_the_reason(tmp_path: Path, kind: str) -> None:
    world = clinic(tmp_path)
    if kind == "down":
        world.nodes.set_down("n1", "Not responding")
    if kind == "twice":
        world.nodes.drain(["n1"], "mine")
        assert ask(world, "n1") == {}
    name = "n77" if kind == "unknown" else "n1"
    expected = {
        "down": "it is DOWN: no visit could start there",
        "in service": "it is in service",
        "unknown": "Slurm has no such node",
        "twice": "it is being verified already",
    }
    assert ask(world, name) == {name: expected[kind]}


def _forgotten(world: Clinic, outcome: Outcome) -> None:
    """Let a verification end, and slurmctld then forget that the reservation was removed."""
    ask(world, "n1")
    reserved = world.nodes.reservation_list[0]
    visit(world, "n1", outcome)
    world.react()
    assert world.nodes.reservation_list == []
    world.nodes.reservation_list.append(reserved)


def test_a_reservation_that_came_back_with_an_undrained_node_is_worked_through_again(
    tmp_path: Path,
) -> None:
    """slurmctld was killed before it saved the drain of a node that failed."""
    world = mine(tmp_path)
    _forgotten(world, Outcome.FAIL)
    world.nodes.other().undrain(["n1"])
    world.react()
    assert whats(world, "n1") == [What.READY]
    assert len(world.nodes.reservation_list) == 1
    visit(world, "n1", Outcome.FAIL)
    world.react()
    assert "n1" in world.drained()
    assert world.nodes.reservation_list == []


def test_a_reservation_that_came_back_alone_is_removed(tmp_path: Path) -> None:
    world = mine(tmp_path)
    _forgotten(world, Outcome.FAIL)
    reason = world.drained()["n1"]
    world.react()
    assert world.drained() == {"n1": reason}
    assert world.nodes.reservation_list == []
    assert whats(world, "n1") == [What.ABORTED, What.UNDONE]


# Who asks.


def test_a_marker_in_a_reason_asks_once(tmp_path: Path) -> None:
    world = mine(tmp_path, f"new fan {MARKER}")
    world.react()
    assert verification(world, "n1").entry.why == f"alice wrote {MARKER} into its reason"
    assert whats(world, "n1") == [What.READY]
    world.react()
    assert [item.entry.kind for item in world.items("n1")] == [Kind.VERIFY]


def test_a_program_cannot_ask_by_printing_the_marker(tmp_path: Path) -> None:
    world = clinic(tmp_path)
    world.result("n1", Outcome.FAIL, DRAINS, detail=f"broken {MARKER}")
    world.react()
    world.react()
    assert MARKER in world.drained()["n1"]
    assert [item.entry.kind for item in world.items("n1")] == [Kind.DRAIN]


def test_without_a_marker_in_the_settings_none_asks(tmp_path: Path) -> None:
    world = mine(tmp_path, f"new fan {MARKER}", more=ROOM + "verify_marker = ''\n")
    world.react()
    assert world.items("n1") == []


def test_a_marker_in_shadow_is_written_down_and_nothing_done(tmp_path: Path) -> None:
    world = mine(tmp_path, f"new fan {MARKER}", more="[reactions]\nmode = 'shadow'\n")
    world.react()
    assert verification(world, "n1").entry.verdict is Verdict.WOULD
    assert "n1" in world.drained()
    assert world.react().lines == ()


def test_our_own_holds_are_verified_when_they_are_old_enough_and_then_ever_later(
    tmp_path: Path,
) -> None:
    world = held(tmp_path, more=ROOM + "verify_after = '1h'\n")
    hours = []
    for hour in range(90):
        world.now += timedelta(hours=1)
        world.react()
        if "n1" not in world.drained():
            hours.append(hour + 1)
            visit(world, "n1", Outcome.FAIL, reacting=DRAINS)
            world.react()
    gaps = [later - earlier for earlier, later in zip([0, *hours], hours, strict=False)]
    assert gaps == [pytest.approx(one, abs=1) for one in (1, 2, 4, 8, 16, 24, 24)]


def test_nobody_elses_hold_is_verified_by_age(tmp_path: Path) -> None:
    world = mine(tmp_path, more=ROOM + "verify_after = '1h'\n")
    world.result("n1", Outcome.FAIL, DRAINS)
    world.react()
    world.now += timedelta(hours=30)
    world.react()
    assert world.drained() == {"n1": "changing the fan"}


def test_a_node_under_verification_counts_as_held_and_does_not_stop_others_from_being_taken(
    tmp_path: Path,
) -> None:
    one = "max_held_in_partition = '100%'\n"
    world = mine(tmp_path, more=f"[reactions]\nmax_held = 2\nmax_taken = 1\n{one}")
    ask(world, "n1")
    world.result("n2", Outcome.FAIL, DRAINS)
    world.react()
    assert [*world.drained()] == ["n2"]
    world.now += timedelta(hours=2)
    world.result("n3", Outcome.FAIL, DRAINS)
    world.react()
    assert [*world.drained()] == ["n2"]


# Whatever kills it.


def _asked(world: Clinic) -> None:
    world.nodes.other("bob").comment({"n1": "rack 7"})
    world.result("n1", Outcome.FAIL, ALL)
    world.react()
    world.nodes.other("alice").drain(["n2"], f"fan {MARKER}")
    ask_to_verify(world.reactor(), ["n1"], by="alice", patience_s=0)


def _passed(world: Clinic) -> None:
    _asked(world)
    world.react()
    visit(world, "n1", Outcome.PASS)
    visit(world, "n2", Outcome.PASS)


def _failed(world: Clinic) -> None:
    _asked(world)
    world.react()
    visit(world, "n1", Outcome.FAIL, reacting=DRAINS)
    visit(world, "n2", Outcome.FAIL)


def _unjudged(world: Clinic) -> None:
    _asked(world)
    world.react()
    for _ in range(3):
        visit(world, "n1", Outcome.ERROR)
        visit(world, "n2", Outcome.NOT_STARTED)


def _aborted(world: Clinic) -> None:
    _asked(world)
    world.react()
    world.nodes.other("alice").drain(["n1", "n2"], "mine now")


def _final(world: Clinic) -> tuple[object, ...]:
    nodes = [(n.name, sorted(n.flags), n.reason.split(" (2")[0], n.comment.split(" (2")[0])
             for n in world.nodes.node_list]  # fmt: skip
    items = sorted(
        (item.entry.id, item.entry.verdict, tuple(event.what for event in item.events))
        for item in world.book.items.values()
    )
    return nodes, sorted(one.name for one in world.nodes.reservation_list), items


@pytest.mark.parametrize("story", [_asked, _passed, _failed, _unjudged, _aborted])
def test_killed_before_any_effect_no_node_is_open_and_the_next_pass_ends_the_same(
    tmp_path: Path, story: Callable[[Clinic], None]
) -> None:
    whole = clinic(_new(tmp_path / "whole"))
    story(whole)
    whole.point = CrashPoint()
    whole.react()
    effects = list(whole.point.effects)
    whole.react()
    assert len(effects) >= 6
    for at in range(len(effects)):
        world = clinic(_new(tmp_path / f"killed-{at}"))
        story(world)
        watch(world, "n1")
        world.point = CrashPoint(at=at)
        with pytest.raises(Killed):
            world.react()
        world.point = CrashPoint()
        world.react()
        world.react()
        assert _final(world) == _final(whole), f"killed before effect {at}, {effects[at]}"


def _new(path: Path) -> Path:
    path.mkdir()
    return path
