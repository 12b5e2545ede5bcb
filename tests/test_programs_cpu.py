"""The cpu check names the core that computes wrongly, and blames none without proof."""

import faulthandler
import os
import signal
import subprocess
from pathlib import Path

import pytest

from checks.programs import cpu
from checks.programs.cpu import Answer
from checks.programs.report import InconclusiveError, NodeFaultError
from tests.programs import run_program, started, wait_until

CORES = sorted(os.sched_getaffinity(0))
two_cores = pytest.mark.skipif(len(CORES) < 2, reason="compares cores")
FINE = Answer(core=0, rounds_per_s=10.0)
CRASH = Answer(core=1, crash=signal.SIGILL)


def on_last_core() -> bool:
    return os.sched_getaffinity(0) == {CORES[-1]}


def wrong_on_last_core() -> str:
    return "beef" if on_last_core() else "good"


def crash_on_last_core() -> str:
    if on_last_core():
        faulthandler.disable()  # pytest's; this crash is meant
        os.kill(os.getpid(), signal.SIGSEGV)
    return "good"


def test_good_cores_pass_with_numbers(tmp_path: Path) -> None:
    ended = run_program("cpu", "--seconds", "0.3", report=tmp_path / "report")
    assert ended.code == 0, ended.output
    assert ended.metrics["cores_count"] == len(CORES)
    assert 0 < ended.metrics["slowest_to_fastest_ratio"] <= 1
    assert all(f"core {core}:" in ended.output for core in CORES)


def test_every_known_answer_comes_out_here() -> None:
    assert cpu.first_wrong(cpu.KNOWN, 1) == ""


@pytest.mark.parametrize("name", cpu.KNOWN)
def test_a_wrong_answer_of_any_computation_is_seen(name: str) -> None:
    compute, expected = cpu.KNOWN[name]
    known = {**cpu.KNOWN, name: (compute, expected[:-1] + "?")}
    assert cpu.first_wrong(known, 7).startswith(f"{name} in round 7: got {expected}")


@two_cores
def test_the_core_that_computes_wrongly_is_named() -> None:
    answers = cpu.on_each(CORES, 0.05, {"test": (wrong_on_last_core, "good")})
    with pytest.raises(NodeFaultError, match=rf"core {CORES[-1]} computed test .* got beef"):
        cpu.verdict(answers, [])


@two_cores
def test_a_core_that_crashes_twice_where_others_do_not_is_bad() -> None:
    known: cpu.Known = {"test": (crash_on_last_core, "good")}
    answers = cpu.on_each(CORES, 0.05, known)
    again = cpu.on_each([CORES[-1]], 0.05, known)
    with pytest.raises(NodeFaultError, match=rf"core {CORES[-1]} was killed by SIGSEGV twice"):
        cpu.verdict(answers, again)


def test_one_crash_that_does_not_repeat_is_no_verdict() -> None:
    with pytest.raises(InconclusiveError, match="SIGILL"):
        cpu.verdict([FINE, CRASH], [Answer(core=1, rounds_per_s=9.0)])


def test_a_crash_on_every_core_is_no_verdict() -> None:
    both = [CRASH, Answer(core=0, crash=signal.SIGILL)]
    with pytest.raises(InconclusiveError, match="proves nothing"):
        cpu.verdict(both, both)


def test_a_killed_worker_is_no_verdict() -> None:
    killed = Answer(core=1, crash=signal.SIGKILL)
    with pytest.raises(InconclusiveError, match="SIGKILL"):
        cpu.verdict([FINE, killed], [])


def test_a_core_that_answers_wrongly_after_a_crash_is_bad() -> None:
    with pytest.raises(NodeFaultError, match="core 1 computed x"):
        cpu.verdict([FINE, CRASH], [Answer(core=1, wrong="x")])


def test_the_same_wrong_answer_everywhere_is_suspected_of_python() -> None:
    with pytest.raises(InconclusiveError, match="suspect this Python"):
        cpu.verdict([Answer(core=0, wrong="x"), Answer(core=1, wrong="x")], [])
    with pytest.raises(NodeFaultError):
        cpu.verdict([Answer(core=0, wrong="x"), Answer(core=1, wrong="y")], [])


def test_a_core_that_cannot_be_used_is_no_verdict() -> None:
    answers = cpu.on_each([99_999], 0.05, cpu.KNOWN)
    assert "Error" in answers[0].broken
    with pytest.raises(InconclusiveError, match="core 99999"):
        cpu.verdict(answers, [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_a_killed_check(number: signal.Signals) -> None:
    with started("cpu", "--seconds", "600") as check:
        children = Path(f"/proc/{check.pid}/task/{check.pid}/children")
        wait_until(lambda: len(children.read_text().split()) == len(CORES))
        workers = [Path("/proc") / pid for pid in children.read_text().split()]
        check.send_signal(number)
        assert check.wait(timeout=30) == -number
        wait_until(lambda: not any(alive(worker) for worker in workers))


def alive(process: Path) -> bool:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@two_cores
def test_a_slow_core_is_a_warning_that_an_operator_may_harden() -> None:
    options = cpu.Options(seconds=1, min_ratio=0.8, below="warn")
    answers = [FINE, Answer(core=1, rounds_per_s=5.0)]
    assert cpu.report_speed(answers, options) == 193
    assert cpu.report_speed(answers, cpu.Options(seconds=1, min_ratio=0.8, below="fail")) == 194
    assert cpu.report_speed(answers, cpu.Options(seconds=1, min_ratio=0.5, below="fail")) == 0
    assert cpu.report_speed(answers, cpu.Options(seconds=1, min_ratio=None, below="fail")) == 0


@two_cores
def test_a_busy_neighbour_does_not_make_a_core_look_slow(tmp_path: Path) -> None:
    """The rate counts the core's own processor time, so sharing it costs nothing."""
    spin = ["taskset", "-c", str(CORES[0]), "sh", "-c", "while :; do :; done"]
    with subprocess.Popen(spin) as hog:
        try:
            options = ("--seconds", "2", "--min-ratio", "0.3", "--below", "fail")
            ended = run_program("cpu", *options, report=tmp_path / "report")
        finally:
            hog.kill()
    assert ended.code == 0, ended.output


@pytest.mark.parametrize("text", ["0", "-1", "nan", "soon", "9999"])
def test_a_wrong_number_of_seconds_is_a_usage_error(text: str, tmp_path: Path) -> None:
    ended = run_program("cpu", f"--seconds={text}", report=tmp_path / "report")
    assert ended.code == 2
    assert "not a number of seconds" in ended.output
