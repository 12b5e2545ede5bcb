"""What of a synthetic fleet's results is kept to tell of its sweeps, and how checks stood at each.

Times are milliseconds since 1970. A sweep knows a result from its ingest on. What is asked of every
node at every sweep is a matrix: a row a sweep, a column a node.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from slurm_hooks.record import Outcome
from tests.fleet import Fleet
from tests.fleet_checks import FleetCheck, chosen

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_OUTCOMES = [outcome.value for outcome in Outcome]
_CODE = {outcome: code for code, outcome in enumerate(Outcome)}
_JUDGED = [outcome.value for outcome in Outcome if outcome.judged]
_TRIED = [_CODE[one] for one in Outcome if one.judged] + [
    _CODE[one] for one in (Outcome.ERROR, Outcome.TIMEOUT, Outcome.PREEMPTED)
]
_MOST_IN_A_ROW = 8
"""No more are counted: the view `status` keeps the newest eight."""

_BITS = 4
"""A time and something of so many bits are one number, so that the greatest is the latest."""


def piece(fleet: Fleet, rows: pl.DataFrame, since: datetime) -> pl.DataFrame:
    """Return what is kept of some *rows* of `results`; words alone of those from *since* on."""
    told = pl.col("finished_at") >= since - timedelta(days=1)
    checks = pl.Enum([check.name for check in chosen(fleet.checks)])
    created = pl.col("batch").str.slice(0, 16).str.to_datetime("%Y%m%dT%H%M%SZ", time_zone="UTC")
    return rows.select(
        pl.col("node").str.slice(1).cast(pl.Int32),
        pl.col("check_name").cast(checks).to_physical().cast(pl.Int8).alias("check"),
        pl.col("outcome").cast(pl.Enum(_OUTCOMES)).to_physical().cast(pl.Int8).alias("code"),
        pl.col("finished_at").dt.epoch("ms").alias("finished_ms"),
        pl.col("ingested_at").dt.epoch("ms").alias("known_ms"),
        created.dt.epoch("ms").alias("created_ms"),
        pl.when(told).then("batch").alias("batch"),
        pl.when(told & pl.col("outcome").is_in(_JUDGED)).then("detail").alias("detail"),
        "task",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one check stood at every sweep; matrices of the nodes it is for."""

    name: str
    nodes: Ints
    """Which nodes these are."""
    max_age: timedelta
    judged_ms: Ints
    """When the latest known judgement ended; 0: there was none."""
    failing: Bools
    tried: Bools
    """Whether it ever ran there."""
    preempted: Ints
    """How often in a row the latest attempts gave way; 0 where the latest did not."""

    @property
    def columns(self) -> slice:
        """The same nodes: those of a kind stand beside each other."""
        return slice(int(self.nodes[0]), int(self.nodes[-1]) + 1)

    def unproven(self, at_ms: Ints) -> Bools:
        """Return where it is no longer proven; exactly max_age ago is proven."""
        oldest = at_ms[:, None] - self.max_age // timedelta(milliseconds=1)
        found: Bools = self.judged_ms < oldest
        return found


class Past:
    """All results of a fleet, a place each in every array."""

    def __init__(self, fleet: Fleet, pieces: Iterable[pl.DataFrame]) -> None:
        self.fleet = fleet
        self.checks: Sequence[FleetCheck] = chosen(fleet.checks)
        self.max_ages = fleet.max_ages
        self.rows = pl.concat(pieces)

    def standing(self, column: int, at_ms: Ints) -> Standing:
        """Return how the check of this *column* stood when each sweep of *at_ms* began."""
        check = self.checks[column]
        rows = self.rows.filter(check=column).sort("node", "finished_ms")
        kinds = np.array(self.fleet.hardware)
        nodes = np.flatnonzero(np.isin(kinds, check.hardware))
        place = np.searchsorted(nodes, rows["node"].to_numpy())
        code = rows["code"].to_numpy()
        sweep = np.searchsorted(at_ms, rows["known_ms"].to_numpy(), side="left")
        finished = rows["finished_ms"].to_numpy()
        shape = len(at_ms), len(nodes)
        judged = np.isin(code, [_CODE[one] for one in Outcome if one.judged])
        fails = (finished << _BITS) + (code == _CODE[Outcome.FAIL])
        latest = latest_known(shape, sweep[judged], place[judged], fails[judged])
        tries = (finished << _BITS) + in_a_row(place, code)
        attempt = latest_known(shape, sweep, place, tries)
        return Standing(
            name=check.name,
            nodes=nodes,
            max_age=self.max_ages[check.name],
            judged_ms=latest >> _BITS,
            failing=(latest & 1).astype(bool),
            tried=attempt > 0,
            preempted=attempt & ((1 << _BITS) - 1),
        )

    def fails_at_the_end(self, checks: Sequence[str], since_ms: int) -> pl.DataFrame:
        """Return the latest judgements that are fails of *checks*, the oldest first."""
        columns = [column for column, check in enumerate(self.checks) if check.name in checks]
        judged = pl.col("detail").is_not_null() & pl.col("check").is_in(columns)
        latest = (
            self.rows.filter(judged)
            .sort("finished_ms")
            .group_by("node", "check", maintain_order=True)
            .last()
        )
        return latest.filter(
            (pl.col("code") == _CODE[Outcome.FAIL]) & (pl.col("finished_ms") >= since_ms)
        ).sort("finished_ms", "node", "check")

    def visits(self, since_ms: int) -> pl.DataFrame:
        """Return the visits that ended from *since_ms* on, and when each node's next was made."""
        found = (
            self.rows.lazy()
            .filter(pl.col("finished_ms") >= since_ms)
            .group_by("node", "created_ms")
            .agg(
                pl.col("finished_ms").max().alias("ended_ms"),
                (pl.col("code") == _CODE[Outcome.PREEMPTED]).any().alias("preempted"),
            )
            .sort("node", "created_ms")
            .with_columns(pl.col("created_ms").shift(-1).over("node").alias("next_ms"))
        )
        return found.collect()


def in_a_row(pair: Ints, code: Ints) -> Ints:
    """Return of each row how many attempts in a row gave way with it; rows in the order of pairs.

    What neither judged nor broke says nothing of this, and does not end it.
    """
    found = np.zeros(len(code), dtype=np.int64)
    (tried,) = np.nonzero(np.isin(code, _TRIED))
    gave_way = code[tried] == _CODE[Outcome.PREEMPTED]
    places = np.arange(len(tried))
    first = np.r_[True, pair[tried][1:] != pair[tried][:-1]] if len(tried) else gave_way
    begins = np.maximum.accumulate(np.where(first, places - 1, -1))
    other = np.maximum.accumulate(np.where(gave_way, -1, places))
    run = places - np.maximum(begins, other)
    found[tried] = np.where(gave_way, np.minimum(run, _MOST_IN_A_ROW), 0)
    return found


def latest_known(shape: tuple[int, int], sweep: Ints, place: Ints, value: Ints) -> Ints:
    """Return the greatest *value* of each place that any sweep knew until each sweep; else 0."""
    found = np.zeros(shape, dtype=np.int64)
    known = sweep < shape[0]
    np.maximum.at(found, (sweep[known], place[known]), value[known])
    return np.maximum.accumulate(found, axis=0, out=found)


def to_ms(time: datetime) -> int:
    """Return *time* in milliseconds since 1970."""
    return round(time.timestamp() * 1000)


def of_ms(ms: int) -> datetime:
    """Return the time of so many milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def times(ms: Ints) -> pl.Series:
    """Return times as the tables have them; 0 is none."""
    found = pl.Series(ms, dtype=pl.Int64)
    return found.set(found == 0, None).cast(pl.Datetime("ms", "UTC"))
