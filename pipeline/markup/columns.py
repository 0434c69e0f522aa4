"""Widths of characters: those that take two columns, and those between which a line end is no space.

Unicode Standard Annex 11: a character whose East Asian Width is F or W takes two columns; marks take none. CSS Text 3
(4.1.3, segment breaks): a line end between two characters of width F, W or H is nothing, unless one of them is Hangul.
"""

from __future__ import annotations

import unicodedata
from functools import cache

_HANGUL = (
    *((0x1100, 0x11FF), (0x302E, 0x302F), (0x3130, 0x318F), (0x3200, 0x321E), (0x3260, 0x327E)),
    *((0xA960, 0xA97F), (0xAC00, 0xD7FF), (0xFFA0, 0xFFDC)),
)
_FIRST_WIDE, _LAST_WIDE = 0x1100, 0x3FFFF


@cache
def is_spaceless(character: str) -> bool:
    """Whether a line may end beside a character without a space: it is East Asian, and not Hangul."""
    code = ord(character)
    return (
        code >= _FIRST_WIDE
        and unicodedata.east_asian_width(character) in "FWH"
        and not any(first <= code <= last for first, last in _HANGUL)
    )


@cache
def spaceless_ranges() -> tuple[tuple[int, int], ...]:
    """First and last code points of the runs of characters that are `is_spaceless`."""
    ranges: list[tuple[int, int]] = []
    for code in filter(lambda code: is_spaceless.__wrapped__(chr(code)), range(_FIRST_WIDE, _LAST_WIDE + 1)):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1] = (ranges[-1][0], code)
        else:
            ranges.append((code, code))
    return tuple(ranges)


def is_ambiguous_mark(character: str) -> bool:
    """Whether a character is punctuation as wide as the text around it: quotation marks, dashes, dots."""
    return unicodedata.east_asian_width(character) == "A" and unicodedata.category(character)[0] == "P"


@cache
def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "FW" else 1


def num_columns(line: str) -> int:
    """The columns that a line takes in letters of one width."""
    return len(line) if line.isascii() else sum(map(_width, line))
