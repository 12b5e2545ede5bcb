"""Who is told what about reactions, in which words, and when it is tried again."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.definition import CheckDefinition
from checks.notices import (
    FORGOTTEN_AFTER,
    GIVEN_UP_AFTER,
    Notice,
    Tried,
    due,
    notices,
    pause,
    undelivered,
)
from slurm_hooks.journal import Book, CheckEvent, Entry, Event, Line, Verdict, What, Word, fold
from slurm_hooks.reaction import Kind
from slurm_hooks.record import Outcome
from slurm_hooks.target import PLACEHOLDERS, Target, check_target, check_template, filled

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PAGE = Target(command=("/usr/local/bin/page", "ops"))
SITE = Target(webhook="https://chat.example/hooks/T0/secret")


def entry(number: int, kind: Kind, **changes: object) -> Entry:
    fields: dict[str, object] = {
        "id": f"{kind}{number}",
        "at": NOW,
        "kind": kind,
        "node": f"n{number}",
        "check": "gpu",
        "result_id": f"r{number}",
        "batch": "b",
        "outcome": Outcome.FAIL,
        "judged_at": NOW,
        "detail": "Xid 79",
        "prefix": "",
        "verdict": Verdict.DO,
        "text": "gpu: Xid 79 [cd:1f3a9c0e]" if kind is Kind.DRAIN else "",
    }
    return Entry(**(fields | changes))  # type: ignore[arg-type]


def definition(name: str = "gpu", **more: object) -> CheckDefinition:
    fields = {"name": name, "description": "d", "command": ("true",), "max_age": "1d"}
    return CheckDefinition.model_validate(fields | more)


TELLS = definition(failure_reactions={"notify": {"command": PAGE.command}})
SUSPENDED = CheckEvent(check="gpu", word=Word.SUSPENDED, at=NOW, detail="gpu failed on 6 nodes")


def told(*lines: Line, site: Target | None = None, check: CheckDefinition = TELLS) -> list[Notice]:
    return notices(fold(lines), [check], site, cluster="lab")


def test_a_fail_is_told_with_all_that_was_done_about_it() -> None:
    drain, notify = entry(1, Kind.DRAIN), entry(1, Kind.NOTIFY)
    done = Event(entry=drain.id, what=What.DONE, at=NOW)
    (one,) = told(drain, notify, done)
    assert one.target == PAGE
    assert json.loads(one.data) == {
        "version": 1,
        "event": "failed",
        "notice": one.id,
        "at": "2026-11-22T03:00:00.000+00:00",
        "cluster": "lab",
        "node": "n1",
        "check": "gpu",
        "outcome": "fail",
        "detail": "Xid 79",
        "text": "gpu: Xid 79 [cd:1f3a9c0e]",
        "why": "",
        "reactions": [{"kind": "drain", "state": "done"}],
        "result": "r1",
        "batch": "b",
    }


def test_a_pass_is_told_to_whom_success_reactions_name() -> None:
    passes = {"notify": {"webhook": SITE.webhook}}
    check = definition(success_reactions=passes)
    (one,) = told(entry(1, Kind.NOTIFY, outcome=Outcome.PASS), check=check)
    assert (one.target, one.body["event"]) == (SITE, "passed")
    assert told(entry(2, Kind.NOTIFY), check=check) == []


@pytest.mark.parametrize("verdict", [Verdict.WAIT, Verdict.WOULD, Verdict.NO])
def test_what_was_not_decided_is_not_told(verdict: Verdict) -> None:
    assert told(entry(1, Kind.NOTIFY, verdict=verdict)) == []


def test_what_waited_is_told_once_it_is_allowed_and_not_once_it_is_discarded() -> None:
    waits, later = entry(1, Kind.NOTIFY, verdict=Verdict.WAIT), NOW + MINUTE
    (one,) = told(waits, Event(entry=waits.id, what=What.ALLOWED, at=later))
    assert one.at == later
    assert told(waits, Event(entry=waits.id, what=What.DISCARDED, at=later)) == []


def test_nobody_is_told_of_a_check_whose_definition_is_gone() -> None:
    assert told(entry(1, Kind.NOTIFY), check=definition("other")) == []


def test_a_suspension_is_told_once_to_the_site_and_once_to_whom_the_check_tells() -> None:
    waiting = [entry(number, Kind.NOTIFY, verdict=Verdict.WAIT) for number in range(300)]
    found = told(SUSPENDED, *waiting, site=SITE)
    assert {one.target for one in found if one.target.webhook} == {SITE}
    assert [one.body["event"] for one in found] == ["suspended", "suspended"]
    assert len({one.id for one in found}) == 2
    assert len(told(SUSPENDED, *waiting, site=PAGE)) == 1


def test_a_suspension_that_a_person_decided_about_is_told_no_more() -> None:
    word = CheckEvent(check="gpu", word=Word.APPROVED, at=NOW + MINUTE)
    assert told(SUSPENDED, word, site=SITE) == []


def test_a_second_suspension_is_another_notice() -> None:
    again = CheckEvent(check="gpu", word=Word.SUSPENDED, at=NOW + MINUTE, detail="again")
    first, second = told(SUSPENDED, site=PAGE), told(again, site=PAGE)
    assert first[0].id != second[0].id


def test_the_same_notice_has_the_same_id_whatever_becomes_of_its_reactions() -> None:
    drain, notify = entry(1, Kind.DRAIN), entry(1, Kind.NOTIFY)
    done = Event(entry=drain.id, what=What.DONE, at=NOW)
    assert told(drain, notify)[0].id == told(drain, notify, done)[0].id


@given(detail=st.text())
def test_whatever_a_program_printed_fills_a_template_as_text_alone(detail: str) -> None:
    template = {
        "text": "{node}: {detail}",
        "blocks": [{"n": 1, "t": "{{{check}}} {reactions}"}],
    }
    notify = {"command": PAGE.command, "template": template}
    check = definition(failure_reactions={"notify": notify})
    (one,) = told(entry(1, Kind.DRAIN), entry(1, Kind.NOTIFY, detail=detail), check=check)
    body = json.loads(one.data)
    assert set(body) == {"text", "blocks"}
    assert body["blocks"] == [{"n": 1, "t": "{gpu} drain: decided"}]
    assert body["text"].startswith("n1: ")
    assert "\n" not in body["text"]


@pytest.mark.parametrize("detail", ['"}, "a": {"', "{node}{0.__class__}", "\\\\ud800", "\ud800"])
def test_hostile_details_stay_where_they_are_put(detail: str) -> None:
    found = filled({"t": "<{detail}>"}, dict.fromkeys(PLACEHOLDERS, detail))
    assert json.loads(json.dumps(found)) == {"t": f"<{detail}>"}


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ({"a": "{nod}"}, "unknown placeholder {nod} (did you mean 'node'?)"),
        ({"a": ["{node.__class__}"]}, "unknown placeholder {node.__class__}"),
        ({"a": "{node!r}"}, "unknown placeholder"),
        ({"a": "{"}, "a brace without its partner"),
        ({"a": "{}"}, "unknown placeholder {}"),
        ({"a": b"x"}, "not something that JSON can say"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused(
    template: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=r"brace|placeholder|JSON") as caught:
        check_template(template)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "target",
    [
        Target(),
        Target(command=("x",), webhook="https://h/"),
        Target(command=()),
        Target(webhook="file:///etc/passwd"),
        Target(webhook="https://"),
        Target(webhook="https://h/a b"),
        Target(webhook="https://user:word@h/"),
        Target(webhook="https://h:99999/"),
    ],
)
def test_a_target_that_cannot_be_told_is_refused(target: Target) -> None:
    with pytest.raises(ValueError, match=r"write|names no|address"):
        check_target(target)


def test_an_addresss_path_stays_out_of_what_is_shown() -> None:
    assert SITE.shown == "https://chat.example"


def tried(one: Notice, attempts: int, *, ago: timedelta, delivered: bool = False) -> Tried:
    return Tried(
        id=one.id, decided_at=one.at, target=one.target.shown, attempts=attempts,
        last_at=NOW - ago, delivered=delivered, problem="it answered 500",
    )  # fmt: skip


@pytest.mark.parametrize(("attempts", "wait"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (50, 60)])
def test_each_pause_is_twice_the_last_up_to_an_hour(attempts: int, wait: int) -> None:
    (one,) = told(entry(1, Kind.NOTIFY, at=NOW - timedelta(hours=5)))
    assert pause(attempts) == wait * MINUTE
    early = tried(one, attempts, ago=wait * MINUTE - timedelta(seconds=1))
    late = tried(one, attempts, ago=wait * MINUTE)
    assert due([one], {one.id: early}, now=NOW) == []
    assert due([one], {one.id: late}, now=NOW) == [one]


def test_what_was_delivered_is_never_tried_again() -> None:
    (one,) = told(entry(1, Kind.NOTIFY))
    known = {one.id: tried(one, 1, ago=timedelta(hours=9), delivered=True)}
    assert due([one], known, now=NOW) == []
    assert undelivered([one], known, now=NOW) == []


def test_after_a_day_it_is_given_up_and_said_so_for_two_more() -> None:
    (one,) = told(entry(1, Kind.NOTIFY, at=NOW - GIVEN_UP_AFTER))
    known = {one.id: tried(one, 30, ago=2 * timedelta(hours=1))}
    assert due([one], known, now=NOW) == []
    line = "1 notice not delivered by /usr/local/bin/page, given up: it answered 500"
    assert undelivered([one], known, now=NOW) == [line]
    assert undelivered([one], {}, now=NOW)[0].endswith("there was no sweep")
    assert undelivered([one], known, now=NOW + FORGOTTEN_AFTER - GIVEN_UP_AFTER) == []


def test_an_old_journal_does_not_wake_anybody() -> None:
    old = entry(1, Kind.NOTIFY, at=NOW - timedelta(days=30))
    assert due(told(old), {}, now=NOW) == []
    assert undelivered(told(old), {}, now=NOW) == []


def test_what_was_tried_least_comes_first() -> None:
    found = told(*[entry(number, Kind.NOTIFY) for number in range(3)])
    known = {found[0].id: tried(found[0], 2, ago=timedelta(hours=1))}
    assert due(found, known, now=NOW)[-1] == found[0]


def test_failing_targets_are_said_in_a_line_each() -> None:
    found = told(*[entry(number, Kind.NOTIFY) for number in range(3)])
    known = {one.id: tried(one, 1, ago=MINUTE) for one in found}
    (line,) = undelivered(found, known, now=NOW)
    assert line == (
        "3 notices not delivered by /usr/local/bin/page, to be tried again: it answered 500"
    )
    assert undelivered(told(), {}, now=NOW) == []
    assert notices(Book(), [TELLS], SITE, cluster="lab") == []
