"""Slurm's hostlists, such as n[000-007,009]: read, counted, expanded and folded.

ClusterShell's RangeSet reads what stands between brackets. Its NodeSet is not used: it
refuses forms that Slurm takes, such as n[1-2][3-4] and n0[9-10], and when folding it writes
a[1-2]-ib, which Slurm refuses.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import product
from math import prod

from ClusterShell.RangeSet import RangeSet

MAX_NAMES = 262_144
"""Four times what Slurm takes in one range; a longer list is a slip of the keyboard."""

_SEPARATORS = re.compile(r"[\s,]+")
_ITEM = re.compile(r"(?:[^\[\]\s,]|\[[^\[\]]*\])+")
_PART = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_RANGE = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?")
_DIGITS = re.compile(r"([0-9]+)")
_REMEDY = "write it like n[001-004,007],login1"

_Range = tuple[str, str]
_Part = str | tuple[_Range, ...]
"""A literal, or the ranges between two brackets."""


def expand(text: str) -> list[str]:
    """Return every name in *text* once, in natural order: n2 before n10.

    Raises:
        ValueError: not a hostlist, or more than `MAX_NAMES` names; the message says how to
            write one.
    """
    names = {name for item in _parse(text) for name in _names(item)}
    return sorted(names, key=natural_key)


def count(text: str) -> int:
    """Return how many names *text* holds, repeated ones included, without expanding it.

    Raises:
        ValueError: as `expand`.
    """
    return sum(_size(item) for item in _parse(text))


@lru_cache(maxsize=256)
def members(text: str) -> frozenset[str]:
    """Return the names in *text* as a set; remembered, since a plan asks once per check.

    Raises:
        ValueError: as `expand`.
    """
    return frozenset(name for item in _parse(text) for name in _names(item))


def fold(names: Iterable[str]) -> str:
    """Return the shortest hostlist of *names* that Slurm reads back, in natural order.

    Slurm folds the number at a name's end and no other.

    Raises:
        ValueError: one of *names* cannot be the name of a node.
    """
    numbers: dict[str, list[str]] = {}
    for name in sorted(set(names), key=natural_key):
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a node's name")
        prefix = name.rstrip("0123456789")
        numbers.setdefault(prefix, []).append(name[len(prefix) :])
    return ",".join(_folded(prefix, found) for prefix, found in numbers.items())


def natural_key(name: str) -> tuple[object, ...]:
    """Return what to sort names by so that their numbers count as numbers."""
    parts = _DIGITS.split(name)
    return tuple(
        (len(part.lstrip("0")), part.lstrip("0"), len(part)) if index % 2 else part
        for index, part in enumerate(parts)
    )


def _folded(prefix: str, numbers: list[str]) -> str:
    plain = [prefix] if "" in numbers else []
    numbered = [number for number in numbers if number]
    if len(numbered) == 1:
        plain.append(prefix + numbered[0])
    elif numbered:
        plain.append(f"{prefix}[{RangeSet(','.join(numbered))}]")
    return ",".join(plain)


def _parse(text: str) -> list[tuple[_Part, ...]]:
    items = []
    total = 0
    for piece in _pieces(text):
        item = tuple(_part(piece, *found.groups()) for found in _PART.finditer(piece))
        total += _size(item)
        if total > MAX_NAMES:
            raise ValueError(f"{_shown(text)} holds more than {MAX_NAMES} names; name fewer nodes")
        items.append(item)
    if not items:
        raise ValueError(f"the hostlist is empty; {_REMEDY}")
    return items


def _pieces(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        if gap := _SEPARATORS.match(text, position):
            position = gap.end()
        elif piece := _ITEM.match(text, position):
            yield piece.group()
            position = piece.end()
        else:
            raise ValueError(
                f"{_shown(text)} has an unbalanced {text[position]!r} at character "
                f"{position + 1}; {_REMEDY}"
            )


def _part(piece: str, ranges: str | None, literal: str | None) -> _Part:
    if ranges is not None:
        return tuple(_range(piece, one.strip()) for one in ranges.split(","))
    wrong = _NAME.sub("", literal or "")
    if wrong:
        raise ValueError(
            f"{_shown(piece)}: {wrong[0]!r} cannot be part of a node's name; {_REMEDY}"
        )
    return literal or ""


def _range(piece: str, text: str) -> _Range:
    found = _RANGE.fullmatch(text)
    if not found:
        raise ValueError(f"{_shown(piece)}: {text!r} is not a number or a range; {_REMEDY}")
    low, high = found[1], found[2] or found[1]
    if int(low) > int(high):
        raise ValueError(f"{_shown(piece)}: {text!r} runs backwards; {_REMEDY}")
    return low, high


def _size(item: tuple[_Part, ...]) -> int:
    return prod(
        sum(int(high) - int(low) + 1 for low, high in part)
        for part in item
        if not isinstance(part, str)
    )


def _names(item: tuple[_Part, ...]) -> Iterator[str]:
    choices = [[part] if isinstance(part, str) else _numbers(part) for part in item]
    return map("".join, product(*choices))


def _numbers(ranges: tuple[_Range, ...]) -> list[str]:
    padded = ",".join(part for low, high in ranges for part in _one_width(low, high))
    return [str(number) for number in RangeSet(padded).striter()]


def _one_width(low: str, high: str) -> Iterator[str]:
    """Split a range where its numbers outgrow their padding, as Slurm does: 08-11, 098-1001."""
    width = len(low) if low.startswith("0") else 1
    last, outgrown = str(int(high)), 10**width
    if width == 1:
        yield f"{int(low)}-{last}"
    elif int(high) < outgrown:
        yield f"{low}-{last.zfill(width)}"
    else:
        yield f"{low}-{outgrown - 1}"
        yield f"{outgrown}-{last}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
