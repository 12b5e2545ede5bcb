"""What a sweep tells, as a file: read back as it was written, or refused with the reason."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import coverage_row, node_state, sweep_row
from analytics.coverage_row import CoverageRow
from analytics.frame import schema, told_frame
from analytics.node_state import NodeState
from analytics.row_json import rows_from_json, rows_to_json
from analytics.sweep_file import SweepFile, dumps, loads
from analytics.sweep_row import SweepRow, lasted
from analytics.tables import COVERAGE, NODES, SWEEPS, Table
from slurm_hooks.errors import RecordError
from slurm_hooks.sweep_files import SweepFiles
from tests.history_examples import NOW
from tests.sweep_examples import node, sample, sweep_file

TIMES = st.integers(0, 4_000_000_000_000).map(
    lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES: Mapping[str, st.SearchStrategy[object]] = {
    "String": TEXTS,
    "UInt32": st.integers(0, 2**32 - 1),
    "UInt64": st.integers(0, 2**64 - 1),
    "Float64": st.floats(allow_nan=False, allow_infinity=False),
    "Array(String)": st.lists(TEXTS, max_size=3).map(tuple),
    "Map(String, Float64)": st.dictionaries(
        TEXTS, st.floats(allow_nan=False, allow_infinity=False), max_size=3
    ),
    "DateTime64(3, 'UTC')": TIMES,
    "Nullable(DateTime64(3, 'UTC'))": st.none() | TIMES,
}


def rows_of(table: Table) -> st.SearchStrategy[list[tuple[object, ...]]]:
    return st.lists(st.tuples(*(VALUES[kind] for kind in table.columns.values())), max_size=4)


@pytest.mark.parametrize("table", [SWEEPS, NODES, COVERAGE], ids=lambda table: table.name)
@given(data=st.data())
def test_rows_are_read_back_as_they_were_written_and_make_a_frame_of_the_tables_schema(
    table: Table, data: st.DataObject
) -> None:
    rows = data.draw(rows_of(table))
    text = json.dumps(rows_to_json(rows))
    assert rows_from_json(table.columns, json.loads(text)) == rows
    found = told_frame(rows, table)
    assert found.schema == schema(table)
    assert found.height == len(rows)


def test_each_rows_fields_are_its_tables_columns() -> None:
    assert SweepRow._fields == (*sweep_row.COLUMNS,)
    assert NodeState._fields == (*node_state.COLUMNS,)
    assert CoverageRow._fields == (*coverage_row.COLUMNS,)


def test_a_file_is_read_back_as_it_was_written() -> None:
    told = sweep_file()
    assert loads(dumps(told), cluster="alpha", now=NOW) == told
    assert loads(dumps(SweepFile(sweep=told.sweep)), cluster="alpha", now=NOW).nodes == ()


def test_files_are_named_in_the_order_of_time() -> None:
    names = [sweep_file(minutes=ago).file_name for ago in (10, 5, 1.001, 1)]
    assert names == sorted(names)
    assert len({*names}) == 4


def changed(change: Callable[[Any], object]) -> bytes:
    value = json.loads(dumps(sweep_file()))
    change(value)
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not what a sweep tells"),
        (dumps(sweep_file())[:-20], "not what a sweep tells"),
        (b"\xff\xfe", "not what a sweep tells"),
        (b"[" * 100_000, "not what a sweep tells"),
        (b"[]", "not a table"),
        (b"{}", "sweep: not a list of rows of 18 columns"),
        (changed(lambda it: it.update(version=2)), "written by a newer cluster-doctor"),
        (changed(lambda it: it.update(sweep=[])), "sweep: 0 rows, not one"),
        (changed(lambda it: it["nodes"][0].pop()), "nodes: not a list of rows of 23 columns"),
        (changed(lambda it: it["nodes"][0].__setitem__(1, 7)), "nodes: node: expected text, got 7"),
        (changed(lambda it: it["nodes"][0].__setitem__(1, "\ud800")), "surrogates not allowed"),
        (changed(lambda it: it["nodes"][0].__setitem__(4, "DRAIN")), "flags: expected a list"),
        (changed(lambda it: it["nodes"][0].__setitem__(2, "2030-01-02")), "seen_at: expected a"),
        (changed(lambda it: it["coverage"][0].__setitem__(4, -1)), "expected a whole number"),
        (changed(lambda it: it["coverage"][0].__setitem__(4, 2**32)), "expected a whole number"),
        (changed(lambda it: it["coverage"][0].__setitem__(9, {"busy": "1"})), "debt: expected a n"),
        (changed(lambda it: it["coverage"][0].__setitem__(9, [])), "debt: expected numbers by"),
        (b'{"version": 1, "sweep": [[NaN]]}', "not a list of rows of 18"),
        (dumps(sweep_file(cluster="beta")), "it is of cluster 'beta', and these settings are of"),
        (dumps(sweep_file(minutes=-1500)), "it tells of 2030-01-03T13:00:00Z, and it is"),
        (
            dumps(SweepFile(sweep=sweep_file().sweep, nodes=(node("n0", minutes=6),))),
            "its rows are of several sweeps",
        ),
        (
            dumps(SweepFile(sweep=sweep_file().sweep, coverage=(sample("c", cluster="beta"),))),
            "it is of cluster 'beta'",
        ),
    ],
)  # fmt: skip
def test_what_is_not_a_sweeps_word_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        loads(data, cluster="alpha", now=NOW)


def test_a_clock_that_was_set_back_gives_no_negative_length() -> None:
    assert lasted(NOW, NOW + timedelta(seconds=1.5)) == 1.5
    assert lasted(NOW, NOW - timedelta(hours=1)) == 0.0


def files(root: Path) -> SweepFiles:
    made = SweepFiles(root / "sweeps", root / "told-nodes.json")
    made.make()
    return made


def test_only_so_many_files_wait_and_what_is_lost_of_nodes_is_told_again(tmp_path: Path) -> None:
    kept = files(tmp_path)
    kept.note_told(b"{}")
    for number in range(5):
        kept.write(f"{number}.json", b"x")
    assert kept.prune(keep=5) == 0
    assert kept.told_nodes.exists()
    assert kept.prune(keep=3) == 2
    assert [path.name for path in kept.waiting()] == ["2.json", "3.json", "4.json"]
    assert not kept.told_nodes.exists()


def test_what_a_killed_sweep_left_half_written_is_no_file_and_is_removed(tmp_path: Path) -> None:
    kept = files(tmp_path)
    half = kept.directory / ".5.json.0011.tmp"
    half.write_bytes(b"{")
    assert kept.waiting() == []
    assert kept.prune() == 0
    assert not half.exists()
