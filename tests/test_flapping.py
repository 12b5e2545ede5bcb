"""A pair flaps as Nagios says it does."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics.flapping import FLAPS, HIGH, LOW, flapping, weights
from tests.judgements import Row, daily, histories, of_pair, results


def flaps(outcomes: list[str]) -> bool:
    """The state after *outcomes*, remembered from each to the next."""
    now = False
    for end in range(1, len(outcomes) + 1):
        recent = outcomes[max(0, end - 21) : end]
        changes = [a != b for a, b in pairwise(recent)][::-1]
        share = sum(w for w, changed in zip(weights(), changes, strict=False) if changed) / 20
        if share >= HIGH:
            now = True
        elif share <= LOW:
            now = False
    return now


def test_all_changes_together_make_the_whole() -> None:
    assert weights()[0] == 1.2
    assert weights()[-1] == pytest.approx(0.8)
    assert sum(weights()) == pytest.approx(20)


@given(st.lists(st.sampled_from(["pass", "warn", "fail"]), max_size=70))
def test_what_flaps_is_what_a_replay_says(outcomes: list[str]) -> None:
    assert (flapping(daily(*outcomes)).height == 1) == flaps(outcomes)


@given(histories())
def test_pairs_do_not_disturb_each_other_and_order_is_nothing(rows: list[Row]) -> None:
    found = flapping(results(rows))
    assert found.schema == FLAPS
    for node, check in {row[:2] for row in rows}:
        outcomes = [row[2] for row in of_pair(rows, node, check)]
        assert ((node, check) in set(found.select("node", "check_name").rows())) == flaps(outcomes)
    assert_frame_equal(found, flapping(results(reversed(rows))))


def test_a_pair_that_calmed_down_no_longer_flaps() -> None:
    wild = ["pass", "fail"] * 10
    assert flapping(daily(*wild)).height == 1
    assert flapping(daily(*wild, *["pass"] * 21)).height == 0


def test_one_failure_and_its_repair_are_no_flapping() -> None:
    assert flapping(daily("pass", "fail", "pass", "pass")).height == 0


def test_what_could_not_judge_changes_no_state() -> None:
    assert flapping(daily(*["pass", "error"] * 20)).height == 0
