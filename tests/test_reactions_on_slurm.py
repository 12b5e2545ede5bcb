"""Reactions on a real cluster: a failed node is out of service in seconds, and nothing else is."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from slurm_hooks.journal import Item
from slurm_hooks.journal_file import JournalFile
from slurm_hooks.state import State
from tests.lab import Lab
from tests.lab.users import SERVICE, SLURM, account
from tests.site import DRAINS, ROOM, doctor, drained, history, make_room, state_of

pytestmark = pytest.mark.lab


def items(lab: Lab) -> list[Item]:
    return [*JournalFile(State(lab.state_dir).reactions).read().items.values()]


@contextmanager
def without_epilog(lab: Lab) -> Iterator[None]:
    """Let EpilogSlurmctld do nothing while the block runs."""
    hook = lab.opt / "epilog" / "slurmctld-cluster-doctor"
    text = hook.read_text()
    hook.write_text("#!/bin/sh\nexit 0\n")
    try:
        yield
    finally:
        hook.write_text(text)


def test_a_failed_node_is_drained_by_the_end_of_its_visit(ward: Lab) -> None:
    ward.add_check("quick", failure_reactions=DRAINS)
    ward.fault("n003", "quick", "fail")
    doctor(ward, "sweep", "--wait")
    ward.wait_for(lambda: drained(ward) == ["n003"], 20, "n003 to be drained")
    found = state_of(ward, "n003")
    assert re.fullmatch(r"doctor: quick.* \(\d{4}-.*Z\) \[cd:[0-9a-f]{8}\]", found.reason)
    assert found.reason_user == SLURM
    ward.run(["scontrol", "reconfigure"])
    ward.slurmctld.stop()
    ward.slurmctld.start()
    ward.wait_for(lambda: state_of(ward, "n003").reason == found.reason, 20, "the drain to survive")
    ward.wait_for(
        lambda: all(state.startswith("idle") for state in ward.states().values()), 30, "the nodes"
    )


def test_nothing_but_a_fail_changes_a_node(ward: Lab) -> None:
    only_errors = {"n001": "crash", "n002": "exit:1", "n004": "exit:193", "n005": "exit:195"}
    ward.add_check("quick", time_limit="2s", failure_reactions=DRAINS)
    for name, verb in only_errors.items():
        ward.fault(name, "quick", verb)
    ward.fault("n006", "quick", "hang")
    ward.fault("n007", "quick", "fail")
    doctor(ward, "sweep", "--wait")
    ward.wait_for(lambda: drained(ward) == ["n007"], 20, "n007 alone to be drained")
    assert [item.entry.node for item in items(ward)] == ["n007"]


def test_an_admins_drain_keeps_its_reason_and_the_next_sweep_says_what_we_found(ward: Lab) -> None:
    ward.add_check("quick", command=["sleep", "3"], failure_reactions=DRAINS)
    ward.fault("n003", "quick", "fail")
    make_room(ward, on="n003")
    doctor(ward, "sweep")
    ward.drain("n003", "changing the fan")  # its visit is on the way, or runs
    ward.wait_for(lambda: bool(items(ward)) or not ward.states()["n003"].count("draining"), 30, "")
    doctor(ward, "sweep", "--wait", check=False)
    assert state_of(ward, "n003").reason == "changing the fan"


def test_a_reactor_that_was_never_woken_catches_up(ward: Lab) -> None:
    """Without EpilogSlurmctld the books stay closed until SlurmUser's cron runs the reactor."""
    with without_epilog(ward):
        ward.add_check("quick", failure_reactions=DRAINS)
        ward.fault("n003", "quick", "fail")
        doctor(ward, "sweep", "--wait")
        assert drained(ward) == []
    done = ward.run(["cluster-doctor", "react"])
    assert "n003: drain for quick: done" in done.stdout
    assert drained(ward) == ["n003"]
    assert ward.run(["cluster-doctor", "react"]).stdout == ""


def test_the_service_account_may_not_react(ward: Lab) -> None:
    done = doctor(ward, "react", check=False)
    assert done.returncode == 1
    assert "as root: runuser -u slurm -- cluster-doctor react" in done.stderr


def test_shadow_says_what_would_be_done(ward: Lab) -> None:
    make_room(ward, mode="shadow")
    ward.add_check("quick", failure_reactions=DRAINS)
    ward.fault("n003", "quick", "fail")
    doctor(ward, "sweep", "--wait")
    ward.wait_for(lambda: bool(items(ward)), 20, "the decision")
    assert [item.entry.verdict.value for item in items(ward)] == ["would"]
    assert drained(ward) == []


def test_the_same_fail_everywhere_drains_nothing(ward: Lab) -> None:
    make_room(ward, suspect=2)
    ward.add_check("quick", failure_reactions=DRAINS)
    for name in ward.nodes:
        ward.fault(name, "quick", "fail")
    doctor(ward, "sweep", "--wait")
    assert {row.outcome for row in history(ward)} == {"fail"}
    ward.run(["cluster-doctor", "react"])
    book = JournalFile(State(ward.state_dir).reactions).read()
    assert book.suspended("quick") is not None
    assert len(drained(ward)) <= 2, "those that failed before the third"


def test_an_epilog_that_slurm_runs_twice_reacts_once(ward: Lab) -> None:
    """slurmctld does so when it stops while a job is in its Epilog."""
    ward.add_check("quick", failure_reactions=DRAINS)
    ward.fault("n003", "quick", "fail")
    doctor(ward, "sweep", "--wait")
    ward.wait_for(lambda: drained(ward) == ["n003"], 20, "n003 to be drained")
    ward.wait_for(lambda: all(one.carried_out for one in items(ward)), 20, "that to be written")
    before, (item,) = state_of(ward, "n003"), items(ward)
    task = next(row.task for row in history(ward) if row.node == "n003")
    again = {
        "SLURM_JOB_UID": str(account(SERVICE).uid),
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_COMMENT": f"cluster-doctor:{item.entry.batch}",
        "SLURM_ARRAY_TASK_ID": str(task),
        "SLURM_JOB_NODELIST": "n003",
        "SLURM_JOB_EXIT_CODE": "0",
        "SLURM_SCRIPT_CONTEXT": "epilog_slurmctld",
    }
    sign = State(ward.state_dir).reactor_sign
    was = sign.read_bytes()
    slurm = account(SLURM)
    become = ["setpriv", f"--reuid={slurm.uid}", f"--regid={slurm.gid}", "--init-groups", "--"]
    hook = str(ward.opt / "epilog" / "slurmctld-cluster-doctor")
    ward.run([*become, "env", *(f"{name}={value}" for name, value in again.items()), hook])
    ward.wait_for(lambda: sign.read_bytes() != was, 20, "the reactor to look again")
    assert ward.run(["cluster-doctor", "react"]).stdout == ""
    assert items(ward) == [item]
    assert state_of(ward, "n003") == before


def test_a_sweep_that_is_a_job_itself_wakes_the_reactor_for_what_was_missed(ward: Lab) -> None:
    """As scrontab starts it: its end runs EpilogSlurmctld, and that considers everything."""
    with without_epilog(ward):
        ward.add_check("quick", failure_reactions=DRAINS)
        ward.fault("n003", "quick", "fail")
        doctor(ward, "sweep", "--wait")
        assert drained(ward) == []
    sweep = ["sbatch", "--partition=background", "--nodelist=n001", "--output=/dev/null"]
    command = (
        f"env CLUSTER_DOCTOR_SETTINGS={ward.settings_path} {ward.opt}/bin/cluster-doctor sweep"
    )
    ward.run_as_service([*sweep, f"--wrap={command}"])
    ward.wait_for(lambda: drained(ward) == ["n003"], 40, "the sweep to end, and n003 to be drained")


def test_each_sweep_runs_what_wakes_the_reactor(ward: Lab) -> None:
    """The service account itself may not react; a line in sudoers may let it ask for that."""
    told = ward.log_dir / "asked"
    ward.configure(reactions=ROOM | {"react_command": ["touch", str(told)]})
    doctor(ward, "sweep")
    assert told.exists()
    ward.configure(reactions=ROOM | {"react_command": ["/nowhere/sudo"]})
    done = doctor(ward, "sweep")
    assert "warning: the reactor was not woken: /nowhere/sudo" in done.stderr
