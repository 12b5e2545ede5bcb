"""One outcome looks the same in a report and on a dashboard, and unlike what it is not."""

import re

import pytest

from analytics.house import COLOURS, OUTCOMES, css
from grafana import style
from slurm_hooks.outcome import Outcome


def test_every_outcome_has_a_colour_of_the_house() -> None:
    assert set(OUTCOMES) == set(Outcome)
    assert set(OUTCOMES.values()) <= set(COLOURS)


def test_good_bad_and_could_not_tell_are_told_apart_on_both_grounds() -> None:
    kinds = (OUTCOMES[Outcome.PASS], OUTCOMES[Outcome.FAIL], OUTCOMES[Outcome.ERROR])
    for ground in ("light", "dark"):
        assert len({getattr(COLOURS[kind], ground) for kind in kinds}) == 3


@pytest.mark.parametrize("outcome", Outcome)
def test_a_report_has_a_class_for_each_outcome(outcome: Outcome) -> None:
    found = re.search(rf"^\.o-{outcome} {{ --part: var\(--(\w+)\); }}$", css(), re.MULTILINE)
    assert found is not None
    assert f"--{found[1]}: {COLOURS[found[1]].light};" in css()
    assert f"--{found[1]}: {COLOURS[found[1]].dark};" in css()


@pytest.mark.parametrize("outcome", Outcome)
def test_a_dashboard_shows_the_report_s_colour(outcome: Outcome) -> None:
    numbers = style.coded()[0].to_json()["options"]
    assert isinstance(numbers, dict)
    shown = numbers[str(style.OUTCOME_CODES[outcome.value])]
    assert (shown.text, shown.color) == (outcome.value, COLOURS[OUTCOMES[outcome]].dark)


def test_no_two_things_on_a_timeline_share_a_number() -> None:
    numbers = [
        number
        for codes in (style.OUTCOME_CODES, style.HOLD_CODES, style.HOLDER_CODES)
        for number in codes.values()
    ]
    assert len(set(numbers)) == len(numbers)
    assert style.NOTHING_KNOWN not in numbers
