"""Verifies nodes: reserved, resumed inside, visited, then returned or drained again.

Each pass looks at Slurm and the journal and does what is missing. From the first step to the
last the node is drained, reserved, or both; each of the two is seen before the other goes.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from slurm_hooks.acts import carry_out
from slurm_hooks.errors import SlurmError, UnreachableError
from slurm_hooks.journal import Book, Event, Item, Line, What
from slurm_hooks.node_control import NodeControl
from slurm_hooks.reaction import Kind
from slurm_hooks.reason import note, removed
from slurm_hooks.settle import CLOCKS_DIFFER
from slurm_hooks.slurm_text import Node, Reservation
from slurm_hooks.unseen import Seen
from slurm_hooks.verified import (
    LONGEST,
    Judged,
    Standing,
    Visited,
    held_again,
    is_down,
    is_drained,
    judge,
    ready_at,
    verdict,
    verifications,
)
from slurm_hooks.verify_wanted import Cause, soon_reserved, why_not

_OUR_FLAGS = {"MAINT", "IGNORE_JOBS"}
_LASTING = (Kind.DRAIN, Kind.RESERVE, Kind.COMMENT)


class Pages(Protocol):
    """The journal, while a pass writes in it."""

    book: Book

    def add(self, lines: Iterable[Line]) -> None:
        """Write *lines* down, for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """What verifications work with."""

    control: NodeControl
    pages: Pages
    seen: Seen
    user: str
    """Who runs the visits."""
    marker: str
    clock: Callable[[], datetime]


def go_on(ward: Ward) -> list[str]:
    """Take every verification as far as it goes now; returns what Slurm refused.

    Raises:
        StateError: the journal or the records cannot be read or written.
    """
    problems: list[str] = []
    for item in verifications(ward.pages.book):
        try:
            _Verification(ward, item.entry.id).go_on()
        except UnreachableError as error:
            return [*problems, str(error)]
        except SlurmError as error:
            problems.append(f"{item.entry.node}: {error}")
    return problems


def visits_of(seen: Seen, item: Item) -> list[Visited]:
    """Return the visits that were planned for verification *item*, the oldest first.

    Raises:
        StateError: the state directory cannot be read.
    """
    since = ready_at(item)
    return [
        Visited(batch=batch, records=seen.records(batch))
        for batch in (seen.batches_since(since - CLOCKS_DIFFER) if since else ())
        if batch.verifying is not None
        and batch.verifying.entry == item.entry.id
        and [visit.node for visit in batch.visits] == [item.entry.node]
    ]


class _Verification:
    def __init__(self, ward: Ward, entry_id: str) -> None:
        self._ward, self._control, self._id = ward, ward.control, entry_id
        self._entry = ward.pages.book.items[entry_id].entry

    def go_on(self) -> None:
        """Do what is missing."""
        if verdict(self._item) is None and ready_at(self._item) is None:
            self._make_ready()
        if verdict(self._item) is None and ready_at(self._item) is not None:
            self._judge()
        ended = verdict(self._item)
        if ended is not None:
            {
                What.PASSED: self._return,
                What.FAILED: self._hold_again,
                What.ABORTED: self._let_go,
            }[ended.what]()

    # Before the visits.

    def _make_ready(self) -> None:
        node, there = self._look()
        why = self._why_not_ready(node, there)
        if node is None or why:
            self._say(What.ABORTED, why or "Slurm has no such node")
            return
        if not self._is_ours(there):
            self._control.reserve(self._entry.text, [self._entry.node], [self._ward.user])
        node, there = self._look()
        if not self._is_ours(there):
            raise SlurmError(f"reservation {self._entry.text} is not there, though Slurm was told")
        if node is not None and is_drained(node):
            if node.reason != self._entry.detail:
                self._say(What.ABORTED, f"its reason is now: {node.reason}")
                return
            self._control.undrain([node.name])
            node, there = self._look()
            if node is not None and is_drained(node):
                raise SlurmError("it is still drained, though Slurm was told")
        self._say(What.READY)

    def _why_not_ready(self, node: Node | None, there: Sequence[Reservation]) -> str:
        """Return why the node is not to be verified after all.

        One that is in our reservation and no longer drained was resumed by us, in a pass that
        was killed then: nothing but a verdict may open it to its users.
        """
        if node is None:
            return "Slurm has no such node"
        if self._is_ours(there) and not is_drained(node):
            return ""
        if is_drained(node) and node.reason != self._entry.detail:
            return f"its reason is now: {node.reason}"
        if self._entry.prefix == Cause.LEFTOVER:
            return "it is held without its reservation"
        if any(one.name == self._entry.text for one in there) and not self._is_ours(there):
            return f"somebody else made a reservation {self._entry.text}"
        here = soon_reserved(there, now=self._ward.clock()).get(node.name, ())
        return why_not(node, here, self._ward.pages.book)

    # What the visits say.

    def _judge(self) -> None:
        node, there = self._look()
        if node is None:
            self._say(What.ABORTED, "Slurm has no such node")
            return
        judged = judge(visits_of(self._ward.seen, self._item))
        if self._is_late():
            why = judged.why or f"no visit judged it within {LONGEST.days} day"
            self._fail(Judged(standing=Standing.FAILED, record=judged.record, why=why))
        elif not self._is_ours(there) and not is_drained(node):
            why = f"reservation {self._entry.text} went away"
            self._fail(Judged(standing=Standing.FAILED, why=why))
        elif judged.standing is Standing.RUNNING:
            pass
        elif is_drained(node) and node.reason not in self._our_reasons():
            self._say(What.ABORTED, f"its reason is now: {node.reason}", by=node.reason_user)
        elif judged.standing is Standing.FAILED or is_drained(node):
            self._fail(judged)
        elif judged.standing is Standing.PASSED:
            self._say(What.PASSED)

    def _is_late(self) -> bool:
        since = ready_at(self._item)
        return since is not None and self._ward.clock() >= since + LONGEST

    def _our_reasons(self) -> set[str]:
        """Return the reasons that the reactor has drained the node with, or is about to."""
        here = self._ward.pages.book.on_node(self._entry.node)
        return {item.entry.text for item in here if item.entry.kind is Kind.DRAIN}

    def _fail(self, judged: Judged) -> None:
        """Write down that the node is drained again, with a new reason or one of ours it has."""
        node = self._node()
        lines: list[Line] = []
        if not is_drained(node):
            lines.append(self._held_again(judged))
        now = self._ward.clock()
        for item in self._ward.pages.book.on_node(node.name):
            entry = item.entry
            if entry.kind is Kind.DRAIN and item.holds and entry.text != node.reason:
                detail = "it was tested again, and failed"
                lines.append(Event(entry=entry.id, what=What.SUPERSEDED, at=now, detail=detail))
        record = judged.record
        detail = f"{record.check}: {record.detail}" if record else judged.why or node.reason
        lines.append(Event(entry=self._id, what=What.FAILED, at=now, detail=detail))
        self._ward.pages.add(lines)

    def _held_again(self, judged: Judged) -> Line:
        book, now = self._ward.pages.book, self._ward.clock()
        return held_again(self._item, judged, book, marker=self._ward.marker, now=now)

    # What follows.

    def _hold_again(self) -> None:
        """Drain the node, see it drained, and only then let it out of its reservation.

        While it is DOWN it stays there: drained now it would lose Slurm's own reason, and
        let go it would be in service as soon as it comes back.
        """
        if not self._is_held():
            self._carry_out()
        node = self._node()
        if not self._is_held() and not is_down(node) and not self._drains(unfinished=True):
            self._ward.pages.add([self._held_again(self._judged_again())])
            self._carry_out()
        if self._is_held():
            self._let_go()

    def _is_held(self) -> bool:
        done = [item.carried_out for item in self._drains()]
        return is_drained(self._node()) or any(one and one.what is What.DONE for one in done)

    def _drains(self, *, unfinished: bool = False) -> list[Item]:
        items = self._ward.pages.book.items.values()
        ours = [one for one in items if one.entry.target == self._id]
        return [
            one for one in ours if one.entry.kind is Kind.DRAIN and unfinished <= one.unfinished
        ]

    def _judged_again(self) -> Judged:
        ended = verdict(self._item)
        judged = judge(visits_of(self._ward.seen, self._item))
        why = ended.detail if ended else ""
        return Judged(standing=Standing.FAILED, record=judged.record, why=why)

    def _carry_out(self) -> None:
        ward = self._ward
        done = carry_out(ward.control, ward.pages.book, user=ward.user, clock=ward.clock)
        ward.pages.add(done.events)
        if done.problems:
            raise SlurmError("; ".join(done.problems))

    def _return(self) -> None:
        """Take back all that we did to the node; what keeps its users away goes last."""
        node, there = self._look()
        items = [
            item
            for item in self._ward.pages.book.on_node(self._entry.node)
            if item.entry.kind in _LASTING and item.stands
        ]
        if node is not None:
            comment = node.comment
            for item in items:
                comment = removed(comment, note(item.entry))
            if comment != node.comment:
                self._control.comment({node.name: comment})
        names = {one.entry.text for one in items if one.entry.kind is Kind.RESERVE and one.holds}
        for one in there:
            if one.name in names and self._looks_ours(one):
                self._control.unreserve(one.name)
        self._ward.pages.add(self._event(item, What.UNDONE, by="verified") for item in items)
        undone = {item.entry.id for item in items}
        self._ward.pages.add(
            self._event(item, What.SUPERSEDED, detail="the verification returned the node")
            for item in self._ward.pages.book.on_node(self._entry.node)
            if item.waiting and item.entry.target in undone
        )
        self._let_go()

    def _let_go(self) -> None:
        if self._is_ours(self._control.reservations()):
            self._control.unreserve(self._entry.text)
        self._say(What.UNDONE)

    # How things are.

    @property
    def _item(self) -> Item:
        return self._ward.pages.book.items[self._id]

    def _node(self) -> Node:
        found = self._control.some_nodes([self._entry.node])
        if not found:
            raise SlurmError("Slurm has no such node any more")
        return found[0]

    def _look(self) -> tuple[Node | None, list[Reservation]]:
        found = self._control.some_nodes([self._entry.node])
        return (found[0] if found else None), self._control.reservations()

    def _is_ours(self, there: Sequence[Reservation]) -> bool:
        named = [one for one in there if one.name == self._entry.text]
        return any(map(self._looks_ours, named)) and all(_in_force(one) for one in named)

    def _looks_ours(self, one: Reservation) -> bool:
        return one.nodes == (self._entry.node,) and one.users == (self._ward.user,)

    def _say(self, what: What, detail: str = "", *, by: str = "") -> None:
        self._ward.pages.add([self._event(self._item, what, detail=detail, by=by)])

    def _event(self, item: Item, what: What, *, detail: str = "", by: str = "") -> Event:
        at = self._ward.clock()
        return Event(entry=item.entry.id, what=what, at=at, detail=detail, by=by)


def _in_force(one: Reservation) -> bool:
    return one.flags >= _OUR_FLAGS and one.state == "ACTIVE"
