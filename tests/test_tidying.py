"""Tidying up is a process of its own, that is started only where there is something to do."""

import resource
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from analytics.embedded import EmbeddedStore
from analytics.frame import frame
from analytics.manifest import FILE
from analytics.tables import RESULTS
from analytics.tidying import GRACE, tidy_apart
from slurm_hooks.errors import StoreError
from tests.disks import fill, tmpfs
from tests.history_examples import NOW
from tests.test_compaction import details, kinds, of_batch


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    made = EmbeddedStore(tmp_path)
    yield made
    made.close()


def _children_s() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime


def _many(store: EmbeddedStore, count: int = 24) -> None:
    for number in range(count):
        store.append(frame([of_batch(100 - number, f"r{number}")]))


def test_where_there_is_nothing_to_do_no_process_is_started(store: EmbeddedStore) -> None:
    _many(store, 3)
    before = _children_s()
    assert store.tidy(now=NOW) == []
    assert _children_s() == before


def test_what_is_worth_a_merge_is_merged_apart(store: EmbeddedStore, tmp_path: Path) -> None:
    _many(store)
    before = _children_s()
    assert store.tidy(now=NOW) == []
    assert _children_s() > before
    assert kinds(tmp_path)[1] == 0
    assert len(details(store)) == 24
    files = len([*(tmp_path / RESULTS.name).glob("*.parquet")])
    store.tidy(now=NOW + GRACE + timedelta(minutes=1))
    assert len([*(tmp_path / RESULTS.name).glob("*.parquet")]) < files


def test_old_segments_go_and_a_lost_manifest_comes_back(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path, retention=timedelta(hours=48))
    store.append(frame([of_batch(60, "old")]))
    store.append(frame([of_batch(10, "new")]))
    (tmp_path / RESULTS.name / FILE).unlink()
    store.tidy(now=NOW)
    assert (tmp_path / RESULTS.name / FILE).exists()
    assert details(store) == ["new pass"]
    store.close()


def test_it_runs_wherever_the_ingest_was_started_and_nothing_that_lies_there(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _many(store)
    away = tmp_path / "away" / "analytics"
    away.mkdir(parents=True)
    (away / "__init__.py").touch()
    (away / "tidying.py").write_text("raise SystemExit('another program')\n")
    monkeypatch.chdir(away.parent)
    assert store.tidy(now=NOW) == []
    assert kinds(tmp_path)[1] == 0


def test_what_goes_wrong_there_is_one_line_here(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "history") as directory:
        store = EmbeddedStore(directory)
        for number in range(3):
            store.append(frame([of_batch(100 - number, f"r{number}")]))
        (directory / RESULTS.name / FILE).unlink()
        fill(directory)
        with pytest.raises(StoreError, match=r"cannot be tidied up: .*No space left") as caught:
            store.tidy(now=NOW)
        assert "\n" not in str(caught.value)
        assert len(details(store)) == 3
        store.close()


def test_one_that_is_killed_is_an_error_and_loses_nothing(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    """As where it is killed for its memory."""
    _many(store)
    dies = tmp_path / "python"
    dies.write_text("#!/bin/sh\nkill -9 $$\n")
    dies.chmod(0o755)
    with pytest.raises(StoreError, match="cannot be tidied up: status -9"):
        tidy_apart(tmp_path, now=NOW, retention=timedelta(days=400), python=str(dies))
    assert len(details(store)) == 24
    assert store.tidy(now=NOW) == []
    assert kinds(tmp_path)[1] == 0
