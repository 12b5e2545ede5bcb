"""What the wall does to the nodes and reservations of a real Slurm, as SlurmUser and as others."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slurm_hooks.errors import SlurmError
from slurm_hooks.node_control import NodeCommands
from slurm_hooks.node_text import safe_text
from slurm_hooks.slurm_text import Node
from tests.conftest import MakeLab
from tests.lab.users import ORDINARY
from tests.node_walls import STAYS_DOWN, NodeLab

pytestmark = pytest.mark.lab

HOSTILE = [
    " Comment=x", "x Comment=y [root@2026-01-01T00:00:00] Comment=z", "Reason=x Reason=y",
    "[root@2026-01-01T00:00:00]", "x [root@2026-01-01T00:00:00]", "[", "]", "[]@", "n[001-003]",
    '"', '""', '"quoted"', 'half "quoted', "'", "''", "'single'", "it's", "\\", "a\\",
    "\\n", '\\"x',
    "#", "# comment", ";", "; rm -rf /", "$(id)", "`id`", "${HOME}", "%s%n%d", "!!", "&& x", "| y",
    ">x", "*", "?", "~", "^", "=", "a=b", "+=x", "-=x", "State=IDLE", "State=IDLE Reason=x",
    "NodeName=n000", "ALL", "(null)", "None", "N/A", "-1", "0", "1e9", "--help", "-", "--", ",",
    ",,", "a,b", "{}", '{"a": [1, "b"]}', "<b>&amp;</b>", "a\nb", "\n\nNodeName=x", "a\r\nb",
    "a\tb", "\x0b\x0c\x1c\x1d\x1e\x85", "\0nul\0", "\x1b[31mred\x1b[0m", "\x07bell", "\x7fdel",
    "\x1funit", "ünïcode", "日本語のノード", "🔥 hot", "e\u0301", "\u200bzero", "\u202ertl",
    "\ufeffbom", "\u2028line", "\u00a0nbsp", "\udcff\udcfe bytes", "\ufffd", "  two  blanks  ",
    "x" * 300, "ü" * 300, "y " * 200, "; DROP TABLE lab_event_table; --", "' or 1=1 --", "\\' or 1",
    "slurm@x]", "resume", "undrain", "NOT_RESPONDING", "Extra=x", "   Comment=x", "a:b|c", "\x80",
]  # fmt: skip


@pytest.fixture(scope="module")
def _started(make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeLab]:
    with make_lab(nodes=2, idle_nodes=500, accounting=False, hooks=False, extra=STAYS_DOWN) as lab:
        lab.up()
        yield NodeLab(lab, tmp_path_factory.mktemp("walls"))


@pytest.fixture
def there(_started: NodeLab) -> NodeLab:
    """The lab of this file, as good as new."""
    _started.lab.reset()
    return _started


def one(wall: NodeCommands, name: str) -> Node:
    (node,) = wall.some_nodes([name])
    return node


def test_a_drain_tells_why_who_and_when_and_keeps_running_jobs(there: NodeLab) -> None:
    wall, node = there.wall(), there.lab.nodes[0]
    job = there.lab.occupy(node)
    wall.drain([node], "cluster-doctor: cpu failed [slot 3] (a1b2)")
    drained = one(wall, node)
    assert (drained.state, "DRAIN" in drained.flags) == ("ALLOCATED", True)
    assert drained.reason == "cluster-doctor: cpu failed [slot 3] (a1b2)"
    assert drained.reason_user == "slurm"
    assert drained.reason_at is not None
    assert abs(datetime.now(UTC) - drained.reason_at) < timedelta(minutes=1)
    there.lab.release(job)


def test_a_drain_replaces_the_reason_of_whoever_drained_before(there: NodeLab) -> None:
    """So whoever drains has to look first."""
    wall, node = there.wall(), there.idle[0]
    there.wall("root").drain([node], "fan, do not touch")
    assert (one(wall, node).reason, one(wall, node).reason_user) == ("fan, do not touch", "root")
    wall.drain([node], "ours")
    assert (one(wall, node).reason, one(wall, node).reason_user) == ("ours", "slurm")


def test_a_reason_given_again_keeps_its_first_author(there: NodeLab) -> None:
    wall, node = there.wall(), there.idle[0]
    there.wall("root").drain([node], "ours")
    before = one(wall, node)
    wall.drain([node], "ours")
    after = one(wall, node)
    assert (after.reason, after.reason_user, after.reason_at) == ("ours", "root", before.reason_at)


def test_undrain_clears_the_reason_and_may_be_repeated(there: NodeLab) -> None:
    wall, node = there.wall(), there.idle[0]
    wall.drain([node], "ours")
    for _ in range(2):
        wall.undrain([node])
        open_again = one(wall, node)
        assert (open_again.state, "DRAIN" in open_again.flags) == ("IDLE", False)
        assert (open_again.reason, open_again.reason_user, open_again.reason_at) == ("", "", None)


def test_undrain_leaves_a_node_down_with_the_reason_it_has(there: NodeLab) -> None:
    wall, (node, other) = there.wall(), there.idle[:2]
    for name in (node, other):
        wall.drain([name], "ours")
    there.lab.run(["scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=smoke"])
    there.lab.run(["scontrol", "update", f"NodeName={other}", "State=DOWN", "Reason=ours"])
    wall.undrain([node, other])
    states = {one.name: (one.state, "DRAIN" in one.flags, one.reason) for one in
              wall.some_nodes([node, other])}  # fmt: skip
    assert states == {node: ("DOWN", False, "smoke"), other: ("DOWN", False, "ours")}


def test_comments_are_set_appended_to_and_cleared_and_drains_leave_them_alone(
    there: NodeLab,
) -> None:
    wall, (a, b, c) = there.wall(), there.idle[:3]
    wall.comment({a: "asked for by ann", b: "second", c: "second"})
    wall.drain([a], "ours")
    assert one(wall, a).comment == "asked for by ann"
    wall.comment({a: one(wall, a).comment + "; cpu failed = twice"})
    wall.undrain([a])
    assert [one(wall, name).comment for name in (a, b, c)] == [
        "asked for by ann; cpu failed = twice", "second", "second",
    ]  # fmt: skip
    wall.comment({a: "", b: ""})
    assert [one(wall, name).comment for name in (a, b, c)] == ["", "", "second"]


def test_five_hundred_nodes_are_changed_by_one_command(there: NodeLab) -> None:
    wall, names = there.wall(), there.lab.spec.idle_node_names
    before = there.count()
    wall.drain(names, "all of them")
    assert [node.reason for node in wall.some_nodes(names)] == ["all of them"] * 500
    wall.comment(dict.fromkeys(names, "all"))
    wall.undrain(names)
    assert there.count() == before + 4
    assert {(node.reason, node.comment) for node in wall.some_nodes(names)} == {("", "all")}
    assert {node.comment for node in wall.nodes() if node.name not in names} == {""}


@pytest.mark.parametrize("limit", [255, 30])
def test_hostile_texts_come_back_unchanged_as_reason_and_as_comment(
    there: NodeLab, limit: int
) -> None:
    wall = there.wall()
    texts = {
        name: safe_text(text, limit) or "empty"
        for name, text in zip(there.idle, HOSTILE, strict=False)
    }
    assert len(texts) == len(HOSTILE)
    wall.comment(texts)
    for name, text in texts.items():
        wall.drain([name], text)
    nodes = {node.name: node for node in wall.nodes()}
    assert {name: nodes[name].comment for name in texts} == texts
    assert {name: nodes[name].reason for name in texts} == texts
    assert {nodes[name].reason_user for name in texts} == {"slurm"}
    assert {node.reason for name, node in nodes.items() if name not in texts} == {""}


def test_a_line_end_that_an_admin_typed_is_not_lost(there: NodeLab) -> None:
    """A reason that only begins as ours is not ours."""
    wall, (node, after) = there.wall(), there.idle[:2]
    wall.drain([node], "ours\nplease keep: ann")
    wall.comment({node: "one\n\ntwo"})
    wall.comment({after: "untouched"})
    found = {one.name: one for one in wall.nodes()}
    assert found[node].reason == "ours\nplease keep: ann"
    assert found[node].comment == "one\n\ntwo"
    assert (found[after].state, found[after].comment) == ("IDLE", "untouched")


def test_names_that_slurm_does_not_know_are_left_out_of_what_is_read(there: NodeLab) -> None:
    wall, node = there.wall(), there.idle[0]
    assert [one.name for one in wall.some_nodes(["gone", node, "gone2"])] == [node]
    assert wall.some_nodes(["gone"]) == []
    assert wall.some_nodes([]) == []


def test_an_unknown_name_is_an_error_that_stops_the_call_there_in_sorted_order(
    there: NodeLab,
) -> None:
    wall, (before, after) = there.wall(), (there.idle[0], there.lab.nodes[0])
    with pytest.raises(SlurmError, match=r"update State=DRAIN on .*less.*: Invalid node name"):
        wall.drain([after, "less", before], "ours")
    assert [one(wall, name).reason for name in (before, after)] == ["ours", ""]
    with pytest.raises(SlurmError, match=r"update Comment=lost on less: .*Invalid node name"):
        wall.comment({"less": "lost", after: "found"})
    assert one(wall, after).comment == "found"


def test_a_drain_without_a_reason_is_refused(there: NodeLab) -> None:
    with pytest.raises(SlurmError, match="You must specify a reason"):
        there.wall().drain(there.idle[:1], "")


def test_a_reservation_keeps_its_nodes_for_its_users_over_jobs_and_other_reservations(
    there: NodeLab,
) -> None:
    wall, (a, b) = there.wall(), there.lab.nodes
    job = there.lab.occupy(a)
    there.lab.run(["scontrol", "create", "reservation", "ReservationName=window", f"Nodes={b}",
                   "Users=root", "StartTime=now", "Duration=60"])  # fmt: skip
    there.wall("root").reserve("service", [b], ["root"])
    wall.reserve("ours", [b, a], ["slurm", ORDINARY[0]])
    found = {one.name: one for one in wall.reservations()}
    assert set(found) == {"window", "service", "ours"}
    ours = found["ours"]
    assert (ours.nodes, ours.users, ours.state) == ((a, b), ("slurm", ORDINARY[0]), "ACTIVE")
    assert {"MAINT", "IGNORE_JOBS"} <= ours.flags
    assert ours.starts_at is not None
    assert ours.ends_at is not None
    assert ours.ends_at - ours.starts_at == timedelta(days=365)
    assert "MAINT" not in found["window"].flags
    assert there.lab.run(["squeue", "-h", "-j", str(job), "-o", "%T"]).stdout == "RUNNING\n"
    there.lab.release(job)


def test_a_name_is_reserved_once_and_removed_as_often_as_asked(there: NodeLab) -> None:
    wall, (a, b) = there.wall(), there.idle[:2]
    wall.reserve("ours", [a], ["root"])
    with pytest.raises(SlurmError, match=r"reservation ours for root on .*Duplicate reservation"):
        wall.reserve("ours", [b], ["root"])
    assert [(one.name, one.nodes) for one in wall.reservations()] == [("ours", (a,))]
    wall.unreserve("ours")
    wall.unreserve("ours")
    assert wall.reservations() == []


def test_a_reservation_in_use_stays(there: NodeLab) -> None:
    wall, node = there.wall(), there.lab.nodes[0]
    wall.reserve("ours", [node], [ORDINARY[0]])
    job = there.lab.run(
        ["sbatch", "--parsable", "--reservation=ours", f"--nodelist={node}", "--output=/dev/null",
         "--wrap=exec sleep infinity"], user=ORDINARY[0],
    ).stdout.strip()  # fmt: skip

    def state() -> str:
        return there.lab.run(["squeue", "-h", "-t", "all", "-j", job, "-o", "%T"]).stdout.strip()

    there.lab.wait_for(lambda: state() == "RUNNING", 30, "the job to run")
    with pytest.raises(SlurmError, match=r"ReservationName=ours: .*reservation is in use"):
        wall.unreserve("ours")
    assert [one.name for one in wall.reservations()] == ["ours"]
    there.lab.run(["scancel", job])
    there.lab.wait_for(lambda: state() == "CANCELLED", 30, "the job to end")
    wall.unreserve("ours")


@pytest.mark.parametrize(
    ("name", "nodes", "users"),
    [("", 1, "root"), ("r", 0, "root"), ("r", 1, ""), ("r", 1, "nobody-such")],
)
def test_a_reservation_without_name_nodes_or_users_is_refused(
    there: NodeLab, name: str, nodes: int, users: str
) -> None:
    wall = there.wall()
    with pytest.raises(SlurmError, match="reservation"):
        wall.reserve(name, there.idle[:nodes], users.split())
    assert wall.reservations() == []


ACTS: dict[str, Callable[[NodeCommands, str], None]] = {
    "drain": lambda wall, node: wall.drain([node], "x"),
    "undrain": lambda wall, node: wall.undrain([node]),
    "comment": lambda wall, node: wall.comment({node: "x"}),
    "reserve": lambda wall, node: wall.reserve("theirs", [node], [ORDINARY[0]]),
    "unreserve": lambda wall, _: wall.unreserve("ours"),
}


@pytest.mark.parametrize("act", ACTS)
def test_an_ordinary_user_changes_nothing_and_is_told_who_may(there: NodeLab, act: str) -> None:
    wall, node = there.wall(), there.idle[0]
    wall.drain([node], "ours")
    wall.comment({node: "kept"})
    wall.reserve("ours", [there.idle[1]], ["root"])

    def kept() -> object:
        found = one(wall, node)
        return "DRAIN" in found.flags, found.reason, found.comment, wall.reservations()

    before = kept()
    with pytest.raises(SlurmError, match="Invalid user id; run this as SlurmUser or root"):
        ACTS[act](there.wall(ORDINARY[0]), node)
    assert kept() == before


def test_a_refused_reading_is_an_error_and_not_an_empty_answer(tmp_path: Path) -> None:
    refusing = tmp_path / "scontrol"
    refusing.write_text("#!/bin/sh\necho 'slurm_load_node error: Expired' >&2\nexit 1\n")
    refusing.chmod(0o755)
    wall = NodeCommands(bin_dir=tmp_path)
    for read in (wall.nodes, lambda: wall.some_nodes(["n1"]), wall.reservations):
        with pytest.raises(SlurmError, match="exit 1: slurm_load_node error: Expired"):
            read()


def test_what_no_argument_can_hold_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SlurmError, match="cannot be said to Slurm"):
        NodeCommands(bin_dir=tmp_path).drain(["n1"], "a\0b")
