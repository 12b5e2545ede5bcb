"""The journal of reactions: what lines mean, and that they mean the same when read again."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_hooks.errors import RecordError
from slurm_hooks.journal import (
    Book,
    CheckEvent,
    Entry,
    Event,
    Line,
    Verdict,
    What,
    Word,
    carried,
    entry_id,
    fold,
)
from slurm_hooks.journal_lines import dump, load
from slurm_hooks.reaction import Kind
from slurm_hooks.record import Outcome
from tests.decisions import DAY, HOUR, MINUTE, NOW

IDS = [f"e{number}" for number in range(4)]
CHECKS = ["gpu", "cpu"]
TIMES = st.integers(0, 4 * 24 * 3600 * 1000).map(lambda ms: NOW + timedelta(milliseconds=ms))
TEXT = st.text(st.characters(codec=None), max_size=12)
ENTRY = Entry(
    id="e0", at=NOW, kind=Kind.DRAIN, node="n0", check="gpu", result_id="r0", batch="b",
    outcome=Outcome.FAIL, judged_at=NOW, detail="Xid", prefix="bad", verdict=Verdict.DO,
)  # fmt: skip
ENTRIES = st.builds(
    Entry,
    id=st.sampled_from(IDS),
    at=TIMES,
    kind=st.sampled_from(Kind),
    node=st.sampled_from(["n0", "n1"]),
    check=st.sampled_from(CHECKS),
    result_id=TEXT,
    batch=TEXT,
    outcome=st.sampled_from(Outcome),
    judged_at=TIMES,
    detail=TEXT,
    prefix=TEXT,
    verdict=st.sampled_from(Verdict),
    why=TEXT,
    text=TEXT,
    target=st.sampled_from(["", *IDS]),
)
EVENTS = st.builds(
    Event, entry=st.sampled_from(IDS), what=st.sampled_from(What), at=TIMES, by=TEXT, detail=TEXT
)
CHECK_EVENTS = st.builds(
    CheckEvent, check=st.sampled_from(CHECKS), word=st.sampled_from(Word), at=TIMES, by=TEXT
)


def as_they_are_written(lines: list[Line]) -> list[Line]:
    """An entry has its own id, and comes before its events."""
    found: list[Line] = []
    known: set[str] = set()
    for line in lines:
        if isinstance(line, CheckEvent) or (isinstance(line, Event) and line.entry in known):
            found.append(line)
        elif isinstance(line, Entry) and line.id not in known:
            known.add(line.id)
            found.append(line)
    return found


LINES = st.lists(st.one_of(ENTRIES, EVENTS, EVENTS, CHECK_EVENTS), max_size=25).map(
    as_they_are_written
)


@given(LINES)
def test_what_is_written_is_read_back_as_it_was(lines: list[Line]) -> None:
    assert load(dump(lines)) == lines


@given(LINES, st.integers(0))
def test_wherever_the_writing_ended_the_whole_lines_before_it_are_read(
    lines: list[Line], cut: int
) -> None:
    data = dump(lines)
    cut %= len(data) + 1
    assert load(data[:cut]) == lines[: data[:cut].count(b"\n")]


@given(LINES, st.integers(0))
def test_a_tail_that_is_written_twice_changes_nothing(lines: list[Line], start: int) -> None:
    tail = lines[start % (len(lines) + 1) :]
    assert fold([*lines, *tail]) == fold(lines)


@given(LINES, st.data())
def test_an_entry_or_event_that_is_there_twice_is_counted_once(
    lines: list[Line], data: st.DataObject
) -> None:
    again = list(lines)
    for line in lines:
        if not isinstance(line, CheckEvent) and data.draw(st.booleans()):
            again.insert(data.draw(st.integers(again.index(line) + 1, len(again))), line)
    assert fold(again) == fold(lines)


@given(LINES, st.integers(0))
def test_folding_in_two_parts_is_folding_the_whole(lines: list[Line], cut: int) -> None:
    cut %= len(lines) + 1
    assert fold(lines[cut:], fold(lines[:cut])) == fold(lines)


@given(LINES, st.integers(0, 4))
def test_what_is_carried_on_says_the_same_of_all_that_is_open_or_recent(
    lines: list[Line], days: int
) -> None:
    book, since = fold(lines), NOW + days * DAY
    again = fold(load(dump(carried(book, since=since))))
    assert again.checks == book.checks
    assert [item for item in again.items.values() if not item.over] == [
        item for item in book.items.values() if not item.over
    ]
    assert {item.entry.id: item for item in again.items.values()}.items() <= book.items.items()
    for window in (since, since + HOUR):
        assert again.taken(since=window) == book.taken(since=window)
        for check in CHECKS:
            assert again.failing(check, since=window, oldest=DAY) == book.failing(
                check, since=window, oldest=DAY
            )
    for item in again.items.values():
        if not item.over and item.entry.target in book.items:
            assert item.entry.target in again.items


@given(LINES)
def test_an_entry_is_in_one_state_at_a_time(lines: list[Line]) -> None:
    for item in fold(lines).items.values():
        states = [item.over, item.waiting, item.unfinished, item.stands]
        assert sum(states) == 1, (item, states)
        assert not item.holds or item.stands


def test_what_is_over_and_old_is_carried_no_further() -> None:
    done = [Event(entry="e0", what=what, at=NOW) for what in (What.DONE, What.UNDONE)]
    assert carried(fold([ENTRY, *done]), since=NOW + MINUTE) == []
    assert carried(fold([ENTRY, *done]), since=NOW) == [ENTRY, *done]


def test_of_a_node_that_is_held_by_somebody_else_we_hold_nothing() -> None:
    for what, holds in ((What.DONE, True), (What.JOINED, False), (What.NOTED, False)):
        (item,) = fold([ENTRY, Event(entry="e0", what=what, at=NOW)]).items.values()
        assert item.stands
        assert item.holds is holds


def test_an_event_of_an_unknown_entry_is_no_entry() -> None:
    assert fold([Event(entry="e0", what=What.DONE, at=NOW)]) == Book()


def test_the_last_word_counts_whatever_the_clock_said() -> None:
    later = CheckEvent(check="gpu", word=Word.APPROVED, at=NOW)
    earlier = CheckEvent(check="gpu", word=Word.SUSPENDED, at=NOW - DAY)
    assert fold([later, earlier]).suspended("gpu") == earlier


def test_a_failing_node_is_counted_once_and_a_pass_not_at_all() -> None:
    entries = [
        ENTRY,
        replace(ENTRY, id="e1", result_id="r1"),
        replace(ENTRY, id="e2", node="n1", outcome=Outcome.PASS, kind=Kind.UNDRAIN),
        replace(ENTRY, id="e3", node="n2", outcome=Outcome.ERROR, kind=Kind.UNDRAIN),
        replace(ENTRY, id="e4", node="n3", judged_at=NOW - 2 * DAY),
        replace(ENTRY, id="e5", node="n4", check="cpu"),
    ]
    assert fold(entries).failing("gpu", since=NOW, oldest=DAY) == {"n0"}
    assert fold(entries).failing("gpu", since=NOW + MINUTE, oldest=DAY) == set()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"[]", "not one entry"),
        (b"{}", "not one entry"),
        (b'{"entry": {}, "event": {}}', "not one entry"),
        (b'{"note": {}}', "unknown kind of line 'note'"),
        (b'{"entry": {"version": 2}}', "newer cluster-doctor"),
        (b'{"event": {"entry": "x"}}', "what: missing"),
        (b"\xff", "utf-8"),
        (b"\0\0\0", "Expecting value"),
        (b"[" * 100_000, "recursion"),
        (dump([ENTRY])[:-20], "Expecting"),
        (dump([ENTRY]).strip().replace(b"2026-11-21", b"0001-01-01", 1).replace(
            b"+00:00", b"+14:00", 1), "time"),
    ],
)  # fmt: skip
def test_a_damaged_line_is_refused_with_its_number(line: bytes, why: str) -> None:
    with pytest.raises(RecordError, match="^line 2: .*" + why):
        load(dump([ENTRY]) + line + b"\n" + dump([ENTRY]))


def test_every_key_of_a_line_has_its_text() -> None:
    (text,) = dump([ENTRY]).splitlines()
    assert json.loads(text)["entry"]["judged_at"] == "2026-11-21T12:00:00.000+00:00"


@given(st.text(), st.text(), st.sampled_from(Kind), st.sampled_from(Kind))
def test_an_id_is_that_of_one_reaction_to_one_result(
    first: str, second: str, kind: Kind, other: Kind
) -> None:
    same = (first, kind) == (second, other)
    assert (entry_id(first, kind) == entry_id(second, other)) is same
    assert entry_id(first, kind, "x" + second) != entry_id(first, kind)


def test_times_come_back_in_utc() -> None:
    zone = datetime.fromisoformat("2026-11-21T14:00:00+02:00")
    (found,) = load(dump([replace(ENTRY, at=zone)]))
    assert found.at == zone
    assert found.at.tzinfo is UTC
