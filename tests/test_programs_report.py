"""What check programs say, and which exit code an ending gets."""

import argparse
import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from checks.programs import report
from tests.programs import ROOT, START, argv, run_program

DEFINITIONS = sorted((ROOT / "checks" / "definitions").glob("*.yaml"))


def _raise(error: Exception) -> report.Verdict:
    raise error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (report.NodeFaultError("bad"), 194),
        (report.NotApplicableError("not here"), 195),
        (report.InconclusiveError("no idea"), 1),
    ],
)
def test_each_early_end_has_its_exit_code(error: Exception, code: int) -> None:
    assert report.run(lambda: _raise(error)) == code


def test_an_unforeseen_exception_goes_on_to_python() -> None:
    with pytest.raises(ZeroDivisionError):
        report.run(lambda: _raise(ZeroDivisionError("oops")))


def test_no_signal_and_no_errno_looks_like_a_verdict() -> None:
    by_accident = {1, 2, 126, 127, 255, *errno.errorcode}
    by_accident |= {128 + number for number in signal.valid_signals()}
    assert by_accident.isdisjoint(set(report.Verdict) - {report.Verdict.PASS})


def test_a_detail_is_one_bounded_line(capfd: pytest.CaptureFixture[str]) -> None:
    report.detail("first\nsecond\t third " + "x" * 9999)
    said = capfd.readouterr().out
    assert said.startswith("detail first second third x")
    assert said.count("\n") == 1
    assert len(said) < 600


def test_a_number_that_is_none_is_not_reported(capfd: pytest.CaptureFixture[str]) -> None:
    report.metric("loss", float("nan"))
    report.metric("loss", float("inf"))
    assert capfd.readouterr().out == ""


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_a_reported_number_reads_back_almost_the_same(value: float) -> None:
    assert float(report.number(value)) == pytest.approx(value, rel=1e-3, abs=1e-300)


def test_a_report_that_cannot_be_written_does_not_change_the_verdict(tmp_path: Path) -> None:
    broken = tmp_path / "no such directory" / "report"
    ended = run_program("storage", "--path", tmp_path, "--size", "1M", report=broken)
    assert ended.code == 0
    assert "could not be written" in ended.output


@pytest.mark.parametrize(
    ("text", "count"), [("512", 512), ("1K", 1024), ("1.5M", 1572864), ("2GiB/s", 2 << 30)]
)
def test_sizes_are_powers_of_1024(text: str, count: int) -> None:
    assert report.size(text) == count


@pytest.mark.parametrize("text", ["", "M", "-1M", "64 X", "1e3", "nan"])
def test_a_size_that_is_none_says_how_to_write_one(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="64M"):
        report.size(text)


@pytest.mark.parametrize("text", ["0", "1.1", "-1", "nan", "much"])
def test_a_share_lies_between_0_and_1(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"0\.5"):
        report.share(text)


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda path: path.stem)
def test_a_shipped_definition_declares_exactly_the_metrics_its_program_reports(
    definition: Path, tmp_path: Path
) -> None:
    shipped = yaml.safe_load(definition.read_text())
    placeholders = {"{python}": sys.executable, "{scratch}": str(tmp_path)}
    command = [placeholders.get(word, word) for word in shipped["command"]]
    assert command[1:3] == ["-I", "-m"]
    lines = tmp_path / "report"
    done = subprocess.run(
        [command[0], "-I", "-c", START, str(ROOT), *command[3:]],
        env={"PATH": os.environ["PATH"], "CLUSTER_DOCTOR_REPORT": str(lines)},
        timeout=120,
        check=False,
        capture_output=True,
    )
    reported = {line.split()[1] for line in lines.read_text().splitlines() if line[0] == "m"}
    assert done.returncode in (report.Verdict.PASS, report.Verdict.WARN, report.Verdict.SKIP)
    if done.returncode != report.Verdict.SKIP:
        assert reported == set(shipped["metrics"])


def test_a_log_that_cannot_be_written_does_not_change_the_verdict(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            argv("storage", "--path", tmp_path, "--mount", missing),
            stdout=full,
            stderr=full,
            timeout=30,
            check=False,
        )
    assert done.returncode == report.Verdict.FAIL


@pytest.mark.parametrize("program", ["storage", "memory", "cpu", "dl_unit"])
def test_every_option_is_documented(program: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "checks.md").read_text()
    section = text.partition(f"\n## {program.replace('_', '-')}\n")[2].partition("\n## ")[0]
    offered = run_program(program, "--help", report=tmp_path / "report")
    options = set(re.findall(r"--[a-z-]+", offered.output)) - {"--help", "--min"}
    assert options
    assert {option for option in options if option not in section} == set()
