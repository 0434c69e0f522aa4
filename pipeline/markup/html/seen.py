"""How much of a page a reader sees, how much of that is in its text, and an excerpt of what is not.

Characters are those that are no white space. They are counted in the page, so marks that stand for lists, headings or
links in the text count for nothing.
"""

from __future__ import annotations

import numpy as np

from pipeline.markup.html import layout as L
from pipeline.markup.html.decide import HIDDEN_SHARE
from pipeline.markup.html.layout import Scanned

_AROUND = L.IN_NAV | L.IN_HEADER | L.IN_FOOTER | L.IN_ASIDE
_LITTLE = 0.25  # of what is shown: where less is kept, an excerpt says of what the rest is
_MOST_LOST = 200  # characters of that excerpt
_MOST_BLOCKS, _MOST_TEXT = 2000, 1 << 18  # blocks, and characters of a text, that are looked at for it


def measured(scanned: Scanned, text: str, kept: np.ndarray | None) -> tuple[int, int, str | None]:
    """Characters of a page that a reader sees, those that are kept, and where that is little, what is lost.

    kept: numbers of the blocks that make the text; None where it is made otherwise.
    """
    num_kept = sum(map(len, text.split())) if kept is None else int(scanned.blocks[kept, L.B_CHARS].sum())
    shown = _shown(scanned)
    num_shown = int(scanned.blocks[shown, L.B_CHARS].sum())
    if num_kept >= _LITTLE * num_shown:
        return num_shown, num_kept, None
    if kept is None:
        shown, kept = shown[:_MOST_BLOCKS], _blocks_in(scanned, text)
    lost = np.setdiff1d(np.flatnonzero(shown), kept)
    return num_shown, num_kept, _excerpt(scanned, lost)


def _shown(scanned: Scanned) -> np.ndarray:
    """Which blocks no style hides; all where styles hide most of the page, which scripts show then."""
    blocks = scanned.blocks
    hidden = scanned.nodes[blocks[:, L.B_INNER], L.N_FLAGS] & L.HIDDEN != 0
    if blocks[hidden, L.B_CHARS].sum() > HIDDEN_SHARE * blocks[:, L.B_CHARS].sum():
        hidden[:] = False
    shown: np.ndarray = ~hidden
    return shown


def _words(scanned: Scanned, number: int) -> str:
    start, end = scanned.blocks[number, L.B_START], scanned.blocks[number, L.B_END]
    return scanned.text[start:end].tobytes().decode("utf-8", "replace")


def _blocks_in(scanned: Scanned, text: str) -> np.ndarray:
    """Numbers of the first _MOST_BLOCKS blocks whose words stand in the beginning of a text."""
    folded = "".join(text[:_MOST_TEXT].split())
    numbers = range(min(_MOST_BLOCKS, len(scanned.blocks)))
    found = [number for number in numbers if "".join(_words(scanned, number).split()) in folded]
    return np.array(found, np.int64)


def _excerpt(scanned: Scanned, lost: np.ndarray) -> str:
    """What stands in the middle of the characters of these blocks, those around the content left out if others are."""
    if not len(lost):
        return ""
    around = scanned.nodes[scanned.blocks[lost, L.B_INNER], L.N_FLAGS] & _AROUND != 0
    lost = lost if around.all() else lost[~around]
    ends = np.cumsum(scanned.blocks[lost, L.B_CHARS])
    first = int(np.searchsorted(ends, ends[-1] // 2))
    words = ""
    for number in lost[first:].tolist():
        words = f"{words} / {' '.join(_words(scanned, number).split())}".removeprefix(" / ")
        if len(words) > _MOST_LOST:
            break
    return words[:_MOST_LOST].rstrip()
