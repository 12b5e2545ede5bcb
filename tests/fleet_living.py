"""A synthetic fleet in a ClickHouse store whose history goes on while somebody looks.

The store has a table of ours beside the product's: which fleet it tells of. So whoever is started
again goes on with the same one, and what is told twice replaces itself.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import polars as pl

from analytics.clickhouse import ClickHouseStore
from analytics.server import Server
from analytics.tables import BATCHES, COVERAGE, NODES, REACTIONS, RESULTS, SWEEPS, TABLES, Table
from slurm_hooks.errors import ClusterDoctorError
from tests.fleet import Fleet
from tests.fleet_past import to_ms
from tests.fleet_sweeps import Planted, Telling

AHEAD = timedelta(days=2)
"""So far into the future the history of a living fleet is made at once."""

STEP_S = 60.0
_AT_ONCE = 200_000
_AGAIN = timedelta(hours=2)
"""What came so long before the newest row is told again: rows come nearly in order."""

_LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)
_MEMORY = "fleet_told"

_CHANGED = ("decided_at", "done_at", "ended_at")
_MOMENTS: Mapping[str, pl.Expr] = {
    RESULTS.name: pl.col("ingested_at"),
    BATCHES.name: pl.col("submitted_at"),
    SWEEPS.name: pl.col("finished_at"),
    NODES.name: pl.col("seen_at"),
    COVERAGE.name: pl.col("at"),
    REACTIONS.name: pl.max_horizontal(*_CHANGED),
}
"""When the history knows of a row."""

_MOMENTS_SQL: Mapping[str, str] = {
    RESULTS.name: "ingested_at",
    BATCHES.name: "submitted_at",
    SWEEPS.name: "finished_at",
    NODES.name: "seen_at",
    COVERAGE.name: "at",
    REACTIONS.name: f"arrayJoin(arrayMap(at -> ifNull(at, decided_at), [{', '.join(_CHANGED)}]))",
}

Say = Callable[[str], None]


def nothing(_: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A fleet that a store tells of."""

    fleet: Fleet
    begin: datetime = _LONG_AGO
    """Its history counts from here on; another's was told before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaughtUp:
    """What catching up did."""

    planted: Planted
    rows: Mapping[str, int]
    """How many rows of each table were added."""


@dataclass
class Living:
    """A fleet that is told of as time goes by; what is still to come is kept in memory."""

    store: ClickHouseStore
    fleet: Fleet
    days: float | None = None
    say: Say = nothing
    after: Mapping[str, datetime] = field(default_factory=dict)
    """By table: what came until then is in the store already."""
    _coming: dict[str, pl.DataFrame] = field(default_factory=dict)

    def catch_up(self, now: datetime) -> CaughtUp:
        """Load, in bulk, what came until *now*."""
        telling, later, loaded = Telling(self.fleet, days=self.days), [], 0
        for part in self.fleet.frames(_AT_ONCE):
            telling.take(part)
            loaded += self._load(part, RESULTS, now)
            later.append(part.filter(_MOMENTS[RESULTS.name] > now))
            self.say(f"results: {loaded:,} of about {self.fleet.results:,}")
        self._coming[RESULTS.name] = pl.concat(later)
        told = telling.told()
        rows = {RESULTS.name: loaded}
        for table, frame in (
            (BATCHES, pl.concat(self.fleet.plans())),
            (SWEEPS, told.sweeps),
            (NODES, told.nodes),
            (COVERAGE, told.coverage),
            (REACTIONS, told.reactions),
        ):
            rows[table.name] = self._load(frame, table, now)
            self._coming[table.name] = frame.filter(_MOMENTS[table.name] > now)
            self.say(f"{table.name}: {rows[table.name]:,}")
        self.store.rebuild()
        return CaughtUp(planted=told.planted, rows=rows)

    def _load(self, frame: pl.DataFrame, table: Table, now: datetime) -> int:
        """Load what of *frame* came until *now* and is not there; returns how many rows."""
        at = _MOMENTS[table.name]
        came = frame.filter((at <= now) & (at > self.after.get(table.name, _LONG_AGO)))
        for part in came.iter_slices(_AT_ONCE):
            self.store.load(part, table)
        return len(came)

    def step(self, now: datetime) -> Mapping[str, int]:
        """Append what came since; returns how many rows of each table.

        Raises:
            StoreError: the store does not take it; the next step tries again.
        """
        added = {}
        for table in TABLES:
            at = _MOMENTS[table.name]
            coming = self._coming[table.name]
            came = coming.filter(at <= now)
            if len(came):
                self.store.append(came, table)
                self._coming[table.name] = coming.filter(at > now)
                added[table.name] = len(came)
        return added


def make_memory(server: Server) -> None:
    """Make the table that says which fleet a store tells of."""
    server.command(
        f"CREATE TABLE IF NOT EXISTS {_MEMORY} (cluster String, nodes UInt32, days Float64, "
        "results UInt64, seed UInt32, end DateTime64(3, 'UTC'), begin DateTime64(3, 'UTC')) "
        "ENGINE = ReplacingMergeTree ORDER BY (cluster, end)"
    )


def known(server: Server, cluster: str) -> Known | None:
    """Return the fleet that the store told of last; None: of none yet."""
    rows = server.rows(
        f"SELECT nodes, days, results, seed, end, begin FROM {_MEMORY} FINAL "
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
        f"INSERT INTO {_MEMORY} SELECT {{cluster:String}}, {{nodes:UInt32}}, {{days:Float64}}, "
        "{results:UInt64}, {seed:UInt32}, fromUnixTimestamp64Milli({end:Int64}, 'UTC'), "
        "fromUnixTimestamp64Milli({begin:Int64}, 'UTC')",
        {
            "cluster": fleet.cluster, "nodes": fleet.nodes, "days": fleet.days,
            "results": fleet.results, "seed": fleet.seed, "end": to_ms(fleet.end),
            "begin": to_ms(one.begin),
        },
    )  # fmt: skip


def newest(server: Server, cluster: str) -> dict[str, datetime]:
    """Return when the newest row of each table came that has any."""
    found = {}
    for table in TABLES:
        sql = (
            f"SELECT max({_MOMENTS_SQL[table.name]}), count() FROM {table.name} "
            "WHERE cluster = {cluster:String}"
        )
        at, count = server.rows(sql, {"cluster": cluster})[0]
        if count and isinstance(at, datetime):
            found[table.name] = at
    return found


def revive(
    store: ClickHouseStore, server: Server, fresh: Fleet, *, now: datetime, say: Say = nothing
) -> Living:
    """Return a living fleet, told until *now*: the one that the store knows, or one like *fresh*.

    One that is over is followed by another of the same nodes.
    """
    make_memory(server)
    before = known(server, fresh.cluster)
    one = before
    if one is None or one.fleet.end <= now:
        one = _after(before, fresh, now)
        remember(server, one)
    told = newest(server, fresh.cluster) if before else {}
    after = {table.name: one.begin for table in TABLES}
    after |= {name: max(one.begin, at - _AGAIN) for name, at in told.items()}
    living = Living(store=store, fleet=one.fleet, say=say, after=after)
    living.catch_up(now)
    return living


def _after(before: Known | None, fresh: Fleet, now: datetime) -> Known:
    """Return the fleet to tell of from now on; its end is a whole second, as the table keeps it."""
    end = now.replace(microsecond=0) + AHEAD
    if before is None:
        return Known(fleet=replace(fresh, end=end))
    like = before.fleet
    return Known(fleet=replace(like, seed=like.seed + 1, end=end), begin=like.end)


def live(
    store: ClickHouseStore,
    server: Server,
    fresh: Fleet,
    *,
    stop: threading.Event,
    clock: Callable[[], datetime],
    say: Say = nothing,
) -> None:
    """Tell of a fleet minute by minute until *stop*."""
    living = revive(store, server, fresh, now=clock(), say=say)
    while not stop.wait(STEP_S):
        try:
            living = take_step(living, server, now=clock(), say=say)
        except ClusterDoctorError as error:  # the next minute tries again
            say(str(error))


def take_step(living: Living, server: Server, *, now: datetime, say: Say = nothing) -> Living:
    """Tell what came until *now*; returns the fleet that is told of then."""
    over = living.fleet.end <= now
    for name, count in living.step(min(now, living.fleet.end)).items():
        say(f"{name}: {count:,} more")
    return revive(living.store, server, living.fleet, now=now, say=say) if over else living
