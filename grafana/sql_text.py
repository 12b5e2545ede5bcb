"""What can be told of a question without an engine: what it selects, from where, how bounded."""

import re
from collections.abc import Iterator
from itertools import pairwise

_QUOTED = re.compile(r"'(?:\\.|''|[^'\\])*'|`[^`]*`", re.DOTALL)
_SOURCE = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)")
_NAMED = re.compile(r".*\sAS\s+", re.DOTALL)
_PLAIN = re.compile(r"^`?(?:\w+\.)?(\w+)`?$")
_LIMIT = re.compile(r"\bLIMIT\s+(\d+)(?!\s+BY)(?!\d)")

_TO = r"(?:(?!\bAND\b|\bOR\b)[^<>=])*?\$__(?:from|to)Time"
_BETWEEN = re.compile(rf"(\w+)\s+BETWEEN\s{_TO}\w*.*?\sAND\s{_TO}", re.DOTALL)
_BOTH = re.compile(r"\$__timeFilter(?:_ms)?\((\w+)\)")
_LOW = re.compile(rf"(\w+)\s*>=?\s*{_TO}|\$__timeFrom\((\w+)\)")
_HIGH = re.compile(rf"(\w+)\s*<=?\s*{_TO}|\$__timeTo\((\w+)\)")


def selected(sql: str) -> list[str]:
    """Return the names of the columns that *sql* gives; none where that cannot be told.

    Raises ValueError where a column has no name.
    """
    flat = _flat(sql)
    found = re.search(r"\bSELECT\s+(?:DISTINCT\s+)?(.*?)(?:\sFROM\s|$)", flat, re.DOTALL)
    if found is None or "*" in _parts(sql, flat, *found.span(1)):
        return []
    return [_name(part) for part in _parts(sql, flat, *found.span(1))]


def limit(sql: str) -> int | None:
    """Return how many rows *sql* gives at most."""
    found = _LIMIT.findall(_flat(sql))
    return int(found[-1]) if found else None


def sources(sql: str) -> Iterator[tuple[str, str]]:
    """Yield each table and view that *sql* reads, with the part of it that can bound it."""
    quiet = _QUOTED.sub(lambda found: "'" + "_" * (len(found[0]) - 2) + "'", sql)
    for found in _SOURCE.finditer(quiet):
        yield found[1], sql[found.start() : _end(quiet, found.end())]


def bounds(part: str) -> tuple[set[str], set[str]]:
    """Return the columns that *part* compares with the shown time: from below, and from above."""
    both = {name for one in (_BOTH, _BETWEEN) for name in one.findall(part)}
    low, high = (
        {name for names in one.findall(part) for name in names if name} for one in (_LOW, _HIGH)
    )
    return both | low, both | high


def _end(quiet: str, start: int) -> int:
    """Return where what encloses *start* ends: its bracket, or the next question of a union."""
    depth = 0
    for token in re.finditer(r"[()]|\bUNION ALL\b", quiet[start:]):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if depth < 0 or (depth == 0 and token[0] == "UNION ALL"):
            return start + token.start()
    return len(quiet)


def _flat(sql: str) -> str:
    """Return *sql*, as long as it is, without what is in brackets and quotes."""
    kept, depth = [], 0
    for mark in _QUOTED.sub(lambda found: "_" * len(found[0]), sql):
        depth -= mark in ")]"
        kept.append(mark if depth == 0 else "_")
        depth += mark in "(["
    return "".join(kept)


def _parts(sql: str, flat: str, begin: int, end: int) -> list[str]:
    commas = [begin - 1, *(place for place in range(begin, end) if flat[place] == ","), end]
    return [sql[a + 1 : b].strip() for a, b in pairwise(commas)]


def _name(part: str) -> str:
    named = _NAMED.match(_flat(part))
    if named is not None:
        return part[named.end() :].strip("`")
    plain = _PLAIN.match(part)
    if plain is None:
        raise ValueError(f"{part} has no name")
    return plain[1]
