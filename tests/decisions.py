"""Results that want reactions, and a simulated cluster that carries out what is decided."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from slurm_hooks.journal import Book, CheckEvent, Entry, Event, Item, Line, Verdict, What, fold
from slurm_hooks.policy import Case, Rails, decide
from slurm_hooks.reaction import Kind, Reacting, Reaction
from slurm_hooks.record import Evidence, Outcome, Record

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WIDE = Rails(
    held=1000, taken=1000, window=HOUR, suspect=1000, suspect_window=HOUR, oldest=DAY
)  # fmt: skip
NODES = tuple(f"n{number}" for number in range(6))
PARTITIONS = {"n0": ("a",), "n1": ("a",), "n2": ("a", "b"), "n3": ("b",), "n4": ("b",), "n5": ()}
DRAIN = Reaction(kind=Kind.DRAIN, prefix="bad")
UNDRAIN = Reaction(kind=Kind.UNDRAIN, prefix="bad")
RESERVE = Reaction(kind=Kind.RESERVE, prefix="q")
UNRESERVE = Reaction(kind=Kind.UNRESERVE, prefix="q")
COMMENT = Reaction(kind=Kind.COMMENT, prefix="said")
UNCOMMENT = Reaction(kind=Kind.UNCOMMENT, prefix="said")
NOTIFY = Reaction(kind=Kind.NOTIFY)
DRAINS = Reacting(on_fail=(DRAIN,), on_pass=(UNDRAIN,))
RESERVES = Reacting(on_fail=(RESERVE,), on_pass=(UNRESERVE,))


def case(
    outcome: Outcome | None = Outcome.FAIL,
    node: str = "n0",
    *,
    check: str = "gpu",
    at: datetime = NOW,
    reacting: Reacting = DRAINS,
    earlier: Sequence[Outcome] = (),
    batch: str = "",
    evidence: Evidence = Evidence.RUNNER,
) -> Case:
    """A result; two of them are the same one if their batch, node and check are."""
    record = Record(
        cluster="lab", batch=batch or f"{at:%H%M%S}", task=NODES.index(node) if node in NODES else
        int(node[1:]), attempt=0, check=check, node=node, job_id=1, token="t", evidence=evidence,
        outcome=outcome, detail="Xid 79", finished_at=at,
    )  # fmt: skip
    return Case(record=record, reacting=reacting, earlier=tuple(earlier))


def verdicts(lines: Iterable[Line]) -> list[tuple[Kind, str, Verdict]]:
    return [(one.kind, one.node, one.verdict) for one in lines if isinstance(one, Entry)]


def events(lines: Iterable[Line]) -> list[tuple[str, What]]:
    return [(one.entry, one.what) for one in lines if isinstance(one, Event)]


def words(lines: Iterable[Line]) -> list[CheckEvent]:
    return [one for one in lines if isinstance(one, CheckEvent)]


def how_done(item: Item, book: Book) -> What:
    """What a reactor would say of *item*, on a cluster that nobody else touches."""
    here = any(one.entry.node == item.entry.node for one in book.holds)
    return What.JOINED if here and item.entry.kind.takes else What.DONE


@dataclass
class Cluster:
    """A journal, and what is done about it; nobody but us and the test touches a node."""

    rails: Rails = WIDE
    now: datetime = NOW
    book: Book = field(default_factory=Book)
    lines: list[Line] = field(default_factory=list)

    def write(self, lines: Iterable[Line]) -> None:
        found = list(lines)
        self.lines.extend(found)
        self.book = fold(found, self.book)

    def consider(self, *cases: Case) -> list[Line]:
        """One pass that dies before it does anything."""
        found = decide(cases, self.book, PARTITIONS, self.rails, now=self.now)
        self.write(found)
        return found

    def carry_out(self, only: Callable[[Item], bool] = lambda _: True) -> None:
        """Do what is unfinished, taking before returning, as the reactor does."""
        for item in sorted(self.book.unfinished, key=lambda item: item.entry.kind.undoes or ""):
            if not only(item):
                continue
            self.happen(item.entry.id, how_done(item, self.book))
            if item.entry.target:
                self.happen(item.entry.target, What.UNDONE)

    def react(self, *cases: Case) -> list[Line]:
        """One pass, a minute after the last."""
        self.now += MINUTE
        found = self.consider(*cases)
        self.carry_out()
        return found

    def happen(self, entry: str, what: What) -> None:
        self.write([Event(entry=entry, what=what, at=self.now)])

    @property
    def held(self) -> set[str]:
        return {item.entry.node for item in self.book.holds}
