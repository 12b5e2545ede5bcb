"""What sweeps tell, for the tests of the history."""

from datetime import timedelta

from analytics.coverage_row import CoverageRow
from analytics.node_state import NodeState
from analytics.sweep_file import SweepFile, dumps
from analytics.sweep_row import SweepRow
from tests.history_examples import CHECKS, NOW

LATEST = NOW - timedelta(minutes=8)


def sweep_file(
    *, minutes: float = 5, nodes: tuple[str, ...] = ("n0", "n1"), cluster: str = "alpha"
) -> SweepFile:
    """Return what a sweep told that began *minutes* ago; *nodes* changed since the one before."""
    at = NOW - timedelta(minutes=minutes)
    return SweepFile(
        sweep=SweepRow(
            cluster=cluster, started_at=at, finished_at=at + timedelta(seconds=1.5), duration_s=1.5,
            host="head", nodes=4, free=2, verdicts={"due": 2.0, "fresh": 2.0}, planned=2, batches=1,
            visits=2, cancelled=0, settled=1, ingested=7, closed=1, refused=("batch x",),
            warnings=("the pager is off", "né"),
        ),
        nodes=tuple(node(name, minutes=minutes, cluster=cluster) for name in nodes),
        coverage=tuple(sample(check, minutes=minutes, cluster=cluster) for check in CHECKS),
    )  # fmt: skip


def node(name: str, *, minutes: float = 5, cluster: str = "alpha") -> NodeState:
    """Return a row of a node that is drained and fails a check."""
    return NodeState(
        cluster=cluster, node=name, seen_at=NOW - timedelta(minutes=minutes), state="IDLE",
        flags=("DRAIN",), verdict="drained", detail="drained by root: new fan", reason="new fan",
        reason_user="root", reason_at=NOW - timedelta(hours=1), holder="root", holder_kind="user",
        held_since=NOW - timedelta(hours=1), partitions=("main",), features=("gpu",),
        gres="gpu:h100:8(S:0-1)", cpus=128, memory_mb=1031000,
        hardware="128 CPUs, 1024 GiB, gpu:h100:8, gpu", failing=("storage",), latest_proof=LATEST,
        oldest_proof=None, checks=2,
    )  # fmt: skip


def sample(check: str, *, minutes: float = 5, cluster: str = "alpha") -> CoverageRow:
    """Return how far *check* was proven."""
    return CoverageRow(
        cluster=cluster, at=NOW - timedelta(minutes=minutes), check_name=check, max_age_s=86400.0,
        nodes=4, proven=1, failing=1, never=2, oldest_proof=LATEST,
        debt={"busy": 1.0, "drained": 2.0}, preempted=1, preempted_most=3,
    )  # fmt: skip


def sweep_bytes(told: SweepFile) -> bytes:
    """Return *told* as a sweep writes it."""
    return dumps(told)
