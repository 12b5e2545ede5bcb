"""Synthetic histories are alike each time, of the size asked for, and have their events in them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from analytics.embedded import EmbeddedStore
from analytics.frame import schema
from analytics.result import JUDGED
from analytics.tables import BATCHES, RESULTS
from slurm_hooks.batch import is_batch_id
from tests.fleet import BATCH_NODES, QUIET, Fleet
from tests.fleet_checks import CHECKS, NAMES
from tests.fleet_events import Events

END = datetime(2030, 1, 2, 12, tzinfo=UTC)
FLEET = Fleet(nodes=240, results=60_000, end=END)
TWICE = Fleet(nodes=40, days=3, results=3_000, end=END, told_twice=0.1)


@cache
def told(fleet: Fleet) -> pl.DataFrame:
    return pl.concat(fleet.frames())


def planned(fleet: Fleet) -> pl.DataFrame:
    return pl.concat(fleet.plans())


def of(node: str, check: str | None = None) -> pl.DataFrame:
    rows = told(FLEET).filter(node=node).sort("finished_at")
    return rows if check is None else rows.filter(check_name=check)


def share(rows: pl.DataFrame, *outcomes: str) -> float:
    return int(rows["outcome"].is_in([*outcomes]).sum()) / len(rows)


def test_equal_fleets_have_equal_histories() -> None:
    same = replace(FLEET)
    assert pl.concat(same.frames()).equals(told(FLEET))
    assert same.events == FLEET.events


def test_another_seed_is_another_history() -> None:
    assert not told(replace(TWICE, seed=8)).equals(told(TWICE))


@pytest.mark.parametrize("per_frame", [777, 20_000])
def test_frames_are_as_long_as_asked_for_and_hold_the_same_rows(per_frame: int) -> None:
    frames = list(FLEET.frames(per_frame))
    assert {len(frame) for frame in frames[:-1]} == {per_frame}
    assert 0 < len(frames[-1]) <= per_frame
    assert pl.concat(frames).equals(told(FLEET))


def test_rows_are_of_the_stores_schemas() -> None:
    assert told(FLEET).schema == schema(RESULTS)
    assert planned(FLEET).schema == schema(BATCHES)


@pytest.mark.parametrize(
    "fleet",
    [FLEET, Fleet(nodes=20, days=1, results=500, end=END), Fleet(days=2, results=25_000, end=END)],
)
def test_there_are_as_many_results_as_asked_for_and_no_whole_batch_more(fleet: Fleet) -> None:
    rows = told(fleet)
    first = min(rows["batch"])
    assert fleet.results <= len(rows) < fleet.results + len(rows.filter(batch=first))


def test_the_history_covers_its_days_and_ends_before_its_end() -> None:
    times = sorted(told(FLEET)["finished_at"])
    oldest, newest = times[0], times[-1]
    assert abs(END - timedelta(days=30) - oldest) < timedelta(hours=12)
    assert END - 2 * QUIET < newest < END
    assert max(told(FLEET)["ingested_at"]) <= END


def test_rows_come_nearly_as_ingests_took_them_in() -> None:
    ingested = told(FLEET)["ingested_at"]
    assert max(ingested.cum_max() - ingested) < timedelta(hours=1)


def test_no_result_is_there_twice_unless_that_is_asked_for() -> None:
    key = ("cluster", "batch", "task", "attempt", "check_name")
    assert told(FLEET).select(key).is_unique().all()
    assert told(TWICE).select(*key, "revision").is_unique().all()


def test_ids_of_batches_have_their_form_and_sort_by_time() -> None:
    batches = planned(FLEET).unique("batch").sort("created_at")
    assert all(is_batch_id(batch) for batch in batches["batch"])
    assert batches["batch"].is_sorted()


def test_a_batch_visits_few_nodes_of_one_hardware_each_in_a_task_of_its_own() -> None:
    kinds = dict(zip(FLEET.names, FLEET.hardware, strict=True))
    visits = told(FLEET).select("batch", "task", "node").unique()
    assert visits.select("batch", "task").is_unique().all()
    for rows in visits.partition_by("batch"):
        assert len(rows) <= BATCH_NODES
        assert len({kinds[node] for node in rows["node"]}) == 1


def test_every_node_runs_the_checks_of_its_hardware_alone() -> None:
    kinds = dict(zip(FLEET.names, FLEET.hardware, strict=True))
    expected = {
        (node, check.name) for node in FLEET.names for check in CHECKS
        if kinds[node] in check.hardware
    }  # fmt: skip
    assert set(told(FLEET).select("node", "check_name").iter_rows()) == expected


def test_outcomes_are_as_rare_as_asked_for_and_of_every_kind() -> None:
    rows = told(replace(FLEET, fail_rate=0.05, planted=False))
    assert share(rows, "fail") == pytest.approx(0.05, rel=0.1)
    assert share(rows, "pass") > 0.85
    assert set(rows["outcome"]) >= {
        "pass", "warn", "fail", "error", "timeout", "skip", "preempted", "cancelled", "node_fail",
        "not_started",
    }  # fmt: skip


def test_only_what_was_judged_measured_something_and_at_its_hardwares_level() -> None:
    rows = told(replace(FLEET, planted=False)).filter(check_name="nvlink")
    judged = rows["outcome"].is_in(JUDGED)
    assert {len(one) for one in _metrics(rows.filter(~judged))} == {0}
    levels = {
        kind: [
            one["slowest_bytes_per_s"]
            for one in _metrics(rows.filter(judged & rows["node"].is_in(_of_kind(kind))))
        ]
        for kind in (1, 2)
    }
    assert pl.Series(levels[1]).median() == pytest.approx(3.7e11, rel=0.01)
    assert pl.Series(levels[2]).median() == pytest.approx(2.4e11, rel=0.01)


def test_plans_say_what_the_results_then_were() -> None:
    visited = told(FLEET).group_by("batch", "check_name").agg(pl.col("node").sort())
    plans = planned(FLEET).with_columns(pl.col("nodes").list.sort())
    both = plans.join(visited, on=["batch", "check_name"], how="full", coalesce=True)
    assert (both["nodes"] == both["node"]).all()
    assert (both["planned"] == both["nodes"].list.len()).all()


def test_of_what_was_told_twice_the_runners_word_is_the_later_one() -> None:
    rows = told(TWICE)
    inferred = rows.filter(evidence="slurm")
    assert len(inferred) == pytest.approx(0.1 * len(rows), rel=0.2)
    assert set(inferred["outcome"]) == {"node_fail"}
    both = inferred.join(rows.filter(evidence="runner"), on=["batch", "task", "check_name"])
    assert (both["finished_at"] > both["finished_at_right"]).all()
    assert (both["ingested_at"] < both["ingested_at_right"]).any()


def test_the_store_takes_it_and_counts_each_result_once(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    for rows in TWICE.frames(1_000):
        store.append(rows)
    for rows in TWICE.plans():
        store.append(rows, BATCHES)
    found = store.rows("SELECT countIf(evidence = 'slurm'), count() FROM history")
    paths = store.rows("SELECT countIf(log_path LIKE '%{%'), countIf(log_path = '') FROM history")
    running = store.rows("SELECT countIf(status = 'InProgress') FROM runs")
    store.close()
    assert found == [(0, told(TWICE)["evidence"].to_list().count("runner"))]
    assert paths == [(0, told(TWICE)["outcome"].to_list().count("not_started"))]
    assert running == [(0,)]


def test_a_metric_of_one_node_gets_slowly_worse() -> None:
    event = planted().drift
    assert event is not None
    rows = of(event.node, event.check).filter(pl.col("outcome").is_in(JUDGED))
    before = _level(rows.filter(pl.col("finished_at") < event.since), event.metric)
    half = event.since + (event.until - event.since) / 2
    late = rows.filter(pl.col("finished_at") > event.until - timedelta(days=1))
    middle = rows.filter(abs(pl.col("finished_at") - half) < timedelta(days=1))
    assert _level(late, event.metric) / before == pytest.approx(0.857, abs=0.02)
    assert _level(middle, event.metric) / before == pytest.approx(0.925, abs=0.02)


def test_a_lemon_fails_often_and_is_lost_often() -> None:
    event = planted().lemon
    assert event is not None
    assert share(of(event.node), "fail") > 0.2
    assert share(of(event.node), "node_fail") > 0.02


def test_a_pair_flaps() -> None:
    event = planted().flapping
    assert event is not None
    judged = of(event.node, event.check).filter(pl.col("outcome").is_in(JUDGED))["outcome"]
    changes = (judged != judged.shift(1)).sum()
    assert changes > 0.9 * (len(judged) - 1)


def test_a_check_fails_on_many_nodes_within_an_hour() -> None:
    event = planted().failing
    assert event is not None
    fails = told(FLEET).filter(
        pl.col("finished_at").is_between(event.since, event.until),
        check_name=event.check, outcome="fail",
    )  # fmt: skip
    assert set(fails["node"]) >= set(event.nodes)
    assert len(event.nodes) == 30


def test_a_rack_is_dark_for_two_days_and_not_before_or_after() -> None:
    event = planted().dark
    assert event is not None
    assert event.until - event.since == timedelta(days=2)
    times = told(FLEET).filter(pl.col("node").is_in(event.nodes))["finished_at"]
    assert not times.is_between(event.since, event.until).any()
    day = timedelta(days=1)
    assert times.is_between(event.since - day, event.since).any()
    assert times.is_between(event.until, event.until + day).any()


def test_a_node_is_never_proven() -> None:
    event = planted().never
    assert event is not None
    assert len(of(event.node)) > 100
    assert share(of(event.node), *JUDGED) == 0


def test_no_node_has_two_events() -> None:
    found = planted()
    assert found.drift
    assert found.lemon
    assert found.flapping
    assert found.never
    assert found.dark
    assert found.failing
    nodes = [found.drift.node, found.lemon.node, found.flapping.node, found.never.node]
    nodes += [*found.dark.nodes, *found.failing.nodes]
    assert len(set(nodes)) == len(nodes)


def test_nothing_is_planted_where_nothing_is_wanted() -> None:
    assert replace(FLEET, planted=False).events == Events()


@pytest.mark.parametrize("checks", [("storage", "memory"), ("cpu",), NAMES])
def test_a_fleet_may_have_some_of_the_checks(checks: Sequence[str]) -> None:
    fleet = replace(TWICE, checks=tuple(checks))
    assert set(told(fleet)["check_name"]) == set(checks)


@pytest.mark.parametrize(
    ("checks", "message"), [(("disk",), "no check disk"), (("nvlink",), "on every node")]
)
def test_checks_that_will_not_do_are_refused(checks: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        next(replace(TWICE, checks=checks).frames())


def test_a_fleet_of_a_few_nodes_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        Fleet(nodes=4, end=END)


def planted() -> Events:
    return FLEET.events


def _of_kind(kind: int) -> list[str]:
    return [name for name, of in zip(FLEET.names, FLEET.hardware, strict=True) if of == kind]


def _metrics(rows: pl.DataFrame) -> list[dict[str, float]]:
    return [dict(one) if one else {} for one in rows["metrics"].to_list()]


def _level(rows: pl.DataFrame, metric: str) -> float:
    values = pl.Series([one[metric] for one in _metrics(rows)])
    return float(values.median())  # type: ignore[arg-type]
