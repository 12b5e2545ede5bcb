"""What a definition may say of regressions, and how it is told what it may not."""

from pathlib import Path

import pytest

from checks.catalogue import SHIPPED
from checks.definition import CheckDefinition, Regression
from checks.definition_file import DefinitionFile, load_definition, parse_definition
from slurm_hooks.errors import ConfigError

HEAD = (
    "name: x\ndescription: d\nmax_age: 7d\ncommand: ['true']\nmetrics:\n  speed:\n    unit: B/s\n"
)


def definition_with(lines: str) -> CheckDefinition:
    text = f"{HEAD}    description: How fast.\n    {lines}\n"
    file = parse_definition(text.encode(), Path("x.yaml"))
    assert isinstance(file, DefinitionFile)
    return file.definition


def test_shares_are_read_as_people_write_them() -> None:
    found = definition_with("better: higher\n    regression: {warn: 7.5%, fail: 10%, mads: 8}")
    assert found.metrics["speed"].regression == Regression.model_construct(
        warn=0.075, fail=0.1, mads=8
    )


def test_one_threshold_is_enough_and_a_slower_time_may_lose_more_than_all() -> None:
    found = definition_with("better: lower\n    regression: {warn: 250%}").metrics["speed"]
    assert found.regression is not None
    assert (found.regression.warn, found.regression.fail) == (2.5, None)
    assert found.regression.mads == 6


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("regression: {warn: 5%}", "needs to know which side is good; add better: higher"),
        ("better: higher\n    regression: {}", "says nothing; give warn or fail"),
        ("better: higher\n    regression: {warn: 5}", "5 is not a share; write it like 5% or 7.5%"),
        ("better: higher\n    regression: {warn: 0.05}", "is not a share"),
        ("better: higher\n    regression: {warn: 0%}", "'0%' is not a share"),
        ("better: higher\n    regression: {warn: -5%}", "'-5%' is not a share"),
        (
            "better: higher\n    regression: {warn: 9%, fail: 5%}",
            "warn must be reached before fail",
        ),
        (
            "better: higher\n    regression: {warn: 5%, fail: 5%}",
            "warn must be reached before fail",
        ),
        ("better: higher\n    regression: {fail: 100%}", "a loss of 100% is never reached"),
        ("better: higher\n    regression: {fail: 5%, mads: 0}", "greater than or equal to 1"),
        ("better: higher\n    regression: {fails: 5%}", "unknown key (did you mean 'fail'?)"),
    ],
)
def test_what_could_never_be_right_is_refused_in_words(lines: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        definition_with(lines)
    assert reason in str(caught.value)


def test_every_shipped_check_watches_at_least_one_metric() -> None:
    for path in SHIPPED.glob("*.yaml"):
        file = load_definition(path)
        assert isinstance(file, DefinitionFile)
        assert any(metric.regression for metric in file.definition.metrics.values()), path
