"""A compromised service account against the reactor: it may forge its own evidence, and no more."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from slurm_hooks.errors import StateError
from slurm_hooks.journal import Entry
from slurm_hooks.reaction import Kind, Reacting, Reaction
from slurm_hooks.record import Outcome, dumps
from slurm_hooks.trust import is_as_we_write
from slurm_hooks.unseen import MOST
from tests.forgeries import FORGERIES, HARMLESS_TO_ROOT, Forger, record_of
from tests.reactions import DRAIN, ROOM, UNDRAIN, Clinic, clinic

DRAINS = Reacting(on_fail=(DRAIN,), on_pass=(UNDRAIN,))


@pytest.fixture
def world(tmp_path: Path) -> Clinic:
    root = tmp_path / "state"
    root.mkdir()
    (tmp_path / "outside").mkdir()
    return clinic(root, more=ROOM + "suspect = '100%'\n")


def forger(world: Clinic) -> Forger:
    """A forger with a plan that would be believed, and is not there."""
    batch = replace(world.batch(["n1"], DRAINS), id="20260101T000000Z-0000abcd")
    return Forger(world.root, batch, world.root.parent / "outside")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", [name for name in FORGERIES if name not in HARMLESS_TO_ROOT])
def test_a_forgery_causes_nothing_and_holds_up_no_true_result(world: Clinic, name: str) -> None:
    made = forger(world)
    getattr(made, name)()
    outside = _everything(made.outside)
    world.result("n3", Outcome.FAIL, DRAINS)
    world.react()
    assert [*world.drained()] == ["n3"]
    assert world.nodes.reservation_list == []
    assert _everything(made.outside) == outside
    assert world.react().lines == ()
    assert all(len(path.name) == 25 for path in world.state.considered.iterdir())


def test_the_forgeries_would_be_believed_if_they_were_what_they_claim(world: Clinic) -> None:
    made = forger(world)
    made._whole(made.place)
    made._told()
    world.react()
    assert [*world.drained()] == ["n1"]


def test_a_record_of_another_account_is_not_believed(world: Clinic) -> None:
    if os.geteuid() != 0:
        pytest.skip("gives a file to another account")
    made = forger(world)
    made._whole(made.place)
    made._told()
    os.chown(made.record, 61_235, 61_235)
    world.react()
    assert world.drained() == {}


def test_a_plan_of_another_account_is_not_believed(world: Clinic) -> None:
    if os.geteuid() != 0:
        pytest.skip("gives a file to another account")
    made = forger(world)
    made._whole(made.place)
    made._told()
    os.chown(made.plan, 61_235, 61_235)
    world.react()
    assert world.drained() == {}


def test_a_state_directory_that_becomes_a_link_stops_the_reactor(world: Clinic) -> None:
    world.state.spool.rename(world.root.parent / "outside" / "spool")
    world.state.spool.symlink_to(world.root.parent / "outside" / "spool")
    with pytest.raises(StateError, match="spool: cannot list it"):
        world.react()


@pytest.mark.timeout(120)
def test_a_flood_of_records_is_gone_through_in_portions(world: Clinic) -> None:
    """A pass that took all at once could be ended by the hook's deadline for ever."""
    batch = world.batch(["n1"], Reacting())
    for number in range(MOST + 10):
        record = record_of(batch, attempt=number, outcome=Outcome.PASS)
        (world.state.spool / record.file_name).write_bytes(dumps(record))
    world.result("n3", Outcome.FAIL, DRAINS)
    world.react()
    assert [*world.drained()] == ["n3"]
    assert world.react().lines == ()


def test_a_gigantic_detail_is_not_kept(world: Clinic) -> None:
    world.result("n1", Outcome.FAIL, DRAINS, detail="x" * 900_000)
    entries = [line for line in world.react().lines if isinstance(line, Entry)]
    assert [*world.drained()] == ["n1"]
    assert all(len(entry.detail) <= 500 for entry in entries)


@pytest.mark.parametrize(
    ("kind", "prefix", "believed"),
    [
        (Kind.DRAIN, "", True),
        (Kind.DRAIN, "[hardware] problem", True),
        (Kind.DRAIN, "two\nlines", False),
        (Kind.DRAIN, "x" * 65, False),
        (Kind.COMMENT, "\x1b[31m", False),
        (Kind.RESERVE, "quarantine", True),
        (Kind.RESERVE, "", False),
        (Kind.RESERVE, "a,b", False),
        (Kind.UNRESERVE, "x Flags=", False),
    ],
)
def test_a_plan_may_write_into_slurm_what_a_definition_may(
    world: Clinic, kind: Kind, prefix: str, believed: bool
) -> None:
    for reacting in (
        Reacting(on_fail=(Reaction(kind=kind, prefix=prefix),)),
        Reacting(on_pass=(Reaction(kind=kind, prefix=prefix),)),
    ):
        assert is_as_we_write(world.batch(["n1"], reacting)) is believed


def _everything(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else b""
        for path in sorted(directory.rglob("*"))
    }
