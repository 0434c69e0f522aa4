"""Kernels of the scanner for elements: opening one, closing them down to one."""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import kernel
from pipeline.markup.html import layout as L
from pipeline.markup.html.tables import TAG
from pipeline.markup.html.tags import NO_NUMBER

_A, _LI, _UL, _OL, _TABLE, _TR = (TAG[name] for name in ("a", "li", "ul", "ol", "table", "tr"))


@kernel
def grown(rows: np.ndarray) -> np.ndarray:
    """The rows with room for as many more."""
    larger = np.empty((rows.shape[0] * 2, rows.shape[1]), rows.dtype)
    for row in range(rows.shape[0]):  # in loops: an assignment of slices takes five seconds to compile
        for column in range(rows.shape[1]):
            larger[row, column] = rows[row, column]
    return larger


@kernel
def close_elements(place: int, state: np.ndarray, stack: np.ndarray, last: np.ndarray) -> bool:
    """Close elements down to a place of the stack; whether one of them was shown as a block."""
    depth = state[L.S_DEPTH]
    ends_block = False
    while depth >= place and depth > 0:
        closed = stack[depth, 1]
        if stack[depth, 3] == depth:
            ends_block = True
        state[L.S_DUE] += stack[depth, 4]
        last[closed] = stack[depth, 2]
        depth -= 1
    state[L.S_DEPTH] = depth
    if state[L.S_LINK_DEPTH] > depth:
        state[L.S_LINK] = -1
        state[L.S_LINK_SKIP] = 0
    return ends_block


@kernel
def open_element(
    tag: int, name: int, start: int, shown: int, is_block: bool, due: int, flags: int, shape: np.uint64, is_link: bool,
    number: int, style: int, state: np.ndarray, nodes: np.ndarray, stack: np.ndarray, last: np.ndarray,
    blocks: np.ndarray,
) -> None:  # fmt: skip
    """Add an element inside the innermost open one. Links are not put on the stack: they end where `</a>` is.

    name, start: the hash of the tag's name, and where it stands. shown: the tag of an element that is shown as this
    one is. due: what is written where it ends (`scripts.py`).
    """
    node, current, depth = state[L.S_NODES], state[L.S_CURRENT], state[L.S_DEPTH]
    state[L.S_NODES] = node + 1
    nodes[node, L.N_TAG] = shown
    nodes[node, L.N_PARENT] = current
    nodes[node, L.N_FLAGS] = state[L.S_FLAGS] | flags
    nodes[node, L.N_SHAPE] = np.int64(shape >> np.uint64(33))
    nodes[node, L.N_ROW] = -1 if shown == _TABLE else node if shown == _TR else nodes[current, L.N_ROW]
    nodes[node, L.N_ITEM] = node if shown == _LI else nodes[current, L.N_ITEM]
    nodes[node, L.N_LISTS] = nodes[current, L.N_LISTS] + (shown in (_UL, _OL))
    nodes[node, L.N_DEPTH] = nodes[current, L.N_DEPTH] + 1
    nodes[node, L.N_NUMBER] = nodes[node, L.N_STYLE] = 0
    if tag == _A:
        state[L.S_LINK] = node if is_link else -1
        state[L.S_LINK_DEPTH] = depth
        state[L.S_LINK_SKIP] = flags & L.IN_SKIP != 0
        if state[L.S_OPEN] and is_link:
            blocks[state[L.S_BLOCKS], L.B_LINKS] += 1
        return
    if shown == _OL:
        if number != NO_NUMBER:
            nodes[node, L.N_NUMBER] = number + (1 if style & L.LIST_REVERSED else -1)
        nodes[node, L.N_STYLE] = style | (L.LIST_FROM_END if style & L.LIST_REVERSED and number == NO_NUMBER else 0)
    elif shown == _LI and nodes[current, L.N_TAG] == _OL:
        if number == NO_NUMBER:
            number = nodes[current, L.N_NUMBER] + (-1 if nodes[current, L.N_STYLE] & L.LIST_REVERSED else 1)
        nodes[node, L.N_NUMBER] = nodes[current, L.N_NUMBER] = number
    depth += 1
    stack[depth, 0] = node
    stack[depth, 1] = tag
    stack[depth, 2] = last[tag]
    stack[depth, 3] = depth if is_block else (stack[depth - 1, 3] if depth > 1 else -1)
    stack[depth, 4] = due
    stack[depth, 5] = name
    stack[depth, 6] = start
    last[tag] = depth
    state[L.S_DEPTH] = depth
    state[L.S_CURRENT] = node
    state[L.S_FLAGS] |= flags
    state[L.S_AFTER_PRE] = flags & L.IN_PRE != 0
