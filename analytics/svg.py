"""Draws plots as inline SVG: a few rectangles, lines and texts, coloured by the page's style.

Whatever a name or a title holds, it ends up as escaped text; numbers that are not finite are left
out.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from html import escape
from math import floor, isfinite, log10
from typing import NamedTuple

from analytics.plot import Course, Plot, Spread, Stacks, Strips
from analytics.quantity import quantity
from analytics.table import neutral

WIDTH = 480
_WIDE = 960
"""Of plots that take the whole page."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 10, 10, 22
_HEIGHT = 150
_BINS = 30
_MOST_MARKS = 6
_ROW = 22


class _Scale(NamedTuple):
    """Maps values from *low* to *high* onto pixels from *start* to *end*."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        if self.high == self.low:
            return (self.start + self.end) / 2
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def svg(plot: Plot) -> str:
    """Return *plot* as an SVG element with a title that a screen reader says."""
    rows = len(plot.rows) if isinstance(plot, Strips) else 0
    width, height = (_WIDE, _TOP + _BOTTOM + _ROW * rows) if rows else (WIDTH, _HEIGHT)
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{_safe(plot.title)}">'
        f"{''.join(_drawn(plot))}</svg>"
    )


def _drawn(plot: Plot) -> Iterator[str]:
    match plot:
        case Stacks():
            return _stacks(plot)
        case Course():
            return _course(plot)
        case Spread():
            return _spread(plot)
        case Strips():
            return _strips(plot)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers between *low* and *high*, no more than *most* but at least one."""
    span = high - low
    if not isfinite(span) or span <= 0:
        return [low]
    rough = span / most
    size = 10.0 ** floor(log10(rough))
    step = next((size * by for by in (1, 2, 5, 10) if size * by >= rough), size * 10)
    first = -floor(-low / step)
    last = floor(high / step)
    return [number * step for number in range(first, last + 1)] or [low]


def _stacks(plot: Stacks) -> Iterator[str]:
    totals = [sum(part) for part in zip(*plot.parts.values(), strict=True)]
    if not plot.days:
        return
    across = _Scale(0, len(plot.days), _LEFT, WIDTH - _RIGHT)
    up = _Scale(0, max([*totals, 1]), _HEIGHT - _BOTTOM, _TOP)
    yield from _levels(up)
    width = max(1.0, (across(1) - across(0)) * 0.82)
    for place, day in enumerate(plot.days):
        below = 0.0
        told = ", ".join(f"{part[place]:g} {name}" for name, part in plot.parts.items()
                         if part[place])  # fmt: skip
        yield f"<g><title>{day:%Y-%m-%d}: {_safe(told or 'nothing')}</title>"
        for name, part in plot.parts.items():
            if part[place]:
                x, ys = across(place), (up(below + part[place]), up(below))
                yield _bar((x, x + width), ys, f"o-{name}")
                below += part[place]
        yield "</g>"
    yield from _dates(plot.days[0], plot.days[-1], across(0.5), across(len(plot.days) - 0.5))


def _course(plot: Course) -> Iterator[str]:
    points = [(at, value) for at, value in plot.points if _drawable(value)]
    band = [one for one in plot.band if all(map(_drawable, (one.low, one.middle, one.high)))]
    values = [value for _, value in points] + [x for one in band for x in (one.low, one.high)]
    times = [at for at, _ in points] + [one.at for one in band]
    if not values:
        return
    up = _Scale(*_padded(values), _HEIGHT - _BOTTOM, _TOP)
    across = _Scale(*_span(times), _LEFT, WIDTH - _RIGHT)
    yield from _levels(up)
    if band:
        there = [(across(one.at.timestamp()), up(one.high)) for one in band]
        back = [(across(one.at.timestamp()), up(one.low)) for one in reversed(band)]
        yield f'<polygon class="band" points="{_path([*there, *back])}"/>'
        middle = [(across(one.at.timestamp()), up(one.middle)) for one in band]
        yield f'<polyline class="middle" points="{_path(middle)}"/>'
    line = [(across(at.timestamp()), up(value)) for at, value in points]
    yield f'<polyline class="line" points="{_path(line)}"/>'
    for (at, value), (x, y) in zip(points, line, strict=True):
        told = f"{at:%Y-%m-%d %H:%M} UTC: {quantity(value)} {plot.unit}"
        yield f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="2.5">{_tip(told)}</circle>'
    yield from _dates(min(times), max(times), _LEFT, WIDTH - _RIGHT)


def _spread(plot: Spread) -> Iterator[str]:
    values = [value for value in plot.values if _drawable(value)]
    if not values:
        return
    low, high = _padded(values)
    counts = [0] * _BINS
    for value in values:
        counts[min(_BINS - 1, int((value - low) / (high - low) * _BINS))] += 1
    across = _Scale(low, high, _LEFT, WIDTH - _RIGHT)
    up = _Scale(0, max(counts), _HEIGHT - _BOTTOM, _TOP + 14)
    yield from _levels(up)
    size = (high - low) / _BINS
    for place, count in enumerate(counts):
        if count:
            xs = across(low + place * size), across(low + (place + 1) * size) - 1
            bounds = quantity(low + place * size), quantity(low + (place + 1) * size)
            told = f"{count} from {bounds[0]} to {bounds[1]}"
            yield _bar(xs, (up(count), up(0)), "bar", told)
    marks = [(value, name) for value, name in plot.marks if _drawable(value)]
    for place, (value, name) in enumerate(sorted(marks)[:_MOST_MARKS]):
        x, y = across(value), _TOP + 8 + 13 * (place % 3)
        yield f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{y + 3:.1f}" y2="{up(0):.1f}"/>'
        anchor = "end" if x > WIDTH * 0.8 else "start"
        yield _text(x + (4 if anchor == "start" else -4), y + 4, name, anchor, "name")
    for tick in ticks(low, high, 6):
        yield _text(across(tick), _HEIGHT - 7, quantity(tick), "middle")


def _strips(plot: Strips) -> Iterator[str]:
    times = [at for row in plot.rows.values() for at, _ in row]
    if not times:
        return
    left = _LEFT + 72
    across = _Scale(*_span(times), left + 6, _WIDE - _RIGHT - 6)
    bottom = _TOP + _ROW * len(plot.rows)
    for place, (name, row) in enumerate(plot.rows.items()):
        y = _TOP + _ROW * (place + 0.5)
        yield f'<line class="grid" x1="{left}" x2="{_WIDE - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(left - 8, y + 4, name if len(name) <= 16 else f"{name[:15]}…", "end")
        for at, outcome in row:
            x = across(at.timestamp())
            told = f"{at:%Y-%m-%d %H:%M} UTC: {outcome}"
            yield _bar((x - 2, x + 2), (y - 7, y + 7), f"o-{outcome}", told)
    yield from _dates(min(times), max(times), left + 6, _WIDE - _RIGHT - 6, bottom + 16)


def _levels(up: _Scale) -> Iterator[str]:
    """Yield the lines behind a plot, with the values that they stand for."""
    for tick in ticks(up.low, up.high, 4):
        y = up(tick)
        yield (f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        yield _text(_LEFT - 6, y + 4, quantity(tick), "end")


def _dates(
    first: datetime, last: datetime, start: float, end: float, y: float = _HEIGHT - 7
) -> Iterator[str]:
    days = max(1, (last - first).days)
    many = min(6, days)
    for step in range(many + 1):
        at = first + (last - first) * step / many
        anchor = "start" if step == 0 else "end" if step == many else "middle"
        yield _text(start + (end - start) * step / many, y, f"{at:%m-%d}", anchor)


def _padded(values: Sequence[float]) -> tuple[float, float]:
    """Return the bounds of *values* with some room around them."""
    low, high = min(values), max(values)
    room = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
    return low - room, high + room


def _span(times: Sequence[datetime]) -> tuple[float, float]:
    first, last = min(times), max(times)
    if first == last:
        last += timedelta(hours=1)
    return first.timestamp(), last.timestamp()


def _drawable(value: float) -> bool:
    """Whether differences of such values are finite, too."""
    return isfinite(value) and abs(value) < 1e300


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _bar(across: tuple[float, float], up: tuple[float, float], kind: str, tip: str = "") -> str:
    """Return a rectangle from one pixel to another on each axis."""
    (x, right), (y, bottom) = across, up
    return (
        f'<rect class="{_safe(kind)}" x="{x:.1f}" y="{y:.1f}" width="{right - x:.1f}" '
        f'height="{max(0.5, bottom - y):.1f}">{_tip(tip) if tip else ""}</rect>'
    )


def _text(x: float, y: float, text: str, anchor: str, kind: str = "tick") -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_safe(text)}</text>'
    )


def _tip(text: str) -> str:
    return f"<title>{_safe(text)}</title>"


def _safe(text: str) -> str:
    return escape(neutral(text))
