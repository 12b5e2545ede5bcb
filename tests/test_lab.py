"""The lab does what it says: a real cluster, its verbs and faults, and nothing left of it."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import MakeLab
from tests.lab import Lab, LabError, mounts, processes
from tests.lab.config import slurm_conf, slurmdbd_conf
from tests.lab.layout import Layout
from tests.lab.requirements import check_requirements
from tests.lab.spec import Spec
from tests.lab.waiting import wait_for
from tests.test_sacct_habits import SACCT_KNOWS

CHECKOUT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "lab" / "golden"
lab_test = pytest.mark.lab

OWNER = """
import signal
from tests.lab import Lab
lab = Lab.create(nodes=2)
lab.up()
lab.occupy("n000")
lab.read_only("n001")
print(lab.root, flush=True)
signal.pause()
"""


@pytest.fixture(scope="module")
def _bare(make_lab: MakeLab) -> Iterator[Lab]:
    with make_lab() as lab:
        lab.up()
        yield lab


@pytest.fixture
def bare(_bare: Lab) -> Lab:
    """A cluster of 8 nodes with accounting and without the product, as good as new."""
    _bare.reset()
    return _bare


@pytest.mark.parametrize("hooks", [False, True], ids=["bare", "hooks"])
def test_slurm_conf_is_the_one_that_was_reviewed(hooks: bool) -> None:
    text = slurm_conf(Layout(root=Path("/lab")), Spec(first_port=20000), with_hooks=hooks)
    assert text == (GOLDEN / ("hooks.conf" if hooks else "bare.conf")).read_text()


def test_slurmdbd_conf_is_the_one_that_was_reviewed() -> None:
    text = slurmdbd_conf(Layout(root=Path("/lab")), Spec(first_port=20000))
    assert text == (GOLDEN / "slurmdbd.conf").read_text()


def test_extra_lines_replace_those_of_the_lab() -> None:
    spec = Spec(extra={"KillWait": "30", "GresTypes": "gpu"})
    lines = slurm_conf(Layout(root=Path("/lab")), spec, with_hooks=False).splitlines()
    assert [line for line in lines if line.startswith("KillWait=")] == ["KillWait=30"]
    assert "GresTypes=gpu" in lines


@lab_test
def test_one_line_names_what_the_machine_lacks(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"^the lab needs slurmctld, .*install-debian.sh$"):
        check_requirements(accounting=True, path=str(tmp_path))


@lab_test
def test_every_node_is_idle_and_accounting_knows_the_cluster(bare: Lab) -> None:
    assert bare.states() == dict.fromkeys(bare.nodes, "idle")
    assert "lab|" in bare.run(["sacctmgr", "-nP", "list", "cluster"]).stdout


@lab_test
def test_an_ordinary_users_job_runs_as_that_user_on_every_node(bare: Lab) -> None:
    script = "id -un; echo $SLURMD_NODENAME"
    said = bare.run(["srun", "-N8", "sh", "-c", script], user="cdlab1").stdout.split()
    assert Counter(said) == Counter({"cdlab1": 8} | dict.fromkeys(bare.nodes, 1))


@lab_test
def test_nothing_of_the_lab_listens_beyond_loopback(bare: Lab) -> None:
    with bare.start_as_service(["srun", "--partition=background", "sleep", "60"]) as srun:
        bare.wait_for(lambda: "mixed" in bare.states().values(), 20, "srun to run its step")
        sockets = subprocess.run(
            ["ss", "-Hltunp"], capture_output=True, text=True, timeout=20, check=True
        ).stdout.splitlines()
        srun.send_signal(signal.SIGKILL)
    pids = [*processes.of_lab(bare.root), srun.pid]
    ours = [line for line in sockets if any(f"pid={pid}," in line for pid in pids)]
    assert len(ours) > len(bare.nodes) + 1
    assert [line for line in ours if not line.split()[4].startswith("127.0.0.1:")] == []


@lab_test
def test_the_service_account_can_do_what_a_sweep_does(bare: Lab) -> None:
    submit = ["sbatch", "--parsable", "--hold", "--array=0-1", "--partition=background"]
    array = bare.run_as_service([*submit, "-N1", "--exclusive", "--wrap=true"]).stdout.strip()
    commands = f"update JobId={array}_0 ReqNodeList=n002\nrelease {array}\n"
    bare.run_as_service(["scontrol"], stdin=commands)
    what = ["sacct", "-nPX", "-j", f"{array}_0", "-o", "NodeList,State"]
    bare.wait_for(
        lambda: bare.run_as_service(what).stdout.split() == ["n002|COMPLETED"],
        30,
        "the pinned task to complete on its node",
    )


@lab_test
def test_a_slurmctld_hook_reads_what_the_service_account_shares(new_lab: MakeLab) -> None:
    lab = new_lab(nodes=1, accounting=False)
    hook = lab.root / "bin" / "hook"
    hook.write_text(
        f"#!/bin/sh\ncat {lab.state_dir}/batches/token >{lab.state_dir}/controller/$SLURM_JOB_ID\n"
    )
    hook.chmod(0o755)
    lab.spec = replace(lab.spec, extra={"EpilogSlurmctld": str(hook)})
    share = "mkdir -m 2750 batches && umask 027 && echo secret >batches/token"
    lab.run_as_service(["sh", "-c", f"cd {lab.state_dir} && {share}"])
    lab.up()
    job = lab.occupy("n000")
    lab.release(job)
    written = lab.state_dir / "controller" / str(job)
    lab.wait_for(lambda: written.exists() and written.read_text() == "secret\n", 20, str(written))
    assert written.owner() == "slurm"
    assert written.group() == "cluster-doctor"


@lab_test
def test_occupy_fills_a_node_until_release(bare: Lab) -> None:
    job = bare.occupy("n003", "cdlab2")
    assert bare.states()["n003"] == "allocated"
    assert bare.run(["squeue", "-h", "-j", str(job), "-o", "%u"]).stdout == "cdlab2\n"
    bare.release(job)
    bare.wait_until_idle()


@lab_test
def test_drain_and_resume_are_an_admins(bare: Lab) -> None:
    bare.drain("n001", "bad fan")
    assert bare.states()["n001"] == "idle+drain"
    bare.resume("n001")
    assert bare.states()["n001"] == "idle"


@lab_test
def test_a_users_job_preempts_background_work(bare: Lab) -> None:
    where = ["--partition=background", "-w", "n000", "--exclusive", "--wrap=sleep 600"]
    job = bare.run_as_service(["sbatch", "--parsable", "--no-requeue", *where]).stdout.strip()
    bare.wait_for(lambda: bare.states()["n000"] == "allocated", 20, "the background job to run")
    bare.occupy("n000")
    state = ["squeue", "-h", "-t", "all", "-j", job, "-o", "%T"]
    assert bare.run(state).stdout == "PREEMPTED\n"


@lab_test
def test_a_killed_slurmd_is_dead_and_comes_back(bare: Lab) -> None:
    bare.slurmd("n002").kill()
    assert bare.slurmd("n002").pid() is None
    bare.slurmd("n002").start()
    assert bare.slurmd("n002").pid() is not None
    bare.wait_until_idle()


@lab_test
def test_slurmctld_survives_kill_pause_and_stop_with_its_jobs(bare: Lab) -> None:
    job = bare.occupy("n000")
    bare.slurmctld.stop()
    assert bare.run(["scontrol", "ping"], check=False).returncode != 0
    bare.slurmctld.start()
    bare.slurmctld.pause()
    bare.slurmctld.resume()
    bare.slurmctld.kill()
    bare.slurmctld.start()
    assert bare.run(["squeue", "-h", "-o", "%i"]).stdout.split() == [str(job)]


@lab_test
def test_the_database_can_go_and_come_back(bare: Lab) -> None:
    bare.slurmdbd.kill()
    bare.mariadbd.kill()
    assert bare.slurmdbd.pid() is None
    bare.mariadbd.start()
    bare.slurmdbd.start()
    assert bare.run(["sacct", "-n"]).returncode == 0


@lab_test
@pytest.mark.parametrize(
    ("verb", "code"),
    [("fail", 194), ("warn", 193), ("skip", 195), ("exit:7", 7), ("crash", -signal.SIGSEGV)],
)
def test_a_faulty_check_ends_as_asked_on_its_node_only(bare: Lab, verb: str, code: int) -> None:
    bare.fault("n001", "disk", verb)
    assert _faulty(bare, "n001").returncode == code
    assert _faulty(bare, "n000").stdout == "real work\n"
    bare.clear_fault("n001", "disk")
    assert _faulty(bare, "n001").stdout == "real work\n"


@lab_test
def test_a_faulty_check_can_flood(bare: Lab) -> None:
    bare.fault("n001", "disk", "flood")
    done = _faulty(bare, "n001")
    assert (done.returncode, len(done.stdout)) == (0, 50_000_000)


@lab_test
@pytest.mark.parametrize(("verb", "left"), [("hang", 0), ("deaf-hang", 1)])
def test_a_hanging_check_ends_on_sigterm_unless_it_is_deaf(bare: Lab, verb: str, left: int) -> None:
    bare.fault("n001", "disk", verb)
    with bare.start_as_service(bare.faults.wrap(["true"]), env=_check("n001")) as check:
        sleeping = ["pgrep", "-c", "-u", "cluster-doctor", "-x", "sleep"]
        bare.wait_for(lambda: bare.run(sleeping, check=False).returncode == 0, 20, "it to hang")
        check.terminate()
        if left:
            with pytest.raises(subprocess.TimeoutExpired):
                check.wait(timeout=0.5)
            check.kill()
        assert check.wait(timeout=20) == -(signal.SIGKILL if left else signal.SIGTERM)
        # The deaf one has left a child in a session of its own.
        count = bare.run(sleeping, check=False).stdout.strip()
        bare.run(["pkill", "-KILL", "-u", "cluster-doctor", "-x", "sleep"], check=False)
    assert int(count) >= left


@lab_test
def test_an_unknown_fault_is_refused_by_name(bare: Lab) -> None:
    with pytest.raises(LabError, match="'explode' is none of fail, warn"):
        bare.fault("n001", "disk", "explode")
    with pytest.raises(LabError, match="'n099' is not a real node"):
        bare.fault("n099", "disk", "fail")


@lab_test
def test_read_only_storage_is_one_nodes_alone(bare: Lab) -> None:
    bare.read_only("n004")
    write = [["touch", str(bare.data_dir(node) / "file")] for node in ("n004", "n005")]
    refused = bare.run_as_service(write[0], check=False)
    assert "Read-only file system" in refused.stderr
    bare.run_as_service(write[1])
    bare.read_write("n004")
    bare.run_as_service(write[0])


@lab_test
def test_reset_makes_a_broken_lab_as_good_as_new(bare: Lab) -> None:
    bare.occupy("n000")
    bare.drain("n001", "left behind")
    bare.read_only("n002")
    bare.slurmd("n003").kill()
    bare.slurmd("n004").pause()
    bare.slurmctld.kill()
    bare.fault("n005", "disk", "fail")
    bare.add_check("disk")
    bare.run_as_service(["touch", str(bare.state_dir / "status.sqlite")])
    bare.reset()
    assert bare.states() == dict.fromkeys(bare.nodes, "idle")
    assert bare.run(["squeue", "-h"]).stdout == ""
    assert [path.name for path in sorted(bare.state_dir.iterdir())] == [
        "controller", "reactions",
    ]  # fmt: skip
    assert [*bare.definitions.iterdir(), *bare.layout.faults.iterdir()] == []
    assert mounts.below(bare.root) == []


@lab_test
def test_five_thousand_nodes_are_idle_even_after_slurmctld_restarts(new_lab: MakeLab) -> None:
    lab = new_lab(nodes=8, idle_nodes=4992, accounting=False)
    lab.up()
    assert Counter(lab.states().values()) == {"idle": 5000}
    lab.slurmctld.stop()
    lab.slurmctld.start()
    lab.wait_until_idle()
    assert Counter(lab.states().values()) == {"idle": 5000}
    lab.release(lab.occupy("n000"))
    with pytest.raises(LabError, match="'idle00001' is not a real node"):
        lab.occupy("idle00001")


@lab_test
def test_two_labs_live_side_by_side(bare: Lab, new_lab: MakeLab) -> None:
    other = new_lab(nodes=2, accounting=False)
    other.up()
    assert not set(other.spec.ports) & set(bare.spec.ports)
    other.drain("n000", "only here")
    assert bare.states()["n000"] == "idle"
    other.down()
    bare.release(bare.occupy("n000"))


@lab_test
def test_down_leaves_nothing(new_lab: MakeLab) -> None:
    lab = new_lab(nodes=2)
    lab.up()
    lab.occupy("n000")
    lab.read_only("n001")
    lab.slurmd("n001").pause()
    lab.down()
    assert _left_of(lab.root) == []
    lab.down()


@lab_test
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_of_a_lab_whose_owner_was_killed(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        root = Path(owner.stdout.readline().strip())
        assert len(_left_of(root)) > 5
        owner.send_signal(number)
    wait_for(lambda: not _left_of(root), 60, f"everything of {root} to end")


@lab_test
def test_the_product_runs_as_the_service_account(lab: Lab) -> None:
    assert "sweep" in lab.run_as_service(["cluster-doctor", "--help"]).stdout
    probe = "import os, slurm_hooks; print(os.getuid(), slurm_hooks.__file__)"
    said = lab.run_as_service([str(lab.opt / "bin" / "python"), "-I", "-c", probe]).stdout.split()
    assert said[0] != "0"
    assert said[1].startswith(f"{lab.opt}/")


def _check(node: str) -> dict[str, str]:
    return {"CLUSTER_DOCTOR_NODE": node, "CLUSTER_DOCTOR_CHECK": "disk"}


def _faulty(lab: Lab, node: str) -> "subprocess.CompletedProcess[str]":
    command = lab.faults.wrap(["echo", "real work"])
    return lab.run_as_service(command, env=_check(node), check=False)


def _left_of(root: Path) -> list[object]:
    """What there still is of the lab at *root*: processes, mounts, files."""
    return [*processes.of_lab(root), *mounts.below(root), *([root] if root.exists() else [])]


@lab_test
def test_sacct_has_the_options_that_the_history_took_from_it(bare: Lab) -> None:
    told = bare.run(["sacct", "--help"]).stdout
    for short, long in SACCT_KNOWS.items():
        assert f"{short}, {long}" in told, told
    unknown = bare.run(["sacct", "-N", "n999", "-P", "-o", "NodeList"])
    assert (unknown.returncode, unknown.stdout) == (0, "NodeList\n")
    assert bare.run(["sacct", "-o", "nope"], check=False).returncode != 0
