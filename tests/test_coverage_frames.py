"""How much is proven is a plain count, and what is not says why."""

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics.coverage import DEBT, PAIRS, coverage, debt, fleet, reasons
from tests.judgements import START

NOW = START + timedelta(days=30)
DAY_S = 86400.0
VERDICTS = ["due", "fresh", "waiting", "busy", "drained", "unavailable", "excluded", None]


def wanted(*rows: tuple[object, ...]) -> pl.DataFrame:
    """Pairs of node, check, age in days or None, verdict, latest attempt, unjudged in a row."""
    aged = [
        (node, check, None if age is None else NOW - timedelta(days=float(str(age))), DAY_S, *rest)
        for node, check, age, *rest in rows
    ]
    return pl.DataFrame(aged, schema=PAIRS, orient="row")


pairs = st.lists(
    st.tuples(
        st.sampled_from(["n1", "n2", "n3"]),
        st.sampled_from(["cpu", "storage"]),
        st.none() | st.integers(-1, 4),
        st.sampled_from(VERDICTS),
        st.sampled_from([None, "preempted", "error", "pass"]),
        st.none() | st.integers(0, 5),
    ),
    unique_by=lambda row: row[:2],
)


@given(pairs)
def test_what_is_proven_and_what_is_owed_are_all_that_is_wanted(
    rows: list[tuple[object, ...]],
) -> None:
    frame = wanted(*rows)
    counted = [row for row in rows if row[3] != "excluded"]
    proven = [row for row in counted if row[2] is not None and float(str(row[2])) <= 1]
    owed = debt(frame, now=NOW)
    whole = fleet(frame, now=NOW).row(0, named=True)
    assert owed.schema == DEBT
    assert (whole["wanted"], whole["proven"]) == (len(counted), len(proven))
    assert owed.height == len(counted) - len(proven)
    assert coverage(frame, now=NOW)["proven"].sum() == len(proven)
    owing = {row[0] for row in counted} & set(owed["node"])
    assert whole["nodes"] - whole["nodes_proven"] == len(owing)
    assert reasons(owed)["pairs"].sum() == owed.height
    assert owed["why"].null_count() == 0


@given(pairs)
def test_the_order_of_pairs_changes_nothing(rows: list[tuple[object, ...]]) -> None:
    for function in (coverage, fleet, debt):
        assert_frame_equal(
            function(wanted(*rows), now=NOW), function(wanted(*reversed(rows)), now=NOW)
        )


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        (("n", "c", 2, "busy", "preempted", 3), "busy"),
        (("n", "c", 2, "drained", None, 0), "drained"),
        (("n", "c", 2, "due", "preempted", 3), "preempted 3 times in a row"),
        (("n", "c", None, "due", "error", 1), "error once"),
        (("n", "c", None, "due", None, 0), "never judged"),
        (("n", "c", 2, None, "pass", None), "due"),
    ],
)
def test_a_debt_says_what_somebody_could_do_about_it(pair: tuple[object, ...], why: str) -> None:
    assert debt(wanted(pair), now=NOW)["why"].to_list() == [why]


def test_what_was_never_judged_comes_before_the_most_overdue() -> None:
    owed = debt(
        wanted(
            ("n1", "c", 2, "due", None, 0),
            ("n2", "c", 9, "due", None, 0),
            ("n3", "c", None, "due", None, 0),
        ),
        now=NOW,
    )
    assert owed["node"].to_list() == ["n3", "n2", "n1"]
    assert owed["overdue_s"].to_list() == [None, 8 * DAY_S, DAY_S]


def test_attempts_are_one_reason_however_many_they_were() -> None:
    owed = debt(
        wanted(
            ("n1", "c", 2, "due", "preempted", 1),
            ("n2", "c", 9, "due", "preempted", 7),
            ("n2", "d", 9, "busy", None, 0),
        ),
        now=NOW,
    )
    rows = reasons(owed).select("why", "pairs", "nodes", "most_in_a_row").rows()
    assert rows == [("preempted", 2, 2, 7), ("busy", 1, 1, 0)]


def test_a_proof_exactly_max_age_old_still_counts() -> None:
    found = fleet(wanted(("n", "c", 1, "fresh", None, 0)), now=NOW).row(0, named=True)
    assert (found["share"], found["oldest_at"]) == (1.0, NOW - timedelta(days=1))


def test_an_empty_fleet_has_no_share() -> None:
    found = fleet(wanted(), now=NOW).row(0, named=True)
    assert (found["nodes"], found["share"], found["wanted"]) == (0, None, 0)
    assert coverage(wanted(), now=NOW).height == 0
