"""How a check program says what it found: report lines, verdicts, exit codes.

The exceptions are the ways a program can end early:

    NodeFaultError      the node is proven bad                  exit 194, fail
    NotApplicableError  this check does not apply to this node  exit 195, skip
    InconclusiveError   the check could not tell                exit 1, error
"""

import argparse
import math
import os
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import Literal

REPORT_VARIABLE = "CLUSTER_DOCTOR_REPORT"
DETAIL_LIMIT = 500  # characters: a detail is one line of a table or of a drain reason
INCONCLUSIVE = 1

Below = Literal["warn", "fail"]


class Verdict(IntEnum):
    """The exit codes that judge a node; any other code says nothing about it.

    A crash cannot produce them by accident: they lie above every 128+signal (192
    is the last) and above every errno, below systemd's 200-245 and ssh's 255.
    """

    PASS = 0
    WARN = 193
    FAIL = 194
    SKIP = 195


class NodeFaultError(Exception):
    """The node is proven bad; the message is the proof."""


class NotApplicableError(Exception):
    """The check does not apply to this node."""


class InconclusiveError(Exception):
    """The check could not tell; the message says why and what to do."""


def metric(name: str, value: float) -> None:
    """Report one number; a value that is not finite is left out."""
    if math.isfinite(value):
        _say(f"metric {name} {number(value)}")


def number(value: float) -> str:
    """*value* as a report has it: whole from 1000 on, six digits below."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.6g}"


def detail(text: str) -> None:
    """Report the one line a person reads first; the last one said counts."""
    _say(f"detail {' '.join(text.split())[:DETAIL_LIMIT]}")


def log(text: str) -> None:
    """Write *text* to the check's log only; a log that is full or gone changes no verdict."""
    with suppress(OSError):
        os.write(1, f"{text}\n".encode())  # not sys.stdout, which would fail again at exit


def run(check: Callable[[], Verdict]) -> int:
    """Run *check* and return the exit code it deserves.

    An exception that is not one of ours leaves its text as the detail and goes on
    to Python, which prints the traceback and exits 1: an error, never a fail.
    """
    try:
        return check()
    except NodeFaultError as bad:
        detail(str(bad))
        return Verdict.FAIL
    except NotApplicableError as reason:
        detail(str(reason))
        return Verdict.SKIP
    except InconclusiveError as reason:
        detail(str(reason))
        return INCONCLUSIVE
    except Exception as error:
        detail(f"the check itself failed: {type(error).__name__}: {error}")
        raise


def judge(summary: str, shortfalls: Sequence[str], *, below: Below) -> Verdict:
    """Report *summary* and pass, or report the shortfalls and return what *below* says."""
    if not shortfalls:
        detail(summary)
        return Verdict.PASS
    detail("; ".join(shortfalls))
    return Verdict[below.upper()]


def slower(what: str, rate: float, minimum: float | None) -> list[str]:
    """One line if *rate* (bytes/s) is below *minimum*, else none."""
    if minimum is None or rate >= minimum:
        return []
    return [f"{what} {human(rate)}/s is below {human(minimum)}/s"]


def size(text: str) -> int:
    """Bytes of a size as people write it: 512K, 64M, 2G (powers of 1024)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?(?:/s)?", text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write it like 512K, 64M or 2G")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2] or " "))


def share(text: str) -> float:
    """A number above 0 and at most 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share; write it like 0.5")
    return value


def human(count: float) -> str:
    """Bytes with a unit, three digits: 812M, 1.50G."""
    for unit in ("", "K", "M", "G"):
        if count < 1000:
            return f"{count:.3g}{unit}"
        count /= 1024
    return f"{count:.3g}T"


def add_below(parser: argparse.ArgumentParser) -> None:
    """Give *parser* the option that says what a missed minimum means."""
    parser.add_argument(
        "--below",
        choices=("warn", "fail"),
        default="warn",
        help="what a value below one of the --min options means for the node (default: warn)",
    )


def _say(line: str) -> None:
    """Append *line* to the report file, if there is one, and to the log.

    A report that cannot be written changes no verdict: the node whose disk is
    broken is the one whose exit code matters most.
    """
    log(line)
    path = os.environ.get(REPORT_VARIABLE)
    if path:
        try:
            _append(Path(path), [line])
        except OSError as error:
            log(f"the report file {path} could not be written: {error.strerror}")


def _append(path: Path, lines: Iterable[str]) -> None:
    with path.open("a", encoding="utf-8") as report:
        report.writelines(f"{line}\n" for line in lines)
