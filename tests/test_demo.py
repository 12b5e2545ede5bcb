"""The demo: what a newcomer runs first."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab

DEMO = [sys.executable, "-m", "tests.lab.demo"]
ROOT = Path(__file__).parents[1]


def rests_of(lab: str) -> list[str]:
    """Processes and mounts below the directory of *lab*."""
    found = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if lab in line]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if lab.encode() in line:
                found.append(entry.name)
    return found


def start() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        DEMO, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True, env=dict(os.environ, PYTHONUNBUFFERED="1"),
    )  # fmt: skip


def directory_in(line: str) -> str:
    return line.rsplit(" in ", 1)[1].strip().strip("\x1b[0m")


def test_the_demo_finds_every_planted_fault_and_leaves_nothing() -> None:
    demo = start()
    text, _ = demo.communicate(timeout=150)
    assert demo.returncode == 0, text
    assert "Nothing was lost" in text
    assert "Every planted fault was found" in text
    first = next(line for line in text.splitlines() if line.startswith("Starting"))
    assert rests_of(directory_in(first)) == []
    assert not Path(directory_in(first)).exists()


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGTERM, "Starting"),
        (signal.SIGKILL, "Planting"),
        (signal.SIGINT, "slurmctld is dead"),  # and a sweep waits, with visits on the nodes
    ],
)
def test_an_interrupted_demo_leaves_nothing(number: signal.Signals, moment: str) -> None:
    """SIGINT goes to all that it started as well, as a terminal's Ctrl-C does."""
    demo = start()
    assert demo.stdout is not None
    directory = ""
    for line in demo.stdout:
        directory = directory or (directory_in(line) if line.startswith("Starting") else "")
        if moment in line:
            break
    send = os.killpg if number is signal.SIGINT else os.kill
    send(demo.pid, number)
    demo.stdout.close()
    assert demo.wait(timeout=60) != 0
    ends_at = time.monotonic() + 30
    while (rests := rests_of(directory)) or Path(directory).exists():
        assert time.monotonic() < ends_at, rests
        time.sleep(0.1)
