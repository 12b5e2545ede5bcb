"""Fills memory with patterns that expose stuck, coupled or misaddressed bits; reads it back."""

import argparse
import mmap
import random
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from checks.programs.report import (
    Below,
    InconclusiveError,
    NodeFaultError,
    Verdict,
    add_below,
    human,
    judge,
    log,
    metric,
    run,
    share,
    size,
    slower,
)

BLOCK = 1 << 20
WORD = 8
WORDS = BLOCK // WORD
SMALLEST = 16 * BLOCK  # less than this fits a core's own cache and proves nothing

Pattern = Callable[[int], bytearray]
"""What block number n holds. The answer is good until the next call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for."""

    size: int
    share: float
    rounds: int
    min_bandwidth: int | None
    below: Below


@dataclass(slots=True)
class Clock:
    """Bytes moved and the seconds it took; generating the patterns is not counted."""

    moved_bytes: int = 0
    took_s: float = 0.0

    def add(self, moved_bytes: int, started: float) -> None:
        """Count *moved_bytes* since *started* (time.perf_counter())."""
        self.took_s += time.perf_counter() - started
        self.moved_bytes += moved_bytes

    @property
    def rate(self) -> float:
        """Bytes per second."""
        return self.moved_bytes / self.took_s if self.took_s else 0.0


class Address:
    """Every word holds its own address: 20 bits within the block, the block's number above.

    Two addresses that select the same cells cannot both hold their own.
    """

    def __init__(self, *, inverted: bool) -> None:
        words = b"".join((word * WORD).to_bytes(WORD, "little") for word in range(WORDS))
        self._mask = 0xFF if inverted else 0
        self._block = bytearray(_inverted(words) if inverted else words)

    def __call__(self, number: int) -> bytearray:
        """Block *number*."""
        for byte in range(3):
            value = (number >> 8 * byte & 0xFF) ^ self._mask
            self._block[3 + byte :: WORD] = bytes([value]) * WORDS
        return self._block


def patterns(turn: int, seed: int) -> list[tuple[str, Pattern]]:
    """The patterns of one round, each followed by its inverse.

    The walking bit starts one position further every round; the random bytes
    depend on *seed* and the round.
    """
    walking = b"".join((1 << (word + turn) % 64).to_bytes(WORD, "little") for word in range(64))
    noise = random.Random(seed + turn).randbytes(BLOCK)  # noqa: S311 - not for secrets
    blocks = {
        "all bits": b"\xff" * BLOCK,
        "checkerboard": b"\x55" * BLOCK,
        "walking bit": walking * (BLOCK // len(walking)),
        "random": noise,
    }
    found: list[tuple[str, Pattern]] = []
    for name, block in blocks.items():
        found.append((name, partial(_same, bytearray(block))))
        found.append((f"inverted {name}", partial(_same, bytearray(_inverted(block)))))
    found.append(("address", Address(inverted=False)))
    found.append(("inverted address", Address(inverted=True)))
    return found


def fill(memory: memoryview, pattern: Pattern, clock: Clock) -> None:
    """Write *pattern* into all of *memory*."""
    for number, start in enumerate(range(0, len(memory), BLOCK)):
        block = pattern(number)
        started = time.perf_counter()
        memory[start : start + BLOCK] = block
        clock.add(BLOCK, started)


def verify(memory: memoryview, name: str, pattern: Pattern, clock: Clock) -> None:
    """Raise NodeFaultError, naming the first wrong word, unless *memory* holds *pattern*."""
    for number, start in enumerate(range(0, len(memory), BLOCK)):
        block = pattern(number)
        got = memory[start : start + BLOCK]
        started = time.perf_counter()
        same = block == got  # a bytearray on the left compares with memcmp
        clock.add(BLOCK, started)
        if not same:
            raise NodeFaultError(_first_bad_word(name, start, bytes(block), bytes(got)))


def copy(memory: memoryview, clock: Clock) -> None:
    """Copy the lower half of *memory* over the upper half, whole blocks at a time."""
    half = len(memory) // BLOCK // 2 * BLOCK
    for start in range(0, half, BLOCK):
        started = time.perf_counter()
        memory[half + start : half + start + BLOCK] = memory[start : start + BLOCK]
        clock.add(BLOCK, started)


def bounded(wanted: int, *, available: int, limit: int | None, portion: float) -> int:
    """How many bytes to test, in whole blocks.

    At most *wanted*, *portion* of the available memory, half of it, and half of
    the cgroup's *limit*: a check must never be why something is killed for memory.
    """
    most = min(wanted, int(available * min(portion, 0.5)))
    if limit is not None:
        most = min(most, limit // 2)
    if most < SMALLEST:
        raise InconclusiveError(
            f"only {human(most)} of memory may be tested, at least {human(SMALLEST)} is needed: "
            f"{human(available)} is available, the cgroup's limit is "
            f"{human(limit) if limit is not None else 'none'}; give the check more memory"
        )
    return most // BLOCK * BLOCK


def available_memory(meminfo: str) -> int:
    """Bytes of MemAvailable (proc(5), /proc/meminfo)."""
    for line in meminfo.splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise InconclusiveError("/proc/meminfo does not say MemAvailable; is /proc mounted?")


def cgroup_limit(cgroups: str, root: Path) -> int | None:
    """The tightest memory limit (bytes) of our cgroup and of those above it, if any.

    *cgroups* is /proc/self/cgroup, *root* is /sys/fs/cgroup; versions 1 and 2 (cgroups(7)).
    """
    limits: list[int] = []
    for line in cgroups.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            limits += _limits_upwards(root, path, "memory.max")
        elif "memory" in controllers.split(","):
            limits += _limits_upwards(root / "memory", path, "memory.limit_in_bytes")
    return min(limits, default=None)


def main(argv: Sequence[str] | None = None) -> int:
    """Check this node's memory; return the exit code."""
    options = Options(**vars(_parser().parse_args(argv)))
    return run(lambda: _check(options))


def _check(options: Options) -> Verdict:
    tested = bounded(
        options.size,
        available=available_memory(Path("/proc/meminfo").read_text()),
        limit=cgroup_limit(Path("/proc/self/cgroup").read_text(), Path("/sys/fs/cgroup")),
        portion=options.share,
    )
    metric("tested_bytes", tested)
    seed = secrets.randbits(32)
    log(f"seed {seed}")
    written, copied, read = Clock(), Clock(), Clock()
    memory = _memory(tested)
    for turn in range(options.rounds):
        for name, pattern in patterns(turn, seed):
            fill(memory, pattern, written)
            verify(memory, name, pattern, read)
        _copy_and_verify(memory, seed + turn, copied, read)
    return _report(options, tested, written=written, copied=copied, read=read)


def _copy_and_verify(memory: memoryview, seed: int, copied: Clock, read: Clock) -> None:
    """Check that what is copied from one half to the other arrives."""
    half = len(memory) // BLOCK // 2
    blocks = bytearray(random.Random(seed).randbytes(2 * BLOCK))  # noqa: S311 - not for secrets

    def shifted(number: int) -> bytearray:
        start = number % half * WORD % BLOCK
        return blocks[start : start + BLOCK]

    fill(memory[: half * BLOCK], shifted, Clock())
    copy(memory, copied)
    verify(memory[: 2 * half * BLOCK], "copied random", shifted, read)


def _report(
    options: Options, tested: int, *, written: Clock, copied: Clock, read: Clock
) -> Verdict:
    metric("write_bandwidth_bytes_per_s", written.rate)
    metric("copy_bandwidth_bytes_per_s", copied.rate)
    metric("verify_bandwidth_bytes_per_s", read.rate)
    summary = (
        f"{human(tested)} verified: write {human(written.rate)}/s, copy {human(copied.rate)}/s, "
        f"verify {human(read.rate)}/s on one core"
    )
    return judge(summary, slower("copy", copied.rate, options.min_bandwidth), below=options.below)


def _memory(count: int) -> memoryview:
    """*count* bytes that are already backed by pages, so page faults are not timed."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
    try:
        return memoryview(mmap.mmap(-1, count, flags=flags))
    except OSError as error:
        raise InconclusiveError(
            f"{human(count)} of memory could not be had: {error.strerror}; see ulimit -v"
        ) from error


def _first_bad_word(name: str, start: int, block: bytes, got: bytes) -> str:
    for offset in range(0, len(block), WORD):
        wrote = int.from_bytes(block[offset : offset + WORD], "little")
        found = int.from_bytes(got[offset : offset + WORD], "little")
        if wrote != found:
            return (
                f"memory corruption: word at offset 0x{start + offset:x} of the tested area was "
                f"written as 0x{wrote:016x} and read as 0x{found:016x} "
                f"(xor 0x{wrote ^ found:016x}, pattern {name})"
            )
    return f"memory corruption: block at offset 0x{start:x} differed once (pattern {name})"


def _limits_upwards(root: Path, path: str, file: str) -> list[int]:
    """The limits of *path* below *root* and of its parents; an absent or 'max' one is none."""
    own = root / path.lstrip("/")
    found: list[int] = []
    for directory in (own, *own.parents):
        try:
            text = (directory / file).read_text().strip()
        except OSError:
            text = "max"
        if text.isdigit():
            found.append(int(text))
        if directory == root:
            break
    return found


def _same(block: bytearray, _number: int) -> bytearray:
    return block


def _inverted(block: bytes) -> bytes:
    return block.translate(bytes(range(255, -1, -1)))


def _rounds(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count; write 1 or more")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="memory", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--size", type=size, default=256 << 20, help="how much to test at most (default: 256M)")
    add(
        "--share",
        type=share,
        default=0.5,
        help="the share of the available memory to test at most (default and highest: 0.5)",
    )
    add("--rounds", type=_rounds, default=1, help="how often to go through the patterns")
    add("--min-bandwidth", type=size, metavar="RATE", help="the least bytes/s copied")
    add_below(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
