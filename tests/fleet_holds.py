"""Who holds which nodes of a synthetic fleet besides its checks: people, Slurm, a reservation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from slurm_hooks.slurm_text import Node
from tests.fleet import Fleet
from tests.fleet_past import Past, to_ms

PERSON = "root"
PERSONS_REASON = "new fan"
SLURM_USER = "slurm"
NOT_RESPONDING = "Not responding"

_FANS = ((0.82, 0.55), (0.45, 0.3), (0.2, 0.0))
"""When a person drained a node and returned it, as shares of the time before the end."""

_RESERVED_SINCE = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Something keeps a node from its users."""

    node: str
    since: datetime
    until: datetime | None
    """None: it does so still."""
    state: str = "IDLE"
    flags: frozenset[str] = frozenset()
    reason: str = ""
    reason_user: str = ""
    check: str = ""
    """Whose drain it is, where it is ours."""

    def at(self, time: datetime) -> bool:
        """Whether the node is held at *time*."""
        return self.since <= time and (self.until is None or time < self.until)

    def node_of(self, like: Node) -> Node:
        """Return the node as Slurm shows it then; *like* has what always holds."""
        return Node(
            name=self.node, state=self.state, flags=self.flags, cpus=like.cpus,
            real_memory_mb=like.real_memory_mb, features=like.features, gres=like.gres,
            partitions=like.partitions, reason=self.reason, reason_user=self.reason_user,
            reason_at=self.since.replace(microsecond=0) if self.reason else None,
        )  # fmt: skip


def by_others(past: Past, days: float, checks: Sequence[str]) -> list[Hold]:
    """Return the holds of people, of Slurm and of a reservation within the last *days*.

    The node that a person holds still has failed since by one of *checks*, where any has.
    """
    fleet, window = past.fleet, timedelta(days=days)
    nodes, end = _apart(past, end_of=window * _FANS[-1][0], checks=checks), fleet.end
    fans = [
        Hold(
            node=node, since=end - window * since, until=end - window * until if until else None,
            flags=frozenset({"DRAIN"}), reason=PERSONS_REASON, reason_user=PERSON,
        )
        for node, (since, until) in zip(nodes, _FANS, strict=False)
    ]  # fmt: skip
    reserved = Hold(
        node=nodes[-1], since=end - window * _RESERVED_SINCE, until=None,
        flags=frozenset({"RESERVED"}),
    )  # fmt: skip
    return [*fans, reserved, *_dark(fleet)]


def _apart(past: Past, *, end_of: timedelta, checks: Sequence[str]) -> list[str]:
    """Return four nodes of which nothing else is told; the third failed lately, where one did."""
    fleet, events = past.fleet, past.fleet.events
    single = (events.drift, events.lemon, events.flapping, events.never)
    several = [name for one in (events.dark, events.failing) if one for name in one.nodes]
    told = {*several, *(one.node for one in single if one)}
    names = fleet.names
    failed = past.fails_at_the_end(checks, to_ms(fleet.end - end_of))["node"].to_list()
    lately = next((names[node] for node in failed if names[node] not in told), "")
    free = [name for name in names if name not in told and name != lately]
    found = [free[(2 * part + 1) * len(free) // 8] for part in range(4)]
    return [*found[:2], lately or found[2], found[3]]


def _dark(fleet: Fleet) -> list[Hold]:
    dark = fleet.events.dark
    if dark is None:
        return []
    return [
        Hold(
            node=name, since=dark.since, until=dark.until, state="DOWN",
            flags=frozenset({"NOT_RESPONDING"}), reason=NOT_RESPONDING, reason_user=SLURM_USER,
        )
        for name in dark.nodes
    ]  # fmt: skip
