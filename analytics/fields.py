"""The fields that `status` and `history` can show: names, meanings, and how each reads."""

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from analytics.table import Column, Style, plain
from slurm_hooks.decode import nearest
from slurm_hooks.duration import format_duration

T = TypeVar("T")

_STYLES: Mapping[str, Style] = {
    "pass": Style.GOOD,
    "warn": Style.WARNING,
    "fail": Style.BAD,
    "error": Style.UNCLEAR,
    "timeout": Style.UNCLEAR,
    "node_fail": Style.UNCLEAR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field(Generic[T]):
    """One thing that is known of a row of kind T."""

    name: str
    meaning: str
    value: Callable[[T], object]
    text: Callable[[object], str] = str
    """How a person reads the value."""
    absent: str = ""
    """What a person reads where there is none."""
    aliases: tuple[str, ...] = ()
    """What sacct(1) calls it."""
    kind: type = str
    """What a value is: text, int, float, bool, datetime, a list of texts, a dict of numbers."""
    right: bool = False
    flexible: bool = False
    style: Callable[[str], Style] = plain
    for_people: bool = False
    """A sentence made of other fields, which programs get instead."""

    def shown(self, rows: Iterable[T]) -> list[str]:
        """Return what a person reads of each row."""
        absent, text = self.absent, self.text
        return [absent if value is None else text(value) for value in map(self.value, rows)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen(Generic[T]):
    """A field as ``--format`` asked for it."""

    field: Field[T]
    width: int | None = None
    right: bool = False

    @property
    def column(self) -> Column:
        """How its column is laid out."""
        field = self.field
        return Column(
            title=field.name.upper(),
            right=self.right,
            flexible=field.flexible,
            width=self.width,
            style=field.style,
        )


def choose(text: str, fields: Sequence[Field[T]]) -> list[Chosen[T]]:
    """Return the fields that *text* lists, as sacct(1) takes them: node,state%12,detail%-40.

    ``%12`` makes a column 12 wide and aligns it to the right, ``%-12`` to the left.

    Raises:
        ValueError: an unknown field, or a width that is none.
    """
    return [_choose(part.strip(), fields) for part in text.split(",") if part.strip()]


def chosen(names: str, fields: Sequence[Field[T]]) -> list[Chosen[T]]:
    """Return the fields of *names*, in that order and each in its own width."""
    by_name = {field.name: field for field in fields}
    found = (by_name[name] for name in names.split())
    return [Chosen(field=field, right=field.right) for field in found]


def _choose(part: str, fields: Sequence[Field[T]]) -> Chosen[T]:
    name, percent, size = part.partition("%")
    by_name = {alias: field for field in fields for alias in (*field.aliases, field.name)}
    field = by_name.get(name.lower())
    if field is None:
        hint = nearest(name.lower(), [*by_name])
        raise ValueError(f"there is no field {name!r}{hint}; --helpformat lists them")
    if not percent:
        return Chosen(field=field, right=field.right)
    if not re.fullmatch(r"-?[1-9][0-9]{0,3}", size):
        raise ValueError(
            f"{part!r}: {size!r} is not a width; write it like {name}%20 or {name}%-20"
        )
    return Chosen(field=field, width=abs(int(size)), right=not size.startswith("-"))


def style_of_outcome(text: str) -> Style:
    """Return how an outcome is coloured; *text* may say more after it."""
    return _STYLES.get(text.partition(" ")[0], Style.QUIET)


def local_time(value: object) -> str:
    """Return a UTC time in this machine's zone, to the second."""
    if not isinstance(value, datetime):
        return str(value)
    return (value + _offset(value.timestamp() // _STEP_S)).isoformat()[:_TO_THE_SECOND]


_STEP_S = 900
"""No zone changes its offset but at a multiple of this."""

_TO_THE_SECOND = len("2030-01-02T12:00:00")


@functools.cache
def _offset(step: float) -> timedelta:
    """Return by how much local time is ahead then; to ask for each cell would take a second."""
    return datetime.fromtimestamp(step * _STEP_S, UTC).astimezone().utcoffset() or timedelta()


def utc_time(value: datetime) -> str:
    """Return a time as programs exchange it."""
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return value.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def short_seconds(value: object) -> str:
    """Return a number of seconds, short: 0.4s, 42s, 5m12s."""
    seconds = value if isinstance(value, float) else float(str(value))
    return f"{seconds:.1f}s" if seconds < 10 else format_duration(timedelta(seconds=seconds))


def age(value: object) -> str:
    """Return a number of seconds in its two largest units: 42s, 5m12s, 3d4h."""
    return format_duration(timedelta(seconds=float(str(value))))


def names(value: object) -> str:
    """Return a list of names with commas between them."""
    return ",".join(map(str, value)) if isinstance(value, Sequence) else str(value)


def pairs(value: object) -> str:
    """Return named numbers as name=number, in name order."""
    if not isinstance(value, Mapping):
        return str(value)
    return " ".join(f"{name}={value[name]:g}" for name in sorted(value))
