"""Kernels of the scanner for elements: opening one, closing them down to one."""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import kernel
from pipeline.markup.html.layout import (
    B_LINKS,
    IN_PRE,
    IN_SKIP,
    LIST_FROM_END,
    LIST_REVERSED,
    N_DEPTH,
    N_FLAGS,
    N_ITEM,
    N_LISTS,
    N_NUMBER,
    N_PARENT,
    N_ROW,
    N_SHAPE,
    N_STYLE,
    N_TAG,
    S_AFTER_PRE,
    S_BLOCKS,
    S_CURRENT,
    S_DEPTH,
    S_DUE,
    S_FLAGS,
    S_LINK,
    S_LINK_DEPTH,
    S_LINK_SKIP,
    S_NODES,
    S_OPEN,
)
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
    depth = state[S_DEPTH]
    ends_block = False
    while depth >= place and depth > 0:
        closed = stack[depth, 1]
        if stack[depth, 3] == depth:
            ends_block = True
        state[S_DUE] += stack[depth, 4]
        last[closed] = stack[depth, 2]
        depth -= 1
    state[S_DEPTH] = depth
    if state[S_LINK_DEPTH] > depth:
        state[S_LINK] = -1
        state[S_LINK_SKIP] = 0
    return ends_block


@kernel
def open_element(
    tag: int,
    name: int,
    start: int,
    shown: int,
    is_block: bool,
    due: int,
    flags: int,
    shape: np.uint64,
    is_link: bool,
    number: int,
    style: int,
    state: np.ndarray,
    nodes: np.ndarray,
    stack: np.ndarray,
    last: np.ndarray,
    blocks: np.ndarray,
) -> None:
    """Add an element inside the innermost open one. Links are not put on the stack: they end where `</a>` is.

    name, start: the hash of the tag's name, and where it stands. shown: the tag of an element that is shown as this
    one is. due: what is written where it ends (`scripts.py`).
    """
    node, current, depth = state[S_NODES], state[S_CURRENT], state[S_DEPTH]
    state[S_NODES] = node + 1
    nodes[node, N_TAG] = shown
    nodes[node, N_PARENT] = current
    nodes[node, N_FLAGS] = state[S_FLAGS] | flags
    nodes[node, N_SHAPE] = np.int64(shape >> np.uint64(33))
    nodes[node, N_ROW] = -1 if shown == _TABLE else node if shown == _TR else nodes[current, N_ROW]
    nodes[node, N_ITEM] = node if shown == _LI else nodes[current, N_ITEM]
    nodes[node, N_LISTS] = nodes[current, N_LISTS] + (shown in (_UL, _OL))
    nodes[node, N_DEPTH] = nodes[current, N_DEPTH] + 1
    nodes[node, N_NUMBER] = nodes[node, N_STYLE] = 0
    if tag == _A:
        state[S_LINK] = node if is_link else -1
        state[S_LINK_DEPTH] = depth
        state[S_LINK_SKIP] = flags & IN_SKIP != 0
        if state[S_OPEN] and is_link:
            blocks[state[S_BLOCKS], B_LINKS] += 1
        return
    if shown == _OL:
        if number != NO_NUMBER:
            nodes[node, N_NUMBER] = number + (1 if style & LIST_REVERSED else -1)
        nodes[node, N_STYLE] = style | (LIST_FROM_END if style & LIST_REVERSED and number == NO_NUMBER else 0)
    elif shown == _LI and nodes[current, N_TAG] == _OL:
        if number == NO_NUMBER:
            number = nodes[current, N_NUMBER] + (-1 if nodes[current, N_STYLE] & LIST_REVERSED else 1)
        nodes[node, N_NUMBER] = nodes[current, N_NUMBER] = number
    depth += 1
    stack[depth, 0] = node
    stack[depth, 1] = tag
    stack[depth, 2] = last[tag]
    stack[depth, 3] = depth if is_block else (stack[depth - 1, 3] if depth > 1 else -1)
    stack[depth, 4] = due
    stack[depth, 5] = name
    stack[depth, 6] = start
    last[tag] = depth
    state[S_DEPTH] = depth
    state[S_CURRENT] = node
    state[S_FLAGS] |= flags
    state[S_AFTER_PRE] = flags & IN_PRE != 0
