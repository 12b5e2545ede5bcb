"""Writes a report as one HTML file that needs nothing else: style and plots are inside.

Names, details and units come from nodes and users; all of them are escaped, and no script runs.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files

from analytics import house
from analytics.fields import local_time
from analytics.plot import Plot, Stacks
from analytics.report import Kind, Report, ReportColumn, Section
from analytics.report_text import heading
from analytics.svg import svg
from analytics.table import neutral
from slurm_hooks.duration import format_duration

MOST = 200
"""Rows of a table; a page of 100,000 helps nobody."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Whatever got past the escaping could load nothing and run nothing."""


def html(report: Report) -> str:
    """Return *report* as a whole HTML document."""
    style = house.css() + files("analytics").joinpath("report.css").read_text(encoding="utf-8")
    body = "".join(_body(report))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{_safe(heading(report))}</title><style>{style}</style></head>"
        f"<body>{body}</body></html>\n"
    )


def _body(report: Report) -> Iterator[str]:
    length = format_duration(report.until - report.since)
    window = f"{local_time(report.since)} to {local_time(report.until)} ({length})"
    yield f'<header><p class="kicker">{_safe(report.cluster)} · cluster-doctor report</p>'
    yield f"<h1>{_safe(report.title[:1].upper() + report.title[1:])}</h1>"
    yield f'<p class="window">{_safe(window)}</p></header><main>'
    if report.figures:
        cards = "".join(
            f'<div class="card"><b>{_safe(number)}</b><span>{_safe(what)}</span></div>'
            for what, number in report.figures
        )
        yield f'<div class="cards">{cards}</div>'
    for sentence in report.sentences:
        yield f'<p class="said">{_safe(sentence)}</p>'
    yield _plots(report.plots)
    for section in report.sections:
        yield from _section(section)
    made = local_time(report.made_at)
    yield f"</main><footer>Made {_safe(made)}; times are local, days in plots UTC.</footer>"


def _section(section: Section) -> Iterator[str]:
    yield f'<section id="{escape(section.key)}"><h2>{_safe(section.title)}</h2>'
    if section.note:
        yield f'<p class="note">{_safe(section.note)}</p>'
    if section.rows.is_empty():
        yield f'<p class="nothing">{_safe(section.nothing)}</p>{_plots(section.plots)}</section>'
        return
    columns = [column for column in section.columns if column.title]
    titles = "".join(f"<th{_side(one)}>{_safe(_named(one))}</th>" for one in columns)
    yield f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>'
    for row in section.rows.head(MOST).iter_rows(named=True):
        yield f"<tr>{''.join(_cell(column, row) for column in columns)}</tr>"
    yield "</tbody></table></div>"
    left = section.rows.height - MOST
    if left > 0:
        yield f'<p class="note">… and {left} more; --json lists them all</p>'
    yield f"{_plots(section.plots)}</section>"


def _plots(plots: Sequence[Plot]) -> str:
    return f'<div class="plots">{"".join(map(_plot, plots))}</div>' if plots else ""


def _plot(plot: Plot) -> str:
    names = plot.parts if isinstance(plot, Stacks) else ()
    keys = "".join(
        f'<span><i class="key o-{_class(name)}"></i>{_safe(name)}</span>' for name in names
    )
    return f"<figure><figcaption>{_safe(plot.title)}{keys}</figcaption>{svg(plot)}</figure>"


def _named(column: ReportColumn) -> str:
    return column.title.lower()


def _cell(column: ReportColumn, row: Mapping[str, object]) -> str:
    shown, value = _safe(column.shown(row)), row.get(column.name)
    if column.kind is Kind.OUTCOME and value:
        return f'<td><span class="chip o-{_class(str(value))}">{shown}</span></td>'
    if column.bar and isinstance(value, float) and 0 <= value <= 1:
        return f'<td class="right share"><i style="--share:{value:.3f}"></i>{shown}</td>'
    return f"<td{_side(column)}>{shown}</td>"


def _side(column: ReportColumn) -> str:
    return ' class="right"' if column.kind.right else ""


def _class(text: str) -> str:
    return "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in text)


def _safe(text: str) -> str:
    return escape(neutral(text))
