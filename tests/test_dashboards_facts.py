"""What a dashboard says of small histories in which it would be easy to say something else."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import pytest

from analytics.clickhouse import ClickHouseStore
from analytics.frame import frame, reaction_frame, told_frame
from analytics.reaction_row import ReactionRow
from analytics.result import Result
from analytics.tables import COVERAGE, NODES, REACTIONS, SWEEPS
from grafana.build import made
from grafana.clickhouse import UID
from grafana.style import HOLD_CODES, colour
from slurm_hooks.outcome import Outcome
from tests.clickhouse import ClickHouse
from tests.dashboard_engine import BOARDS, questions
from tests.grafana_macros import ALL, Shown, expand, since
from tests.history_examples import NOW, row
from tests.sweep_examples import node, sample, sweep_file

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TEXTS = {name: text for name, text in made().items() if name.endswith(".json")}


@pytest.fixture(scope="module")
def store(clickhouse: ClickHouse) -> Iterator[ClickHouseStore]:
    """One history for all tests; each has clusters of its own."""
    with clickhouse.database() as settings:
        one = ClickHouseStore(settings, environ=clickhouse.environ)
        yield one
        one.close()


def shows(
    store: ClickHouseStore, board: str, title: str, *clusters: str, **chosen: str
) -> list[tuple[object, ...]]:
    """Return the rows of a panel for some clusters, and all of what else is not chosen."""
    target = next(asks for panel, asks in questions(BOARDS[board]) if panel.title == title)
    every = {one.name: one.value or ALL for one in BOARDS[board].variables}
    values = {**every, **chosen, "cluster": list(clusters)}
    shown = Shown(
        since=since(BOARDS[board].since, NOW), until=NOW, interval_ms=600_000, chosen=values
    )
    return [tuple(one) for one in store.rows(expand(target.sql, shown))]


def counted(
    store: ClickHouseStore, cluster: str, checks: Mapping[str, tuple[int, int]], *, ago: float = 5
) -> None:
    """Let a sweep tell how many nodes of how many each check has proven."""
    rows = [
        sample(check, minutes=ago, cluster=cluster)._replace(proven=proven, nodes=nodes)
        for check, (proven, nodes) in checks.items()
    ]
    store.append(told_frame(rows, COVERAGE), COVERAGE)


def result(cluster: str, name: str, outcome: Outcome, *, value: float = 1, detail: str) -> Result:
    one = row(f"{cluster} {name} {detail}", node=name, check="gpu", outcome=outcome)
    return one._replace(
        cluster=cluster, finished_at=NOW - MINUTE, detail=detail, metrics={"rate": value}
    )


def test_a_share_over_clusters_is_of_all_their_nodes(store: ClickHouseStore) -> None:
    counted(store, "big", {"gpu": (90, 90)})
    counted(store, "small", {"gpu": (0, 10)})
    ((_, check, share),) = shows(store, "Fleet", "Proven share by check", "big", "small")
    assert (check, share) == ("gpu", 0.9)


def test_a_check_that_the_last_sweep_did_not_count_is_owed_nothing(store: ClickHouseStore) -> None:
    counted(store, "suspended", {"gpu": (0, 100), "cpu": (100, 100)}, ago=10)
    counted(store, "suspended", {"cpu": (100, 100)}, ago=5)
    assert shows(store, "Fleet", "Proven", "suspended") == [(1.0,)]
    assert shows(store, "Fleet", "Owed", "suspended") == [(0,)]
    assert [one[1] for one in shows(store, "Fleet", "Coverage now", "suspended")] == ["cpu"]
    assert shows(store, "Check", "Proven", "suspended", check="gpu") == [(None,)]


def test_the_heartbeat_is_in_the_intervals_of_a_cluster_and_of_one_that_always_fails_old(
    store: ClickHouseStore,
) -> None:
    for cluster, every, error in (("slow", 60, ""), ("fails", 5, "slurmctld is down")):
        swept = [sweep_file(minutes=every * one, cluster=cluster).sweep for one in range(1, 9)]
        store.append(told_frame([one._replace(error=error) for one in swept], SWEEPS), SWEEPS)
    ((_, slow),) = shows(store, "Fleet", "Heartbeat", "slow")
    assert slow == pytest.approx(1, abs=0.01)
    ((_, both),) = shows(store, "Fleet", "Heartbeat", "slow", "fails")
    assert both == 8.0
    assert shows(store, "Fleet", "Heartbeat", "never swept") == [(None, None)]


def test_a_node_that_fails_and_takes_jobs_stands_above_those_that_are_held(
    store: ClickHouseStore,
) -> None:
    held = [node(f"n{number}", cluster="serving") for number in range(3)]
    serving = node("n9", cluster="serving")._replace(
        holder="", holder_kind="", held_since=None, flags=(), failing=("gpu",)
    )
    store.append(told_frame([*held, serving], NODES), NODES)
    nodes = [one[1] for one in shows(store, "Fleet", "Held or failing", "serving")]
    assert nodes == ["n9", "n0", "n1", "n2"]
    assert shows(store, "Fleet", "Held nodes", "serving") == [(0.75,)]
    assert shows(store, "Fleet", "Failing nodes", "serving", check="gpu") == [(1,)]


def test_a_node_that_slurm_no_longer_has_fails_no_more(store: ClickHouseStore) -> None:
    swept = [sweep_file(cluster="shrunk").sweep]
    store.append(told_frame(swept, SWEEPS), SWEEPS)
    states = [node("n0", cluster="shrunk"), node("n1", cluster="shrunk")._replace(state="")]
    store.append(told_frame(states, NODES), NODES)
    store.append(
        frame([result("shrunk", name, Outcome.FAIL, detail="Xid 79") for name in ("n0", "n1")])
    )
    assert [one[1] for one in shows(store, "Fleet", "Failing now", "shrunk")] == ["n0"]
    assert [one[1] for one in shows(store, "Check", "Not passing", "shrunk", check="gpu")] == ["n0"]


def test_the_one_node_that_differs_from_peers_that_are_alike_deviates(
    store: ClickHouseStore,
) -> None:
    names = [f"n{number}" for number in range(6)]
    store.append(told_frame([node(one, cluster="alike") for one in names], NODES), NODES)
    rates = [200.0] * 5 + [100.0]
    store.append(
        frame([result("alike", name, Outcome.PASS, value=rate, detail="")
               for name, rate in zip(names, rates, strict=True)])
    )  # fmt: skip
    ((_, name, _, found, usual, apart, mads, _),) = shows(
        store, "Check", "Nodes that deviate", "alike", check="gpu"
    )
    assert (name, found, usual, apart, mads) == ("n5", 100.0, 200.0, -0.5, None)


def test_what_failed_is_told_before_what_is_commoner(store: ClickHouseStore) -> None:
    gave_way = [
        result("reasons", f"n{n}", Outcome.PREEMPTED, detail="a user's job") for n in range(3)
    ]
    failed = result("reasons", "n8", Outcome.FAIL, detail="0.964 of the usual")
    store.append(frame([*gave_way, failed]))
    said = shows(store, "Check", "What it said where it did not pass", "reasons", check="gpu")
    assert [one[0] for one in said] == ["fail", "preempted"]


def drained(cluster: str, *, done_at: datetime, ended_at: datetime | None) -> ReactionRow:
    return ReactionRow(
        id=f"{cluster} {done_at}", revision=1, cluster=cluster, decided_at=done_at, node="n0",
        check_name="gpu", kind="drain", state="undone" if ended_at else "done", why="",
        outcome="fail", judged_at=done_at, detail="Xid 79", text="", result_id="", batch="",
        target="", done_at=done_at, ended_at=ended_at, ended_by="",
    )  # fmt: skip


def test_a_drain_from_before_the_shown_time_stands_from_its_beginning(
    store: ClickHouseStore,
) -> None:
    rows = [
        drained("long", done_at=NOW - 90 * DAY, ended_at=NOW - 60 * DAY),
        drained("long", done_at=NOW - 30 * DAY, ended_at=NOW - DAY),
    ]
    store.append(reaction_frame(rows), REACTIONS)
    title = "Checks, reactions and who held it"
    assert shows(store, "Node", title, "long", node="n0") == [
        (since(BOARDS["Node"].since, NOW), "· drain", HOLD_CODES["drain"]),
        (NOW - DAY, "· drain", HOLD_CODES["none"]),
    ]


@pytest.mark.parametrize("name", TEXTS)
def test_a_number_that_nobody_knows_is_neither_good_nor_bad(name: str) -> None:
    stats = [one for one in json.loads(TEXTS[name])["panels"] if one["type"] == "stat"]
    for stat in stats:
        (mapping,) = stat["fieldConfig"]["defaults"]["mappings"]
        assert mapping["type"] == "special"
        assert mapping["options"]["match"] == "null"
        assert mapping["options"]["result"]["color"] == colour("quiet")


@pytest.mark.parametrize("name", TEXTS)
def test_a_dashboard_opens_with_the_data_source_that_is_provisioned(name: str) -> None:
    source, *_ = json.loads(TEXTS[name])["templating"]["list"]
    assert (source["type"], source["current"]["value"]) == ("datasource", UID)


def test_an_outage_of_sweeps_is_a_gap_and_no_line(store: ClickHouseStore) -> None:
    minutes = [*range(5, 120, 5), *range(420, 600, 5)]  # nothing for five hours
    told = [sweep_file(minutes=ago, cluster="outage") for ago in minutes]
    store.append(told_frame([one.sweep for one in told], SWEEPS), SWEEPS)
    store.append(told_frame([row for one in told for row in one.coverage], COVERAGE), COVERAGE)
    for title in ("Proven share by check", "Coverage debt, and why", "What sweeps found"):
        rows = shows(store, "Fleet", title, "outage")
        (gap,) = [at for at, *values in rows if isinstance(at, datetime) and None in values]
        assert NOW - timedelta(minutes=420) <= gap <= NOW - timedelta(minutes=400)
        assert all(gap != at for at, *values in rows if None not in values)


def test_a_sweep_that_came_late_is_no_outage(store: ClickHouseStore) -> None:
    told = [sweep_file(minutes=ago, cluster="late") for ago in (5, 10, 15, 35, 40, 45)]
    store.append(told_frame([one.sweep for one in told], SWEEPS), SWEEPS)
    rows = shows(store, "Fleet", "What sweeps found", "late")
    assert rows
    assert not [one for one in rows if None in one]
