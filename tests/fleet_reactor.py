"""What a reactor would have done about a synthetic fleet's results: the real policy decides.

Slurm does as it is told; now and then a person does something else.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from slurm_hooks.journal import Book, Entry, Event, Item, Line, Verdict, What, fold
from slurm_hooks.policy import Case, decide
from slurm_hooks.reaction import Kind
from slurm_hooks.room import Rails
from slurm_hooks.slurm_text import Node
from slurm_hooks.verified import Judged, Standing, held_again
from slurm_hooks.verify_wanted import Cause, requested
from tests.fleet_holds import SLURM_USER, Hold

SECOND = timedelta(seconds=1)
PERSON = "alice"
LOST = "it was returned to service"
FAILED_AGAIN = "it was tested again, and failed"
_LOST_EVERY, _LOST_AT = 25, 9
_DISCARDED_EVERY, _DISCARDED_AT = 6, 2
_A_WHILE = timedelta(minutes=20)

Next = Mapping[str, Case]
"""Of a result the next judgement of its check there, by the result's id."""


class Reactor:
    """Considers cases in the order of time; `items` is what came of them."""

    def __init__(
        self,
        *,
        rails: Rails,
        nodes: Mapping[str, Node],
        held: Iterable[Hold],
        following: Next,
        until: datetime,
    ) -> None:
        self.items: dict[str, Item] = {}
        self._rails, self._nodes, self._until = rails, nodes, until
        self._partitions = {name: node.partitions for name, node in nodes.items()}
        self._held = {hold.node: hold for hold in held}
        self._following = following
        self._steps: list[tuple[datetime, int, Callable[[datetime], None]]] = []
        self._order = 0
        self._book = Book()
        self._apart: set[str] = set()
        self._skipped: set[str] = set()
        self._verify = {"pass", "fail"}
        self._taken = self._waited = 0

    def tell(self, cases: Sequence[Case], at: datetime) -> None:
        """Let the reactor consider *cases* at *at*."""
        self._at(at, lambda now: self._consider(cases, now))

    def go_on(self) -> None:
        """Do everything that was told, and what follows from it, until the end."""
        while self._steps:
            now, _, act = heapq.heappop(self._steps)
            if now <= self._until:
                act(now)

    def _at(self, time: datetime, act: Callable[[datetime], None]) -> None:
        at = time.replace(microsecond=time.microsecond // 1000 * 1000)
        heapq.heappush(self._steps, (at, self._order, act))
        self._order += 1

    def _write(self, lines: Iterable[Line]) -> None:
        found = list(lines)
        self._book = fold(found, self._book)
        self.items.update(self._book.items)

    def _consider(self, cases: Sequence[Case], now: datetime) -> None:
        """Decide; nothing is suspected but what comes together, so that it is what was planted."""
        cases = [case for case in cases if case.result_id not in self._skipped]
        self._forget(now)
        rails = self._rails if len(cases) > 1 else replace(self._rails, suspect=len(self._nodes))
        lines = decide(cases, self._book, self._partitions, rails, now=now)
        self._write(lines)
        for line in lines:
            if isinstance(line, Entry) and line.verdict is Verdict.WAIT:
                self._wait(line, now, together=len(cases) > 1)
        later = now + SECOND * (1 + len(cases) % 3)
        self._at(later, self._carry_out)

    def _forget(self, now: datetime) -> None:
        """Leave out of the book what no decision rests on any more, so that each takes no time."""
        since = now - self._rails.window
        kept = {
            name: item
            for name, item in self._book.items.items()
            if name not in self._apart and (not item.over or _touched(item) >= since)
        }
        self._book = Book(items=kept, checks=self._book.checks)

    def _wait(self, entry: Entry, now: datetime, *, together: bool) -> None:
        """Leave what made its check suspected as it is; of the others some are discarded."""
        if together:
            self._apart.add(entry.id)
            return
        self._waited += 1
        if self._waited % _DISCARDED_EVERY == _DISCARDED_AT:
            self._at(now + _A_WHILE / 4, lambda at: self._discard(entry.id, at))

    def _discard(self, entry: str, now: datetime) -> None:
        if self.items[entry].waiting:
            self._write([Event(entry=entry, what=What.DISCARDED, at=now, by=PERSON)])

    # What Slurm does.

    def _carry_out(self, now: datetime) -> None:
        for item in self._book.unfinished:
            if item.entry.kind is Kind.VERIFY:
                continue
            if item.entry.kind.undoes is None:
                self._do(item, now)
            else:
                self._undo(item, now)

    def _do(self, item: Item, now: datetime) -> None:
        entry, hold = item.entry, self._held.get(item.entry.node)
        what = What.DONE
        if entry.kind is Kind.DRAIN and hold is not None and hold.at(now):
            what = What.NOTED
        elif entry.kind is Kind.DRAIN and any(one.holds for one in self._book.on_node(entry.node)):
            what = What.JOINED
        self._write([Event(entry=entry.id, what=what, at=now)])
        if entry.kind is Kind.DRAIN and what is What.DONE:
            self._took(self._book.items[entry.id], now)

    def _undo(self, item: Item, now: datetime) -> None:
        entry = item.entry
        by = f"{entry.check}: {entry.outcome}"
        self._write(
            [
                Event(entry=entry.id, what=What.DONE, at=now),
                Event(entry=entry.target, what=What.UNDONE, at=now, by=by),
            ]
        )

    # What people do.

    def _took(self, item: Item, now: datetime) -> None:
        self._taken += 1
        then = self._following.get(item.entry.result_id)
        if then is not None and then.record.finished_at > now + 2 * _A_WHILE:
            if str(then.record.outcome) in self._verify and self._taken > _LOST_AT:
                self._ask_to_verify(item, then)
            elif self._taken % _LOST_EVERY == _LOST_AT:
                self._at(now + _A_WHILE, lambda at: self._lose(item.entry.id, at))

    def _lose(self, entry: str, now: datetime) -> None:
        if self.items[entry].stands:
            self._write([Event(entry=entry, what=What.LOST, at=now, detail=LOST)])

    def _ask_to_verify(self, item: Item, then: Case) -> None:
        """Verify a held node; *then* is what its visit finds, which nobody else considers."""
        self._verify.remove(str(then.record.outcome))
        self._skipped.add(then.result_id)
        at = then.record.finished_at - _A_WHILE
        self._at(at, lambda now: self._begin_to_verify(item.entry, then, now))

    def _begin_to_verify(self, held: Entry, then: Case, now: datetime) -> None:
        node = self._nodes[held.node]
        drained = Node(
            name=held.node, state="IDLE", flags=frozenset({"DRAIN"}), reason=held.text,
            reason_user=SLURM_USER, partitions=node.partitions,
        )  # fmt: skip
        wanted = requested(
            drained, cause=Cause.COMMAND, key=now.isoformat(), why=f"{PERSON} asked for it", now=now
        )
        self._write([wanted, Event(entry=wanted.id, what=What.READY, at=now + 3 * SECOND)])
        end = self._return if str(then.record.outcome) == "pass" else self._hold_again
        self._at(then.record.finished_at + 2 * SECOND, lambda at: end(wanted, then, at))

    def _return(self, wanted: Entry, _: Case, now: datetime) -> None:
        here = [item for item in self._book.on_node(wanted.node) if item.stands]
        undone = [
            Event(entry=item.entry.id, what=What.UNDONE, at=now, by="verified")
            for item in here
            if item.entry.kind in (Kind.DRAIN, Kind.COMMENT)
        ]
        passed = Event(entry=wanted.id, what=What.PASSED, at=now)
        self._write([passed, *undone, Event(entry=wanted.id, what=What.UNDONE, at=now + SECOND)])

    def _hold_again(self, wanted: Entry, then: Case, now: datetime) -> None:
        record = then.record
        judged = Judged(standing=Standing.FAILED, record=record)
        again = held_again(self._book.items[wanted.id], judged, self._book, marker="", now=now)
        over = [
            Event(entry=item.entry.id, what=What.SUPERSEDED, at=now, detail=FAILED_AGAIN)
            for item in self._book.on_node(wanted.node)
            if item.holds
        ]
        detail = f"{record.check}: {record.detail}"
        failed = Event(entry=wanted.id, what=What.FAILED, at=now, detail=detail)
        done = Event(entry=again.id, what=What.DONE, at=now + SECOND)
        undone = Event(entry=wanted.id, what=What.UNDONE, at=now + 2 * SECOND)
        self._write([again, *over, failed, done, undone])


def states(items: Iterable[Item]) -> list[tuple[Item, datetime]]:
    """Return every state that *items* were in, and since when, in the order of time."""
    found = []
    for item in items:
        for count in range(len(item.events) + 1):
            events = item.events[:count]
            at = max([item.entry.at, *(event.at for event in events)])
            found.append((Item(entry=item.entry, events=events), at))
    return sorted(found, key=lambda one: (one[1], one[0].entry.id, len(one[0].events)))


def holds(items: Iterable[Item]) -> list[Hold]:
    """Return how long each drain of ours kept its node from its users."""
    found = []
    for item in items:
        done = item.carried_out
        if item.entry.kind is Kind.DRAIN and done is not None and done.what is What.DONE:
            over = (event.at for event in item.events if event.what in _OVER)
            found.append(
                Hold(
                    node=item.entry.node, since=done.at, until=min(over, default=None),
                    flags=frozenset({"DRAIN"}), reason=item.entry.text, reason_user=SLURM_USER,
                    check=item.entry.check,
                )
            )  # fmt: skip
    return found


_OVER = (What.UNDONE, What.LOST, What.SUPERSEDED, What.DISCARDED, What.EXPIRED)


def _touched(item: Item) -> datetime:
    return max([item.entry.at, *(event.at for event in item.events)])
