"""Since when a check is known, and what a check that does not run after its creation waits for."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.catalogue import Catalogue
from checks.definition_file import DefinitionFile, parse_definition
from checks.eligible import Verdict
from checks.first_seen import note_first_seen, read_first_seen, seen_at
from checks.ondemand import start
from checks.sweep import observe, plan_now
from slurm_hooks.errors import StateError
from tests.test_plan import NOW
from tests.test_sweep import World, definition

moments = st.timedeltas(timedelta(-9), timedelta(9)).map(lambda after: NOW + after)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "state")
    found = (definition("cpu", run_after_creation=False),)
    made.sweeper = replace(made.sweeper, catalogue=Catalogue(definitions=found, sources={}))
    return made


def verdicts(world: World, after: timedelta) -> set[Verdict]:
    world.slurm.pass_time(after)
    return {one.verdict for one in world.sweep().plan.nodes}


def test_a_check_that_does_not_run_after_its_creation_runs_max_age_after_the_first_sweep(
    world: World,
) -> None:
    assert verdicts(world, timedelta()) == {Verdict.WAITING}
    assert verdicts(world, timedelta(hours=23, minutes=59)) == {Verdict.WAITING}
    assert verdicts(world, timedelta(minutes=1)) == {Verdict.DUE}


def test_a_look_at_the_plan_starts_no_clock(world: World) -> None:
    world.state.prepare()
    seen = observe(world.sweeper)
    planned = plan_now(world.sweeper, seen, [], last={}, now=world.slurm.now)
    assert {one.until for one in planned.nodes} == {world.slurm.now + timedelta(days=1)}
    assert not world.state.first_seen.exists()


def test_whoever_asks_for_a_new_check_gets_it_at_once(world: World) -> None:
    world.sweep()
    wanted = {"n0": frozenset({"cpu"})}
    done = start(world.sweeper, wanted, patient=False, clock=lambda: world.slurm.now)
    assert len(done.batch_ids) == 1


def test_a_check_that_was_suspended_or_gone_for_a_while_is_not_new(world: World) -> None:
    catalogue = world.sweeper.catalogue
    world.sweep()
    for other in (catalogue.without({"cpu": "why"}), Catalogue(definitions=(), sources={})):
        world.sweeper = replace(world.sweeper, catalogue=other)
        assert verdicts(world, timedelta(hours=12)) == {Verdict.EXCLUDED}
    world.sweeper = replace(world.sweeper, catalogue=catalogue)
    assert verdicts(world, timedelta()) == {Verdict.DUE}


def test_a_damaged_file_is_named_with_its_remedy_and_nothing_is_planned(world: World) -> None:
    world.sweep()
    world.state.first_seen.write_text("{")
    with pytest.raises(StateError, match=r"first-seen\.json: .* remove it"):
        world.sweep()


@given(
    known=st.dictionaries(st.sampled_from("abc"), moments),
    names=st.sets(st.sampled_from("bcd")),
    now=moments,
)
def test_a_time_once_noted_stays_unless_it_lies_in_the_future(
    known: dict[str, datetime], names: set[str], now: datetime
) -> None:
    found = seen_at(known, names, now=now)
    assert set(found) == set(known) | names
    assert all(at <= now for at in found.values())
    assert all(found[name] == at for name, at in known.items() if at <= now)
    assert seen_at(found, names, now=now + timedelta(1)) == found


def test_what_was_noted_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "first-seen.json"
    assert read_first_seen(path) == {}
    note_first_seen(path, ["a"], now=NOW)
    note_first_seen(path, ["a", "b"], now=NOW + timedelta(1))
    assert read_first_seen(path) == {"a": NOW, "b": NOW + timedelta(1)}


@pytest.mark.parametrize(
    ("written", "at_once"),
    [("", True), ("runAfterCreation: true", True), ("runAfterCreation: false", False),
     ("run_after_creation: false", False)],
)  # fmt: skip
def test_the_name_in_active_check_resources_is_read_as_ours(written: str, at_once: bool) -> None:
    text = f"name: x\ndescription: x\ncommand: [x]\nmax_age: 1d\n{written}\n"
    found = parse_definition(text.encode(), Path("x.yaml"))
    assert isinstance(found, DefinitionFile)
    assert found.definition.run_after_creation is at_once
