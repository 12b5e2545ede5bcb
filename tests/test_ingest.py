"""Every believable record becomes one result, and nothing else stops the others."""

import fcntl
import json
import os
import socket
import subprocess
import sys
import tempfile
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
ROOT = Path(__file__).parents[1]


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
    "two outcomes": (_with()[:-1] + b', "outcome": "fail"}', "it has a key twice"),
    "two values of a metric": (
        _with().replace(b'"metrics": {', b'"metrics": {"write_bytes_per_s": 1, '),
        "it has a key twice",
    ),
    "a metric that is a text": (_with(metrics={"a": "1.0"}), "metrics.a: expected a number"),
    "a node of a thousand letters": (_with(node="n" * 1000), "visits n0, not 'nnn"),
    "a check of ten thousand letters": (_with(check="c" * 10_000), "does not run 'ccc"),
    "control characters": (_with(check="\x1b[2J"), "does not run '\\x1b[2J'"),
    "a huge duration": (_with(duration_s=10**400), "duration_s: expected a finite number"),
    "an endless number": (_with().replace(b"4711", b"9" * 5000), "not JSON"),
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


@pytest.mark.parametrize(
    ("metrics", "kept", "left"),
    [
        ({"a": float("nan"), "b": 2.0}, {"b": 2.0}, "1 of 2"),
        ({"a": float("inf"), "b": float("-inf")}, {}, "2 of 2"),
        ({"a": 10**400, "b": 2}, {"b": 2.0}, "1 of 2"),
        ({f"m{n:05}": 1.0 for n in range(10_000)}, 1000, "9,000 of 10,000"),
        ({"m" * 10_000: 1.0, "b": 2.0}, {"b": 2.0}, "1 of 2"),
        ({"\x1b[2J": 1.0, "\ud800": 1.0, "b": 2.0}, {"b": 2.0}, "2 of 3"),
    ],
)
def test_metrics_that_cannot_be_kept_do_not_take_the_verdict_with_them(
    state: State, metrics: dict[str, float], kept: dict[str, float] | int, left: str
) -> None:
    name = record(batch()).file_name
    data = _with(outcome="fail", detail="is slow", metrics=metrics)
    (state.spool / name).write_bytes(data)
    assert _ingest(state) == Ingested(results=1)
    ((outcome, detail, found),) = EmbeddedStore(state.history).rows(
        "SELECT outcome, detail, metrics FROM history"
    )
    assert (outcome, detail) == ("fail", f"is slow; {left} metrics are unusable or too many")
    assert isinstance(found, dict)
    assert (len(found) if isinstance(kept, int) else found) == kept
    assert (state.batches / batch().id / "results" / name).read_bytes() == data


def test_numbers_too_large_for_a_float_are_no_number_in_text_either(state: State) -> None:
    name = record(batch()).file_name
    data = _with(metrics={"a": 7.0}).replace(b"7.0", b"1e999")
    (state.spool / name).write_bytes(data)
    assert _ingest(state) == Ingested(results=1)


def test_an_endless_detail_is_cut_and_the_file_keeps_it(state: State) -> None:
    put(state, record(batch(), detail="d" * 900_000))
    assert _ingest(state) == Ingested(results=1)
    ((detail,),) = EmbeddedStore(state.history).rows("SELECT detail FROM history")
    assert detail == "d" * 3997 + "..."


def test_a_file_that_vanishes_is_named_and_stops_nothing(state: State) -> None:
    put(state, record(batch()), record(batch(), 1))
    gone = state.spool / record(batch()).file_name
    done = ingest(
        state,
        EmbeddedStore(state.history),
        cluster="alpha",
        now=NOW,
        progress=lambda _all, _done: gone.unlink(missing_ok=True),
    )
    assert (done.results, done.waiting, done.aside) == (1, 0, 0)
    assert done.notes == (f"{gone}: it vanished while the spool was read",)


def test_a_name_that_no_terminal_should_see_is_set_aside_like_any_other(state: State) -> None:
    for name in (b"\xff.json", b"a\n\x1b[2J.json", b"n" * 255):
        (state.spool / os.fsdecode(name)).write_bytes(b"odd")
    put(state, record(batch()))
    done = _ingest(state)
    assert (done.results, done.aside, len(done.notes)) == (1, 3, 3)
    assert state.spooled() == []


def test_a_file_that_may_not_be_read_stays_until_it_may() -> None:
    """As an account that is not root, whom no mode keeps out."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        state = new_state(root / "state")
        state.write_batch(batch())
        put(state, record(batch()), record(batch(), 1))
        closed = state.spool / record(batch()).file_name
        closed.chmod(0)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "nobody", directory], check=True)
        code = (
            "import os, pwd, sys\n"
            "if os.geteuid() == 0:\n"
            "    os.setuid(pwd.getpwnam('nobody').pw_uid)\n"
            "from pathlib import Path\n"
            "from analytics.embedded import EmbeddedStore\n"
            "from analytics.ingest import ingest\n"
            "from slurm_hooks.state import State\n"
            "from tests.history_examples import NOW\n"
            "state = State(Path(sys.argv[1]))\n"
            "done = ingest(state, EmbeddedStore(state.history), cluster='alpha', now=NOW)\n"
            "print(done.results, done.aside, *done.notes)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(state.root)],
            capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
        )  # fmt: skip
        assert done.stderr == ""
        assert done.stdout == f"1 0 {closed}: left in the spool: Permission denied\n"
        assert [path.name for path in state.spooled()] == [closed.name]


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
            store.tidy_here(now=NOW, all_of_it=True)
        expected = [(f"n{task}", "storage", "pass") for task in range(4)]
        assert _history(state) == expected
        (state.history / "filler").unlink()
        store.tidy_here(now=NOW, all_of_it=True)
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
