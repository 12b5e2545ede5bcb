"""How a synthetic fleet's nodes stood at each sweep, and the rows of `node_states` that say so."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics.frame import schema
from analytics.hardware import hardware
from analytics.holder import Holder, holder
from analytics.node_changes import WRITTEN_AGAIN
from analytics.tables import NODES
from checks.eligible import why_not_free
from slurm_hooks.journal import Entry, Event, Item, Verdict, What
from slurm_hooks.outcome import Outcome
from slurm_hooks.reaction import Kind
from slurm_hooks.slurm_text import Node
from tests.fleet import Fleet
from tests.fleet_holds import SLURM_USER, Hold
from tests.fleet_past import Bools, Ints, Past, Standing, latest_known, times, to_ms
from tests.fleet_slurm import nodes as slurm_nodes

FRESH, DUE, IN_BATCH, FULL, PARTLY, WAITING = range(6)
"""What is so of a node that nobody holds: places in a list of moments."""

_BITS = 3
_BUSY = 0.5
"""In so many of the times between two visits users' jobs have the node for a while."""

_DAY_MS = int(WRITTEN_AGAIN.total_seconds() * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What Slurm and the plan say of a node for a while."""

    state: str
    flags: tuple[str, ...] = ()
    verdict: str
    detail: str
    reason: str = ""
    reason_user: str = ""
    reason_at: datetime | None = None
    holder: str = ""
    holder_kind: str = ""
    held_since: datetime | None = None


_FREE = (
    Moment(state="IDLE", verdict="fresh", detail="every proof is young enough"),
    Moment(state="IDLE", verdict="due", detail="it is visited by this sweep"),
    Moment(state="ALLOCATED", verdict="in-batch", detail="a visit is under way"),
    Moment(state="ALLOCATED", verdict="busy", detail="jobs run on it (ALLOCATED)"),
    Moment(state="MIXED", verdict="busy", detail="jobs run on it (MIXED)"),
    Moment(state="IDLE", verdict="waiting", detail="its next try is not yet due"),
)


class Nodes:
    """Each node at each sweep of *at_ms*: its one of `moments`, and how its checks stood."""

    def __init__(self, past: Past, at_ms: Ints, held: Sequence[Hold]) -> None:
        self.fleet: Fleet = past.fleet
        self._there = slurm_nodes(self.fleet)
        self._column = {node.name: column for column, node in enumerate(self._there)}
        self.at_ms = at_ms
        shape = len(at_ms), self.fleet.nodes
        self.moments: list[Moment] = [*_FREE]
        self.at = _visited(past, at_ms)
        self.latest_ms = np.zeros(shape, dtype=np.int64)
        self.oldest_ms = np.full(shape, np.iinfo(np.int64).max)
        self.failing = np.zeros(shape, dtype=np.int32)
        """A bit for each check."""
        self.tried = np.zeros(shape, dtype=np.int8)
        self._unproven = np.zeros(shape, dtype=bool)
        self.verdicts: list[str] = []
        self.verdict = np.zeros(shape, dtype=np.int8)
        """Each node's place in `verdicts`."""
        self._checks = [check.name for check in past.checks]
        for hold in held:
            self._hold(hold)

    def _hold(self, hold: Hold) -> None:
        begin = int(np.searchsorted(self.at_ms, to_ms(hold.since)))
        end = int(np.searchsorted(self.at_ms, to_ms(hold.until))) if hold.until else None
        column = self._column[hold.node]
        self.at[begin:end, column] = len(self.moments)
        self.moments.append(_moment(hold, hold.node_of(self._there[column])))

    def count(self, standing: Standing) -> None:
        """Add how one check stood."""
        here = standing.columns
        judged = standing.judged_ms
        self.latest_ms[:, here] = np.maximum(self.latest_ms[:, here], judged)
        known = np.where(judged > 0, judged, np.iinfo(np.int64).max)
        self.oldest_ms[:, here] = np.minimum(self.oldest_ms[:, here], known)
        bit = 1 << self._checks.index(standing.name)
        self.failing[:, here] |= np.where(standing.failing, bit, 0).astype(np.int32)
        self.tried[:, here] += standing.tried
        self._unproven[:, here] |= standing.unproven(self.at_ms)

    def close(self) -> None:
        """Let nodes wait that are free and not proven; every check has been counted."""
        self.at[(self.at == FRESH) & self._unproven] = WAITING
        self.oldest_ms[self.latest_ms == 0] = 0
        self.verdicts = sorted({moment.verdict for moment in self.moments})
        places = [self.verdicts.index(moment.verdict) for moment in self.moments]
        self.verdict = np.array(places, dtype=np.int8)[self.at]

    def counts(self, where: Bools, nodes: slice) -> Ints:
        """Return how many of *nodes* have each verdict at each sweep, *where* that is asked."""
        sweep, node = np.nonzero(where)
        size = len(self.at_ms), len(self.verdicts)
        cells = sweep * size[1] + self.verdict[:, nodes][sweep, node]
        return np.bincount(cells, minlength=size[0] * size[1]).reshape(size)

    def frame(self) -> pl.DataFrame:
        """Return a row where anything changed, and one a day where nothing did."""
        sweep, node = np.nonzero(self._written())
        at = self.at[sweep, node]
        told = pl.DataFrame(
            {
                "seen_at": times(self.at_ms[sweep]),
                "failing": self._failing(self.failing[sweep, node]),
                "latest_proof": times(self.latest_ms[sweep, node]),
                "oldest_proof": times(self.oldest_ms[sweep, node]),
                "checks": self.tried[sweep, node],
            }
        )
        moments = pl.DataFrame(self.moments, infer_schema_length=None)[at]
        rows = pl.concat([told, moments, self._lasting()[node]], how="horizontal")
        return rows.select(pl.col(name).cast(kind) for name, kind in schema(NODES).items())

    def _written(self) -> Bools:
        changed = np.ones(self.at.shape, dtype=bool)
        for matrix in (self.at, self.latest_ms, self.oldest_ms, self.failing, self.tried):
            if matrix is self.at:
                changed[1:] = matrix[1:] != matrix[:-1]
            else:
                changed[1:] |= matrix[1:] != matrix[:-1]
        since = np.where(changed, self.at_ms[:, None], 0)
        days = (self.at_ms[:, None] - np.maximum.accumulate(since, axis=0)) // _DAY_MS
        changed[1:] |= days[1:] > days[:-1]
        return changed

    def _failing(self, bits: npt.NDArray[np.int32]) -> pl.Series:
        found, which = np.unique(bits, return_inverse=True)
        names = [
            sorted(name for place, name in enumerate(self._checks) if bit >> place & 1)
            for bit in found.tolist()
        ]
        return pl.Series(names, dtype=pl.List(pl.String)).gather(which)

    def _lasting(self) -> pl.DataFrame:
        """Return what does not change, a row a node."""
        there = self._there
        kinds = hardware(there)
        return pl.DataFrame(
            {
                "cluster": [self.fleet.cluster] * len(there),
                "node": [node.name for node in there],
                "partitions": [list(node.partitions) for node in there],
                "features": [list(node.features) for node in there],
                "gres": [node.gres for node in there],
                "cpus": [node.cpus for node in there],
                "memory_mb": [node.real_memory_mb for node in there],
                "hardware": [kinds[node.name] for node in there],
            }
        )


def _moment(hold: Hold, node: Node) -> Moment:
    kept = why_not_free(node)
    assert kept is not None
    found: Holder = holder(node, _ours(hold), slurm_user=SLURM_USER)
    return Moment(
        state=node.state, flags=tuple(sorted(node.flags)), verdict=kept[0].value, detail=kept[1],
        reason=node.reason, reason_user=node.reason_user, reason_at=node.reason_at,
        holder=found.text, holder_kind=found.kind.value, held_since=found.since,
    )  # fmt: skip


def _ours(hold: Hold) -> Iterable[Item]:
    """Return what the journal has open of a node that is held so."""
    if not hold.check:
        return ()
    entry = Entry(
        id="0", at=hold.since, kind=Kind.DRAIN, node=hold.node, check=hold.check, result_id="",
        batch="", outcome=Outcome.FAIL, judged_at=hold.since, detail="", prefix="",
        verdict=Verdict.DO, text=hold.reason,
    )  # fmt: skip
    return (Item(entry=entry, events=(Event(entry="0", what=What.DONE, at=hold.since),)),)


def _visited(past: Past, at_ms: Ints) -> Ints:
    """Return what each node is at each sweep that nobody holds: due, visited, busy, else fresh.

    A sweep plans the batches that were made since the one before; the next one sees them.
    """
    fleet = past.fleet
    visits = past.visits(int(at_ms[0]) - _DAY_MS)
    node, created, ended = (visits[name].to_numpy() for name in ("node", "created_ms", "ended_ms"))
    following = visits["next_ms"].fill_null(to_ms(fleet.end) + _DAY_MS // 4).to_numpy()
    gap = np.maximum(following - ended, 0)
    random = np.random.default_rng([fleet.seed, 107])
    gave_way = visits["preempted"].to_numpy()
    busy = gave_way | (random.random(len(visits)) < _BUSY)
    begin = ended + np.where(gave_way, 1, gap * random.uniform(0.05, 0.4, len(visits)))
    end = following - gap * random.uniform(0.05, 0.5, len(visits))
    kind = np.where(np.array(fleet.hardware)[node] == 0, PARTLY, FULL)
    planned = np.searchsorted(at_ms, created)
    parts = [
        (planned, node, (created << _BITS) + DUE),
        (planned + 1, node, ((created + 1) << _BITS) + IN_BATCH),
        (np.searchsorted(at_ms, ended), node, (ended << _BITS) + FRESH),
        _during(at_ms, node[busy], begin[busy], kind[busy]),
        _during(at_ms, node[busy], end[busy], np.full(busy.sum(), FRESH)),
    ]
    sweep, place, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    return latest_known((len(at_ms), fleet.nodes), sweep, place, value) & ((1 << _BITS) - 1)


def _during(
    at_ms: Ints, node: Ints, since: npt.NDArray[np.float64], code: Ints
) -> tuple[Ints, Ints, Ints]:
    begin = since.astype(np.int64)
    return np.searchsorted(at_ms, begin), node, (begin << _BITS) + code
