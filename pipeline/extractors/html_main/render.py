"""Kept blocks to text: a line a block, list items with "- ", cells of a row side by side, preformatted text as is."""

from __future__ import annotations

import unicodedata

import numpy as np

from pipeline.extractors.html_main.layout import (
    B_END,
    B_NODE,
    B_START,
    N_ITEM,
    N_LISTS,
    N_PARENT,
    N_ROW,
    N_TAG,
    Scanned,
)
from pipeline.extractors.html_main.tables import TAG

_CELLS = frozenset({TAG["td"], TAG["th"]})
_SHORT = 120  # bytes: a paragraph in a cell that may stand in the line of its row


def render(scanned: Scanned, kept: np.ndarray) -> str:
    """The text of the blocks whose numbers are `kept`, in order, in Unicode's composed form (NFC)."""
    text, nodes = scanned.text.tobytes(), scanned.nodes
    rows = scanned.blocks[kept]
    places = rows[:, B_NODE]
    around = nodes[places]
    parts: list[str] = []
    last_row = last_cell = last_item = -1
    for start, end, node, (tag, parent, row, item, lists) in zip(
        rows[:, B_START].tolist(),
        rows[:, B_END].tolist(),
        places.tolist(),
        around[:, [N_TAG, N_PARENT, N_ROW, N_ITEM, N_LISTS]].tolist(),
        strict=True,
    ):
        line = text[start:end].decode("utf-8")
        cell = node if tag in _CELLS else parent if end - start <= _SHORT and nodes[parent, N_TAG] in _CELLS else -1
        if cell >= 0 and row >= 0 and row == last_row and cell != last_cell:
            parts += (" | ", line)
        else:
            if item >= 0 and item != last_item and (node == item or parent == item):
                line = "  " * (min(lists, 8) - 1) + "- " + line
            parts += ("\n", line)
        last_row, last_cell, last_item = row if cell >= 0 else -1, cell, item
    return unicodedata.normalize("NFC", "".join(parts[1:]))
