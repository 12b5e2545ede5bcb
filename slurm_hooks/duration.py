"""Lengths of time as people write them: 90s, 30m, 12h, 7d, 2w."""

import re
from datetime import timedelta

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(text: str) -> timedelta:
    """Return the length of time that *text* names; parts may follow each other, as in 1d12h.

    Raises:
        ValueError: *text* is no such duration; the message says how to write one.
    """
    if not re.fullmatch(r"(?:[0-9]{1,9}[smhdw])+", text):
        raise ValueError(f"{text!r} is not a duration; write it like 30m, 12h or 7d")
    parts = re.findall(r"([0-9]+)([smhdw])", text)
    try:
        return timedelta(seconds=sum(int(count) * _SECONDS[unit] for count, unit in parts))
    except OverflowError:
        raise ValueError(f"{text!r} is longer than any calendar") from None


def format_duration(length: timedelta) -> str:
    """Return *length* in its two largest units, as in 1d12h or 5m; the inverse for whole ones."""
    left = max(0, round(length.total_seconds()))
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if left >= size:
            parts.append(f"{left // size}{unit}")
            left %= size
    return "".join(parts[:2]) or "0s"
