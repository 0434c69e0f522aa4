"""Calibration: of the documents with a score of about 0.7, are 70 % of the positive side? A table, and a picture."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_NUM_BINS = 10
_SIZE, _MARGIN = 320, 48  # of the square, of what is around it: SVG units
_Array = npt.NDArray[Any]


class Bin(NamedTuple):
    """Documents whose scores are near each other: how many, their weight in all, mean score, share of positives."""

    number: int
    weight: float
    mean_score: float
    share: float


def balance(labels: _Array) -> _Array:
    """Weights by which both sides count the same."""
    counts = np.bincount(labels, minlength=2)
    return np.asarray(1.0 / (2 * counts[labels]))


def calibration_bins(scores: _Array, labels: _Array, weights: _Array) -> list[Bin]:
    """Ten bins of equal width; empty ones are left out. The weights sum to 1."""
    places = np.minimum((scores * _NUM_BINS).astype(int), _NUM_BINS - 1)
    bins = []
    for place in range(_NUM_BINS):
        inside = places == place
        weight = float(weights[inside].sum())
        if weight > 0:
            mean = float((scores[inside] * weights[inside]).sum() / weight)
            share = float((labels[inside] * weights[inside]).sum() / weight)
            bins.append(Bin(int(inside.sum()), weight, mean, share))
    return bins


def calibration_svg(scores: _Array, labels: _Array, title: str) -> str:
    """A drawing: the share of positives over the mean score, a point for each bin, larger for more documents; below it
    how the scores of both sides are spread."""
    bins = calibration_bins(scores, labels, balance(labels))
    width, height = _SIZE + 2 * _MARGIN, _SIZE + 2 * _MARGIN + 84

    def x(value: float) -> str:
        return f"{_MARGIN + value * _SIZE:.1f}"

    def y(value: float) -> str:
        return f"{_MARGIN + (1 - value) * _SIZE:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{_MARGIN}" y="24" font-size="14">{escape(title, quote=False)}</text>',
        f'<rect x="{_MARGIN}" y="{_MARGIN}" width="{_SIZE}" height="{_SIZE}" fill="none" stroke="#888"/>',
        f'<line x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}" stroke="#bbb" stroke-dasharray="4 4"/>',
    ]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<text x="{x(tick)}" y="{_MARGIN + _SIZE + 16}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{_MARGIN - 6}" y="{y(tick)}" text-anchor="end" dy="4">{tick:g}</text>')
    points = " ".join(f"{x(bin_.mean_score)},{y(bin_.share)}" for bin_ in bins)
    parts.append(f'<polyline points="{points}" fill="none" stroke="#1f5fa8" stroke-width="1.5"/>')
    for bin_ in bins:
        parts.append(
            f'<circle cx="{x(bin_.mean_score)}" cy="{y(bin_.share)}" r="{3 + 12 * bin_.weight**0.5:.1f}"'
            f' fill="#1f5fa8" fill-opacity="0.5"><title>{bin_.number} excerpts, mean score {bin_.mean_score:.3f},'
            f" {bin_.share:.3f} of them positive</title></circle>"
        )
    parts.append(_spread(scores, labels))
    for line, note in enumerate(
        ("across: mean score; up: share of positives", "below: scores of positives (blue), negatives")
    ):
        parts.append(f'<text x="{x(0.5)}" y="{height - 24 + 16 * line}" text-anchor="middle">{note}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _spread(scores: _Array, labels: _Array) -> str:
    top = _MARGIN + _SIZE + 30
    bars = []
    for label, color in ((1, "#1f5fa8"), (0, "#b5402f")):
        counts, _ = np.histogram(scores[labels == label], bins=20, range=(0.0, 1.0))
        shares = counts / max(1, counts.sum())
        for place, share in enumerate(shares.tolist()):
            left = _MARGIN + (place + 0.5 * label) * _SIZE / 20
            bars.append(
                f'<rect x="{left:.1f}" y="{top + 50 * (1 - share):.1f}" width="{_SIZE / 40 - 1:.1f}"'
                f' height="{50 * share:.1f}" fill="{color}"/>'
            )
    return "\n".join(bars)
