"""Fills a ClickHouse store with a synthetic fleet's history, for tests, benchmarks and a demo.

``python -m tests.fleet_store --url http://HOST:8123 --database NAME`` makes the tables and fills
them; with ``--living`` it goes on and appends what happens, minute by minute, until SIGTERM.
Started again on a filled store it adds what is missing: the store knows which fleet it tells of.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import polars as pl

from analytics import migration
from analytics.clickhouse import ClickHouseStore
from analytics.server import Server
from analytics.tables import BATCHES, COVERAGE, NODES, REACTIONS, RESULTS, SWEEPS, Table
from slurm_hooks.errors import ClusterDoctorError
from slurm_hooks.store_settings import PASSWORD, USER, StoreSettings
from tests.fleet import Fleet
from tests.fleet_sweeps import Planted, Telling

AHEAD = timedelta(days=2)
"""So far into the future a living fleet's history is made at once."""

STEP_S = 60.0
_AT_ONCE = 200_000
_AGAIN = timedelta(hours=2)
"""What came so long before the newest row is told again after a restart: it replaces itself."""

_COMES = "comes_at"
_TABLE = "fleet_told"
"""A table of ours beside the product's: which fleet a store tells of."""

_MOMENTS: Mapping[Table, pl.Expr] = {
    RESULTS: pl.col("ingested_at"),
    BATCHES: pl.col("submitted_at"),
    SWEEPS: pl.col("finished_at"),
    NODES: pl.col("seen_at"),
    COVERAGE: pl.col("at"),
    REACTIONS: pl.max_horizontal("decided_at", "done_at", "ended_at"),
}
"""When the history knows of a row."""

Say = Callable[[str], None]


def nothing(_: str) -> None:
    """Say nothing."""


def fill(
    store: ClickHouseStore, fleet: Fleet, *, days: float | None = None, say: Say = nothing
) -> Planted:
    """Load all of *fleet* into *store*, whose tables are there; returns what was planted.

    *days* is how long sweeps told, as in `tests.fleet_sweeps`.
    """
    return Living(store, fleet, days=days, say=say).catch_up(fleet.end).planted


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What catching up did."""

    planted: Planted
    rows: Mapping[str, int]
    """How many rows of each table were added."""


@dataclass
class Living:
    """A fleet whose history is told as time goes by; what is still to come is kept in memory."""

    store: ClickHouseStore
    fleet: Fleet
    days: float | None = None
    say: Say = nothing
    after: datetime | None = None
    """Nothing that came before this is told: it was already."""
    _coming: dict[str, pl.DataFrame] = field(default_factory=dict)

    def catch_up(self, now: datetime) -> Filled:
        """Load, in bulk, what came until *now*."""
        rows: dict[str, int] = {}
        telling = Telling(self.fleet, days=self.days)
        later = []
        for part in self.fleet.frames(_AT_ONCE):
            telling.take(part)
            later.append(self._load(part, RESULTS, now, rows))
            self.say(f"results: {rows[RESULTS.name]:,} of about {self.fleet.results:,}")
        self._coming[RESULTS.name] = pl.concat(later)
        told = telling.told()
        frames = {
            BATCHES: pl.concat(self.fleet.plans()), SWEEPS: told.sweeps, NODES: told.nodes,
            COVERAGE: told.coverage, REACTIONS: told.reactions,
        }  # fmt: skip
        for table, frame in frames.items():
            self._coming[table.name] = self._load(frame, table, now, rows)
            self.say(f"{table.name}: {rows[table.name]:,}")
        self.store.rebuild()
        self.say("made the view status anew")
        return Filled(planted=told.planted, rows=rows)

    def _load(
        self, frame: pl.DataFrame, table: Table, now: datetime, counts: dict[str, int]
    ) -> pl.DataFrame:
        """Load what of *frame* came until *now*; returns what is still to come."""
        at = _MOMENTS[table]
        came = frame.filter(at <= now)
        if self.after is not None:
            came = came.filter(at > self.after)
        for part in came.iter_slices(_AT_ONCE):
            self.store.load(part, table)
        counts[table.name] = counts.get(table.name, 0) + len(came)
        return frame.filter(at > now)

    def step(self, now: datetime) -> Mapping[str, int]:
        """Append what came since; returns how many rows of each table."""
        added = {}
        for table, at in _MOMENTS.items():
            coming = self._coming[table.name]
            came = coming.filter(at <= now)
            if len(came):
                self.store.append(came, table)
                self._coming[table.name] = coming.filter(at > now)
                added[table.name] = len(came)
        return added


def make(settings: StoreSettings, environ: Mapping[str, str] = os.environ) -> None:
    """Make database, tables and views, as `cluster-doctor store init` does, and our own table."""
    outside = Server(settings, database="", environ=environ)
    migration.make_database(outside)
    outside.close()
    inside = Server(settings, environ=environ)
    list(migration.migrate(inside))
    inside.command(
        f"CREATE TABLE IF NOT EXISTS {_TABLE} (cluster String, nodes UInt32, days Float64, "
        "results UInt64, seed UInt32, end DateTime64(3, 'UTC'), begin DateTime64(3, 'UTC')) "
        "ENGINE = ReplacingMergeTree ORDER BY (cluster, end)"
    )
    inside.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A fleet that a store tells of."""

    fleet: Fleet
    begin: datetime
    """Its history counts from here on."""


def known(server: Server, cluster: str) -> Known | None:
    """Return the fleet that the store told of last; None: of none yet."""
    rows = server.rows(
        f"SELECT nodes, days, results, seed, end, begin FROM {_TABLE} FINAL "
        "WHERE cluster = {cluster:String} ORDER BY end DESC LIMIT 1",
        {"cluster": cluster},
    )
    for nodes, days, results, seed, end, begin in rows:
        assert isinstance(end, datetime)
        assert isinstance(begin, datetime)
        fleet = Fleet(
            cluster=cluster, nodes=int(str(nodes)), days=float(str(days)),
            results=int(str(results)), seed=int(str(seed)), end=end,
        )  # fmt: skip
        return Known(fleet=fleet, begin=begin)
    return None


def remember(server: Server, one: Known) -> None:
    """Write down which fleet the store tells of, before any of it is there."""
    fleet = one.fleet
    server.command(
        f"INSERT INTO {_TABLE} SELECT {{cluster:String}}, {{nodes:UInt32}}, {{days:Float64}}, "
        "{results:UInt64}, {seed:UInt32}, fromUnixTimestamp64Milli({end:Int64}, 'UTC'), "
        "fromUnixTimestamp64Milli({begin:Int64}, 'UTC')",
        {
            "cluster": fleet.cluster, "nodes": fleet.nodes, "days": fleet.days,
            "results": fleet.results, "seed": fleet.seed,
            "end": round(fleet.end.timestamp() * 1000),
            "begin": round(one.begin.timestamp() * 1000),
        },
    )  # fmt: skip


def newest(server: Server, cluster: str) -> datetime | None:
    """Return when the newest result came that the store has."""
    rows = server.rows(
        "SELECT max(ingested_at), count() FROM results WHERE cluster = {cluster:String}",
        {"cluster": cluster},
    )
    at, count = rows[0]
    return at if count and isinstance(at, datetime) else None


def revive(
    settings: StoreSettings,
    fresh: Fleet,
    *,
    now: datetime,
    environ: Mapping[str, str] = os.environ,
    say: Say = nothing,
) -> Living:
    """Return a living fleet, told until *now*: the one that the store knows, or one like *fresh*.

    One that is over is followed by another of the same nodes.
    """
    server = Server(settings, environ=environ)
    before = known(server, fresh.cluster)
    told_until = newest(server, fresh.cluster) if before else None
    one = before
    if one is None or one.fleet.end <= now:
        one = Known(
            fleet=_next(fresh, before, now), begin=before.fleet.end if before else _LONG_AGO
        )
        remember(server, one)
    server.close()
    after = max(one.begin, told_until - _AGAIN) if told_until else one.begin
    living = Living(
        store=ClickHouseStore(settings, environ=environ), fleet=one.fleet, say=say, after=after
    )
    living.catch_up(now)
    return living


_LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)


def _next(fresh: Fleet, before: Known | None, now: datetime) -> Fleet:
    """Return the fleet to tell of from now on; its end is whole seconds, as the store keeps it."""
    like = before.fleet if before else fresh
    return Fleet(
        cluster=like.cluster, nodes=like.nodes, days=like.days, results=like.results,
        seed=like.seed + (1 if before else 0), end=now.replace(microsecond=0) + AHEAD,
    )  # fmt: skip


def live(
    settings: StoreSettings,
    fresh: Fleet,
    *,
    stop: threading.Event,
    environ: Mapping[str, str] = os.environ,
    say: Say = nothing,
) -> None:
    """Tell of a fleet minute by minute until *stop*."""
    living = revive(settings, fresh, now=_now(), environ=environ, say=say)
    while not stop.wait(STEP_S):
        now = _now()
        try:
            if now >= living.fleet.end:
                living.step(living.fleet.end)
                living = revive(settings, fresh, now=now, environ=environ, say=say)
            for name, count in living.step(now).items():
                say(f"{name}: {count:,} more")
        except ClusterDoctorError as error:  # the next minute tries again
            say(str(error))


def settings_of(url: str, database: str, environ: Mapping[str, str]) -> StoreSettings:
    """Return the settings of the store at *url*; who asks there is in *environ*."""
    found = urlsplit(url)
    secure = found.scheme == "https"
    return StoreSettings(
        path=Path("--url"), host=found.hostname or "", secure=secure,
        port=found.port or (8443 if secure else 8123), database=database,
        user=environ.get(USER, "default"), timeout=timedelta(minutes=10),
    )  # fmt: skip


def who(url: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the user and password that *url* has, where it has any."""
    found = urlsplit(url)
    if found.username is None:
        return dict(environ)
    return {
        **environ, USER: unquote(found.username), PASSWORD: unquote(found.password or ""),
    }  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Fill a store as *arguments* say."""
    options = _options(arguments)
    environ = who(options.url, os.environ)
    settings = settings_of(options.url, options.database, environ)
    fresh = Fleet(
        nodes=options.nodes, days=options.days, results=options.results,
        end=_now().replace(microsecond=0),
    )  # fmt: skip
    try:
        make(settings, environ)
        if options.living:
            live(settings, fresh, stop=_until_told(), environ=environ, say=_say)
        else:
            fill(ClickHouseStore(settings, environ=environ), fresh, say=_say)
    except ClusterDoctorError as error:
        _say(str(error))
        return 1
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fleet_store", description=__doc__)
    parser.add_argument("--url", required=True, help="http://[user:password@]host:8123")
    parser.add_argument("--database", default="cluster_doctor")
    parser.add_argument("--results", type=int, default=1_000_000)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--living", action="store_true", help="go on until SIGTERM")
    return parser.parse_args(arguments)


def _until_told() -> threading.Event:
    stop = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stop.set())
    return stop


def _now() -> datetime:
    return datetime.now(UTC)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
