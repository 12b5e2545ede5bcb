"""Computes known answers on every usable core at once, and how fast each core does it."""

import argparse
import hashlib
import json
import math
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from checks.programs.report import (
    Below,
    InconclusiveError,
    NodeFaultError,
    Verdict,
    add_below,
    judge,
    log,
    metric,
    run,
    share,
)

SLOT = 512  # bytes that a worker has to say how it went
CRASHES = frozenset(
    {signal.SIGILL, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGABRT, signal.SIGTRAP}
)
"""Signals that a processor's fault can cause; SIGKILL and SIGTERM are somebody's will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for."""

    seconds: float
    min_ratio: float | None
    below: Below


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one core computed: its best rate, and the first answer that was wrong, if any."""

    core: int
    rounds_per_s: float = 0.0
    wrong: str = ""  # "sha256 in round 3: got 1f…, expected 2e…"
    crash: int = 0  # the signal that killed the worker
    broken: str = ""  # why the worker could not work at all


def integers() -> str:
    """A chain of modular powers over a Mersenne prime: multiplication and carries."""
    value, prime = 3, 2**521 - 1
    for step in range(40):
        value = pow(value + step, 0x10001 + (value >> 1), prime)
    return f"{value:x}"[:16]


def digests() -> str:
    """A chain of SHA-256, where every bit depends on every one before it."""
    digest = b"cluster-doctor"
    for _ in range(20_000):
        digest = hashlib.sha256(digest, usedforsecurity=False).digest()
    return digest.hex()[:16]


def floats() -> str:
    """A chaotic chain in IEEE doubles: one wrong last bit changes the whole answer.

    Only + - * / and the square root, which IEEE 754 rounds exactly everywhere.
    """
    value = 0.5
    for _ in range(100_000):
        value = 3.99 * value * (1.0 - value)
    return math.sqrt(value / 3.0).hex()


def matrices() -> str:
    """The fifth power of a matrix of doubles, row by column; all its bits count."""
    size = 24
    matrix = [
        [1.0 / (1 + (row * 7 + column * 3) % 11) for column in range(size)] for row in range(size)
    ]
    columns = list(zip(*matrix, strict=True))
    power = matrix
    for _ in range(4):
        power = [[_dot(row, column) / size for column in columns] for row in power]
    values = [value for row in power for value in row]
    return hashlib.sha256(repr(values).encode(), usedforsecurity=False).hexdigest()[:16]


Known = Mapping[str, tuple[Callable[[], str], str]]
KNOWN: Known = {
    "integers": (integers, "cc54b36be3468808"),
    "sha256": (digests, "73302723b8a8734b"),
    "floats": (floats, "0x1.c79a9f61da66dp-2"),
    "matrices": (matrices, "03ab5f13dd2ad21a"),
}
"""Each computation and its answer, the same on every processor and Python 3.11 or newer."""


def first_wrong(known: Known, turn: int) -> str:
    """Compute everything in *known* once; say the first wrong answer, '' if there is none."""
    for name, (compute, expected) in known.items():
        got = compute()
        if got != expected:
            return f"{name} in round {turn}: got {got}, expected {expected}"
    return ""


def verdict(answers: Sequence[Answer], again: Sequence[Answer]) -> None:
    """Raise what *answers* of all cores, and *again* of those that crashed, prove.

    A wrong answer is a proof. A crash is one only if it happens twice on the same
    core while another core computes the same without one. What every core does
    alike says something about the program or this Python, not about a core.
    """
    broken = [answer for answer in answers if answer.broken]
    wrong = [answer for answer in (*answers, *again) if answer.wrong]
    good = [answer for answer in answers if not (answer.wrong or answer.crash or answer.broken)]
    crashed = [answer for answer in again if answer.crash in CRASHES]
    if wrong and (len({answer.wrong for answer in wrong}) > 1 or len(wrong) < len(answers)):
        raise NodeFaultError("; ".join(f"core {bad.core} computed {bad.wrong}" for bad in wrong))
    if wrong:
        raise InconclusiveError(
            f"every core computed the same wrong answer ({wrong[0].wrong}): suspect this Python, "
            f"{sys.version.split()[0]} at {sys.executable}, before the processor"
        )
    if crashed and good:
        raise NodeFaultError("; ".join(f"core {bad.core} {_crash(bad)} twice" for bad in crashed))
    ended = [f"core {bad.core} {_crash(bad)}" for bad in answers if bad.crash]
    if ended or broken:
        said = ended + [f"core {bad.core}: {bad.broken}" for bad in broken]
        raise InconclusiveError(f"{'; '.join(said)}; this proves nothing yet, run it again")


def main(argv: Sequence[str] | None = None) -> int:
    """Check the cores this process may use; return the exit code."""
    options = Options(**vars(_parser().parse_args(argv)))
    return run(lambda: _check(options))


def _check(options: Options) -> Verdict:
    cores = sorted(os.sched_getaffinity(0))
    metric("cores_count", len(cores))
    answers = on_each(cores, options.seconds, KNOWN)
    for answer in answers:
        log(f"core {answer.core}: {answer.rounds_per_s:.4g} rounds/s {answer.wrong}".rstrip())
    crashed = [answer.core for answer in answers if answer.crash in CRASHES]
    verdict(answers, on_each(crashed, options.seconds, KNOWN) if crashed else [])
    return report_speed(answers, options)


def report_speed(answers: Sequence[Answer], options: Options) -> Verdict:
    """Report how fast the cores are; judge the slowest by the fastest."""
    slowest = min(answers, key=lambda answer: answer.rounds_per_s)
    fastest = max(answers, key=lambda answer: answer.rounds_per_s)
    ratio = slowest.rounds_per_s / fastest.rounds_per_s
    metric("slowest_rounds_per_s", slowest.rounds_per_s)
    metric("fastest_rounds_per_s", fastest.rounds_per_s)
    metric("slowest_to_fastest_ratio", ratio)
    pace = f"core {slowest.core} is the slowest, at {ratio:.0%} of core {fastest.core}"
    summary = f"{len(answers)} cores computed correctly; {pace}"
    too_slow = options.min_ratio is not None and ratio < options.min_ratio
    return judge(summary, [f"slow core: {pace}"] if too_slow else [], below=options.below)


def on_each(cores: Sequence[int], seconds: float, known: Known) -> list[Answer]:
    """Compute on all *cores* at once, one process each; return their answers."""
    parent = os.getpid()
    with mmap.mmap(-1, SLOT * max(len(cores), 1)) as slots:
        workers = [
            os.fork() or _work(core, slots, index, parent=parent, seconds=seconds, known=known)
            for index, core in enumerate(cores)
        ]
        return [
            _answer(core, os.waitpid(worker, 0)[1], slots[index * SLOT : (index + 1) * SLOT])
            for index, (core, worker) in enumerate(zip(cores, workers, strict=True))
        ]


def _work(
    core: int, slots: mmap.mmap, index: int, *, parent: int, seconds: float, known: Known
) -> NoReturn:
    """Be the worker of *core*: leave the answer in slot *index* and end this process."""
    try:
        os.sched_setaffinity(0, {core})
        said = _compute(parent, seconds, known)
    except BaseException as error:  # noqa: BLE001 - a forked copy must never run on
        said = {"broken": f"{type(error).__name__}: {error}"}
    try:
        text = json.dumps(said).encode()[:SLOT]
        slots[index * SLOT : index * SLOT + len(text)] = text
    finally:
        os._exit(0)


def _compute(parent: int, seconds: float, known: Known) -> dict[str, str | float]:
    """Compute in rounds until *seconds* are over, an answer is wrong or *parent* is gone.

    Looking for the parent is what ends the workers however it died, SIGKILL included.
    The rate is that of the best round, in processor time: another process on the
    core, or an interrupt, must not make the core look slow.
    """
    deadline = time.monotonic() + seconds
    best, turn = 0.0, 0
    while turn == 0 or (time.monotonic() < deadline and os.getppid() == parent):
        turn += 1
        started = time.process_time()
        wrong = first_wrong(known, turn)
        if wrong:
            return {"wrong": wrong}
        best = max(best, 1 / max(time.process_time() - started, 1e-6))
    return {"rounds_per_s": best}


def _answer(core: int, status: int, slot: bytes) -> Answer:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return Answer(core=core, crash=-code)
    try:
        said = json.loads(slot.rstrip(b"\0"))
        return Answer(core=core, **said)
    except (ValueError, TypeError):
        return Answer(core=core, broken="left an answer that cannot be read")


def _crash(answer: Answer) -> str:
    return f"was killed by {signal.Signals(answer.crash).name}"


def _dot(row: Sequence[float], column: Sequence[float]) -> float:
    total = 0.0
    for left, right in zip(row, column, strict=True):
        total += left * right  # not sum(): newer Pythons compensate its rounding
    return total


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds up to 3600")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cpu", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--seconds", type=_seconds, default=5.0, help="how long to compute (default: 5)")
    add(
        "--min-ratio",
        type=share,
        metavar="SHARE",
        help="the least speed of the slowest core, as a share of the fastest one's",
    )
    add_below(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
