"""How long a user's job waits for its node, by what the node is doing for us."""

import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from tests.benchmarks.table import Row
from tests.lab import Lab
from tests.lab.users import ORDINARY, SERVICE
from tests.site import suspend_shipped

ROUNDS = 2
"""Over all nodes of the lab; the first node's delays are one sample each round."""

MOST_S = 1.0
MOST_TIMES = 3.0
NOISE_S = 0.1
PLANS_S = 4.0
"""The lab's backfill scheduler plans every second."""


class _Planned:
    """What the samples of node states showed."""

    def __init__(self) -> None:
        self.samples = 0
        self.for_us: list[str] = []


def rows() -> list[Row]:
    """Return the median start delay of a user's whole-node job in each situation."""
    with Lab.create() as lab:
        lab.up()
        bare = [delay for _ in range(ROUNDS) for delay in _on_nodes_under_sleep(lab, None)]
        lab.install()
        planned = _Planned()
        delays: dict[str, list[float]] = {name: [] for name in SITUATIONS}
        for _ in range(ROUNDS):  # by turns: what else the machine does is then in all of them
            for name, situation in SITUATIONS.items():
                delays[name] += situation(lab, planned)
    found = {name: statistics.median(several) for name, several in delays.items()}
    plain = found["plain"]
    idle = found["idle"]
    return [
        _row("an idle node", delays["idle"]),
        _row("a node under a `sleep` of another user (plain preemption)", delays["plain"]),
        _row("such a node before our hooks were installed", bare),
        *(
            _row(
                f"a node under a check{what}",
                delays[name],
                promise=f"< {MOST_S:g} s and < {MOST_TIMES:g} x plain",
                ratio=found[name] / plain,
                kept=found[name] < MOST_S and found[name] < MOST_TIMES * plain,
            )
            for name, what in (("check", ""), ("deaf", " that ignores SIGTERM"))
        ),
        _row(
            "an idle node that a pending visit is pinned to",
            delays["pending"],
            promise=f"the idle node's +- {NOISE_S:g} s",
            kept=abs(found["pending"] - idle) < NOISE_S,
        ),
        Row(
            "samples with a node PLANNED for a visit",
            f"{len(planned.for_us)} of {planned.samples}",
            "0",
            not planned.for_us,
        ),
    ]


def _row(
    what: str,
    delays: list[float],
    *,
    promise: str = "",
    ratio: float | None = None,
    kept: bool | None = None,
) -> Row:
    times = f", {ratio:.2f} x plain" if ratio is not None else ""
    spread = f"{min(delays):.3f} to {max(delays):.3f}"
    number = f"{statistics.median(delays):.3f} s ({spread}, n={len(delays)}){times}"
    return Row(f"start of a user's job on {what}", number, promise, kept)


def _delay(lab: Lab, node: str) -> float:
    """Return how long after its submission a user's job on the whole of *node* started."""
    argv = ["srun", "--partition=main", f"--nodelist={node}", "--nodes=1", "--exclusive"]
    began = datetime.now(UTC).timestamp()
    started = lab.run([*argv, "date", "+%s.%N"], user=ORDINARY[0], timeout_s=120).stdout
    return float(started) - began


def _on_idle_nodes(lab: Lab, _: _Planned) -> Iterator[float]:
    _clean(lab)
    for node in lab.nodes:
        yield _delay(lab, node)


def _on_nodes_under_sleep(lab: Lab, _: _Planned | None) -> Iterator[float]:
    lab.reset()
    for node in lab.nodes:
        lab.run(
            ["sbatch", "--partition=background", f"--nodelist={node}", "--no-requeue",
             "--output=/dev/null", "--time=10"],
            user=ORDINARY[1], stdin="#!/bin/bash\nexec sleep 600\n",
        )  # fmt: skip
    _wait_for_running(lab, len(lab.nodes), ORDINARY[1])
    time.sleep(0.5)
    for node in lab.nodes:
        yield _delay(lab, node)


def _on_nodes_under_a_check(lab: Lab, planned: _Planned) -> Iterator[float]:
    yield from _under_check(lab, planned, "hang")


def _on_nodes_under_a_deaf_check(lab: Lab, planned: _Planned) -> Iterator[float]:
    yield from _under_check(lab, planned, "deaf-hang")


def _under_check(lab: Lab, planned: _Planned, verb: str) -> Iterator[float]:
    _clean(lab)
    lab.add_check("busy")
    for node in lab.nodes:
        lab.fault(node, "busy", verb)
    lab.configure(max_concurrent_visits=len(lab.nodes))
    lab.run_as_service(["cluster-doctor", "sweep"])
    _wait_for_running(lab, len(lab.nodes), SERVICE)
    _look(lab, planned)  # and every runner has started its program
    for node in lab.nodes:
        yield _delay(lab, node)


def _on_nodes_with_pending_visits(lab: Lab, planned: _Planned) -> Iterator[float]:
    """All visits but one wait for their turn, pinned and released."""
    _clean(lab)
    lab.add_check("busy")
    for node in lab.nodes:
        lab.fault(node, "busy", "hang")
    lab.configure(max_concurrent_visits=1)
    lab.run_as_service(["cluster-doctor", "sweep"])
    _wait_for_running(lab, 1, SERVICE)
    _look(lab, planned)
    argv = ["squeue", "-h", "--array", "-t", "PD", "-u", SERVICE, "-o", "%n"]
    waiting = lab.run(argv).stdout.split()
    if len(waiting) != len(lab.nodes) - 1:
        raise AssertionError(f"{waiting} wait, which are not all nodes but one")
    for node in sorted(waiting):
        yield _delay(lab, node)


SITUATIONS: dict[str, Callable[[Lab, _Planned], Iterator[float]]] = {
    "idle": _on_idle_nodes,
    "plain": _on_nodes_under_sleep,
    "check": _on_nodes_under_a_check,
    "deaf": _on_nodes_under_a_deaf_check,
    "pending": _on_nodes_with_pending_visits,
}


def _clean(lab: Lab) -> None:
    """No jobs, no records, every node idle; shipped checks suspended."""
    lab.reset()
    suspend_shipped(lab)


def _wait_for_running(lab: Lab, count: int, user: str) -> None:
    argv = ["squeue", "-h", "-t", "R", "-u", user, "-o", "%i"]
    lab.wait_for(lambda: len(lab.run(argv).stdout.split()) == count, 30, f"{count} jobs to run")


def _look(lab: Lab, planned: _Planned) -> None:
    """Sample for some turns of the backfill scheduler; only jobs of ours are in the queue."""
    ends_at = time.monotonic() + PLANS_S
    while time.monotonic() < ends_at:
        states = lab.states()
        planned.samples += 1
        planned.for_us.extend(node for node, state in states.items() if "planned" in state)
        time.sleep(0.1)
