"""What became of reactions, in a word and a reason; and which of them are asked for. Pure."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from analytics.fields import local_time
from analytics.natural import natural
from slurm_hooks.duration import format_duration
from slurm_hooks.journal import Book, Event, Item, Verdict, What
from slurm_hooks.reaction import Kind

PENDING = "pending"
"""Decided, and not seen done."""
WAITING = "waiting"
HANDED = "handed"
"""A notice, which the sweep delivers."""

_LET_GO = (What.ALLOWED, What.APPROVED)
_CARRIED_OUT = (What.DONE, What.JOINED, What.NOTED)
_BETWEEN = (What.KEPT, What.FORGOTTEN, What.READY)
_ENDED = tuple(what for what in What if what not in (*_LET_GO, *_CARRIED_OUT, *_BETWEEN))

STATES: Sequence[str] = (
    PENDING,
    WAITING,
    HANDED,
    Verdict.WOULD.value,
    Verdict.NO.value,
    What.READY.value,
    *(what.value for what in (*_CARRIED_OUT, *_ENDED)),
)

_SAID = {What.JOINED: "held by us already", What.NOTED: "held by somebody else"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedReactions:
    """Which reactions; an empty tuple means all."""

    since: datetime
    until: datetime
    open_too: bool = True
    """Also what still stands, waits or is to be done, whatever its age."""
    nodes: Collection[str] = ()
    checks: Collection[str] = ()
    states: Collection[str] = ()
    newest_first: bool = False


def reactions(book: Book, wanted: WantedReactions) -> list[Item]:
    """Return what was decided, or changed, in the window; in the order of the decisions."""
    found = [item for item in book.items.values() if _is_wanted(item, wanted)]
    return sorted(found, key=_order, reverse=wanted.newest_first)


def state_of(item: Item) -> str:
    """Return what became of *item*, in one word of STATES."""
    if item.entry.verdict in (Verdict.WOULD, Verdict.NO):
        return item.entry.verdict.value
    event = ended(item) or item.carried_out
    if event is not None:
        return event.what.value
    if item.waiting:
        return WAITING
    if any(event.what is What.READY for event in item.events):
        return What.READY.value
    return HANDED if item.entry.kind is Kind.NOTIFY else PENDING


def ended(item: Item) -> Event | None:
    """Return how it was undone, lost or given up; None where it was not."""
    return next((event for event in item.events if event.what in _ENDED), None)


def why(item: Item) -> str:
    """Return why it is in its state, where anything is to be said of that."""
    end, done = ended(item), item.carried_out
    if end is not None:
        after = f"after {format_duration(end.at - item.entry.at)}"
        return ": ".join(filter(None, [f"{after} by {end.by}" if end.by else after, end.detail]))
    by = next((one.by for one in item.events if one.what in _LET_GO and one.by), "")
    waited = done is not None and item.entry.verdict is Verdict.WAIT
    parts = [
        _SAID.get(done.what, "") if done else "",
        f"approved by {by}" if by else "",
        "" if waited else item.entry.why.removeprefix(f"{item.entry.check} "),
    ]
    return "; ".join(filter(None, parts))


def suspicions(book: Book, checks: Collection[str] | None = None) -> Iterator[str]:
    """Yield two lines on each of *checks* (None: of all) whose reactions wait for a person."""
    for check in sorted(book.checks):
        word = book.suspended(check)
        if word is None or (checks is not None and check not in checks):
            continue
        waiting = sum(item.entry.check == check for item in book.waiting)
        said = word.detail.removeprefix(f"{check} ")
        yield (
            f"{check}: suspended since {local_time(word.at)}: {said}\n"
            f"  {waiting:,} waiting; decide: cluster-doctor reactions approve {check} (or discard)"
        )


def summary(items: Iterable[Item]) -> str:
    """Return how many reactions are in which state."""
    states = [state_of(item) for item in items]
    parts = [f"{states.count(one):,} {one}" for one in STATES if one in states]
    counted = f"{len(states):,} {'reaction' if len(states) == 1 else 'reactions'}"
    return f"{counted}: {', '.join(parts)}" if parts else counted


def _is_wanted(item: Item, wanted: WantedReactions) -> bool:
    entry = item.entry
    is_open = wanted.open_too and (item.stands or item.waiting or item.unfinished)
    times = (entry.at, *(event.at for event in item.events))
    return (
        (is_open or any(wanted.since <= time <= wanted.until for time in times))
        and (not wanted.nodes or entry.node in wanted.nodes)
        and (not wanted.checks or entry.check in wanted.checks)
        and (not wanted.states or state_of(item) in wanted.states)
    )


def _order(item: Item) -> tuple[datetime, list[tuple[int, str]], str, str]:
    entry = item.entry
    return entry.at, natural(entry.node), entry.check, entry.id
