"""How soon a failed node is out of service, and what a pass of the reactor costs."""

import statistics
import tempfile
import time
from pathlib import Path

from slurm_hooks.journal import What
from slurm_hooks.journal_file import JournalFile
from slurm_hooks.reaction import Kind, Reacting
from slurm_hooks.reactor import react
from slurm_hooks.record import Outcome
from slurm_hooks.state import State
from tests.benchmarks.table import Row
from tests.lab import Lab
from tests.reactions import DRAIN, ROOM, UNDRAIN, Clinic, clinic
from tests.site import doctor, history, suspend_shipped

ROUNDS = 3
MOST_S = 2.0
MANY = 500


def rows() -> list[Row]:
    """Return the delays on a lab, and the cost of large passes in memory."""
    delays = _delays()
    return [
        Row(
            "from a failed check's end to its node drained and written down",
            f"{statistics.median(delays):.2f} s ({min(delays):.2f} to {max(delays):.2f}, "
            f"n={len(delays)})",
            f"< {MOST_S:g} s",
            max(delays) < MOST_S,
        ),
        *_costs(),
    ]


def _delays() -> list[float]:
    """Return how long after a check's end its node was drained, one for each failed node."""
    found = []
    with Lab.create() as lab:
        lab.install()
        lab.up()
        for _ in range(ROUNDS):
            lab.reset()
            suspend_shipped(lab)
            room = {"probation": 0, "max_held": 8, "max_held_in_partition": 8, "max_taken": 8,
                    "suspect": 8}  # fmt: skip
            lab.configure(max_concurrent_visits=2, record_grace="0s", reactions=room)
            lab.add_check("quick", failure_reactions={"drain": {}})
            for node in lab.nodes:
                lab.fault(node, "quick", "fail")
            doctor(lab, "sweep", "--wait")
            book = JournalFile(State(lab.state_dir).reactions).read()
            ended = {row.node: row.outcome for row in history(lab)}
            assert set(ended.values()) == {Outcome.FAIL.value}
            for item in book.items.values():
                done = item.carried_out
                if item.entry.kind is Kind.DRAIN and done is not None and done.what is What.DONE:
                    found.append((done.at - item.entry.judged_at).total_seconds())
    return found


def _costs() -> list[Row]:
    """Return what passes cost on a cluster in memory, so without Slurm's own time."""
    reacting = Reacting(on_fail=(DRAIN,), on_pass=(UNDRAIN,))
    with tempfile.TemporaryDirectory() as directory:
        world = clinic(Path(directory), nodes=MANY, more=ROOM + "suspect = '100%'\n")
        world.tell(
            world.batch([node.name for node in world.nodes.node_list], reacting), Outcome.FAIL
        )
        all_at_once = _seconds(world)
        calls = world.nodes.calls.count("drain")
        nothing_new = _seconds(world)
    return [
        Row(f"a pass over {MANY} nodes that failed alike, {calls} call to drain them",
            f"{all_at_once:.2f} s"),
        Row(f"a pass with nothing new, {MANY} nodes held", f"{nothing_new:.2f} s"),
    ]  # fmt: skip


def _seconds(world: Clinic) -> float:
    begun = time.perf_counter()
    react(world.reactor())
    return time.perf_counter() - begun
