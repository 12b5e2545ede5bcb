"""A report as a value: sentences, tables and plots, whatever they are written as."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

import polars as pl

from analytics.fields import age, local_time
from analytics.plot import Plot
from analytics.quantity import quantity, share

Cells = Mapping[str, object]
"""A row of a section."""


class Kind(Enum):
    """What a column holds, and so how it reads and on which side it stands."""

    TEXT = "text"
    OUTCOME = "outcome"
    COUNT = "count"
    SHARE = "share"
    LENGTH = "length"
    """Seconds."""
    TIME = "time"
    NUMBER = "number"
    """A quantity of some unit."""
    POINTS = "points"

    @property
    def right(self) -> bool:
        """Whether it stands on the right, as numbers do."""
        return self not in (Kind.TEXT, Kind.OUTCOME, Kind.TIME)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportColumn:
    """One column of a section."""

    name: str
    """The frame's column, and the key in JSON."""
    title: str = ""
    """Empty: only programs get it."""
    kind: Kind = Kind.TEXT
    text: Callable[[Cells], str] | None = None
    """What a person reads, where it is not just the value; programs do not get it then."""
    flexible: bool = False
    """Cut first where the screen is too narrow."""
    bar: bool = False
    """A page shows how much of the whole it is; for shares of what is good."""

    def shown(self, row: Cells) -> str:
        """Return what a person reads."""
        return self.text(row) if self.text else told(self.kind, row[self.name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table with what is said of it."""

    key: str
    """Its name in JSON."""
    title: str
    rows: pl.DataFrame
    columns: Sequence[ReportColumn]
    nothing: str
    """What is said instead of an empty table."""
    note: str = ""
    most: int = 10
    """So many rows are enough on a terminal."""
    plots: Sequence[Plot] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of it. Times are UTC."""

    kind: str
    """fleet, node or check."""
    subject: str
    """The node or the check; empty for the fleet."""
    cluster: str
    since: datetime
    until: datetime
    made_at: datetime
    sentences: Sequence[str] = ()
    summary: Mapping[str, object] = field(default_factory=dict)
    """The same for programs."""
    figures: Sequence[tuple[str, str]] = ()
    """The few numbers that come first: what it is, and the number."""
    plots: Sequence[Plot] = ()
    sections: Sequence[Section] = ()

    @property
    def title(self) -> str:
        """What it is about."""
        return f"{self.kind} {self.subject}" if self.subject else f"the {self.kind}"


def told(kind: Kind, value: object) -> str:
    """Return how a person reads *value*; what is not there is a dash where numbers are."""
    if value is None:
        return "-" if kind.right else ""
    match kind:
        case Kind.SHARE:
            return share(float(str(value)))
        case Kind.LENGTH:
            return age(value)
        case Kind.TIME:
            return local_time(value)
        case Kind.NUMBER:
            return quantity(float(str(value)))
        case Kind.POINTS:
            return f"{float(str(value)):.1f}"
        case _:
            return str(value)
