"""The header row of a CSV file: which delimiter it settles, and which columns it names."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

DELIMITERS = (",", ";", "\t", "|")
_MOST_CHARACTERS = 64 << 20  # of a header row; beyond it, a quote that nothing closes was taken for one that opens
_DELIMITER_LINE = re.compile(r"sep=.", re.IGNORECASE)
_BYTE_ORDER_MARK = "\xef\xbb\xbf"


@dataclass(frozen=True)
class Header:
    """num_lines: of the file up to the row's end, blank ones before it included. ahead: lines read after it."""

    columns: list[str]
    delimiter: str
    num_lines: int
    ahead: list[str]


def stands_before_header(fields: Sequence[str]) -> bool:
    """True for a row ahead of the header: a blank line, or the line by which Excel is told a delimiter (`sep=;`).

    fields: of the row, parted by commas.
    """
    return fields in ([], [""]) or _DELIMITER_LINE.fullmatch(",".join(fields)) is not None


def choose_delimiter(names: Mapping[str, Sequence[str]], text: frozenset[str]) -> str:
    """The delimiter that makes a column of texts; if several do, or none, the one of these that makes most columns.

    names: for each of `DELIMITERS` the columns that it makes of the header row; none where it cannot be split so.
    text: what the column of texts may be called.
    """
    usable = [delimiter for delimiter in DELIMITERS if not text.isdisjoint(names[delimiter])] or list(DELIMITERS)
    return max(usable, key=lambda delimiter: len(names[delimiter]))


def read_header(lines: Iterator[str], text: frozenset[str]) -> Header:
    """The header of a file whose lines come decoded as Latin-1, with their ends; so do the columns, and `text`.

    Blank lines before it are passed over, and a line that says the delimiter. A file without a header has no columns.
    """
    held: list[str] = []
    num_blank = 0
    while True:
        first, num_lines = _split(held, lines, DELIMITERS[0], is_start=num_blank == 0)
        if not stands_before_header(first) or not num_lines:
            break
        num_blank += num_lines
        del held[:num_lines]
    rows = {delimiter: _split(held, lines, delimiter, is_start=num_blank == 0) for delimiter in DELIMITERS}
    delimiter = choose_delimiter({delimiter: columns for delimiter, (columns, _) in rows.items()}, text)
    columns, num_lines = rows[delimiter]
    return Header(columns, delimiter, num_blank + num_lines, held[num_lines:])


def _split(held: list[str], lines: Iterator[str], delimiter: str, is_start: bool) -> tuple[list[str], int]:
    """The fields of the row that `held` and then `lines` begin with, and its lines; what is read stays in `held`.

    No fields, and no lines, where it cannot be split so.
    """
    taken = 0

    def replay() -> Iterator[str]:
        nonlocal taken
        num_characters = 0
        while num_characters <= _MOST_CHARACTERS:
            if taken == len(held):
                line = next(lines, None)
                if line is None:
                    return
                held.append(line.removeprefix(_BYTE_ORDER_MARK) if is_start and not held else line)
            taken += 1
            num_characters += len(held[taken - 1])
            yield held[taken - 1]

    try:
        fields = next(csv.reader(replay(), delimiter=delimiter, strict=True), [])
    except csv.Error:  # text after a closing quote, or no closing quote
        return [], 0
    return fields, taken
