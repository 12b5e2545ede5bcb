"""Which reactions follow from which results, within the guard rails. Pure: values in, lines out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from slurm_hooks.case import Case, Latest, draft_entry, in_order, stamp_of
from slurm_hooks.journal import (
    Book,
    CheckEvent,
    Draft,
    Entry,
    Event,
    Item,
    Line,
    Verdict,
    What,
    Word,
)
from slurm_hooks.outcome import Outcome
from slurm_hooks.reaction import Kind, Reaction
from slurm_hooks.reason import written
from slurm_hooks.room import Rails, Room
from slurm_hooks.undoing import in_favour, is_being_returned, is_being_undone, ready, withdrawn

__all__ = ["SUSPECT", "Case", "Rails", "decide"]

SUSPECT = "suspect the check or the fabric"
"""How every sentence ends that suspends a check; dashboards and alert rules know them by it."""


def decide(
    cases: Iterable[Case],
    book: Book,
    partitions: Mapping[str, Sequence[str]],
    rails: Rails,
    *,
    now: datetime,
) -> list[Line]:
    """Return what to write down about *cases*, and about what waits in *book*.

    *partitions* names those of each node. Only a fail takes a node: confirmed, the latest
    word of its check there, of a check that is neither suspected nor in its probation, and
    with room under every cap. The oldest come first, so that the same input gives the same
    answer; a case that *book* has considered already adds nothing.
    """
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as it will be read back
    return _Pass(in_order(cases), book, partitions, rails, now=now).lines


class _Pass:
    """One run of `decide`; what it has decided counts at once."""

    def __init__(
        self,
        cases: Sequence[Case],
        book: Book,
        partitions: Mapping[str, Sequence[str]],
        rails: Rails,
        *,
        now: datetime,
    ) -> None:
        self.lines: list[Line] = []
        self._rails, self._now = rails, now
        self._draft = Draft(book)
        self._room = Room(book, partitions, rails, now=now)
        self._latest = Latest(cases, self._draft, now=now)
        waiting = sorted(book.waiting, key=_age)
        self._add(self._suspicions(cases, book))
        for case in cases:
            self._add(self._superseded(case))
        for item in waiting:
            if item.entry.kind.undoes is None:
                self._look_again(item.entry.id)
        for case in sorted(cases, key=lambda case: not case.against):
            self._add(self._entries(case))  # what speaks against a node first: it may not return
        for node in sorted({item.entry.node for item in (*waiting, *self._draft.book.waiting)}):
            self._return(node)

    def _add(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self._draft.add(line)
            self.lines.append(line)

    def _suspicions(self, cases: Sequence[Case], book: Book) -> Iterator[CheckEvent]:
        """Yield the checks that fail on so many nodes that they, or the fabric, are suspected."""
        rails, now = self._rails, self._now
        known = {item.entry.result_id for item in book.items.values()}
        failing: dict[str, set[str]] = {}
        for case in cases:
            reacts = case.reacting.on_fail and not (rails.shadow or case.reacting.shadow)
            counts = case.result_id not in known and not case.too_old(rails.oldest, now=now)
            if reacts and counts and case.against and not self._latest.contradicted(case):
                failing.setdefault(case.record.check, set()).add(case.record.node)
        for check in sorted(failing):
            since = now - rails.suspect_window
            nodes = failing[check] | book.failing(check, since=since, oldest=rails.oldest)
            if len(nodes) > rails.suspect and book.suspended(check) is None:
                yield CheckEvent(
                    check=check,
                    word=Word.SUSPENDED,
                    at=now,
                    detail=(
                        f"{check} failed on {len(nodes)} nodes, more than {rails.suspect}: "
                        f"{SUSPECT}"
                    ),
                )

    def _superseded(self, case: Case) -> Iterator[Event]:
        """Yield the end of what still waits, where *case* is later evidence or contradicts it."""
        if not (case.contradiction or case.against or case.in_favour):
            return
        if not case.contradiction and self._latest.contradicted(case):
            return
        for item in self._draft.on_node(case.record.node):
            if item.waiting and self._ends(case, item.entry):
                ended = case.record.finished_at
                detail = f"{case.record.outcome} at {ended:%Y-%m-%dT%H:%M:%SZ}"
                yield Event(entry=item.entry.id, what=What.SUPERSEDED, at=self._now, detail=detail)

    def _ends(self, case: Case, entry: Entry) -> bool:
        withdrawal = entry.outcome is Outcome.ERROR
        if case.contradiction:
            return entry.result_id == case.result_id and not withdrawal
        if stamp_of(entry) >= case.stamp(self._now):
            return False
        if entry.check == case.record.check and not withdrawal:
            return True
        target = self._draft.item(entry.target)
        return case.against and target is not None and target.entry.check == case.record.check

    def _look_again(self, entry_id: str) -> None:
        """Let go what need not wait any more, and give up what has waited too long."""
        item = self._draft.item(entry_id)
        if item is None or not item.waiting:
            return
        entry = item.entry
        if entry.judged_at < self._now - self._rails.oldest:
            detail = "its result is too old to act on"
            self._add([Event(entry=entry.id, what=What.EXPIRED, at=self._now, detail=detail)])
            return
        suspected = self._draft.suspended(entry.check) is not None and not item.approved
        if self._rails.shadow or suspected or self._why_not(entry):
            return
        if entry.kind.takes:
            self._room.take(entry.node)
        self._add([Event(entry=entry.id, what=What.ALLOWED, at=self._now)])

    def _return(self, node: str) -> None:
        """Let go the returns to service that no other check speaks against any more."""
        if self._rails.shadow:
            return
        for item in self._draft.on_node(node):
            if item.waiting and item.entry.kind.undoes is not None:
                event = ready(item, self._draft, now=self._now)
                self._add([event] if event is not None else [])

    def _entries(self, case: Case) -> Iterator[Entry]:
        """Yield the reactions to *case* that the journal does not have."""
        shadow = self._rails.shadow or case.reacting.shadow
        if case.contradiction:
            found = withdrawn(case, self._draft, self._latest, shadow=shadow, now=self._now)
        elif self._latest.contradicted(case):
            return
        elif case.against:
            found = self._against(case)
        elif case.in_favour and not self._latest.outdated(case):
            if case.too_old(self._rails.oldest, now=self._now):
                return
            found = in_favour(case, self._draft, self._latest, shadow=shadow, now=self._now)
        else:
            return
        for entry in found:
            if self._draft.item(entry.id) is None:
                yield entry

    def _against(self, case: Case) -> Iterator[Entry]:
        for reaction, kind in _reactions(case):
            entry = draft_entry(case, reaction, now=self._now, kind=kind)
            if self._draft.item(entry.id) is not None:
                continue
            verdict, why = self._verdict(case, entry)
            if kind is not reaction.kind and not why:
                why = f"{reaction.kind} is a comment while the check is in its probation"
            yield written(entry, verdict, why)

    def _verdict(self, case: Case, entry: Entry) -> tuple[Verdict, str]:
        """Return what is to become of *entry*, and why."""
        if self._latest.outdated(case):
            return Verdict.NO, f"a later result of {entry.check} is known"
        if case.unconfirmed:
            return Verdict.NO, case.unconfirmed
        if case.too_old(self._rails.oldest, now=self._now):
            return Verdict.NO, "the result came too late to act on"
        if self._stands(entry):
            return Verdict.NO, f"the {entry.kind} for an earlier fail stands"
        if self._rails.shadow or case.reacting.shadow:
            return Verdict.WOULD, "shadow"
        word = self._draft.suspended(entry.check)
        if word is not None:
            return Verdict.WAIT, word.detail
        why_not = self._why_not(entry)
        if why_not:
            return Verdict.WAIT, why_not
        if entry.kind.takes:
            self._room.take(entry.node)
        return Verdict.DO, ""

    def _why_not(self, entry: Entry) -> str:
        """Return what keeps *entry* from taking its node, if it does; empty where nothing does.

        A node that is on its way back is waited for: taken now, it would be found taken
        already, and returned nevertheless.
        """
        if not entry.kind.takes:
            return ""
        if is_being_returned(entry.node, self._draft):
            return "the node is just being returned to service"
        return self._room.why_not(entry.node)

    def _stands(self, entry: Entry) -> bool:
        """Whether an earlier entry of the same check has the effect of *entry* already.

        One that had joined another hold has none, once that hold is gone.
        """
        here = self._draft.on_node(entry.node)
        held = any(item.holds for item in here)
        for item in here:
            other, done = item.entry, item.carried_out
            if (other.kind, other.check, other.against) != (entry.kind, entry.check, True):
                continue
            joined = entry.kind.takes and done is not None and done.what is What.JOINED
            effective = item.unfinished or (item.stands and (held or not joined))
            if effective and not is_being_undone(other, self._draft):
                return True
        return False


def _age(item: Item) -> tuple[datetime, datetime, str]:
    return item.entry.at, item.entry.judged_at, item.entry.id


def _reactions(case: Case) -> Sequence[tuple[Reaction, Kind]]:
    """Return what is done about a fail, and as which kind: in its probation, one comment."""
    found = sorted(case.reacting.on_fail, key=lambda one: (one.kind, one.prefix))
    found = [one for one in found if one.kind.undoes is None]
    if not case.reacting.probation:
        return [(one, one.kind) for one in found]
    said = [one for one in found if one.kind is Kind.COMMENT]
    instead = [one for one in found if one.kind.takes]
    return [(one, Kind.COMMENT) for one in (*said, *instead)][:1]
