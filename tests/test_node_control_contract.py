"""The same calls, told to the real Slurm and to its stand-in: both answer and end the same."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from slurm_hooks.errors import SlurmError
from slurm_hooks.node_control import NodeControl
from slurm_hooks.slurm_text import Node
from tests.conftest import MakeLab
from tests.fakes.crash import NODE_EFFECTS, CrashPoint, Killed, Mortal
from tests.fakes.node_control import FakeNodes
from tests.lab.nodes import Nodes
from tests.lab.users import ORDINARY
from tests.node_walls import STAYS_DOWN, NodeLab

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
UNKNOWN = "less"
"""A name between the others, in the order that slurmctld goes by."""
NAMES = ["idle00002", "idle00003", UNKNOWN, "n000"]
A, B, _, C = NAMES


@dataclass
class Side:
    """Nodes as each user has them, and what only slurmctld does."""

    wall: Callable[[str], NodeControl]
    set_down: Callable[[str, str], None]


@dataclass(frozen=True)
class Call:
    """One step of a script; *what* names it where two sides differ."""

    what: str
    tell: Callable[[Side], None]

    def __repr__(self) -> str:
        return self.what


def by(user: str, method: str, *arguments: object) -> Call:
    def tell(side: Side) -> None:
        getattr(side.wall(user), method)(*arguments)

    return Call(f"{user}: {method}{arguments}", tell)


def down(node: str, reason: str) -> Call:
    return Call(f"down {node} {reason}", lambda side: side.set_down(node, reason))


WHOLE = [
    by("root", "drain", [A], "fan"),
    by("slurm", "drain", [A], "fan"),
    by("slurm", "comment", {A: "seen", B: "x"}),
    by("slurm", "drain", [C, UNKNOWN, A], "ours"),
    by("slurm", "drain", [A, B, C], ""),
    by(ORDINARY[0], "undrain", [A]),
    by("slurm", "drain", [A, B, C], "ours"),
    by("root", "drain", [B], "ours, but keep"),
    by("slurm", "reserve", "ours", [A, B, C], ["root", "slurm"]),
    by("slurm", "reserve", "ours", [A], ["root"]),
    by("root", "reserve", "also", [UNKNOWN], ["root"]),
    by("root", "reserve", "also", [B, C], ["root"]),
    down(B, "smoke"),
    by("slurm", "undrain", [A, B, C]),
    by("slurm", "undrain", [A, B, C]),
    by("slurm", "comment", {A: "", UNKNOWN: "x", C: "y"}),
    by(ORDINARY[0], "unreserve", "ours"),
    by("slurm", "unreserve", "ours"),
    by("slurm", "unreserve", "ours"),
]

AGAIN = [
    down(A, "ours"),
    by("slurm", "drain", [A], "ours"),
    by("root", "drain", [A], "ours"),
    by("slurm", "drain", [B], "smoke"),
    down(B, "smoke"),
    by("slurm", "drain", [B], "smoke"),
    by("slurm", "drain", [C], "ours"),
    by("root", "drain", [C], "ours"),
]
"""The same reason, given by somebody else: with a new state, and without."""

USERS = st.sampled_from(["slurm", "slurm", "root", ORDINARY[0]])
SOME = st.lists(st.sampled_from(NAMES), unique=True, max_size=3)
TEXTS = st.sampled_from(["", "ours", "theirs = x", '"quoted"', "two\nlines", " ours "])
CALLS = st.one_of(
    st.builds(by, USERS, st.just("drain"), SOME, TEXTS),
    st.builds(by, USERS, st.just("undrain"), SOME),
    st.builds(by, USERS, st.just("comment"), st.dictionaries(st.sampled_from(NAMES), TEXTS)),
    st.builds(
        by, USERS, st.just("reserve"), st.sampled_from(["one", "two", ""]), SOME,
        st.just(["root"]),
    ),
    st.builds(by, USERS, st.just("unreserve"), st.sampled_from(["one", "two"])),
    st.builds(down, st.sampled_from([A, B]), st.sampled_from(["ours", "smoke"])),
)  # fmt: skip


def look(wall: NodeControl) -> dict[str, object]:
    """Return what can be told of nodes and reservations whenever one looks."""
    nodes = {node.name: node for node in wall.nodes() if node.name in NAMES}
    assert {node.name for node in wall.some_nodes(NAMES)} == set(nodes)
    seen: dict[str, object] = {
        node.name: (node.state, "DRAIN" in node.flags, node.reason, node.reason_user,
                    node.reason_at is not None, node.comment)
        for node in nodes.values()
    }  # fmt: skip
    for one in wall.reservations():
        assert one.starts_at is not None
        assert one.ends_at is not None
        days = (one.ends_at - one.starts_at).days
        seen[f"reservation {one.name}"] = (sorted(one.nodes), one.users, one.flags, one.state, days)
    return seen


def play(script: Sequence[Call], side: Side) -> list[tuple[Call, str, dict[str, object]]]:
    told = []
    for call in script:
        try:
            call.tell(side)
        except SlurmError as error:
            answer = "may not" if "run this as SlurmUser or root" in str(error) else "refused"
        else:
            answer = "done"
        told.append((call, answer, look(side.wall("slurm"))))
    return told


def fake_nodes() -> FakeNodes:
    return FakeNodes([Node(name=name, state="IDLE") for name in (A, B, C)], lambda: NOW)


def fake_side() -> Side:
    fake = fake_nodes()

    def wall(user: str) -> NodeControl:
        other = fake.other(user)
        other.refuses = user in ORDINARY
        return other

    return Side(wall, fake.other("root").set_down)


@pytest.fixture(scope="module")
def there(make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeLab]:
    with make_lab(nodes=1, idle_nodes=8, accounting=False, hooks=False, extra=STAYS_DOWN) as lab:
        lab.up()
        yield NodeLab(lab, tmp_path_factory.mktemp("walls"))


def real_side(there: NodeLab) -> Side:
    nodes = Nodes(commands=there.lab.commands, spec=there.lab.spec)
    nodes.clear_marks()
    return Side(
        there.wall, lambda node, reason: nodes.update(node, "State=DOWN", f"Reason={reason}")
    )


@pytest.mark.lab
@settings(max_examples=12, phases=(Phase.explicit, Phase.generate))  # the lab is slow to shrink
@example(WHOLE)
@example(AGAIN)
@given(st.lists(CALLS, min_size=2, max_size=8))
def test_the_stand_in_answers_as_slurm_does(there: NodeLab, script: list[Call]) -> None:
    assert play(script, fake_side()) == play(script, real_side(there))


def test_the_script_is_refused_where_it_should_be() -> None:
    """So that the test above compares something."""
    answers = [answer for _, answer, _ in play(WHOLE, fake_side())]
    assert (answers.count("done"), answers.count("may not"), answers.count("refused")) == (12, 2, 5)


def test_an_admin_may_come_between_two_calls_of_the_stand_in() -> None:
    fake = fake_nodes()

    def admin(call: str) -> None:
        if call == "drain":
            fake.other("root").drain([A], "fan")

    fake.before = admin
    assert fake.some_nodes([A])[0].reason == ""
    fake.drain([B], "ours")
    assert [(node.reason, node.reason_user) for node in fake.some_nodes([A, B])] == [
        ("fan", "root"), ("ours", "slurm"),
    ]  # fmt: skip
    assert fake.calls == ["some_nodes", "drain", "some_nodes"]


def test_whoever_uses_the_stand_in_can_be_killed_before_each_effect() -> None:
    fake = fake_nodes()
    mortal = Mortal(fake, NODE_EFFECTS, CrashPoint(at=1))
    mortal.comment({A: "x"})  # type: ignore[operator]
    with pytest.raises(Killed):
        mortal.drain([A], "ours")  # type: ignore[operator]
    assert [(node.comment, node.reason) for node in fake.some_nodes([A])] == [("x", "")]


def test_a_stand_in_that_is_down_says_so() -> None:
    fake = fake_nodes()
    fake.up = False
    with pytest.raises(SlurmError, match="Unable to contact"):
        fake.nodes()


def test_a_reservation_in_use_stays_with_the_stand_in_too() -> None:
    fake = fake_nodes()
    fake.reserve("ours", [A], ["slurm"])
    fake.in_use.add("ours")
    with pytest.raises(SlurmError, match="in use"):
        fake.unreserve("ours")
    assert [one.name for one in fake.reservations()] == ["ours"]
