"""Joins the lines of prose that was wrapped at a column; verse, tables, lists and headings keep their lines.

A paragraph is wrapped prose where each line is as full as the next line's first word allows. Lines that end before
they are full were ended by their author. An East Asian character is two columns, and a word: a line may end at any of
them, and where it does there is no space.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

from pipeline.markup.columns import is_ambiguous_mark, is_spaceless, num_columns

_GAP = re.compile(r"(\n(?:[ \t]*\n)+)")
_WIDE_SPACE = re.compile(r"\S {3,}\S|\t|\|")
_ITEM = re.compile(r"\s*(?:\d+|[IVXLC]+)[.)]\s")
_MIN_WIDTH = 50  # columns; narrower texts are verse or columns of a table
_SLACK = 10  # columns by which a line may fall short of the text's width: many texts were wrapped by hand
_FULL_FRACTION = 0.8  # of a paragraph's lines but the last
_WIDTH_QUANTILE = 0.9


def unwrap(text: str) -> str:
    """The text with every paragraph of wrapped prose on one line, and everything else as it is."""
    pieces = _GAP.split(text)
    width = _width(pieces[::2])
    if width is None:
        return text
    pieces[::2] = [_joined(paragraph, width) for paragraph in pieces[::2]]
    return "".join(pieces)


def _width(paragraphs: list[str]) -> int | None:
    """The column at which a text is wrapped; None where its lines do not gather below one."""
    lengths: Counter[int] = Counter()
    for paragraph in paragraphs:
        lines = paragraph.split("\n")
        lengths.update(num_columns(line) for line in lines[:-1])
    total = lengths.total()
    if total == 0:
        return None
    seen = 0
    for length in sorted(lengths):
        seen += lengths[length]
        if seen >= _WIDTH_QUANTILE * total:
            return length if length >= _MIN_WIDTH else None
    return None


def _joined(paragraph: str, width: int) -> str:
    lines = paragraph.split("\n")
    if len(lines) < 2 or not _is_prose(lines, width):
        return paragraph
    joined = lines[0].rstrip()
    for line in lines[1:]:
        line = line.strip()
        # A dash, and the hyphen of a compound, stand without a space.
        tight = (
            joined.endswith(("--", "\u2014"))
            or (joined.endswith("-") and joined[-2:-1].isalpha())
            or _is_east_asian_end(joined[-1:], line[:1])
        )
        joined += line if tight else f" {line}"
    return joined


def _is_prose(lines: list[str], width: int) -> bool:
    """True where lines are full, of one left margin (but the first's; a space is none), and no table or list."""
    margins = {len(line) - len(line.lstrip()) for line in lines[1:]}
    if max(margins) - min(margins) > 1 or max(margins) > 8 or any(_WIDE_SPACE.search(line.strip()) for line in lines):
        return False
    if sum(_ITEM.match(line) is not None for line in lines) > 1:
        return False
    full = 0
    for line, following in pairwise(lines):
        full += num_columns(line) + 1 + num_columns(_first_word(following)) > width - _SLACK
    return full >= _FULL_FRACTION * (len(lines) - 1)


def _first_word(line: str) -> str:
    """What a line cannot be broken in: its first word, of East Asian text its first character."""
    word = next(iter(line.split(maxsplit=1)), "")  # none in a line of one form feed
    if word.isascii():
        return word
    end = next((place for place, character in enumerate(word) if is_spaceless(character)), len(word))
    return word[: max(1, end)]


def _is_east_asian_end(before: str, after: str) -> bool:
    """Whether a line end between two characters is no space. Quotation marks and dashes go with their neighbour."""
    if not before or not after or (before.isascii() and after.isascii()):
        return False
    wide = is_spaceless(before), is_spaceless(after)
    return any(wide) and (wide[0] or is_ambiguous_mark(before)) and (wide[1] or is_ambiguous_mark(after))
