# mypy: disable-error-code="no-any-return,return-value,call-arg"
# ruff: noqa: SIM102, SIM109 (compiled code has no generators, and its tuples are slow)
"""Split a text into lines and words, and number its different words."""

from __future__ import annotations

from pipeline.compiled.cache import entry, kernel
from pipeline.compiled.memory import put32, put64, u32, u64
from pipeline.filters.text.characters import (
    ALPHABETIC,
    IN_WORD,
    LINE_BREAK,
    LOWER_CASE,
    MARK,
    ON_LETTER,
    PUNCTUATION_CATEGORY,
    SENTENCE_END,
    SEPARATOR,
    SPACE,
    UNSPACED_SCRIPT,
)
from pipeline.filters.text.kernels import FEW_SLOTS, FREE, SEED, clear_slots, grow_slots, same_span, slot_of, step
from pipeline.filters.text.phrases import (
    NUM_PHRASES,
    find_phrase,
    phrase_entry,
    phrase_group,
    phrase_hash,
    phrase_length,
    phrase_start,
)
from pipeline.filters.text.pieces import WORD_NUMBERS, add_parts, add_word, split_piece

IS_SYMBOL, HAS_LETTER, IS_SENTENCE_END, IS_PUNCTUATION, HAS_MARK = 1, 2, 4, 8, 16
"""What a word can be: no character but marks; with a letter; one sentence-ending mark; Unicode's punctuation only; with
a mark upon a letter."""

LINE_NUMBERS = 8
LINE_START, LINE_END, LINE_WORD, LINE_PIECES, LINE_LONGEST, LINE_CLASSES, LINE_BLANKS = range(7)
"""The `uint32` of the record of a line that is not blank: where it starts and ends without the whitespace around it,
its first word, how many pieces stand between whitespace, the length of the longest, all classes of characters in it,
how many blank lines stand before it."""

ENTRY_NUMBERS = 8
_ENTRY_START, ENTRY_LENGTH, ENTRY_COUNT, ENTRY_FLAGS, ENTRY_LETTERS = 2, 3, 4, 5, 6
"""The `uint32` of the entry of a different word, after the two of its hash: where it first stands, its length, how
often it occurs, what it is, its length without the marks upon its letters."""

_COMMA, _SEMICOLON, _COLON, _EXCLAMATION, _QUESTION, _CLOSING, _STOP = map(ord, ",;:!?).")
_NEW_LINE, _RETURN = map(ord, "\n\r")


@entry
def split_lines(
    codes: int, length: int, classes: int, exceptions: int, units: int, style: int, is_spaced: bool, lines: int,
    words: int, stack: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Fill in the records of lines and words; numbers of all lines, of those that are not blank, and of words.

    The first word of the line after the last is the number of words.
    """
    num_lines = num_filled = num_words = 0
    index = 0
    line_end = 0
    last_line = -1  # number of the last line that is not blank
    in_line = False
    num_pieces = longest = kinds = 0
    while index < length:
        kind = u32(classes, u32(codes, index))
        if kind & SPACE:
            if kind & LINE_BREAK:
                if u32(codes, index) == _RETURN and index + 1 < length and u32(codes, index + 1) == _NEW_LINE:
                    index += 1
                num_lines += 1
                line_end = index + 1
                if in_line:
                    _close(lines, num_filled, num_pieces, longest, kinds)
                    num_filled += 1
                    in_line = False
            index += 1
            continue
        start = index
        if not in_line:
            in_line = True
            put32(lines, LINE_NUMBERS * num_filled + LINE_START, start)
            put32(lines, LINE_NUMBERS * num_filled + LINE_WORD, num_words)
            put32(lines, LINE_NUMBERS * num_filled + LINE_BLANKS, num_lines - last_line - 1)
            last_line = num_lines
            num_pieces = longest = kinds = 0
        hashed = SEED
        common = IN_WORD
        while True:
            hashed = step(hashed, u32(codes, index))
            common &= kind
            kinds |= kind
            index += 1
            if index == length:
                break
            kind = u32(classes, u32(codes, index))
            if kind & SPACE:
                break
        put32(lines, LINE_NUMBERS * num_filled + LINE_END, index)
        num_pieces += 1
        longest = max(longest, index - start)
        is_plain = is_spaced and common and not find_phrase(exceptions, codes, start, index, hashed)
        if is_plain:
            num_words = add_word(words, num_words, start, index, hashed)
        else:
            num_words = split_span(
                codes, classes, start, index, exceptions, units, style, is_spaced, words, num_words, stack
            )
    if in_line:
        _close(lines, num_filled, num_pieces, longest, kinds)
        num_filled += 1
    put32(lines, LINE_NUMBERS * num_filled + LINE_WORD, num_words)
    return num_lines + (line_end < length), num_filled, num_words


@kernel
def _close(lines: int, line: int, num_pieces: int, longest: int, kinds: int) -> None:
    put32(lines, LINE_NUMBERS * line + LINE_PIECES, num_pieces)
    put32(lines, LINE_NUMBERS * line + LINE_LONGEST, longest)
    put32(lines, LINE_NUMBERS * line + LINE_CLASSES, kinds)


@kernel
def split_span(
    codes: int, classes: int, start: int, end: int, exceptions: int, units: int, style: int, is_spaced: bool,
    words: int, num_words: int, stack: int,
) -> int:  # fmt: skip
    """Add the words of a span; the new number of words.

    Where spaces do not part words, each letter of a script without them is a word, with the marks upon it, and what
    stands between these is split as elsewhere; other marks may part words or syllables as a space does.
    """
    index = start
    while index < end:
        kind = u32(classes, u32(codes, index))
        if kind & SPACE:
            index += 1
            continue
        if kind & SEPARATOR and not is_spaced:
            # Two of Ethiopic's word spaces are a full stop.
            is_stop = kind & SENTENCE_END != 0 and index + 1 < end and u32(codes, index + 1) == u32(codes, index)
            if is_stop:
                num_words = add_word(words, num_words, index, index + 1, step(SEED, u32(codes, index)))
            index += 1 + is_stop
            continue
        first = index
        is_alone = not is_spaced and kind & UNSPACED_SCRIPT != 0
        ends_piece = SPACE if is_spaced else SPACE | SEPARATOR | UNSPACED_SCRIPT
        hashed = before_last = SEED
        common = stem = IN_WORD
        while True:
            before_last, stem = hashed, common
            hashed = step(hashed, u32(codes, index))
            common &= kind
            index += 1
            if index == end:
                break
            kind = u32(classes, u32(codes, index))
            if is_alone:
                if not kind & ON_LETTER:
                    break
            elif kind & ends_piece:
                break
        if not is_spaced and (is_alone or index - first == 1):
            num_words = add_word(words, num_words, first, index, hashed)
            continue
        # Most pieces are a word, perhaps with a mark behind it, as at the end of a clause.
        mark = 0
        entry = find_phrase(exceptions, codes, first, index, hashed)
        if not entry and not common:
            if not (stem and index - first > 1 and _ends_clause(codes, classes, index)):
                num_words = split_piece(codes, classes, first, index, exceptions, units, style, words, num_words, stack)
                continue
            mark = 1
            hashed = before_last
            entry = find_phrase(exceptions, codes, first, index - 1, hashed)
        if entry:
            num_words = add_parts(words, num_words, codes, first, exceptions, entry)
        else:
            num_words = add_word(words, num_words, first, index - mark, hashed)
        if mark:
            num_words = add_word(words, num_words, index - 1, index, step(SEED, u32(codes, index - 1)))
    return num_words


@kernel
def _ends_clause(codes: int, classes: int, end: int) -> bool:
    """Whether the last character is a mark that is always a word by itself after a letter."""
    last = u32(codes, end - 1)
    if last == _STOP:
        return u32(classes, u32(codes, end - 2)) & LOWER_CASE != 0
    return (
        last == _COMMA or last == _SEMICOLON or last == _COLON or last == _EXCLAMATION or last == _QUESTION
        or last == _CLOSING
    )  # fmt: skip


@kernel
def flags_of(codes: int, classes: int, start: int, length: int, full_stop: int) -> int:
    """What a word is. `full_stop`: a mark that ends sentences in this language only; 0 where there is none."""
    common = MARK | PUNCTUATION_CATEGORY
    kinds = 0
    for index in range(start, start + length):
        kind = u32(classes, u32(codes, index))
        common &= kind
        kinds |= kind
    flags = IS_SYMBOL if common & MARK else 0
    if kinds & ALPHABETIC:
        flags |= HAS_LETTER
    if length == 1 and (kinds & SENTENCE_END or u32(codes, start) == full_stop):
        flags |= IS_SENTENCE_END
    if common & PUNCTUATION_CATEGORY:
        flags |= IS_PUNCTUATION
    if kinds & ON_LETTER:
        flags |= HAS_MARK
    return flags


@kernel
def _num_letters(codes: int, classes: int, start: int, length: int) -> int:
    """Characters of a word without the marks upon its letters."""
    number = 0
    for index in range(start, start + length):
        number += u32(classes, u32(codes, index)) & ON_LETTER == 0
    return number


@kernel
def number_words(
    codes: int, classes: int, words: int, num_words: int, ids: int, entries: int, slots: int, full_stop: int
) -> tuple[int, int]:
    """Give equal words equal numbers, in the order of their first occurrence, and fill in the entries of the different
    words; how many these are, and the mask of the slots."""
    num_different = 0
    mask = FEW_SLOTS - 1
    clear_slots(slots, FEW_SLOTS)
    for word in range(num_words):
        start, length = u32(words, WORD_NUMBERS * word), u32(words, WORD_NUMBERS * word + 1)
        hashed = u64(words, 2 * word + 1)
        slot = slot_of(hashed, mask)
        while True:
            number = u32(slots, slot)
            entry = ENTRY_NUMBERS * number
            if number == FREE:
                number = num_different
                entry = ENTRY_NUMBERS * number
                put32(slots, slot, number)
                put64(entries, entry // 2, hashed)
                put32(entries, entry + _ENTRY_START, start)
                put32(entries, entry + ENTRY_LENGTH, length)
                put32(entries, entry + ENTRY_COUNT, 1)
                flags = flags_of(codes, classes, start, length, full_stop)
                put32(entries, entry + ENTRY_FLAGS, flags)
                num_letters = _num_letters(codes, classes, start, length) if flags & HAS_MARK else length
                put32(entries, entry + ENTRY_LETTERS, num_letters)
                num_different += 1
                break
            if u64(entries, entry // 2) == hashed and u32(entries, entry + ENTRY_LENGTH) == length:
                if same_span(codes, u32(entries, entry + _ENTRY_START), codes, start, length):
                    put32(entries, entry + ENTRY_COUNT, u32(entries, entry + ENTRY_COUNT) + 1)
                    break
            slot = (slot + 1) & mask
        put32(ids, word, number)
        if 2 * num_different > mask:
            mask = grow_slots(slots, mask, entries, ENTRY_NUMBERS // 2, num_different)
    return num_different, mask


@kernel
def count_present(codes: int, entries: int, slots: int, mask: int, wanted: int) -> int:
    """How many of the wanted groups of phrases have one that is a word of the text (`phrases.lay_out_groups`)."""
    num_present = 0
    met = -1
    for number in range(u32(wanted, NUM_PHRASES)):
        phrase = phrase_entry(wanted, number)
        group = phrase_group(wanted, phrase)
        if group == met:
            continue
        hashed, length = phrase_hash(wanted, phrase), phrase_length(wanted, phrase)
        slot = slot_of(hashed, mask)
        while u32(slots, slot) != FREE:
            entry = ENTRY_NUMBERS * u32(slots, slot)
            if u64(entries, entry // 2) == hashed and u32(entries, entry + ENTRY_LENGTH) == length:
                first = u32(entries, entry + _ENTRY_START)
                if same_span(codes, first, wanted, phrase_start(wanted, phrase), length):
                    num_present += 1
                    met = group
                    break
            slot = (slot + 1) & mask
    return num_present
