"""What becomes of a wish for checks, decided without a cluster; and cancelling on the fake one."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from analytics.history import Last
from checks.cancel import Chosen, cancel
from checks.catalogue import Catalogue
from checks.eligible import Verdict
from checks.ondemand import Started, start, to_retry
from checks.ondemand_cli import results_of
from checks.service import in_turn, my_turn
from slurm_hooks.account import asked_by
from slurm_hooks.errors import ClusterDoctorError, ConfigError, StateError
from slurm_hooks.record import Outcome
from tests.fakes.crash import CrashPoint, Killed, Mortal
from tests.test_sweep import NODES, World, definition

ONE = frozenset({"cpu"})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "state")


def wish(
    world: World, nodes: Iterable[str], checks: frozenset[str] = ONE, *, patient: bool = False
) -> Started:
    wanted = dict.fromkeys(nodes, checks)
    return start(world.sweeper, wanted, patient=patient, clock=lambda: world.slurm.now)


def occupy(world: World, node: str, state: str = "ALLOCATED") -> None:
    world.slurm.node_list = [
        replace(one, state=state) if one.name == node else one for one in world.slurm.node_list
    ]


def change(world: World, **changes: object) -> None:
    """Give every check *changes*, and world its catalogue anew."""
    found = {
        name: definition(name).model_copy(update=changes if name == "storage" else {})
        for name in ("cpu", "storage")
    }
    catalogue = Catalogue(definitions=tuple(found.values()), sources={})
    world.sweeper = replace(world.sweeper, catalogue=catalogue)


def test_what_is_asked_for_runs_however_fresh_it_is(world: World) -> None:
    for _ in range(2):
        wish(world, ["n1"])
        assert world.run_visits() == 1
    world.sweep()
    assert world.rows() == [("n1", "cpu", "pass")] * 2


def test_the_cap_on_visits_holds(world: World) -> None:
    first = wish(world, NODES)
    assert [batch.throttle for batch in world.slurm.batches.values()] == [2]
    assert first.asked.postponed == []
    second = wish(world, ["n0"])
    assert [one.verdict for one in second.asked.left_out] == [Verdict.IN_BATCH]
    assert second.batch_ids == ()


def test_a_suspended_check_runs_when_it_is_asked_for(world: World) -> None:
    change(world, suspend=True)
    wish(world, ["n0"], frozenset({"storage"}))
    assert world.run_visits() == 1


@pytest.mark.parametrize(
    ("judged", "again"), [(Outcome.PASS, False), (Outcome.WARN, False), (Outcome.FAIL, True)]
)
def test_a_dependency_runs_again_unless_its_proof_is_good(
    world: World, judged: Outcome, again: bool
) -> None:
    change(world, depends_on=("cpu",))
    wish(world, ["n0"])
    world.run_visits(judged)
    started = wish(world, ["n0"], frozenset({"storage"}))
    checks = started.asked.plan.batches[0].visits[0].checks
    assert checks == (("cpu", "storage") if again else ("storage",))


def test_a_patient_visit_is_kept_for_a_busy_node_and_not_for_a_drained_one(world: World) -> None:
    occupy(world, "n0")
    occupy(world, "n1", "DOWN")
    assert wish(world, ["n0"]).batch_ids == ()
    started = wish(world, ["n0", "n1"], patient=True)
    assert [one.node for one in started.asked.left_out] == ["n1"]
    assert world.sweep().advanced.cancelled == []
    assert world.run_visits() == 2  # n2 and n3, the sweep's
    occupy(world, "n0", "IDLE")
    assert world.run_visits() == 1
    world.sweep()
    assert [row for row in world.rows() if row[0] == "n0"] == [("n0", "cpu", "pass")]


def test_results_are_those_of_the_batches_whoever_wrote_them(world: World) -> None:
    started = wish(world, ["n0", "n1"])
    world.run_visits(Outcome.FAIL)
    world.sweep()
    rows = results_of(world.state, started.batch_ids)
    assert [(row.node, row.outcome) for row in rows] == [("n0", "fail"), ("n1", "fail")]


def test_what_slurm_does_not_know_is_refused_with_the_nearest_name(world: World) -> None:
    with pytest.raises(ConfigError, match="no node 'n11'"):
        wish(world, ["n11"])
    with pytest.raises(ConfigError, match=r"no check 'cpus' \(did you mean 'cpu'\?\)"):
        wish(world, ["n1"], frozenset({"cpus"}))


def test_retry_chooses_by_the_latest_attempt() -> None:
    def last(attempt: Outcome) -> Last:
        return Last(judged=Outcome.PASS, judged_at=None, attempt=attempt, attempt_at=None)

    known = {
        ("n0", "cpu"): last(Outcome.ERROR),
        ("n0", "storage"): last(Outcome.PASS),
        ("n1", "cpu"): last(Outcome.TIMEOUT),
        ("n1", "gone"): last(Outcome.ERROR),
    }
    chosen = to_retry(
        known, {Outcome.ERROR, Outcome.TIMEOUT}, nodes=(), checks=(), known={"cpu", "storage"}
    )
    assert chosen == {"n0": ONE, "n1": ONE}
    only = to_retry(known, {Outcome.TIMEOUT}, nodes=("n1",), checks=("cpu",), known={"cpu"})
    assert only == {"n1": ONE}


def cancel_all(world: World, **chosen: tuple[str, ...]) -> list[str]:
    found = cancel(
        world.sweeper.slurm, world.sweeper.state, Chosen(**chosen), user="root", by="alice",
        now=world.slurm.now,
    )  # fmt: skip
    return [one.visit.node for one in found]


def test_cancelled_visits_end_explained_running_or_not(world: World) -> None:
    wish(world, ["n0", "n1", "n2"])
    list(world.slurm.start())
    assert cancel_all(world, nodes=("n1", "n2")) == ["n1", "n2"]
    world.run_visits()
    world.slurm.end((100, 0), "COMPLETED")
    world.sweep()
    assert [row for row in world.rows() if row[0] != "n0"] == [
        ("n1", "cpu", "cancelled"),
        ("n2", "cpu", "not_started"),
    ]


def test_only_what_every_option_names_is_cancelled(world: World) -> None:
    started = wish(world, ["n0", "n1"])
    assert cancel_all(world, checks=("storage",)) == []
    assert cancel_all(world, batches=started.batch_ids, nodes=("n1",), checks=("cpu",)) == ["n1"]
    with pytest.raises(StateError, match="no open batch nonsense"):
        cancel_all(world, batches=("nonsense",))


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_cancel_that_is_killed_is_completed_by_the_next_sweep(world: World, at: int) -> None:
    wish(world, ["n0", "n1"])
    list(world.slurm.start())
    point = CrashPoint(at=at)
    state = Mortal(world.state, frozenset({"write_cancellation"}), point)
    slurm = Mortal(world.slurm, frozenset({"cancel"}), point)
    with pytest.raises(Killed):
        cancel(slurm, state, Chosen(), user="root", by="alice", now=world.slurm.now)  # type: ignore[arg-type]
    world.sweep()
    world.sweep()
    assert len(world.rows()) == at
    assert {outcome for _, _, outcome in world.rows()} <= {"cancelled"}


def test_a_cancelled_visit_of_a_batch_that_slurm_never_got_is_not_submitted(world: World) -> None:
    world.slurm.submit = lambda *_: 1 / 0  # type: ignore[method-assign, assignment]
    with pytest.raises(ZeroDivisionError):
        wish(world, ["n0"])
    del world.slurm.submit
    cancel_all(world)
    world.slurm.now += timedelta(seconds=1)
    world.sweep()
    assert world.rows() == [("n0", "cpu", "not_started")]


def test_the_person_behind_sudo_or_the_login_is_named(tmp_path: Path) -> None:
    login = tmp_path / "loginuid"
    assert asked_by({"SUDO_USER": "alice"}, login) == "alice"
    assert asked_by({}, login) == asked_by({}, tmp_path / "none")
    login.write_text("0")
    assert asked_by({}, login) == "root"
    login.write_text(str(2**32 - 1))
    assert asked_by({}, login)


def test_who_waits_for_the_turn_is_told_and_gives_up_in_the_end(world: World) -> None:
    said: list[str] = []
    settings = world.settings

    def clock() -> datetime:
        return world.slurm.now

    world.state.prepare()
    with (
        my_turn(settings, clock=clock) as taken_by,
        pytest.raises(ClusterDoctorError, match="under way"),
        in_turn(settings, clock=clock, patience_s=0.3, tell=said.append),
    ):
        raise AssertionError
    assert taken_by == ""
    assert [line.split(" (")[0] for line in said] == ["a sweep is under way"]
    with in_turn(settings, clock=clock, patience_s=0, tell=said.append):
        assert len(said) == 1
