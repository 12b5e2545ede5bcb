"""What the runner believes of a report file, whatever is in it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_hooks.oneline import LIMIT, one_line
from slurm_hooks.record import MAX_METRICS, Outcome
from slurm_hooks.report import parse_report
from slurm_hooks.verdict import JUDGEMENTS, verdict


def test_metrics_and_the_last_detail_are_read() -> None:
    report = parse_report(b"metric a_s 1.5\ndetail one\nmetric b_bytes -2e3\ndetail two\n")
    assert report.metrics == {"a_s": 1.5, "b_bytes": -2000.0}
    assert (report.detail, report.problem) == ("two", "")


@pytest.mark.parametrize(
    "line",
    [
        b"metric x nan",
        b"metric x inf",
        b"metric x 1e999",
        b"metric x 1_000",
        b"metric X 1",
        b"metric x",
        b"metric x 1 2",
        b"metric \xff\xfe 1",
        b"metrics x 1",
        b"{}",
        b"\x00\x01\x02",
    ],
)
def test_a_line_that_is_none_of_ours_is_named_and_the_others_count(line: bytes) -> None:
    report = parse_report(b"metric a 1\n" + line + b"\nmetric b 2\n")
    assert report.metrics == {"a": 1.0, "b": 2.0}
    assert report.problem.startswith("report: ignored ")


def test_a_line_of_a_megabyte_is_cut_off() -> None:
    report = parse_report(b"metric a 1\ndetail " + b"x" * 1_000_000 + b"\nmetric b 2\n")
    assert report.metrics == {"a": 1.0}
    assert "all after 65536 bytes" in report.problem


def test_more_metrics_than_a_record_holds_are_ignored() -> None:
    lines = "".join(f"metric m{index} 1\n" for index in range(MAX_METRICS + 5))
    report = parse_report(lines.encode())
    assert len(report.metrics) == MAX_METRICS
    assert "and 4 more" in report.problem


@given(st.binary(max_size=2000))
def test_no_report_can_break_a_record(data: bytes) -> None:
    report = parse_report(data)
    assert all(math.isfinite(value) for value in report.metrics.values())
    assert report.detail.isprintable()
    assert report.problem.isprintable()
    assert len(report.detail) <= LIMIT


@given(st.text())
def test_any_text_becomes_one_printable_line(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= LIMIT
    line.encode()


@given(st.integers(0, 255))
def test_only_the_four_codes_judge(code: int) -> None:
    outcome, why = verdict(code, None)
    if code in JUDGEMENTS:
        assert (outcome, why) == (JUDGEMENTS[code], "")
    else:
        assert outcome is Outcome.ERROR
        assert str(code) in why


@given(st.integers(1, 64))
def test_a_signal_never_judges(number: int) -> None:
    outcome, why = verdict(None, number)
    assert outcome is Outcome.ERROR
    assert why.startswith("killed by ")
