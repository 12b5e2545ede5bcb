"""Pass rates and times between failures are those of a plain count."""

import math
from datetime import timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from polars.testing import assert_frame_equal

from analytics.reliability import PAIRS, pairs, rates
from slurm_hooks.record import Outcome
from tests.judgements import START, Row, daily, histories, of_pair, results

DAY_S = 86400.0


def counted(rows: list[Row], node: str, check: str) -> tuple[int, int, int, float]:
    """Judged, passed, failures and exposure of one pair, counted one by one."""
    judged = of_pair(rows, node, check)
    failures, exposure = 0, timedelta(0)
    for before, after in pairwise(judged):
        if before[2] != "fail":
            exposure += after[3] - before[3]
            failures += after[2] == "fail"
    passed = sum(row[2] == "pass" for row in judged)
    return len(judged), passed, failures, exposure.total_seconds()


@given(histories())
def test_every_pair_is_counted_as_one_would_by_hand(rows: list[Row]) -> None:
    found = pairs(results(rows))
    assert found.schema == PAIRS
    assert set(found.select("node", "check_name").rows()) == {row[:2] for row in rows}
    for one in found.iter_rows(named=True):
        expected = counted(rows, one["node"], one["check_name"])
        shown = (one["judged"], one["passed"], one["failures"], one["exposure_s"])
        assert shown == expected
        judged = of_pair(rows, one["node"], one["check_name"])
        assert one["last_outcome"] == (judged[-1][2] if judged else None)


@given(histories())
def test_the_order_of_rows_changes_nothing(rows: list[Row]) -> None:
    assert_frame_equal(pairs(results(rows)), pairs(results(reversed(rows))))


@given(histories())
def test_pairs_add_up_to_nodes_and_rates_stay_within_their_interval(rows: list[Row]) -> None:
    summary = pairs(results(rows))
    for by in ("node", "check_name"):
        found = rates(summary, by)
        assert found["judged"].sum() == summary["judged"].sum()
        assert found["failures"].sum() == summary["failures"].sum()
        for one in found.iter_rows(named=True):
            if one["judged"]:
                assert 0 <= one["rate_low"] <= one["pass_rate"] <= one["rate_high"] <= 1
            else:
                assert one["pass_rate"] is None


def test_fails_in_a_row_are_one_failure_and_time_spent_failed_is_no_exposure() -> None:
    one = rates(pairs(daily("pass", "pass", "fail", "fail", "fail", "pass", "warn")), "node")
    assert one["failures"].to_list() == [1]
    assert one["exposure_s"].to_list() == [3 * DAY_S]
    assert one["mtbf_s"].to_list() == [3 * DAY_S]
    assert one["mtbf_floor_s"].to_list() == [None]


def test_what_began_before_the_window_is_no_failure_in_it() -> None:
    one = pairs(daily("fail", "fail", "pass", "pass"))
    assert one.select("failures", "failed", "exposure_s").row(0) == (0, 2, DAY_S)
    floor = rates(one, "node").select("mtbf_s", "mtbf_floor_s").row(0)
    assert floor == (None, DAY_S / 3)


def test_what_could_not_judge_is_no_failure_and_does_not_break_a_run_of_fails() -> None:
    one = pairs(daily("pass", "fail", "error", "preempted", "fail"))
    assert one.select("judged", "failures", "results").row(0) == (3, 1, 5)
    assert one["failing_since"].to_list() == [START + timedelta(days=1)]


def test_a_pair_that_was_never_judged_has_no_rate() -> None:
    one = rates(pairs(daily("error", "not_started")), "check_name").row(0, named=True)
    assert (one["pass_rate"], one["mtbf_s"], one["mtbf_floor_s"]) == (None, None, None)


def test_the_interval_is_wilson_s() -> None:
    """Of ten, all passed: 0.7225 to 1, the textbook's example."""
    one = rates(pairs(daily(*["pass"] * 10)), "node").row(0, named=True)
    assert one["rate_low"] == pytest.approx(0.7225, abs=1e-4)
    assert one["rate_high"] == pytest.approx(1.0)


def test_durations_that_are_no_numbers_cost_nothing() -> None:
    rows = [("n1", "cpu", Outcome.PASS.value, START + timedelta(hours=n), x)
            for n, x in enumerate([math.inf, math.nan, 5.0])]  # fmt: skip
    assert pairs(results(rows))["node_s"].to_list() == [5.0]


def test_no_results_make_no_rows() -> None:
    assert pairs(results([])).schema == PAIRS
    assert rates(pairs(results([])), "node").height == 0
    assert pairs(results([])).select(pl.len()).item() == 0
