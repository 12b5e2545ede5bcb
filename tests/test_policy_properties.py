"""What no sequence of results, passes, deaths and other people's hands makes the policy do."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from slurm_hooks.approval import approve, discard
from slurm_hooks.errors import ConfigError
from slurm_hooks.journal import Book, CheckEvent, Entry, Item, Line, Verdict, What, Word, fold
from slurm_hooks.policy import Case, Rails, decide
from slurm_hooks.reaction import Kind, Reacting
from slurm_hooks.record import Evidence, Outcome
from tests.decisions import (
    COMMENT,
    DAY,
    DRAIN,
    DRAINS,
    HOUR,
    MINUTE,
    NODES,
    NOTIFY,
    NOW,
    PARTITIONS,
    RESERVE,
    RESERVES,
    UNCOMMENT,
    UNDRAIN,
    UNRESERVE,
    Cluster,
    case,
)

CHECKS = ("gpu", "cpu", "thorough")
ALL = Reacting(
    on_fail=(DRAIN, RESERVE, COMMENT, NOTIFY), on_pass=(UNDRAIN, UNRESERVE, UNCOMMENT, NOTIFY)
)
REACTINGS = st.sampled_from(
    [
        *(DRAINS, DRAINS, DRAINS, RESERVES, RESERVES, ALL),
        replace(DRAINS, hang_condemns=True),
        replace(DRAINS, confirm_fails=2, confirm_of=3),
        replace(ALL, probation=True),
        replace(ALL, shadow=True),
        Reacting(on_pass=(UNRESERVE,)),
    ]
)
RAILS = st.builds(
    Rails,
    held=st.integers(0, 4),
    held_in=st.fixed_dictionaries({}, optional={"a": st.integers(0, 2), "b": st.integers(0, 2)}),
    taken=st.integers(0, 4),
    window=st.just(HOUR),
    suspect=st.integers(1, 6),
    suspect_window=st.just(HOUR),
    oldest=st.just(DAY),
)
OUTCOMES = st.sampled_from([*(Outcome.FAIL,) * 8, *(Outcome.PASS,) * 5, *Outcome, None])
STEPS = st.sampled_from([timedelta(0), MINUTE, MINUTE, 10 * MINUTE, 50 * MINUTE, 25 * HOUR])


class World(Cluster):
    """A cluster where everything is watched."""

    seen: list[Case]

    def results(self, data: st.DataObject) -> list[Case]:
        """Draw new results, some late, some again, some contradicted."""
        found: list[Case] = []
        for _ in range(data.draw(st.integers(0, 6), label="results")):
            ago = data.draw(st.sampled_from([timedelta(0), MINUTE, HOUR, -MINUTE, 2 * DAY]))
            found.append(
                case(
                    data.draw(OUTCOMES),
                    data.draw(st.sampled_from(NODES)),
                    check=data.draw(st.sampled_from(CHECKS)),
                    at=self.now - ago,
                    reacting=data.draw(REACTINGS),
                    earlier=data.draw(st.sampled_from([(), (Outcome.FAIL,), (Outcome.PASS,)])),
                    batch=f"b{len(self.seen)}.{len(found)}",
                )
            )
        again = data.draw(st.lists(st.sampled_from(self.seen), max_size=2)) if self.seen else []
        known = found + self.seen
        back = data.draw(st.lists(st.sampled_from(known), max_size=1)) if known else []
        self.seen += found
        return [*found, *again, *map(contradicted, back)]

    def person(self, data: st.DataObject) -> None:
        """Let somebody approve, discard or take away something, or nothing."""
        open_ = [item.entry.id for item in self.book.items.values() if not item.over]
        name = data.draw(st.sampled_from([*CHECKS, *open_]))
        match data.draw(st.sampled_from(["approve", "discard", "lose", "", ""])):
            case "approve" | "discard" as word:
                say = approve if word == "approve" else discard
                try:
                    self.write(say(self.book, name, by="anna", now=self.now))
                except ConfigError:
                    return
            case "lose" if name in open_ and self.book.items[name].stands:
                self.happen(name, What.LOST)

    def carry_out_some(self, data: st.DataObject) -> None:
        """Do part of what is unfinished, as a reactor that is killed or refused does."""
        before = self.book
        self.carry_out(lambda _: data.draw(st.booleans()))
        returned = before_and_not_after(before, self.book)
        for node in returned:
            assert not still_against(self.book, node), "it returned though a check speaks against"


def before_and_not_after(before: Book, after: Book) -> set[str]:
    held = {item.entry.node for item in before.holds}
    return held - {item.entry.node for item in after.holds}


def still_against(book: Book, node: str) -> list[Item]:
    """What was done about a fail, stands, and no pass has spoken against."""
    here = book.on_node(node)
    passed = {item.entry.target for item in here if item.entry.target}
    return [
        item
        for item in here
        if item.entry.kind.takes and item.stands and item.entry.id not in passed
    ]


def contradicted(found: Case) -> Case:
    said = replace(found.record, evidence=Evidence.CONFLICT, outcome=Outcome.ERROR)
    return replace(found, record=said)


def let_go(lines: Iterable[Line], book: Book) -> list[Entry]:
    """The entries that a pass lets be done."""
    allowed = {
        line.entry
        for line in lines
        if not isinstance(line, Entry | CheckEvent) and line.what is What.ALLOWED
    }
    done = {line.id for line in lines if isinstance(line, Entry) and line.verdict is Verdict.DO}
    return [book.items[name].entry for name in sorted(allowed | done)]


def within(world: World) -> None:
    """The caps hold, for what is held and also once all that is decided was done."""
    rails, book = world.rails, world.book
    coming = {item.entry.node for item in book.unfinished if item.entry.kind.takes}
    held = world.held | coming
    assert len(held) <= rails.held
    for name, most in rails.held_in.items():
        assert sum(name in PARTITIONS[node] for node in held) <= most
    assert len(book.taken(since=world.now - rails.window) | coming) <= rails.taken


def only_what_condemns(entries: Iterable[Entry], world: World) -> None:
    by_id = {(one.result_id, one.record.node): one for one in world.seen}
    for entry in entries:
        if entry.kind.takes:
            told = by_id[entry.result_id, entry.node]
            outcome, reacting = told.record.outcome, told.reacting
            assert outcome is Outcome.FAIL or (
                outcome is Outcome.TIMEOUT and reacting.hang_condemns
            )
            assert not reacting.probation
            assert not reacting.shadow
            assert reacting.confirm_fails == 1 or Outcome.FAIL in told.earlier
            assert told.record.finished_at >= world.now - world.rails.oldest


def nothing_suspended(entries: Iterable[Entry], book: Book) -> None:
    for entry in entries:
        approved = book.items[entry.id].approved
        assert approved or entry.kind.undoes or book.suspended(entry.check) is None or (
            entry.outcome is Outcome.PASS
        )  # fmt: skip


def said_once(lines: Iterable[Line]) -> None:
    words: dict[str, Word] = {}
    for line in lines:
        if isinstance(line, CheckEvent):
            assert (line.word is Word.SUSPENDED) == (words.get(line.check) is not Word.SUSPENDED)
            words[line.check] = line.word


def returns_only_what_nobody_speaks_against(entries: Iterable[Entry], book: Book) -> None:
    for entry in entries:
        if entry.kind in (Kind.UNDRAIN, Kind.UNRESERVE):
            others = still_against(book, entry.node)
            assert {item.entry.check for item in others} <= {entry.check}


@settings(max_examples=150)
@given(rails=RAILS, data=st.data())
def test_whatever_happens_every_sentence_of_the_rails_holds(
    rails: Rails, data: st.DataObject
) -> None:
    world = World(rails=rails)
    world.seen = []
    for _ in range(data.draw(st.integers(1, 8), label="passes")):
        world.now += data.draw(STEPS, label="time")
        world.person(data)
        if data.draw(st.booleans(), label="first"):
            world.carry_out()
        cases, before = world.results(data), world.book
        found = world.consider(*cases)
        shuffled = data.draw(st.permutations(cases))
        assert decide(shuffled, before, PARTITIONS, rails, now=world.now) == found
        assert decide(cases, world.book, PARTITIONS, rails, now=world.now) == []
        shadow = replace(rails, shadow=True)
        assert not let_go(decide(cases, before, PARTITIONS, shadow, now=world.now), world.book)
        entries = let_go(found, world.book)
        within(world)
        only_what_condemns(entries, world)
        nothing_suspended(entries, world.book)
        returns_only_what_nobody_speaks_against(entries, world.book)
        world.carry_out_some(data)
        within(world)
    said_once(world.lines)
    assert fold(world.lines) == world.book


OUTCOMES_OF_NOTHING = st.sampled_from(
    [one for one in (*Outcome, None) if one not in (Outcome.PASS, Outcome.FAIL, Outcome.TIMEOUT)]
)


@given(outcome=OUTCOMES_OF_NOTHING, reacting=REACTINGS, data=st.data())
def test_an_outcome_that_says_nothing_of_the_node_changes_nothing(
    outcome: Outcome | None, reacting: Reacting, data: st.DataObject
) -> None:
    world = World(rails=data.draw(RAILS))
    world.seen = []
    world.react(*world.results(data))
    node, check = data.draw(st.sampled_from(NODES)), data.draw(st.sampled_from(CHECKS))
    silent = case(outcome, node, check=check, at=world.now, reacting=reacting, batch="silent")
    without = decide([], world.book, PARTITIONS, world.rails, now=world.now)
    assert decide([silent], world.book, PARTITIONS, world.rails, now=world.now) == without


@given(st.sets(st.sampled_from(NODES), min_size=1), st.integers(0, 6))
def test_a_check_is_suspended_exactly_when_it_fails_on_more_nodes_than_may_be(
    nodes: set[str], suspect: int
) -> None:
    rails = Rails(held=9, taken=9, window=HOUR, suspect=suspect, suspect_window=HOUR)
    cluster = Cluster(rails=rails)
    cluster.react(*(case(node=node, at=NOW) for node in nodes))
    suspended = len(nodes) > suspect
    assert (cluster.book.suspended("gpu") is not None) == suspended
    assert cluster.held == (set() if suspended else nodes)
