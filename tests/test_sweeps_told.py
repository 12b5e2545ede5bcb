"""What sweeps leave of themselves, their nodes and what is proven, once it is in the history."""

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import cast

import pytest

from analytics.ingest import Ingested
from analytics.node_changes import Written, changed
from analytics.node_state import NodeState
from analytics.store import Store
from analytics.tables import RESULTS, Table
from analytics.told_nodes import read_told_nodes, told_nodes
from checks.leaving import failures_left, leave_failure, make_room
from slurm_hooks.errors import ConfigError, SlurmError, StateError, StoreError
from slurm_hooks.record import Outcome
from slurm_hooks.slurm_text import Node
from slurm_hooks.state import State
from slurm_hooks.sweep_files import KEPT, SweepFiles
from tests.fakes.crash import CrashPoint, Killed, Mortal
from tests.reaction_examples import done, entry, put_journal
from tests.sweep_examples import node as example
from tests.test_sweep import NODES, World

MINUTES = timedelta(minutes=5)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "state")


def later(world: World, after: timedelta = MINUTES) -> None:
    """Sweep once more, after a while."""
    world.slurm.pass_time(after)
    world.sweep()


def shown(
    world: World, view: str, columns: str = "*", order: str = "ALL"
) -> list[Mapping[str, object]]:
    found = world.store.query(f"SELECT {columns} FROM {view} ORDER BY {order}")
    return [*found.iter_rows(named=True)]


def written_nodes(world: World) -> Counter[str]:
    """How many rows each node has."""
    return Counter(str(one["node"]) for one in shown(world, "node_states", "node, seen_at"))


def set_node(world: World, name: str, **changes: object) -> None:
    world.slurm.node_list = [
        dataclasses.replace(one, **changes) if one.name == name else one  # type: ignore[arg-type]
        for one in world.slurm.node_list
    ]


def test_a_sweep_tells_what_it_saw_planned_and_did_to_the_next_one(world: World) -> None:
    set_node(world, "n3", state="DOWN")
    began = world.slurm.now
    world.sweep()
    world.run_visits()
    later(world)
    later(world)
    first, second = shown(world, "sweeps", order="started_at")
    assert (first["started_at"], first["finished_at"], first["error"]) == (began, began, "")
    assert (first["nodes"], first["free"], first["planned"]) == (4, 3, 3)
    assert (first["batches"], first["visits"], first["refused"]) == (1, 3, [])
    assert dict(cast("Mapping[str, float]", first["verdicts"])) == {"due": 3.0, "unavailable": 1.0}
    assert (second["batches"], second["ingested"], second["closed"]) == (0, 6, 1)


def test_a_sweep_that_slurm_does_not_answer_is_in_the_history_at_once(world: World) -> None:
    world.slurm.up = False
    with pytest.raises(SlurmError):
        world.sweep()
    (row,) = shown(world, "sweeps")
    assert "Unable to contact" in str(row["error"])
    assert (row["nodes"], row["planned"], row["batches"]) == (0, 0, 0)
    assert world.state.sweeps.waiting() == []
    assert shown(world, "nodes") == []


def test_whatever_ends_a_sweep_is_its_error(world: World) -> None:
    """A bug too: who looks at the sweeps must see that none came to its end."""

    def breaks(_: datetime, __: Collection[str]) -> Ingested:
        raise ZeroDivisionError("by zero")

    with pytest.raises(ZeroDivisionError):
        _sweep_with(world, ingest=breaks)
    later(world)
    assert [row["error"] for row in shown(world, "sweeps")] == ["ZeroDivisionError: by zero"]


def _sweep_with(world: World, **parts: object) -> None:
    kept = world.sweeper
    world.sweeper = replace(kept, **parts)  # type: ignore[arg-type]  # fields of its own
    try:
        world.sweep()
    finally:
        world.sweeper = kept


def test_a_definition_that_cannot_be_read_leaves_a_failed_sweep(world: World) -> None:
    world.state.prepare()
    with (
        pytest.raises(ConfigError),
        failures_left(world.settings, clock=lambda: world.slurm.now),
    ):
        raise ConfigError("disk.yaml: max_age: '2 dys' is not a duration")
    later(world)
    assert "2 dys" in str(shown(world, "sweeps")[0]["error"])


def test_where_nothing_can_be_left_the_error_is_still_the_sweeps_own(tmp_path: Path) -> None:
    now = World(tmp_path / "state").slurm.now
    state = State(tmp_path / "missing")
    leave_failure(state, ValueError("x"), cluster="lab", started_at=now, finished_at=now)
    assert not state.root.exists()


def test_a_node_is_written_when_something_about_it_changed_and_once_a_day(world: World) -> None:
    world.sweep()
    world.run_visits()
    for _ in range(4):
        later(world)
    before = written_nodes(world)
    later(world)
    assert written_nodes(world) == before
    set_node(world, "n1", flags=frozenset({"DRAIN"}), reason="new fan", reason_user="root")
    later(world)
    later(world)
    assert written_nodes(world) - before == {"n1": 1}
    (row,) = shown(world, "nodes WHERE node = 'n1'")
    assert (row["state"], row["flags"], row["verdict"]) == ("IDLE", ["DRAIN"], "drained")
    assert (row["holder"], row["holder_kind"], row["reason"]) == ("root", "user", "new fan")
    before = written_nodes(world)
    world.sweeper = replace(world.sweeper, catalogue=world.sweeper.catalogue.without(["cpu"]))
    later(world, timedelta(hours=23))  # stale by then, and visited no more
    later(world, timedelta(hours=2))
    later(world)
    assert all(written_nodes(world)[name] > before[name] for name in NODES)


def test_a_lost_note_of_what_was_told_lets_every_node_be_told_again(world: World) -> None:
    world.sweep()
    world.run_visits()
    for _ in range(3):
        later(world)
    before = written_nodes(world)
    world.state.sweeps.told_nodes.write_bytes(b"\x00 torn")
    later(world)
    later(world)
    assert written_nodes(world) - before == dict.fromkeys(NODES, 1)
    assert len(shown(world, "nodes")) == 4


def test_a_node_that_slurm_has_no_more_is_gone_from_the_view_and_back_when_it_is_back(
    world: World,
) -> None:
    world.sweep()
    lost = world.slurm.node_list.pop()
    later(world)
    later(world)
    assert [row["node"] for row in shown(world, "nodes")] == ["n0", "n1", "n2"]
    last = shown(world, "node_states WHERE node = 'n3'", "seen_at, state, verdict")[-1]
    assert (last["state"], last["verdict"]) == ("", "gone")
    world.slurm.node_list.append(lost)
    later(world)
    later(world)
    assert [row["node"] for row in shown(world, "nodes")] == [*NODES]


def test_a_node_held_by_a_check_is_told_so_and_by_nobody_knows_whom_without_the_journal(
    world: World,
) -> None:
    ours = entry("n0", at=world.slurm.now, check="gpu")
    world.state.prepare()
    put_journal(world.state, done(ours), now=world.slurm.now)
    taken = {"flags": frozenset({"DRAIN"}), "reason_user": "slurm"}
    set_node(world, "n0", reason=ours.text, **taken)
    set_node(world, "n1", reason="Prolog error", **taken)
    world.sweep()
    later(world)
    held = {row["node"]: (row["holder_kind"], row["holder"]) for row in shown(world, "nodes")}
    assert held["n0"] == ("check", "check gpu")
    assert held["n1"] == ("slurm", "Slurm")
    assert held["n2"] == ("", "")
    for path in world.state.reactions.glob("*.jsonl"):
        path.write_text("damaged\nlines\n")
    world.slurm.pass_time(MINUTES)
    world.sweep()
    later(world)
    held = {row["node"]: (row["holder_kind"], row["holder"]) for row in shown(world, "nodes")}
    assert held["n0"] == held["n1"] == ("unknown", "?")
    assert held["n2"] == ("", "")


def test_coverage_grows_with_the_visits_and_says_what_is_in_its_way(world: World) -> None:
    set_node(world, "n3", state="ALLOCATED")
    world.sweep()
    world.run_visits(Outcome.FAIL)
    later(world)
    later(world)
    rows = shown(world, "coverage WHERE check_name = 'cpu'", order="at")
    shares = [(row["nodes"], row["proven"], row["share"], row["failing"]) for row in rows]
    assert shares == [(4, 0, 0.0, 0), (4, 3, 0.75, 3)]
    debts = [dict(cast("Mapping[str, float]", row["debt"])) for row in rows]
    assert debts == [{"busy": 1.0, "due": 3.0}, {"busy": 1.0}]
    assert [row["unproven"] for row in rows] == [4, 1]


def test_a_store_that_is_down_keeps_no_node_waiting_and_what_sweeps_tell_is_kept(
    world: World,
) -> None:
    """Where nothing is on its way but what sweeps tell, the snapshot is enough to plan by."""
    world.sweep()
    world.run_visits()
    later(world)
    up, world.store = world.store, cast("Store", _Down(world.store))  # type: ignore[assignment]
    world.slurm.pass_time(MINUTES)
    down = world.sweep()
    assert any("not in the history yet: it is down" in one for one in down.collected.warnings)
    assert len(down.plan.nodes) == 4
    later(world)
    assert len(world.state.sweeps.waiting()) == 3
    world.store = up
    later(world)
    assert len(world.state.sweeps.waiting()) == 1
    assert len(shown(world, "sweeps")) == 4


class _Down:
    """A store that takes no rows of what sweeps tell."""

    def __init__(self, store: object) -> None:
        self._store = store

    def append(self, rows: object, table: Table = RESULTS) -> None:
        raise StoreError(f"it is down for {table.name} ({rows!r:.10})")

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


def test_a_file_that_is_none_is_set_aside_and_its_nodes_are_told_again(world: World) -> None:
    world.sweep()
    world.run_visits()
    for _ in range(3):
        later(world)
    before = written_nodes(world)
    (path,) = world.state.sweeps.waiting()
    path.write_bytes(path.read_bytes()[:-30])
    (path.with_name("0.json")).write_bytes(b'{"version": 9}')
    world.slurm.pass_time(MINUTES)
    world.run_visits()
    found = world.sweep()
    assert sum("set aside in" in one for one in found.collected.warnings) == 2
    reasons = sorted(path.read_text() for path in world.state.aside.glob("*.reason"))
    assert "not what a sweep tells" in reasons[0]
    assert "newer cluster-doctor" in reasons[1]
    later(world)
    assert written_nodes(world) - before == dict.fromkeys(NODES, 1)


def test_what_cannot_be_left_is_a_warning_and_no_failure(world: World) -> None:
    world.state.prepare()
    world.state.sweeps.directory.rmdir()
    world.state.sweeps.directory.write_text("in the way")
    (tmp := world.state.sweeps.directory).unlink()

    class Full(State):
        __slots__ = ()

        @property
        def sweeps(self) -> SweepFiles:
            return _FullDisk(tmp, self.root / "told-nodes.json")

    tmp.mkdir()
    world.sweeper = replace(world.sweeper, state=Full(world.state.root))
    found = world.sweep()
    assert "what this sweep tells of nodes and coverage" in found.collected.warnings[-1]
    assert "No space left" in world.state.heartbeat.read_text()
    assert len(world.state.open_batches()) == 1


class _FullDisk(SweepFiles):
    __slots__ = ()

    def write(self, name: str, data: bytes) -> None:
        raise StateError(f"{name}: cannot write it: No space left on device ({len(data)} bytes)")


def test_the_oldest_are_given_up_where_too_many_wait_and_that_is_said(tmp_path: Path) -> None:
    state = World(tmp_path / "state").state
    state.prepare()
    for number in range(KEPT + 2):
        (state.sweeps.directory / f"{number:06}.json").touch()
    assert make_room(state) == [
        "what the 2 oldest sweeps told is lost: the history could not be written for too long"
    ]
    assert make_room(state) == []


EFFECTS = frozenset({"write", "note_told", "prune", "remove", "forget_told"})


@contextmanager
def dying(world: World, point: CrashPoint) -> Iterator[None]:
    """Kill whoever touches what sweeps tell at *point*, inside of an ingest too."""
    real = world.state

    class Dying(State):
        __slots__ = ()

        @property
        def sweeps(self) -> SweepFiles:
            return cast("SweepFiles", Mortal(real.sweeps, EFFECTS, point))

    sweeper = world.sweeper
    world.state = Dying(real.root)
    world.sweeper = replace(sweeper, state=world.state)
    try:
        yield
    finally:
        world.state, world.sweeper = real, sweeper


def told(world: World) -> tuple[object, ...]:
    """What the views say but for times and counts of sweeps, of which a killed one has fewer."""
    nodes = shown(world, "nodes", "node, state, flags, verdict, reason, failing, checks, hardware")
    samples = shown(world, "coverage", "check_name, nodes, proven, debt, at")
    latest = max(cast("datetime", row["at"]) for row in samples)
    twice = shown(world, "(SELECT started_at, count() AS n FROM sweeps GROUP BY ALL) WHERE n > 1")
    return nodes, [row for row in samples if row["at"] == latest], twice


def test_killed_before_any_effect_the_next_sweeps_tell_the_same(tmp_path: Path) -> None:
    def run(world: World, point: CrashPoint) -> None:
        world.sweep()
        world.run_visits()
        set_node(world, "n1", flags=frozenset({"DRAIN"}), reason="new fan")
        world.slurm.pass_time(MINUTES)
        try:
            with dying(world, point):
                world.sweep()
        except Killed:
            pass
        set_node(world, "n2", state="DOWN")
        for _ in range(3):
            later(world)

    undisturbed = World(tmp_path / "undisturbed")
    run(undisturbed, CrashPoint())
    expected = told(undisturbed)
    point = CrashPoint()
    for number in count():
        world, point = World(tmp_path / f"killed-{number}"), CrashPoint(at=number)
        run(world, point)
        assert told(world) == expected, f"killed before effect {number}: {point.effects}"
        assert len(world.state.sweeps.waiting()) == 1
        if len(point.effects) < number:
            break
    assert point.effects == ["prune", "remove", "write", "note_told"]


def state_row(name: str, **changes: object) -> NodeState:
    return example(name)._replace(**changes)  # type: ignore[arg-type]  # fields of its own


def test_what_changes_by_itself_is_no_change(world: World) -> None:
    now, before = world.slurm.now, state_row("n1", verdict="due", detail="cpu 25h old")
    _, known = changed([before], {}, cluster="lab", now=now)
    older = before._replace(detail="cpu 26h old", seen_at=now)
    assert changed([older], known, cluster="lab", now=now) == ([], known)
    excluded = before._replace(verdict="excluded", detail="named")
    _, known = changed([excluded], {}, cluster="lab", now=now)
    other = excluded._replace(detail="in no partition")
    assert changed([other], known, cluster="lab", now=now)[0] == [other]


@pytest.mark.parametrize("off", [timedelta(days=1), timedelta(hours=-1)])
def test_a_row_a_day_old_or_from_the_future_is_written_again(off: timedelta, world: World) -> None:
    now, row = world.slurm.now, state_row("n1")
    _, known = changed([row], {}, cluster="lab", now=now - off)
    assert changed([row], known, cluster="lab", now=now)[0] == [row]
    again = changed([row], known, cluster="lab", now=now - off + timedelta(hours=23))
    assert again == ([], known)


def test_the_note_of_what_was_told_is_read_back_and_anything_else_is_nothing(
    tmp_path: Path, world: World
) -> None:
    path = tmp_path / "told-nodes.json"
    note = {"n1": Written("abc", world.slurm.now), "né": Written("def", world.slurm.now)}
    path.write_bytes(told_nodes(note))
    assert read_told_nodes(path) == note
    damaged: Sequence[bytes] = (
        b"", b"[]", b'{"n1": 1}', b'{"n1": ["a"]}', b'{"n1": ["a", "x"]}', b"[" * 100_000,
        b'{"n1": ["a", "99999999999999999999"]}', b"\xff",
    )  # fmt: skip
    for one in damaged:
        path.write_bytes(one)
        assert read_told_nodes(path) == {}
    path.unlink()
    assert read_told_nodes(path) == {}


def test_a_nodes_row_has_all_that_slurm_says_of_it(world: World) -> None:
    world.slurm.node_list[0] = Node(
        name="n0", state="IDLE", flags=frozenset({"PLANNED", "CLOUD"}), cpus=128,
        real_memory_mb=1031000, features=("h100",), gres="gpu:h100:8(S:0-1)",
        partitions=("main", "background"), reason="a\x1b[2J b\nc", reason_user="root",
        reason_at=world.slurm.now,
    )  # fmt: skip
    world.sweep()
    later(world)
    (row,) = shown(world, "nodes WHERE node = 'n0'")
    assert (row["state"], row["flags"], row["verdict"]) == ("IDLE", ["CLOUD", "PLANNED"], "busy")
    assert (row["cpus"], row["memory_mb"], row["features"]) == (128, 1031000, ["h100"])
    assert (row["reason"], row["reason_at"]) == ("a\x1b[2J b\nc", world.slurm.now - MINUTES)
    assert row["hardware"] == "128 CPUs, 1024 GiB, gpu:h100:8"
    assert row["partitions"] == ["main", "background"]
