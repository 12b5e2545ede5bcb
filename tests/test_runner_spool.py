"""Records reach the shared spool: now, or with the next visit to the node."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from slurm_hooks.keep import forward, local_spools
from slurm_hooks.record import Outcome
from tests.disks import full, read_only
from tests.visits import Node, program

FIRST, SECOND = "20300101T000000Z-00000001", "20300101T000000Z-00000002"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(root=tmp_path).prepare()
    node.plan(program("a", "exit 0"), program("b", "exit 194"), batch=FIRST)
    node.plan(program("c", "exit 0"), batch=SECOND)
    yield node
    for spool in local_spools(node.local_dir, node.cluster)[1:]:
        shutil.rmtree(spool, ignore_errors=True)


@pytest.mark.parametrize("break_disk", [full, read_only])
def test_records_that_the_shared_spool_refuses_come_with_the_next_visit(
    node: Node, break_disk: Callable[[Path], AbstractContextManager[Callable[[], None]]]
) -> None:
    (node.local_dir / "spool").mkdir(mode=0o700)
    with break_disk(node.state.spool) as repair:
        assert node.run(batch=FIRST) == 0
        assert node.records() == {}
        kept = node.records(node.local_dir / "spool")
        assert [one.outcome for one in kept.values()] == [Outcome.PASS, Outcome.FAIL]
        repair()
        assert node.run(batch=SECOND) == 0
        assert set(node.records()) == {"a", "b", "c"}
        assert {name: node.records()[name] for name in kept} == kept
    assert node.records(node.local_dir / "spool") == {}


def test_a_node_whose_disk_is_full_too_keeps_records_elsewhere(node: Node) -> None:
    with ExitStack() as stack:
        repair = stack.enter_context(full(node.state.spool))
        stack.enter_context(full(node.local_dir))
        assert node.run(batch=FIRST) == 0
        assert node.records() == {}
        repair()
        assert node.run(batch=SECOND) == 0
        assert set(node.records()) == {"a", "b", "c"}
    for spool in local_spools(node.local_dir, node.cluster):
        assert node.records(spool) == {}


def test_forwarding_leaves_what_is_there_and_stops_at_trouble(node: Node, tmp_path: Path) -> None:
    spool = tmp_path / "local" / "spool"
    spool.mkdir(mode=0o700)
    (spool / "one.json").write_text("newer")
    (spool / "two.json").write_text("not even a record")
    (spool / ".three.json.tmp").write_text("half")
    (node.state.spool / "one.json").write_text("first")
    assert forward(node.state, (spool,)) == 2
    assert (node.state.spool / "one.json").read_text() == "first"
    assert (node.state.spool / "two.json").read_text() == "not even a record"
    assert [path.name for path in spool.iterdir()] == [".three.json.tmp"]


def test_a_spool_that_others_can_write_is_not_believed(node: Node, tmp_path: Path) -> None:
    spool = tmp_path / "local" / "spool"
    spool.mkdir()
    spool.chmod(0o777)
    (spool / "forged.json").write_text("{}")
    assert forward(node.state, (spool,)) == 0
    assert list(node.state.spool.iterdir()) == []
