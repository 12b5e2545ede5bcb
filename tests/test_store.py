"""The store keeps every row once, and serves what is whole whatever else lies there."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.embedded import EmbeddedStore
from analytics.frame import frame, schema
from analytics.result import COLUMNS, JUDGED, Result, result, short_path
from analytics.tables import RESULTS
from slurm_hooks.errors import StoreError
from slurm_hooks.record import Evidence, Outcome
from tests.history_examples import NOW, batch, record, row


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    made = EmbeddedStore(tmp_path)
    yield made
    made.close()


def _segments(directory: Path) -> list[Path]:
    return sorted((directory / RESULTS.name).glob("*.parquet"))


def test_the_columns_are_the_fields_of_a_result_in_the_same_order() -> None:
    assert tuple(COLUMNS) == Result._fields


def test_the_status_view_judges_by_the_same_outcomes_as_the_records() -> None:
    text = Path(__file__).parent.parent.joinpath("analytics/sql/status.sql").read_text()
    assert f"outcome IN {JUDGED}" in text.replace('"', "'")


def test_an_empty_store_has_no_rows_and_all_columns(store: EmbeddedStore) -> None:
    found = store.query("SELECT * FROM history")
    assert (found.height, tuple(found.columns)) == (0, tuple(COLUMNS))
    assert store.query("SELECT * FROM results").schema == schema()
    assert store.query("SELECT * FROM status").height == 0


def test_rows_come_back_as_they_went_in(store: EmbeddedStore) -> None:
    rows = [row("a"), row("b", node="n2", minute=1)]
    rows[1] = rows[1]._replace(
        started_at=None, exit_code=None, signal=9, metrics={}, detail="it's \\ {a:String}\n\x00 日"
    )
    store.append(frame(rows))
    found = store.query("SELECT * FROM history ORDER BY node")
    assert [Result._make(values) for values in found.iter_rows()] == rows


def test_the_same_rows_twice_are_one_segment(store: EmbeddedStore, tmp_path: Path) -> None:
    store.append(frame([row("a"), row("b")]))
    store.append(frame([row("b"), row("a")]))
    assert len(_segments(tmp_path)) == 1


def test_a_row_in_two_segments_is_one_row_of_the_history(store: EmbeddedStore) -> None:
    store.append(frame([row("a")]))
    store.append(frame([row("a"), row("b")]))
    assert store.query("SELECT count() FROM results").item() == 3
    assert store.query("SELECT count() FROM history").item() == 2


@pytest.mark.parametrize("runner_first", [True, False])
def test_the_runners_word_counts_over_slurms_in_whatever_order_they_come(
    store: EmbeddedStore, *, runner_first: bool
) -> None:
    runner = row("a", outcome=Outcome.PASS)
    slurm = row("a", outcome=Outcome.NODE_FAIL, evidence=Evidence.SLURM, minute=3)
    for one in (runner, slurm) if runner_first else (slurm, runner):
        store.append(frame([one]))
    assert store.query("SELECT outcome FROM history").to_series().to_list() == ["pass"]


@settings(max_examples=20, deadline=None, suppress_health_check=[*HealthCheck])
@given(
    task=st.integers(0, 2**32 - 1),
    attempt=st.integers(0, 99),
    check=st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True),
    cluster=st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,9}", fullmatch=True),
)
def test_a_result_s_id_is_the_record_s_though_it_is_not_stored(
    tmp_path_factory: pytest.TempPathFactory, task: int, attempt: int, check: str, cluster: str
) -> None:
    one = replace(record(batch(), 0, check, attempt=attempt), task=task, cluster=cluster)
    made = EmbeddedStore(tmp_path_factory.mktemp("history"))
    made.append(frame([result(one, Outcome.PASS, partition="background", now=NOW)]))
    assert made.rows("SELECT result_id FROM history") == [(str(one.result_id),)]
    made.close()


@pytest.mark.parametrize(
    "path",
    ["", "/", "relative", "/logs/storage/n1/storage_n1_20300102T115454Z.log", "/a/{check}/{node}",
     "/logs/memory/n1/memory_n1_20300102T115454Z.log", "storage/n1/storage_n1_20300102T115454Z.log",
     "/{}/storage/n1/storage_n1_20300102T115454Z.log",
     "/ü/storage/n1/storage_n1_20300102T115454Z.log"],
)  # fmt: skip
def test_a_log_s_path_comes_back_as_it_was(store: EmbeddedStore, path: str) -> None:
    one = row("a")._replace(log_path=path)
    store.append(frame([one]))
    assert store.rows("SELECT log_path FROM history") == [(path,)]
    usual = path in {
        f"{root}/storage/n1/storage_n1_20300102T115454Z.log" for root in ("/logs", "/ü")
    }
    assert ("{started}" in short_path(one)) == usual


def test_parameters_are_values_and_never_sql(store: EmbeddedStore) -> None:
    store.append(frame([row("a", node="n'1")]))
    asked = "SELECT node FROM history WHERE node IN {nodes:Array(String)}"
    assert store.query(asked, {"nodes": ["n'1", "') OR 1=1 --"]}).item() == "n'1"


def test_a_reader_sees_segments_that_came_after_it_opened(tmp_path: Path) -> None:
    reader, writer = EmbeddedStore(tmp_path), EmbeddedStore(tmp_path)
    assert reader.query("SELECT count() FROM history").item() == 0
    writer.append(frame([row("a")]))
    assert reader.query("SELECT count() FROM history").item() == 1


def test_two_stores_in_one_process_do_not_mix(tmp_path: Path) -> None:
    stores = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        stores.append(EmbeddedStore(tmp_path / name))
        stores[-1].append(frame([row(name)]))
    for name, store in zip(("one", "two"), stores, strict=True):
        assert store.query("SELECT detail FROM history").item() == f"{name} pass"


def test_a_directory_that_is_not_there_is_an_error_and_not_an_empty_history(
    tmp_path: Path,
) -> None:
    with pytest.raises(StoreError, match="no such directory; is it mounted"):
        EmbeddedStore(tmp_path / "gone").query("SELECT 1")


def test_a_directory_that_the_engine_would_take_for_a_pattern_is_refused(tmp_path: Path) -> None:
    odd = tmp_path / "{a,b}"
    odd.mkdir()
    store = EmbeddedStore(odd)
    store.append(frame([row("a")]))
    with pytest.raises(StoreError, match="path cannot hold any of"):
        store.query("SELECT 1 FROM results")


def test_a_question_the_engine_refuses_is_one_line(store: EmbeddedStore) -> None:
    with pytest.raises(StoreError, match="no answer: Code: 60") as caught:
        store.query("SELECT * FROM nothing")
    assert "\n" not in str(caught.value)


def test_rows_of_another_schema_are_refused(store: EmbeddedStore) -> None:
    with pytest.raises(StoreError, match="another schema"):
        store.append(pl.DataFrame({"a": [1]}))


def test_a_history_that_cannot_be_written_says_that_nothing_is_lost(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "gone")
    with pytest.raises(StoreError, match=r"cannot write the history: No such.*nothing is lost"):
        store.append(frame([row("a")]))


def test_without_the_engine_the_error_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['chdb'] = None\n"
        "from pathlib import Path\n"
        "from analytics.embedded import EmbeddedStore\n"
        "EmbeddedStore(Path(sys.argv[1])).query('SELECT 1')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "StoreError" in done.stderr
    assert "pip install 'cluster-doctor[embedded]'" in done.stderr
