"""On a real cluster: what waits too long is given up, and a forged pass does not count."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from slurm_hooks.record import Evidence, Outcome, Record
from slurm_hooks.state import State
from tests.lab import Lab
from tests.lab.users import SERVICE, account
from tests.site import (
    Row,
    doctor,
    history,
    processes_of_checks,
    running,
    suspend_shipped,
    wait_until_running,
)

pytestmark = pytest.mark.lab


@pytest.fixture
def site(lab: Lab) -> Iterator[Lab]:
    """A lab where only the checks that a test adds are active."""
    suspend_shipped(lab)
    yield lab
    partition(lab, "UP")


def partition(lab: Lab, state: str) -> None:
    """Let jobs in our partition start, or keep them all waiting."""
    lab.run(["scontrol", "update", "PartitionName=background", f"State={state}"])


def configure(lab: Lab, nodes: str, visits: int = 8) -> None:
    lab.configure(max_concurrent_visits=visits, record_grace="0s", include_nodes=nodes)


def give_to_service(path: Path) -> None:
    service = account(SERVICE)
    os.chown(path, service.uid, service.gid)


def result(lab: Lab, node: str) -> Row:
    return next(row for row in history(lab) if row.node == node)


def test_what_slurm_does_not_start_on_a_free_node_is_given_up_with_slurms_reason(
    site: Lab,
) -> None:
    configure(site, "n[000-001]")
    site.add_check("quick", timeouts={"pending": "1s"})
    partition(site, "DOWN")
    doctor(site, "sweep")
    argv = ["squeue", "-h", "--array", "-t", "PD", "-o", "%r", "-u", SERVICE]
    site.wait_for(lambda: "PartitionDown" in site.run(argv).stdout, 20, "Slurm to say why")
    site.wait_for(lambda: "cancelled" in doctor(site, "sweep").stdout, 20, "it to be given up")
    doctor(site, "sweep")
    for node in ("n000", "n001"):
        assert result(site, node).outcome == "not_started"
        assert "did not start it within 1s, though its node was free (Part" in (
            result(site, node).detail
        )


def test_a_visit_behind_the_throttle_waits_on_and_one_whose_node_is_drained_does_not(
    site: Lab,
) -> None:
    configure(site, "n[000-002]", visits=1)
    site.add_check("slow", command=["sleep", "60"], timeouts={"pending": "1s"})
    doctor(site, "sweep")
    wait_until_running(site)
    first = running(site)[0].split()[1]
    second, third = sorted({"n000", "n001", "n002"} - {first})
    site.drain(second, "bad fan")
    assert doctor(site, "sweep").stdout.count("_") == 1  # one task is cancelled
    doctor(site, "sweep")
    assert result(site, second).detail.startswith("the node was no longer free: drained by root")
    assert {row.node for row in history(site)} == {second}
    argv = ["squeue", "-h", "--array", "-t", "PD", "-o", "%n", "-u", SERVICE]
    assert site.run(argv).stdout.split() == [third]


def test_what_is_left_of_a_batch_over_its_age_limit_is_cancelled_running_or_not(
    site: Lab,
) -> None:
    """The settings allow no limit that a test could wait for, so the batch is given one."""
    configure(site, "n[000-001]", visits=1)
    site.add_check("slow", command=["sleep", "60"])
    doctor(site, "sweep")
    wait_until_running(site)
    first = running(site)[0].split()[1]
    [second] = {"n000", "n001"} - {first}
    site.wait_for(lambda: on_node(site, first), 20, "the check to run")
    state = State(site.state_dir)
    batch = state.read_batch(state.open_batches()[0])
    assert doctor(site, "sweep").stdout.count("cancelled") == 0
    age = datetime.now(UTC) - batch.created_at
    state.write_batch(replace(batch, age_limit_s=int(age.total_seconds())))
    give_to_service(state.batches / batch.id / "batch.json")
    configure(site, "n007")
    assert "cancelled" in doctor(site, "sweep").stdout
    argv = ["squeue", "-h", "-t", "PD,R,CG", "-n", batch.comment]
    site.wait_for(lambda: not site.run(argv).stdout, 20, "the visits to end")
    site.wait_for(lambda: not on_node(site, first), 20, "the check's processes to end")
    doctor(site, "sweep")
    ended = {row.node: (row.outcome, row.detail) for row in history(site)}
    assert ended.keys() == {first, second}
    assert (ended[first][0], ended[second][0]) == ("cancelled", "not_started")
    assert re.search(r"cancelled while it ran: its batch was over \d+s old", ended[first][1])
    assert re.search(r"cancelled before it .*: its batch was over \d+s old", ended[second][1])


def test_a_batch_that_slurm_refuses_is_named_and_the_others_run(site: Lab) -> None:
    configure(site, "n[000-002]")
    site.add_check("closed", nodes={"include": {"hostlist": "n[000,002]"}})
    site.add_check("open", mode="jobs", nodes={"include": {"hostlist": "n001"}})
    partition(site, "INACTIVE")
    done = doctor(site, "sweep", "--wait", check=False)
    assert done.returncode == 1
    assert re.search(r"batch \S+ was not taken: sbatch .*inactive or drain", done.stderr)
    assert [(row.check, row.outcome) for row in history(site)] == [("open", "pass")]
    asked = doctor(site, "run", "closed", "open", "-w", "n001", "--wait", check=False)
    assert "was not taken" not in asked.stderr  # the refused batch is nobody's who asked for this
    site.configure(max_concurrent_visits=8, record_grace="0s", include_nodes="n[003-004]")
    partition(site, "UP")
    doctor(site, "sweep", "--wait")
    assert {row.node for row in history(site) if row.check == "closed"} == {"n000", "n002"}


def on_node(lab: Lab, node: str) -> bool:
    """Whether anything that a check started on *node* lives; all nodes are this machine."""
    mark = f"CLUSTER_DOCTOR_NODE={node}".encode()
    return any(mark in environment(pid) for pid in processes_of_checks(lab))


def environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def test_a_forged_pass_of_a_visit_that_never_was_is_an_error_with_both_sides(site: Lab) -> None:
    configure(site, "n000")
    site.add_check("quick")
    partition(site, "DOWN")
    doctor(site, "sweep")
    state = State(site.state_dir)
    batch = state.read_batch(state.open_batches()[0])
    site.run(["scancel", "-u", SERVICE])
    now = datetime.now(UTC)
    forged = Record(
        cluster="lab", batch=batch.id, task=0, attempt=0, check="quick", node="n000", job_id=1,
        token=batch.token, evidence=Evidence.RUNNER, outcome=Outcome.PASS, detail="trust me",
        started_at=now, finished_at=now,
    )  # fmt: skip
    state.write_record(forged)
    give_to_service(state.spool / forged.file_name)
    doctor(site, "sweep")
    found = result(site, "n000")
    assert found.outcome == "error"
    assert "trust me" in found.detail
    assert "it never started (CANCELLED)" in found.detail
    shown = json.loads(doctor(site, "status", "--json", "-o", "outcome,attempt").stdout)
    assert shown == [{"outcome": None, "attempt": "error"}]
