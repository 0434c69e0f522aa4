"""What is kept as a whole, though the scores of its blocks differ: tables of data, lists, and what stands in between.

Each function raises scores to 1, in place. `threshold` is that above which a block is kept.
"""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import entry, kernel
from pipeline.markup.html import layout as L
from pipeline.markup.html.markdown.grid import table_of
from pipeline.markup.html.tables import TAG

ASIDE = L.IN_NAV | L.IN_FOOTER | L.IN_ASIDE | L.IN_FORM | L.IN_BUTTON
_TD, _TH, _LI, _UL, _OL = (TAG[name] for name in ("td", "th", "li", "ul", "ol"))
# A table holds data if it has two rows, nearly two cells a row, most text directly in cells, and short cells. It is
# kept as a whole if its mean score is above the last number. Measured: no change of the scores, but no torn tables.
_MIN_ROWS, _MIN_CELLS, _CELL_SHARE, _MAX_CELL, _MIN_MEAN = 2, 1.7, 0.7, 120, 0.2
_CELL_MARK = 10  # characters that a cell counts for beside its own
# Columns of what is counted of a table: rows, blocks, blocks in cells, kept blocks, size, and size times score.
_T_ROWS, _T_BLOCKS, _T_CELLS, _T_KEPT, _T_SIZE, _T_SCORE = range(6)
# Code, tables, lists, quotations and terms between two kept blocks of the same element are kept, if they are not mostly
# links, at least this likely in the mean, and no more than so many blocks.
_FORMED = L.IN_PRE | L.IN_CELL | L.IN_ITEM | L.IN_QUOTE | L.IN_DL | L.IN_CAPTION
_MIN_BETWEEN, _MAX_BETWEEN, _MAX_LINKED = 0.04, 60, 0.4
# A score says little of an item of a word or two, so what is left of a list goes where its neighbours go: it stays
# where an item of the list is kept, or the line before the list is and ends with a colon. It must be items with text of
# their own and at most so many characters, not mostly links, at least this likely in the mean and each; and the list
# must hold no heading, else it is the layout of a page.
_MAX_REST, _MIN_REST, _MIN_EACH = 60, 0.1, 0.02
_COLON, _WIDE_COLON = 0x3A, 0xFF1A

_table_of = kernel(table_of)


@kernel
def _is_cell(nodes: np.ndarray, node: int) -> bool:
    return bool(nodes[node, L.N_TAG] == _TD or nodes[node, L.N_TAG] == _TH)


@entry
def keep_tables(blocks: np.ndarray, nodes: np.ndarray, scores: np.ndarray, threshold: float) -> None:
    """Keep tables of data of which enough is kept: see _MIN_ROWS."""
    if not (nodes[blocks[:, L.B_NODE], L.N_ROW] >= 0).any():
        return
    counts = np.zeros((nodes.shape[0], 6))
    is_counted = np.zeros(nodes.shape[0], np.bool_)
    for b in range(blocks.shape[0]):
        node = blocks[b, L.B_NODE]
        row = nodes[node, L.N_ROW]
        if row < 0:
            continue
        count = counts[_table_of(nodes, row)]
        size = blocks[b, L.B_CHARS] + _CELL_MARK
        count[_T_ROWS] += not is_counted[row]
        is_counted[row] = True
        count[_T_BLOCKS] += 1
        count[_T_CELLS] += _is_cell(nodes, node) or _is_cell(nodes, nodes[node, L.N_PARENT])
        count[_T_KEPT] += scores[b] > threshold
        count[_T_SIZE] += size
        count[_T_SCORE] += scores[b] * size
    for b in range(blocks.shape[0]):
        row = nodes[blocks[b, L.B_NODE], L.N_ROW]
        if row < 0:
            continue
        count = counts[_table_of(nodes, row)]
        if (
            count[_T_KEPT] > 0
            and count[_T_ROWS] >= _MIN_ROWS
            and count[_T_BLOCKS] >= _MIN_CELLS * count[_T_ROWS]
            and count[_T_SIZE] <= _MAX_CELL * count[_T_BLOCKS]
            and count[_T_CELLS] >= _CELL_SHARE * count[_T_BLOCKS]
            and count[_T_SCORE] > _MIN_MEAN * count[_T_SIZE]
        ):
            scores[b] = 1


@kernel
def _is_beside(nodes: np.ndarray, one: int, other: int) -> bool:
    """Whether the element around `other`, or that around it, is `one` or one of the two elements around that."""
    around = nodes[other, L.N_PARENT]
    for _ in range(2):
        if around < 0:
            return False
        node = one
        for _ in range(3):
            if node == around:
                return True
            node = max(0, nodes[node, L.N_PARENT])
        around = nodes[around, L.N_PARENT]
    return False


@entry
def keep_between(blocks: np.ndarray, nodes: np.ndarray, scores: np.ndarray, threshold: float) -> None:
    """Keep what has a form of its own and stands between kept blocks: see _MIN_BETWEEN."""
    first = -1  # the last block that is kept
    for last in range(blocks.shape[0]):
        if scores[last] <= threshold:
            continue
        num = last - first - 1
        if first >= 0 and 0 < num <= _MAX_BETWEEN:
            total, chars, linked = 0.0, 0, 0
            is_formed = True
            for b in range(first + 1, last):
                flags = nodes[blocks[b, L.B_INNER], L.N_FLAGS]
                is_formed = is_formed and flags & _FORMED != 0 and flags & ASIDE == 0
                total += scores[b]
                chars += blocks[b, L.B_CHARS]
                linked += blocks[b, L.B_LINK_CHARS]
            if (
                is_formed
                and total >= _MIN_BETWEEN * num
                and linked <= _MAX_LINKED * chars
                and _is_beside(nodes, blocks[first, L.B_NODE], blocks[last, L.B_NODE])
            ):
                scores[first + 1 : last] = 1
        first = last


@kernel
def _outer_lists(nodes: np.ndarray) -> np.ndarray:
    """For each element, the outermost list that it is or stands in; -1 where it stands in none."""
    outer = np.full(nodes.shape[0], -1, np.int32)
    for node in range(1, nodes.shape[0]):
        outer[node] = outer[nodes[node, L.N_PARENT]]
        if outer[node] < 0 and (nodes[node, L.N_TAG] == _UL or nodes[node, L.N_TAG] == _OL):
            outer[node] = node
    return outer


@kernel
def _is_announced(
    blocks: np.ndarray, nodes: np.ndarray, scores: np.ndarray, threshold: float, first: int, list_: int
) -> bool:
    """Whether the block before a list is kept, ends with a colon, and stands beside the list."""
    if first == 0 or scores[first - 1] <= threshold:
        return False
    last = blocks[first - 1, L.B_LAST]
    if last != _COLON and last != _WIDE_COLON:
        return False
    before = blocks[first - 1, L.B_NODE]
    around = nodes[list_, L.N_PARENT]
    return bool(around == before or around == nodes[before, L.N_PARENT])


@entry
def keep_lists(blocks: np.ndarray, nodes: np.ndarray, scores: np.ndarray, threshold: float) -> None:
    """Keep what is left of lists: see _MAX_REST."""
    outer = _outer_lists(nodes)
    count = blocks.shape[0]
    stop = 0
    while stop < count:
        first, list_ = stop, outer[blocks[stop, L.B_NODE]]
        stop += 1
        while stop < count and outer[blocks[stop, L.B_NODE]] == list_:
            stop += 1
        if list_ < 0:
            continue
        num_rest, total, least, chars, linked = 0, 0.0, 1.0, 0, 0
        are_items = True
        for b in range(first, stop):
            chars += blocks[b, L.B_CHARS]
            linked += blocks[b, L.B_LINK_CHARS]
            are_items = are_items and nodes[blocks[b, L.B_INNER], L.N_FLAGS] & (ASIDE | L.IN_HEADING) == 0
            if scores[b] <= threshold:
                num_rest += 1
                total += scores[b]
                least = min(least, scores[b])
                is_item = nodes[blocks[b, L.B_NODE], L.N_TAG] == _LI and blocks[b, L.B_CHARS] <= _MAX_REST
                are_items = are_items and is_item
        if num_rest == 0 or not are_items or linked > _MAX_LINKED * chars:
            continue
        if total < _MIN_REST * num_rest or least < _MIN_EACH:
            continue
        if num_rest == stop - first and not _is_announced(blocks, nodes, scores, threshold, first, list_):
            continue
        for b in range(first, stop):
            if scores[b] <= threshold:
                scores[b] = 1
