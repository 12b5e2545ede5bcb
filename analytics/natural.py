"""The order in which people expect nodes: n2 before n10."""

import re

_RUNS = re.compile(r"[0-9]+|[^0-9]+")


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts n2 before n10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _RUNS.findall(name)]
