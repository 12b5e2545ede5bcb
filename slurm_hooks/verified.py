"""How far the verification of a node is, and what is written down about it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from slurm_hooks.batch import Batch
from slurm_hooks.case import condemns
from slurm_hooks.journal import Book, Entry, Event, Item, Verdict, What, entry_id
from slurm_hooks.node_text import safe_text
from slurm_hooks.reaction import Kind
from slurm_hooks.reason import written
from slurm_hooks.record import Outcome, Record
from slurm_hooks.slurm_text import Node

LONGEST = timedelta(days=1)
"""A node that no visit could judge for so long is drained again."""

TRIES = 3
"""So many visits may fail to judge it."""

CHECK = "verification"
"""What stands in the journal where other entries name a check."""

UNJUDGED = "not verified"
"""The same, of a drain that no check asked for; no check can be called so."""

PREFIX = "cluster-doctor"
_GOOD = (Outcome.PASS, Outcome.WARN)
_VERDICTS = (What.PASSED, What.FAILED, What.ABORTED)
_DOWN = {"DOWN", "ERROR", "FAIL", "FAILING", "UNKNOWN"}
_OLD_REASON = 60
_PLAIN = str.maketrans("[]|", "()/")


class Standing(StrEnum):
    """How far the visits are."""

    RUNNING = "running"
    AGAIN = "again"
    """What is left needs a visit that nobody has planned."""
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visited:
    """One batch of a verification: it visits one node."""

    batch: Batch
    records: Mapping[str, Record]
    """By check the one that counts, where it has an outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the visits came to."""

    standing: Standing
    left: tuple[str, ...] = ()
    """The checks that still must pass; empty where no visit was planned yet, too."""
    record: Record | None = None
    """The fail, where there is one."""
    why: str = ""


def judge(visits: Sequence[Visited]) -> Judged:
    """Return what *visits* of one verification, the oldest first, say of their node.

    Every check must pass, or warn, in the latest visit that ran it. What could not judge is
    repeated in further visits, three in all. A visit is waited for to its end, also where it has
    failed already: a reservation in which a job runs cannot be removed.
    """
    if any(check not in visit.records for visit in visits for check in _checks(visit)):
        return Judged(standing=Standing.RUNNING)
    latest: dict[str, Record] = {}
    for visit in visits:
        latest.update(visit.records)
    for visit in visits:
        for record in visit.records.values():
            if _condemns(visit, record):
                return Judged(standing=Standing.FAILED, record=record)
    wanted = visits[-1].batch.verifying.checks if visits and visits[-1].batch.verifying else ()
    left = tuple(one for one in wanted if one not in latest or latest[one].outcome not in _GOOD)
    if wanted and not left:
        return Judged(standing=Standing.PASSED)
    unjudged = [visit for visit in visits if not all(map(_is_good, visit.records.values()))]
    if len(unjudged) >= TRIES:
        said = [
            f"{one} ended {latest[one].outcome}: {latest[one].detail}"
            for one in left
            if one in latest
        ]
        why = said[0] if said else f"{left[0]} was never run"
        return Judged(standing=Standing.FAILED, left=left, why=why)
    return Judged(standing=Standing.AGAIN, left=left)


def _checks(visit: Visited) -> Sequence[str]:
    return [check for one in visit.batch.visits for check in one.checks]


def _condemns(visit: Visited, record: Record) -> bool:
    reacting = visit.batch.program(record.check).reacting
    return condemns(record.outcome or Outcome.ERROR, reacting)


def _is_good(record: Record) -> bool:
    return record.outcome in _GOOD


def verifications(book: Book) -> list[Item]:
    """Return every verification that is not over, the oldest first."""
    return [
        item for item in book.items.values() if item.entry.kind is Kind.VERIFY and not item.over
    ]


def under_verification(book: Book) -> set[str]:
    """Return the nodes that a verification holds, or is about to."""
    return {item.entry.node for item in verifications(book)}


def ready_at(item: Item) -> datetime | None:
    """Return since when the node may be visited; None where it may not yet."""
    return next((event.at for event in item.events if event.what is What.READY), None)


def verdict(item: Item) -> Event | None:
    """Return how the verification ended, if it has; what follows from that may not be done yet."""
    return next((event for event in item.events if event.what in _VERDICTS), None)


def reservation(node: str) -> str:
    """Return the name of the reservation in which *node* is verified."""
    return f"{PREFIX}-verify-{node}"


def is_drained(node: Node) -> bool:
    """Whether somebody said that no job may start on *node*, be it DOWN besides or not."""
    return bool(node.flags & {"DRAIN", "FAIL"})


def is_down(node: Node) -> bool:
    """Whether no job could start on *node*, whatever anybody says."""
    return node.state in _DOWN


def held_again(item: Item, judged: Judged, book: Book, *, marker: str, now: datetime) -> Entry:
    """Return the drain of a node whose verification failed.

    A fail becomes its reason. Where nothing could be judged it gets the old one again,
    with why, and without the marker: that asks once.
    """
    entry, record = item.entry, judged.record
    number = sum(one.entry.target == entry.id for one in book.items.values())
    held = Entry(
        id=entry_id(entry.id, Kind.DRAIN, str(number)),
        at=now,
        kind=Kind.DRAIN,
        node=entry.node,
        check=record.check if record else UNJUDGED,
        result_id=str(record.result_id) if record else "",
        batch=record.batch if record else "",
        outcome=record.outcome or Outcome.ERROR if record else Outcome.ERROR,
        judged_at=record.finished_at if record else now,
        detail=record.detail if record else judged.why,
        prefix=_prefix(record.check, entry.node, book) if record else old_reason(entry, marker),
        verdict=Verdict.DO,
        target=entry.id,
    )
    return written(held, Verdict.DO, "its verification failed")


def _prefix(check: str, node: str, book: Book) -> str:
    known = (item.entry for item in book.on_node(node) if item.entry.kind is Kind.DRAIN)
    return next((one.prefix for one in known if one.check == check), PREFIX)


def old_reason(entry: Entry, marker: str) -> str:
    """Return the beginning of the reason that the node had, and whose it was."""
    text = entry.detail.replace(marker, "") if marker else entry.detail
    text = safe_text(text.split(f": {UNJUDGED}:")[0].translate(_PLAIN), _OLD_REASON)
    return f"{text} ({entry.held_by})" if text and entry.held_by else text or PREFIX
