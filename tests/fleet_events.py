"""What was planted into the history of a synthetic fleet, for tests to find again."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One metric of one node changes evenly, until it is off by *share* of its level."""

    node: str
    check: str
    metric: str
    since: datetime
    until: datetime
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lemon:
    """A node that fails in a third of its results, of every check, and is lost in many visits."""

    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flapping:
    """A check that by turns passes and fails on one node."""

    node: str
    check: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """A check that fails on many nodes within an hour: the check's own fault, or the fabric's."""

    check: str
    nodes: tuple[str, ...]
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Dark:
    """A rack of which there is no result in this time."""

    nodes: tuple[str, ...]
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverProven:
    """A node that is visited like all others and has no judgement of any check."""

    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """One event of each kind, no two of them on one node; each None where none was planted."""

    drift: Drift | None = None
    lemon: Lemon | None = None
    flapping: Flapping | None = None
    failing: Failing | None = None
    dark: Dark | None = None
    never: NeverProven | None = None
