"""Kernel of the scanner that reads a tag: what it closes, opens, and where the text after it begins."""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import kernel
from pipeline.markup.html import layout as L
from pipeline.markup.html.elements import close_elements, open_element
from pipeline.markup.html.lexing import end_of_raw_text, find_value, is_copy, is_leaf, is_mark
from pipeline.markup.html.panels import opens
from pipeline.markup.html.scripts import LINE_DUE, begin_script, write_due, write_line_end, write_script
from pipeline.markup.html.shown import end_of_numbers, is_in_code
from pipeline.markup.html.tables import BLOCK, FNV_OFFSET, FNV_PRIME, INLINE, RAW, TAG, VOID
from pipeline.markup.html.tags import (
    ALL,
    NO_LINK,
    OF_PICTURE,
    OF_SCRIPT,
    ONLY_END,
    TO_PLACE,
    place_to_close,
    read_attributes,
)
from pipeline.markup.html.text import end_block

MAX_NODES = 1 << 20  # elements beyond these are not told apart; their text is
MAX_BLOCKS = 1 << 17  # what comes after them is one block of many lines
_A, _LI, _UL, _OL, _TABLE, _TR = (TAG[name] for name in ("a", "li", "ul", "ol", "table", "tr"))
_BR, _TITLE, _SVG, _MATH, _IMG = (TAG[name] for name in ("br", "title", "svg", "math", "img"))
_HTML, _HEAD, _BODY, _PLAINTEXT, _XMP = (TAG[name] for name in ("html", "head", "body", "plaintext", "xmp"))
_SCRIPT, _NOSCRIPT, _SUP, _SUB, _DIV, _PRE = (TAG[name] for name in ("script", "noscript", "sup", "sub", "div", "pre"))
_MML, _M_MATH, _MATHJAX, _BUTTON, _MAIN, _LABEL, _SPAN = (
    TAG[name] for name in ("mml:math", "m:math", "mjx-container", "button", "main", "label", "span")
)


@kernel
def read_tag(
    data: np.ndarray, i: int, state: np.ndarray, text: np.ndarray, blocks: np.ndarray, nodes: np.ndarray,
    pairs: np.ndarray, stack: np.ndarray, last: np.ndarray, tags: np.ndarray, tag_keys: np.ndarray,
    tag_values: np.ndarray, tag_kinds: np.ndarray, tag_flags: np.ndarray, class_keys: np.ndarray,
    class_values: np.ndarray, seen_keys: np.ndarray, seen_values: np.ndarray, text_keys: np.ndarray,
    text_values: np.ndarray, entity_keys: np.ndarray, entity_values: np.ndarray, entity_characters: np.ndarray,
    low_characters: np.ndarray,
) -> int:  # fmt: skip
    """Read the tag at `i` (its `<`), and the content of an element of raw text; returns where it stopped."""
    end = data.size
    tag_start = i
    is_end = data[i + 1] == 47
    i += 2 if is_end else 1
    name_start = i
    key = FNV_OFFSET
    while i < end:
        byte = np.int64(data[i])
        if byte <= 32 or byte == 62 or byte == 47:
            break
        if 65 <= byte <= 90:
            byte |= 32
        key = (key ^ np.uint64(byte)) * FNV_PRIME
        i += 1
    name_end = i
    tag = max(0, find_value(tag_keys, tag_values, key))
    kind = np.int64(tag_kinds[tag])
    look = ONLY_END if is_end or kind & (VOID | RAW) != 0 else ALL
    if not is_end and tag in (_IMG, _SCRIPT):
        look = OF_PICTURE if tag == _IMG else OF_SCRIPT
    i, link, closes_itself, own_flags, shape, num_pairs, number, style, shown, says, met = read_attributes(
        data, i, look, key, pairs, state[L.S_PAIRS], state[L.S_NODES], class_keys, class_values, seen_keys, seen_values
    )
    if i >= end:
        return end  # the page ends inside a tag, which is then none
    i += 1
    state[L.S_MET] |= met
    line = 0
    if shown == 0 or tag == _A or _TABLE <= tag <= _PRE or (shown == _UL and tag in (_UL, _OL)):
        shown = tag  # no role changes what is a table, a heading, code, or a list of numbers
        if kind & BLOCK == 0 and tag != _A:
            if says & L.SAYS_BLOCK and state[L.S_FLAGS] & L.IN_PRE:
                line = LINE_DUE
            elif says & L.SAYS_BLOCK:
                shown = _DIV
            elif says & (L.SAYS_SUP | L.SAYS_SUB):
                shown = _SUP if says & L.SAYS_SUP else _SUB
    is_block = (kind | np.int64(tag_kinds[shown])) & BLOCK != 0
    is_inline = kind & INLINE != 0
    if own_flags & (L.HIDDEN | L.ARIA_HIDDEN) and tag == 0 and state[L.S_FLAGS] & L.IN_SKIP == 0:
        is_inline = is_leaf(data, i)  # of an unknown name: an icon
        is_block = not is_inline  # its text does not join with that around it
    if tag == _BR:
        state[L.S_BREAKS] += 1
    elif is_end and tag == _A:
        state[L.S_LINK] = -1
        state[L.S_LINK_SKIP] = 0
    name = np.int64(key >> np.uint64(33))
    close_to, ends_block = place_to_close(tag, name, kind, is_end, last, stack, state[L.S_DEPTH])  # type: ignore[arg-type]
    if close_to >= 0:
        ends_block = close_elements(close_to, state, stack, last) or ends_block
        state[L.S_CURRENT] = stack[state[L.S_DEPTH], 0]
        state[L.S_FLAGS] = nodes[state[L.S_CURRENT], L.N_FLAGS]
        if state[L.S_DUE]:
            write_due(state, text)
        if state[L.S_FRACTION] >= i and tag == _SUP and is_end:
            write_script(47, state, text)  # /
            i = state[L.S_FRACTION]
    is_break = tag == _BR
    if (is_block or is_break) and state[L.S_FLAGS] & L.IN_SIGNATURE:
        state[L.S_PENDING] |= L.SPACE
        is_block = is_break = False
        shown = _SPAN
    elif tag in (_BUTTON, _LABEL):
        state[L.S_PENDING] |= L.BOX_EDGE
    ends_block = ends_block or is_block
    if state[L.S_OPEN] and (ends_block or is_break):
        if state[L.S_BLOCKS] < MAX_BLOCKS:
            end_block(blocks, state, text, text_keys, text_values)
        else:
            text[state[L.S_OUT]] = 10
            state[L.S_OUT] += 1
            state[L.S_PENDING] = 0
    if ends_block or is_break:
        state[L.S_GAP] = 0
    if ends_block:
        state[L.S_BREAKS] = 0
    if tag in (_PLAINTEXT, _XMP):
        state[L.S_MET] |= L.MET_RAW
    elif tag == _NOSCRIPT:
        state[L.S_MET] |= L.MET_NOSCRIPT
    elif tag in (_MATH, _MML, _M_MATH, _MATHJAX) or says & L.SAYS_FORMULA:
        state[L.S_MET] |= L.MET_FORMULA
    if state[L.S_TAGS] >= 0:
        row = state[L.S_TAGS]
        tags[row, L.T_OUT], tags[row, L.T_AT] = state[L.S_OUT], tag_start
        tags[row, L.T_TAG], tags[row, L.T_NODE] = -tag if is_end else tag, state[L.S_NODES]
        state[L.S_TAGS] = row + 1
    if is_end or tag in (_BR, _HTML, _HEAD, _BODY, _PLAINTEXT):
        return i
    if kind & VOID:
        state[L.S_IMAGES] += tag == _IMG
        return i
    is_foreign = last[_SVG] >= 0 or last[_MATH] >= 0
    if kind & RAW and not is_foreign:
        stop = end_of_raw_text(data, i, name_start, name_end)
        if tag == _TITLE and state[L.S_TITLE_START] < 0:
            state[L.S_TITLE_START], state[L.S_TITLE_END] = i, stop
        return int(stop)
    if (closes_itself and (tag == 0 or is_foreign)) or state[L.S_NODES] >= MAX_NODES:
        return i
    state[L.S_PAIRS] = num_pairs
    if own_flags & (L.HIDDEN | L.ARIA_HIDDEN):
        if tag == _MAIN:
            own_flags &= ~(L.HIDDEN | L.ARIA_HIDDEN)  # shown by a script, or again when a dialog is closed
        elif opens(data, tag_start, is_inline, stack, state[L.S_DEPTH], state[L.S_FLAGS]):
            own_flags = own_flags & ~(L.HIDDEN | L.ARIA_HIDDEN) | L.UNTIL_CLICKED
    if (is_inline and own_flags & (L.HIDDEN | L.ARIA_HIDDEN)) or (link == TO_PLACE and is_mark(data, i)):
        own_flags |= L.IN_SKIP
    if tag == _BUTTON and (state[L.S_FLAGS] & L.IN_PRE or is_copy(data, i)):  # it copies the code
        own_flags |= L.IN_SKIP
    if says & L.SAYS_UNREAD or (says & L.SAYS_SOURCE and tag == _A):
        own_flags |= L.IN_SKIP
    own_flags |= np.int64(tag_flags[tag]) | np.int64(tag_flags[shown])  # type: ignore[assignment]
    is_seen = (state[L.S_FLAGS] | own_flags) & L.IN_SKIP == 0
    if says and is_seen:
        if says & L.SAYS_CODE:
            own_flags |= L.SPACES_SHOWN | L.IN_CODE
        if says & L.SAYS_SPACES:
            own_flags |= L.SPACES_SHOWN
        if says & L.SAYS_LINES:
            own_flags |= L.LINES_SHOWN
        if says & L.SAYS_SIGNATURE:
            own_flags |= L.IN_SIGNATURE
        if says & L.SAYS_LINE:
            if state[L.S_FLAGS] & L.IN_PRE:
                write_line_end(state, text)
            elif is_block and is_in_code(data, stack, state[L.S_DEPTH]):
                own_flags |= L.SPACES_SHOWN | L.IN_CODE
        if says & L.SAYS_FRACTION:
            state[L.S_MET] |= L.MET_FRACTION
        if says & L.SAYS_NUMBERS and i >= state[L.S_NO_GUTTER]:
            state[L.S_NO_GUTTER] = end_of_numbers(data, i, name_start, name_end)
            if state[L.S_NO_GUTTER] == 0:
                own_flags |= L.IN_SKIP
                is_seen = False
    due = line
    if line and state[L.S_OPEN]:
        write_line_end(state, text)
    if shown in (_SUP, _SUB) and is_seen and not says & L.SAYS_REFERENCE:
        due = begin_script(
            data, i, tag_start, name_start, name_end, shown == _SUP, state, text,
            entity_keys, entity_values, entity_characters, low_characters,
        )  # fmt: skip
        if text[max(0, state[L.S_OUT] - 1)] in (94, 95, 123):  # behind the mark stands no space
            while i < end and data[i] <= 32:
                i += 1
    open_element(
        tag, name, tag_start, shown, is_block, due, own_flags, shape, link != NO_LINK, number, style,
        state, nodes, stack, last, blocks,
    )  # fmt: skip
    return i
