"""Faults of everything around a visit, on a real cluster: nothing lost, nothing twice, no drain."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from slurm_hooks.procfs import read_process
from slurm_hooks.state import State
from tests.disks import fill, run
from tests.lab import Lab, mounts, processes
from tests.lab.gates import Gates
from tests.lab.layout import make_state
from tests.lab.saved import forgetful
from tests.lab.users import ORDINARY, SERVICE
from tests.site import (
    assert_nothing_lost,
    doctor,
    history,
    make_due,
    only,
    processes_of_checks,
    recover_with_administrator,
    running,
    sweep_and_wait,
    wait_until_over,
    wait_until_running,
)

pytestmark = pytest.mark.lab

MISSED_AFTER_S = 15.0
"""A younger batch job is not missed: BatchStartTimeout, ten seconds, and two to be sure."""


def proven(lab: Lab) -> set[str]:
    return {row.node for row in history(lab) if row.outcome == "pass"}


def recover(lab: Lab) -> None:
    """As cron does: sweep again and again."""
    lab.wait_until_idle()
    sweep_and_wait(lab)
    sweep_and_wait(lab)


@pytest.fixture
def gates(site: Lab) -> Gates:
    """The site's sweeps go through gates, and wait 5 s at most for a command of Slurm's."""
    made = Gates.make(site.root)
    _go_through(made, site, "5s")
    return made


def _go_through(gates: Gates, site: Lab, slurm_timeout: str) -> None:
    site.configure(
        max_concurrent_visits=8,
        record_grace="0s",
        slurm_bin=str(gates.directory),
        slurm_timeout=slurm_timeout,
    )


# slurmctld, while a sweep submits


@pytest.mark.parametrize(
    ("moment", "how"),
    [
        ("before sbatch", "restart"),
        ("after sbatch", "pause"),
        ("after pin", "restart"),
        ("before release", "pause"),
    ],
)
def test_slurmctld_goes_while_a_sweep_submits(
    site: Lab, gates: Gates, moment: str, how: str
) -> None:
    site.add_check("quick")
    _go_through(gates, site, "3s" if how == "pause" else "10s")
    gates.stop_at(moment)
    sweep = site.start_as_service(["cluster-doctor", "sweep"])
    with gates.reached():
        if how == "pause":
            site.slurmctld.pause()
        else:
            site.slurmctld.stop()
            site.slurmctld.start()
    said, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == (0 if how == "restart" else 1), said
    assert "bug of ours" not in said
    if how == "pause":
        site.slurmctld.resume()
    recover(site)
    assert_nothing_lost(site)
    assert proven(site) == set(site.nodes)
    assert State(site.state_dir).open_batches() == []


@pytest.mark.parametrize("moment", ["after sbatch", "after pin", "before release"])
def test_slurmctld_is_killed_while_a_sweep_submits(site: Lab, gates: Gates, moment: str) -> None:
    """It comes back without the jobs that it took, and gives their ids away again."""
    site.add_check("quick", retry_after="1s")
    _go_through(gates, site, "3s")
    kill = forgetful(site)
    gates.stop_at(moment)
    sweep = site.start_as_service(["cluster-doctor", "sweep"])
    with gates.reached():
        kill()
    said, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 1, said
    assert "bug of ours" not in said
    site.slurmctld.start()
    _go_through(gates, site, "10s")
    recover_with_administrator(site, "quick")
    assert_nothing_lost(site)


# slurmctld, while visits run


@pytest.mark.parametrize("knows", ["nothing of them", "that they are held"])
def test_slurmctld_is_killed_while_visits_run(site: Lab, gates: Gates, knows: str) -> None:
    """What it knows when it is back is what it has saved before."""
    site.add_check("slow", command=["sleep", "8"], retry_after="1s")
    _go_through(gates, site, "10s")
    kill = forgetful(site) if knows == "nothing of them" else None
    gates.stop_at("before release")
    sweep = site.start_as_service(["cluster-doctor", "sweep"])
    with gates.reached():
        kill = kill or forgetful(site)
    said, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 0, said
    started = "every check to run; a launch that is cut off keeps its node for minutes"
    site.wait_for(lambda: len(list(processes_of_checks(site))) >= len(site.nodes), 30, started)
    kill()
    _go_through(gates, site, "3s")
    assert doctor(site, "sweep", check=False).returncode == 1
    site.slurmctld.start()
    _go_through(gates, site, "10s")
    site.add_check("slow", retry_after="1s")  # as quick as any from now on
    recover_with_administrator(site, "slow")
    assert_nothing_lost(site)
    assert not [row.detail for row in history(site) if "scratch" in row.detail]


# slurmdbd and its database, during the whole visit


@pytest.mark.parametrize("daemon", ["slurmdbd", "mariadbd"])
def test_the_accounting_is_down_during_the_whole_visit(site: Lab, daemon: str) -> None:
    site.add_check("quick", command=["sleep", "1"])
    database = {"slurmdbd": site.slurmdbd, "mariadbd": site.mariadbd}[daemon]
    database.kill()
    done = doctor(site, "sweep", "--wait")
    assert done.returncode == 0
    assert proven(site) == set(site.nodes)
    database.start()
    recover(site)
    assert_nothing_lost(site)


# nodes


def test_a_node_that_reboots_under_a_visit(site: Lab) -> None:
    """All of it is gone: slurmd, what guards the job, the runner and the check."""
    only(site, "n000")
    site.add_check("slow", command=["sleep", "60"])
    doctor(site, "sweep")
    site.wait_for(lambda: bool(list(processes_of_checks(site))), 20, "the check to run")
    began = time.monotonic()
    site.slurmd("n000").kill()
    gone = [pid for pid in processes.of_lab(site.root) if _is_of_a_job(pid)]
    for pid in [*gone, *processes_of_checks(site)]:
        processes.send(pid, signal.SIGKILL, site.root)
    site.wait_for(lambda: not list(processes_of_checks(site)), 20, "the node to be empty")
    site.slurmd("n000").start()
    site.wait_for(lambda: time.monotonic() - began > MISSED_AFTER_S, 30, "the visit to be old")
    site.run(["scontrol", "reconfigure"])  # so that the node registers, which else takes a minute
    site.wait_for(lambda: not running(site), 60, "slurmctld to miss the visit")
    site.add_check("slow")  # as quick as any from now on
    recover(site)
    assert [row.outcome for row in history(site)] == ["node_fail", "pass"]
    assert_nothing_lost(site)


def _is_of_a_job(pid: int) -> bool:
    return processes.name(pid) == "slurmstepd" or b"slurm_hooks.runner" in _argv(pid)


def _argv(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


# the state directory


@contextmanager
def _small_state(lab: Lab) -> Iterator[None]:
    """Put the state directory on a disk of its own, of 8 MB."""
    mounts.mount("-t", "tmpfs", "-o", "size=8m", "cdlab", str(lab.state_dir))
    try:
        make_state(lab.layout)
        yield
    finally:
        mounts.unmount(lab.state_dir)


def _fill(lab: Lab) -> Callable[[], None]:
    fill(lab.state_dir)
    return (lab.state_dir / "filler").unlink


def _close(lab: Lab) -> Callable[[], None]:
    run("mount", "-o", "remount,ro", str(lab.state_dir))
    return lambda: run("mount", "-o", "remount,rw", str(lab.state_dir))


@pytest.mark.parametrize("spoil", [_fill, _close], ids=["full", "read-only"])
def test_the_state_directory_takes_nothing_during_the_visit(
    site: Lab, spoil: Callable[[Lab], Callable[[], None]]
) -> None:
    """What the visits find waits on their nodes, and comes with later visits."""
    with _small_state(site):
        site.add_check("quick", command=["sleep", "1"], retry_after="1s")
        doctor(site, "sweep")
        wait_until_running(site, 8)
        repair = spoil(site)
        site.wait_until_idle()
        refused = doctor(site, "sweep", check=False)
        assert refused.returncode == 1
        assert "cannot" in refused.stderr
        assert "bug of ours" not in refused.stderr
        repair()
        sweep_and_wait(site)
        make_due(site, "quick")
        recover(site)
        doctor(site, "ingest")
        assert_nothing_lost(site)
        assert {row.outcome for row in history(site)} == {"pass"}


class Stoppable:
    """A file system where every writer can be made to hang, beyond SIGKILL."""

    def __init__(self, point: Path) -> None:
        self.point = point
        self._frozen = False

    def freeze(self) -> None:
        run("fsfreeze", "--freeze", str(self.point))
        self._frozen = True

    def thaw(self) -> None:
        if self._frozen:
            run("fsfreeze", "--unfreeze", str(self.point))
            self._frozen = False


@contextmanager
def _stoppable(lab: Lab, point: Path) -> Iterator[Stoppable]:
    """Put such a file system at *point*, the state directory or a part of it."""
    image = lab.root / "stoppable.img"
    with image.open("wb") as file:
        file.truncate(64_000_000)
    run("mkfs.ext4", "-q", "-F", str(image))
    mounts.mount("-o", "loop,noatime", str(image), str(point))
    made = Stoppable(point)
    try:
        make_state(lab.layout)
        yield made
    finally:
        made.thaw()
        mounts.unmount(point)
        image.unlink()


def test_the_controllers_directory_hangs_and_neither_slurm_nor_the_sweep_does(site: Lab) -> None:
    site.add_check("quick")
    with _stoppable(site, site.state_dir / "controller") as disk:
        disk.freeze()
        doctor(site, "sweep")
        began = time.monotonic()
        site.wait_for(lambda: bool(site.states()), 5, "slurmctld to answer")
        wait_until_over(site)
        assert time.monotonic() - began < 30, "EpilogSlurmctld is bounded by 13 s"
        job = site.occupy("n000")
        site.release(job)
        sweep_and_wait(site)
        assert proven(site) == set(site.nodes)
        disk.thaw()
        recover(site)
        assert_nothing_lost(site)


def test_the_state_directory_hangs_while_visits_end(site: Lab) -> None:
    """Longer than any hook may take: their words are lost, the runners' records are not."""
    only(site, "n[000-003]")
    site.add_check("slow", command=["sleep", "2"])
    with _stoppable(site, site.state_dir) as disk:
        doctor(site, "sweep")
        wait_until_running(site, 4)
        disk.freeze()
        site.wait_for(lambda: len(list(_stuck_runners(site))) == 4, 20, "every runner to hang")
        user = site.occupy("n004")  # Slurm itself goes on
        site.release(user)
        disk.thaw()
        recover(site)
        assert_nothing_lost(site)
        assert {row.outcome for row in history(site)} == {"pass"}


def _stuck_runners(lab: Lab) -> Iterator[int]:
    for pid in processes.of_lab(lab.root):
        found = read_process(pid)
        if found is not None and found.state == "D" and b"slurm_hooks.runner" in _argv(pid):
            yield pid


# sweeps


def test_a_sweep_that_hangs_is_named_and_one_that_was_killed_keeps_nobody_waiting(
    site: Lab, gates: Gates
) -> None:
    site.add_check("quick")
    gates.stop_at("before sbatch")
    first = site.start_as_service(["cluster-doctor", "sweep"])
    with gates.reached():
        first.send_signal(signal.SIGSTOP)
        second = doctor(site, "sweep")
        assert second.returncode == 0
        assert f"another sweep is under way (process {first.pid} on localhost" in second.stderr
        first.kill()
        first.communicate(timeout=10)
        third = doctor(site, "sweep", "--wait")
        assert "another sweep" not in third.stderr
    recover(site)
    assert_nothing_lost(site)
    assert proven(site) == set(site.nodes)


def test_a_users_ten_thousand_tasks_cost_a_sweep_nothing(site: Lab, gates: Gates) -> None:
    site.add_check("quick")
    doctor(site, "sweep", "--wait")
    make_due(site, "quick")
    site.wait_until_idle()
    gates.forget()
    doctor(site, "sweep")
    alone = len(gates.calls)
    wait_until_over(site)
    site.run(
        ["sbatch", "--hold", "--array=0-9999", "--output=/dev/null", "--wrap=true"],
        user=ORDINARY[0],
    )
    gates.forget()
    doctor(site, "sweep")
    # A sweep that finds something to settle asks slurmdbd as well; neither counts jobs.
    assert max(alone, len(gates.calls)) <= 12
    assert all(f"-u {SERVICE}" in call for call in gates.calls if call.startswith("squeue"))
    recover(site)
    assert_nothing_lost(site)
    assert proven(site) == set(site.nodes)
