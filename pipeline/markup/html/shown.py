"""Kernels of the scanner for how an element is shown: what its role, style and class names say of it."""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import kernel
from pipeline.markup.html import formula_classes
from pipeline.markup.html import layout as L
from pipeline.markup.html.lexing import change_of_depth, find_value, words_say
from pipeline.markup.html.tables import FNV_OFFSET, FNV_PRIME, TAG, hashed

# Elements whose text is the numbers of lines, and those whose style sheets show spaces as they are, as highlighters and
# hosts of code name them.
_NUMBERS = (
    *("linenos", "linenodiv", "lineno", "linenumber", "linenumbers", "line-number", "line-numbers", "line_number"),
    *("line_numbers", "linenum", "line-num", "lineNumber", "lineNumbers", "lnum", "LineNr", "ln", "lnt", "lntd", "gl"),
    *("gutter", "rouge-gutter", "blob-num", "js-line-number", "diff-line-num", "hljs-ln-numbers", "hljs-ln-n"),
    *("line-numbers-rows", "react-syntax-highlighter-line-number", "code-line-number", "crayon-nums", "crayon-num"),
    *("CodeMirror-linenumber", "CodeMirror-gutter-wrapper", "ace_gutter-cell", "ace_gutter", "cm-gutterElement"),
    *("d2h-code-linenumber", "d2h-code-side-linenumber", "react-line-number", "code-gutter", "ln-num", "lines-num"),
)
_CODE = (
    *("blob-code", "blob-code-inner", "react-code-text", "react-file-line", "cm-line", "CodeMirror-line", "ace_line"),
    *("view-line", "crayon-line", "d2h-code-line-ctn", "hljs-ln-code", "code-line", "codeline"),
)
_REFERENCES = (
    *("reference", "footnote", "footnote-ref", "footnoteref", "footnote-reference", "fn", "citation", "noteref"),
)
FRACTIONS = ("frac", "sfrac", "fraction")
# Signatures of functions that are laid out as tables or lists; buttons beside code, and links to its source; lines of
# code, and what such lines stand in.
_SIGNATURES = ("memproto", "sig-object", "code-header")
_UNREAD = (
    *("viewcode-link", "srclink", "test-arrow", "copybtn", "copy-btn", "copy-button", "copybutton", "btn-copy"),
    *("btn-clipboard", "copy-code-button", "code-copy-button", "clipboard-button", "copy-to-clipboard-button"),
    *("zeroclipboard-container", "js-clipboard-copy", "hljs-copy-button", "copy-icon"),
    *("md-clipboard", "md-code__button"),
)
_LINES = ("line", "token-line", "hljs-line")
_CODE_BOXES = (
    *("highlight", "highlighter", "code", "codehilite", "codeblock", "sourcecode", "fragment", "syntaxhighlighter"),
    *("crayon", "hljs", "prism", "shiki", "snippet", "gist", "program", "programlisting", "terminal", "console"),
)
_BOX_KEYS, _BOX_VALUES = hashed(dict.fromkeys(_CODE_BOXES, 1))
_CLASSES = {
    **dict.fromkeys(sorted(formula_classes.ALL), L.SAYS_FORMULA),
    **dict.fromkeys(_NUMBERS, L.SAYS_NUMBERS),
    **dict.fromkeys(_CODE, L.SAYS_CODE),
    **dict.fromkeys(FRACTIONS, L.SAYS_FRACTION),
    **dict.fromkeys(_REFERENCES, L.SAYS_REFERENCE),
    **dict.fromkeys(_SIGNATURES, L.SAYS_SIGNATURE),
    **dict.fromkeys(_UNREAD, L.SAYS_UNREAD),
    **dict.fromkeys(_LINES, L.SAYS_LINE),
    "src": L.SAYS_SOURCE,
}
_CLASS_KEYS, _CLASS_VALUES = hashed(_CLASSES)
# https://www.w3.org/TR/wai-aria-1.2/#role_definitions
_ROLES = {
    **dict.fromkeys(("table", "grid", "treegrid"), TAG["table"]),
    **dict.fromkeys(("cell", "gridcell"), TAG["td"]),
    **dict.fromkeys(("columnheader", "rowheader"), TAG["th"]),
    **{"row": TAG["tr"], "rowgroup": TAG["tbody"], "list": TAG["ul"], "listitem": TAG["li"], "heading": TAG["h2"]},
    **{"superscript": TAG["sup"], "subscript": TAG["sub"], "paragraph": TAG["p"], "blockquote": TAG["blockquote"]},
}
_ROLE_KEYS, _ROLE_VALUES = hashed(_ROLES)
_STYLES = {
    "display:none": L.SAYS_HIDDEN,
    "visibility:hidden": L.SAYS_HIDDEN,
    "content-visibility:hidden": L.SAYS_HIDDEN,
    "white-space:pre": L.SAYS_SPACES,
    "white-space:pre-wrap": L.SAYS_SPACES | L.SAYS_LINES,
    "white-space:break-spaces": L.SAYS_SPACES,
    "white-space:pre-line": L.SAYS_LINES,
    **dict.fromkeys((f"display:{kind}" for kind in ("block", "flex", "grid", "table", "list-item")), L.SAYS_BLOCK),
    "vertical-align:super": L.SAYS_SUP,
    "vertical-align:sub": L.SAYS_SUB,
    **dict.fromkeys((f"{vendor}user-select:none" for vendor in ("", "-webkit-", "-moz-", "-ms-")), L.SAYS_NUMBERS),
}
_STYLE_KEYS, _STYLE_VALUES = hashed(_STYLES)
_COLON = np.uint64(58)
_MAX_NUMBERS = 1 << 16  # bytes of a gutter


@kernel
def role_tag(data: np.ndarray, start: int, end: int) -> int:
    """The tag that an element with this role is shown as; 0 where the role says nothing of that."""
    while start < end and data[start] <= 32:
        start += 1
    key = FNV_OFFSET
    while start < end and data[start] > 32:
        key = (key ^ np.uint64(data[start] | 32)) * FNV_PRIME
        start += 1
    return int(max(0, find_value(_ROLE_KEYS, _ROLE_VALUES, key)))


@kernel
def style_says(data: np.ndarray, start: int, end: int) -> int:
    """What a style attribute says (bits): property and first word of the value of each declaration are looked up."""
    says = 0
    place = start
    while place < end:
        key = FNV_OFFSET
        while place < end and data[place] != 58 and data[place] != 59:
            if data[place] > 32:
                key = (key ^ np.uint64(data[place] | 32)) * FNV_PRIME
            place += 1
        if place < end and data[place] == 58:
            key = (key ^ _COLON) * FNV_PRIME
            place += 1
            while place < end and data[place] <= 32:
                place += 1
            while place < end and data[place] > 32 and data[place] != 59 and data[place] != 33:
                key = (key ^ np.uint64(data[place] | 32)) * FNV_PRIME
                place += 1
            found = find_value(_STYLE_KEYS, _STYLE_VALUES, key)
            if found > 0:
                says |= found
            while place < end and data[place] != 59:
                place += 1
        place += 1
    return says


@kernel
def read_class(data: np.ndarray, start: int, end: int, shape: np.uint64) -> tuple[int, np.uint64]:
    """What a class attribute says (bits), by its words, and `shape` with the attribute hashed into it.

    Digits are left out of the hash, so that `post-17` and `post-18` are alike.
    """
    says = 0
    key = FNV_OFFSET
    first = start
    for place in range(start, end):
        byte = data[place]
        if not 48 <= byte <= 57:
            shape = (shape ^ np.uint64(byte)) * FNV_PRIME
        if byte > 32:
            key = (key ^ np.uint64(byte)) * FNV_PRIME
            if place + 1 < end:
                continue
            place += 1
        if place > first:
            found = find_value(_CLASS_KEYS, _CLASS_VALUES, key)
            if found > 0:
                says |= found
            if data[first] in (115, 118) and _is_for_readers(data, first, place):
                says |= L.SAYS_HIDDEN
        key = FNV_OFFSET
        first = place + 1
    return says, shape


@kernel
def _is_for_readers(data: np.ndarray, start: int, end: int) -> bool:
    """Whether a class word says that the element is for screen readers only, by the names of the usual styles."""
    if end - start < 7:
        return False
    if data[start] == 115:  # sr-only, screen-reader
        return bool(
            (data[start + 1] == 114 and data[start + 2] == 45 and data[start + 3] == 111)
            or (end - start >= 13 and data[start + 6] == 45 and data[start + 7] == 114 and data[start + 12] == 114)
        )
    # visually-hidden, visuallyhidden, visuallyHidden
    return bool(
        end - start >= 14 and data[start + 7] == 121 and (data[start + 8] | 32 == 104 or data[start + 9] | 32 == 104)
    )


@kernel
def is_in_code(data: np.ndarray, stack: np.ndarray, depth: int) -> bool:
    """Whether one of the two innermost open elements is a box for code, by its tag."""
    for place in range(max(1, depth - 1), depth + 1):
        if words_say(data, stack[place, 6], _BOX_KEYS, _BOX_VALUES):
            return True
    return False


@kernel
def end_of_numbers(data: np.ndarray, place: int, name_start: int, name_end: int) -> int:
    """0 where an element's content, from `place` on, is numbers of lines alone; else the place of other text."""
    end = min(data.size, place + _MAX_NUMBERS)
    depth = 1
    while place < end:
        byte = data[place]
        if byte == 60:
            change = change_of_depth(data, place, end, name_start, name_end)
            depth += change
            if depth == 0 or (change > 0 and name_end - name_start == 2):  # <td>, <li>: the next ends it
                return 0
            while place < end and data[place] != 62:
                place += 1
        elif byte == 38 and place + 1 < end and (data[place + 1] == 110 or data[place + 1] == 35):  # &nbsp; &#160;
            while place < end and data[place] != 59 and data[place] > 32 and data[place] != 60:
                place += 1
            if place >= end or data[place] != 59:
                return place
        elif not (48 <= byte <= 58 or byte <= 32 or byte in (0xC2, 0xA0, 43, 45, 46, 124)):
            return place
        place += 1
    return place
