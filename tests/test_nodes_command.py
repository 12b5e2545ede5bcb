"""What `nodes` says of each node, and who holds it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from analytics.snapshot import Snapshot
from slurm_hooks.journal import Verdict, What
from slurm_hooks.reaction import Kind
from slurm_hooks.record import Outcome
from tests.command_line import Site, new_site
from tests.history_examples import row
from tests.reaction_examples import NOW, done, entry, event, give_slurm, put_journal, shown_node
from tests.test_status import expected

OURS = entry("n3")
ALSO = entry("n3", check="disk", at=NOW + timedelta(minutes=1))
RESERVED = entry("n4", Kind.RESERVE, check="disk")
WAITS = entry("n1", Kind.DRAIN, Verdict.WAIT, why="5 nodes are held already")
NODES = "".join(
    [
        shown_node("n10", "ALLOCATED"),
        shown_node("n1"),
        shown_node("n2", "IDLE+DRAIN", reason="new fan [root@2030-01-02T10:00:00]"),
        shown_node("n3", "IDLE+DRAIN", reason=f"{OURS.text} [slurm@2030-01-02T12:00:00]"),
        shown_node("n4", "IDLE"),
        shown_node("n5", "MIXED+RESERVED", partitions="main"),
        shown_node("n6", "DOWN*", reason="Not responding [slurm@2030-01-02T09:00:00]"),
        shown_node("n7", "IDLE*"),
        shown_node("n8", "IDLE+DRAIN", reason=f"{OURS.text} [slurm@2030-01-02T12:00:00]"),
    ]
)

SUMMARY = (
    "9 nodes: 2 in service, 7 held (2 by checks, 2 by people, 1 by reservations, 2 by Slurm), "
    "1 failing, 1 with reactions waiting, 7 not judged for 1d; last sweep 0s ago"
)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = new_site(tmp_path)
    give_slurm(made, NODES)
    rows = [
        row("a", node="n10"),
        row("b", node="n3", outcome=Outcome.FAIL, check="gpu"),
        row("c", node="n3", outcome=Outcome.FAIL, check="disk", minute=2),
        row("d", node="n3", check="memory", minute=1),
        row("e", node="n4", outcome=Outcome.PREEMPTED),
    ]
    Snapshot(made.state.snapshot).replace(expected(rows).items(), now=NOW)
    lines = [*done(OURS), ALSO, event(ALSO, What.JOINED), *done(RESERVED), WAITS]
    put_journal(made.state, lines)
    made.state.heartbeat.write_text(json.dumps({"finished_at": datetime.now(UTC).isoformat()}))
    return made


def _lines(site: Site, *arguments: str) -> Sequence[str]:
    done_ = site.run("nodes", *arguments)
    assert (done_.exit_code, done_.stderr) == (0, "")
    return done_.stdout.splitlines()


def test_each_node_is_a_line_with_its_state_and_who_holds_it(site: Site) -> None:
    """n8 reads as ours, and the journal knows nothing of it: SlurmUser wrote it."""
    assert _lines(site, "-o", "node,state,holder,failing,since,checks") == [
        "NODE  STATE                HOLDER         FAILING   SINCE                CHECKS",
        "n1    IDLE                                                                    0",
        "n2    IDLE+DRAIN           root                     2030-01-02T10:00:00       0",
        "n3    IDLE+DRAIN           check gpu      disk,gpu  2030-01-02T12:00:00       3",
        "n4    IDLE                 check disk               2030-01-02T12:00:00       1",
        "n5    MIXED+RESERVED       a reservation                                      0",
        "n6    DOWN+NOT_RESPONDING  Slurm                    2030-01-02T09:00:00       0",
        "n7    IDLE+NOT_RESPONDING  Slurm                                              0",
        "n8    IDLE+DRAIN           slurm                    2030-01-02T12:00:00       0",
        "n10   ALLOCATED                                                               1",
        SUMMARY,
    ]


@pytest.mark.parametrize(
    ("arguments", "nodes"),
    [
        (["-N", "n[1-3]"], ["n1", "n2", "n3"]),
        (["-s", "drain"], ["n2", "n3", "n8"]),
        (["-s", "drained,ALLOC"], ["n2", "n3", "n8", "n10"]),
        (["-s", "no_respond,resv"], ["n5", "n6", "n7"]),
        (["-s", "failing"], ["n3"]),
        (["-s", "held"], ["n2", "n3", "n4", "n5", "n6", "n7", "n8"]),
        (["-s", "stale"], ["n1", "n2", "n4", "n5", "n6", "n7", "n8"]),
        (["-s", "mix", "-p", "background"], []),
        (["-p", "main", "-N", "n4,n5"], ["n4", "n5"]),
        (["-p", "background,other", "-N", "n4,n5"], ["n4"]),
    ],
)
def test_options_choose_nodes(site: Site, arguments: list[str], nodes: list[str]) -> None:
    assert _lines(site, "-n", "-o", "node", *arguments) == nodes


def test_stale_is_what_was_not_judged_for_so_long(tmp_path: Path) -> None:
    site, now = new_site(tmp_path), datetime.now(UTC)
    give_slurm(site, shown_node("n1") + shown_node("n2"))
    rows = [
        row("a", node="n1")._replace(finished_at=now - timedelta(hours=5)),
        row("b", node="n2")._replace(finished_at=now - timedelta(hours=3)),
    ]
    Snapshot(site.state.snapshot).replace(expected(rows).items(), now=now)

    def stale(after: str) -> str:
        asked = ("nodes", "-n", "-o", "node", "-s", "stale", "--stale-after", after)
        return site.run(*asked).stdout

    assert (stale("6h"), stale("4h"), stale("1h")) == ("", "n1\n", "n1\nn2\n")


def test_programs_get_every_field(site: Site) -> None:
    found = json.loads("\n".join(_lines(site, "--json", "-N", "n3")))[0]
    assert (found["kind"], found["holder"], found["user"]) == ("check", "check gpu", "slurm")
    assert (found["failing"], found["partitions"]) == (["disk", "gpu"], ["main", "background"])
    assert (found["oldest"], found["checks"]) == ("2030-01-02T12:00:00.000Z", 3)
    assert found["reason"] == OURS.text
    waiting = json.loads("\n".join(_lines(site, "--json", "-N", "n1")))[0]["waiting"]
    assert waiting == ["drain for gpu: 5 nodes are held already"]


def test_while_slurmctld_is_silent_the_rest_is_shown_and_states_are_not_known(site: Site) -> None:
    give_slurm(site, None)
    done_ = site.run("nodes", "-n", "-P", "-o", "node,state,holder,failing")
    assert done_.exit_code == 0
    assert "states are not known" in done_.stderr
    assert "Unable to contact slurm controller" in done_.stderr
    assert done_.stdout.splitlines() == [
        "n1|?|?|",
        "n3|?|check gpu|disk,gpu",
        "n4|?|check disk|",
        "n10|?|?|",
    ]
    of_partition = site.run("nodes", "-p", "main")
    assert of_partition.exit_code == 1
    assert "while slurmctld is silent" in of_partition.stderr


def test_what_else_cannot_be_read_is_said_and_the_rest_is_shown(site: Site) -> None:
    site.state.snapshot.write_bytes(b"damaged")
    next(site.state.reactions.glob("*.jsonl")).write_text("damaged\n")
    done_ = site.run("nodes", "-n", "-P", "-o", "node,state,holder", "-N", "n3")
    assert (done_.exit_code, done_.stdout) == (0, "n3|IDLE+DRAIN|slurm\n")
    assert "reactions are not known" in done_.stderr
    assert "make it anew: cluster-doctor ingest --rebuild" in done_.stderr


def test_a_node_that_slurm_does_not_have_is_named(site: Site) -> None:
    done_ = site.run("nodes", "-n", "-o", "node", "-N", "n1,n98,n99")
    assert (done_.exit_code, done_.stdout) == (0, "n1\n")
    assert "Slurm has no node n98, n99" in done_.stderr


def test_a_word_that_is_no_state_is_a_usage_error(site: Site) -> None:
    done_ = site.run("nodes", "-s", "dran")
    assert done_.exit_code == 2
    assert "'dran' is no state (did you mean 'drain'?)" in done_.stderr
