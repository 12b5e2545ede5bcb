"""A sweep has the reactor look again, and waits for it no longer than it must."""

import time
from pathlib import Path

from checks.waking import wake_reactor


def test_the_command_is_run_and_nothing_is_said(tmp_path: Path) -> None:
    assert wake_reactor(["touch", str(tmp_path / "woken")]) == ""
    assert (tmp_path / "woken").exists()
    assert wake_reactor([]) == ""


def test_what_does_not_work_is_said_with_the_command() -> None:
    assert wake_reactor(["false", "x"]) == "the reactor was not woken: false x: exit 1"
    said = wake_reactor(["/nowhere/sudo", "-n"])
    assert said == "the reactor was not woken: /nowhere/sudo -n: No such file or directory"


def test_one_that_hangs_is_ended_whatever_it_started() -> None:
    began = time.monotonic()
    said = wake_reactor(["sh", "-c", "sleep 3 & exec sleep 60"], timeout_s=0.5)
    assert said.endswith("it did not end within 0.5 s")
    assert time.monotonic() - began < 30
