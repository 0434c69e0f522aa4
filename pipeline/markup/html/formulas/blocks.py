"""Formulas on lines of their own go where the text beside them goes: a score of letters says nothing of them."""

from __future__ import annotations

import numpy as np

from pipeline.markup.html.layout import B_FIRST, B_LAST, B_START, Scanned

_DOLLAR, _SPACE = ord("$"), ord(" ")


def keep_formulas(scanned: Scanned, scores: np.ndarray, threshold: float, hidden: np.ndarray) -> None:
    """Set the scores of formulas to 1 where the block before them, or that after them, is kept; not of `hidden` ones.

    Formulas beside each other go together.
    """
    blocks = scanned.blocks
    places = np.flatnonzero((blocks[:, B_FIRST] == _DOLLAR) & ~hidden)
    if not len(places):
        return
    second, third = (scanned.text[np.minimum(blocks[places, B_START] + at, len(scanned.text) - 1)] for at in (1, 2))
    is_own_line = (second == _DOLLAR) & (third != _DOLLAR) & (third > _SPACE)
    is_alone = (second != _DOLLAR) & (second > _SPACE) & (blocks[places, B_LAST] == _DOLLAR)
    places = places[is_own_line | is_alone]  # no price
    for run in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1):
        if len(run):
            around = scores[max(0, run[0] - 1) : run[-1] + 2]
            if around[0] > threshold or around[-1] > threshold:
                scores[run] = 1
