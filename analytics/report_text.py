"""Writes a report for a terminal."""

import textwrap
from collections.abc import Iterator

from analytics.fields import local_time, style_of_outcome
from analytics.output import Screen
from analytics.report import Kind, Report, ReportColumn, Section
from analytics.table import Column, cut, neutral, plain, table
from slurm_hooks.duration import format_duration

_PAGE = 80
"""Sentences are no longer where nobody says how wide the screen is."""


def text(report: Report, on: Screen) -> Iterator[str]:
    """Yield *report* line by line, none wider than the screen, times local.

    Where it is no screen, tables are written whole.
    """
    for sentence in (heading(report), *report.sentences):
        yield from _wrapped(sentence, on.width or _PAGE)
    for section in report.sections:
        yield ""
        yield from _section(section, on)


def _wrapped(sentence: str, width: int) -> list[str]:
    """Return *sentence* in lines; where letters may be two cells wide, with half as many."""
    safe = neutral(sentence)
    room = width if safe.isascii() else max(1, width // 2)
    return textwrap.wrap(safe, room, break_on_hyphens=False)


def heading(report: Report) -> str:
    """Return the line that says what the report is about."""
    length = format_duration(report.until - report.since)
    window = f"{local_time(report.since)} to {local_time(report.until)}"
    return f"{report.cluster}: {report.title}, {window} ({length})"


def _section(section: Section, on: Screen) -> Iterator[str]:
    if section.rows.is_empty():
        yield _fitted(f"{section.title}: {section.nothing}", on)
        return
    yield _fitted(f"{section.title}{f' ({section.note})' if section.note else ''}", on)
    columns = [column for column in section.columns if column.title]
    rows = section.rows.head(section.most).iter_rows(named=True)
    shown = [[column.shown(row) for column in columns] for row in rows]
    yield from table([*map(_laid_out, columns)], shown, width=on.width, colour=on.colour)
    left = section.rows.height - section.most
    if left > 0:
        yield f"... and {left} more; --json lists them all"


def _laid_out(column: ReportColumn) -> Column:
    return Column(
        title=column.title,
        right=column.kind.right,
        flexible=column.flexible,
        style=style_of_outcome if column.kind is Kind.OUTCOME else plain,
    )


def _fitted(line: str, on: Screen) -> str:
    safe = neutral(line)
    return safe if on.width is None else cut(safe, on.width)
