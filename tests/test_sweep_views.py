"""The views of sweeps, nodes and coverage say what can be counted from what sweeps told."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import cast

import pytest

from analytics import coverage_row, node_state, sweep_row
from analytics.effects import Disk
from analytics.embedded import EmbeddedStore
from analytics.history import standings
from analytics.ingest import ingest
from analytics.node_state import NodeState
from analytics.snapshot import Snapshot
from analytics.sweep_file import SweepFile
from analytics.sweep_row import SweepRow
from analytics.tables import COVERAGE, NODES, SWEEPS
from checks.coverage import proofs
from slurm_hooks.record import Outcome
from slurm_hooks.state import State
from tests.history_examples import CHECKS, NOW, batch, new_state, put, record
from tests.sweep_examples import node, sample, sweep_bytes, sweep_file
from tests.test_sweep import World

Values = Mapping[str, object]


def told(dice: Random, *, cluster: str, start: timedelta) -> list[SweepFile]:
    """What 40 sweeps of a cluster tell, the latest *start* ago; each second one some nodes."""
    found = []
    for number in range(40):
        minutes = (start / timedelta(minutes=1)) + 5 * number
        names = [f"n{n}" for n in range(12) if dice.random() < 0.2] if number % 2 else []
        rows = tuple(
            node(name, minutes=minutes, cluster=cluster)._replace(
                state=dice.choice(["IDLE", "MIXED", "DOWN", ""]),
                failing=tuple(dice.sample(CHECKS, dice.randrange(3))),
                latest_proof=dice.choice([None, NOW]),
            )
            for name in names
        )
        samples = tuple(
            sample(check, minutes=minutes, cluster=cluster)._replace(
                nodes=(nodes := dice.randrange(4)), proven=dice.randrange(nodes + 1)
            )
            for check in dice.sample(CHECKS, dice.randrange(3))
        )
        sweep = sweep_file(minutes=minutes, cluster=cluster).sweep
        if not names and dice.random() < 0.3:
            sweep, samples = sweep._replace(nodes=0, error="slurmctld is away"), ()
        found.append(SweepFile(sweep=sweep, nodes=rows, coverage=samples))
    return found


@pytest.fixture(scope="module", params=[1, 2, 3])
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[EmbeddedStore, Sequence[SweepFile]]:
    """A store that got everything, in any order and some of it twice, and what it got."""
    dice = Random(request.param)
    store = EmbeddedStore(tmp_path_factory.mktemp("history"))
    disk = Disk(State(tmp_path_factory.mktemp("state")), store, cluster="alpha", now=NOW)
    files = [
        *told(dice, cluster="alpha", start=timedelta(0)),
        *told(dice, cluster="beta", start=timedelta(days=5)),  # its sweeps stopped days ago
    ]
    delivered = [*files, *dice.sample(files, 20)]
    dice.shuffle(delivered)
    for start in range(0, len(delivered), 17):
        some = delivered[start : start + 17]
        disk.append_told([row for one in some for row in one.nodes], NODES)
        disk.append_told([row for one in some for row in one.coverage], COVERAGE)
        disk.append_told([one.sweep for one in some], SWEEPS)
        if dice.random() < 0.3:
            disk.tidy()
    return store, files


def rows(store: EmbeddedStore, view: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
    found = store.rows(f"SELECT {', '.join(columns)} FROM {view} ORDER BY ALL")
    return [tuple(tuple(one) if isinstance(one, list) else one for one in row) for row in found]


def plain(row: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(dict(one) if isinstance(one, Mapping) else one for one in row)


def in_order(found: Sequence[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return sorted(found, key=repr)


def test_each_sweep_is_one_row_however_often_it_came(
    both: tuple[EmbeddedStore, Sequence[SweepFile]],
) -> None:
    store, files = both
    found = [SweepRow._make(row) for row in rows(store, "sweeps", [*sweep_row.COLUMNS])]
    assert in_order(found) == in_order([SweepRow._make(plain(one.sweep)) for one in files])


def test_a_node_is_shown_as_it_was_last_told_and_a_gone_one_not_at_all(
    both: tuple[EmbeddedStore, Sequence[SweepFile]],
) -> None:
    store, files = both
    latest: dict[tuple[str, str], NodeState] = {}
    for row in sorted((row for one in files for row in one.nodes), key=lambda row: row.seen_at):
        latest[row.cluster, row.node] = row
    expected = [tuple(row) for row in latest.values() if row.state]
    assert in_order(rows(store, "nodes", [*node_state.COLUMNS])) == in_order(expected)
    assert {row.cluster for row in latest.values()} == {"alpha", "beta"}


def test_coverage_is_one_row_per_check_and_sweep_with_its_share(
    both: tuple[EmbeddedStore, Sequence[SweepFile]],
) -> None:
    store, files = both
    expected = [
        (*plain(row), row.proven / row.nodes if row.nodes else None, row.nodes - row.proven)
        for one in files
        for row in one.coverage
    ]
    columns = [*coverage_row.COLUMNS, "share", "unproven"]
    assert in_order(rows(store, "coverage", columns)) == in_order(expected)


def test_a_node_that_nobody_told_of_for_days_while_others_were_is_not_shown(
    tmp_path: Path,
) -> None:
    """It should have been told gone; this is where that was lost."""
    store = EmbeddedStore(tmp_path)
    disk = Disk(State(tmp_path), store, cluster="alpha", now=NOW)
    disk.append_told([node("n0", minutes=3 * 24 * 60), node("n1")], NODES)
    assert rows(store, "nodes", ["node"]) == [("n0",), ("n1",)]  # no sweep was told of yet
    disk.append_told([sweep_file().sweep], SWEEPS)
    assert rows(store, "nodes", ["node"]) == [("n1",)]


def test_an_empty_history_has_no_sweeps_nodes_or_coverage(tmp_path: Path) -> None:
    for view in ("sweeps", "nodes", "coverage"):
        assert EmbeddedStore(tmp_path).rows(f"SELECT * FROM {view}") == []


def test_retention_forgets_old_sweeps_and_no_node_that_is_told_every_day(tmp_path: Path) -> None:
    day = 24 * 60
    store = EmbeddedStore(tmp_path, retention=timedelta(days=10))
    disk = Disk(State(tmp_path), store, cluster="alpha", now=NOW)
    for days in range(30, -1, -1):
        one = sweep_file(minutes=days * day)
        disk.append_told(one.nodes, NODES)
        disk.append_told(one.coverage, COVERAGE)
        disk.append_told([one.sweep], SWEEPS)
        store.tidy(now=NOW - timedelta(days=days))
    oldest = cast("datetime", store.rows("SELECT min(started_at) FROM sweeps")[0][0])
    assert NOW - timedelta(days=11) < oldest
    assert rows(store, "nodes", ["node"]) == [("n0",), ("n1",)]


def test_how_a_nodes_checks_stand_is_what_the_view_status_says(tmp_path: Path) -> None:
    """Sweeps tell it from the snapshot; so questions about nodes need not read the results."""
    world = World(tmp_path / "state")
    for outcome in (Outcome.PASS, Outcome.FAIL, Outcome.ERROR):
        world.sweep()
        world.run_visits(outcome)
        world.slurm.pass_time(timedelta(hours=25))
    for _ in range(2):
        world.sweep()
        world.slurm.pass_time(timedelta(minutes=5))
    by_status = proofs(world.sweeper.history.last())
    assert {node for (node, _), _ in standings(world.store, "lab")} == set(by_status)
    names = ["node", "failing", "latest_proof", "oldest_proof", "checks"]
    found = {str(row[0]): row[1:] for row in rows(world.store, "nodes", names)}
    assert found == {name: tuple(proof) for name, proof in by_status.items()}
    assert {proof.failing for proof in by_status.values()} == {("cpu", "storage")}


def test_ingest_by_hand_takes_in_what_sweeps_told_and_counts_results_alone(tmp_path: Path) -> None:
    state = new_state(tmp_path)
    state.write_batch(batch())
    put(state, record(batch()))
    told = sweep_file()
    state.sweeps.write(told.file_name, sweep_bytes(told))
    store = EmbeddedStore(state.history)
    done = ingest(state, store, cluster="alpha", now=NOW)
    assert (done.results, done.aside, done.notes) == (1, 0, ())
    assert rows(store, "sweeps", ["host"]) == [("head",)]
    assert [key for key, _ in Snapshot(state.snapshot).standings()] == [("n0", "storage")]
    assert state.sweeps.waiting() == []


def test_many_files_are_taken_in_some_at_a_time(tmp_path: Path) -> None:
    state = new_state(tmp_path)
    names = tuple(f"n{number}" for number in range(9000))
    for ago in (15, 10, 5):
        told = sweep_file(minutes=ago, nodes=names)
        (state.sweeps.directory / told.file_name).write_bytes(sweep_bytes(told))
        assert len(told.nodes) == len(names)
    store = EmbeddedStore(state.history)
    assert ingest(state, store, cluster="alpha", now=NOW).notes == ()
    assert store.rows("SELECT count() FROM node_states") == [(27000,)]
    assert store.rows("SELECT count(), max(seen_at) FROM nodes") == [
        (9000, NOW - timedelta(minutes=5))
    ]
