"""A judged result that is to be considered, and what its check said later. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from slurm_hooks.journal import Draft, Entry, Verdict, entry_id
from slurm_hooks.reaction import Kind, Reacting, Reaction
from slurm_hooks.record import Evidence, Outcome, Record

Stamp = tuple[datetime, str]
"""When a check ended, and its result's id: of two results of one check, which is later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A judged result that nobody has considered yet."""

    record: Record
    reacting: Reacting
    earlier: Sequence[Outcome] = ()
    """The judged results before it, the latest first."""

    @property
    def result_id(self) -> str:
        """The same for a result and for what contradicts it."""
        return str(self.record.result_id)

    @property
    def contradiction(self) -> bool:
        """Whether it takes a result back."""
        return self.record.evidence is Evidence.CONFLICT

    @property
    def against(self) -> bool:
        """Whether it speaks against the node: a fail, or a hang where the check says so."""
        return not self.contradiction and condemns(self.record.outcome, self.reacting)

    @property
    def in_favour(self) -> bool:
        """Whether it speaks for the node."""
        return not self.contradiction and self.record.outcome is Outcome.PASS

    @property
    def unconfirmed(self) -> str:
        """How many fails are still missing, as text; empty where none is."""
        wanted, of = self.reacting.confirm_fails, self.reacting.confirm_of
        judged = [self.record.outcome, *self.earlier][:of]
        fails = sum(condemns(outcome, self.reacting) for outcome in judged)
        return "" if fails >= wanted else f"{fails} of {wanted} fails that confirm it"

    def judged_at(self, now: datetime) -> datetime:
        """When its check ended, by the node's clock; one that is ahead gains nothing by it."""
        return min(self.record.finished_at, now)

    def stamp(self, now: datetime) -> Stamp:
        """Where it stands among the results of its check on its node."""
        return self.judged_at(now), self.result_id

    def too_old(self, oldest: timedelta, *, now: datetime) -> bool:
        """Whether it says nothing of its node any more."""
        return self.record.finished_at < now - oldest


def condemns(outcome: Outcome | None, reacting: Reacting) -> bool:
    """Whether *outcome* speaks against the node."""
    return outcome is Outcome.FAIL or (outcome is Outcome.TIMEOUT and reacting.hang_condemns)


def in_order(cases: Iterable[Case]) -> list[Case]:
    """Return *cases*, the oldest first; in whatever order they came, it is the same."""

    def place(case: Case) -> tuple[datetime, str, str, int, str]:
        record = case.record
        said = record.evidence.revision, str(record.outcome)
        return (record.finished_at, case.result_id, record.node, *said)

    return sorted(cases, key=place)


class Latest:
    """Which result of each check is the latest: of those considered now, and of the journal's."""

    def __init__(self, cases: Iterable[Case], draft: Draft, *, now: datetime) -> None:
        self._draft, self._now = draft, now
        cases = list(cases)
        self._contradicted = {case.result_id for case in cases if case.contradiction}
        self._new: dict[tuple[str, str], list[tuple[Stamp, bool]]] = {}
        for case in cases:
            if (case.against or case.in_favour) and not self.contradicted(case):
                key = case.record.node, case.record.check
                self._new.setdefault(key, []).append((case.stamp(now), case.against))

    def contradicted(self, case: Case) -> bool:
        """Whether what *case* says was taken back, now or earlier."""
        return case.result_id in self._contradicted or any(
            item.entry.result_id == case.result_id and item.entry.outcome is Outcome.ERROR
            for item in self._draft.on_node(case.record.node)
        )

    def outdated(self, case: Case) -> bool:
        """Whether a later result of its check is considered, or was."""
        stamp = case.stamp(self._now)
        said = self._said(case.record.node, case.record.check)
        return any(other > stamp for other, _ in said)

    def condemned_since(self, check: str, case: Case) -> bool:
        """Whether *check* spoke against the case's node after the case's own check ended."""
        stamp = case.stamp(self._now)
        return any(bad and other > stamp for other, bad in self._said(case.record.node, check))

    def _said(self, node: str, check: str) -> Iterable[tuple[Stamp, bool]]:
        yield from self._new.get((node, check), ())
        for item in self._draft.on_node(node):
            entry = item.entry
            if entry.check == check and entry.outcome is not Outcome.ERROR:
                yield stamp_of(entry), entry.against


def stamp_of(entry: Entry) -> Stamp:
    """Return where the result that *entry* reacts to stands among its check's."""
    return entry.judged_at, entry.result_id


def draft_entry(
    case: Case, reaction: Reaction, *, now: datetime, kind: Kind | None = None, target: str = ""
) -> Entry:
    """Return the *reaction* to *case*, as another *kind* if given, before it has a verdict."""
    record, kind = case.record, kind or reaction.kind
    return Entry(
        id=entry_id(case.result_id, kind, target),
        at=now,
        kind=kind,
        node=record.node,
        check=record.check,
        result_id=case.result_id,
        batch=record.batch,
        outcome=Outcome.ERROR if case.contradiction else record.outcome or Outcome.ERROR,
        judged_at=case.judged_at(now),
        detail=record.detail,
        prefix=reaction.prefix,
        verdict=Verdict.NO,
        target=target,
    )
