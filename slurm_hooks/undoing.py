"""What a pass, or a contradiction, returns of what was done to a node. Pure."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from slurm_hooks.case import Case, Latest, draft_entry, stamp_of
from slurm_hooks.journal import Draft, Entry, Event, Item, Verdict, What
from slurm_hooks.reaction import Kind, Reaction
from slurm_hooks.reason import written

_UNDO = {Kind.DRAIN: Kind.UNDRAIN, Kind.COMMENT: Kind.UNCOMMENT, Kind.RESERVE: Kind.UNRESERVE}


def in_favour(
    case: Case, draft: Draft, latest: Latest, *, shadow: bool, now: datetime
) -> Iterator[Entry]:
    """Yield the reactions to a pass: what it undoes on the node, and what it says there.

    It undoes what its own check did because of an earlier result; a reservation, whatever
    check names its prefix, so that a thorough check may return what a quick one took. In its
    probation a check returns nothing but its own, and says nothing but a comment.
    """
    for reaction in case.reacting.on_pass:
        if _worth_saying(reaction.kind, case, draft):
            entry = draft_entry(case, reaction, now=now)
            yield written(entry, Verdict.WOULD if shadow else Verdict.DO, _because(shadow))
    wanted = _undoings(case)
    found = [
        (reaction, item.entry)
        for item in draft.on_node(case.record.node)
        if (item.stands or item.unfinished) and not is_being_undone(item.entry, draft)
        for reaction in wanted
        if reaction.kind.undoes is item.entry.kind
        and _may_undo(case, reaction, item.entry, latest, now=now)
    ]
    targets = {entry.id for _, entry in found}
    for reaction, target in found:
        entry = draft_entry(case, reaction, now=now, target=target.id)
        yield _judged(entry, draft, targets, shadow=shadow)


def withdrawn(case: Case, draft: Draft, *, shadow: bool, now: datetime) -> Iterator[Entry]:
    """Yield the undoing of what was done on a word that is contradicted.

    What stands for a later fail as well stays. The reactions that the word would still have
    had, were it told again, are written down as not to be done.
    """
    here = draft.on_node(case.record.node)
    stand_for_others = {item.entry.target for item in here if item.entry.verdict is Verdict.NO}
    for item in here:
        target = item.entry
        if target.result_id != case.result_id or target.id in stand_for_others:
            continue
        if target.kind in _UNDO and (item.stands or item.unfinished):
            reaction = Reaction(kind=_UNDO[target.kind], prefix=target.prefix)
            entry = draft_entry(case, reaction, now=now, target=target.id)
            yield _judged(entry, draft, {target.id}, shadow=shadow, why=case.record.detail)
    for reaction in case.reacting.on_fail:
        entry = draft_entry(case, reaction, now=now)
        if draft.item(entry.id) is None:
            yield replace(entry, verdict=Verdict.NO, why=case.record.detail)


def ready(item: Item, draft: Draft, *, now: datetime) -> Event | None:
    """Return that a waiting undoing need not wait any more, or has nothing left to undo."""
    entry, target = item.entry, draft.item(item.entry.target)
    if target is None or target.over:
        detail = "what it would undo is gone"
        return Event(entry=entry.id, what=What.SUPERSEDED, at=now, detail=detail)
    if is_being_undone(target.entry, draft) or _why_wait(entry, draft, {entry.target}):
        return None
    return Event(entry=entry.id, what=What.ALLOWED, at=now)


def is_being_undone(target: Entry, draft: Draft) -> bool:
    """Whether *target* is about to be undone."""
    return any(undo.entry.target == target.id for undo in _under_way(target.node, draft))


def is_being_returned(node: str, draft: Draft) -> bool:
    """Whether *node* is about to return to service."""
    return any(undo.entry.kind is not Kind.UNCOMMENT for undo in _under_way(node, draft))


def _under_way(node: str, draft: Draft) -> Iterator[Item]:
    return (item for item in draft.on_node(node) if item.entry.kind.undoes and item.unfinished)


def _undoings(case: Case) -> Sequence[Reaction]:
    """Return what the case's check undoes.

    Where it returns nodes and comments on none, a comment of its own is one that stood in
    for the real thing during its probation: that goes as well.
    """
    found = [one for one in case.reacting.on_pass if one.kind.undoes is not None]
    kinds = {one.kind for one in (*found, *case.reacting.on_fail)}
    if found and not kinds & {Kind.COMMENT, Kind.UNCOMMENT}:
        found.append(Reaction(kind=Kind.UNCOMMENT))
    return found


def _may_undo(
    case: Case, reaction: Reaction, target: Entry, latest: Latest, *, now: datetime
) -> bool:
    if not target.against or stamp_of(target) >= case.stamp(now):
        return False
    if target.check == case.record.check:
        return reaction.kind is not Kind.UNRESERVE or reaction.prefix == target.prefix
    return (
        reaction.kind is Kind.UNRESERVE
        and reaction.prefix == target.prefix
        and not case.reacting.probation
        and not latest.condemned_since(target.check, case)
    )


def _judged(
    entry: Entry, draft: Draft, targets: Collection[str], *, shadow: bool, why: str = ""
) -> Entry:
    if shadow:
        return written(entry, Verdict.WOULD, _because(shadow))
    wait = _why_wait(entry, draft, targets)
    return written(entry, Verdict.WAIT if wait else Verdict.DO, wait or why)


def _why_wait(undo: Entry, draft: Draft, targets: Collection[str]) -> str:
    """Return what is still against *undo*, which comes with that of all *targets*."""
    target = draft.item(undo.target)
    if target is not None and target.unfinished:
        return "what it undoes was not seen done yet"
    if undo.kind is Kind.UNCOMMENT:
        return ""
    here = [item for item in draft.on_node(undo.node) if not item.over]
    resolved = {item.entry.target for item in here if item.entry.kind.undoes} | set(targets)
    others = {
        item.entry.check
        for item in here
        if item.entry.kind.takes
        and item.entry.id not in resolved
        and item.entry.check != undo.check
    }
    return f"{', '.join(sorted(others))} still speaks against the node" if others else ""


def _worth_saying(kind: Kind, case: Case, draft: Draft) -> bool:
    """Whether a pass is told: not twice in a comment, and by nothing else in probation."""
    if kind is Kind.NOTIFY:
        return not case.reacting.probation
    return kind is Kind.COMMENT and not any(
        item.entry.kind is Kind.COMMENT
        and item.entry.check == case.record.check
        and not item.entry.against
        and (item.stands or item.unfinished)
        for item in draft.on_node(case.record.node)
    )


def _because(shadow: bool) -> str:
    return "shadow" if shadow else ""
