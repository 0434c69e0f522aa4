"""What the kernels look things up in: hashed names of tags, words of class names, words of text, and entities.

A table is a pair of arrays (keys, values) with open addressing; the key of a name is its 64-bit FNV-1a hash.
"""

from __future__ import annotations

import html.entities
from collections.abc import Mapping

import numpy as np

# Unsigned, because compiled code takes it that signed numbers do not overflow.
FNV_OFFSET = np.uint64(14695981039346656037)
FNV_PRIME = np.uint64(1099511628211)
_MASK = (1 << 64) - 1

# The tags whose number matters to the kernels stand first, in this order.
TAGS = (
    *("", "p", "div", "span", "a", "li", "ul", "ol", "dl", "dt", "dd", "table", "thead", "tbody", "tfoot", "tr"),
    *("td", "th", "caption", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote", "article", "main", "section"),
    *("header", "footer", "nav", "aside", "form", "figure", "figcaption", "address", "br", "hr", "script", "style"),
    *("title", "textarea", "noscript", "iframe", "noembed", "noframes", "xmp", "svg", "math", "template", "select"),
    *("option", "optgroup", "datalist", "button", "label", "audio", "video", "canvas", "object", "b", "strong", "em"),
    *("i", "code", "tt", "kbd", "samp", "time", "sup", "sub", "center", "details", "summary", "dialog", "dir"),
    *("fieldset", "legend", "hgroup", "menu", "search", "html", "head", "body", "area", "base", "col", "embed", "img"),
    *("input", "link", "meta", "param", "source", "track", "wbr", "colgroup", "font", "plaintext", "map", "ruby", "rt"),
    *("rp", "q", "cite", "small", "big", "u", "s", "abbr", "annotation", "annotation-xml", "frameset", "output"),
    *("textpath", "listing", "applet", "marquee", "figurecaption", "progress", "meter", "mml:math"),
    *("mjx-container", "m:math"),
)
TAG = {name: number for number, name in enumerate(TAGS)}

BLOCK, VOID, RAW, SKIP, CLOSES_P, INLINE = 1, 2, 4, 8, 16, 32
_BLOCK_TAGS = (
    *("p", "div", "li", "ul", "ol", "dl", "dt", "dd", "table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "pre", "blockquote", "article", "main", "section", "header", "footer", "nav"),
    *("aside", "form", "figure", "figcaption", "address", "hr", "center", "details", "summary", "dialog", "dir"),
    *("fieldset", "legend", "hgroup", "menu", "search", "body", "option", "optgroup", "frameset", "listing", "xmp"),
    *("figurecaption", "select", "textarea", "iframe", "video", "audio", "object", "template"),
)
_NOT_CLOSING_P = frozenset(
    {"thead", "tbody", "tfoot", "tr", "td", "th", "caption", "legend", "body", "option", "optgroup", "select"}
    | {"textarea", "iframe", "video", "audio", "object", "template"}
)
VOID_TAGS = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)
# Elements whose content is no markup. `noscript` is one to a parser without scripts' eyes: what stands there repeats
# or apologises.
_RAW_TAGS = ("script", "style", "title", "textarea", "noscript", "iframe", "noembed", "noframes", "xmp", "plaintext")
# Elements that stand in a line of text: what hides one of them hides its text and no more.
_INLINE_TAGS = (
    *("span", "a", "b", "strong", "em", "i", "u", "s", "small", "big", "sup", "sub", "font", "abbr", "cite", "q"),
    *("code", "time", "label", "math"),
)
# Elements whose text nobody reads as part of a page.
_SKIPPED_TAGS = (
    *("svg", "template", "select", "datalist", "audio", "video", "canvas", "annotation", "annotation-xml", "map"),
    *("rt", "rp", "applet", "progress", "meter"),
)


def fnv(name: str) -> int:
    """The 64-bit FNV-1a hash of a name. 0 marks an empty place in a table; no name that we know hashes to it."""
    value = int(FNV_OFFSET)
    for byte in name.encode():
        value = ((value ^ byte) * int(FNV_PRIME)) & _MASK
    return value


def hashed(names: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Keys (uint64) and values (int32) of a table at most a third full."""
    size = 16
    while size < 3 * len(names):
        size *= 2
    keys, values = np.zeros(size, np.uint64), np.zeros(size, np.int32)
    for name, value in names.items():
        key = fnv(name)
        place = (key ^ (key >> 32)) & (size - 1)
        while keys[place]:
            place = (place + 1) & (size - 1)
        keys[place], values[place] = key, value
    return keys, values


def tag_table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keys and numbers of the tags, and each tag's kind: a sum of BLOCK, VOID, RAW, SKIP, CLOSES_P and INLINE."""
    kinds = np.zeros(len(TAGS), np.uint8)
    tags_of_kinds = {BLOCK: _BLOCK_TAGS, VOID: VOID_TAGS, RAW: _RAW_TAGS, SKIP: _SKIPPED_TAGS, INLINE: _INLINE_TAGS}
    for kind, names in (tags_of_kinds | {CLOSES_P: set(_BLOCK_TAGS) - _NOT_CLOSING_P}).items():
        for name in names:
            kinds[TAG[name]] |= kind
    return *hashed({name: number for name, number in TAG.items() if number}), kinds


def entity_table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keys and values of the named character references without their `;`, and their characters, two a value.

    A value is 2 x the number of the entity, plus 1 where the reference may stand without `;`.
    """
    names: dict[str, int] = {}
    characters: list[tuple[int, int]] = []
    for name, text in html.entities.html5.items():
        bare = name.removesuffix(";")
        if bare not in names:
            names[bare] = 2 * len(characters)
            characters.append((ord(text[0]), ord(text[1]) if len(text) > 1 else 0))
        if not name.endswith(";"):
            names[bare] |= 1
    return *hashed(names), np.array(characters, np.int32)


def windows_1252() -> np.ndarray:
    """What the numeric references 128 to 159 mean."""
    return np.array(
        [ord(bytes([c]).decode("cp1252", "replace")) if c != 0x81 else 0x81 for c in range(128, 160)], np.int32
    )
