"""A lemon is what failed again and again, not what failed once."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics.lemon import LEMONS, Weights, lemons

WEIGHTS = Weights(node_fail=3, node_fail_rate=10, out=2, fail=1, score=6)
Seen = tuple[str, int, int, int, int]
"""Node, visits, node_fails, out, failures."""


def scored(*seen: Seen, weights: Weights = WEIGHTS) -> pl.DataFrame:
    node = pl.Series("node", [one[0] for one in seen], dtype=pl.String)

    def column(name: str, place: int) -> pl.Series:
        return pl.Series(name, [one[place] for one in seen], dtype=pl.UInt32)

    visits = pl.DataFrame([node, column("visits", 1), column("node_fails", 2)])
    outs = pl.DataFrame([node, column("out", 3)]).filter(pl.col("out") > 0)
    failures = pl.DataFrame([node, column("failures", 4)]).filter(pl.col("failures") > 0)
    return lemons(visits, outs, failures, weights=weights)


@pytest.mark.parametrize(
    ("seen", "lemon"),
    [
        (("n", 0, 0, 0, 0), False),
        (("n", 1, 1, 0, 0), False),
        (("n", 100, 1, 1, 0), False),
        (("n", 100, 2, 0, 0), True),
        (("n", 4, 2, 0, 0), True),
        (("n", 100, 0, 3, 0), True),
        (("n", 100, 0, 1, 4), True),
        (("n", 100, 0, 0, 5), False),
    ],
)
def test_repetition_makes_a_lemon(seen: Seen, lemon: bool) -> None:
    assert scored(seen)["is_lemon"].to_list() == [lemon]


@given(
    st.lists(
        st.tuples(st.sampled_from([*"abcdef"]), st.integers(0, 50), st.integers(0, 50),
                  st.integers(0, 5), st.integers(0, 5)),
        unique_by=lambda one: one[0],
    )
)  # fmt: skip
def test_more_of_anything_never_lowers_a_score_and_order_is_nothing(seen: list[Seen]) -> None:
    seen = [(n, max(visits, dead), dead, out, bad) for n, visits, dead, out, bad in seen]
    found = scored(*seen)
    assert found.schema == LEMONS
    assert_frame_equal(found, scored(*reversed(seen)))
    worse = scored(*((n, v + 1, d + 1, o + 1, f + 1) for n, v, d, o, f in seen))
    before = dict(found.select("node", "score").iter_rows())
    assert all(score > before[node] for node, score in worse.select("node", "score").iter_rows())
    assert found["score"].is_sorted(descending=True)


def test_the_rank_is_the_share_of_nodes_that_are_better() -> None:
    found = scored(("a", 9, 0, 0, 0), ("b", 9, 0, 0, 0), ("c", 9, 0, 0, 3), ("d", 9, 0, 0, 9))
    assert dict(found.select("node", "rank").iter_rows()) == {"d": 0.75, "c": 0.5, "a": 0, "b": 0}


def test_a_weight_of_zero_counts_nothing() -> None:
    nothing = Weights(node_fail=0, node_fail_rate=0, out=0, fail=0, score=1)
    assert scored(("n", 9, 9, 9, 9), weights=nothing)["score"].to_list() == [0]


def test_no_visits_no_lemons() -> None:
    assert scored().height == 0
