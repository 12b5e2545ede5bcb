"""Expands the hostlists that Slurm prints, such as n[000-003,009],login1.

What people type is read by analytics.hostlist, which says what is wrong with it.
"""

import re
from collections.abc import Iterator
from itertools import product

_ITEM = re.compile(r"(?:[^\[\],]|\[[^\[\]]*\])+")
_PART = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)")


def expand(printed: str) -> list[str]:
    """Return every name in *printed*, in its order.

    Raises:
        ValueError: brackets hold something else than numbers and ranges.
    """
    return [name for item in _ITEM.findall(printed) for name in _names(item)]


def _names(item: str) -> Iterator[str]:
    choices = [[text] if text else list(_numbers(ranges)) for ranges, text in _PART.findall(item)]
    return map("".join, product(*choices))


def _numbers(ranges: str) -> Iterator[str]:
    """Yield 008, 009, 010 for 008-010: numbers are as wide as the first of their range."""
    for one in ranges.split(","):
        low, _, high = one.partition("-")
        yield from (f"{number:0{len(low)}}" for number in range(int(low), int(high or low) + 1))
