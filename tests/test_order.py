"""The running order of checks."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.definition import CheckDefinition
from checks.order import find_cycle, order


def check(name: str, seconds: int = 60, *depends_on: str) -> CheckDefinition:
    return CheckDefinition(
        name=name,
        description="d",
        command=("true",),
        max_age=timedelta(days=7),
        time_limit=timedelta(seconds=seconds),
        depends_on=depends_on,
    )


@st.composite
def chains(draw: st.DrawFn) -> list[CheckDefinition]:
    """Checks without a circle: each depends on earlier ones only."""
    limits = draw(st.lists(st.integers(1, 5), max_size=8))
    made: list[CheckDefinition] = []
    for index, seconds in enumerate(limits):
        earlier = [one.name for one in made]
        chosen = draw(st.sets(st.sampled_from(earlier), max_size=3)) if earlier else set()
        made.append(check(f"c{index}", seconds, *sorted(chosen)))
    return made


def test_the_cheapest_runs_first_within_dependencies() -> None:
    found = order([check("slow", 90), check("late", 1, "slow"), check("b", 5), check("a", 5)])
    assert found == ("a", "b", "slow", "late")


def test_what_is_not_there_is_not_waited_for() -> None:
    assert order([check("a", 9, "absent"), check("b", 1)]) == ("b", "a")


@given(chains(), st.randoms())
def test_order_depends_on_the_checks_and_not_on_how_they_are_listed(
    definitions: list[CheckDefinition], random: Random
) -> None:
    shuffled = random.sample(definitions, len(definitions))
    assert order(shuffled) == order(definitions)


@given(chains())
def test_every_check_runs_once_and_after_what_it_depends_on(
    definitions: list[CheckDefinition],
) -> None:
    found = order(definitions)
    assert sorted(found) == sorted(one.name for one in definitions)
    for one in definitions:
        assert all(found.index(other) < found.index(one.name) for other in one.depends_on)


@given(chains())
def test_no_check_that_could_run_is_cheaper_than_the_one_that_does(
    definitions: list[CheckDefinition],
) -> None:
    by_name = {one.name: one for one in definitions}
    done: set[str] = set()
    for name in order(definitions):
        ready = [
            (one.time_limit, one.name)
            for one in definitions
            if one.name not in done and done.issuperset(one.depends_on)
        ]
        assert (by_name[name].time_limit, name) == min(ready)
        done.add(name)


@given(chains(), st.integers(0, 7), st.integers(0, 7))
def test_a_circle_is_found_where_there_is_one(
    definitions: list[CheckDefinition], first: int, second: int
) -> None:
    assert find_cycle(definitions) == ()
    count = len(definitions)
    if count == 0:
        return
    low, high = sorted((first % count, second % count))
    closing = check(f"c{low}", 1, f"c{high}")
    linked = [
        closing if index == low else check(one.name, 1, f"c{index - 1}") if index else one
        for index, one in enumerate(definitions)
    ]
    circle = find_cycle(linked)
    assert circle[0] == circle[-1]
    assert len(circle) == high - low + 2


@pytest.mark.parametrize(
    ("definitions", "circle"),
    [
        ([check("a", 1, "a")], ("a", "a")),
        ([check("a", 1, "b"), check("b", 1, "a")], ("a", "b", "a")),
        ([check("a", 1, "b"), check("b", 1, "c"), check("c", 1, "b")], ("b", "c", "b")),
    ],
)
def test_a_circle_reads_in_the_direction_of_its_dependencies(
    definitions: list[CheckDefinition], circle: tuple[str, ...]
) -> None:
    assert find_cycle(definitions) == circle
