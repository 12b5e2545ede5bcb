"""Reads what a check's program reported: ``metric <name> <number>`` and ``detail <text>``."""

import re
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from slurm_hooks.files import read_regular
from slurm_hooks.oneline import one_line
from slurm_hooks.record import MAX_METRICS

MAX_BYTES = 65_536
_METRIC = re.compile(r"metric ([a-z][a-z0-9_]{0,63}) ([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the lines of a report file said."""

    metrics: dict[str, float]
    detail: str
    problem: str
    """Which lines were ignored; nothing where all were understood."""


def read_report(path: Path) -> Report:
    """Return what is reported at *path*; a program need not write one."""
    try:
        return parse_report(read_regular(path, limit=MAX_BYTES))
    except FileNotFoundError:
        return Report(metrics={}, detail="", problem="")
    except OSError as error:
        reason = error.strerror or error
        return Report(metrics={}, detail="", problem=f"report unreadable: {reason}")


def parse_report(data: bytes) -> Report:
    """Return what *data* says; of two values for one name the last one counts."""
    too_long = len(data) > MAX_BYTES
    if too_long:
        data = data[:MAX_BYTES].rpartition(b"\n")[0]
    metrics: dict[str, float] = {}
    detail = ""
    ignored = [f"all after {MAX_BYTES} bytes"] if too_long else []
    for line in data.decode("utf-8", errors="replace").split("\n"):
        text = line.strip()
        if text.startswith("detail "):
            detail = one_line(text.removeprefix("detail "))
        elif (found := _METRIC.fullmatch(text)) and _fits(metrics, found[1], float(found[2])):
            metrics[found[1]] = float(found[2])
        elif text:
            ignored.append(repr(one_line(text, 40)))
    return Report(metrics=metrics, detail=detail, problem=_problem(ignored))


def _fits(metrics: dict[str, float], name: str, value: float) -> bool:
    return isfinite(value) and (name in metrics or len(metrics) < MAX_METRICS)


def _problem(ignored: list[str]) -> str:
    if not ignored:
        return ""
    more = f" and {len(ignored) - 1} more" if len(ignored) > 1 else ""
    return f"report: ignored {ignored[0]}{more}"
