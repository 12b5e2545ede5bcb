"""The memory check finds changed bits, names them, and takes no more than its share."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.programs import memory
from checks.programs.report import InconclusiveError, NodeFaultError
from tests.programs import run_program, started, wait_until

MIB = 1 << 20
NAMES = [name for name, _ in memory.patterns(0, seed=1)]


def ends_of_area(pid: int, count: int) -> tuple[int, int] | None:
    """Addresses near both ends of the *count* tested bytes of process *pid* (proc(5), maps).

    The kernel may show the area as one with a small neighbour; what both the first
    and the last *count* bytes of that hold is surely in the area.
    """
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        start, _, end = line.split(" ")[0].partition("-")
        if count <= int(end, 16) - int(start, 16) < 2 * count:
            return int(end, 16) - count, int(start, 16) + count - 8
    return None


def test_good_memory_passes_with_numbers(tmp_path: Path) -> None:
    ended = run_program("memory", "--size", "32M", report=tmp_path / "report")
    assert ended.code == 0, ended.output
    assert ended.metrics["tested_bytes"] == 32 * MIB
    assert all(
        ended.metrics[f"{what}_bandwidth_bytes_per_s"] > 0 for what in ("write", "copy", "verify")
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="writes another process's memory")
def test_a_bit_changed_in_the_tested_memory_is_found_and_named() -> None:
    """Whichever half-way point it is stopped at, the first or the last word is still to be read."""
    count = 200 * MIB
    with started("memory", "--size", "200M", "--rounds", "1000") as check:
        wait_until(lambda: ends_of_area(check.pid, count) is not None)
        ends = ends_of_area(check.pid, count)
        assert ends is not None
        deadline = time.monotonic() + 60
        while check.poll() is None:
            assert time.monotonic() < deadline, "the change was never found"
            check.send_signal(signal.SIGSTOP)
            with Path(f"/proc/{check.pid}/mem").open("r+b", buffering=0) as area:
                for offset in (ends[0] + 3, ends[1] + 3):
                    area.seek(offset)
                    was = area.read(1)[0]
                    area.seek(offset)
                    area.write(bytes([was ^ 0x40]))
            check.send_signal(signal.SIGCONT)
            try:
                check.wait(timeout=0.3)
            except subprocess.TimeoutExpired:
                continue  # stopped between two patterns: change them again
        output, _ = check.communicate(timeout=30)
    assert check.returncode == 194, output
    assert "(xor 0x0000000040000000, " in output


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_one_wrong_bit_anywhere_is_found_by_every_pattern(name: str, data: st.DataObject) -> None:
    pattern = dict(memory.patterns(0, seed=1))[name]
    area = memoryview(bytearray(2 * MIB))
    memory.fill(area, pattern, memory.Clock())
    memory.verify(area, name, pattern, memory.Clock())
    place = data.draw(st.integers(0, len(area) - 1))
    bit = data.draw(st.integers(0, 7))
    area[place] ^= 1 << bit
    with pytest.raises(NodeFaultError) as found:
        memory.verify(area, name, pattern, memory.Clock())
    assert f"offset 0x{place // 8 * 8:x} " in str(found.value)
    assert f"xor 0x{1 << bit + 8 * (place % 8):016x}" in str(found.value)


def test_every_pattern_is_followed_by_its_inverse() -> None:
    every = memory.patterns(3, seed=7)
    for (_, pattern), (name, inverse) in zip(every[::2], every[1::2], strict=True):
        assert name.startswith("inverted")
        plain, turned = bytes(pattern(5)), bytes(inverse(5))
        assert all(a ^ b == 0xFF for a, b in zip(plain, turned, strict=True))


def test_every_word_holds_its_own_address_so_swapped_blocks_are_found() -> None:
    pattern = memory.Address(inverted=False)
    word = bytes(pattern(70_000)[8 * 11 : 8 * 12])
    assert int.from_bytes(word, "little") == (70_000 << 24) + 8 * 11
    assert bytes(pattern(0)) != bytes(pattern(1))


def test_the_walking_bit_has_been_everywhere_after_64_rounds() -> None:
    first_words = {
        bytes(dict(memory.patterns(turn, seed=0))["walking bit"](0)[:8]) for turn in range(64)
    }
    assert first_words == {(1 << bit).to_bytes(8, "little") for bit in range(64)}


@given(
    wanted=st.integers(0, 1 << 44),
    available=st.integers(0, 1 << 44),
    limit=st.none() | st.integers(0, 1 << 44),
    portion=st.floats(0.001, 1.0),
)
def test_no_more_than_half_of_what_there_is_is_ever_taken(
    wanted: int, available: int, limit: int | None, portion: float
) -> None:
    try:
        tested = memory.bounded(wanted, available=available, limit=limit, portion=portion)
    except InconclusiveError:
        return
    assert memory.SMALLEST <= tested <= min(wanted, available // 2)
    assert tested <= available * portion
    assert limit is None or tested <= limit // 2


def test_too_little_memory_to_test_is_no_verdict(tmp_path: Path) -> None:
    ended = run_program("memory", "--size", "1M", report=tmp_path / "report")
    assert ended.code == 1
    assert "at least 16M" in ended.detail


def test_the_tightest_limit_up_the_cgroup_tree_counts(tmp_path: Path) -> None:
    job = tmp_path / "slurm" / "job_1" / "step_0"
    job.mkdir(parents=True)
    (job / "memory.max").write_text("max\n")
    (job.parent / "memory.max").write_text("1000\n")
    (job.parent.parent / "memory.max").write_text("5000\n")
    assert memory.cgroup_limit("0::/slurm/job_1/step_0\n", tmp_path) == 1000
    assert memory.cgroup_limit("0::/elsewhere\n", tmp_path) is None


def test_the_limit_of_cgroup_version_1_counts(tmp_path: Path) -> None:
    job = tmp_path / "memory" / "slurm" / "job_1"
    job.mkdir(parents=True)
    (job / "memory.limit_in_bytes").write_text("4096\n")
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert memory.cgroup_limit("8:pids:/\n4:memory:/slurm/job_1\n0::/\n", tmp_path) == 4096


@pytest.mark.parametrize(("below", "code"), [("warn", 193), ("fail", 194)])
def test_too_slow_memory_is_what_the_operator_says_it_is(
    below: str, code: int, tmp_path: Path
) -> None:
    options = ("--size", "16M", "--min-bandwidth", "900T", "--below", below)
    ended = run_program("memory", *options, report=tmp_path / "report")
    assert ended.code == code
    assert "copy" in ended.detail


def test_a_modest_minimum_raises_no_false_alarm(tmp_path: Path) -> None:
    options = ("--size", "16M", "--min-bandwidth", "1M", "--below", "fail")
    assert run_program("memory", *options, report=tmp_path / "report").code == 0
