"""Histories of fleets that never were: as large as a test asks for, alike each time, events known.

A fleet is visited round after round until its end: each round visits every node once, in
batches of nodes of one hardware, and each visit runs the checks that are due on its node.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics.frame import schema
from analytics.tables import BATCHES
from tests.fleet_checks import NAMES, SHARES, chosen, steady
from tests.fleet_events import Dark, Drift, Events, Failing, Flapping, Lemon, NeverProven
from tests.fleet_rows import Fates, Visits, result_frame

Ints = npt.NDArray[np.int64]

BATCH_NODES = 200
QUIET = timedelta(hours=1)
"""How long before the end the last batch is made, so that all of it is over by then."""

_MOST_SPREAD = timedelta(minutes=20)
_FEWEST_NODES = 20
_STRIDE = 37
"""By how many places each round's order of nodes is turned against the one before."""

_FAILING = 30
_ROWS_AT_ONCE = 50_000
_PLANS_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A fleet and how much of its history is told. Equal fleets have equal histories.

    The first batches are left out so that there are at least *results* results, and fewer
    than one batch more. Its *events* stand out from *fail_rate* and the like on all nodes.
    """

    nodes: int = 1000
    checks: tuple[str, ...] = NAMES
    days: float = 30.0
    results: int = 1_000_000
    end: datetime
    """Aware. No result is later, and the last ones are within QUIET before it."""
    seed: int = 7
    fail_rate: float = 0.02
    told_twice: float = 0.0
    """Of so many results Slurm's word came first: a row more, of a lower revision."""
    planted: bool = True
    """Whether there are *events* in the history."""
    cluster: str = "alpha"

    def __post_init__(self) -> None:
        if self.nodes < _FEWEST_NODES:
            raise ValueError(f"a fleet of {self.nodes} nodes has no room for its events")

    @property
    def names(self) -> list[str]:
        """Every node's name, in order."""
        return [f"n{number:04}" for number in range(self.nodes)]

    @property
    def hardware(self) -> list[int]:
        """Which kind of HARDWARE each node is."""
        return [int(kind) for kind in _hardware(self.nodes)]

    @property
    def max_ages(self) -> dict[str, timedelta]:
        """How old a proof of each check may be: half as old again as proofs usually get here."""
        calendar = _Calendar(self)
        usual_s = (calendar.interval * calendar.per_round).total_seconds()
        return {
            check.name: timedelta(minutes=max(1, round(1.5 * usual_s * check.every / 60)))
            for check in calendar.checks
        }

    @property
    def events(self) -> Events:
        """What stands out in the history, to be found again."""
        return _Calendar(self).events

    def frames(self, per_frame: int = 50_000) -> Iterator[pl.DataFrame]:
        """Yield rows of `results`, nearly in the order in which ingests took them in.

        All frames but the last have *per_frame* rows. Memory stays bounded however many.
        """
        left: list[pl.DataFrame] = []
        for part in _Calendar(self).results():
            left.append(part)
            if sum(map(len, left)) >= per_frame:
                whole = pl.concat(left)
                count = len(whole) // per_frame
                yield from (whole.slice(n * per_frame, per_frame) for n in range(count))
                left = [whole.slice(count * per_frame)]
        rest = pl.concat(left)
        if len(rest):
            yield rest

    def plans(self) -> Iterator[pl.DataFrame]:
        """Yield the rows of `batches` that fit: what each batch was to visit."""
        return _Calendar(self).plans()


class _Calendar:
    """When each batch of a fleet is made, which nodes it visits and which checks are due."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.checks = chosen(fleet.checks)
        self.hardware = _hardware(fleet.nodes)
        self.on = np.array(
            [[kind in check.hardware for check in self.checks] for kind in range(len(SHARES))]
        )
        self.every = np.array([check.every for check in self.checks])
        self.order, self.slot_batch, self.slot_task = self._slots()
        self.per_round = int(self.slot_batch.max()) + 1
        self.rows_a_round = float((self.on[self.hardware] / self.every).sum())
        wanted = fleet.results / self.rows_a_round
        self.rounds = math.ceil(wanted) + 1 + math.lcm(*self.every.tolist())
        span = timedelta(days=fleet.days) - QUIET
        self.interval = span / (wanted * self.per_round)
        self.events = self._events()
        self.first = self._first()

    # What there is.

    def results(self) -> Iterator[pl.DataFrame]:
        """Yield rows of `results`, some rounds at a time."""
        for number, visits in enumerate(self._some(_ROWS_AT_ONCE)):
            yield result_frame(
                visits,
                self._due(visits),
                checks=self.checks,
                events=self.events,
                fates=Fates(fail=self.fleet.fail_rate, told_twice=self.fleet.told_twice),
                cluster=self.fleet.cluster,
                names=self.fleet.names,
                until=self.fleet.end,
                random=np.random.default_rng([self.fleet.seed, number]),
            )

    def plans(self) -> Iterator[pl.DataFrame]:
        """Yield rows of `batches`, some rounds at a time."""
        nodes = pl.Series(self.fleet.names)
        checks = pl.Series([check.name for check in self.checks])
        for visits in self._some(_PLANS_AT_ONCE * self.fleet.nodes / self.per_round):
            place, check = np.nonzero(self._due(visits))
            rows = pl.DataFrame(
                {
                    "index": visits.index[place],
                    "check_name": checks.gather(check),
                    "nodes": nodes.gather(visits.node[place]),
                }
            )
            lists = rows.group_by("index", "check_name", maintain_order=True).agg("nodes")
            planned = lists.join(visits.batches(), on="index", maintain_order="left").with_columns(
                pl.lit(self.fleet.cluster).alias("cluster"),
                (pl.col("created_at") + timedelta(seconds=2)).alias("submitted_at"),
                pl.lit("background").alias("partition"),
                pl.col("nodes").list.len().alias("planned"),
            )
            yield planned.select(
                pl.col(name).cast(kind) for name, kind in schema(BATCHES).items()
            ).sort(*BATCHES.order)

    # Who is visited when.

    def _slots(self) -> tuple[Ints, Ints, Ints]:
        """Return the nodes in the order of the first round, each's batch in it, and its task."""
        random = np.random.default_rng(self.fleet.seed)
        orders, batches, tasks, before = [], [], [], 0
        for kind in range(len(SHARES)):
            members = np.flatnonzero(self.hardware == kind)
            places = np.arange(len(members))
            orders.append(random.permutation(members))
            batches.append(before + places // BATCH_NODES)
            tasks.append(places % BATCH_NODES)
            before += math.ceil(len(members) / BATCH_NODES)
        return np.concatenate(orders), np.concatenate(batches), np.concatenate(tasks)

    def _some(self, rows: float) -> Iterator[Visits]:
        """Yield all visits that count, of so many rounds at a time that there are *rows* rows."""
        step = max(1, int(rows / self.rows_a_round))
        start = self.first // self.per_round
        for low in range(start, self.rounds, step):
            yield self._visits(low, min(low + step, self.rounds)).since(self.first)

    def _visits(self, low: int, high: int) -> Visits:
        """Return the visits of the rounds from *low* to before *high*."""
        rounds = np.arange(low, high)
        nodes = np.concatenate(
            [self._turned(rounds, kind) for kind in range(len(SHARES))], axis=1
        ).ravel()
        index = (rounds[:, None] * self.per_round + self.slot_batch).ravel()
        visits = Visits(
            index=index,
            task=np.tile(self.slot_task, len(rounds)),
            node=nodes,
            hardware=self.hardware[nodes],
            turn=np.repeat(rounds, self.fleet.nodes),
            created_ms=self._created_ms(index),
            apart_ms=self._apart_ms(),
        )
        dark = self.events.dark
        if dark is None:
            return visits
        away = np.isin(nodes, [self.fleet.names.index(name) for name in dark.nodes])
        begins, ends = _ms(dark.since - QUIET), _ms(dark.until)
        away &= (visits.created_ms >= begins) & (visits.created_ms < ends)
        return visits.where(~away)

    def _turned(self, rounds: Ints, kind: int) -> Ints:
        members = self.order[self.hardware[self.order] == kind]
        places = np.arange(len(members)) + rounds[:, None] * _STRIDE
        turned: Ints = members[places % len(members)]
        return turned

    def _created_ms(self, index: Ints) -> Ints:
        last = self.rounds * self.per_round - 1
        back = (last - index) * (self.interval / timedelta(milliseconds=1))
        return _ms(self.fleet.end - QUIET) - back.astype(np.int64)

    def _apart_ms(self) -> float:
        """Return how long after each other the visits of a batch begin."""
        return min(self.interval, _MOST_SPREAD) / timedelta(milliseconds=1) / BATCH_NODES

    def _due(self, visits: Visits) -> npt.NDArray[np.bool_]:
        """Return of each visit, a row, and each check whether it is due."""
        turns = (visits.turn + visits.node)[:, None] % self.every == 0
        due: npt.NDArray[np.bool_] = self.on[visits.hardware] & turns
        return due

    def _first(self) -> int:
        """Return the batch with which the history begins."""
        counts = np.zeros(self.rounds * self.per_round, dtype=np.int64)
        step = max(1, int(_ROWS_AT_ONCE / self.rows_a_round))
        for low in range(0, self.rounds, step):
            visits = self._visits(low, min(low + step, self.rounds))
            np.add.at(counts, visits.index, self._due(visits).sum(axis=1))
        enough = np.flatnonzero(np.cumsum(counts[::-1])[::-1] >= self.fleet.results)
        return int(enough[-1])

    # What stands out.

    def _events(self) -> Events:
        if not self.fleet.planted:
            return Events()
        names, days = self.fleet.names, timedelta(days=self.fleet.days)
        end = self.fleet.end
        start = self.fleet.nodes // 4
        rack = range(start, start + max(1, min(16, self.fleet.nodes // 20)))
        drift, lemon, flapping, never = self._apart(rack)
        steady_check = next(check for check in self.checks if steady(check))
        dark_until = end - days / 2
        return Events(
            drift=Drift(
                node=names[drift],
                check=steady_check.name,
                metric=steady_check.measures[0].name,
                since=end - min(timedelta(days=10), days / 3),
                until=end,
                share=-0.15,
            ),
            lemon=Lemon(node=names[lemon]),
            flapping=Flapping(node=names[flapping], check=steady_check.name),
            dark=Dark(
                nodes=tuple(names[node] for node in rack),
                since=dark_until - min(timedelta(days=2), days / 10),
                until=dark_until,
            ),
            never=NeverProven(node=names[never]),
            failing=self._failing({drift, lemon, flapping, never, *rack}),
        )

    def _apart(self, rack: range) -> list[int]:
        """Return four nodes outside the *rack*, no two of them near each other."""
        others = [node for node in range(self.fleet.nodes) if node not in rack]
        return [others[(2 * part + 1) * len(others) // 8] for part in range(4)]

    def _failing(self, but: set[int]) -> Failing:
        """Return the nodes of one batch, *but* for some, on which one check fails."""
        column = next(place for place, check in enumerate(self.checks) if steady(check))
        turn = self.rounds - max(1, self.rounds // 4)
        began = self._created_ms(np.array([turn * self.per_round]))[0]
        since = datetime.fromtimestamp(int(began) / 1000, UTC)
        nodes = [
            node
            for node in self._turned(np.array([turn]), 0)[0][:BATCH_NODES].tolist()
            if (turn + node) % self.every[column] == 0 and node not in but
        ]
        return Failing(
            check=self.checks[column].name,
            nodes=tuple(sorted(self.fleet.names[node] for node in nodes[:_FAILING])),
            since=since,
            until=since + timedelta(hours=1),
        )


def _hardware(nodes: int) -> Ints:
    """Return the kind of each node: a fleet's racks of one kind stand beside each other."""
    edges = np.floor(np.cumsum(SHARES) * nodes + 1e-6)
    return np.searchsorted(edges, np.arange(nodes), side="right").astype(np.int64)


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)
