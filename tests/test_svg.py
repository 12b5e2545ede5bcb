"""Plots are whole SVG whatever is in them."""

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.plot import Band, Course, Plot, Spread, Stacks, Strips
from analytics.svg import svg, ticks

times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
numbers = st.floats() | st.floats(0, 1e6)
counts = st.floats(0, 1e9)
texts = st.text(max_size=20)
DAYS = [datetime(2030, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(3)]

plots = st.one_of(
    st.builds(
        Stacks,
        title=texts,
        days=st.just(DAYS),
        parts=st.dictionaries(texts, st.lists(counts, min_size=3, max_size=3), max_size=3),
    ),
    st.builds(
        Course,
        title=texts,
        unit=texts,
        points=st.lists(st.tuples(times, numbers), max_size=5),
        band=st.lists(
            st.builds(Band, at=times, low=numbers, middle=numbers, high=numbers), max_size=4
        ),
    ),
    st.builds(
        Spread,
        title=texts,
        unit=texts,
        values=st.lists(numbers, max_size=8),
        marks=st.lists(st.tuples(numbers, texts), max_size=8),
    ),
    st.builds(
        Strips,
        title=texts,
        rows=st.dictionaries(texts, st.lists(st.tuples(times, texts), max_size=4), max_size=3),
    ),
)


@given(plots)
def test_every_plot_is_whole_and_nothing_in_it_is_markup(plot: Plot) -> None:
    drawn = svg(plot)
    found = {one.tag for one in ET.fromstring(drawn).iter()}
    assert found <= {"svg", "g", "title", "rect", "line", "text", "polyline", "polygon", "circle"}
    assert "nan" not in drawn.replace(plot.title, "") or "nan" in str(plot)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 10, [0, 2, 4, 6, 8, 10]), (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (5, 5, [5]),
     (-1, 1, [-1, -0.5, 0, 0.5, 1])],
)  # fmt: skip
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12), st.integers(1, 10))
def test_there_are_never_many_ticks_and_never_none(one: float, other: float, most: int) -> None:
    found = ticks(min(one, other), max(one, other), most)
    assert 1 <= len(found) <= most + 2
