"""The house style of dashboards: colours, thresholds, mappings; the one place for each."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model

from analytics.house import COLOURS, OUTCOMES

Steps = Sequence[tuple[float | None, str]]
"""From which value on which colour; the first is from None, which is everything below."""

PLAIN: Steps = ((None, "accent"),)
"""For numbers that are neither good nor bad."""

ANY_IS_BAD: Steps = ((None, "good"), (1, "bad"))
ANY_IS_UNCLEAR: Steps = ((None, "good"), (1, "warn"))
AWAY: Steps = ((None, "good"), (0.05, "warn"), (0.2, "bad"))
"""Of a share that is never nothing in a large fleet, and should be small."""

SHARE: Steps = ((None, "bad"), (0.8, "warn"), (0.95, "good"))
"""Of a share that should be whole."""

OF_OUTCOMES = {outcome.value: name for outcome, name in OUTCOMES.items()}
OF_VERDICTS = {
    "fresh": "good", "due": "accent", "waiting": "warn", "over-limit": "warn", "in-batch": "idle",
    "blocked": "unclear", "busy": "away", "drained": "bad", "unavailable": "dead",
    "excluded": "quiet",
}  # fmt: skip
OF_DEBT = {name: one for name, one in OF_VERDICTS.items() if name not in ("fresh", "excluded")}
"""Why a node is not proven."""

OF_HOLDERS = {
    "nobody": "good", "check": "bad", "user": "warn", "slurm": "dead", "reservation": "idle",
    "unknown": "unclear",
}  # fmt: skip
OF_REACTIONS = {
    "done": "accent", "joined": "accent", "noted": "warn", "pending": "idle", "waiting": "unclear",
    "handed": "idle", "ready": "idle", "would": "idle", "no": "quiet", "undone": "good",
    "passed": "good", "failed": "bad", "lost": "warn", "superseded": "quiet", "expired": "quiet",
    "discarded": "quiet", "aborted": "quiet",
}  # fmt: skip
"""What became of a reaction."""

OF_HOLDS = {
    "none": "good",
    "drain": "bad",
    "reserve": "unclear",
    "verify": "warn",
    "comment": "accent",
}
"""What a reaction that stands does to its node."""

OUTCOME_CODES, HOLD_CODES, HOLDER_CODES = (
    {text: first + place for place, text in enumerate(texts)}
    for first, texts in ((0, OF_OUTCOMES), (20, OF_HOLDS), (40, OF_HOLDERS))
)
"""Timelines draw numbers; each thing that they can show has one."""

NOTHING_KNOWN = 255


def colour(name: str) -> str:
    """Return a colour of the house; the one for dark ground, which light ground bears too."""
    return COLOURS[name].dark


def code(column: str, codes: Mapping[str, int]) -> str:
    """Return SQL that makes the text in *column* the number that it has in *codes*."""
    texts = ", ".join(f"'{text}'" for text in codes)
    numbers = ", ".join(map(str, codes.values()))
    return f"CAST(transform(toString({column}), [{texts}], [{numbers}], {NOTHING_KNOWN}) AS UInt8)"


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


def unknown(text: str) -> list[model.ValueMapping]:
    """Return that a null is shown as *text*, in a colour that is neither good nor bad."""
    shown = model.ValueMappingResult(text=text, color=colour("quiet"), index=0)
    match = model.SpecialValueMatch.NULL
    return [model.SpecialValueMap(options=model.DashboardSpecialValueMapOptions(match, shown))]


def coded() -> list[model.ValueMapping]:
    """Return what the numbers of timelines are shown as."""
    shown: dict[str, tuple[str, str]] = {}
    for codes, colours in (
        (OUTCOME_CODES, OF_OUTCOMES), (HOLD_CODES, OF_HOLDS), (HOLDER_CODES, OF_HOLDERS),
    ):  # fmt: skip
        shown |= {str(number): (text, colours[text]) for text, number in codes.items()}
    return mapping(shown)


def names(texts: Mapping[str, str]) -> list[model.ValueMapping]:
    """Return the colour of each text; no text has none."""
    found = mapping({text: (text, name) for text, name in texts.items()})
    nothing = model.ValueMappingResult(text="", color="transparent", index=len(texts))
    found.append(model.ValueMap(options={"": nothing}))
    return found
