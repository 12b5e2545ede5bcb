"""Lays rows out for people: columns that fit the screen, colours, nothing a node could inject."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

_GAP = "  "
_CUT = "…"
_FLOOR = 8
"""A column is made no narrower than this while another one can give way."""


class Style(Enum):
    """What a cell means to its reader, as SGR codes (ECMA-48, 8.3.117)."""

    PLAIN = ""
    GOOD = "32"
    WARNING = "33"
    BAD = "1;31"
    UNCLEAR = "35"
    QUIET = "2"


def plain(_text: str) -> Style:
    """Style every cell alike."""
    return Style.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How one column is shown."""

    title: str
    right: bool = False
    """Aligned to the right, as numbers are."""
    flexible: bool = False
    """Cut first where the screen is too narrow."""
    width: int | None = None
    """Exactly so many cells wide; None fits it to what it holds."""
    style: Callable[[str], Style] = plain


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    *,
    width: int | None,
    colour: bool,
    header: bool = True,
) -> Iterator[str]:
    """Yield one line a row, none wider than *width* cells; None cuts nothing.

    Whatever is in a cell, a line holds printable characters only.
    """
    titles = [column.title if header else "" for column in columns]
    cells = zip(*rows, strict=True) if rows else ([] for _ in columns)
    found = [neutral_all(texts) for texts in cells]
    widths = _widths(columns, titles, found, width)
    shown = []
    for column, title, texts, wide in zip(columns, titles, found, widths, strict=True):
        if wide > 0:
            head = [_fitted(title, wide, right=column.right, style=Style.PLAIN)] if header else []
            shown.append(head + _laid_out(column, texts, wide, colour=colour))
    for row in zip(*shown, strict=True):
        yield _GAP.join(row).rstrip()


def neutral_all(texts: Sequence[str]) -> Sequence[str]:
    """Return *texts*, each as `neutral` makes it."""
    return texts if "".join(texts).isprintable() else list(map(neutral, texts))


def neutral(text: str) -> str:
    """Return *text* with everything that is not printable written as an escape, like \\x1b."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def cells_of(text: str) -> int:
    """Return how many cells of a terminal *text* takes (Unicode, UAX 11)."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def cut(text: str, width: int) -> str:
    """Return *text*, or as much of it as *width* cells hold, with an ellipsis at the end."""
    if cells_of(text) <= width:
        return text
    kept, used = [], 0
    for letter in text:
        used += _cells(letter)
        if used > width - 1:
            break
        kept.append(letter)
    return "".join(kept) + _CUT[:width]


def _cells(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _widths(
    columns: Sequence[Column],
    titles: Sequence[str],
    cells: Sequence[Sequence[str]],
    width: int | None,
) -> list[int]:
    widths = [
        column.width if column.width is not None else max(cells_of(title), _widest(texts))
        for column, title, texts in zip(columns, titles, cells, strict=True)
    ]
    if width is None:
        return widths
    room = width - len(_GAP) * (len(columns) - 1)
    free = [n for n, column in enumerate(columns) if column.width is None]
    _shrink(widths, [n for n in free if columns[n].flexible], room)
    _shrink(widths, free, room)
    return _clamped(widths, width)


def _widest(texts: Sequence[str]) -> int:
    return max(map(cells_of, texts), default=0)


def _shrink(widths: list[int], which: Sequence[int], room: int) -> None:
    """Lower the widest of *which* until *widths* fit into *room* or all are at the floor."""
    limit = min(room, max((widths[n] for n in which), default=0))
    while sum(widths) > room and limit >= _FLOOR:
        for n in which:
            widths[n] = min(widths[n], limit)
        limit -= 1


def _clamped(widths: Sequence[int], width: int) -> list[int]:
    """Cut off what no screen of *width* cells can hold; a column of no width is not shown."""
    found, used = [], 0
    for one in widths:
        found.append(max(0, min(one, width - used)))
        used += one + len(_GAP)
    return found


def _laid_out(column: Column, texts: Sequence[str], width: int, *, colour: bool) -> list[str]:
    """Return the cells of one column, each *width* wide."""
    if colour:
        return [
            _fitted(text, width, right=column.right, style=column.style(text)) for text in texts
        ]
    pad = str.rjust if column.right else str.ljust
    return [
        pad(text, width)
        if len(text) <= width and text.isascii()
        else _fitted(text, width, right=column.right, style=Style.PLAIN)
        for text in texts
    ]


def _fitted(text: str, width: int, *, right: bool, style: Style) -> str:
    shown = cut(text, width)
    space, painted = " " * (width - cells_of(shown)), _paint(shown, style)
    return space + painted if right else painted + space


def _paint(text: str, style: Style) -> str:
    return f"\x1b[{style.value}m{text}\x1b[0m" if style.value and text else text
