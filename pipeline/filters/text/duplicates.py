# mypy: disable-error-code="no-any-return,return-value,call-arg"
# ruff: noqa: SIM102 (compiled code has no generators, and its tuples are slow)
"""Lines and paragraphs that stood before in a text."""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import kernel
from pipeline.compiled.memory import put32, put64, u32, u64
from pipeline.filters.text.characters import QUOTE, SEPARATOR, SPACE, TERMINAL
from pipeline.filters.text.kernels import FEW_SLOTS, FREE, SEED, clear_slots, grow_slots, same_span, slot_of, step

PART_NUMBERS = 4
_PART_START, _PART_LENGTH = 2, 3
"""The `uint32` of the record of a line or paragraph, after the two of its hash: where it starts, its length."""
_NEW_LINE, _ROUND, _SQUARE = map(ord, "\n)]")
_HALF = np.uint64(32)


@kernel
def _add_part(parts: int, number: int, start: int, end: int) -> int:
    put32(parts, PART_NUMBERS * number + _PART_START, start)
    put32(parts, PART_NUMBERS * number + _PART_LENGTH, end - start)
    return number + 1


@kernel
def _hash_pairs(codes: int, start: int, end: int) -> int:
    """A hash of a span, two code points at a step."""
    hashed = SEED
    index = start
    while index + 1 < end:
        pair = np.uint64(u32(codes, index)) | (np.uint64(u32(codes, index + 1)) << _HALF)
        hashed = (hashed ^ pair ^ (hashed >> _HALF)) * SEED
        index += 2
    return step(hashed, u32(codes, index)) if index < end else hashed


@kernel
def count_duplicates(codes: int, parts: int, number: int, slots: int) -> tuple[int, int]:
    """How many of the parts are equal to an earlier one, and their code points. The records are used up."""
    if number < 2:
        return 0, 0
    mask = FEW_SLOTS - 1
    clear_slots(slots, FEW_SLOTS)
    num_different = num_characters = 0
    for part in range(number):
        start = u32(parts, PART_NUMBERS * part + _PART_START)
        length = u32(parts, PART_NUMBERS * part + _PART_LENGTH)
        hashed = _hash_pairs(codes, start, start + length)
        slot = slot_of(hashed, mask)
        while True:
            other = u32(slots, slot)
            if other == FREE:
                put32(slots, slot, num_different)
                put64(parts, 2 * num_different, hashed)
                num_different = _add_part(parts, num_different, start, start + length)
                break
            if u64(parts, 2 * other) == hashed and u32(parts, PART_NUMBERS * other + _PART_LENGTH) == length:
                if same_span(codes, u32(parts, PART_NUMBERS * other + _PART_START), codes, start, length):
                    num_characters += length
                    break
            slot = (slot + 1) & mask
        if 2 * num_different > mask:
            mask = grow_slots(slots, mask, parts, PART_NUMBERS // 2, num_different)
    return number - num_different, num_characters


@kernel
def split_at_new_lines(codes: int, first: int, last: int, fewest: int, parts: int) -> int:
    """Fill in the records of what stands between runs of at least `fewest` new lines; how many there are.

    An empty part stands before a run that begins the text, and after one that ends it.
    """
    number = 0
    begin = index = first
    while index < last:
        if u32(codes, index) != _NEW_LINE:
            index += 1
            continue
        run = index
        while index < last and u32(codes, index) == _NEW_LINE:
            index += 1
        if index - run >= fewest:
            number = _add_part(parts, number, begin, run)
            begin = index
    return _add_part(parts, number, begin, last)


@kernel
def strip(codes: int, classes: int, first: int, last: int) -> tuple[int, int]:
    """The span without whitespace at its ends."""
    while first < last and u32(classes, u32(codes, first)) & SPACE:
        first += 1
    while last > first and u32(classes, u32(codes, last - 1)) & SPACE:
        last -= 1
    return first, last


@kernel
def _is_bracket(codes: int, index: int) -> bool:
    code = u32(codes, index)
    return code in (_ROUND, _SQUARE)


@kernel
def _ends_in_terminal(codes: int, classes: int, start: int, end: int, full_stop: int) -> bool:
    """Whether a line ends in a mark that may end one, also inside quotation marks and brackets, or in the former."""
    index = end - 1
    kind = u32(classes, u32(codes, index))
    while index > start and (kind & SPACE or (kind & (SEPARATOR | TERMINAL)) == SEPARATOR or _is_bracket(codes, index)):
        index -= 1
        kind = u32(classes, u32(codes, index))
    return kind & (TERMINAL | QUOTE) != 0 or u32(codes, index) == full_stop


@kernel
def split_filled(
    codes: int, classes: int, first: int, last: int, short: int, parts: int, looks_inside: bool, full_stop: int
) -> tuple[int, int, int, int]:
    """Fill in the records of the lines between new lines that are not blank.

    How many they are, how many of them end in a terminal mark, how many are short; the number of new lines. Whether a
    terminal mark is looked for inside quotation marks at a line's end, and which further one the language has.
    """
    number = num_terminal = num_short = num_new_lines = 0
    begin = first
    is_blank = True
    for index in range(first, last + 1):
        if index < last:
            code = u32(codes, index)
            if code != _NEW_LINE:
                is_blank = is_blank and u32(classes, code) & SPACE != 0
                continue
            num_new_lines += 1
        if not is_blank:
            number = _add_part(parts, number, begin, index)
            if looks_inside:
                num_terminal += _ends_in_terminal(codes, classes, begin, index, full_stop)
            else:
                num_terminal += u32(classes, u32(codes, index - 1)) & TERMINAL != 0
            num_short += index - begin <= short
        begin = index + 1
        is_blank = True
    return number, num_terminal, num_short, num_new_lines
