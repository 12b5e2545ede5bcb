"""Nodes and reservations in memory, as SlurmUser's scontrol changes them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from slurm_hooks.errors import SlurmError
from slurm_hooks.slurm_text import Node, Reservation

LONGEST = timedelta(days=365)
"""What slurmctld makes of UNLIMITED."""
MARKS = {"MAINTENANCE", "RESERVED"}
"""slurmctld itself shows them on nodes some seconds later."""


def _nothing(_call: str) -> None:
    pass


@dataclass
class FakeNodes:
    """A `NodeControl`; *node_list* is changed in place, so a FakeSlurm may share it.

    *before* gets the name of each call before it happens, to play an admin in between, who
    may use `other`.
    """

    node_list: list[Node]
    clock: Callable[[], datetime]
    user: str = "slurm"
    up: bool = True
    refuses: bool = False
    """Whether *user* is an ordinary one."""
    before: Callable[[str], None] = _nothing
    reservation_list: list[Reservation] = field(default_factory=list)
    started: datetime | None = None
    """Since when slurmctld runs."""
    in_use: set[str] = field(default_factory=set)
    """Names of reservations that a job runs in."""
    calls: list[str] = field(default_factory=list)

    def other(self, user: str = "root") -> "FakeNodes":
        """Return the same nodes and reservations as *user* changes them, unwatched."""
        return replace(self, user=user, refuses=False, before=_nothing, calls=[])

    def set_down(self, name: str, reason: str) -> None:
        """Make a node DOWN, as slurmctld or an admin does."""

        def down(node: Node) -> Node:
            reasoned = self._reasoned(node, reason, anew=node.state != "DOWN")
            return replace(reasoned, state="DOWN")

        self._each([name], down)

    def nodes(self) -> list[Node]:
        """As `NodeControl.nodes`."""
        self._answer("nodes")
        return list(self.node_list)

    def some_nodes(self, names: Sequence[str]) -> list[Node]:
        """As `NodeControl.some_nodes`."""
        self._answer("some_nodes")
        return [node for node in self.node_list if node.name in set(names)]

    def started_at(self) -> datetime | None:
        """As `NodeControl.started_at`."""
        self._answer("started_at")
        return self.started

    def reservations(self) -> list[Reservation]:
        """As `NodeControl.reservations`."""
        self._answer("reservations")
        return list(self.reservation_list)

    def drain(self, nodes: Sequence[str], reason: str) -> None:
        """As `NodeControl.drain`."""
        if not nodes:
            return
        self._answer("drain")
        text = reason.removeprefix('"').removesuffix('"')
        if not text:  # scontrol itself says so
            raise SlurmError("scontrol update State=DRAIN: exit 1: You must specify a reason")
        self._permit("drain")

        def drained(node: Node) -> Node:
            reasoned = self._reasoned(node, text, anew="DRAIN" not in node.flags)
            return replace(reasoned, flags=node.flags | {"DRAIN"})

        self._each(nodes, drained)

    def undrain(self, nodes: Sequence[str]) -> None:
        """As `NodeControl.undrain`."""
        if not nodes:
            return
        self._answer("undrain")
        self._permit("undrain")
        self._each(nodes, _undrained)

    def comment(self, comments: Mapping[str, str]) -> None:
        """As `NodeControl.comment`."""
        if not comments:
            return
        self._answer("comment")
        self._permit("comment")
        errors = []
        for text in dict.fromkeys(comments.values()):
            alike = [name for name in comments if comments[name] == text]
            try:
                self._each(alike, lambda node: replace(node, comment=comments[node.name]))
            except SlurmError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def reserve(self, name: str, nodes: Sequence[str], users: Sequence[str]) -> None:
        """As `NodeControl.reserve`."""
        self._answer("reserve")
        if not name or not nodes or not users:
            raise SlurmError(f"scontrol create reservation {name}: exit 1: must be specified")
        self._permit("reserve")
        if not set(nodes) <= {node.name for node in self.node_list}:
            raise SlurmError(f"scontrol create reservation {name}: exit 1: Invalid node name")
        if any(one.name == name for one in self.reservation_list):
            raise SlurmError(f"scontrol create reservation {name}: exit 1: Duplicate reservation")
        now = self.clock()
        self.reservation_list.append(
            Reservation(
                name=name,
                nodes=tuple(sorted(set(nodes))),
                users=tuple(users),
                flags=frozenset({"MAINT", "IGNORE_JOBS", "SPEC_NODES"}),
                starts_at=now,
                ends_at=now + LONGEST,
            )
        )
        self._each(nodes, lambda node: replace(node, flags=node.flags | MARKS))

    def unreserve(self, name: str) -> None:
        """As `NodeControl.unreserve`."""
        self._answer("unreserve")
        self._permit("unreserve")
        if name in self.in_use:
            raise SlurmError(
                f"scontrol delete ReservationName={name}: exit 1: Requested reservation is in use"
            )
        gone = [one for one in self.reservation_list if one.name == name]
        self.reservation_list[:] = [one for one in self.reservation_list if one.name != name]
        kept = {node for one in self.reservation_list for node in one.nodes}
        free = [node for one in gone for node in one.nodes if node not in kept]
        self._each(free, lambda node: replace(node, flags=node.flags - MARKS))

    def _reasoned(self, node: Node, reason: str, *, anew: bool) -> Node:
        """Slurm keeps the author of a reason that is given again; not where the state is *anew*."""
        if node.reason == reason and not anew:
            return node
        return replace(node, reason=reason, reason_user=self.user, reason_at=self.clock())

    def _each(self, names: Sequence[str], change: Callable[[Node], Node]) -> None:
        """Change the nodes in sorted order, up to the first that there is not."""
        places = {node.name: place for place, node in enumerate(self.node_list)}
        for name in sorted(set(names), key=_order):
            if name not in places:
                raise SlurmError(f"scontrol update on {name}: exit 1: Invalid node name specified")
            self.node_list[places[name]] = change(self.node_list[places[name]])

    def _permit(self, call: str) -> None:
        if self.refuses:
            raise SlurmError(
                f"scontrol {call}: exit 1: Invalid user id; run this as SlurmUser or root"
            )

    def _answer(self, call: str) -> None:
        self.calls.append(call)
        self.before(call)
        if not self.up:
            raise SlurmError("scontrol: exit 1: Unable to contact slurm controller")


def _order(name: str) -> tuple[str, int]:
    """Return what slurmctld sorts names by: first what is before their number."""
    prefix = name.rstrip("0123456789")
    return prefix, int(name[len(prefix) :] or -1)


def _undrained(node: Node) -> Node:
    open_again = replace(node, flags=node.flags - {"DRAIN", "FAIL"})
    if node.state == "DOWN":
        return open_again
    return replace(open_again, reason="", reason_user="", reason_at=None)
