"""Runs a check program as a node does: isolated, and with the standard library only."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
START = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1)); module = sys.argv.pop(1); "
    "runpy.run_module(module, run_name='__main__', alter_sys=True)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a program ended and what it left in its report file."""

    code: int
    metrics: dict[str, float]
    detail: str
    output: str


def argv(program: str, *options: str | Path) -> list[str]:
    """-S leaves out site-packages: an import that a bare node lacks fails here, too."""
    module = f"checks.programs.{program}"
    return [sys.executable, "-I", "-S", "-c", START, str(ROOT), module, *map(str, options)]


def run_program(program: str, *options: str | Path, report: Path) -> Ended:
    """Run *program* to its end; the environment is only what the runner would give."""
    done = subprocess.run(
        argv(program, *options),
        env={"PATH": "/usr/bin:/bin", "CLUSTER_DOCTOR_REPORT": str(report)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    lines = report.read_text().splitlines() if report.exists() else []
    details = [line.partition(" ")[2] for line in lines if line.startswith("detail ")]
    metrics = [line.split() for line in lines if line.startswith("metric ")]
    return Ended(
        code=done.returncode,
        metrics={name: float(value) for _, name, value in metrics},
        detail=details[-1] if details else "",
        output=done.stdout,
    )


@contextmanager
def started(program: str, *options: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Start *program* and yield it; it is gone afterwards whatever the test did."""
    process = subprocess.Popen(
        argv(program, *options),
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


def wait_until(condition: Callable[[], bool], *, within_s: float = 30.0) -> None:
    """Return once *condition* holds; fail the test if that takes too long."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.0005)
