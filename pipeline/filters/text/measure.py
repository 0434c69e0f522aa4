# mypy: disable-error-code="no-any-return,return-value,call-arg"
# ruff: noqa: SIM109 (compiled code has no generators, and its tuples are slow)
"""Every statistic of a text that the rules ask for, from its lines and words (`words.split_lines`)."""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import entry, kernel
from pipeline.compiled.memory import u32
from pipeline.filters.text.duplicates import count_duplicates, split_at_new_lines, split_filled, strip
from pipeline.filters.text.kernels import same_span
from pipeline.filters.text.lines import NUM_COUNTS, NUM_WORDS, ends_in_dots, remove_lines
from pipeline.filters.text.ngrams import (
    COMMONEST,
    DUPLICATES,
    FIRST_DUPLICATE,
    LONGEST,
    NOTHING,
    ngram_characters,
    repeated_words,
)
from pipeline.filters.text.words import (
    ENTRY_COUNT,
    ENTRY_FLAGS,
    ENTRY_LETTERS,
    ENTRY_NUMBERS,
    HAS_LETTER,
    IS_SYMBOL,
    LINE_END,
    LINE_NUMBERS,
    LINE_START,
    count_present,
    number_words,
)

REPETITION, QUALITY, C4, FINEWEB = 1, 2, 4, 8
"""Which families of statistics are wanted, as bits. FineWeb's are those of the text that C4 left, where both are."""

MOST_NGRAM_WORDS = 1 << 19
"""Words that n-grams are looked for in. The memory for them would be the largest part of that for a huge text, and
touching it most of the time; by default a text of more than 100,000 words is dropped for its length."""

MARKS_ASIDE, FULL_STOP, WORD_UNITS = 16, 8, 16
"""In a style, besides the bits of `pieces`: the bit that leaves punctuation out of the words of which the share with a
letter is taken, and quotation marks and brackets out of a line's end; from which bit on a full stop of the language's
own stands, as its code (of ASCII); and from which the number of units that make a usual word, in quarters."""

_HASH, _BULLET, _DASH, _ELLIPSIS, _STOP = map(ord, "#•-….")

# Where each statistic stands among the values.
(
    TEXT_WORDS,
    DUPLICATE_PARAGRAPHS, DUPLICATE_PARAGRAPH_CHARACTERS, DUPLICATE_LINES, DUPLICATE_LINE_CHARACTERS,
    TOP_2GRAM, TOP_3GRAM, TOP_4GRAM,
    DUPLICATE_5GRAMS, DUPLICATE_6GRAMS, DUPLICATE_7GRAMS, DUPLICATE_8GRAMS, DUPLICATE_9GRAMS, DUPLICATE_10GRAMS,
    PLAIN_WORDS, MEAN_WORD_LENGTH, HASHES, ELLIPSES, BULLET_LINES, ELLIPSIS_LINES, ALPHABETIC_WORDS, STOP_WORDS,
    PUNCTUATED_LINES, SHORT_LINES, FINEWEB_DUPLICATE_CHARACTERS, NEW_LINES_PER_WORD,
    COMMONEST_WORDS,
    C4_COUNTS,
) = range(28)  # fmt: skip
_NUM_COMMONEST = 8
NUM_VALUES = C4_COUNTS + NUM_COUNTS


@kernel
def full_stop_of(style: int) -> int:
    code = style >> FULL_STOP & 0xFF
    return code if code else -1  # which no character is


@kernel
def _part(number: float, whole: float) -> float:
    return number / max(whole, 1)


@kernel
def _measure_repetition(
    codes: int, length: int, classes: int, ids: int, num_words: int, num_different: int, entries: int, parts: int,
    places: int, grams: int, slots: int, quarters: int, values: np.ndarray,
) -> None:  # fmt: skip
    first, last = strip(codes, classes, 0, length)
    number = split_at_new_lines(codes, first, last, 2, parts)
    num_duplicates, characters = count_duplicates(codes, parts, number, slots)
    values[DUPLICATE_PARAGRAPHS] = num_duplicates / number
    values[DUPLICATE_PARAGRAPH_CHARACTERS] = _part(characters, length)
    number = split_at_new_lines(codes, 0, length, 1, parts)
    num_duplicates, characters = count_duplicates(codes, parts, number, slots)
    values[DUPLICATE_LINES] = num_duplicates / number
    values[DUPLICATE_LINE_CHARACTERS] = _part(characters, length)
    if num_words > MOST_NGRAM_WORDS:
        length = int(length * (MOST_NGRAM_WORDS / num_words))
        num_words = MOST_NGRAM_WORDS
    num_places = repeated_words(ids, num_words, entries, places)
    num_classes = num_different
    units = 2
    for n in range(2, LONGEST + 1):
        last_units = (n * quarters + 2) // 4
        characters = 0
        while units <= last_units:
            wanted = NOTHING if units < last_units else COMMONEST if n < FIRST_DUPLICATE else DUPLICATES
            characters, num_places, num_classes = ngram_characters(
                units, wanted, n - 1 if quarters == 4 else 0, ids, num_words, num_different, entries, places,
                num_places, num_classes, grams, slots, parts,
            )  # fmt: skip
            units += 1
        values[TOP_2GRAM + n - 2] = _part(characters, length)


@kernel
def _measure_quality(
    codes: int, length: int, lines: int, num_lines: int, num_filled: int, num_words: int, entries: int,
    num_different: int, style: int, values: np.ndarray,
) -> None:  # fmt: skip
    num_symbols = num_alphabetic = characters = 0
    commonest = np.ones(_NUM_COMMONEST, np.int64)
    for at in range(0, num_different * ENTRY_NUMBERS, ENTRY_NUMBERS):
        count, flags = u32(entries, at + ENTRY_COUNT), u32(entries, at + ENTRY_FLAGS)
        if flags & IS_SYMBOL:
            num_symbols += count
        else:
            characters += count * u32(entries, at + ENTRY_LETTERS)
        if flags & HAS_LETTER:
            num_alphabetic += count
            if count > commonest[0]:
                place = 0
                while place + 1 < _NUM_COMMONEST and commonest[place + 1] < count:
                    commonest[place] = commonest[place + 1]
                    place += 1
                commonest[place] = count
    num_hashes = num_ellipses = num_stops = 0
    for index in range(length):
        code = u32(codes, index)
        num_hashes += code == _HASH
        num_ellipses += code == _ELLIPSIS
        num_stops = num_stops + 1 if code == _STOP else 0
        if num_stops == 3:
            num_ellipses += 1
            num_stops = 0
    num_bullets = num_ending = 0
    for line in range(0, num_filled * LINE_NUMBERS, LINE_NUMBERS):
        start, end = u32(lines, line + LINE_START), u32(lines, line + LINE_END)
        first = u32(codes, start)
        num_bullets += first == _BULLET or first == _DASH
        num_ending += u32(codes, end - 1) == _ELLIPSIS or ends_in_dots(codes, start, end)
    values[COMMONEST_WORDS] = _part(commonest.sum(), num_alphabetic)
    values[PLAIN_WORDS] = num_words - num_symbols
    values[MEAN_WORD_LENGTH] = _part(characters, num_words - num_symbols)
    values[HASHES] = _part(num_hashes, num_words)
    values[ELLIPSES] = _part(num_ellipses, num_words)
    values[BULLET_LINES] = _part(num_bullets, num_lines)
    values[ELLIPSIS_LINES] = _part(num_ending, num_lines)
    values[ALPHABETIC_WORDS] = _part(num_alphabetic, num_words - num_symbols if style & MARKS_ASIDE else num_words)


@kernel
def _measure_fineweb(
    codes: int, classes: int, first: int, last: int, num_words: int, short: int, parts: int, slots: int, style: int,
    values: np.ndarray,
) -> None:  # fmt: skip
    number, num_terminal, num_short, num_new_lines = split_filled(
        codes, classes, first, last, short, parts, style & MARKS_ASIDE != 0, full_stop_of(style)
    )
    _, characters = count_duplicates(codes, parts, number, slots)
    values[PUNCTUATED_LINES] = _part(num_terminal, number)
    values[SHORT_LINES] = _part(num_short, number)
    values[FINEWEB_DUPLICATE_CHARACTERS] = _part(characters, last - first - num_new_lines)
    values[NEW_LINES_PER_WORD] = _part(num_new_lines, num_words)


@entry
def measure(
    codes: int, length: int, classes: int, exceptions: int, units: int, style: int, is_spaced: bool, stop_words: int,
    sought: int, wanted: int, short: int, rules: int, num_lines: int, num_filled: int, num_words: int, lines: int,
    words: int, stack: int, ids: int, entries: int, slots: int, places: int, parts: int, left: int, counts: int,
    values: np.ndarray,
) -> tuple[int, int, bool]:  # fmt: skip
    """Fill in the values; where the text that C4's rules leave begins and ends in `left`, and whether it is all."""
    full_stop = full_stop_of(style)
    num_different, mask = number_words(codes, classes, words, num_words, ids, entries, slots, full_stop)
    values[TEXT_WORDS] = num_words
    if wanted & QUALITY:
        _measure_quality(codes, length, lines, num_lines, num_filled, num_words, entries, num_different, style, values)
        values[STOP_WORDS] = count_present(codes, entries, slots, mask, stop_words)
    if wanted & REPETITION:
        # The records of the words have served: n-grams take their memory.
        _measure_repetition(
            codes, length, classes, ids, num_words, num_different, entries, parts, places, words, slots,
            style >> WORD_UNITS, values,
        )  # fmt: skip
    first, last = 0, length
    is_all = True
    if wanted & C4:
        first, last = remove_lines(
            codes, classes, lines, num_filled, ids, entries, exceptions, units, style, is_spaced, rules, sought, left,
            counts, words, stack, full_stop, style & MARKS_ASIDE == 0,
        )  # fmt: skip
        num_words = u32(counts, NUM_WORDS)
        for count in range(NUM_COUNTS):
            values[C4_COUNTS + count] = u32(counts, count)
        is_all = last - first == length and same_span(left, first, codes, 0, length)
    if wanted & FINEWEB:
        at = left if wanted & C4 else codes
        _measure_fineweb(at, classes, first, last, num_words, short, parts, slots, style, values)
    return first, last, is_all
