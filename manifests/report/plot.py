"""A plot of lines and points as SVG: of losses, in the report of a build and beside a sweep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _BOTTOM, _TOP = 800, 300, 64, 10, 40, 10
_LINE = 16  # height of a line of text
COLOURS = ("#3b76d6", "#c9503c", "#3f9b57", "#b07a1e", "#8a56c2", "#2a9d9d", "#c2559a", "#777777")
SPAN_OF_LOG = 10
"""Values that span so many times their least are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class Series:
    """Points that belong together: a line, or marks with error bars where `errors` has one for each point."""

    label: str
    points: Sequence[tuple[float, float]]
    colour: str = COLOURS[0]
    line: bool = True
    marks: bool = False
    errors: Sequence[float] = ()


def wants_log(values: Sequence[float]) -> bool:
    """True for positive numbers that span a factor of `SPAN_OF_LOG`."""
    return bool(values) and min(values) > 0 and max(values) / min(values) >= SPAN_OF_LOG


@dataclass(frozen=True)
class _Axis:
    """A range of values on a range of pixels."""

    low: float
    high: float
    first: float
    last: float
    log: bool

    def at(self, value: float) -> float:
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return round(self.first + (self.last - self.first) * (value - low) / ((high - low) or 1), 1)

    def ticks(self) -> list[float]:
        if self.log:
            return [self.low * (self.high / self.low) ** (part / 4) for part in range(5)]
        return [self.low + (self.high - self.low) * part / 4 for part in range(5)]


def plot(
    series: Sequence[Series],
    x_title: str,
    y_title: str,
    log_x: bool = False,
    names: Sequence[str] = (),
    top: int = 0,
) -> str:
    """The elements of a plot, for an `<svg>` that is `WIDTH` wide; `top` is where it begins.

    names: labels of the values 0, 1, 2, ... of the horizontal axis, where these stand for no numbers. A series
    without a label is in no legend.
    """
    points = [point for one in series for point in one.points]
    spreads = [(y, error) for one in series for (_, y), error in zip(one.points, one.errors, strict=False)]
    xs = [x for x, _ in points]
    ys = [*(y for _, y in points), *(y - error for y, error in spreads), *(y + error for y, error in spreads)]
    right = _WIDTH - _RIGHT
    x_axis = _Axis(min(xs), max(xs), _LEFT + (30 if names else 0), right - (30 if names else 0), log_x)
    y_axis = _Axis(max(ys), min(ys), top + _TOP, top + _HEIGHT - _BOTTOM, False)
    parts = [_text(_LEFT, top + _TOP - 1, y_title, "start", 0.75)]
    for value in y_axis.ticks():
        at = y_axis.at(value)
        parts.append(f'<line x1="{_LEFT}" x2="{right}" y1="{at}" y2="{at}" stroke="#8884"/>')
        parts.append(_text(_LEFT - 6, at + 4, f"{value:.4g}", "end"))
    ticks = list(map(float, range(len(names)))) if names else x_axis.ticks()
    labels = names or [_short(tick) for tick in ticks]
    for tick, label in zip(ticks, labels, strict=True):
        anchor = "middle" if names or x_axis.at(tick) < right - 20 else "end"
        parts.append(_text(x_axis.at(tick), top + _HEIGHT - _BOTTOM + _LINE, label, anchor))
    parts.append(_text((_LEFT + right) / 2, top + _HEIGHT - 6, x_title, "middle", 0.75))
    for one in series:
        places = [(x_axis.at(x), y_axis.at(y)) for x, y in one.points]
        if one.line:
            line = " ".join(f"{x},{y}" for x, y in places)
            parts.append(f'<polyline points="{line}" fill="none" stroke="{one.colour}" stroke-width="1.5"/>')
        for (_, value), (x, _y), error in zip(one.points, places, one.errors, strict=False):
            low, high = y_axis.at(value - error), y_axis.at(value + error)
            parts.append(f'<line x1="{x}" x2="{x}" y1="{low}" y2="{high}" stroke="{one.colour}"/>')
        if one.marks:
            parts += [f'<circle cx="{x}" cy="{y}" r="3.5" fill="{one.colour}"/>' for x, y in places]
    for number, one in enumerate(one for one in series if one.label):
        parts.append(_text(right - 4, top + _TOP + _LINE * (number + 1), one.label, "end", 1, one.colour))
    return "\n".join(parts)


def figure(plots: Sequence[str], title: str) -> str:
    """An `<svg>` with plots one below the other, each made with its `top` from `place`."""
    height = place(len(plots))
    body = "\n".join(plots)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif">\n{body}\n</svg>'
    )


def place(number: int) -> int:
    """Where the plot of a number, from 0, begins on its page."""
    return number * (_HEIGHT + _LINE)


def _text(x: float, y: float, text: str, anchor: str, opacity: float = 1, colour: str = "currentColor") -> str:
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="12" fill="{colour}" opacity="{opacity}">'
        f"{escape(text)}</text>"
    )


def _short(value: float) -> str:
    if abs(value) >= 10_000:
        return f"{value:,.0f}" if value < 1e6 else f"{value / 1e6:.3g} M"
    return f"{value:.3g}"
