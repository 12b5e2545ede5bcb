"""Every believable record becomes one result, and nothing else stops the others."""

import fcntl
import json
import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest

from analytics import ingest as work
from analytics.embedded import EmbeddedStore
from analytics.ingest import Ingested, ingest
from analytics.snapshot import Snapshot
from slurm_hooks.errors import StateError, StoreError
from slurm_hooks.record import Evidence, Outcome, Record, dumps
from slurm_hooks.state import State
from tests.disks import fill, full, read_only, tmpfs
from tests.history_examples import CHECKS, NOW, batch, new_state, put, record

SLURM = Evidence.SLURM


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = new_state(tmp_path)
    made.write_batch(batch())
    return made


def _ingest(state: State) -> Ingested:
    return ingest(state, EmbeddedStore(state.history), cluster="alpha", now=NOW)


def _history(state: State) -> list[tuple[str, str, str]]:
    store = EmbeddedStore(state.history)
    asked = "SELECT node, check_name, outcome FROM history ORDER BY node, check_name, finished_at"
    return [(str(a), str(b), str(c)) for a, b, c in store.query(asked).iter_rows()]


def _status(state: State) -> dict[tuple[str, str], str]:
    return {
        key: one.judged.outcome if one.judged else "-"
        for key, one in Snapshot(state.snapshot).standings()
    }


def _aside(state: State) -> dict[str, str]:
    """Each file that was set aside, with its reason."""
    return {
        path.name.removesuffix(".reason"): path.read_text().strip()
        for path in state.aside.iterdir()
        if path.name.endswith(".reason")
    }


def test_a_spool_becomes_history_status_and_filed_records(state: State) -> None:
    records = [record(batch(), task, check) for task in range(2) for check in CHECKS]
    put(state, *records)
    assert _ingest(state) == Ingested(results=4)
    expected = [(f"n{n}", check, "pass") for n in range(2) for check in sorted(CHECKS)]
    assert _history(state) == expected
    assert _status(state) == {(node, check): outcome for node, check, outcome in expected}
    assert state.spooled() == []
    assert state.finished(batch().id) == {(task, check) for task in range(2) for check in CHECKS}


def test_an_empty_spool_makes_an_empty_snapshot_and_needs_no_engine(state: State) -> None:
    assert _ingest(state) == Ingested()
    assert _status(state) == {}
    assert [*state.history.iterdir()] == []


def test_a_record_without_an_outcome_waits_for_slurms_word(state: State) -> None:
    put(state, record(batch(), outcome=None), record(batch(), 1))
    assert _ingest(state) == Ingested(results=1, waiting=1)
    assert [path.name for path in state.spooled()] == [record(batch()).file_name]


def test_the_runners_late_record_replaces_slurms_guess_in_an_archived_batch(state: State) -> None:
    put(state, record(batch(), outcome=Outcome.NODE_FAIL, evidence=SLURM))
    assert _ingest(state).results == 1
    assert _status(state) == {("n0", "storage"): "-"}
    state.close_batch(batch().id)
    put(state, record(batch(), outcome=Outcome.FAIL, ago=timedelta(minutes=20)))
    assert _ingest(state).results == 1
    assert _history(state) == [("n0", "storage", "fail")]
    assert _status(state) == {("n0", "storage"): "fail"}
    assert len([*(state.archive / batch().id / "results").iterdir()]) == 2


def test_slurms_guess_that_comes_late_changes_nothing(state: State) -> None:
    put(state, record(batch(), ago=timedelta(minutes=20)))
    put(state, record(batch(), attempt=1, outcome=Outcome.ERROR, ago=timedelta(minutes=10)))
    _ingest(state)
    before = Snapshot(state.snapshot).standings()
    put(state, record(batch(), outcome=Outcome.CANCELLED, evidence=SLURM, ago=timedelta(0)))
    assert _ingest(state).results == 1
    assert Snapshot(state.snapshot).standings() == before


def test_a_record_that_comes_twice_counts_once(state: State) -> None:
    for _ in range(2):
        put(state, record(batch()))
        assert _ingest(state).results == 1
    assert _history(state) == [("n0", "storage", "pass")]


def test_another_record_of_the_same_name_does_not_take_the_firsts_place(state: State) -> None:
    put(state, record(batch(), outcome=Outcome.FAIL))
    _ingest(state)
    put(state, record(batch(), outcome=Outcome.PASS))
    assert _ingest(state).aside == 1
    assert _history(state) == [("n0", "storage", "fail")]
    assert "another record of this name is in the history" in next(iter(_aside(state).values()))


def _with(**changes: object) -> bytes:
    found = json.loads(dumps(record(batch())))
    return json.dumps({**found, **changes}).encode()


FORGED: dict[str, tuple[bytes, str]] = {
    "torn": (dumps(record(batch()))[:80], "not a record: not JSON"),
    "empty": (b"", "not a record: not JSON"),
    "not text": (b"\xff\xfe\x00", "not a record: not JSON"),
    "a list": (b"[]", "not a record"),
    "deep": (b"[" * 100_000, "not a record"),
    "too large": (b" " * 2_000_000, "not a record: larger than"),
    "newer": (_with(version=2), "written by a newer cluster-doctor"),
    "unknown key": (_with(colour="red"), "colour: unknown key"),
    "wrong token": (_with(token="guessed"), "its token is not that of batch"),
    "odd token": (_with(token="日本"), "its token is not that of batch"),
    "no batch": (_with(batch="20300102T110000Z-ffffffff"), "there is no batch"),
    "a path as batch": (_with(batch="../../etc"), "there is no batch '../../etc'"),
    "another cluster": (_with(cluster="beta"), "of cluster 'beta'"),
    "no such task": (_with(task=77), "has no task 77"),
    "another node": (_with(node="n3"), "visits n0, not 'n3'"),
    "unplanned check": (_with(check="bitcoin"), "does not run 'bitcoin'"),
    "negative attempt": (_with(attempt=-1), "its attempt of -1 is impossible"),
    "huge attempt": (_with(attempt=10**30), "its attempt of 1000000000000000000000000000000 is"),
    "huge job": (_with(job_id=2**80), "its job_id of"),
    "huge exit code": (_with(exit_code=2**40), "its exit_code of"),
    "negative duration": (_with(duration_s=-1.0), "its duration_s of -1.0 is impossible"),
    "years ago": (_with(finished_at="1999-01-01T00:00:00+00:00"), "its finished_at of 1999"),
    "in a week": (_with(finished_at="2030-01-09T00:00:00+00:00"), "its finished_at of 2030-01-09"),
    "no number": (_with(duration_s=float("nan")), "duration_s: expected a finite number"),
    "half a character": (_with(detail="\ud800"), "half a character"),
    "half a metric name": (_with(metrics={"\ud800": 1.0}), "half a character"),
    "a guessed pass": (_with(evidence="slurm"), "its name should be"),
}


@pytest.mark.parametrize("kind", FORGED)
def test_what_is_no_believable_record_is_set_aside_with_its_reason_and_stops_nothing(
    state: State, kind: str
) -> None:
    data, reason = FORGED[kind]
    name = record(batch()).file_name
    (state.spool / name).write_bytes(data)
    put(state, record(batch(), 1))
    done = _ingest(state)
    assert (done.results, done.aside, len(done.notes)) == (1, 1, 1)
    assert reason in _aside(state)[name]
    assert (state.aside / name).read_bytes() == data
    assert _history(state) == [("n1", "storage", "pass")]


def test_slurms_word_can_never_be_a_judgement(state: State) -> None:
    put(state, record(batch(), evidence=SLURM, outcome=Outcome.PASS))
    assert _ingest(state).aside == 1
    assert "needs the runner's own word" in next(iter(_aside(state).values()))


def _directory(path: Path) -> None:
    path.mkdir()


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path may have 107 characters
        try:
            one.bind(path.name)
        finally:
            os.chdir(here)


@pytest.mark.parametrize("make", [_directory, _fifo, _link, _socket])
def test_what_is_no_file_is_set_aside_and_never_read(
    state: State, make: Callable[[Path], None]
) -> None:
    make(state.spool / "odd.json")
    put(state, record(batch()))
    done = _ingest(state)
    assert (done.results, done.aside) == (1, 1)
    assert _aside(state) == {"odd.json": "not a plain file"}


def test_a_batch_that_cannot_be_read_keeps_its_records_in_the_spool(state: State) -> None:
    other = batch(1)
    state.write_batch(other)
    (state.batches / other.id / "batch.json").write_bytes(b"torn")
    put(state, record(other), record(batch()))
    done = _ingest(state)
    assert (done.results, done.aside, done.waiting) == (1, 0, 0)
    assert "left in the spool" in done.notes[0]
    assert [path.name for path in state.spooled()] == [record(other).file_name]


def test_a_file_that_cannot_be_set_aside_is_noted_and_stops_nothing(state: State) -> None:
    (state.spool / "odd.json").write_bytes(b"odd")
    put(state, record(batch()))
    state.aside.rmdir()
    state.aside.write_bytes(b"in the way")
    done = _Prepared(state).ingest()
    assert (done.results, done.aside) == (1, 0)
    assert "left in the spool" in done.notes[0]


class _Prepared(State):
    """A state directory whose preparation is over, so that a test may break it."""

    def __init__(self, state: State) -> None:
        super().__init__(state.root)

    def prepare(self) -> None:
        """Leave it as it is."""

    def ingest(self) -> Ingested:
        return _ingest(self)


def test_a_history_that_cannot_be_written_leaves_the_spool_and_works_later(state: State) -> None:
    put(state, record(batch()))
    state.history.rmdir()
    state.history.write_bytes(b"in the way")
    with pytest.raises(StoreError, match="cannot write the history: Not a directory"):
        ingest(_Prepared(state), EmbeddedStore(state.history), cluster="alpha", now=NOW)
    assert len(state.spooled()) == 1
    state.history.unlink()
    assert _ingest(state).results == 1
    assert _history(state) == [("n0", "storage", "pass")]


@pytest.mark.parametrize("broken", [full, read_only])
def test_a_broken_disk_leaves_the_spool_and_works_later(
    state: State, broken: Callable[[Path], AbstractContextManager[Callable[[], None]]]
) -> None:
    put(state, *(record(batch(), task) for task in range(4)))
    with broken(state.history) as repair:
        with pytest.raises(StoreError, match=r"cannot write the history: (No space|Read-only)"):
            _ingest(state)
        assert len(state.spooled()) == 4
        repair()
        assert _ingest(state).results == 4
        assert state.spooled() == []


def test_a_merge_that_finds_the_disk_full_is_a_note_and_loses_nothing(state: State) -> None:
    """What it would replace stays; it is tried again by the next ingest."""
    with tmpfs(state.history):
        for task in range(4):
            put(state, record(batch(), task))
            _ingest(state)
        store = EmbeddedStore(state.history)
        fill(state.history)
        with pytest.raises(StoreError, match="cannot write the history: No space left"):
            store.tidy(now=NOW, all_of_it=True)
        expected = [(f"n{task}", "storage", "pass") for task in range(4)]
        assert _history(state) == expected
        (state.history / "filler").unlink()
        store.tidy(now=NOW, all_of_it=True)
        assert _history(state) == expected


@pytest.mark.parametrize("damage", [None, b"", b"no database, whatever it was before"])
def test_a_lost_or_damaged_snapshot_is_made_anew_from_the_history(
    state: State, damage: bytes | None
) -> None:
    put(state, record(batch()))
    _ingest(state)
    before = Snapshot(state.snapshot).standings()
    state.snapshot.unlink()
    if damage is not None:
        state.snapshot.write_bytes(damage)
    assert _ingest(state) == Ingested()
    assert Snapshot(state.snapshot).standings() == before


def test_a_rebuilt_snapshot_holds_what_the_history_holds(state: State) -> None:
    put(state, record(batch()))
    _ingest(state)
    before = Snapshot(state.snapshot).standings()
    Snapshot(state.snapshot).replace((), now=NOW)
    work.rebuild(state, EmbeddedStore(state.history), cluster="alpha", now=NOW)
    assert Snapshot(state.snapshot).standings() == before


def test_two_ingests_do_not_run_at_once(state: State) -> None:
    store = EmbeddedStore(state.history)
    with (state.root / "ingest.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StateError, match="another ingest has held it"):
            ingest(state, store, cluster="alpha", now=NOW, wait_s=0.3)
    assert _ingest(state) == Ingested()


def test_progress_is_told(state: State) -> None:
    put(state, *(record(batch(), task) for task in range(4)))
    told: list[tuple[int, int]] = []
    ingest(
        state,
        EmbeddedStore(state.history),
        cluster="alpha",
        now=NOW,
        progress=lambda total, done: told.append((total, done)),
    )
    assert told == [(4, 0), (4, 4)]


def test_a_state_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    gone = State(tmp_path / "gone")
    with pytest.raises(StateError, match="gone must exist"):
        ingest(gone, EmbeddedStore(gone.history), cluster="alpha", now=NOW)


def test_records_read_back_as_they_were_written(state: State) -> None:
    one: Record = record(batch(), detail="a \x1b[31m|\n日本")
    put(state, one)
    _ingest(state)
    found = EmbeddedStore(state.history).query("SELECT * FROM history").row(0, named=True)
    assert found["detail"] == one.detail
    assert found["metrics"] == one.metrics
    assert found["finished_at"] == one.finished_at
    assert found["result_id"] == str(one.result_id)
    assert found["partition"] == "background"
