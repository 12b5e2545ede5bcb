"""Which reactions follow from which results, within the guard rails. Pure: values in, lines out."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from slurm_hooks.journal import (
    Book,
    CheckEvent,
    Entry,
    Event,
    Item,
    Line,
    Verdict,
    What,
    Word,
    entry_id,
    fold,
)
from slurm_hooks.reaction import Kind, Reacting, Reaction
from slurm_hooks.reason import written
from slurm_hooks.record import Evidence, Outcome, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A judged result that nobody has considered yet."""

    record: Record
    reacting: Reacting
    earlier: Sequence[Outcome] = ()
    """The judged results before it, the latest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rails:
    """How much may be done; numbers of nodes, shares already resolved."""

    shadow: bool = False
    """Whether everything is decided and nothing done."""
    held: int
    """Nodes held by us at once, in the cluster."""
    held_in: Mapping[str, int] = field(default_factory=dict)
    """The same for each partition."""
    taken: int
    """Nodes newly held within ``window``."""
    window: timedelta
    suspect: int
    """A check that fails on more nodes than this within ``suspect_window`` is suspected itself."""
    suspect_window: timedelta
    oldest: timedelta = timedelta(days=1)
    """A result older than this says nothing of its node any more."""


def decide(
    cases: Iterable[Case],
    book: Book,
    partitions: Mapping[str, Sequence[str]],
    rails: Rails,
    *,
    now: datetime,
) -> list[Line]:
    """Return what to write down about *cases*, and about what waits in *book*.

    *partitions* names those of each node. Only a fail takes a node: confirmed, of a check
    that is neither suspected nor in its probation, and with room under every cap. The
    oldest come first, so that the same input gives the same answer.
    """
    ordered = sorted(cases, key=lambda one: (one.record.finished_at, _id(one), one.record.node))
    suspicions = _suspicions(ordered, book, rails, now=now)
    lines: list[Line] = [*suspicions]
    book = fold(lines, book)
    room = _Room(book, partitions, rails, now=now)
    for item in _by_age(book.waiting):
        found: list[Line] = [*_look_again(item, book, room, now=now)]
        lines.extend(found)
        book = fold(found, book)
    for case in ordered:
        found = [*_superseded(case, book, now=now), *_entries(case, book, room, rails, now=now)]
        lines.extend(found)
        book = fold(found, book)
    for item in _by_age(book.waiting):  # what a pass here let go of
        if item.entry.kind.undoes is not None:
            lines.extend(_look_again(item, book, room, now=now))
    return lines


def condemns(outcome: Outcome, reacting: Reacting) -> bool:
    """Whether *outcome* speaks against the node: a fail, or a hang where the check says so."""
    return outcome is Outcome.FAIL or (outcome is Outcome.TIMEOUT and reacting.hang_condemns)


def unconfirmed(case: Case) -> str:
    """Return how many fails are still missing, as text; empty where none is."""
    wanted, of = case.reacting.confirm_fails, case.reacting.confirm_of
    judged = [Outcome.FAIL, *case.earlier][:of]
    fails = judged.count(Outcome.FAIL)
    return "" if fails >= wanted else f"{fails} of {wanted} fails that confirm it"


def _too_old(case: Case, rails: Rails, *, now: datetime) -> bool:
    return case.record.finished_at < now - rails.oldest


def _id(case: Case) -> str:
    return str(case.record.result_id)


def _by_age(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (item.entry.at, item.entry.id))


def _suspicions(
    cases: Sequence[Case], book: Book, rails: Rails, *, now: datetime
) -> Iterator[CheckEvent]:
    """Yield the checks that fail on so many nodes that they, or the fabric, are suspected."""
    failing: dict[str, set[str]] = {}
    for case in cases:
        reacts = case.reacting.on_fail and not (rails.shadow or case.reacting.shadow)
        if reacts and condemns(case.record.outcome or Outcome.ERROR, case.reacting):
            failing.setdefault(case.record.check, set()).add(case.record.node)
    for check in sorted(failing):
        nodes = failing[check] | book.failing(check, since=now - rails.suspect_window)
        if len(nodes) > rails.suspect and book.suspended(check) is None:
            yield CheckEvent(
                check=check,
                word=Word.SUSPENDED,
                at=now,
                detail=(
                    f"{check} failed on {len(nodes)} nodes, more than {rails.suspect}: "
                    "suspect the check or the fabric"
                ),
            )


class _Room:
    """How many nodes may still be taken; what is taken here counts at once."""

    def __init__(
        self, book: Book, partitions: Mapping[str, Sequence[str]], rails: Rails, *, now: datetime
    ) -> None:
        self._partitions, self._rails = partitions, rails
        pending = {item.entry.node for item in book.unfinished if item.entry.kind.takes}
        self._held = {item.entry.node for item in book.holds} | pending
        verified = {item.entry.node for item in book.unfinished if item.entry.kind is Kind.VERIFY}
        self._taken = book.taken(since=now - rails.window) | (pending - verified)
        self._held_in = Counter(name for node in self._held for name in partitions.get(node, ()))

    def why_not(self, node: str) -> str:
        """Return which cap keeps *node* from being taken; empty where none does."""
        rails = self._rails
        if node in self._held:
            return ""
        if len(self._held) >= rails.held:
            return f"{len(self._held)} nodes are held already, and no more than {rails.held} may be"
        if node not in self._taken and len(self._taken) >= rails.taken:
            return f"{len(self._taken)} nodes were taken lately, no more than {rails.taken} may be"
        for name in self._partitions.get(node, ()):
            most = rails.held_in.get(name)
            if most is not None and self._held_in[name] >= most:
                return f"{self._held_in[name]} nodes of {name} are held, no more than {most} may be"
        return ""

    def take(self, node: str) -> None:
        """Count *node* as taken."""
        if node not in self._held:
            self._held.add(node)
            self._held_in.update(self._partitions.get(node, ()))
        self._taken.add(node)


def _look_again(item: Item, book: Book, room: _Room, *, now: datetime) -> Iterator[Line]:
    """Yield that *item* need not wait any more, if so."""
    entry = item.entry
    if entry.kind.undoes is not None:
        if not _still_failing(entry, book):
            yield Event(entry=entry.id, what=What.ALLOWED, at=now)
        return
    if book.suspended(entry.check) is not None:
        return
    if entry.kind.takes:
        if room.why_not(entry.node):
            return
        room.take(entry.node)
    yield Event(entry=entry.id, what=What.ALLOWED, at=now)


def _superseded(case: Case, book: Book, *, now: datetime) -> Iterator[Event]:
    """Yield the end of what still waits because of earlier results of this check here."""
    record = case.record
    for item in book.on_node(record.node):
        entry = item.entry
        if not item.waiting or entry.check != record.check:
            continue
        if record.evidence is Evidence.CONFLICT:
            over = entry.result_id == _id(case)
        else:
            over = entry.judged_at < record.finished_at
        if over:
            detail = f"{record.outcome} at {record.finished_at:%Y-%m-%dT%H:%M:%SZ}"
            yield Event(entry=entry.id, what=What.SUPERSEDED, at=now, detail=detail)


def _entries(
    case: Case, book: Book, room: _Room, rails: Rails, *, now: datetime
) -> Iterator[Entry]:
    """Yield the reactions to *case* that the journal does not have."""
    outcome, reacting = case.record.outcome, case.reacting
    if case.record.evidence is Evidence.CONFLICT:
        found = _withdrawn(case, book, now=now)
    elif outcome is not None and condemns(outcome, reacting):
        found = _against(case, book, room, rails, now=now)
    elif outcome is Outcome.PASS:
        found = _in_favour(case, book, rails, now=now)
    else:
        return
    for entry in found:
        if entry.id not in book.items:
            yield entry


def _against(
    case: Case, book: Book, room: _Room, rails: Rails, *, now: datetime
) -> Iterator[Entry]:
    kinds = {reaction.kind for reaction in case.reacting.on_fail}
    for reaction in sorted(case.reacting.on_fail, key=lambda one: one.kind):
        kind, why = reaction.kind, ""
        if case.reacting.probation and kind is not Kind.COMMENT:
            if kind is Kind.NOTIFY or Kind.COMMENT in kinds:
                continue
            kinds.add(Kind.COMMENT)
            why, kind = f"{kind} is a comment while the check is in its probation", Kind.COMMENT
        entry = _entry(case, kind, reaction, now=now)
        if entry.id in book.items:
            continue
        verdict, because = _verdict(case, kind, book, room, rails, now=now)
        yield written(entry, verdict, because or why)


def _verdict(
    case: Case, kind: Kind, book: Book, room: _Room, rails: Rails, *, now: datetime
) -> tuple[Verdict, str]:
    node, check = case.record.node, case.record.check
    if missing := unconfirmed(case):
        return Verdict.NO, missing
    if _too_old(case, rails, now=now):
        return Verdict.NO, "the result came too late to act on"
    if any(
        item.entry.kind is kind and item.entry.check == check and (item.stands or item.unfinished)
        for item in book.on_node(node)
    ):
        return Verdict.NO, f"the {kind} for an earlier fail stands"
    if rails.shadow or case.reacting.shadow:
        return Verdict.WOULD, "shadow"
    word = book.suspended(check)
    if word is not None:
        return Verdict.WAIT, word.detail
    if kind.takes:
        full = room.why_not(node)
        if full:
            return Verdict.WAIT, full
        room.take(node)
    return Verdict.DO, ""


def _in_favour(case: Case, book: Book, rails: Rails, *, now: datetime) -> Iterator[Entry]:
    """Yield the undoing of what stands on the node because of this check."""
    if _too_old(case, rails, now=now):
        return
    for reaction in sorted(case.reacting.on_pass, key=lambda one: one.kind):
        undoes = reaction.kind.undoes
        if undoes is None:
            entry = _entry(case, reaction.kind, reaction, now=now)
            shadow = rails.shadow or case.reacting.shadow
            verdict, why = (Verdict.WOULD, "shadow") if shadow else (Verdict.DO, "")
            yield written(entry, verdict, why)
            continue
        for item in book.on_node(case.record.node):
            if item.stands and item.entry.kind is undoes and _undone_by(item.entry, case, reaction):
                entry = _entry(case, reaction.kind, reaction, now=now, target=item.entry)
                verdict, why = Verdict.DO, ""
                if rails.shadow or case.reacting.shadow:
                    verdict, why = Verdict.WOULD, "shadow"
                elif still := _still_failing(entry, book):
                    verdict, why = Verdict.WAIT, still
                yield written(entry, verdict, why)


def _withdrawn(case: Case, book: Book, *, now: datetime) -> Iterator[Entry]:
    """Yield the undoing of what stands on a word that Slurm contradicts."""
    undo = {Kind.DRAIN: Kind.UNDRAIN, Kind.COMMENT: Kind.UNCOMMENT, Kind.RESERVE: Kind.UNRESERVE}
    for item in book.on_node(case.record.node):
        entry = item.entry
        if entry.result_id == _id(case) and item.stands and entry.kind in undo:
            reaction = Reaction(kind=undo[entry.kind], prefix=entry.prefix)
            undoing = _entry(case, reaction.kind, reaction, now=now, target=entry)
            still = _still_failing(undoing, book)
            verdict = Verdict.WAIT if still else Verdict.DO
            yield written(undoing, verdict, still or case.record.detail)


def _undone_by(entry: Entry, case: Case, reaction: Reaction) -> bool:
    """Whether a pass of the case's check may undo *entry*.

    A reservation is undone by whatever check names its prefix, so that a thorough check may
    return what a quick one took; everything else by its own check alone.
    """
    if reaction.kind is Kind.UNRESERVE:
        return entry.prefix == reaction.prefix
    return entry.check == case.record.check


def _still_failing(undo: Entry, book: Book) -> str:
    """Return which other checks speak against the node; empty where none does."""
    if undo.kind is Kind.UNCOMMENT:
        return ""
    here = book.on_node(undo.node)
    resolved = {item.entry.target for item in here if item.entry.kind.undoes} | {undo.target}
    others = {
        item.entry.check
        for item in here
        if item.entry.kind.takes
        and item.entry.id not in resolved
        and item.entry.check != undo.check
    }
    return f"{', '.join(sorted(others))} still speaks against the node" if others else ""


def _entry(
    case: Case, kind: Kind, reaction: Reaction, *, now: datetime, target: Entry | None = None
) -> Entry:
    record = case.record
    return Entry(
        id=entry_id(_id(case), kind, target.id if target else ""),
        at=now,
        kind=kind,
        node=record.node,
        check=record.check,
        result_id=_id(case),
        batch=record.batch,
        outcome=record.outcome or Outcome.ERROR,
        judged_at=record.finished_at,
        detail=record.detail,
        prefix=reaction.prefix,
        verdict=Verdict.NO,
        target=target.id if target else "",
    )
