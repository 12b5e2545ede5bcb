"""How the rows of a table are laid out in segments: who needs a second look, and what to merge.

A segment is *settled* where no two of its rows tell of the same thing. All rows that tell of one
thing have the same key; so while no other segment has keys in a settled one's range, its rows
are the history as they are. Only the others, the newest ones, have to be compared with each other
at each question. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analytics.manifest import Segment

MOST_ROWS = 250_000
"""Of a settled segment, but for what tells of one key: this bounds the memory of a merge."""

_WAITING_ROWS = 50_000
_WAITING_SEGMENTS = 24
"""So much is left unsettled: questions compare it in 20 ms, and each merge writes it again."""

_NEIGHBOURS = 8
"""So many settled segments beside each other are worth to be made one that is not full yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The segments of a table by what a reader has to do with their rows."""

    settled: tuple[str, ...]
    """Their rows are the history."""
    contested: tuple[str, ...]
    """Of their rows, those that tell of the same thing must be told apart."""


def split(segments: Sequence[Segment]) -> Split:
    """Return who needs a second look: what is not settled, and what that reaches into."""
    groups = overlapping(segments)
    alone = {group[0].name for group in groups if len(group) == 1 and group[0].settled}
    return Split(
        settled=tuple(one.name for one in segments if one.name in alone),
        contested=tuple(one.name for one in segments if one.name not in alone),
    )


def overlapping(segments: Sequence[Segment]) -> list[list[Segment]]:
    """Return *segments* in the order of their keys, those together whose ranges overlap."""
    groups: list[list[Segment]] = []
    last = ""
    for one in sorted(segments, key=lambda segment: (segment.first, segment.last, segment.name)):
        if groups and one.first <= last:
            groups[-1].append(one)
        else:
            groups.append([one])
        last = max(last, one.last)
    return groups


def borders(segments: Sequence[Segment]) -> list[str]:
    """Return where new rows are cut so that none reaches over two settled segments.

    Rows up to the first border make a segment, those up to the second another, and so on.
    """
    return sorted(one.last for one in segments if one.settled)


def merges(segments: Sequence[Segment], *, all_of_it: bool = False) -> list[list[Segment]]:
    """Return which segments to make new ones of; each list by itself.

    What is contested is merged once there is enough of it, or all of it on request; and
    small settled neighbours once there are many.
    """
    groups = overlapping(segments)
    dirty = [group for group in groups if len(group) > 1 or not group[0].settled]
    new = [one for group in dirty for one in group if not one.settled]
    found = []
    enough = len(new) >= _WAITING_SEGMENTS or sum(one.rows for one in new) >= _WAITING_ROWS
    if enough or (all_of_it and dirty):
        found += dirty
    clean = [group[0] if len(group) == 1 and group[0].settled else None for group in groups]
    return [*found, *_neighbours(clean)]


def _neighbours(clean: Sequence[Segment | None]) -> list[list[Segment]]:
    """Return runs of settled segments that fill one, or are many; None ends a run."""
    found: list[list[Segment]] = []
    run: list[Segment] = []
    for one in [*clean, None]:
        rows = sum(each.rows for each in run)
        full = one is not None and rows + one.rows > MOST_ROWS
        if one is None or full:
            if len(run) >= _NEIGHBOURS or (full and len(run) > 1 and rows > MOST_ROWS // 2):
                found.append(run)
            run = []
        if one is not None:
            run.append(one)
    return found


def cuts(rows_of: Mapping[str, int], *, most: int = MOST_ROWS) -> list[list[str]]:
    """Return the keys of *rows_of*, in order, in lists whose rows together fit into *most*.

    A key with more rows than that gets a list of its own: it cannot be divided.
    """
    found: list[list[str]] = []
    rows = 0
    for key in sorted(rows_of):
        if found and rows + rows_of[key] <= most:
            found[-1].append(key)
            rows += rows_of[key]
        else:
            found.append([key])
            rows = rows_of[key]
    return found
