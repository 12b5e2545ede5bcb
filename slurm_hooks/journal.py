"""The journal of reactions: what was decided, and what became of it. Append-only; folded purely.

A decision is written down before anything is done about it, and that it was done after it
was read back. So whatever dies in between, the next pass finds what is unfinished.
"""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from slurm_hooks.decode import DecodeError, decode, encode
from slurm_hooks.errors import RecordError
from slurm_hooks.reaction import Kind
from slurm_hooks.record import Outcome

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
    DONE = "done"
    """Slurm was told, and was seen to have taken it."""
    JOINED = "joined"
    """The node is held by us already; our text is in its comment."""
    NOTED = "noted"
    """The node is held by somebody else; our text is in its comment."""
    UNDONE = "undone"
    """We undid it."""
    LOST = "lost"
    """Somebody else undid or changed it."""
    SUPERSEDED = "superseded"
    """A later result, or a contradiction, took its place before it was done."""
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
_OVER = (What.UNDONE, What.LOST, What.SUPERSEDED, What.DISCARDED)


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

_KINDS: Mapping[str, type[Line]] = {"entry": Entry, "event": Event, "check": CheckEvent}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An entry with what became of it."""

    entry: Entry
    events: tuple[Event, ...] = ()

    @property
    def over(self) -> bool:
        """Whether nothing more can become of it."""
        if self.entry.verdict in (Verdict.WOULD, Verdict.NO):
            return True
        if any(event.what in _OVER for event in self.events):
            return True
        return self.carried_out is not None and not _lasts(self.entry.kind)

    @property
    def waiting(self) -> bool:
        """Whether it waits for room, or for a person."""
        allowed = any(event.what is What.ALLOWED for event in self.events)
        return not self.over and self.entry.verdict is Verdict.WAIT and not allowed

    @property
    def unfinished(self) -> bool:
        """Whether it is to be done and was not seen done; a notice is not ours to deliver."""
        if self.entry.kind is Kind.NOTIFY:
            return False
        return not self.over and not self.waiting and self.carried_out is None

    @property
    def carried_out(self) -> Event | None:
        """How it was done."""
        return next((event for event in self.events if event.what in _CARRIED_OUT), None)

    @property
    def stands(self) -> bool:
        """Whether it was done, can be undone, and was not."""
        return not self.over and self.carried_out is not None

    @property
    def holds(self) -> bool:
        """Whether it is what keeps the node from its users."""
        done = self.carried_out
        return self.stands and self.entry.kind.takes and done is not None and done.what is What.DONE


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
        word = self.checks.get(check)
        return word if word is not None and word.word is Word.SUSPENDED else None

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

    def failing(self, check: str, *, since: datetime) -> set[str]:
        """Return the nodes on which *check* failed from *since* on.

        A person's word on the check's reactions begins the count anew.
        """
        word = self.checks.get(check)
        if word is not None and word.word is not Word.SUSPENDED:
            since = max(since, word.at)
        return {
            item.entry.node
            for item in self.items.values()
            if item.entry.check == check
            and item.entry.at >= since
            and item.entry.outcome is not Outcome.PASS
        }

    def taken(self, *, since: datetime) -> set[str]:
        """Return the nodes that we took from their users from *since* on."""
        return {
            item.entry.node
            for item in self.items.values()
            if item.entry.kind.takes
            and any(event.what is What.DONE and event.at >= since for event in item.events)
        }


def fold(lines: Iterable[Line], book: Book | None = None) -> Book:
    """Return *book* (or an empty one) with *lines* counted in order.

    A line that is there twice, as after a crash, is counted once.
    """
    items = dict(book.items) if book else {}
    checks = dict(book.checks) if book else {}
    for line in lines:
        match line:
            case Entry():
                items.setdefault(line.id, Item(entry=line))
            case Event():
                item = items.get(line.entry)
                if item is not None and line not in item.events:
                    items[line.entry] = replace(item, events=(*item.events, line))
            case CheckEvent():
                checks[line.check] = line
    return Book(items=items, checks=checks)


def carried(book: Book, *, since: datetime) -> list[Line]:
    """Return the lines that say of *book* what still matters.

    That is all that is not over, all that began or happened after *since*, and the word
    on each check.
    """
    found: list[Line] = []
    for item in book.items.values():
        times = (item.entry.at, *(event.at for event in item.events))
        if not item.over or max(times) >= since:
            found.extend((item.entry, *item.events))
    return [*found, *book.checks.values()]


def entry_id(result_id: str, kind: Kind, target: str = "") -> str:
    """Return the id of the reaction *kind* to a result: the same whenever it is decided."""
    name = json.dumps((result_id, kind.value, target))
    return uuid.uuid5(_NAMESPACE, name).hex[:16]


_NAMESPACE = uuid.UUID("0b1f4f0a-7c5c-5f0e-9f3b-7a2f8f2f6f11")


def dump(lines: Sequence[Line]) -> bytes:
    """Return *lines* as JSON, one each."""
    names = {kind: name for name, kind in _KINDS.items()}
    return b"".join(
        json.dumps({names[type(line)]: encode(line)}).encode() + b"\n" for line in lines
    )


def load(data: bytes) -> list[Line]:
    """Return the lines in *data*; what follows the last line end was never finished.

    Raises:
        RecordError: a finished line is no line of ours; the message has its number.
    """
    found: list[Line] = []
    for number, text in enumerate(data.split(b"\n")[:-1], start=1):
        if not text.strip():
            continue
        try:
            found.append(_line(json.loads(text.decode())))
        except (ValueError, RecursionError, DecodeError) as error:
            raise RecordError(f"line {number}: {error}") from error
    return found


def _line(value: object) -> Line:
    if not isinstance(value, dict) or len(value) != 1:
        raise DecodeError("not one entry, event or check")
    name, content = next(iter(value.items()))
    if name not in _KINDS:
        raise DecodeError(f"unknown kind of line {name!r}")
    return decode(_KINDS[name], content)
