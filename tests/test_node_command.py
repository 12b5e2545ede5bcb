"""What `node` says of one node, and the order of what happened there."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.embedded import EmbeddedStore
from analytics.frame import frame
from analytics.result import Result
from analytics.snapshot import Snapshot
from analytics.timeline import timeline
from slurm_hooks.journal import CheckEvent, Line, Verdict, What, Word, fold
from slurm_hooks.reaction import Kind
from slurm_hooks.record import Outcome
from tests.command_line import Site, new_site
from tests.history_examples import row
from tests.reaction_examples import done, entry, give_slurm, put_journal, shown_node
from tests.test_reactions_command import journals
from tests.test_status import expected

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
OURS = entry("n1", at=NOW - 2 * HOUR)
WAITS = entry(
    "n1", Kind.RESERVE, Verdict.WAIT, at=NOW - HOUR, check="disk", why="disk failed on 6 nodes"
)
SUSPENDED = CheckEvent(check="disk", word=Word.SUSPENDED, at=NOW - HOUR, detail=WAITS.why)
ROWS = [
    row("00000000-0000-0000-0000-00000000000a", check="gpu")._replace(finished_at=NOW - 3 * HOUR),
    row("00000000-0000-0000-0000-00000000000b", check="gpu", outcome=Outcome.FAIL)._replace(
        finished_at=NOW - 2 * HOUR - MINUTE, detail="Xid 79", log_path="/logs/gpu/n1.log"
    ),
    row("00000000-0000-0000-0000-00000000000c", check="memory")._replace(
        finished_at=NOW - 90 * MINUTE
    ),
    row("00000000-0000-0000-0000-00000000000d", node="n2")._replace(finished_at=NOW - HOUR),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = new_site(tmp_path_factory.mktemp("site"))
    at = f"{OURS.at:%Y-%m-%dT%H:%M:%S}"
    ours = shown_node("n1", "IDLE+DRAIN", reason=f"{OURS.text} [slurm@{at}]")
    give_slurm(made, ours + shown_node("n2"))
    EmbeddedStore(made.state.history).append(frame(ROWS))
    Snapshot(made.state.snapshot).replace(expected(ROWS).items(), now=NOW)
    put_journal(made.state, [*done(OURS), SUSPENDED, WAITS], now=NOW)
    return made


def _local(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S}"  # the tests' local time is UTC


def test_the_card_says_what_the_node_is_in_then_how_checks_stand_then_what_happened(
    site: Site,
) -> None:
    done_ = site.run("node", "n1")
    assert (done_.exit_code, done_.stderr) == (0, "")
    head, checks, happened = done_.stdout.split("\n\n")
    assert head.splitlines()[0] == "n1: IDLE+DRAIN in main, background"
    assert head.splitlines()[1].startswith(f"held by check gpu since {_local(OURS.at)}, 2h")
    assert head.splitlines()[2:] == [
        f"reason: {OURS.text}",
        f"waiting: reserve for disk: disk failed on 6 nodes (id {WAITS.id})",
        f"disk: suspended since {_local(SUSPENDED.at)}: failed on 6 nodes",
        "  1 waiting; decide: cluster-doctor reactions approve disk (or discard)",
    ]
    assert [line.split()[:2] for line in checks.splitlines()] == [
        ["CHECK", "OUTCOME"],
        ["gpu", "fail"],
        ["memory", "pass"],
        ["log", "of"],
    ]
    assert checks.splitlines()[-1] == "log of gpu: /logs/gpu/n1.log"
    assert [line.split(maxsplit=2)[2] for line in happened.splitlines()] == [
        "WHAT           DETAIL",
        "pass           00000000-0000-0000-0000-00000000000a pass",
        "fail           Xid 79",
        f"drain done     {OURS.text}",
        "pass           00000000-0000-0000-0000-00000000000c pass",
        "reserve waits  disk failed on 6 nodes",
    ]


def test_the_timeline_s_options_are_those_of_the_other_tables(site: Site) -> None:
    def what(*arguments: str) -> list[str]:
        return site.run("node", "n1", "-n", "-P", "-o", "what", *arguments).stdout.splitlines()

    assert what() == ["pass", "fail", "drain done", "pass", "reserve waits"]
    assert what("--last", "2") == ["pass", "reserve waits"]
    window = ("-S", _local(NOW - 130 * MINUTE), "-E", _local(NOW - 80 * MINUTE))
    assert what(*window) == ["fail", "drain done", "pass"]
    assert what(*window, "--last", "1") == ["pass"]


def test_programs_get_the_whole_card_as_one_object(site: Site) -> None:
    found = json.loads(site.run("node", "n1", "--json").stdout)
    assert (found["node"], found["kind"], found["failing"]) == ("n1", "check", ["gpu"])
    assert [one["check"] for one in found["standings"]] == ["gpu", "memory"]
    assert found["standings"][0]["log"] == "/logs/gpu/n1.log"
    assert [one["kind"] for one in found["timeline"]] == [
        "result",
        "result",
        "reaction",
        "result",
        "reaction",
    ]
    assert found["timeline"][2]["id"] == OURS.id


def test_a_node_in_service_and_one_that_nobody_knows(site: Site) -> None:
    assert "in service: nobody holds it" in site.run("node", "n2").stdout
    done_ = site.run("node", "n99")
    assert (done_.exit_code, done_.stdout) == (1, "")
    assert "Slurm has no node 'n99'" in done_.stderr


def test_hostile_text_in_a_reason_does_not_reach_the_terminal(tmp_path: Path) -> None:
    site = new_site(tmp_path)
    give_slurm(site, shown_node("n1", "DOWN", reason="\x1b[2Jfan [root@2030-01-02T09:00:00]"))
    shown = site.run("node", "n1").stdout
    assert "\x1b" not in shown
    assert r"reason: \x1b[2Jfan" in shown
    assert "no check ever ran here" in shown


def _row(number: int, hours: int) -> Result:
    return row(f"r{number}")._replace(finished_at=NOW - hours * HOUR)


@given(
    st.lists(st.integers(0, 60), max_size=6),
    journals(),
    st.none() | st.integers(1, 8),
    st.integers(0, 60),
)
def test_a_timeline_is_the_newest_of_the_window_in_order_and_nothing_is_twice(
    ages: list[int], lines: list[Line], most: int | None, back: int
) -> None:
    rows = [_row(number, hours) for number, hours in enumerate(ages)]
    items = fold(lines).items.values()
    since, until = NOW - back * HOUR, NOW + 10_000 * HOUR
    whole = timeline(rows, items, since=since, until=until, most=None)
    cut = timeline(rows, items, since=since, until=until, most=most)
    assert cut == (whole if most is None else whole[-most:])
    assert [one.at for one in whole] == sorted(one.at for one in whole)
    assert all(since <= one.at <= until for one in whole)
    assert [one.id for one in whole if one.kind == "result"].count("r0") <= 1
    assert {one.id for one in whole if one.kind == "result"} == {
        one.result_id for one in rows if one.finished_at >= since
    }


@given(journals())
def test_every_reaction_is_in_the_timeline_with_all_that_became_of_it(lines: list[Line]) -> None:
    book = fold(lines)
    whole = timeline(
        [], book.items.values(), since=NOW - 1_000_000 * HOUR, until=NOW + 1_000_000 * HOUR,
        most=None,
    )  # fmt: skip
    assert {one.id for one in whole} == {*book.items}
    assert sum(What.UNDONE.value in one.what for one in whole) == sum(
        event.what is What.UNDONE for item in book.items.values() for event in item.events
    )
