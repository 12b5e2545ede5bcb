"""Each node in one line: its state, who holds it, what fails there and when it was last proven.

Pure: what slurmctld, the snapshot and the journal say comes in as values.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from analytics.holder import Holder, HolderKind, by_journal, holder
from analytics.natural import natural
from analytics.snapshot import Row, time_of
from slurm_hooks.duration import format_duration
from slurm_hooks.journal import Book, Item
from slurm_hooks.outcome import Outcome
from slurm_hooks.slurm_text import Node

HELD, FAILING, STALE = "held", "failing", "stale"

_BASES = ("idle", "mixed", "allocated", "down", "error", "unknown", "future")
_FLAGS = (
    "drain", "fail", "maintenance", "reserved", "planned", "completing", "not_responding",
    "invalid_reg", "cloud", "powered_down", "powering_down", "powering_up", "power_down",
    "power_up", "reboot_requested", "reboot_issued", "blocked", "dynamic_norm", "dynamic_future",
)  # fmt: skip
_SINFOS: Mapping[str, str] = {
    "alloc": "allocated",
    "comp": "completing",
    "drained": "drain",
    "draining": "drain",
    "drng": "drain",
    "maint": "maintenance",
    "mix": "mixed",
    "no_respond": "not_responding",
    "resv": "reserved",
    "unk": "unknown",
}
"""What sinfo(1) calls them."""

_HELD = (HolderKind.CHECK, HolderKind.USER, HolderKind.RESERVATION, HolderKind.SLURM)

SHOWN_STATES: Sequence[str] = (HELD, FAILING, STALE, *_BASES, *_FLAGS)
STATES: Sequence[str] = (*SHOWN_STATES, *_SINFOS)


class Proof(NamedTuple):
    """What was judged on a node."""

    failing: tuple[str, ...] = ()
    """The checks whose latest judgement is fail."""
    latest: datetime | None = None
    oldest: datetime | None = None
    """Of its checks' latest judgements."""
    checks: int = 0
    """How many ever ran there."""


class NodeLine(NamedTuple):
    """A row of `nodes`."""

    name: str
    node: Node | None
    """None where slurmctld does not answer."""
    proof: Proof
    holder: Holder
    waiting: tuple[Item, ...]
    """The reactions that wait."""
    now: datetime

    @property
    def state(self) -> str:
        """As scontrol shows it; ? where it cannot be told."""
        return "+".join([self.node.state, *sorted(self.node.flags)]) if self.node else "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedNodes:
    """Which nodes; an empty tuple means all."""

    nodes: Sequence[str] = ()
    states: Sequence[str] = ()
    partitions: Sequence[str] = ()
    stale_after: timedelta


def proofs(rows: Iterable[Row]) -> dict[str, Proof]:
    """Return by node what the snapshot says of it."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    return {node: _proof(of) for node, of in found.items()}


def node_lines(
    nodes: Iterable[Node] | None,
    proven: Mapping[str, Proof],
    book: Book,
    *,
    slurm_user: str,
    now: datetime,
) -> list[NodeLine]:
    """Return a line for each of *nodes* (None: of all that anything is known of), in order."""
    items: dict[str, list[Item]] = defaultdict(list)
    for item in book.items.values():
        if not item.over:
            items[item.entry.node].append(item)

    def line(name: str, node: Node | None) -> NodeLine:
        here = items.get(name, [])
        held = (
            by_journal(here, otherwise=HolderKind.UNKNOWN)
            if node is None
            else holder(node, here, slurm_user=slurm_user)
        )
        waiting = tuple(item for item in here if item.waiting)
        return NodeLine(name, node, proven.get(name, Proof()), held, waiting, now)

    if nodes is None:
        found = [line(name, None) for name in {*proven, *items}]
    else:
        found = [line(node.name, node) for node in nodes]
    return sorted(found, key=lambda one: natural(one.name))


def chosen(lines: Iterable[NodeLine], wanted: WantedNodes) -> list[NodeLine]:
    """Return those of *lines* that are asked for; of several states one is enough."""
    names = set(wanted.nodes)
    return [
        line
        for line in lines
        if (not names or line.name in names)
        and (not wanted.partitions or _is_in(line, wanted.partitions))
        and (not wanted.states or any(_is(line, one, wanted) for one in wanted.states))
    ]


def is_stale(line: NodeLine, stale_after: timedelta) -> bool:
    """Whether nothing was judged there for so long."""
    return line.proof.latest is None or line.now - line.proof.latest > stale_after


def summary(lines: Sequence[NodeLine], *, stale_after: timedelta, swept: str) -> str:
    """Return one line: how many are in service or held by whom, fail, or are unproven."""
    kinds = Counter(line.holder.kind for line in lines)
    held = _counted(
        {
            "by checks": kinds[HolderKind.CHECK],
            "by people": kinds[HolderKind.USER],
            "by reservations": kinds[HolderKind.RESERVATION],
            "by Slurm": kinds[HolderKind.SLURM],
        }
    )
    parts = _counted(
        {
            "in service": kinds[HolderKind.NOBODY],
            "not known": kinds[HolderKind.UNKNOWN],
            f"held ({held})": sum(line.holder.kind in _HELD for line in lines),
            "failing": sum(bool(line.proof.failing) for line in lines),
            "with reactions waiting": sum(bool(line.waiting) for line in lines),
            f"not judged for {format_duration(stale_after)}": sum(
                is_stale(line, stale_after) for line in lines
            ),
        }
    )
    total = f"{len(lines):,} {'node' if len(lines) == 1 else 'nodes'}"
    return "; ".join([f"{total}: {parts}" if parts else total, swept])


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def _proof(rows: Sequence[Row]) -> Proof:
    times = [row[3] for row in rows if row[3] is not None]
    return Proof(
        failing=tuple(sorted(row[1] for row in rows if row[2] == Outcome.FAIL.value)),
        latest=time_of(max(times)) if times else None,
        oldest=time_of(min(times)) if times else None,
        checks=len(rows),
    )


def _is_in(line: NodeLine, partitions: Sequence[str]) -> bool:
    return line.node is not None and not {*line.node.partitions}.isdisjoint(partitions)


def _is(line: NodeLine, state: str, wanted: WantedNodes) -> bool:
    if state == HELD:
        return line.holder.kind in _HELD
    if state == FAILING:
        return bool(line.proof.failing)
    if state == STALE:
        return is_stale(line, wanted.stale_after)
    if line.node is None:
        return False
    return _SINFOS.get(state, state).upper() in {line.node.state, *line.node.flags}
