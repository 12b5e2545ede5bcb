"""The journal of reactions: what was decided, and what became of it. Append-only; folded purely.

A decision is written down before anything is done about it, and that it was done after it
was read back. So whatever dies in between, the next pass finds what is unfinished.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from slurm_hooks.outcome import Outcome
from slurm_hooks.reaction import Kind

VERSION = 1


class Verdict(StrEnum):
    """What the policy says of one reaction."""

    DO = "do"
    WAIT = "wait"
    """For room under a cap, or for a person."""
    WOULD = "would"
    """Decided in shadow: nothing is done."""
    NO = "no"


class What(StrEnum):
    """What became of an entry."""

    ALLOWED = "allowed"
    """It need not wait any more."""
    APPROVED = "approved"
    """A person wants it although its check is suspected; the caps still hold."""
    DONE = "done"
    """Slurm was told, and was seen to have taken it."""
    JOINED = "joined"
    """The node is held by us already; our text is in its comment."""
    NOTED = "noted"
    """The node is held by somebody else; our text is in its comment."""
    KEPT = "kept"
    """It was seen to stand for longer than slurmctld takes to save it."""
    FORGOTTEN = "forgotten"
    """slurmctld was killed before it had saved it: it is to be done again."""
    UNDONE = "undone"
    """We undid it."""
    LOST = "lost"
    """Somebody else undid or changed it."""
    SUPERSEDED = "superseded"
    """A later result, or a contradiction, took its place before it was done."""
    EXPIRED = "expired"
    """It waited until its result said nothing of the node any more."""
    DISCARDED = "discarded"
    """A person decided against it."""
    READY = "ready"
    """A node to be verified is reserved and resumed: it may be visited."""
    PASSED = "passed"
    """Its visits found nothing: it returns to service."""
    FAILED = "failed"
    """They found something, or could not tell: it is drained again."""
    ABORTED = "aborted"
    """Somebody else decided about it meanwhile: it stays as it is."""


_CARRIED_OUT = (What.DONE, What.JOINED, What.NOTED)
_OVER = (What.UNDONE, What.LOST, What.SUPERSEDED, What.EXPIRED, What.DISCARDED)
_SPEAK_AGAINST = (Outcome.FAIL, Outcome.TIMEOUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One reaction to one result, as decided."""

    version: int = VERSION
    id: str
    at: datetime
    kind: Kind
    node: str
    check: str
    result_id: str
    batch: str
    outcome: Outcome
    judged_at: datetime
    """When the check ended that this reacts to."""
    detail: str
    prefix: str
    verdict: Verdict
    why: str = ""
    """Why it waits, would, or is another kind than the definition asks for."""
    text: str = ""
    """What is written into Slurm: the reason, the comment, or the reservation's name."""
    target: str = ""
    """The entry that it undoes; of a drain, the verification that failed."""
    held_by: str = ""
    """Whose reason the node had when somebody wanted it verified."""

    @property
    def against(self) -> bool:
        """Whether it was decided because of a result that speaks against the node."""
        return self.kind.undoes is None and self.outcome in _SPEAK_AGAINST


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to an entry."""

    entry: str
    what: What
    at: datetime
    by: str = ""
    """Who, where somebody else's hand is in it."""
    detail: str = ""


class Word(StrEnum):
    """What was decided about all of a check's reactions."""

    SUSPENDED = "suspended"
    APPROVED = "approved"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckEvent:
    """Something that happened to all of a check's reactions."""

    check: str
    word: Word
    at: datetime
    by: str = ""
    detail: str = ""


Line = Entry | Event | CheckEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An entry with what became of it."""

    entry: Entry
    events: tuple[Event, ...] = ()

    @property
    def over(self) -> bool:
        """Whether nothing more can become of it here; a notice is the sweep's to deliver."""
        entry = self.entry
        if entry.verdict in (Verdict.WOULD, Verdict.NO) or self._has(*_OVER):
            return True
        if entry.kind is Kind.NOTIFY:
            return not self._must_wait
        return self.carried_out is not None and not _lasts(entry.kind)

    @property
    def waiting(self) -> bool:
        """Whether it waits for room, for a person, or for another check."""
        return self._must_wait and not self.over

    @property
    def approved(self) -> bool:
        """Whether a person wants it although its check is suspected."""
        return self._has(What.APPROVED)

    @property
    def unfinished(self) -> bool:
        """Whether it is to be done and was not seen done."""
        return not self.over and not self.waiting and self.carried_out is None

    @property
    def carried_out(self) -> Event | None:
        """How it was done; what slurmctld forgot was not."""
        done = None
        for event in self.events:
            if event.what is What.FORGOTTEN:
                done = None
            elif event.what in _CARRIED_OUT and done is None:
                done = event
        return done

    @property
    def kept(self) -> bool:
        """Whether slurmctld cannot have forgotten it."""
        return self._has(What.KEPT)

    @property
    def stands(self) -> bool:
        """Whether it was done, can be undone, and was not."""
        return not self.over and self.carried_out is not None

    @property
    def holds(self) -> bool:
        """Whether it is what keeps the node from its users."""
        done = self.carried_out
        return self.stands and self.entry.kind.takes and done is not None and done.what is What.DONE

    @property
    def told_from(self) -> datetime | None:
        """Since when somebody is to be told of it; None where nobody is, or not yet."""
        entry = self.entry
        mute = entry.kind is not Kind.NOTIFY or entry.verdict in (Verdict.WOULD, Verdict.NO)
        if mute or self._has(*_OVER):
            return None
        if entry.verdict is Verdict.DO:
            return entry.at
        return next((event.at for event in self.events if event.what is What.ALLOWED), None)

    @property
    def _must_wait(self) -> bool:
        return self.entry.verdict is Verdict.WAIT and not self._has(What.ALLOWED, *_CARRIED_OUT)

    def _has(self, *what: What) -> bool:
        return any(event.what in what for event in self.events)


def _lasts(kind: Kind) -> bool:
    return kind in (Kind.DRAIN, Kind.COMMENT, Kind.RESERVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """All that the journal says, at one moment."""

    items: Mapping[str, Item] = field(default_factory=dict)
    checks: Mapping[str, CheckEvent] = field(default_factory=dict)
    """The latest word on each check that anything was ever decided about."""

    def suspended(self, check: str) -> CheckEvent | None:
        """Return since when and why reactions of *check* wait for a person, or None."""
        return _suspended(self.checks, check)

    def on_node(self, node: str) -> list[Item]:
        """Return what is not over on *node*, the oldest first."""
        return [item for item in self.items.values() if item.entry.node == node and not item.over]

    @property
    def holds(self) -> list[Item]:
        """Everything that keeps a node from its users."""
        return [item for item in self.items.values() if item.holds]

    @property
    def waiting(self) -> list[Item]:
        """Everything that waits."""
        return [item for item in self.items.values() if item.waiting]

    @property
    def unfinished(self) -> list[Item]:
        """Everything that is to be done and was not seen done."""
        return [item for item in self.items.values() if item.unfinished]

    def failing(self, check: str, *, since: datetime, oldest: timedelta) -> set[str]:
        """Return the nodes on which *check* failed, as told from *since* on.

        A person's word on the check's reactions begins the count anew. What was older than
        *oldest* when it was told says nothing of its time.
        """
        word = self.checks.get(check)
        anew = word.at if word is not None and word.word is not Word.SUSPENDED else None
        return {
            item.entry.node
            for item in self.items.values()
            if item.entry.check == check
            and item.entry.against
            and item.entry.at >= since
            and (anew is None or item.entry.at > anew)
            and item.entry.judged_at >= item.entry.at - oldest
        }

    def taken(self, *, since: datetime) -> set[str]:
        """Return the nodes that we took from their users from *since* on."""
        return {
            item.entry.node
            for item in self.items.values()
            if item.entry.kind.takes
            and any(event.what is What.DONE and event.at >= since for event in item.events)
        }


class Draft:
    """A book that is being written, with an index; `fold` in single steps."""

    def __init__(self, book: Book | None = None) -> None:
        self._items: dict[str, Item] = {}
        self._checks = dict(book.checks) if book else {}
        self._on_node: dict[str, list[str]] = {}
        for item in book.items.values() if book else ():
            self._put(item)

    @property
    def book(self) -> Book:
        """What was written so far."""
        return Book(items=dict(self._items), checks=dict(self._checks))

    def add(self, line: Line) -> None:
        """Count *line*; an entry or event that is there already changes nothing."""
        match line:
            case Entry():
                if line.id not in self._items:
                    self._put(Item(entry=line))
            case Event():
                item = self._items.get(line.entry)
                if item is not None and line not in item.events:
                    self._items[line.entry] = replace(item, events=(*item.events, line))
            case CheckEvent():
                self._checks[line.check] = line

    def item(self, entry: str) -> Item | None:
        """Return the entry of that id with what became of it, or None."""
        return self._items.get(entry)

    def on_node(self, node: str) -> list[Item]:
        """Return everything ever decided about *node*, the oldest first."""
        return [self._items[entry] for entry in self._on_node.get(node, ())]

    def suspended(self, check: str) -> CheckEvent | None:
        """Return since when and why reactions of *check* wait for a person, or None."""
        return _suspended(self._checks, check)

    def _put(self, item: Item) -> None:
        self._items[item.entry.id] = item
        self._on_node.setdefault(item.entry.node, []).append(item.entry.id)


def _suspended(checks: Mapping[str, CheckEvent], check: str) -> CheckEvent | None:
    word = checks.get(check)
    return word if word is not None and word.word is Word.SUSPENDED else None


def fold(lines: Iterable[Line], book: Book | None = None) -> Book:
    """Return *book* (or an empty one) with *lines* counted in order.

    An entry or event that is there twice, wherever, is counted once. Of the words on a
    check the last one in order counts, whatever the clock said.
    """
    draft = Draft(book)
    for line in lines:
        draft.add(line)
    return draft.book


def carried(book: Book, *, since: datetime) -> list[Line]:
    """Return the lines that say of *book* what still matters.

    That is all that is not over, what that would undo, all that began or happened from
    *since* on, and the word on each check.
    """
    items = book.items.values()
    open_ = {item.entry.id for item in items if not item.over}
    open_ |= {book.items[entry].entry.target for entry in open_}
    found: list[Line] = []
    for item in items:
        times = (item.entry.at, *(event.at for event in item.events))
        if item.entry.id in open_ or max(times) >= since:
            found.extend((item.entry, *item.events))
    return [*found, *book.checks.values()]


def entry_id(result_id: str, kind: Kind, target: str = "") -> str:
    """Return the id of the reaction *kind* to a result: the same whenever it is decided."""
    name = json.dumps((result_id, kind.value, target))
    return uuid.uuid5(_NAMESPACE, name).hex[:16]


_NAMESPACE = uuid.UUID("0b1f4f0a-7c5c-5f0e-9f3b-7a2f8f2f6f11")
