"""A store is filled with a synthetic fleet's history, and what is told twice is there once."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest

from analytics.clickhouse import ClickHouseStore
from analytics.server import Server
from analytics.tables import BATCHES, COVERAGE, NODES, REACTIONS, RESULTS, SWEEPS, TABLES
from slurm_hooks.store_settings import PASSWORD, USER, StoreSettings
from tests.clickhouse import ClickHouse
from tests.fleet import Fleet
from tests.fleet_living import AHEAD, known, revive, take_step
from tests.fleet_store import fill, fill_once, main, settings_of, who
from tests.fleet_sweeps import tell

START = datetime(2030, 1, 2, 12, tzinfo=UTC)
FLEET = Fleet(nodes=20, days=3, results=2_000, end=START)


@contextmanager
def stores(clickhouse: ClickHouse) -> Iterator[tuple[ClickHouseStore, Server]]:
    with clickhouse.database() as settings:
        store = ClickHouseStore(settings, environ=clickhouse.environ)
        server = Server(settings, environ=clickhouse.environ)
        yield store, server
        store.close()
        server.close()


@pytest.fixture
def both(clickhouse: ClickHouse) -> Iterator[tuple[ClickHouseStore, Server]]:
    with stores(clickhouse) as found:
        yield found


def counts(server: Server) -> Mapping[str, int]:
    """How many rows each table has of which none replaces another."""
    found = {}
    for table in TABLES:
        rows = server.rows(f"SELECT count() FROM {table.name} FINAL")
        found[table.name] = int(str(rows[0][0]))
    return found


def expected(fleet: Fleet, now: datetime) -> Mapping[str, int]:
    """How many rows there are of *fleet* at *now*."""
    told = tell(fleet)
    changed = told.reactions.filter(told.reacted_at <= now)
    return {
        RESULTS.name: len(pl.concat(fleet.frames()).filter(pl.col("ingested_at") <= now)),
        BATCHES.name: len(pl.concat(fleet.plans()).filter(pl.col("submitted_at") <= now)),
        SWEEPS.name: len(told.sweeps.filter(pl.col("finished_at") <= now)),
        NODES.name: len(told.nodes.filter(pl.col("seen_at") <= now)),
        COVERAGE.name: len(told.coverage.filter(pl.col("at") <= now)),
        REACTIONS.name: changed["id"].n_unique(),
    }


def statuses(server: Server) -> list[tuple[object, ...]]:
    """The view `status` as it is kept, and as the history has it."""
    columns = "node, check_name, judged_visit, judged_outcome, attempt_visit"
    kept = server.rows(f"SELECT {columns} FROM status ORDER BY ALL")
    assert kept == server.rows(f"SELECT {columns} FROM status_of_history ORDER BY ALL")
    return kept


def test_all_of_a_fleet_is_in_the_store(both: tuple[ClickHouseStore, Server]) -> None:
    store, server = both
    planted = fill(store, FLEET)
    assert counts(server) == expected(FLEET, START)
    assert planted == tell(FLEET).planted
    assert len(statuses(server)) > FLEET.nodes


def test_it_says_how_far_it_is_where_asked(both: tuple[ClickHouseStore, Server]) -> None:
    store, _ = both
    said: list[str] = []
    fill(store, FLEET, days=1, say=said.append)
    assert said[0] == "results: 2,016 of about 2,000"
    assert [line.split(":")[0] for line in said[1:]] == [table.name for table in
            (BATCHES, SWEEPS, NODES, COVERAGE, REACTIONS)]  # fmt: skip


def test_filled_again_it_has_the_same_fleet_once(both: tuple[ClickHouseStore, Server]) -> None:
    store, server = both
    assert fill_once(store, server, FLEET) == FLEET
    before = counts(server)
    later = Fleet(nodes=40, days=3, results=2_000, end=START + timedelta(hours=1))
    assert fill_once(store, server, later) == FLEET
    assert counts(server) == before


def test_a_living_fleet_is_told_until_now_and_step_by_step_from_there(
    both: tuple[ClickHouseStore, Server],
) -> None:
    store, server = both
    living = revive(store, server, FLEET, now=START)
    fleet = living.fleet
    assert fleet.end == START + AHEAD
    assert counts(server) == expected(fleet, START)
    for minutes in (1, 65, 66, 600):
        now = START + timedelta(minutes=minutes)
        assert take_step(living, server, now=now) is living
        assert counts(server) == expected(fleet, now)
    statuses(server)


def test_started_again_it_goes_on_with_the_same_fleet_and_doubles_nothing(
    both: tuple[ClickHouseStore, Server],
) -> None:
    store, server = both
    first = revive(store, server, FLEET, now=START)
    now = START + timedelta(hours=7)
    again = revive(store, server, Fleet(end=now), now=now)
    assert again.fleet == first.fleet
    assert counts(server) == expected(first.fleet, now)
    later = now + timedelta(hours=1)
    take_step(again, server, now=later)
    assert counts(server) == expected(first.fleet, later)
    statuses(server)


def test_started_again_it_loads_little_more_than_what_is_missing(
    both: tuple[ClickHouseStore, Server],
) -> None:
    store, server = both
    first = revive(store, server, FLEET, now=START)
    again = revive(store, server, FLEET, now=START)
    rows = again.catch_up(START).rows
    assert again.fleet == first.fleet
    assert rows[SWEEPS.name] <= timedelta(hours=2) / timedelta(minutes=5)
    assert rows[RESULTS.name] < 200


def test_a_fleet_whose_tables_were_left_half_filled_is_completed(
    both: tuple[ClickHouseStore, Server],
) -> None:
    store, server = both
    fleet = revive(store, server, FLEET, now=START).fleet
    for table in (SWEEPS, NODES):
        server.command(f"TRUNCATE TABLE {table.name}")
    revive(store, server, FLEET, now=START)
    assert counts(server) == expected(fleet, START)


def test_a_fleet_that_is_over_is_followed_by_another_of_its_nodes(
    both: tuple[ClickHouseStore, Server],
) -> None:
    store, server = both
    living = revive(store, server, FLEET, now=START)
    over = living.fleet.end + timedelta(hours=1)
    following = take_step(living, server, now=over)
    assert following.fleet.end == over + AHEAD
    assert following.fleet.names == FLEET.names
    assert following.fleet.seed == FLEET.seed + 1
    found = known(server, FLEET.cluster)
    assert found is not None
    assert (found.fleet, found.begin) == (following.fleet, living.fleet.end)
    sweeps = server.rows("SELECT started_at FROM sweep_rows FINAL ORDER BY started_at")
    times = [time for (time,) in sweeps if isinstance(time, datetime)]
    apart = [second - first for first, second in pairwise(times)]
    assert timedelta(minutes=4) < min(apart)
    assert max(apart) < timedelta(minutes=26)


def test_the_command_makes_the_tables_and_fills_them(
    clickhouse: ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with clickhouse.database(tables=False) as settings:
        for name, value in clickhouse.environ.items():
            monkeypatch.setenv(name, value)
        arguments = ["--url", settings.url, "--database", settings.database, "--nodes", "20"]
        before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
        assert main([*arguments, "--results", "500", "--days", "1"]) == 0
        assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
        server = Server(settings, environ=clickhouse.environ)
        assert counts(server)[RESULTS.name] >= 500
        server.close()


def test_the_command_says_in_a_line_what_is_wrong(
    clickhouse: ClickHouse, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (USER, PASSWORD):
        monkeypatch.delenv(name, raising=False)
    url = f"http://nobody:wrong@{clickhouse.host}:{clickhouse.port}"
    assert main(["--url", url, "--nodes", "20"]) == 1
    assert "it does not let user 'nobody' in" in capsys.readouterr().err


def test_the_urls_user_counts_before_the_environments() -> None:
    found = who("http://me:s%20ecret@store:8123", {USER: "you", PASSWORD: "word"})
    assert (found[USER], found[PASSWORD]) == ("me", "s ecret")
    assert who("http://store:8123", {USER: "you"}) == {USER: "you"}
    settings: StoreSettings = settings_of("https://store", "demo", {})
    assert (settings.url, settings.database) == ("https://store:8443", "demo")
