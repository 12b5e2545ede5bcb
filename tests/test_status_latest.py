"""The status that a server keeps: always what the history says, and never more than it knows."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.clickhouse import ClickHouseStore
from analytics.frame import frame
from analytics.status_latest import _bounded, _ranges
from slurm_hooks.record import Outcome
from tests.clickhouse import ClickHouse
from tests.history_examples import NOW, row

LATER = NOW + timedelta(days=500)


@pytest.fixture
def store(clickhouse: ClickHouse) -> Iterator[ClickHouseStore]:
    with clickhouse.database() as settings:
        made = ClickHouseStore(settings, environ=clickhouse.environ)
        yield made
        made.close()


def _status(store: ClickHouseStore) -> list[tuple[object, ...]]:
    return store.rows("SELECT node, judged_outcome, attempt_outcome FROM status ORDER BY node")


def _delete(store: ClickHouseStore, condition: str) -> None:
    store._server.command(f"ALTER TABLE results DELETE WHERE {condition} SETTINGS mutations_sync=1")


def test_what_retention_dropped_is_forgotten_a_day_later(store: ClickHouseStore) -> None:
    store.append(frame([row("a"), row("b", node="n2"), row("c", node="n2", minute=1)]))
    _delete(store, "node = 'n1' OR detail LIKE 'c%'")
    store.tidy(now=NOW)
    assert len(_status(store)) == 2
    store.tidy(now=LATER)
    assert _status(store) == [("n2", "pass", "pass")]
    assert store.rows("SELECT attempt_detail FROM status") == [("b pass",)]


def test_a_node_that_was_forgotten_comes_back_with_its_next_result(store: ClickHouseStore) -> None:
    store.append(frame([row("a")]))
    _delete(store, "1")
    store.rebuild()
    assert _status(store) == []
    store.append(frame([row("b", outcome=Outcome.FAIL)]))
    assert _status(store) == [("n1", "fail", "fail")]


def test_a_server_whose_clock_was_set_back_still_shows_the_latest(store: ClickHouseStore) -> None:
    store.append(frame([row("a")]))
    store._server.command(
        "INSERT INTO status_latest SELECT * REPLACE (version + 1000000000000 AS version) "
        "FROM status_latest FINAL"
    )
    store.append(frame([row("b", outcome=Outcome.FAIL, minute=1)]))
    assert _status(store) == [("n1", "fail", "fail")]


def test_results_of_many_nodes_and_clusters_in_one_append(store: ClickHouseStore) -> None:
    rows = [row(f"r{number}", node=f"node-{'x' * 40}-{number:05}") for number in range(4000)]
    rows += [one._replace(cluster="beta") for one in rows[:10]]
    store.append(frame(rows))
    assert store.rows("SELECT cluster, count() FROM status GROUP BY cluster ORDER BY cluster") == [
        ("alpha", 4000),
        ("beta", 10),
    ]
    assert store.rows("SELECT count() FROM status_latest") == [(4010,)]


@given(
    pairs=st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.text(max_size=60), st.text(max_size=60)),
        unique=True,
        max_size=60,
    ),
    times=st.sampled_from([1, 60]),
)
def test_no_parameter_is_too_long_and_every_pair_is_in_one(
    pairs: list[tuple[str, str, str]], times: int
) -> None:
    many = sorted((cluster, node * times, check) for cluster, node, check in pairs)
    parts = list(_bounded(many))
    found = [
        (part["cluster"], node, check)
        for part in parts
        for node, check in zip(part["nodes"], part["checks"], strict=True)  # type: ignore[call-overload]
    ]
    assert found == many
    assert all(len(repr(part["nodes"])) < 128 * 1024 for part in parts)


@given(
    counts=st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 99), st.integers(1, 1_500_000)),
        unique_by=lambda one: one[:2],
    )
)
def test_a_rebuild_looks_at_every_node_once_and_at_no_more_at_once_than_it_may(
    counts: list[tuple[str, int, int]],
) -> None:
    known = sorted((cluster, f"n{node:02}", rows) for cluster, node, rows in counts)
    ranges = list(_ranges(known))
    for cluster, node, _ in known:
        assert sum(one == cluster and first <= node <= last for one, first, last in ranges) == 1
    for one, first, last in ranges:
        within = [rows for cluster, node, rows in known if cluster == one and first <= node <= last]
        assert len(within) == 1 or sum(within) <= 2_000_000
