"""Merging changes no answer, fails no reader, and survives being killed anywhere."""

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.compaction import tidy
from analytics.embedded import EmbeddedStore
from analytics.frame import frame
from analytics.layout import split
from analytics.manifest import FILE, read_manifest
from analytics.result import Result
from analytics.segments import Segments
from analytics.tables import RESULTS
from analytics.tidying import GRACE
from slurm_hooks.errors import StoreError
from slurm_hooks.record import Evidence, Outcome
from tests.history_examples import NOW, row

KEPT = timedelta(days=400)
ALL = "SELECT detail FROM history ORDER BY detail"


def of_batch(number: int, name: str, *, evidence: Evidence = Evidence.RUNNER) -> Result:
    """A result of the batch that was made *number* hours ago."""
    made = NOW - timedelta(hours=number)
    one = row(name, evidence=evidence)
    return one._replace(batch=f"{made:%Y%m%dT%H%M%SZ}-{number:08x}", finished_at=made)


def segments_of(directory: Path) -> Segments:
    return Segments(RESULTS, directory / RESULTS.name)


def compact(directory: Path, *, after: timedelta = timedelta(0)) -> Sequence[str]:
    return tidy(segments_of(directory), now=NOW + after, retention=KEPT, all_of_it=True)


def kinds(directory: Path) -> tuple[int, int]:
    """How many segments are settled, and how many contested."""
    found = split(segments_of(directory).manifest().segments)
    return len(found.settled), len(found.contested)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    made = EmbeddedStore(tmp_path)
    yield made
    made.close()


def details(store: EmbeddedStore) -> list[object]:
    return [one for (one,) in store.rows(ALL)]


def winners(rows: Iterable[Result]) -> list[str]:
    """The definition: of each result the highest revision, of equal ones the first ingested."""
    found: dict[str, Result] = {}
    for one in rows:
        known = found.get(one.result_id + one.batch)
        rank = (-one.revision, one.ingested_at)
        if known is None or rank < (-known.revision, known.ingested_at):
            found[one.result_id + one.batch] = one
    return sorted(one.detail for one in found.values())


def _drawn(number: int, name: int, minute: int, *, runner: bool) -> Result:
    evidence = Evidence.RUNNER if runner else Evidence.SLURM
    one = of_batch(number, f"r{name}", evidence=evidence)
    return one._replace(
        detail=f"{number} {name} {evidence}", ingested_at=NOW + timedelta(minutes=minute)
    )


ROUNDS = st.lists(
    st.lists(
        st.builds(
            _drawn,
            st.integers(0, 60),
            st.integers(0, 3),
            st.integers(0, 2),
            runner=st.booleans(),
        ),
        max_size=10,
    ),
    max_size=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rounds=ROUNDS, merged=st.sets(st.integers(0, 8)))
def test_whenever_it_is_merged_the_history_is_the_defined_one(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[Result]], merged: set[int]
) -> None:
    directory = tmp_path_factory.mktemp("history")
    store = EmbeddedStore(directory)
    told: list[Result] = []
    try:
        for number, rows in enumerate(rounds):
            store.append(frame(rows))
            told += rows
            if number in merged:
                compact(directory)
                assert kinds(directory)[1] == 0
            assert details(store) == winners(told)
    finally:
        store.close()


def test_results_of_batches_that_are_over_are_settled_apart_from_the_young(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    store.append(frame([of_batch(100, "a"), of_batch(2, "b"), of_batch(1, "c")]))
    assert kinds(tmp_path) == (0, 1)
    compact(tmp_path)
    assert kinds(tmp_path) == (2, 0)
    store.append(frame([of_batch(1, "d")]))
    assert kinds(tmp_path) == (1, 2)
    assert len(details(store)) == 4


def test_a_late_word_overrules_what_was_settled_long_ago(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    store.append(frame([of_batch(100, "a", evidence=Evidence.SLURM)._replace(outcome="timeout")]))
    compact(tmp_path)
    store.append(frame([of_batch(100, "a"), of_batch(0, "b")]))
    asked = "SELECT outcome FROM history ORDER BY batch"
    assert store.rows(asked) == [("pass",), ("pass",)]
    assert kinds(tmp_path) == (0, 3)
    compact(tmp_path)
    assert store.rows(asked) == [("pass",), ("pass",)]
    assert store.rows("SELECT count() FROM results") == [(2,)]


def test_an_ingest_merges_by_itself_once_there_is_enough(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    for number in range(30):
        store.append(frame([of_batch(100 - number, f"r{number}")]))
        store.tidy(now=NOW)
    settled, contested = kinds(tmp_path)
    assert settled
    assert contested < 24
    assert len(details(store)) == 30


def test_small_settled_segments_become_few(store: EmbeddedStore, tmp_path: Path) -> None:
    for number in range(40):
        store.append(frame([of_batch(200 - number, f"r{number}")]))
        compact(tmp_path)
    assert sum(kinds(tmp_path)) <= 8
    assert len(details(store)) == 40


def test_what_a_merge_replaced_stays_as_long_as_a_reader_may_need_it(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    store.append(frame([of_batch(50, "a")]))
    store.append(frame([of_batch(40, "b")]))
    before = segments_of(tmp_path).manifest()
    compact(tmp_path)
    files = {path.stem for path in (tmp_path / RESULTS.name).glob("*.parquet")}
    assert {one.name for one in before.segments} <= files
    compact(tmp_path, after=GRACE + timedelta(minutes=1))
    files = {path.stem for path in (tmp_path / RESULTS.name).glob("*.parquet")}
    assert files == {one.name for one in segments_of(tmp_path).manifest().segments}
    assert len(details(store)) == 2


def test_what_is_older_than_the_retention_goes_whole_segments_at_a_time(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path, retention=timedelta(hours=48))
    store.append(frame([of_batch(60, "old")]))
    store.append(frame([of_batch(10, "new")]))
    store.tidy(now=NOW)
    assert details(store) == ["new pass"]
    store.close()


def test_a_table_nobody_wrote_to_is_nothing_to_tidy(store: EmbeddedStore) -> None:
    assert store.tidy(now=NOW) == []


def test_a_segment_that_was_put_back_is_taken_in(store: EmbeddedStore, tmp_path: Path) -> None:
    store.append(frame([of_batch(50, "a")]))
    directory = tmp_path / RESULTS.name
    backup = next(directory.glob("*.parquet")).read_bytes()
    compact(tmp_path)
    compact(tmp_path, after=timedelta(hours=2))
    for path in directory.iterdir():
        path.unlink()
    assert details(store) == []
    (directory / "from-the-backup.parquet").write_bytes(backup)
    assert compact(tmp_path) == []
    assert details(store) == ["a pass"]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"hello", b"PAR1 torn"])
def test_a_foreign_file_is_named_and_left_alone(
    store: EmbeddedStore, tmp_path: Path, content: bytes
) -> None:
    store.append(frame([of_batch(50, "a")]))
    foreign = tmp_path / RESULTS.name / "foreign.parquet"
    foreign.write_bytes(content)
    (problem,) = store.tidy(now=NOW)
    assert problem.startswith(f"{foreign}: not read: ")
    assert problem.endswith("move it out of this directory")
    assert foreign.read_bytes() == content
    assert details(store) == ["a pass"]


def test_a_table_of_others_is_named_and_left_alone(store: EmbeddedStore, tmp_path: Path) -> None:
    store.append(frame([of_batch(50, "a")]))
    foreign = tmp_path / RESULTS.name / "foreign.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(foreign)
    assert store.tidy(now=NOW) == [
        f"{foreign}: not read: its columns are not ours; move it out of this directory"
    ]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"version": 1, "segments": 5}', b"[]"])
def test_without_a_whole_manifest_the_files_speak_for_themselves(
    store: EmbeddedStore, tmp_path: Path, damage: bytes
) -> None:
    store.append(frame([of_batch(50, "a")]))
    store.append(frame([of_batch(50, "a"), of_batch(40, "b")]))
    compact(tmp_path)
    (tmp_path / RESULTS.name / FILE).write_bytes(damage)
    assert details(store) == ["a pass", "b pass"]
    store.append(frame([of_batch(30, "c")]))
    assert details(store) == ["a pass", "b pass", "c pass"]


def test_a_manifest_from_the_future_stops_readers_and_writers(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    store.append(frame([of_batch(50, "a")]))
    path = tmp_path / RESULTS.name / FILE
    path.write_bytes(path.read_bytes().replace(b'"version": 1', b'"version": 2'))
    told = r"history version 2; this one knows 1\); update this installation"
    with pytest.raises(StoreError, match=told):
        details(store)
    with pytest.raises(StoreError, match=told):
        store.append(frame([of_batch(40, "b")]))
    with pytest.raises(StoreError, match=told):
        store.tidy(now=NOW)


def test_a_damaged_segment_is_named_kept_and_merged_around(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    store.append(frame([of_batch(50, "a")]))
    store.append(frame([of_batch(40, "b")]))
    bad = tmp_path / RESULTS.name / f"{segments_of(tmp_path).manifest().segments[0].name}.parquet"
    whole = bad.read_bytes()
    bad.write_bytes(whole[:-50])
    assert details(store) == ["b pass"]
    assert [line.split(": ")[0] for line in store.refused] == [str(bad)]
    compact(tmp_path)
    assert details(store) == ["b pass"]
    bad.write_bytes(whole)
    assert details(store) == ["a pass", "b pass"]
    assert store.refused == []


def test_a_segment_that_is_gone_is_named(store: EmbeddedStore, tmp_path: Path) -> None:
    store.append(frame([of_batch(50, "a")]))
    store.append(frame([of_batch(40, "b")]))
    segments = segments_of(tmp_path).manifest().segments
    (tmp_path / RESULTS.name / f"{segments[0].name}.parquet").unlink()
    assert details(store) == ["b pass"]
    (told,) = store.refused
    assert "it is gone, and 1 rows of results with it; put it back from a backup" in told


DIES = """
import os, signal, sys
from datetime import datetime, timedelta
from pathlib import Path
from analytics.compaction import tidy
from analytics.frame import frame
from analytics.segments import Segments
from analytics.tables import RESULTS
from analytics.tidying import GRACE
from tests.test_compaction import deliveries, segments_of, KEPT
directory, lives, now = Path(sys.argv[1]), int(sys.argv[2]), datetime.fromisoformat(sys.argv[3])
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.chmod", "os.truncate", "os.link"}
left = lives
def count(event, arguments):
    global left
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & 3
    if (event in CHANGES or writes) and str(directory) in str(arguments[0]):
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
rounds = [frame(rows) for rows in deliveries()]
sys.addaudithook(count)
segments = segments_of(directory)
for number, rows in enumerate(rounds):
    segments.append(rows)
    if number:
        tidy(segments, now=now + number * timedelta(hours=2), retention=KEPT, all_of_it=True)
print(lives - left)
"""


def deliveries() -> list[list[Result]]:
    """New batches, late words on old ones, and the same again."""
    first = [of_batch(50, "a", evidence=Evidence.SLURM), of_batch(40, "b")]
    return [
        first,
        [*first, of_batch(30, "c")],
        [of_batch(50, "a"), of_batch(1, "d", evidence=Evidence.SLURM)],
        [of_batch(1, "d"), of_batch(0, "e")],
    ]


def _until_it_dies(directory: Path, lives: int) -> int | None:
    """Return how many changes it made, None where it was killed before the last."""
    done = subprocess.run(
        [sys.executable, "-c", DIES, str(directory), str(lives), NOW.isoformat()],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode in {0, -9}, done.stderr
    return int(done.stdout) if done.returncode == 0 else None


def test_kill_9_before_every_change_of_a_file_loses_nothing_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    expected = winners([one for rows in deliveries() for one in rows])
    whole = tmp_path / "whole"
    whole.mkdir()
    changes = _until_it_dies(whole, 10_000)
    assert changes is not None
    assert changes > 30
    for lives in range(changes):
        directory = tmp_path / f"died-{lives}"
        directory.mkdir()
        assert _until_it_dies(directory, lives) is None
        store = EmbeddedStore(directory)
        seen = details(store)
        assert {str(one).split()[0] for one in seen} <= {one.split()[0] for one in expected}
        assert len(seen) == len({*seen}), f"killed before change {lives}"
        for rows in deliveries():  # what was not known to be in the history comes again
            store.append(frame(rows))
        assert details(store) == expected, f"killed before change {lives}"
        compact(directory, after=timedelta(hours=9))
        assert details(store) == expected, f"killed before change {lives}"
        assert store.rows("SELECT count() FROM results") == [(len(expected),)]
        assert store.refused == []
        store.close()


WRITES = """
import sys
from datetime import timedelta
from pathlib import Path
from analytics.compaction import tidy
from analytics.frame import frame
from tests.test_compaction import KEPT, NOW, of_batch, segments_of
segments = segments_of(Path(sys.argv[1]))
for number in range(60):
    segments.append(frame([of_batch(300 - number, f"r{number}-{one}") for one in range(10)]))
    at = NOW + timedelta(minutes=number)
    tidy(segments, now=at, retention=KEPT, grace=timedelta(minutes=3), all_of_it=number % 3 == 0)
print("done")
"""


def test_readers_never_fail_and_never_miss_a_row_while_segments_are_merged(tmp_path: Path) -> None:
    """Inputs of a merge go after three more rounds: a reader that is slower looks again."""
    reader = EmbeddedStore(tmp_path)
    seen = [0]
    with subprocess.Popen(
        [sys.executable, "-c", WRITES, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        ends_at = time.monotonic() + 120
        while writer.poll() is None and time.monotonic() < ends_at:
            ((count, different),) = reader.rows("SELECT count(), uniqExact(detail) FROM history")
            assert count == different
            assert isinstance(count, int)
            assert count % 10 == 0
            assert count >= seen[-1]
            seen.append(count)
        assert writer.wait(timeout=60) == 0
    assert reader.rows("SELECT count() FROM history") == [(600,)]
    assert len({*seen}) > 5, "the reader saw it grow"
    reader.close()


def test_a_manifest_is_the_same_for_the_same_rows(tmp_path: Path) -> None:
    """So an ingest that was killed before it forgot its records adds nothing."""
    for _ in range(2):
        segments_of(tmp_path).append(frame([of_batch(1, "a"), of_batch(2, "b")]))
        found = read_manifest(tmp_path / RESULTS.name)
        assert found is not None
        assert len(found.segments) == 1


def test_outcomes_of_every_kind_survive_a_merge(store: EmbeddedStore, tmp_path: Path) -> None:
    rows = [of_batch(9, outcome.value)._replace(outcome=outcome.value) for outcome in Outcome]
    rows[0] = rows[0]._replace(
        started_at=None, exit_code=None, signal=9, metrics={}, detail="it's \\ {a:String}\n\x00 日"
    )
    store.append(frame(rows))
    compact(tmp_path)
    found = [Result._make(one) for one in store.rows("SELECT * FROM history")]
    assert sorted(found, key=lambda one: one.task) == sorted(
        (one._replace(result_id=_id(store, one)) for one in rows), key=lambda one: one.task
    )


def _id(store: EmbeddedStore, one: Result) -> str:
    """Ids are made from the batch, which these tests change; test_store.py holds them to it."""
    asked = "SELECT result_id FROM history WHERE task = {task:UInt32}"
    return str(store.rows(asked, {"task": one.task})[0][0])
