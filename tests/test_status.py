"""The snapshot says the same as the SQL view, in whatever order results come."""

import random
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.embedded import EmbeddedStore
from analytics.frame import frame
from analytics.history import KeptHistory, Last, standings
from analytics.result import Result
from analytics.snapshot import Key, Snapshot, SnapshotUnusableError
from analytics.standing import RETRIED, Brief, Seen, Standing, fold, seen
from slurm_hooks.errors import StoreError
from slurm_hooks.record import Evidence, Outcome
from tests.history_examples import NOW, new_state, row

Table = dict[Key, Standing]


def expected(rows: Iterable[Result]) -> Table:
    """The definition: of each result the highest revision; of those the latest, and judged."""
    winners: dict[str, Result] = {}
    for one in rows:
        before = winners.get(one.result_id)
        if before is None or one.revision > before.revision:
            winners[one.result_id] = one
    pairs: dict[Key, list[Seen]] = {}
    for one in winners.values():
        pairs.setdefault((one.node, one.check_name), []).append(seen(one))
    return {key: _standing(found) for key, found in pairs.items()}


def _standing(found: list[Seen]) -> Standing:
    found = sorted(found, key=lambda one: (-one.at_ms, one.visit))
    judged = [one for one in found if one.judged]
    tries = found[: found.index(judged[0])] if judged else found
    window = judged[:8]
    fails = [place for place, one in enumerate(window) if one.outcome == "fail"]
    return Standing(
        judged=judged[0] if judged else None,
        attempt=found[0],
        unjudged=_briefs([one for one in tries if one.outcome in RETRIED][:8]),
        failures=_briefs(window[: fails[-1] + 1] if fails else []),
    )


def _briefs(several: Iterable[Seen]) -> tuple[Brief, ...]:
    return tuple(Brief(one.at_ms, one.visit, one.revision, one.outcome) for one in several)


def _ask(rows: Sequence[Result], nodes: Sequence[str]) -> list[tuple[Key, Standing]]:
    return [(key, one) for key, one in expected(rows).items() if key[0] in nodes]


def _result(name: int, *, runner: bool) -> Result:
    """Revision and name decide the rest, as two records of one result never differ otherwise."""
    dice = random.Random(f"{name} {runner}")
    judged = [Outcome.PASS, Outcome.FAIL, Outcome.WARN] if runner else []
    return row(
        f"r{name:02}",
        node=f"n{name % 2}",
        outcome=dice.choice([*judged, Outcome.ERROR, Outcome.PREEMPTED, Outcome.NOT_STARTED]),
        evidence=Evidence.RUNNER if runner else Evidence.SLURM,
        minute=dice.randrange(5),
    )


def _many(name: int) -> Result:
    """One of so many results of one pair that not all of them are kept."""
    dice = random.Random(name)
    outcome = dice.choice([Outcome.PASS, Outcome.PASS, Outcome.FAIL, Outcome.ERROR])
    return row(f"m{name:02}", node="n2", outcome=outcome, minute=dice.randrange(20))


RESULTS = st.builds(_result, st.integers(0, 11), runner=st.booleans()) | st.builds(
    _many, st.integers(0, 40)
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(st.lists(RESULTS, max_size=12), max_size=6))
def test_folding_in_any_order_with_duplicates_and_late_revisions_gives_the_defined_table(
    tmp_path: Path, rounds: list[list[Result]]
) -> None:
    snapshot = Snapshot(tmp_path / "status.sqlite")
    snapshot.replace((), now=NOW)
    stored: list[Result] = []
    for rows in rounds:
        stored += rows
        snapshot.update(rows, partial(_ask, tuple(stored)), now=NOW)
        assert dict(snapshot.standings()) == expected(stored)


@settings(max_examples=300)
@given(rows=st.lists(st.builds(_many, st.integers(0, 60)), min_size=1, max_size=60))
def test_what_is_kept_is_enough_to_fold_or_it_says_that_it_is_not(rows: list[Result]) -> None:
    known: Standing | None = None
    for number, one in enumerate(rows, start=1):
        found = expected(rows[:number])[("n2", "storage")]
        folded = fold(known, seen(one))
        assert folded in {found, None}
        known = found


@given(outcomes=st.lists(st.sampled_from(Outcome), max_size=30))
def test_results_that_come_in_the_order_they_ended_never_need_the_history(
    outcomes: list[Outcome],
) -> None:
    known: Standing | None = None
    for number, outcome in enumerate(outcomes):
        known = fold(known, seen(row(f"r{number}", outcome=outcome, minute=number)))
        assert known is not None


def _overruled(runners: Result) -> Result:
    """What the sweep makes of a runner's result that Slurm contradicts."""
    return runners._replace(
        outcome="error", evidence="conflict", revision=Evidence.CONFLICT.revision
    )


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(st.lists(st.tuples(RESULTS, st.booleans()), max_size=6), max_size=6))
def test_a_result_that_was_overruled_after_the_runners_stays_so_whatever_comes_later(
    tmp_path: Path, rounds: list[list[tuple[Result, bool]]]
) -> None:
    """Ingest counts a conflict after its runner's record, and refuses that one from then on."""
    snapshot = Snapshot(tmp_path / "status.sqlite")
    snapshot.replace((), now=NOW)
    stored: list[Result] = []
    for drawn in rounds:
        gone = {one.result_id for one in stored if one.evidence == "conflict"}
        rows = [one for one, _ in drawn if one.evidence == "slurm" or one.result_id not in gone]
        rows += [_overruled(one) for one, more in drawn if more and one.evidence == "runner"]
        stored += rows
        snapshot.update(rows, partial(_ask, tuple(stored)), now=NOW)
        assert dict(snapshot.standings()) == expected(stored)


def test_the_sql_view_is_the_defined_table(tmp_path: Path) -> None:
    dice = random.Random(5)
    rows = [_result(dice.randrange(60), runner=dice.random() < 0.6) for _ in range(300)]
    rows += [_many(number) for number in range(100)]
    store = EmbeddedStore(tmp_path)
    for start in range(0, len(rows), 50):
        store.append(frame(rows[start : start + 50]))
    assert dict(standings(store, "alpha")) == expected(rows)
    assert dict(standings(store, "alpha", ["n1"])) == {
        key: one for key, one in expected(rows).items() if key[0] == "n1"
    }
    assert dict(standings(store, "another cluster")) == {}


def test_a_snapshot_that_cannot_be_replaced_leaves_the_old_one(tmp_path: Path) -> None:
    snapshot = Snapshot(tmp_path / "status.sqlite")
    snapshot.replace(_ask([row("a")], ["n1"]), now=NOW)

    def fail(_nodes: Sequence[str]) -> list[tuple[Key, Standing]]:
        raise StoreError("gone")

    again = row("a", outcome=Outcome.PASS)._replace(revision=3)
    with pytest.raises(StoreError, match="gone"):
        snapshot.update([again], fail, now=NOW)
    assert dict(snapshot.standings()) == expected([row("a")])
    assert [path.name for path in tmp_path.iterdir()] == ["status.sqlite"]


def test_only_the_asked_nodes_are_read(tmp_path: Path) -> None:
    snapshot = Snapshot(tmp_path / "status.sqlite")
    rows = [row(f"r{n}", node=f"n{n}") for n in range(1200)]
    snapshot.replace(expected(rows).items(), now=NOW)
    nodes = [f"n{n}" for n in range(0, 1200, 2)]
    assert {key[0] for key, _ in snapshot.standings(nodes)} == set(nodes)


@pytest.mark.parametrize("damage", [b"", b"not a database at all, and long enough to be read"])
def test_a_damaged_snapshot_is_unusable_and_not_empty(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "status.sqlite"
    path.write_bytes(damage)
    with pytest.raises(SnapshotUnusableError):
        Snapshot(path).standings()
    with pytest.raises(SnapshotUnusableError):
        Snapshot(path).update([row("a")], lambda _nodes: [], now=NOW)


def test_a_snapshot_of_another_version_is_unusable(tmp_path: Path) -> None:
    path = tmp_path / "status.sqlite"
    Snapshot(path).replace((), now=NOW)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET version = 99")
    connection.close()
    with pytest.raises(SnapshotUnusableError, match="another version"):
        Snapshot(path).standings()


def test_anybody_may_read_the_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "status.sqlite"
    Snapshot(path).replace((), now=NOW)
    assert path.stat().st_mode & 0o777 == 0o644


def test_the_planner_gets_the_latest_judgement_and_the_latest_attempt(tmp_path: Path) -> None:
    state = new_state(tmp_path)
    rows = [row("a", minute=1), row("b", minute=2, outcome=Outcome.TIMEOUT)]
    Snapshot(state.snapshot).replace(expected(rows).items(), now=NOW)
    assert KeptHistory(state, EmbeddedStore(state.history), cluster="alpha").last() == {
        ("n1", "storage"): Last(
            judged=Outcome.PASS,
            judged_at=NOW + timedelta(minutes=1),
            attempt=Outcome.TIMEOUT,
            attempt_at=NOW + timedelta(minutes=2),
            unjudged=(Outcome.TIMEOUT,),
        )
    }


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.SKIP, Outcome.ERROR])
def test_the_store_stands_in_for_a_snapshot_that_is_gone(tmp_path: Path, outcome: Outcome) -> None:
    state = new_state(tmp_path)
    store = EmbeddedStore(state.history)
    store.append(frame([row("a", outcome=outcome)]))
    history = KeptHistory(state, store, cluster="alpha")
    from_store = history.last()
    Snapshot(state.snapshot).replace(standings(store, "alpha"), now=NOW)
    assert history.last() == from_store
    assert from_store[("n1", "storage")].attempt is outcome


def test_a_new_state_directory_knows_nothing_and_that_is_no_error(tmp_path: Path) -> None:
    state = new_state(tmp_path)
    assert KeptHistory(state, EmbeddedStore(state.history), cluster="alpha").last() == {}


def test_a_state_directory_that_is_not_there_is_no_empty_history(tmp_path: Path) -> None:
    state = new_state(tmp_path / "state")
    history = KeptHistory(state, EmbeddedStore(state.history), cluster="alpha")
    (tmp_path / "state").rename(tmp_path / "unmounted")
    with pytest.raises(StoreError, match="is it mounted"):
        history.last()


def test_without_snapshot_and_store_nothing_is_guessed_and_the_remedy_is_named(
    tmp_path: Path,
) -> None:
    state = new_state(tmp_path)
    state.snapshot.write_bytes(b"damaged")
    state.history.rmdir()
    with pytest.raises(StoreError, match=r"so nothing is planned.*ingest --rebuild"):
        KeptHistory(state, EmbeddedStore(state.history), cluster="alpha").last()
