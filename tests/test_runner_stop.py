"""SIGTERM at any moment: users come first, and every check still has exactly one record."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from slurm_hooks.record import Outcome
from tests.programs import wait_until
from tests.visits import JOB_ID, Node, processes_of, program

MARKER = f"CLUSTER_DOCTOR_JOB_ID={JOB_ID}"
POLITE = "trap 'exit 0' TERM; setsid sleep 1000 & i=0; while [ $i -lt 8 ]; do i=$((i+1)); "
"""Answers SIGTERM with exit 0, as orderly programs do."""


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(root=tmp_path).prepare()


def plan(node: Node) -> Path:
    """Plan three checks, the middle one slow; returns the file it makes when it is through."""
    through = node.root / "through"
    node.plan(
        program("a", "exit 0"),
        program("b", f"{POLITE} sleep 0.01; done; : >{through}; exit 0"),
        program("c", "exit 194"),
    )
    return through


def stop(process: subprocess.Popen[bytes], *, whole_job: bool, twice: bool) -> None:
    """Signal the runner; or, as Slurm does, all processes of the job, here the runner last.

    Within a millisecond, as Slurm does, whatever else the machine has to do.
    """
    pids = processes_of(MARKER) if whole_job else []
    with undisturbed():
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        for _ in range(2 if twice else 1):
            process.send_signal(signal.SIGTERM)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let nothing of ordinary priority take the processor away; for that one must be root."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def duration_of_a_visit(root: Path) -> float:
    root.mkdir()
    node = Node(root=root).prepare()
    plan(node)
    started = time.monotonic()
    assert node.run() == 0
    return time.monotonic() - started


def test_sigterm_at_any_moment_leaves_one_record_per_check_and_no_process(tmp_path: Path) -> None:
    steps = 20
    whole = duration_of_a_visit(tmp_path / "undisturbed")
    ends = set()
    for step in range(steps):
        root = tmp_path / str(step)
        root.mkdir()
        node = Node(root=root).prepare()
        through = plan(node)
        with node.starting() as process:
            time.sleep(whole * step / steps)  # the moment is the point: no condition to wait for
            stop(process, whole_job=step % 2 == 0, twice=step % 3 == 0)
            process.communicate(timeout=30)
        records = node.records()
        ends.add((process.returncode, *(one.outcome for one in records.values())))
        assert process.returncode in (0, 143, -signal.SIGTERM)
        # Before it can hear signals it dies of one, and Slurm's word settles all three.
        assert len(records) == 3 or (process.returncode == -signal.SIGTERM and not records)
        if records:
            assert records["a"].outcome in (Outcome.PASS, None)
            assert records["b"].outcome in ((Outcome.PASS, None) if through.exists() else (None,))
            assert records["c"].outcome in (Outcome.FAIL, None)
        assert not processes_of(MARKER)
    assert len(ends) > 2


def test_a_stopped_visit_says_which_check_ran_and_ends_at_once(node: Node) -> None:
    deaf = "trap '' TERM; setsid sleep 1000 & sleep 1001; sleep 1002"
    node.plan(program("a", "exit 0"), program("b", deaf), program("c", "exit 0"))
    with node.starting() as process:
        wait_until(lambda: len(processes_of(MARKER)) >= 3)
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        process.communicate(timeout=30)
        took = time.monotonic() - started
    assert process.returncode == 143
    assert took < 1.0
    assert not processes_of(MARKER)
    records = node.records()
    assert records["a"].outcome is Outcome.PASS
    assert (records["b"].outcome, records["b"].detail) == (None, "stopped by SIGTERM")
    assert records["b"].started_at is not None
    assert Path(records["b"].log_path).is_file()
    assert (records["c"].outcome, records["c"].started_at) == (None, None)


def test_a_program_that_dies_of_slurms_sigterm_first_is_not_believed(tmp_path: Path) -> None:
    """Slurm signals a job's processes one by one; on a busy machine that takes a few tries here."""
    for trial in range(20):
        root = tmp_path / str(trial)
        root.mkdir()
        node = Node(root=root).prepare()
        node.plan(program("a", f"trap 'exit 0' TERM; : >{root}/ready; while :; do :; done"))
        with node.starting() as process:
            wait_until((root / "ready").exists)
            (pid,) = processes_of(MARKER)
            first = time.monotonic()
            os.kill(pid, signal.SIGTERM)
            time.sleep(0.02)
            process.send_signal(signal.SIGTERM)
            took = time.monotonic() - first
            process.communicate(timeout=30)
        if took < 0.08:
            assert node.records()["a"].outcome is None
            return
    pytest.fail("this machine is too busy to send two signals in 80 ms")
