"""The benchmarks measure whole processes, and refuse to time an answer that is none."""

import os
import sys
from pathlib import Path

import pytest

from tests.benchmarks.process import Cost, Several, measured, measuring


def cost(program: str, directory: Path) -> Cost:
    argv = measuring([sys.executable, "-c", program], directory / "said")
    return measured(argv, env=os.environ, cwd=directory, output=directory / "said")


def test_a_process_costs_its_time_and_its_own_peak_of_memory(tmp_path: Path) -> None:
    here = bytearray(400_000_000)  # what measures is no part of what is measured
    slept = cost("import time; time.sleep(0.2)", tmp_path)
    grown = cost("held = bytearray(200_000_000)", tmp_path)
    del here
    assert 0.2 <= slept.wall_s < 5
    assert slept.rss_mb < 100
    assert 200 <= grown.rss_mb < 300


def test_what_a_process_says_goes_to_the_file(tmp_path: Path) -> None:
    cost("print('n1'); print('n2')", tmp_path)
    assert (tmp_path / "said").read_text() == "n1\nn2\n"


def test_a_process_that_fails_is_not_timed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no such thing"):
        cost("import sys; sys.exit('no such thing')", tmp_path)


def test_of_several_runs_the_median_counts_and_the_largest_peak() -> None:
    several = Several([Cost(0.5, 0, 10), Cost(2.0, 0, 30), Cost(0.75, 0, 20)])
    assert (several.wall_s, several.rss_mb) == (0.75, 30)
    assert str(several) == "0.750 s (0.500 to 2.00)"
