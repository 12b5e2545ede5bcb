"""What a command costs as a whole process: how long it takes and the most memory it holds."""

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

LONGEST_S = 600.0

_MEASURE = """
import json, os, sys, time
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
began = time.monotonic()
pid = os.fork()
if pid == 0:
    os.dup2(out, 1)
    os.execvp(sys.argv[2], sys.argv[2:])
_, status, used = os.wait4(pid, 0)
print(json.dumps({"wall_s": time.monotonic() - began, "rss_mb": used.ru_maxrss / 1000,
                  "cpu_s": used.ru_utime + used.ru_stime, "status": status}), file=sys.stderr)
"""
"""Run by a small interpreter of its own: a child begins with its parent's peak of memory."""


class Cost(NamedTuple):
    """What one run of a command took, with all that it waited for."""

    wall_s: float
    cpu_s: float
    rss_mb: float
    """The most that one of its processes held."""


class Several(NamedTuple):
    """What some runs of the same command took."""

    runs: Sequence[Cost]

    @property
    def wall_s(self) -> float:
        """The median."""
        return statistics.median(run.wall_s for run in self.runs)

    @property
    def cpu_s(self) -> float:
        """The median; of what else a machine does there is less in it."""
        return statistics.median(run.cpu_s for run in self.runs)

    @property
    def rss_mb(self) -> float:
        """The most of all runs."""
        return max(run.rss_mb for run in self.runs)

    def __str__(self) -> str:
        fastest, slowest = seconds(min(self.runs).wall_s), seconds(max(self.runs).wall_s)
        spread = f" ({fastest} to {slowest})" if len(self.runs) > 1 else ""
        return f"{seconds(self.wall_s)} s{spread}"


def seconds(number: float) -> str:
    """Return *number* to the millisecond, and to ten of them from one second on."""
    return f"{number:.3f}" if number < 1 else f"{number:.2f}"


def measuring(argv: Sequence[str], output: Path) -> list[str]:
    """Return the command that measures *argv*, whose output goes to the file *output*."""
    return [sys.executable, "-I", "-S", "-c", _MEASURE, str(output), *argv]


def measured(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, output: Path) -> Cost:
    """Run *argv*, a command that `measuring` made or that starts one, and return what it told.

    Raises:
        AssertionError: the command failed; the message has what it said.
    """
    done = subprocess.run(
        argv, env=dict(env), cwd=cwd, capture_output=True, text=True, timeout=LONGEST_S, check=True
    )
    *said, last = done.stderr.splitlines()
    told = json.loads(last)
    if told.pop("status"):
        raise AssertionError(f"{' '.join(argv[6:])}: {' '.join(said) or output.read_text()[:500]}")
    return Cost(**told)
