"""The main job on a real cluster: whatever happens to a visit, it ends explained, once."""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from slurm_hooks.state import State
from tests.lab import Lab
from tests.lab.users import SERVICE
from tests.site import (
    doctor,
    history,
    only,
    planned,
    processes_of_checks,
    recorded,
    running,
    suspend_shipped,
    sweep_and_wait,
    wait_until_running,
)

pytestmark = pytest.mark.lab


def test_every_node_is_judged_or_explained(site: Lab) -> None:
    site.add_check("quick")
    site.add_check("other", command=["true"])
    site.occupy("n001")
    site.drain("n002", "bad fan")
    site.fault("n003", "quick", "fail")
    site.fault("n004", "quick", "crash")
    site.fault("n005", "other", "exit:1")
    site.fault("n006", "quick", "flood")
    doctor(site, "sweep", "--wait")
    found = {(row.node, row.check): row.outcome for row in history(site)}
    visited = [node for node in site.nodes if node not in {"n001", "n002"}]
    passed = {(node, check): "pass" for node in visited for check in ("quick", "other")}
    faults = {("n003", "quick"): "fail", ("n004", "quick"): "error", ("n005", "other"): "error"}
    assert found == passed | faults
    shown = json.loads(doctor(site, "history", "--json", "-o", "node,check,outcome").stdout)
    assert {(one["node"], one["check"]): one["outcome"] for one in shown} == found
    plan = dict(line.split("|")[:2] for line in doctor(site, "plan", "-nP").stdout.splitlines())
    assert plan["n001"] == "busy"
    assert plan["n002"] == "drained"
    assert plan["n004"] == plan["n005"] == "waiting"
    assert plan["n000"] == plan["n003"] == "fresh"


def test_a_program_that_is_deaf_and_forks_is_ended_with_all_it_started(site: Lab) -> None:
    only(site, "n000")
    site.add_check("deaf", time_limit="2s")
    site.fault("n000", "deaf", "deaf-hang")
    doctor(site, "sweep", "--wait")
    assert [row.outcome for row in history(site)] == ["timeout"]
    assert list(processes_of_checks(site)) == []


def test_a_users_job_takes_the_node_and_the_visit_says_preempted(site: Lab) -> None:
    only(site, "n000")
    site.add_check("aaa", command=["sleep", "60"])
    site.add_check("bbb")
    doctor(site, "sweep")
    wait_until_running(site)
    site.occupy("n000")
    site.wait_for(lambda: not list(processes_of_checks(site)), 10, "the check to be gone")
    doctor(site, "sweep")
    outcomes = {row.check: row.outcome for row in history(site)}
    assert sorted(outcomes.values()) == ["not_started", "preempted"] or outcomes == {
        "bbb": "pass",
        "aaa": "preempted",
    }


def test_a_cancelled_visit_says_so(site: Lab) -> None:
    only(site, "n000")
    site.add_check("slow", command=["sleep", "60"])
    doctor(site, "sweep")
    site.wait_for(lambda: any(processes_of_checks(site)), 20, "the check to run")
    site.run(["scancel", "-u", SERVICE])
    site.wait_for(lambda: not running(site), 20, "the visit to end")
    doctor(site, "sweep")
    assert history(site)[0].outcome == "cancelled"


def test_a_killed_runner_is_an_error_and_leaves_nothing_behind(site: Lab) -> None:
    only(site, "n000")
    site.add_check("slow", command=["sleep", "60"])
    doctor(site, "sweep")
    site.wait_for(lambda: bool(list(processes_of_checks(site))), 20, "the check to run")
    runner = subprocess.run(
        ["pgrep", "-f", f"^{site.opt}/bin/python.*slurm_hooks.runner"],
        capture_output=True, text=True, check=True, timeout=10,
    ).stdout.split()  # fmt: skip
    for pid in runner:
        os.kill(int(pid), signal.SIGKILL)
    site.wait_for(lambda: not list(processes_of_checks(site)), 20, "the epilog to clean up")
    site.wait_for(lambda: not running(site), 20, "the visit to end")
    doctor(site, "sweep")
    assert history(site)[0].outcome == "error"
    assert "runner died" in history(site)[0].detail


def test_a_node_that_dies_under_a_visit_is_told_apart_from_a_sick_one(
    new_lab: object, wheel: Path
) -> None:
    lab = new_lab(nodes=2, extra={"SlurmdTimeout": "4"})  # type: ignore[operator]
    lab.install(wheel)
    lab.up()
    suspend_shipped(lab)
    only(lab, "n000")
    lab.add_check("slow", command=["sleep", "120"], time_limit="3m")
    doctor(lab, "sweep")
    wait_until_running(lab)
    lab.slurmd("n000").kill()
    lab.wait_for(lambda: "down" in lab.states()["n000"], 60, "slurmctld to miss the node")
    doctor(lab, "sweep")
    assert [row.outcome for row in history(lab)] == ["node_fail"]


def test_slurmctld_may_go_and_come_while_visits_run(site: Lab) -> None:
    site.add_check("slow", command=["sleep", "5"])
    site.configure(max_concurrent_visits=8, record_grace="0s", slurm_timeout="3s")
    doctor(site, "sweep")
    started = "every check to run; a launch that is cut off keeps its node for minutes"
    site.wait_for(lambda: len(list(processes_of_checks(site))) >= len(site.nodes), 30, started)
    site.slurmctld.stop()
    assert doctor(site, "sweep", check=False).returncode == 1
    site.slurmctld.start()
    site.wait_until_idle()
    sweep_and_wait(site)
    sweep_and_wait(site)
    assert recorded(site) == planned(site)
    assert {row.node for row in history(site) if row.outcome == "pass"} == set(site.nodes)


def test_a_sweep_killed_at_any_moment_leaves_one_result_a_check(site: Lab) -> None:
    site.add_check("quick")
    site.add_check("other", command=["sleep", "0.2"])
    chance = random.Random(20261121)
    began = time.monotonic()
    doctor(site, "sweep", "--dry-run")
    whole_s = time.monotonic() - began
    killed = 0
    for _ in range(8):
        sweep = site.start_as_service(["cluster-doctor", "sweep"])
        time.sleep(chance.uniform(0.5, 1.3) * whole_s)
        killed += sweep.poll() is None
        sweep.kill()
        sweep.communicate(timeout=10)
        for definition in site.definitions.glob("[qo]*.yaml"):
            definition.write_text(definition.read_text().replace("1h", "1s"))
    assert killed
    sweep_and_wait(site)
    sweep_and_wait(site)
    assert planned(site)
    assert Counter(recorded(site)) == Counter(planned(site))
    assert State(site.state_dir).open_batches() == []


@pytest.mark.parametrize("partition", ["main", "background"])
def test_a_users_job_that_looks_like_ours_changes_nothing(site: Lab, partition: str) -> None:
    site.add_check("quick")
    doctor(site, "sweep", "--wait")
    before = history(site)
    batch = before[0].batch
    forged = f"cluster-doctor:{batch}"
    job = site.run(
        ["sbatch", "--parsable", "--array=0-3", f"--job-name={forged}", f"--comment={forged}",
         f"--partition={partition}", "--output=/dev/null", "--time=1"],
        user="cdlab1", stdin="#!/bin/bash\nexit 194\n",
    ).stdout.strip()  # fmt: skip
    site.wait_for(
        lambda: not site.run(["squeue", "-h", "-t", "PD,R,CG", "-j", job], check=False).stdout,
        30, "the forged job to end",
    )  # fmt: skip
    sweep_and_wait(site)
    assert history(site) == before
    assert not list((site.state_dir / "controller").glob("*.json"))
    assert not any("drain" in state for state in site.states().values())


@pytest.mark.parametrize("directory", ["history", "batches", "spool"])
def test_a_directory_that_cannot_be_written_for_a_while_loses_nothing(
    site: Lab, directory: str
) -> None:
    """The visit runs while it is closed; what it found is in the history afterwards."""
    site.add_check("quick", command=["sleep", "1"], retry_after="1s")
    doctor(site, "sweep")
    wait_until_running(site)
    closed = site.state_dir / directory
    mode = closed.stat().st_mode
    closed.chmod(0o550)
    try:
        site.wait_for(lambda: not running(site), 30, "the visits to end")
        doctor(site, "sweep", check=False)
    finally:
        closed.chmod(mode & 0o7777)
    site.configure(max_concurrent_visits=8, record_grace="0s")
    sweep_and_wait(site)
    for definition in site.definitions.glob("quick.yaml"):
        definition.write_text(definition.read_text().replace("1h", "1s"))
    sweep_and_wait(site)  # its visits carry over what the earlier ones kept on the node
    doctor(site, "ingest")
    assert Counter(recorded(site)) == Counter(planned(site))
    assert {row.outcome for row in history(site)} == {"pass"}


def test_an_unreadable_record_is_set_aside_with_its_reason(site: Lab) -> None:
    site.add_check("quick")
    doctor(site, "sweep", "--wait")
    (site.state_dir / "spool" / "garbage.json").write_bytes(b"\xff{")
    doctor(site, "ingest")
    assert (site.state_dir / "aside" / "garbage.json").read_bytes() == b"\xff{"
    assert "not JSON" in (site.state_dir / "aside" / "garbage.json.reason").read_text()


def test_the_sweep_is_the_service_accounts_alone(site: Lab) -> None:
    refused = site.run(["cluster-doctor", "sweep"], check=False)
    assert refused.returncode == 1
    assert "runuser -u cluster-doctor" in refused.stderr


def test_a_sweep_beside_one_that_waits_plans_nothing_twice(site: Lab) -> None:
    """Waiting is not working: other sweeps go on, and leave the visits under way alone."""
    site.add_check("slow", command=["sleep", "3"])
    first = site.start_as_service(["cluster-doctor", "sweep", "--wait"])
    wait_until_running(site)
    assert "8 in-batch" in doctor(site, "sweep").stdout
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert len({row.batch for row in history(site)}) == 1
    assert Counter(recorded(site)) == Counter(planned(site))
