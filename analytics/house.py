"""The house style: which colour means what, in reports and on dashboards alike."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from slurm_hooks.outcome import Outcome


class Colour(NamedTuple):
    """A colour on light and on dark ground, as CSS writes them."""

    light: str
    dark: str


COLOURS: Mapping[str, Colour] = MappingProxyType(
    {
        "ground": Colour("#f6f7f9", "#12161d"),
        "paper": Colour("#fff", "#1a202a"),
        "ink": Colour("#1b2330", "#e6eaf0"),
        "quiet": Colour("#667085", "#93a0b4"),
        "line": Colour("#e4e7ec", "#2a3341"),
        "accent": Colour("#2f6fde", "#6fa2ff"),
        "good": Colour("#2e9e6b", "#45bd86"),
        "warn": Colour("#d99a1b", "#e5b04a"),
        "bad": Colour("#d64545", "#ef6b6b"),
        "unclear": Colour("#8b6fc4", "#a98ee0"),
        "away": Colour("#b9c1cd", "#4a5668"),
        "dead": Colour("#7a1f3d", "#b0486c"),
        "idle": Colour("#8fb3a4", "#5c7d70"),
        "band": Colour("rgba(47, 111, 222, .14)", "rgba(111, 162, 255, .18)"),
    }
)

OUTCOMES: Mapping[Outcome, str] = MappingProxyType(
    {
        Outcome.PASS: "good",
        Outcome.WARN: "warn",
        Outcome.FAIL: "bad",
        Outcome.ERROR: "unclear",
        Outcome.TIMEOUT: "unclear",
        Outcome.SKIP: "idle",
        Outcome.PREEMPTED: "away",
        Outcome.CANCELLED: "quiet",
        Outcome.NODE_FAIL: "dead",
        Outcome.NOT_STARTED: "quiet",
    }
)
"""What each outcome looks like, by a name of COLOURS."""


def css() -> str:
    """Return COLOURS as CSS variables, and a class ``o-OUTCOME`` that sets ``--part`` for each."""
    light = " ".join(f"--{name}: {colour.light};" for name, colour in COLOURS.items())
    dark = " ".join(f"--{name}: {colour.dark};" for name, colour in COLOURS.items())
    parts = (f".o-{name} {{ --part: var(--{colour}); }}" for name, colour in OUTCOMES.items())
    night = f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"
    return "\n".join([f":root {{ {light} }}", night, *parts, ""])
