"""The house style of dashboards: colours, thresholds, mappings; the one place for each."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model

from analytics.house import COLOURS, OUTCOMES
from slurm_hooks.outcome import Outcome

Steps = Sequence[tuple[float | None, str]]
"""From which value on which colour; the first is from None, which is everything below."""

ONE = "good"
PLAIN: Steps = ((None, "accent"),)
"""For numbers that are neither good nor bad."""

ANY_IS_BAD: Steps = ((None, "good"), (1, "bad"))
ANY_IS_UNCLEAR: Steps = ((None, "good"), (1, "warn"))
SHARE: Steps = ((None, "bad"), (0.8, "warn"), (0.95, "good"))
"""Of a share that should be whole."""

CODES: Mapping[Outcome, int] = {outcome: code for code, outcome in enumerate(Outcome)}
"""Timelines draw numbers; each outcome has one."""

CODE = "CAST(transform({column}, [{names}], [{codes}], 255) AS UInt8)"
"""SQL for the number of an outcome in a column."""

LESS_IMPORTANT = "quiet"


def colour(name: str) -> str:
    """Return a colour of the house; the one for dark ground, which light ground bears too."""
    return COLOURS[name].dark


def code(column: str) -> str:
    """Return SQL that makes the outcome in *column* a number of CODES."""
    names = ", ".join(f"'{outcome}'" for outcome in CODES)
    return CODE.format(column=column, names=names, codes=", ".join(map(str, CODES.values())))


def thresholds(steps: Steps) -> build.ThresholdsConfig:
    """Return *steps* as Grafana has them."""
    made = [model.Threshold(value=value, color=colour(name)) for value, name in steps]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def by_thresholds() -> build.FieldColor:
    """Return that a value has its threshold's colour."""
    return build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS)


def fixed(name: str) -> build.FieldColor:
    """Return that everything has one colour of the house."""
    return build.FieldColor().mode(model.FieldColorModeId.FIXED).fixed_color(colour(name))


def mapping(texts: Mapping[str, tuple[str, str]]) -> list[model.ValueMapping]:
    """Return what each value is shown as: its text and a colour of the house."""
    options = {
        value: model.ValueMappingResult(text=text, color=colour(name), index=index)
        for index, (value, (text, name)) in enumerate(texts.items())
    }
    return [model.ValueMap(options=options)]


def outcome_codes() -> list[model.ValueMapping]:
    """Return how CODES are shown."""
    return mapping({str(number): (one.value, OUTCOMES[one]) for one, number in CODES.items()})


def outcome_names() -> list[model.ValueMapping]:
    """Return how outcomes are shown where they are texts."""
    return mapping({one.value: (one.value, OUTCOMES[one]) for one in CODES})


def names(texts: Mapping[str, str]) -> list[model.ValueMapping]:
    """Return the colour of each text."""
    return mapping({text: (text, name) for text, name in texts.items()})
