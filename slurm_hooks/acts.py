"""Carries decided reactions out: reads again, acts once, reads back. Never over somebody else's."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from slurm_hooks.errors import SlurmError, UnreachableError
from slurm_hooks.journal import Book, Entry, Event, Item, What
from slurm_hooks.node_control import NodeControl
from slurm_hooks.reaction import Kind
from slurm_hooks.reason import added, note, removed
from slurm_hooks.slurm_text import Node, Reservation
from slurm_hooks.verified import under_verification

_OUT_OF_SERVICE = {"DOWN", "ERROR", "FAIL", "FAILING"}
_DRAINED = {"DRAIN", "FAIL"}
_RESERVED = {"RESERVED", "MAINTENANCE", "MAINT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What came of what was to be done."""

    events: Sequence[Event]
    problems: Sequence[str]
    """What Slurm refused; the next pass tries again."""


def carry_out(
    control: NodeControl, book: Book, *, user: str, clock: Callable[[], datetime]
) -> Carried:
    """Do what *book* has unfinished; safe to repeat, since what is done already is seen.

    *user* may run jobs in our reservations. What Slurm refuses does not stop the rest.
    """
    acts = _Acts(control, book, user=user, clock=clock)
    for kind, act in (
        (Kind.DRAIN, acts.drain),
        (Kind.RESERVE, acts.reserve),
        (Kind.COMMENT, acts.comment),
        (Kind.UNCOMMENT, acts.uncomment),
        (Kind.UNDRAIN, acts.undrain),
        (Kind.UNRESERVE, acts.unreserve),
    ):
        items = [item for item in book.unfinished if item.entry.kind is kind]
        if items:
            acts.attempt(act, items)
    return Carried(events=acts.events, problems=acts.problems)


_SAVED_AFTER = timedelta(seconds=60)
"""slurmctld saves its state every few seconds; what it had told before may be lost with it."""


def drifted(
    book: Book,
    nodes: Sequence[Node],
    reservations: Sequence[Reservation],
    *,
    started_at: Callable[[], datetime | None],
    now: datetime,
) -> list[Event]:
    """Return what stands in *book* and no longer in Slurm, and what is sure to stay.

    Somebody else undid it; or slurmctld, *started_at* since, was killed before it had saved it.
    """
    by_name = {node.name: node for node in nodes}
    names = {one.name for one in reservations}
    being_verified = under_verification(book)
    found = []
    for item in book.items.values():
        node = by_name.get(item.entry.node)
        if not item.stands or item.entry.node in being_verified:
            continue  # what stood before a verification is out of force until it is over
        if not _reads_as_written(item, node, names) or _is_free_again(item, node):
            found.append(_lost(item, node, started_at, now=now))
        elif item.holds and not item.kept and _done_at(item) < now - _SAVED_AFTER:
            found.append(Event(entry=item.entry.id, what=What.KEPT, at=now))
    return found


def _is_free_again(item: Item, node: Node | None) -> bool:
    """Whether nobody holds the node any more for which our text stands in its comment."""
    takes = item.entry.kind.takes and not item.holds
    return takes and node is not None and not is_drained(node) and not node.flags & _RESERVED


def _lost(
    item: Item, node: Node | None, started_at: Callable[[], datetime | None], *, now: datetime
) -> Event:
    may_be_forgotten = item.holds and not item.kept and node is not None and not is_drained(node)
    started = started_at() if may_be_forgotten else None
    if started is not None and started > _done_at(item).replace(microsecond=0):
        detail = f"slurmctld started at {started:%Y-%m-%dT%H:%M:%SZ} without it"
        return Event(entry=item.entry.id, what=What.FORGOTTEN, at=now, detail=detail)
    by, detail = _whose(node)
    return Event(entry=item.entry.id, what=What.LOST, at=now, by=by, detail=detail)


def _done_at(item: Item) -> datetime:
    done = item.carried_out
    return done.at if done is not None else item.entry.at


def is_drained(node: Node) -> bool:
    """Whether no job may start on *node* because somebody, or Slurm, said so."""
    return bool(node.flags & _DRAINED) or node.state in _OUT_OF_SERVICE


def _reads_as_written(item: Item, node: Node | None, reservations: set[str]) -> bool:
    entry, done = item.entry, item.carried_out
    if node is None:
        return False
    if entry.kind is Kind.COMMENT or (done is not None and done.what is not What.DONE):
        return note(entry) in node.comment
    if entry.kind is Kind.DRAIN:
        return is_drained(node) and node.reason == entry.text
    return entry.text in reservations


def _drained_by(item: Item, node: Node | None) -> bool:
    """Whether *node* is drained just as *item* wrote it; a node that is DOWN besides, too."""
    return node is not None and "DRAIN" in node.flags and node.reason == item.entry.text


def _one_each(items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """Return the first item on each node, and the others: a node has but one reason."""
    ordered = sorted(items, key=lambda item: (item.entry.judged_at, item.entry.id))
    first = {item.entry.node: item for item in reversed(ordered)}
    return [*first.values()], [item for item in ordered if first[item.entry.node] is not item]


def _whose(node: Node | None) -> tuple[str, str]:
    if node is None:
        return "", "Slurm has no such node any more"
    if is_drained(node):
        return node.reason_user, f"its reason is now: {node.reason}"
    return "", "it was returned to service"


@dataclass(slots=True)
class _Seen:
    """Nodes and reservations, read just now."""

    nodes: Mapping[str, Node]
    reserved: Mapping[str, set[str]] = field(default_factory=dict)
    """The names of the reservations on each node."""


class _Acts:
    def __init__(
        self, control: NodeControl, book: Book, *, user: str, clock: Callable[[], datetime]
    ) -> None:
        self._control, self._book, self._user, self._clock = control, book, user, clock
        self.events: list[Event] = []
        self.problems: list[str] = []

    def attempt(self, act: Callable[[Sequence[Item]], None], items: Sequence[Item]) -> None:
        """Do one kind of act; a refusal is kept for the caller."""
        try:
            act(items)
        except SlurmError as error:
            self.problems.append(str(error))

    def _tell(self, order: Callable[[], None]) -> bool:
        """Tell Slurm one thing; one that it refuses keeps no other up."""
        try:
            order()
        except UnreachableError:
            raise
        except SlurmError as error:
            self.problems.append(str(error))
            return False
        return True

    def drain(self, items: Sequence[Item]) -> None:
        """Drain nodes that are in service; where one is held already, say it in its comment."""
        fresh, held = self._sort(items)
        fresh, others = _one_each(fresh)
        held.extend((item, What.JOINED) for item in others)
        groups: dict[str, list[str]] = {}
        for item in fresh:
            groups.setdefault(item.entry.text, []).append(item.entry.node)
        for text, nodes in sorted(groups.items()):
            self._tell(partial(self._control.drain, sorted(set(nodes)), text))
        after = self._read(fresh)
        for item in fresh:
            node = after.nodes.get(item.entry.node)
            if node is None:
                self._gone(item)
            elif _reads_as_written(item, node, set()):
                self._happened(item, What.DONE)
            elif is_drained(node):
                held.append((item, What.NOTED))
            else:
                self.problems.append(f"{node.name}: it is not drained, though Slurm was told so")
        self._note(held)

    def reserve(self, items: Sequence[Item]) -> None:
        """Reserve nodes that are in service for the service account."""
        fresh, held = self._sort(items)
        for item in fresh:
            entry = item.entry
            if self._tell(partial(self._control.reserve, entry.text, [entry.node], [self._user])):
                self._happened(item, What.DONE)
        self._note(held)

    def comment(self, items: Sequence[Item]) -> None:
        """Add our texts to what stands in the nodes' comments."""
        self._note([(item, What.DONE) for item in items])

    def uncomment(self, items: Sequence[Item]) -> None:
        """Take our texts out of the nodes' comments."""
        self._unnote([(item, self._target(item)) for item in items])

    def undrain(self, items: Sequence[Item]) -> None:
        """Return nodes to service that still read as we wrote."""
        seen = self._read(items)
        ours: list[tuple[Item, Item]] = []
        noted: list[tuple[Item, Item]] = []
        for item in items:
            target, node = self._target(item), seen.nodes.get(item.entry.node)
            if not target.holds:
                noted.append((item, target))
            elif node is not None and "DRAIN" in node.flags and not _drained_by(target, node):
                self._not_ours(item, target, node)
            else:
                ours.append((item, target))
        for name in sorted(
            {
                item.entry.node
                for item, target in ours
                if _drained_by(target, seen.nodes.get(item.entry.node))
            }
        ):
            self._tell(partial(self._control.undrain, [name]))
        after = self._read([item for item, _ in ours])
        for item, target in ours:
            node = after.nodes.get(item.entry.node)
            if _drained_by(target, node):
                problem = "it is still drained, though Slurm was told"
                self.problems.append(f"{item.entry.node}: {problem}")
            else:
                self._undone(item, target)
        self._unnote(noted)

    def unreserve(self, items: Sequence[Item]) -> None:
        """Remove reservations that still are as we made them."""
        there = {one.name: one for one in self._control.reservations()}
        noted: list[tuple[Item, Item]] = []
        for item in items:
            target = self._target(item)
            found = there.get(target.entry.text)
            if not target.holds:
                noted.append((item, target))
            elif found is not None and not self._is_ours(found, target):
                detail = f"reservation {found.name} is another one now"
                self._happened(item, What.SUPERSEDED, detail=detail)
                self._happened(target, What.LOST, detail=detail)
            elif found is None or self._tell(partial(self._control.unreserve, found.name)):
                self._undone(item, target)
        self._unnote(noted)

    def _is_ours(self, reservation: Reservation, target: Item) -> bool:
        return reservation.nodes == (target.entry.node,) and reservation.users == (self._user,)

    def _sort(self, items: Iterable[Item]) -> tuple[list[Item], list[tuple[Item, What]]]:
        """Return which nodes are in service, and which are held by whom; says what is done."""
        items = list(items)
        seen = self._read(items)
        fresh: list[Item] = []
        held: list[tuple[Item, What]] = []
        for item in items:
            entry, node = item.entry, seen.nodes.get(item.entry.node)
            reservations = seen.reserved.get(entry.node, set())
            if node is None:
                self._gone(item)
            elif _reads_as_written(item, node, reservations):
                self._happened(item, What.DONE)
            elif self._is_foreign(node, set() if entry.target else reservations):
                # A node whose verification failed was drained before, whoever reserved it.
                held.append((item, What.NOTED))
            elif entry.kind is Kind.DRAIN and is_drained(node):
                held.append((item, What.JOINED))
            else:
                fresh.append(item)
        return fresh, held

    def _is_foreign(self, node: Node, reservations: set[str]) -> bool:
        """Whether anybody else holds *node*; what a crash kept from the journal is ours too."""
        ours = {
            item.entry.text
            for item in self._book.on_node(node.name)
            if item.entry.kind.takes and (item.holds or item.unfinished)
        }
        return (is_drained(node) and node.reason not in ours) or not reservations <= ours

    def _note(self, items: Sequence[tuple[Item, What]]) -> None:
        """Put texts into comments, behind what stands there."""
        if not items:
            return
        seen = self._read([item for item, _ in items])
        comments = {name: node.comment for name, node in seen.nodes.items()}
        for item, _ in items:
            name = item.entry.node
            if name in comments:
                comments[name] = added(comments[name], note(item.entry))
        self._comment(seen, comments)
        after = self._read([item for item, _ in items])
        for item, what in items:
            node = after.nodes.get(item.entry.node)
            if node is None:
                self._gone(item)
            elif note(item.entry) in node.comment:
                self._happened(item, what)
            else:
                self._happened(item, What.LOST, detail="the node's comment has no room for it")

    def _unnote(self, pairs: Sequence[tuple[Item, Item]]) -> None:
        if not pairs:
            return
        seen = self._read([item for item, _ in pairs])
        comments = {name: node.comment for name, node in seen.nodes.items()}
        for item, target in pairs:
            name = item.entry.node
            if name in comments:
                comments[name] = removed(comments[name], note(target.entry))
        self._comment(seen, comments)
        for item, target in pairs:
            self._undone(item, target)

    def _comment(self, seen: _Seen, comments: Mapping[str, str]) -> None:
        changed = {
            name: text
            for name, text in sorted(comments.items())
            if text != seen.nodes[name].comment
        }
        if changed:
            self._control.comment(changed)

    def _read(self, items: Iterable[Item]) -> _Seen:
        names = sorted({item.entry.node for item in items})
        if not names:
            return _Seen(nodes={})
        nodes = {node.name: node for node in self._control.some_nodes(names)}
        reserved: dict[str, set[str]] = {}
        for one in self._control.reservations():
            for name in one.nodes:
                reserved.setdefault(name, set()).add(one.name)
        return _Seen(nodes=nodes, reserved=reserved)

    def _target(self, item: Item) -> Item:
        return self._book.items[item.entry.target]

    def _happened(self, item: Item, what: What, *, by: str = "", detail: str = "") -> None:
        event = Event(entry=item.entry.id, what=what, at=self._clock(), by=by, detail=detail)
        self.events.append(event)

    def _undone(self, item: Item, target: Item) -> None:
        self._happened(item, What.DONE)
        self._happened(target, What.UNDONE, by=_check(item.entry))

    def _gone(self, item: Item) -> None:
        self._happened(item, What.LOST, detail="Slurm has no such node")

    def _not_ours(self, item: Item, target: Item, node: Node) -> None:
        by, detail = _whose(node)
        self._happened(item, What.SUPERSEDED, by=by, detail=detail)
        self._happened(target, What.LOST, by=by, detail=detail)


def _check(entry: Entry) -> str:
    return f"{entry.check}: {entry.outcome}"
