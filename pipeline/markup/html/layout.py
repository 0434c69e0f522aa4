"""What the scanner gives: columns of its tables, flags of elements; and what it looks things up in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.markup.html import tables
from pipeline.markup.html.tables import TAG

# Columns of `nodes`. N_NUMBER is the number of an item of an ordered list, and the last number of such a list. N_STYLE
# of such a list is the byte of its `type` (0: none); LIST_REVERSED is added where it counts down, LIST_FROM_END where
# it counts down to 1: its numbers are -1, -2, ... then.
N_TAG, N_PARENT, N_FLAGS, N_SHAPE, N_ROW, N_ITEM, N_LISTS, N_DEPTH, N_NUMBER, N_STYLE = range(10)
NODE_COLUMNS = 10
LIST_REVERSED, LIST_FROM_END = 256, 512
# Columns of `blocks`. Characters are without white space; B_TEXT_WORDS is a set of bits; B_INDENT is the number of
# spaces that a browser shows before the first character, which stand before B_START.
B_START, B_END, B_NODE, B_INNER, B_CHARS, B_CJK, B_SPACES, B_LINK_CHARS, B_LINKS, B_COMMAS, B_ENDS = range(11)
B_DIGITS, B_UPPER, B_SIGNS, B_BOLD, B_FIRST, B_LAST, B_BREAKS, B_HASH, B_TEXT_WORDS, B_IMAGES, B_LETTERS = range(11, 22)
B_INDENT = 22
BLOCK_COLUMNS = 23

# What the scanner knows between two tokens: output bytes, numbers of rows, depth of the stack, the innermost element
# and its flags, the link that text is in and the depth it began at, whether a block is open and white space is due,
# line breaks and images since the last block, the last character, the title's place, whether `<pre>` just began,
# whether the link is one that nobody reads, columns of white space that code shows and that are due, braces and line
# ends that are due where elements end, where the `<sub>` of a fraction starts whose `<sup>` was read, up to where no
# gutter is, what the page holds for `rewrite.py` (a sum of MET_...), and rows of tags (-1: nobody asks for them).
S_OUT, S_BLOCKS, S_NODES, S_PAIRS, S_DEPTH, S_CURRENT, S_FLAGS, S_LINK, S_LINK_DEPTH, S_OPEN, S_PENDING = range(11)
S_BREAKS, S_IMAGES, S_LAST, S_TITLE_START, S_TITLE_END, S_AFTER_PRE, S_LINK_SKIP = range(11, 18)
S_GAP, S_DUE, S_FRACTION, S_NO_GUTTER, S_MET, S_TAGS = range(18, 24)
STATE_SIZE = 24
# Columns of tags: the place in the text that a tag stands at, and in the page; its number, that of an end tag below 0;
# and the number of the element that it opens if it opens one.
T_OUT, T_AT, T_TAG, T_NODE = range(4)
TAG_COLUMNS = 4
# White space that is due, in S_PENDING: a space; one with a line end in it; one that is a character of its own
# (no-break, ideographic), which no rule takes away; a zero-width space beside it, where a line end is nothing; and the
# edge of a box in a line (a button, a label), which parts words.
SPACE, LINE_END, FIXED_SPACE, BESIDE_BREAK, BOX_EDGE = 1, 2, 4, 8, 16
MET_FORMULA, MET_SHADOW, MET_RAW, MET_FRACTION, MET_NOSCRIPT, MET_STREAMED, MET_DELIMITERS = (
    1 << bit for bit in range(7)
)

# What an element is, or is in: flags of a node are those of its parent and its own.
HIDDEN, ARIA_HIDDEN, IN_SKIP, IN_PRE, IN_NAV, IN_HEADER, IN_FOOTER, IN_ASIDE, IN_FORM, IN_FIGURE = (
    1 << bit for bit in range(10)
)
IN_ARTICLE, IN_MAIN, IN_ITEM, IN_CELL, IN_QUOTE, IN_HEADING, IN_P, IN_BOLD, IN_CODE, IN_BUTTON = (
    1 << bit for bit in range(10, 20)
)
IN_ADDRESS, IN_DIALOG, IN_CAPTION, IN_DL, IN_TIME, IN_DETAILS = (1 << bit for bit in range(20, 26))
# Spaces and line ends are shown as they are; line ends are.
SPACES_SHOWN, LINES_SHOWN = (1 << bit for bit in range(26, 28))
# Hidden until somebody clicks (`panels.py`), so neither HIDDEN nor ARIA_HIDDEN: the panel of a tab, of an accordion.
UNTIL_CLICKED = 1 << 28
IN_SIGNATURE = 1 << 29  # of a function, one line whatever elements it is laid out with
# What styles and class names say of an element (`shown.py`), as bits.
SAYS_HIDDEN, SAYS_SPACES, SAYS_LINES, SAYS_BLOCK, SAYS_SUP, SAYS_SUB, SAYS_NUMBERS, SAYS_CODE, SAYS_FRACTION = (
    1 << bit for bit in range(9)
)
SAYS_REFERENCE, SAYS_FORMULA, SAYS_SIGNATURE, SAYS_UNREAD, SAYS_SOURCE, SAYS_LINE = (1 << bit for bit in range(9, 15))

_FLAG_OF_TAG = {
    "pre": IN_PRE, "listing": IN_PRE, "nav": IN_NAV, "header": IN_HEADER, "footer": IN_FOOTER, "aside": IN_ASIDE,
    "form": IN_FORM, "figure": IN_FIGURE, "article": IN_ARTICLE, "main": IN_MAIN, "li": IN_ITEM, "td": IN_CELL,
    "th": IN_CELL, "blockquote": IN_QUOTE, "h1": IN_HEADING, "h2": IN_HEADING, "h3": IN_HEADING, "h4": IN_HEADING,
    "h5": IN_HEADING, "h6": IN_HEADING, "p": IN_P, "b": IN_BOLD, "strong": IN_BOLD, "code": IN_CODE, "tt": IN_CODE,
    "kbd": IN_CODE, "samp": IN_CODE, "button": IN_BUTTON, "address": IN_ADDRESS, "dialog": IN_DIALOG,
    "figcaption": IN_CAPTION, "caption": IN_CAPTION, "dl": IN_DL, "time": IN_TIME, "details": IN_DETAILS,
    "svg": IN_SKIP, "template": IN_SKIP, "select": IN_SKIP, "datalist": IN_SKIP, "audio": IN_SKIP, "video": IN_SKIP,
    "canvas": IN_SKIP, "annotation": IN_SKIP, "annotation-xml": IN_SKIP, "map": IN_SKIP, "rt": IN_SKIP, "rp": IN_SKIP,
    "applet": IN_SKIP, "progress": IN_SKIP, "meter": IN_SKIP,
}  # fmt: skip


class Tables(NamedTuple):
    """What the scanner looks things up in."""

    tag_keys: np.ndarray
    tag_values: np.ndarray
    tag_kinds: np.ndarray
    tag_flags: np.ndarray
    entity_keys: np.ndarray
    entity_values: np.ndarray
    entity_characters: np.ndarray
    windows_1252: np.ndarray
    class_keys: np.ndarray
    class_values: np.ndarray
    text_keys: np.ndarray
    text_values: np.ndarray


class Scanned(NamedTuple):
    """Text of all blocks, blocks, elements, (element, class word) pairs, where the title's raw text stands, and what
    the page holds that only `rewrite.py` reads (MET_...).
    """

    text: np.ndarray
    blocks: np.ndarray
    nodes: np.ndarray
    words: np.ndarray
    title: tuple[int, int]
    met: int


def make_tables(class_words: dict[str, int], text_words: dict[str, int]) -> Tables:
    """Tables for the scanner: `class_words` gives the number of a word, `text_words` the bit of one."""
    keys, values, kinds = tables.tag_table()
    flags = np.zeros(kinds.size, np.int32)
    for name, flag in _FLAG_OF_TAG.items():
        flags[TAG[name]] = flag
    words = (*tables.hashed(class_words), *tables.hashed(text_words))
    return Tables(keys, values, kinds, flags, *tables.entity_table(), tables.windows_1252(), *words)
