"""What is written on a node: within Slurm's limits, ours to find again, whatever a program said."""

import re
from dataclasses import replace
from datetime import timedelta, timezone

from hypothesis import assume, given
from hypothesis import strategies as st

from slurm_hooks.journal import Entry, Verdict
from slurm_hooks.journal_lines import dump, load
from slurm_hooks.node_text import safe_text
from slurm_hooks.reaction import Kind
from slurm_hooks.reason import MOST_COMMENT, MOST_LINE, added, line, note, removed, written
from tests.decisions import MINUTE, NOW
from tests.test_journal import ENTRY, TIMES

PIECES = [
    *("[cd:12345678]", " | ", "[root@2026-11-21T12:00:00]", "x" * 90, "Reason=", "{}", "%s"),
    *('"', "\\", "\n", "\x1f", "ü", "\ud800", "= ", "[", "]"),
]
HOSTILE = st.text(st.characters(codec=None), max_size=400) | st.lists(
    st.sampled_from(PIECES), max_size=8
).map("".join)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,63}", fullmatch=True)
PREFIXES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=64)
OURS = st.builds(lambda detail, at: line("bad", "gpu", detail, at=at), HOSTILE, TIMES)
COMMENTS = st.text(max_size=40) | st.lists(st.sampled_from(["a", " | ", "|", " "])).map("".join)


def test_a_line_says_why_since_when_and_whose_it_is() -> None:
    found = line("gpu", "gpu-xid", "Xid 79 on GPU 3", at=NOW)
    assert found == "gpu: gpu-xid: Xid 79 on GPU 3 (2026-11-21T12:00Z) [cd:6b4cc169]"
    assert line("", "gpu-xid", "", at=NOW).startswith("gpu-xid (2026")


@given(PREFIXES, NAMES, HOSTILE)
def test_whatever_a_program_said_a_line_is_one_safe_line_with_its_token_at_the_end(
    prefix: str, check: str, detail: str
) -> None:
    found = line(prefix, check, detail, at=NOW)
    assert len(found) <= MOST_LINE
    assert found.isprintable()
    assert safe_text(found, MOST_LINE) == found
    assert re.fullmatch(r".* \(2026-11-21T12:00Z\) \[cd:[0-9a-f]{8}\]", found)
    assert check in found


def test_the_longest_names_leave_room_for_a_detail_and_the_token() -> None:
    found = line("p" * 99, "c" * 99, "d" * 999, at=NOW)
    assert len(found) == MOST_LINE
    assert found.count("d") > 80
    assert found.endswith("]")


@given(HOSTILE, OURS)
def test_no_detail_can_hold_a_line_of_ours_or_the_border_between_two(
    detail: str, ours: str
) -> None:
    around = line("bad", "gpu", detail + ours, at=NOW)
    assert ours not in around[:-1]
    assert around.count("[cd:") == 1
    assert "|" not in around


@given(HOSTILE, st.integers(-14 * 60, 14 * 60))
def test_the_same_text_has_the_same_token_in_every_zone_and_to_the_second(
    detail: str, minutes: int
) -> None:
    zone = timezone(timedelta(minutes=minutes))
    first = line("bad", "gpu", detail, at=NOW)
    assert line("bad", "gpu", detail, at=NOW.astimezone(zone)) == first
    assert line("bad", "gpu", detail, at=NOW + timedelta(microseconds=999_999)) == first
    assert line("bad", "gpu", detail, at=NOW + MINUTE) != first
    assert line("bad", "cpu", detail, at=NOW) != first


@given(st.builds(replace, st.just(ENTRY), kind=st.sampled_from(Kind), detail=HOSTILE, at=TIMES))
def test_what_is_looked_for_on_a_node_is_the_same_after_the_journal_was_read_again(
    entry: Entry,
) -> None:
    entry = written(replace(entry, at=entry.at.replace(microsecond=1)), Verdict.DO, "")
    (again,) = load(dump([entry]))
    assert isinstance(again, Entry)
    assert (again.text, note(again)) == (entry.text, note(entry))


def test_a_reservation_is_named_by_its_prefix_its_node_and_whose_it_is() -> None:
    first = written(replace(ENTRY, id="1234567890", kind=Kind.RESERVE), Verdict.DO, "why")
    second = written(replace(first, id="2345678901"), Verdict.DO, "")
    assert (first.text, first.verdict, first.why) == ("bad-n0-12345678", Verdict.DO, "why")
    assert second.text != first.text
    assert note(first).startswith("bad: gpu: Xid (")


def test_what_only_undoes_or_tells_writes_nothing() -> None:
    for kind in (Kind.UNDRAIN, Kind.UNCOMMENT, Kind.UNRESERVE, Kind.NOTIFY):
        assert written(replace(ENTRY, kind=kind), Verdict.DO, "").text == ""


@given(COMMENTS, OURS)
def test_what_is_removed_again_leaves_a_comment_as_it_was(comment: str, ours: str) -> None:
    assume(ours not in comment)
    assert removed(added(comment, ours), ours) == comment
    assert removed(comment, ours) == comment


@given(COMMENTS, st.lists(OURS, max_size=5, unique=True), st.data())
def test_lines_go_in_whatever_order_they_came(
    comment: str, ours: list[str], data: st.DataObject
) -> None:
    found = comment
    for one in ours:
        found = added(found, one)
    for one in data.draw(st.permutations(ours)):
        assert one in found or len(found) + len(one) > MOST_COMMENT
        found = removed(found, one)
    assert found == comment


@given(st.text(max_size=MOST_COMMENT + 50), OURS)
def test_a_comment_is_added_to_once_and_never_beyond_its_limit(comment: str, ours: str) -> None:
    found = added(comment, ours)
    assert found == comment or (found.startswith(comment) and len(found) <= MOST_COMMENT)
    assert added(found, ours) == found


def test_others_words_stay_where_they_stand() -> None:
    ours = line("bad", "gpu", "Xid", at=NOW)
    for comment in (f"x | {ours} | y", f"x | y | {ours}", f"{ours} | x | y"):
        assert removed(comment, ours) == "x | y"
    assert removed(f"x {ours}; y", ours) == "x ; y"
    assert removed("x | y", "") == "x | y"
