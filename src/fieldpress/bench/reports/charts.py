"""Line charts as inline SVG, for light and dark pages, wide and narrow ones, and readers who do not see colours.

A chart is drawn twice, for a desk and for a phone: a drawing that shrinks takes its letters with it. Curves have a
colour and a mark of their own; on the wide drawing each is named at its end, on the narrow one in a list below.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

COLOURS = 8
"""Line colours that the style sheet has: c0 (grey, for what others are compared with) to c7."""

_LETTER = 6.9
"""Width of a letter of the labels, in units of the drawing."""
_LABEL_GAP = 15.0
_MARK = 3.6


@dataclass(frozen=True)
class Point:
    """A measured place."""

    x: float
    y: float
    note: str = ""
    """Shown when it is pointed at."""
    low: float | None = None
    """With ``high``, what the seeds span."""
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """A curve."""

    label: str
    colour: int
    points: tuple[Point, ...]
    marked: bool = True
    """A mark for each point."""


@dataclass(frozen=True)
class Axis:
    """How an axis reads."""

    label: str
    logarithmic: bool = False
    percent: bool = False
    low: float | None = None
    """Where it begins; the least value otherwise. What lies below is cut off."""


@dataclass(frozen=True)
class _Scale:
    """Values to places."""

    low: float
    high: float
    start: float
    stop: float
    logarithmic: bool

    def __call__(self, value: float) -> float:
        low, high, at = self.low, self.high, value
        if self.logarithmic:
            low, high, at = math.log(low), math.log(high), math.log(value)
        return self.start + (at - low) / (high - low) * (self.stop - self.start)


def chart(name: str, lines: Sequence[Line], x: Axis, y: Axis, description: str) -> str:
    """Both drawings and the list of names, as HTML.

    Args:
        name: Unique on the page, of letters, digits and hyphens.
        lines: At least one point in all.
        x: The horizontal axis.
        y: The vertical axis.
        description: For readers who hear the page.
    """
    keys = "".join(
        f'<li class="c{line.colour % COLOURS}"><svg viewBox="0 0 22 10" aria-hidden="true">'
        f'<path d="M0 5H22" class="line"/>{_mark(line.colour, 11, 5) if line.marked else ""}</svg>'
        f"<span>{escape(line.label)}</span></li>"
        for line in lines
    )
    wide = _drawing(f"{name}-wide", lines, x, y, description, 760, 400, named=True)
    narrow = _drawing(f"{name}-narrow", lines, x, y, description, 380, 300, named=False)
    return f'<div class="wide">{wide}</div><div class="narrow">{narrow}<ul class="key">{keys}</ul></div>'


def _drawing(
    name: str, lines: Sequence[Line], x: Axis, y: Axis, description: str, width: int, height: int, *, named: bool
) -> str:
    longest = max(len(line.label) for line in lines)
    left, right = 46.0, width - (22 + _LETTER * longest if named else 12.0)
    top, bottom = 26.0, height - 40.0
    points = [point for line in lines for point in line.points]
    across = _scale([point.x for point in points], x, left, right)
    extremes = [v for p in points for v in (p.y, p.low, p.high) if v is not None]
    upward = _scale(extremes, y, bottom, top)
    parts = [*_grid(across, upward, x, y, (left, right, top, bottom))]
    parts.append(
        f'<clipPath id="{name}"><rect x="{left - 6:.0f}" y="{top - 8:.0f}" width="{right - left + 12:.0f}" '
        f'height="{bottom - top + 16:.0f}"/></clipPath><g clip-path="url(#{name})">'
    )
    parts += [_curve(line, across, upward) for line in lines]
    parts.append("</g>")
    if named:
        parts += _names(lines, across, upward, right, top, bottom)
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(description)}">{"".join(parts)}</svg>'


def _scale(values: Sequence[float], axis: Axis, start: float, stop: float) -> _Scale:
    low, high = min(values) if axis.low is None else axis.low, max(values)
    if axis.logarithmic:
        margin = 1.04 if high > low else 1.5
        return _Scale(low / margin, high * margin, start, stop, True)
    margin = 0.04 * (high - low) or 0.5
    return _Scale(low - margin * (axis.low is None), high + margin, start, stop, False)


def _grid(across: _Scale, upward: _Scale, x: Axis, y: Axis, frame: tuple[float, float, float, float]) -> list[str]:
    left, right, _, bottom = frame
    parts: list[str] = []
    for value in ticks(upward.low, upward.high, upward.logarithmic, 6):
        at = upward(value)
        parts.append(f'<path d="M{left:.0f} {at:.1f}H{right:.0f}" class="grid"/>')
        parts.append(f'<text x="{left - 8:.0f}" y="{at + 4:.1f}" class="tick end">{_number(value, y.percent)}</text>')
    for value in ticks(across.low, across.high, across.logarithmic, 7 if right - left > 400 else 4):
        at = across(value)
        parts.append(f'<path d="M{at:.1f} {bottom:.0f}v5" class="axis"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 18:.0f}" class="tick mid">{_number(value, x.percent)}</text>')
    parts.append(f'<path d="M{left:.0f} {bottom:.0f}H{right:.0f}" class="axis"/>')
    parts.append(f'<text x="0" y="12" class="label">{escape(y.label)}</text>')
    parts.append(f'<text x="{right:.0f}" y="{bottom + 35:.0f}" class="label end">{escape(x.label)}</text>')
    return parts


def _curve(line: Line, across: _Scale, upward: _Scale) -> str:
    places = [(across(point.x), upward(point.y)) for point in line.points]
    parts = [f'<g class="c{line.colour % COLOURS}">']
    if len(places) > 1:
        way = "L".join(f"{at:.1f} {up:.1f}" for at, up in places)
        parts.append(f'<path d="M{way}" class="line{"" if line.marked else " fine"}"/>')
    for point, (at, up) in zip(line.points, places, strict=True) if line.marked else ():
        if point.low is not None and point.high is not None and point.high > point.low:
            parts.append(f'<path d="M{at:.1f} {upward(point.low):.1f}V{upward(point.high):.1f}" class="span"/>')
        parts.append(f"<g>{_mark(line.colour, at, up)}<title>{escape(point.note)}</title></g>")
    return "".join([*parts, "</g>"])


def _mark(colour: int, x: float, y: float) -> str:
    """A disc, square, diamond or triangle, filled or hollow: where colours come again, the other of the two."""
    r = _MARK
    hollow = ' class="hollow"' if (colour // 4 + colour // COLOURS) % 2 else ' class="mark"'
    shapes = (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}"{hollow}/>',
        f'<path d="M{x - r:.1f} {y - r:.1f}h{2 * r}v{2 * r}h{-2 * r}z"{hollow}/>',
        f'<path d="M{x:.1f} {y - 1.4 * r:.1f}l{1.4 * r:.1f} {1.4 * r:.1f}l{-1.4 * r:.1f} {1.4 * r:.1f}'
        f'l{-1.4 * r:.1f} {-1.4 * r:.1f}z"{hollow}/>',
        f'<path d="M{x:.1f} {y - 1.3 * r:.1f}l{1.3 * r:.1f} {2.3 * r:.1f}h{-2.6 * r:.1f}z"{hollow}/>',
    )
    return shapes[colour % len(shapes)]


def _names(lines: Sequence[Line], across: _Scale, upward: _Scale, right: float, top: float, bottom: float) -> list[str]:
    """The curves' names at their right ends, moved apart where they would overlap, in the order of the ends."""
    ends = sorted(
        ((upward(line.points[-1].y), across(line.points[-1].x), line) for line in lines), key=lambda end: end[:2]
    )
    places = [min(max(up, top), bottom) for up, _, _ in ends]
    for _ in range(200):
        for i, (above, below) in enumerate(pairwise(places)):
            short = _LABEL_GAP - (below - above)
            if short > 0.01:
                places[i] -= short / 2
                places[i + 1] += short / 2
        shift = max(0.0, top - places[0]) - max(0.0, places[-1] - bottom)
        places = [place + shift for place in places]
    parts: list[str] = []
    for place, (up, at, line) in zip(places, ends, strict=True):
        parts.append(
            f'<g class="c{line.colour % COLOURS}"><path d="M{at + 7:.1f} {min(max(up, top), bottom):.1f}'
            f'L{right + 4:.1f} {place:.1f}" class="lead"/>'
            f'<text x="{right + 10:.1f}" y="{place + 4:.1f}" class="name">{escape(line.label)}</text></g>'
        )
    return parts


def ticks(low: float, high: float, logarithmic: bool, most: int) -> list[float]:
    """Round numbers within a range, at most ``most`` of them where that is possible.

    Example:
        >>> ticks(27.3, 34.1, False, 5), ticks(0.018, 0.35, True, 5)
        ([28.0, 30.0, 32.0, 34.0], [0.02, 0.05, 0.1, 0.2])
    """
    if logarithmic:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for digits in ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,)):
            found = [float(f"{digit}e{decade}") for decade in decades for digit in digits]
            found = [value for value in found if low <= value <= high]
            if len(found) <= most:
                return found
        return found[:: -(-len(found) // most)]
    magnitude = math.floor(math.log10((high - low) / most))
    for digit in (1, 2, 2.5, 5, 10, 20):
        step = digit * 10.0**magnitude
        first, last = math.ceil(low / step), math.floor(high / step)
        if last - first < most:
            break
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def _number(value: float, percent: bool) -> str:
    return f"{100 * value:.3g} %" if percent else f"{value:g}".replace("-", "−")
