"""Who needs a second look, and what is merged: decided from what a manifest says of segments."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from analytics.layout import MOST_ROWS, borders, cuts, merges, overlapping, split
from analytics.manifest import Segment

AT = datetime(2030, 1, 1, tzinfo=UTC)


def segment(name: str, first: int, last: int, *, settled: bool = True, rows: int = 1000) -> Segment:
    return Segment(
        name=name, rows=rows, size=1, first=f"{first:03}", last=f"{last:03}", until=AT,
        settled=settled,
    )  # fmt: skip


SEGMENTS = st.lists(
    st.builds(
        lambda name, first, length, settled, rows: segment(
            f"s{name}", first, first + length, settled=settled, rows=rows
        ),
        st.integers(0, 99),
        st.integers(0, 50),
        st.integers(0, 8),
        st.booleans(),
        st.integers(1, 100_000),
    ),
    max_size=40,
    unique_by=lambda one: one.name,
)


@given(segments=SEGMENTS)
def test_no_other_segment_reaches_into_what_is_taken_as_it_is(segments: list[Segment]) -> None:
    found = split(segments)
    by_name = {one.name: one for one in segments}
    assert sorted([*found.settled, *found.contested]) == sorted(by_name)
    for name in found.settled:
        one = by_name[name]
        assert one.settled
        assert [
            other.name for other in segments if other.first <= one.last and one.first <= other.last
        ] == [name]


@given(segments=SEGMENTS, dice=st.randoms())
def test_the_order_in_which_they_are_named_decides_nothing(
    segments: list[Segment], dice: object
) -> None:
    shuffled = sorted(segments, key=lambda one: hash((one.name, str(dice))))
    assert {*split(shuffled).settled} == {*split(segments).settled}
    assert merges(shuffled) == merges(segments)


@given(segments=SEGMENTS)
def test_what_overlaps_is_together_and_nothing_else(segments: list[Segment]) -> None:
    groups = overlapping(segments)
    assert sum(map(len, groups)) == len(segments)
    for before, after in itertools.pairwise(groups):
        assert max(one.last for one in before) < min(one.first for one in after)


@given(segments=SEGMENTS)
def test_a_merge_takes_whole_groups_and_each_segment_once(segments: list[Segment]) -> None:
    taken = [one.name for group in merges(segments, all_of_it=True) for one in group]
    assert len(taken) == len({*taken})
    for group in overlapping(segments):
        names = {one.name for one in group}
        assert not names & {*taken} or names <= {*taken}


@given(segments=SEGMENTS)
def test_on_request_nothing_stays_contested(segments: list[Segment]) -> None:
    taken = {one.name for group in merges(segments, all_of_it=True) for one in group}
    assert {*split(segments).contested} <= taken


def test_a_few_new_segments_wait_and_many_do_not() -> None:
    new = [segment(f"n{n}", 100 + n, 100 + n, settled=False, rows=10) for n in range(30)]
    assert merges(new[:23]) == []
    assert len(merges(new[:24])) == 24
    assert len(merges([segment("n", 1, 2, settled=False, rows=60_000)])) == 1


def test_what_a_late_result_reaches_into_is_merged_with_it() -> None:
    old, late = segment("old", 1, 9), segment("late", 5, 5, settled=False)
    other = segment("other", 10, 20)
    assert split([old, late, other]).settled == ("other",)
    assert merges([old, late, other], all_of_it=True) == [[old, late]]


def test_many_small_neighbours_become_one_and_large_ones_stay() -> None:
    small = [segment(f"s{n}", n, n) for n in range(8)]
    assert merges(small) == [small]
    assert merges(small[:7]) == []
    large = [segment(f"l{n}", n, n, rows=MOST_ROWS // 2 + 1) for n in range(20)]
    assert merges(large) == []


def test_new_rows_are_cut_where_settled_segments_end() -> None:
    assert borders(
        [segment("b", 5, 9), segment("a", 1, 4), segment("c", 9, 12, settled=False)]
    ) == [
        "004",
        "009",
    ]


@given(
    rows=st.dictionaries(st.text("ab0", max_size=4), st.integers(1, 9), max_size=30),
    most=st.integers(1, 12),
)
def test_cuts_keep_keys_whole_in_order_and_within_bounds(rows: dict[str, int], most: int) -> None:
    found = cuts(rows, most=most)
    assert [key for part in found for key in part] == sorted(rows)
    for part in found:
        assert len(part) == 1 or sum(rows[key] for key in part) <= most


def _sizes(parts: Sequence[Sequence[str]], rows: dict[str, int]) -> list[int]:
    return [sum(rows[key] for key in part) for part in parts]


def test_cuts_are_as_few_as_that_allows() -> None:
    rows = {"a": 3, "b": 3, "c": 3, "d": 9, "e": 1}
    assert _sizes(cuts(rows, most=6), rows) == [6, 3, 9, 1]
