"""Kernels of the scanner for tags: what a tag's attributes say, and which open elements it closes.

The rules are those of the HTML standard in the cases that pages hold: implied end tags of paragraphs, list items, cells
and rows, scopes that end tags do not reach beyond. An end tag is looked up, not searched for, so nesting costs nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.compiled.cache import kernel
from pipeline.markup.html.layout import (
    ARIA_HIDDEN,
    HIDDEN,
    LIST_REVERSED,
    MET_FORMULA,
    MET_SHADOW,
    MET_STREAMED,
    SAYS_HIDDEN,
)
from pipeline.markup.html.lexing import add_words, find_byte, read_number
from pipeline.markup.html.pictures import address_is_formula, alt_is_formula, class_is_formula, type_is_formula
from pipeline.markup.html.shown import read_class, role_tag, style_says
from pipeline.markup.html.tables import BLOCK, CLOSES_P, FNV_OFFSET, FNV_PRIME, TAG, fnv

MAX_ATTRIBUTE = 300  # bytes of a class or id that are looked at
PAIRS_OF_TAG = 2 * MAX_ATTRIBUTE
NO_NUMBER = -(1 << 30)
_MAX_UNKNOWN = 16  # open elements of unknown names that an end tag is compared with
NO_LINK, TO_PAGE, TO_PLACE = 0, 1, 2
# How closely attributes are looked at: only where they end, all, or only for a formula, of a picture or a script.
ONLY_END, ALL, OF_PICTURE, OF_SCRIPT = range(4)

_P, TAG_A, _LI, _UL, _OL, _DL, _DT, _DD = (TAG[name] for name in ("p", "a", "li", "ul", "ol", "dl", "dt", "dd"))
_MENU, _DIR = TAG["menu"], TAG["dir"]
_TABLE, _TR, _TD, _TH, _CAPTION = (TAG[name] for name in ("table", "tr", "td", "th", "caption"))
_THEAD, _TFOOT, _H1, _H2, _H6, TAG_BR = (TAG[name] for name in ("thead", "tfoot", "h1", "h2", "h6", "br"))
_SVG, _MATH, _IMG, _HTML, _HEAD, _BODY = (TAG[name] for name in ("svg", "math", "img", "html", "head", "body"))
_FORM, _TEMPLATE = TAG["form"], TAG["template"]
_CLASS, _ID, _STYLE, _HREF, _HIDDEN, _ARIA, _ROLE, _ITEMPROP, _REL = (
    np.uint64(fnv(name))
    for name in ("class", "id", "style", "href", "hidden", "aria-hidden", "role", "itemprop", "rel")
)
_START, _VALUE, _TYPE, _REVERSED, _LEVEL, _SHADOW, _ALT, _MATHML = (
    np.uint64(fnv(name))
    for name in ("start", "value", "type", "reversed", "aria-level", "shadowrootmode", "alt", "data-mathml")
)
# A picture that is loaded when it is scrolled to has its address in another attribute.
_ADDRESSES = tuple(np.uint64(fnv(name)) for name in ("src", "data-src", "data-lazy-src", "data-original"))


@kernel
def read_attributes(
    data: np.ndarray, i: int, look: int, shape: np.uint64, pairs: np.ndarray, num_pairs: int, node: int,
    class_keys: np.ndarray, class_values: np.ndarray, seen_keys: np.ndarray, seen_values: np.ndarray,
) -> tuple[int, int, bool, int, np.uint64, int, int, int, int, int, int]:  # fmt: skip
    """Read what stands between a tag's name and its `>`, where the first place goes.

    Then: whether there is an address in `href` (TO_PAGE, TO_PLACE on the page), whether the tag closes itself, flags
    of the element, the hash of tag and class, the number of `pairs` with the known words of the attributes, of a
    list or item its number (NO_NUMBER: none) and style, the tag that its role makes of it (0: none), what its classes
    and style say (`shown.py`), and what of it only `rewrite.py` reads. `look`: ONLY_END, ALL, OF_PICTURE or
    OF_SCRIPT. `pairs` must have room for PAIRS_OF_TAG more.
    """
    end = data.size
    closes_itself = False
    link = NO_LINK
    own_flags = style = role = level = says = met = 0
    number: Any = np.int64(NO_NUMBER)
    pairs_end = num_pairs + MAX_ATTRIBUTE
    while i < end:
        byte = data[i]
        if byte <= 32 or byte == 47:
            closes_itself = byte == 47
            i += 1
            continue
        if byte == 62:
            break
        key = FNV_OFFSET
        first = i
        while i < end:
            byte = data[i]
            if byte <= 32 or byte == 62 or byte == 47 or (byte == 61 and i > first):
                break
            if 65 <= byte <= 90:
                byte |= 32
            key = (key ^ np.uint64(byte)) * FNV_PRIME
            i += 1
        while i < end and data[i] <= 32:
            i += 1
        value_start = value_end = i
        if i < end and data[i] == 61:
            i += 1
            while i < end and data[i] <= 32:
                i += 1
            if i < end and (data[i] == 34 or data[i] == 39):
                quote = data[i]
                value_start = i + 1
                value_end = find_byte(data, value_start, quote)
                i = value_end + 1
            else:
                value_start = i
                while i < end and data[i] > 32 and data[i] != 62:
                    i += 1
                value_end = i
        closes_itself = False
        if look == OF_SCRIPT:
            if key == _TYPE and type_is_formula(data, value_start, value_end):
                met = MET_FORMULA
        elif look == OF_PICTURE:
            stop = min(value_end, value_start + MAX_ATTRIBUTE)
            if (
                (key == _CLASS and class_is_formula(data, value_start, stop))
                or (key in _ADDRESSES and address_is_formula(data, value_start, stop))
                or (key == _ALT and alt_is_formula(data, value_start, value_end))
                or key == _MATHML
            ):
                met = MET_FORMULA
        elif look == ALL:
            if key in (_CLASS, _ID, _ROLE, _ITEMPROP, _REL):
                value_end = min(value_end, value_start + MAX_ATTRIBUTE)
                if num_pairs < pairs_end:
                    num_pairs = add_words(
                        data, value_start, value_end, class_keys, class_values, seen_keys, seen_values,
                        pairs, num_pairs, node,
                    )  # fmt: skip
                if key == _CLASS:
                    class_says, shape = read_class(data, value_start, value_end, shape)
                    says |= class_says
                elif key == _ID:
                    if value_end > value_start + 2 and data[value_start] == 83 and data[value_start + 1] == 58:  # S:
                        met |= MET_STREAMED
                elif key == _ROLE:
                    role = role_tag(data, value_start, value_end)
            elif key == _HREF:
                if value_end > value_start:
                    link = TO_PLACE if data[value_start] == 35 else TO_PAGE
            elif key == _STYLE:
                says |= style_says(data, value_start, value_end)
            elif key == _HIDDEN:
                if value_start >= value_end or data[value_start] | 32 != 117:  # until-found: searching shows it
                    own_flags |= HIDDEN
            elif key == _ARIA and value_start < value_end and data[value_start] | 32 == 116:
                own_flags |= ARIA_HIDDEN
            elif key in (_START, _VALUE):
                number = read_number(data, value_start, value_end, number)
            elif key == _TYPE and value_end == value_start + 1:
                style |= np.int64(data[value_start])  # type: ignore[assignment]
            elif key == _REVERSED:
                style |= LIST_REVERSED
            elif key == _LEVEL:
                level = read_number(data, value_start, value_end, 0)
            elif key == _SHADOW:
                met |= MET_SHADOW
    if says & SAYS_HIDDEN:
        own_flags |= HIDDEN
    if role == _H2 and level:
        role = _H1 - 1 + min(6, max(1, level))
    return i, link, closes_itself, own_flags, shape, num_pairs, number, style, role, says, met


@kernel
def place_to_close(
    tag: int, name: int, kind: int, is_end: bool, last: np.ndarray, stack: np.ndarray, depth: int
) -> tuple[int, bool]:
    """Down to which place of the stack a tag closes elements (-1: none), and whether it ends the block before it.

    `last` has the place of the innermost element of each tag; for a row of `stack` see `scan.py`. name: the hash of the
    tag's name, by which elements are told apart whose tag has no number.
    """
    close_to = -1
    ends_block = False
    barrier = max(last[_TD], last[_TH], last[_CAPTION], last[_TABLE], last[_TEMPLATE])
    if is_end:
        place = last[tag] if tag else -1
        if tag in (TAG_A, TAG_BR):
            return -1, False
        if tag == 0:  # those that a block stands around are not reached
            place = last[0]
            for _ in range(_MAX_UNKNOWN):
                if place < 0 or stack[place, 5] == name:
                    break
                place = stack[place, 2]
            if place >= 0 and stack[place, 5] != name:
                return -1, False
        if _H1 <= tag <= _H6:
            for heading in range(_H1, _H6 + 1):
                place = max(place, last[heading])
            ends_block = True
            if place > barrier:
                close_to = place
        elif tag == _TABLE:
            close_to = place
        elif tag in (_TD, _TH, _TR, _CAPTION) or _THEAD <= tag <= _TFOOT:
            if place > last[_TABLE]:
                close_to = place
        elif tag == _LI:
            if place > max(barrier, last[_UL], last[_OL]):
                close_to = place
        elif tag == _FORM:
            if place == depth and depth > 0:
                close_to = place
        elif kind & BLOCK:
            ends_block = tag == _P
            if place > barrier or (tag == _TEMPLATE and place > 0):
                close_to = place
        elif place >= 0 and place >= (stack[depth, 3] if depth else -1):
            close_to = place
    elif tag != _HTML and tag != _HEAD and tag != _BODY:
        if kind & CLOSES_P and last[_P] > barrier:
            close_to = last[_P]
        if tag == _LI:
            if last[_LI] > max(barrier, last[_UL], last[_OL], last[_MENU], last[_DIR]):
                close_to = last[_LI]
        elif tag in (_DT, _DD):
            place = max(last[_DT], last[_DD])
            if place > max(barrier, last[_DL]):
                close_to = place
        elif tag == _TR or _THEAD <= tag <= _TFOOT:
            place = last[_TR]
            if tag != _TR:
                for group in range(_THEAD, _TFOOT + 1):
                    if last[group] > last[_TABLE]:
                        place = last[group]
            if place > last[_TABLE]:
                close_to = place
            elif max(last[_TD], last[_TH]) > last[_TABLE]:
                close_to = max(last[_TD], last[_TH])
        elif tag in (_TD, _TH):
            place = max(last[_TD], last[_TH])
            if place > max(last[_TABLE], last[_TR]):
                close_to = place
        elif _H1 <= tag <= _H6 and depth and _H1 <= stack[depth, 1] <= _H6:
            close_to = depth
    return close_to, ends_block
