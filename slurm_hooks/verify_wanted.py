"""Which nodes are to be verified, and why: by command, by a marker, by age. Pure."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from slurm_hooks.journal import Book, Entry, Verdict, What, entry_id
from slurm_hooks.outcome import Outcome
from slurm_hooks.reaction import Kind
from slurm_hooks.slurm_text import Node, Reservation
from slurm_hooks.verified import (
    CHECK,
    LONGEST,
    is_down,
    is_drained,
    reservation,
    under_verification,
    verdict,
)


class Cause(StrEnum):
    """Who wants a node verified."""

    COMMAND = "command"
    MARKER = "marker"
    """Whoever wrote the marker into its reason."""
    QUARANTINE = "quarantine"
    """The settings: our own hold is old enough."""
    LEFTOVER = "leftover"
    """Our reservation of it, there again after the verification was over."""


def soon_reserved(reservations: Sequence[Reservation], *, now: datetime) -> dict[str, set[str]]:
    """Return the reservations of each node that are in force before a verification must end."""
    found: dict[str, set[str]] = {}
    for one in reservations:
        if one.starts_at is None or one.starts_at <= now + LONGEST:
            for node in one.nodes:
                found.setdefault(node, set()).add(one.name)
    return found


def why_not(node: Node, reservations: Collection[str], book: Book) -> str:
    """Return why *node*, which is in *reservations*, cannot be verified; empty where it can.

    In somebody else's reservation its users' jobs could start, since ours may overlap theirs.
    """
    if is_down(node):
        return f"it is {node.state}: no visit could start there"
    here = [item for item in book.on_node(node.name) if item.entry.kind is Kind.RESERVE]
    ours = {item.entry.text for item in here if item.holds} | {reservation(node.name)}
    others = sorted(set(reservations) - ours)
    if others:
        return f"it is in reservation {', '.join(others)}, whose jobs could start there"
    if not is_drained(node) and not ours & set(reservations):
        return "it is in service"
    return ""


def requested(node: Node, *, cause: Cause, key: object, why: str, now: datetime) -> Entry:
    """Return what is written down where *node* is to be verified; the same for the same *key*."""
    name = json.dumps((node.name, cause.value, key))
    return Entry(
        id=entry_id(name, Kind.VERIFY),
        at=now,
        kind=Kind.VERIFY,
        node=node.name,
        check=CHECK,
        result_id="",
        batch="",
        outcome=Outcome.NOT_STARTED,
        judged_at=now,
        detail=node.reason,
        prefix=cause.value,
        verdict=Verdict.DO,
        why=why,
        text=reservation(node.name),
        held_by=node.reason_user,
    )


def wanted_by_command(
    book: Book,
    nodes: Sequence[Node],
    reserved: Mapping[str, Collection[str]],
    *,
    by: str,
    now: datetime,
) -> tuple[list[Entry], dict[str, str]]:
    """Return the verifications of *nodes* that *by* asks for, and why others cannot be.

    *reserved* names the reservations that each node is in.
    """
    found, refused = [], {}
    for node in nodes:
        why = why_not(node, reserved.get(node.name, ()), book)
        if node.name in under_verification(book):
            why = "it is being verified already"
        if why:
            refused[node.name] = why
        else:
            said, key = f"{by} asked for it", now.isoformat()
            found.append(requested(node, cause=Cause.COMMAND, key=key, why=said, now=now))
    return found, refused


def wanted_by_marker(
    book: Book, nodes: Sequence[Node], marker: str, *, now: datetime
) -> list[Entry]:
    """Return the verifications that reasons ask for: each reason, as it was set, asks once.

    Not one of ours, which says what a program printed.
    """
    ours = {item.entry.text for item in book.items.values()}
    found = []
    for node in nodes if marker else ():
        if marker in node.reason and node.reason not in ours and is_drained(node):
            key = (node.reason, node.reason_at.isoformat() if node.reason_at else "")
            why = f"{node.reason_user or 'somebody'} wrote {marker} into its reason"
            found.append(requested(node, cause=Cause.MARKER, key=key, why=why, now=now))
    busy = under_verification(book)
    return [one for one in found if one.id not in book.items and one.node not in busy]


def wanted_by_age(
    book: Book, nodes: Sequence[Node], after: timedelta, *, now: datetime
) -> list[Entry]:
    """Return the verifications of nodes that we drained *after* ago; 0 wants none.

    After each that failed the next waits twice as long, but never more than a day, or *after*.
    """
    by_name = {node.name: node for node in nodes}
    busy, found = under_verification(book), []
    for item in book.holds if after else ():
        node, done = by_name.get(item.entry.node), item.carried_out
        if node is None or done is None or node.name in busy or item.entry.kind is not Kind.DRAIN:
            continue
        if not is_drained(node) or is_down(node) or node.reason != item.entry.text:
            continue
        earlier = _earlier(book, node.name)
        since = max([done.at, *(one.last_at for one in earlier)])
        wait = min(after * 2 ** min(_failures(earlier), 20), max(after, timedelta(days=1)))
        if now >= since + wait:
            key = (item.entry.id, len(earlier))
            why = f"held by us for {item.entry.check} since {done.at:%Y-%m-%dT%H:%MZ}"
            found.append(requested(node, cause=Cause.QUARANTINE, key=key, why=why, now=now))
    return found


def wanted_by_leftover(
    book: Book,
    nodes: Sequence[Node],
    reservations: Sequence[Reservation],
    *,
    user: str,
    now: datetime,
) -> list[Entry]:
    """Return the verifications of nodes whose reservation came back after it was removed.

    A slurmctld that is killed forgets its last seconds, and what the node was then may be
    gone as well; nobody else would ever remove the reservation.
    """
    by_name = {node.name: node for node in nodes}
    busy, found = under_verification(book), []
    for one in reservations:
        node = by_name.get(one.nodes[0]) if len(one.nodes) == 1 else None
        if node is None or node.name in busy or one.users != (user,):
            continue
        earlier = _earlier(book, node.name)
        if one.name == reservation(node.name) and earlier:
            why, key = f"reservation {one.name} came back", (one.name, len(earlier))
            found.append(requested(node, cause=Cause.LEFTOVER, key=key, why=why, now=now))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Past:
    """A verification that was over, or not begun."""

    cause: str
    ended: What | None
    last_at: datetime


def _earlier(book: Book, node: str) -> list[_Past]:
    found = []
    for item in book.items.values():
        entry = item.entry
        if (entry.kind, entry.node, entry.verdict) == (Kind.VERIFY, node, Verdict.DO):
            said = verdict(item)
            last_at = max([entry.at, *(event.at for event in item.events)])
            ended = said.what if said else None
            found.append(_Past(cause=entry.prefix, ended=ended, last_at=last_at))
    return found


def _failures(earlier: Sequence[_Past]) -> int:
    """Return how often in a row it failed by itself; a return to service begins the count anew."""
    passed = [number for number, one in enumerate(earlier) if one.ended is What.PASSED]
    since = earlier[passed[-1] + 1 :] if passed else earlier
    return sum(one.ended is What.FAILED and one.cause == Cause.QUARANTINE for one in since)


def in_shadow(entries: Sequence[Entry]) -> list[Entry]:
    """Return *entries* as decided and not to be done."""
    return [replace(entry, verdict=Verdict.WOULD, why=f"shadow: {entry.why}") for entry in entries]
