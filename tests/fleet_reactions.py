"""The reactions to a synthetic fleet's results, as rows of `reaction_states`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from analytics.frame import reaction_frame
from analytics.reaction_changes import changed
from slurm_hooks.journal import Book, Item
from slurm_hooks.policy import Case
from slurm_hooks.reaction import Kind, Reacting, Reaction
from slurm_hooks.record import Evidence, Outcome, Record
from slurm_hooks.room import Rails
from tests.fleet import Fleet
from tests.fleet_holds import PERSON, Hold
from tests.fleet_past import Bools, Past, of_ms, to_ms
from tests.fleet_reactor import Reactor, states
from tests.fleet_slurm import DEBUG, nodes

_DRAINS = {"cpu": "cpu", "memory": "memory", "gpu-ecc": "gpu", "nvlink": "gpu"}
"""Checks that drain, and what their reasons start with."""

_COMMENTS = {"storage": "storage"}
_SHADOW = {"gpu-dcgm": "gpu"}
_A_DAY = {Kind.DRAIN: 0.04, Kind.COMMENT: 0.02}
"""To so many fails of each node and day there is a reaction, at most; to the others there is none,
as if their checks had had none yet."""

_FILLED = 0.4
"""So much of what may be held at once is, most of the time."""

_LEAST = 12
_FAIL = Outcome.FAIL.value
_MORE_THAN_FIT = 4


def rails(fleet_nodes: int) -> Rails:
    """Return how much the reactor may do on so many nodes."""
    most = max(2, round(fleet_nodes * 0.02))
    hour = timedelta(hours=1)
    return Rails(
        held=most, held_in={DEBUG: 1}, taken=most, window=hour, suspect=5, suspect_window=hour
    )


def draining(fleet: Fleet) -> list[str]:
    """Return the checks that drain and are never suspected."""
    failing = fleet.events.failing
    return [one for one in _DRAINS if one in fleet.checks and one != (failing and failing.check)]


def reacting(check: str) -> Reacting | None:
    """Return how *check* reacts; None where it does not."""
    kind, undo = Kind.DRAIN, Kind.UNDRAIN
    if check in _COMMENTS:
        kind, undo = Kind.COMMENT, Kind.UNCOMMENT
    prefix = {**_DRAINS, **_COMMENTS, **_SHADOW}.get(check)
    if prefix is None:
        return None
    return Reacting(
        on_fail=(Reaction(kind=kind, prefix=prefix),),
        on_pass=(Reaction(kind=undo),),
        shadow=check in _SHADOW,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reacted:
    """What came of a fleet's results."""

    items: tuple[Item, ...]
    rails: Rails

    def frame(self, cluster: str) -> tuple[pl.DataFrame, pl.Series]:
        """Return a row for each state of each reaction, and since when it was in it."""
        found = states(self.items)
        rows = [
            row
            for item, _ in found
            for row in changed(Book(items={item.entry.id: item}), {}, cluster=cluster)
        ]
        at = pl.Series([time for _, time in found], dtype=pl.Datetime("ms", "UTC"))
        return reaction_frame(rows), at


def react(past: Past, since: datetime, held: Sequence[Hold]) -> Reacted:
    """Return what a reactor did from *since* on about the results of *past*."""
    fleet = past.fleet
    found = _Chosen(past, since, held)
    by_name = {node.name: node for node in nodes(fleet)}
    reactor = Reactor(
        rails=rails(fleet.nodes),
        nodes=by_name,
        held=held,
        following=found.following,
        until=fleet.end,
    )
    for cases, at in found.told():
        reactor.tell(cases, at)
    reactor.go_on()
    return Reacted(items=tuple(reactor.items.values()), rails=rails(fleet.nodes))


class _Chosen:
    """The fails that are reacted to, and what their checks said until they passed again."""

    def __init__(self, past: Past, since: datetime, held: Sequence[Hold]) -> None:
        self._past, self._since, self._held = past, since, held
        self._names = past.fleet.names
        rows = self._with_runs()
        chosen = rows.filter(self._wanted(rows))
        begins = chosen.group_by("node", "check", "run").agg(pl.col("place").min().alias("begin"))
        rows = rows.join(begins, on=["node", "check", "run"], how="inner", maintain_order="left")
        rows = rows.filter(pl.col("place") >= pl.col("begin"))
        cases = [self._case(row) for row in rows.iter_rows(named=True)]
        runs = rows.select("node", "check", "run").rows()
        self._cases = cases
        self.following = {
            case.result_id: then
            for case, then, run, after in zip(cases, cases[1:], runs, runs[1:], strict=False)
            if run == after
        }

    def told(self) -> Iterator[tuple[Sequence[Case], datetime]]:
        """Yield what is considered together, and when: the many fails of one check at once."""
        failing = self._past.fleet.events.failing
        suspected: list[Case] = []
        for number, case in enumerate(self._cases):
            record = case.record
            at = record.finished_at + timedelta(seconds=1 + number % 3)
            if (
                failing
                and case.against
                and (record.check, record.node in failing.nodes) == (failing.check, True)
                and failing.since <= record.finished_at < failing.until + timedelta(hours=1)
            ):
                suspected.append(case)
            else:
                yield [case], at
        if suspected:
            last = max(case.record.finished_at for case in suspected)
            yield suspected, last + timedelta(seconds=2)

    def _with_runs(self) -> pl.DataFrame:
        """Return the judgements of checks that react; a run of them ends with a pass."""
        past = self._past
        columns = [n for n, check in enumerate(past.checks) if reacting(check.name)]
        rows = past.rows.filter(
            pl.col("detail").is_not_null()
            & pl.col("check").is_in(columns)
            & (pl.col("finished_ms") >= to_ms(self._since))
        ).sort("node", "check", "finished_ms")
        passed = pl.col("code") == list(Outcome).index(Outcome.PASS)
        run = passed.cast(pl.Int32).cum_sum().shift(1, fill_value=0).over("node", "check")
        return rows.with_columns(
            run.alias("run"),
            (pl.col("code") == list(Outcome).index(Outcome.FAIL)).alias("fails"),
        ).with_row_index("place")

    def _wanted(self, rows: pl.DataFrame) -> pl.Series:
        """Return of each of *rows* whether it is a fail that is reacted to."""
        random = np.random.default_rng([self._past.fleet.seed, 103])
        fails = rows["fails"].to_numpy()
        share = np.zeros(len(rows))
        for number, check in enumerate(self._past.checks):
            here = fails & (rows["check"] == number).to_numpy()
            share[here] = self._share(check.name, int(here.sum()))
        drawn = fails & (random.random(len(rows)) < share)
        away, inside = self._away(rows)
        drawn = (drawn | self._planted(rows)) & ~away
        return pl.Series(drawn | self._last(rows, away) | (fails & inside))

    def _share(self, check: str, fails: int) -> float:
        """Return to how many of a check's fails there is a reaction."""
        kind, of = Kind.DRAIN, len(_DRAINS)
        if check not in _DRAINS:
            kind, of = Kind.COMMENT, 1
        nodes = self._past.fleet.nodes
        usual = [self._past.max_ages[one] / 1.5 for one in _DRAINS if one in self._past.max_ages]
        held_for = sum(usual, timedelta(0)) / max(1, len(usual)) / timedelta(days=1)
        room = _FILLED * rails(nodes).held / held_for if held_for else 0.0
        days = (self._past.fleet.end - self._since) / timedelta(days=1)
        wanted = max(_LEAST, min(room, _A_DAY[kind] * nodes) * days) / of
        return wanted / max(1, fails)

    def _planted(self, rows: pl.DataFrame) -> Bools:
        failing, fleet = self._past.fleet.events.failing, self._past.fleet
        if failing is None:
            return np.zeros(len(rows), dtype=bool)
        there = pl.Series([fleet.names.index(name) for name in failing.nodes], dtype=pl.Int32)
        column = [check.name for check in self._past.checks].index(failing.check)
        since, until = to_ms(failing.since), to_ms(failing.until)
        found = (
            rows["fails"]
            & rows["node"].is_in(there.to_list())
            & (rows["check"] == column)
            & (rows["created_ms"] >= since - 1000)
            & (rows["created_ms"] < until)
        )
        return found.to_numpy()

    def _away(self, rows: pl.DataFrame) -> tuple[Bools, Bools]:
        """Return what is of a node that others hold at some time, and what a person holds then."""
        names = {name: number for number, name in enumerate(self._past.fleet.names)}
        node, finished = rows["node"].to_numpy(), rows["finished_ms"].to_numpy()
        away = np.isin(node, [names[hold.node] for hold in self._held])
        inside = np.zeros(len(rows), dtype=bool)
        drains = [n for n, check in enumerate(self._past.checks) if check.name in _DRAINS]
        for hold in self._held:
            if hold.reason_user == PERSON:
                until = to_ms(hold.until or self._past.fleet.end)
                here = (node == names[hold.node]) & np.isin(rows["check"].to_numpy(), drains)
                inside |= here & (finished >= to_ms(hold.since)) & (finished < until)
        return away, inside

    def _last(self, rows: pl.DataFrame, away: Bools) -> Bools:
        """Return the last fails that stand at the end: more of them than may be held."""
        later = rows["run"].ne_missing(rows["run"].shift(-1)) | rows["node"].ne_missing(
            rows["node"].shift(-1)
        )
        later |= rows["check"].ne_missing(rows["check"].shift(-1))
        names = draining(self._past.fleet)
        drains = [n for n, check in enumerate(self._past.checks) if check.name in names]
        stand = (rows["fails"] & later & rows["check"].is_in(drains)).to_numpy() & ~away
        stands = np.flatnonzero(stand)
        newest = np.argsort(rows["finished_ms"].to_numpy()[stands])[::-1]
        found = np.zeros(len(rows), dtype=bool)
        found[stands[newest[: rails(self._past.fleet.nodes).held + _MORE_THAN_FIT]]] = True
        return found

    def _case(self, row: dict[str, object]) -> Case:
        fleet, check = self._past.fleet, self._past.checks[int(str(row["check"]))].name
        how = reacting(check)
        assert how is not None
        return Case(
            record=Record(
                cluster=fleet.cluster, batch=str(row["batch"]), task=int(str(row["task"])),
                attempt=0, check=check, node=self._names[int(str(row["node"]))], job_id=0, token="",
                evidence=Evidence.RUNNER, outcome=list(Outcome)[int(str(row["code"]))],
                detail=str(row["detail"]), finished_at=of_ms(int(str(row["finished_ms"]))),
            ),
            reacting=how,
        )  # fmt: skip
