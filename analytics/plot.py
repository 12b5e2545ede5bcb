"""Plots as values: what is drawn, not how; see analytics/svg.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacks:
    """A bar for each day, made of parts on top of each other."""

    title: str
    days: Sequence[datetime]
    parts: Mapping[str, Sequence[float]]
    """Of each outcome, a number for each day; the first is at the bottom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What is usual on one day: a low, a middle and a high value."""

    at: datetime
    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One metric of one node over time, over the band of its peers."""

    title: str
    unit: str
    points: Sequence[tuple[datetime, float]]
    band: Sequence[Band] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How values are spread over nodes, those of some nodes marked with their names."""

    title: str
    unit: str
    values: Sequence[float]
    marks: Sequence[tuple[float, str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Strips:
    """What happened when: a row of dots for each name."""

    title: str
    rows: Mapping[str, Sequence[tuple[datetime, str]]]
    """Of each name, times and outcomes."""


Plot = Stacks | Course | Spread | Strips
