"""What a person or a program sees of `reactions`, whatever the journal holds."""

import csv
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.journal_view import book
from analytics.reacted import STATES, WantedReactions, reactions
from slurm_hooks.errors import StateError
from slurm_hooks.journal import CheckEvent, Line, Verdict, What, Word, fold
from slurm_hooks.reaction import Kind
from slurm_hooks.record import Outcome
from slurm_hooks.state import State
from tests.command_line import Site, new_site
from tests.reaction_examples import NOW, done, entry, event, put_journal

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WINDOW = ("-S", "2030-01-02T00:00", "-E", "2030-01-02T23:00")
SUSPENDED = CheckEvent(
    check="nccl",
    word=Word.SUSPENDED,
    at=NOW,
    detail="nccl failed on 6 nodes, more than 5: suspect the check or the fabric",
)

GONE = "its reason is now: new GPU"
DRAIN = entry("n3")
BACK = entry("n1", check="disk", detail="read-only")
UNDRAIN = entry(
    "n1", Kind.UNDRAIN, at=NOW + HOUR, check="disk", detail="fine", target=BACK.id,
    outcome=Outcome.PASS,
)  # fmt: skip
LOST = entry("n4", at=NOW + HOUR, detail="Xid 48")
NOTED = entry("n5", at=NOW + 2 * HOUR)
WAITS = entry(
    "n10", Kind.DRAIN, Verdict.WAIT, at=NOW + 3 * HOUR, check="nccl", why=SUSPENDED.detail
)
WOULD = entry("n7", Kind.RESERVE, Verdict.WOULD, at=NOW + 4 * HOUR, why="shadow", detail="\x1b[2J|")
LINES: Sequence[Line] = [
    *done(DRAIN),
    *done(BACK),
    *done(UNDRAIN),
    event(BACK, What.UNDONE, after=HOUR, by="disk: pass"),
    *done(LOST),
    event(LOST, What.LOST, after=HOUR, by="alice", detail=GONE),
    NOTED,
    event(NOTED, What.NOTED),
    SUSPENDED,
    WAITS,
    WOULD,
]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = new_site(tmp_path)
    put_journal(made.state, LINES)
    return made


def _lines(site: Site, *arguments: str) -> Sequence[str]:
    done_ = site.run("reactions", *arguments)
    assert done_.exit_code == 0, done_.stderr
    return done_.stdout.splitlines()


def test_each_decision_is_a_line_with_what_became_of_it_under_what_waits_for_a_person(
    site: Site,
) -> None:
    suspected, decide, *shown, counts = _lines(site, *WINDOW)
    said = "failed on 6 nodes, more than 5: suspect the check or the fabric"
    assert suspected == f"nccl: suspended since 2030-01-02T12:00:00: {said}"
    assert decide == "  1 waiting; decide: cluster-doctor reactions approve nccl (or discard)"
    assert [line.partition("T1")[2] for line in shown[1:]] == [
        "2:00:00  n1    disk   drain     undone   after 1h by disk: pass; read-only",
        "2:00:00  n3    gpu    drain     done     Xid 79 on GPU 3",
        "3:00:00  n1    disk   undrain   done     fine",
        f"3:00:00  n4    gpu    drain     lost     after 1h by alice: {GONE}; Xid 48",
        "4:00:00  n5    gpu    drain     noted    held by somebody else; Xid 79 on GPU 3",
        f"5:00:00  n10   nccl   drain     waiting  {said}; Xid 79 on GPU 3",
        r"6:00:00  n7    gpu    reserve   would    \x1b[2J|; shadow",
    ]
    assert shown[0] == "TIME                 NODE  CHECK  REACTION  STATE    REMARK"
    assert counts == "7 reactions: 1 waiting, 1 would, 2 done, 1 noted, 1 undone, 1 lost"


@pytest.mark.parametrize(
    ("arguments", "nodes"),
    [
        (["-N", "n[1-3]"], ["n1", "n3", "n1"]),
        (["-c", "disk", "-s", "done"], ["n1"]),
        (["-s", "LOST,waiting"], ["n4", "n10"]),
        (["--would"], ["n7"]),
        (["-X", "-L", "-s", "noted"], ["n5"]),
        (["-r", "-c", "disk,nccl"], ["n10", "n1", "n1"]),
    ],
)
def test_options_choose_reactions(site: Site, arguments: list[str], nodes: list[str]) -> None:
    assert _lines(site, *WINDOW, "-n", "-o", "node", *arguments) == nodes


def test_a_window_holds_what_was_decided_or_changed_in_it(site: Site) -> None:
    later = ["-S", "2030-01-02T13:30", "-E", "2030-01-02T14:30"]
    assert _lines(site, "-n", "-o", "node,state", "-P", *later) == ["n4|lost", "n5|noted"]


def test_programs_get_every_field_and_times_in_utc(site: Site) -> None:
    done_ = site.run("reactions", "--json", *WINDOW, "-N", "n1", "-s", "undone")
    (found,) = json.loads(done_.stdout)
    assert found["undone"] == "2030-01-02T13:00:00.000Z"
    assert (found["by"], found["id"], found["result"]) == ("disk: pass", BACK.id, BACK.result_id)
    assert found["text"] == BACK.text
    assert "remark" not in found
    assert "reactions approve nccl" in done_.stderr
    rows = [*csv.DictReader(_lines(site, "--csv", *WINDOW))]
    assert rows[-1]["detail"] == r"\x1b[2J|"


def test_by_default_the_last_day_and_all_that_still_stands_or_waits(tmp_path: Path) -> None:
    site, now = new_site(tmp_path), datetime.now(UTC)
    old = now - 30 * DAY
    stands, over, waits, fresh = (
        entry("stands", at=old),
        entry("over", at=old),
        entry("waits", Kind.DRAIN, Verdict.WAIT, at=old, why="5 nodes are held"),
        entry("fresh", Kind.DRAIN, Verdict.NO, at=now - HOUR, why="1 of 2 fails"),
    )
    lines = [*done(stands), *done(over), event(over, What.UNDONE, after=HOUR), waits, fresh]
    put_journal(site.state, lines, now=now)
    assert _lines(site, "-n", "-o", "node") == ["stands", "waits", "fresh"]
    assert _lines(site, "-n", "-o", "node", "-S", "now-2days") == ["fresh"]
    assert _lines(site, "-n", "-o", "node", "-S", "now-31days", "-s", "undone") == ["over"]


def test_an_older_window_is_read_from_older_months_each_entry_once(tmp_path: Path) -> None:
    site, now = new_site(tmp_path), datetime.now(UTC)
    then = now - 100 * DAY
    over, stands = entry("over", at=then), entry("stands", at=then)
    lines = [*done(over), event(over, What.UNDONE, after=HOUR), *done(stands)]
    put_journal(site.state, lines, now=then)
    put_journal(site.state, [event(stands, What.UNDONE, after=99.5 * DAY)], now=now)
    assert _lines(site, "-n", "-o", "node") == ["stands"]
    since = f"now-{101}days"
    assert _lines(site, "-n", "-P", "-o", "node,state", "-S", since) == [
        "over|undone",
        "stands|undone",
    ]


def test_nobody_reacted_yet_and_that_is_no_error(tmp_path: Path) -> None:
    done_ = new_site(tmp_path).run("reactions")
    assert (done_.exit_code, done_.stderr) == (0, "")
    assert done_.stdout.splitlines()[-1] == "0 reactions"


def test_a_damaged_journal_is_an_error_that_names_the_line(site: Site) -> None:
    file = next(site.state.reactions.glob("*.jsonl"))
    file.write_bytes(b"nonsense\n" + file.read_bytes())
    done_ = site.run("reactions")
    assert (done_.exit_code, done_.stdout) == (1, "")
    assert f"{file}: cannot read the journal of reactions: line 1" in done_.stderr


def test_a_state_directory_that_is_not_there_is_an_error(site: Site) -> None:
    site.state.root.rename(site.root / "unmounted")
    done_ = site.run("reactions")
    assert done_.exit_code == 1
    assert "is it mounted?" in done_.stderr


@pytest.fixture
def open_root() -> Iterator[Path]:
    """A directory that every account may enter, as pytest's are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else for a moment")
@pytest.mark.parametrize("hidden", ["reactions", "2030-01.jsonl"])
def test_who_may_not_read_the_journal_is_told_who_may(open_root: Path, hidden: str) -> None:
    state = State(open_root)
    put_journal(state, LINES)
    (state.reactions if hidden == "reactions" else state.reactions / hidden).chmod(0o600)
    os.seteuid(65534)
    try:
        with pytest.raises(StateError, match="root and the group root may"):
            book(state, now=NOW)
    finally:
        os.seteuid(0)


def test_what_is_no_state_or_no_window_is_a_usage_error(site: Site) -> None:
    for arguments, said in (
        (["-s", "undo"], "'undo' is no state (did you mean 'undone'?)"),
        (["-S", "now", "-E", "now-1hour"], "--starttime is after --endtime"),
        (["-o", "nose"], "there is no field 'nose'"),
    ):
        done_ = site.run("reactions", *arguments)
        assert done_.exit_code == 2
        assert said in done_.stderr


@st.composite
def journals(draw: st.DrawFn) -> list[Line]:
    """Any journal, also such as no reactor would write."""
    lines: list[Line] = []
    for number in range(draw(st.integers(0, 6))):
        made = entry(
            f"n{draw(st.integers(1, 3))}",
            draw(st.sampled_from(Kind)),
            draw(st.sampled_from(Verdict)),
            at=NOW - draw(st.integers(0, 50)) * HOUR + timedelta(seconds=number),
            check=draw(st.sampled_from(["gpu", "disk"])),
        )
        lines.append(made)
        happened = draw(st.lists(st.tuples(st.sampled_from(What), st.integers(0, 40)), max_size=3))
        lines.extend(event(made, what, after=hours * HOUR) for what, hours in happened)
    return lines


@given(journals())
def test_every_entry_is_in_one_state_and_all_states_together_show_all(lines: list[Line]) -> None:
    whole = fold(lines)
    wide = WantedReactions(since=NOW - 100 * DAY, until=NOW + 100 * DAY)
    of_states = [
        item.entry.id
        for state in STATES
        for item in reactions(whole, replace(wide, states=(state,)))
    ]
    assert sorted(of_states) == sorted(whole.items)
    assert len(reactions(whole, wide)) == len(whole.items)


@given(journals(), st.booleans())
def test_what_stands_or_waits_is_never_left_out_by_its_age(lines: list[Line], aged: bool) -> None:
    whole = fold(lines)
    start = NOW + 200 * DAY if aged else NOW - DAY
    shown = {
        item.entry.id for item in reactions(whole, WantedReactions(since=start, until=start + DAY))
    }
    open_ = {
        item.entry.id
        for item in whole.items.values()
        if item.stands or item.waiting or item.unfinished
    }
    assert open_ <= shown
    assert shown == open_ or not aged
