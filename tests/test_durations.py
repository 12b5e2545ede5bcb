"""How long checks run is told to one per cent, and adds up."""

from math import inf, nan

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics.durations import LENGTHS, added, lengths, quantile_s


def took(seconds: list[float], outcome: str = "pass") -> pl.DataFrame:
    return pl.DataFrame(
        {"check_name": ["c"] * len(seconds), "outcome": [outcome] * len(seconds),
         "duration_s": seconds},
        schema={"check_name": pl.String, "outcome": pl.String, "duration_s": pl.Float64},
    )  # fmt: skip


@given(st.lists(st.floats(0.01, 100_000), min_size=1), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_right_to_one_per_cent(seconds: list[float], share: float) -> None:
    ordered = sorted(seconds)
    exact = next(x for n, x in enumerate(ordered, 1) if n >= share * len(ordered))
    assert quantile_s(lengths(took(seconds)), share) == pytest.approx(exact, rel=0.0101)


@given(st.lists(st.floats(0, 1000)), st.lists(st.floats(0, 1000)))
def test_parts_add_up_to_the_whole(some: list[float], others: list[float]) -> None:
    parts = added(pl.concat([lengths(took(some)), lengths(took(others))]))
    assert_frame_equal(parts, lengths(took([*some, *others])))


def test_only_what_judged_counts_and_what_is_no_number_does_not() -> None:
    assert lengths(took([5.0], "timeout")).is_empty()
    found = lengths(took([nan, inf, 0.0, -1.0]))
    assert found.schema == LENGTHS
    assert found["runs"].sum() == 2
    assert quantile_s(lengths(took([])), 0.5) is None
