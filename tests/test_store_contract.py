"""What every store of the history does, and that the two of them never differ."""

import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from analytics.clickhouse import ClickHouseStore
from analytics.embedded import EmbeddedStore
from analytics.frame import frame, plan_frame, reaction_frame, schema, told_frame
from analytics.history import standings
from analytics.question import Wanted, question
from analytics.result import COLUMNS, Result
from analytics.run_question import WantedRuns, runs_question, visits_question
from analytics.server import Server
from analytics.store import Store
from analytics.tables import BATCHES, REACTIONS, RESULTS, TABLES
from analytics.views import VIEWS
from slurm_hooks.errors import StoreError
from slurm_hooks.record import Evidence, Outcome
from tests.clickhouse import ClickHouse
from tests.history_examples import NOW, row
from tests.store_examples import (
    DELIVERIES,
    NEW_YEAR,
    TOLD,
    Delivery,
    made,
    plan,
    reaction,
    told,
)

QUESTIONS = {
    "history": question(
        Wanted(
            cluster="alpha",
            since=NEW_YEAR - timedelta(days=1),
            until=NEW_YEAR + timedelta(days=1),
            nodes=("n0", "n1", "it's \\ odd\n日"),
            checks=("storage",),
            outcomes=("pass", "fail", "error"),
            newest_first=True,
            most=50,
        )
    ),
    "all of history": question(Wanted(cluster="beta", since=NEW_YEAR, until=NEW_YEAR)),
    "runs": runs_question(WantedRuns(cluster="alpha", outcomes=("fail", "error"))),
    "last runs": runs_question(
        WantedRuns(
            cluster="beta",
            last_only=True,
            since=NEW_YEAR - timedelta(days=1),
            until=NEW_YEAR + timedelta(days=1),
            nodes=("n0", "n1", "n2"),
            checks=("storage", "memory"),
        )
    ),
    "visits": visits_question(WantedRuns(cluster="alpha")),
}
"""Every question that a command asks of `Store.rows`, with everything that it may bind."""


@pytest.fixture(params=["embedded", "server"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "embedded":
        embedded = EmbeddedStore(tmp_path)
        yield embedded
        embedded.close()
        return
    clickhouse: ClickHouse = request.getfixturevalue("clickhouse")
    with clickhouse.database() as made_store:
        server = ClickHouseStore(made_store, environ=clickhouse.environ)
        yield server
        server.close()


def test_an_empty_store_has_no_rows_and_all_columns(store: Store) -> None:
    found = store.query("SELECT * FROM history")
    assert (found.height, tuple(found.columns)) == (0, tuple(COLUMNS))
    for view in VIEWS:
        assert store.rows(f"SELECT * FROM {view}") == []
    assert list(standings(store, "alpha")) == []


def test_rows_come_back_as_they_went_in(store: Store) -> None:
    rows = [row("a"), row("b", node="n2", minute=1)]
    rows[1] = rows[1]._replace(
        started_at=None, exit_code=None, signal=9, metrics={"big": 1e308, "less": -0.1},
        detail="it's \\ {a:String} %(b)s \"quoted\"\n\t\r\x00\x1b 日",
        job_id=2**64 - 1, task=2**32 - 1,
    )  # fmt: skip
    store.append(frame(rows))
    asked = f"SELECT {', '.join(Result._fields)} FROM history ORDER BY node"
    by_rows = [Result._make(values) for values in store.rows(asked)]
    by_frame = [Result._make(values) for values in store.query(asked).iter_rows()]
    wanted = [one._replace(result_id=got.result_id) for one, got in zip(rows, by_rows, strict=True)]
    assert by_rows == wanted
    assert by_frame == by_rows
    assert by_rows[0].result_id == row("a").result_id


def test_numbers_that_json_has_no_word_for_come_back(store: Store) -> None:
    store.append(frame([row("a")._replace(metrics={"x": math.inf, "y": math.nan})]))
    [(metrics,)] = store.rows("SELECT metrics FROM history")
    assert isinstance(metrics, dict)
    assert metrics["x"] == math.inf
    assert math.isnan(metrics["y"])


def test_the_same_rows_twice_are_there_once_in_every_view(store: Store) -> None:
    for _ in range(2):
        store.append(frame([row("a"), row("b")]))
        store.append(plan_frame([plan(0, taken=True)]), BATCHES)
        store.append(reaction_frame([reaction(1, 1)]), REACTIONS)
        for table in TOLD:
            store.append(told_frame([told(table, 5), told(table, 5)], table), table)
    counts = {view: store.rows(f"SELECT count() FROM {view}")[0][0] for view in VIEWS}
    assert counts == {
        "history": 2, "status": 1, "visits": 2, "runs": 2, "reactions": 1,
        "sweeps": 1, "nodes": 1, "coverage": 1,
    }  # fmt: skip


@pytest.mark.parametrize("runner_first", [True, False])
def test_the_runners_word_counts_over_slurms_in_whatever_order_they_come(
    store: Store, *, runner_first: bool
) -> None:
    runner = row("a", outcome=Outcome.PASS)
    slurm = row("a", outcome=Outcome.NODE_FAIL, evidence=Evidence.SLURM, minute=3)
    for one in (runner, slurm) if runner_first else (slurm, runner):
        store.append(frame([one]))
    assert store.rows("SELECT outcome FROM history") == [("pass",)]
    assert store.rows("SELECT judged_outcome, attempt_outcome FROM status") == [("pass", "pass")]


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_proof_that_is_taken_back_proves_nothing_any_more(
    store: Store, *, newest_first: bool
) -> None:
    """The case that a plain materialized view gets wrong: the later word is of another time."""
    older = row("old", outcome=Outcome.FAIL, minute=-9)
    proof = row("a", outcome=Outcome.PASS, minute=5)
    taken_back = row("a", outcome=Outcome.ERROR, evidence=Evidence.CONFLICT, minute=2)
    for one in (taken_back, proof, older) if newest_first else (older, proof, taken_back):
        store.append(frame([one]))
    asked = "SELECT judged_outcome, judged_at, attempt_outcome, attempt_at FROM status"
    minutes = [(a, at - NOW, b, to - NOW) for a, at, b, to in store.query(asked).iter_rows()]
    assert minutes == [("fail", timedelta(minutes=-9), "error", timedelta(minutes=2))]


def test_of_equal_revisions_the_first_that_was_ingested_counts(store: Store) -> None:
    first = row("a")._replace(ingested_at=NOW)
    later = row("a")._replace(ingested_at=NOW + timedelta(minutes=1))
    for rows in ([first], [later], [later, row("b")]):
        store.append(frame(rows))
        assert store.rows("SELECT min(ingested_at) FROM history") == [(NOW,)]


@pytest.mark.parametrize(
    "value", ["n'1", "') OR 1=1 --", "\\", "a\tb\nc", "{x:String}", "%s", "", "日本"]
)
def test_parameters_are_values_and_never_sql(store: Store, value: str) -> None:
    asked = "SELECT {one:String}, {several:Array(String)}, {number:Int64}"
    bound = {"one": value, "several": [value, "x"], "number": -5}
    assert store.rows(asked, bound) == [(value, [value, "x"], -5)]
    assert store.query(asked, bound).rows() == [(value, [value, "x"], -5)]


def test_as_many_parameters_as_a_cluster_has_nodes(store: Store) -> None:
    store.append(frame([row("a", node="n00007")]))
    nodes = [f"n{number:05}" for number in range(10_000)]
    asked = "SELECT node FROM history WHERE node IN {nodes:Array(String)}"
    assert store.rows(asked, {"nodes": nodes}) == [("n00007",)]


def test_times_are_aware_and_in_utc_also_inside_the_first_and_last_millisecond(
    store: Store,
) -> None:
    at = datetime(2030, 1, 1, 0, 0, 0, 1000, tzinfo=UTC)
    store.append(frame([row("a")._replace(finished_at=at)]))
    [(found,)] = store.rows("SELECT finished_at FROM history")
    assert isinstance(found, datetime)
    assert (found, found.utcoffset()) == (at, timedelta(0))
    assert store.query("SELECT finished_at FROM history").item() == at


def test_rows_of_another_schema_are_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="another schema"):
        store.append(pl.DataFrame({"a": [1]}))


def test_no_rows_are_no_change(store: Store) -> None:
    for table in TABLES:
        store.append(pl.DataFrame(schema=schema(table)), table)
    assert store.rows("SELECT count() FROM history") == [(0,)]


def test_a_question_that_is_refused_is_one_line(store: Store) -> None:
    for ask in (store.rows, store.query):
        with pytest.raises(StoreError) as caught:
            ask("SELECT * FROM\nnothing")
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500


def test_somebody_elses_question_is_answered_and_can_change_nothing(store: Store) -> None:
    store.append(frame([row("a"), row("b", node="n2")]))
    found = store.answer("SELECT node, finished_at AS at FROM history ORDER BY node")
    assert (list(found.names), list(found.rows)) == (["node", "at"], [("n1", NOW), ("n2", NOW)])
    for statement in (
        "INSERT INTO results (batch) SELECT 'x'",
        "CREATE TABLE mine (a Int32) ENGINE = MergeTree ORDER BY a",
        "DROP VIEW history",
        "SELECT 1 FROM nothing",
    ):
        with pytest.raises(StoreError):
            store.answer(statement)
    assert store.rows("SELECT count() FROM history") == [(2,)]


def test_tidying_changes_nothing_and_nothing_is_in_the_way(store: Store) -> None:
    for number in range(30):
        store.append(frame([row(f"a{number}")]))
    before = store.rows("SELECT * FROM status")
    assert list(store.tidy(now=NOW)) == []
    store.rebuild()
    assert store.rows("SELECT * FROM status") == before
    assert store.rows("SELECT count() FROM history") == [(30,)]
    assert list(store.refused) == []


def test_a_closed_store_may_be_asked_again(store: Store) -> None:
    store.append(frame([row("a")]))
    store.rows("SELECT 1")
    store.close()
    assert store.rows("SELECT count() FROM history") == [(1,)]


def test_frames_of_every_view_have_the_same_types(clickhouse: ClickHouse, tmp_path: Path) -> None:
    embedded = EmbeddedStore(tmp_path)
    with clickhouse.database() as settings_of_it:
        server = ClickHouseStore(settings_of_it, environ=clickhouse.environ)
        for view in VIEWS:
            asked = f"SELECT * FROM {view}"
            assert server.query(asked).schema == embedded.query(asked).schema, view
        server.close()
    embedded.close()


QUICK = (Phase.explicit, Phase.generate)
"""A step costs a tenth of a second: shrinking what fails would take an hour."""

Both = tuple[EmbeddedStore, ClickHouseStore]
MakeBoth = Callable[[], Both]


@pytest.fixture
def both(clickhouse: ClickHouse, tmp_path: Path) -> Iterator[MakeBoth]:
    """Empty a store of each kind and return them."""
    with clickhouse.database() as store:
        asked = Server(store, environ=clickhouse.environ)
        server = ClickHouseStore(store, environ=clickhouse.environ)
        embedded = EmbeddedStore(tmp_path)

        def make() -> Both:
            for table in (*(one.name for one in TABLES), "status_latest"):
                asked.command(f"TRUNCATE TABLE {table}")
                shutil.rmtree(tmp_path / table, ignore_errors=True)
            return embedded, server

        yield make
        asked.close()
        server.close()
        embedded.close()


def _deliver(stores: Both, deliveries: Sequence[Delivery | str]) -> None:
    for number, one in enumerate(deliveries):
        for store in stores:
            if isinstance(one, Delivery):
                store.append(one.frame(taken=number), one.table)
            else:
                store.tidy(now=NOW)
                if isinstance(store, EmbeddedStore):
                    store.tidy_here(now=NOW, all_of_it=True)


def _sorted(store: Store, view: str) -> list[tuple[object, ...]]:
    return sorted(store.rows(f"SELECT * FROM {view}"), key=repr)


def _compare(stores: Both) -> None:
    embedded, server = stores
    for view in VIEWS:
        assert _sorted(server, view) == _sorted(embedded, view), view
    assert _sorted(server, "status_of_history") == _sorted(server, "status")
    for name, (sql, bound) in QUESTIONS.items():
        found = [store.rows(sql, bound) for store in stores]
        if "ORDER BY" not in sql:
            found = [sorted(rows, key=repr) for rows in found]
        assert found[0] == found[1], name
    for cluster in ("alpha", "beta"):
        assert dict(standings(server, cluster)) == dict(standings(embedded, cluster))


@settings(
    max_examples=15, phases=QUICK, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(deliveries=DELIVERIES)
def test_the_same_deliveries_make_the_same_views_whatever_keeps_them(
    both: MakeBoth, deliveries: list[Delivery | str]
) -> None:
    stores = both()
    _deliver(stores, deliveries)
    _compare(stores)


@settings(max_examples=3, phases=QUICK, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.randoms(use_true_random=False))
def test_hundreds_of_results_of_a_pair_revised_in_any_order_are_shown_alike(
    both: MakeBoth, seed: object
) -> None:
    """More than the views keep of a pair, so that what is taken back uncovers older ones."""
    rows = [
        made(visit, evidence, spread=60)
        for visit in range(150)
        for evidence in ([*Evidence] if visit % 3 else [Evidence.RUNNER])
    ]
    seed.shuffle(rows)  # type: ignore[attr-defined]  # a Random
    stores = both()
    for start in range(0, len(rows), 60):
        _deliver(stores, [Delivery(RESULTS, rows[start : start + 60])])
    _compare(stores)
