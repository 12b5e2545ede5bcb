"""A site on the lab: its sweeps, what they planned, what the history says of it."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from analytics.embedded import EmbeddedStore
from analytics.question import Wanted, question
from analytics.result import Result
from slurm_hooks.slurm import SlurmCommands
from slurm_hooks.slurm_text import Node
from slurm_hooks.state import State
from tests.lab import Lab
from tests.lab.users import SERVICE, SLURM

SHIPPED = ("cpu", "memory", "storage", "dl-unit")
TWICE = "Duplicate jobid"
"""Slurm's reason where it drains a node that still has a job whose id it gave away again."""
ADMINISTRATOR_S = 90.0


DRAINS = {"drain": {"prefix": "doctor"}}
"""What a definition says of a fail that takes its node."""

ROOM: dict[str, str | int] = {
    "probation": 0,
    "max_held": "100%",
    "max_held_in_partition": "100%",
    "max_taken": "100%",
    "suspect": "100%",
}
"""Settings of reactions that nothing holds back."""


class Row(NamedTuple):
    node: str
    check: str
    outcome: str
    detail: str
    batch: str
    task: int
    partition: str
    job: int


def doctor(lab: Lab, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    return lab.run_as_service(["cluster-doctor", *arguments], check=check)


def sweep_and_wait(lab: Lab) -> None:
    lab.wait_for(lambda: not any("comp" in s for s in lab.states().values()), 20, "no epilog")
    doctor(lab, "sweep", "--wait")


def history(lab: Lab) -> list[Row]:
    """What `cluster-doctor history` shows of the last day, without starting it."""
    now = datetime.now(UTC)
    wanted = Wanted(cluster="lab", since=now - timedelta(days=1), until=now)
    store = EmbeddedStore(State(lab.state_dir).history)
    found = [Result._make(row) for row in store.rows(*question(wanted))]
    return [
        Row(
            node=one.node,
            check=one.check_name,
            outcome=one.outcome,
            detail=one.detail,
            batch=one.batch,
            task=one.task,
            partition=one.partition,
            job=one.job_id,
        )
        for one in found
    ]


def planned(lab: Lab) -> list[tuple[str, int, str]]:
    """Every (batch, task, check) that was ever written down."""
    state = State(lab.state_dir)
    plans = [
        *lab.state_dir.glob("batches/*/batch.json"),
        *lab.state_dir.glob("archive/*/batch.json"),
    ]
    return sorted(
        (path.parent.name, visit.task, check)
        for path in plans
        for visit in state.read_batch(path.parent.name).visits
        for check in visit.checks
    )


def recorded(lab: Lab) -> list[tuple[str, int, str]]:
    return sorted((row.batch, row.task, row.check) for row in history(lab))


def running(lab: Lab) -> list[str]:
    argv = ["squeue", "-h", "-t", "R", "-u", SERVICE, "-o", "%i %N"]
    return lab.run(argv).stdout.splitlines()


def wait_until_over(lab: Lab, deadline_s: float = 40.0) -> None:
    """Return when no visit waits, runs or ends: nodes are idle before the first begins, too."""
    argv = ["squeue", "-h", "-u", SERVICE, "-o", "%i"]
    lab.wait_for(lambda: not lab.run(argv).stdout.split(), deadline_s, "every visit to be over")
    lab.wait_until_idle()


def wait_until_running(lab: Lab, count: int = 1) -> None:
    lab.wait_for(lambda: len(running(lab)) >= count, 20, f"{count} visits to run")


def processes_of_checks(lab: Lab) -> Iterator[int]:
    """Everything that a check started in this lab and that still lives."""
    for entry in Path("/proc").iterdir():
        try:
            environment = (entry / "environ").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if b"CLUSTER_DOCTOR_CHECK=" in environment and str(lab.root).encode() in environment:
            yield int(entry.name)


def only(lab: Lab, nodes: str) -> None:
    lab.configure(max_concurrent_visits=8, record_grace="0s", include_nodes=nodes)


def make_room(lab: Lab, *, on: str = "", **changes: str | int) -> None:
    """Let nothing hold reactions back, but for *changes*; only nodes *on* are visited."""
    reactions = ROOM | changes
    lab.configure(max_concurrent_visits=8, record_grace="0s", reactions=reactions, include_nodes=on)


def state_of(lab: Lab, name: str) -> Node:
    """What Slurm says of node *name*."""
    slurm = SlurmCommands(bin_dir=Path("/usr/bin"), conf=lab.slurm_conf)
    return next(one for one in slurm.nodes() if one.name == name)


def drained(lab: Lab) -> list[str]:
    return [name for name, state in lab.states().items() if "drain" in state]


def suspend_shipped(lab: Lab) -> None:
    """Leave only the checks that a test adds."""
    for name in SHIPPED:
        (lab.definitions / f"{name}.yaml").write_text("suspend: true\n")


def make_due(lab: Lab, check: str) -> None:
    """Let what was found of *check* be stale at once."""
    definition = lab.definitions / f"{check}.yaml"
    definition.write_text(definition.read_text().replace("1h", "1s"))


def recover_with_administrator(lab: Lab, check: str) -> None:
    """Sweep as cron does once slurmctld was killed, until *check* is proven on every node.

    What Slurm drains then by itself is given back, as an administrator has to; nobody else
    may have drained a node.
    """

    def proven() -> bool:
        give_back(lab)
        doctor(lab, "sweep")
        if State(lab.state_dir).open_batches():
            return False
        passed = {row.node for row in history(lab) if (row.check, row.outcome) == (check, "pass")}
        return passed == set(lab.nodes)

    lab.wait_for(proven, ADMINISTRATOR_S, f"{check} to be proven everywhere")
    give_back(lab)
    lab.wait_until_idle()


def give_back(lab: Lab) -> None:
    """Resume what slurmctld drained over an id that it gave away again, and see that we did not."""
    drained = lab.drained()
    assert {why for why, _ in drained.values()} <= {TWICE}, drained
    assert {who for _, who in drained.values()} <= {"root", SLURM}, drained
    if drained:
        lab.run(["scontrol", "update", f"NodeName={','.join(drained)}", "State=RESUME"])


def assert_nothing_lost(lab: Lab) -> None:
    """Every planned (visit, check) has exactly one result, and no node was taken from users."""
    assert planned(lab)
    assert Counter(recorded(lab)) == Counter(planned(lab))
    assert not [state for state in lab.states().values() if "drain" in state or "down" in state]
