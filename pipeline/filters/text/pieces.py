# mypy: disable-error-code="no-any-return,return-value,call-arg"
# ruff: noqa: SIM102, SIM109 (compiled code has no generators, and its tuples are slow)
"""Where one word ends and the next begins, within a piece of text that holds no whitespace.

The published thresholds were set on words as spaCy's blank tokenizers find them (datatrove's default is English), where
a punctuation mark beside a word is a word of its own and `don't` is two. The same boundaries are drawn here by our own
code: peel marks off both ends, look the rest up among contractions and abbreviations, then split it inside. The tables
of a language are in `boundaries`.
"""

from __future__ import annotations

from pipeline.compiled.cache import kernel
from pipeline.compiled.memory import put32, put64, u32
from pipeline.filters.text.characters import (
    ANY_DIGIT,
    BEFORE_FULL_STOP,
    CURRENCY,
    DIGIT,
    HOST,
    HYPHEN,
    IN_WORD,
    INFIX_HINT,
    LETTER,
    LONE,
    LOWER,
    OUTER,
    PREFIX,
    QUOTE,
    SYMBOL,
    UPPER,
    WORD,
)
from pipeline.filters.text.kernels import hash_span
from pipeline.filters.text.phrases import LONGEST, find_phrase, part_length

LONGEST_PIECE = 256
"""Characters. A longer piece is no word of a natural language; it is split by one linear scan."""
HYPHENS_SPLIT, ELISIONS_SPLIT, STOPS_AFTER_DIGITS_SPLIT, LETTERS_JOIN = 1, 2, 4, 8
"""Bits of a language's style: `a-b` is three words, `l'eau` two, `3.` two; an apostrophe beside a letter, or a colon
between two, is a letter, as in many languages that are written with few (`k'a`, `wa'`, `na:a`)."""

_APOSTROPHE, _STOP, _PLUS, _MINUS, _COLON, _SLASH, _AT = map(ord, "'.+-:/@")
_TYPOGRAPHIC, _ELLIPSIS, _EM_DASH, _DOLLAR, _COMMA, _UNDERSCORE = map(ord, "’…—$,_")
_S, _CAPITAL_S, _CAPITAL_U, _CAPITAL_C, _CAPITAL_A = map(ord, "sSUCA")
_TURNED, _GRAVE, _ACUTE = map(ord, "‘`´")
_STAR, _CARET, _LESS, _MORE, _EQUALS, _QUESTION, _NUMBER = map(ord, "*^<>=?#")


WORD_NUMBERS = 4
"""`uint32` in the record of a word: where it starts, its length, its hash in two."""


@kernel
def add_word(words: int, num_words: int, start: int, end: int, hashed: int) -> int:
    put32(words, WORD_NUMBERS * num_words, start)
    put32(words, WORD_NUMBERS * num_words + 1, end - start)
    put64(words, 2 * num_words + 1, hashed)
    return num_words + 1


@kernel
def _add(words: int, num_words: int, codes: int, start: int, end: int) -> int:
    return add_word(words, num_words, start, end, hash_span(codes, start, end))


@kernel
def add_parts(words: int, num_words: int, codes: int, start: int, exceptions: int, entry: int) -> int:
    """Add the words of an exception that begins at `start`."""
    part = 0
    length = part_length(exceptions, entry, part)
    while length:
        num_words = _add(words, num_words, codes, start, start + length)
        start += length
        part += 1
        length = part_length(exceptions, entry, part)
    return num_words


@kernel
def _exception(codes: int, start: int, end: int, exceptions: int) -> int:
    """The entry of the exception that the span is; 0 where it is none."""
    if end <= start or end - start > u32(exceptions, LONGEST):
        return 0
    return find_phrase(exceptions, codes, start, end, hash_span(codes, start, end))


@kernel
def split_piece(
    codes: int, classes: int, start: int, end: int, exceptions: int, units: int, style: int, words: int, num_words: int,
    stack: int,
) -> int:  # fmt: skip
    """Add the words of a piece; the new number of words. `stack` has room for `LONGEST_PIECE` numbers.

    Time is linear in the length of the piece.
    """
    if end - start > LONGEST_PIECE:
        return _split_long(codes, classes, start, end, words, num_words)
    after = 0  # words that were peeled off the end, their beginnings
    stop = end
    while start < end:
        if _exception(codes, start, end, exceptions):
            break
        prefix = _prefix_length(codes, classes, start, end, style)
        if prefix and _exception(codes, start + prefix, end, exceptions):
            num_words = _add(words, num_words, codes, start, start + prefix)
            start += prefix
            break
        suffix = _suffix_length(codes, classes, start + prefix, end, units, style) if start + prefix < end else 0
        if suffix and _exception(codes, start, end - suffix, exceptions):
            end -= suffix
            put32(stack, after, end)
            after += 1
            break
        if not prefix and not suffix:
            break
        if prefix:
            num_words = _add(words, num_words, codes, start, start + prefix)
            start += prefix
        if suffix:
            end -= suffix
            put32(stack, after, end)
            after += 1
    if start < end:
        entry = _exception(codes, start, end, exceptions)
        if entry:
            num_words = add_parts(words, num_words, codes, start, exceptions, entry)
        else:
            num_words = _split_inside(codes, classes, start, end, style, words, num_words)
    for index in range(after - 1, -1, -1):
        until = u32(stack, index - 1) if index else stop
        num_words = _add(words, num_words, codes, u32(stack, index), until)
    return num_words


@kernel
def _split_long(codes: int, classes: int, start: int, end: int, words: int, num_words: int) -> int:
    index = start
    while index < end:
        first = index
        if _is_dots(codes, index, end):
            while index < end and u32(codes, index) == _STOP:
                index += 1
        elif u32(classes, u32(codes, index)) & LONE:
            index += 1
        else:
            while index < end and not u32(classes, u32(codes, index)) & LONE and not _is_dots(codes, index, end):
                index += 1
        num_words = _add(words, num_words, codes, first, index)
    return num_words


@kernel
def _is_dots(codes: int, index: int, end: int) -> bool:
    """Whether at least two full stops stand here."""
    return index + 1 < end and u32(codes, index) == _STOP and u32(codes, index + 1) == _STOP


@kernel
def _is_apostrophe(codes: int, classes: int, index: int, beside: int, style: int) -> bool:
    """Whether a mark is a letter because of the character beside it."""
    if not style & LETTERS_JOIN:
        return False
    code = u32(codes, index)
    if code != _APOSTROPHE and code != _TYPOGRAPHIC and code != _TURNED and code != _GRAVE and code != _ACUTE:
        return False
    return u32(classes, u32(codes, beside)) & IN_WORD != 0


@kernel
def _prefix_length(codes: int, classes: int, start: int, end: int, style: int) -> int:
    code = u32(codes, start)
    if start + 1 < end and _is_apostrophe(codes, classes, start, start + 1, style):
        return 0
    if code == _STOP:
        if not _is_dots(codes, start, end):
            return 0
        index = start
        while index < end and u32(codes, index) == _STOP:
            index += 1
        return index - start
    if code == _PLUS:
        return 0 if start + 1 < end and u32(classes, u32(codes, start + 1)) & DIGIT else 1
    if code == _CAPITAL_U:
        return 3 if start + 2 < end and u32(codes, start + 1) == _CAPITAL_S and u32(codes, start + 2) == _DOLLAR else 0
    if code == _CAPITAL_C or code == _CAPITAL_A:
        return 2 if start + 1 < end and u32(codes, start + 1) == _DOLLAR else 0
    return 1 if u32(classes, code) & PREFIX else 0


@kernel
def _suffix_length(codes: int, classes: int, start: int, end: int, units: int, style: int) -> int:
    last = u32(codes, end - 1)
    before = u32(codes, end - 2) if end - start > 1 else 0
    has_before = end - start > 1
    if has_before and _is_apostrophe(codes, classes, end - 1, end - 2, style):
        return 0
    if last == _STOP:
        if has_before and before == _STOP:
            index = end
            while index > start and u32(codes, index - 1) == _STOP:
                index -= 1
            return end - index
        if not has_before:
            return 0
        if u32(classes, before) & DIGIT and not style & STOPS_AFTER_DIGITS_SPLIT:
            return 0
        if u32(classes, before) & BEFORE_FULL_STOP:
            return 1
        is_shouted = end - start > 2 and u32(classes, before) & UPPER and u32(classes, u32(codes, end - 3)) & UPPER
        return 1 if is_shouted else 0
    if last == _S or last == _CAPITAL_S:
        if style & LETTERS_JOIN:
            return 0
        return 2 if has_before and (before == _APOSTROPHE or before == _TYPOGRAPHIC) else 0
    if u32(classes, last) & OUTER:
        return 2 if last == _ELLIPSIS and has_before and before == _ELLIPSIS else 1
    if has_before and not u32(classes, last) & ANY_DIGIT:
        if u32(classes, before) & DIGIT and (last == _PLUS or u32(classes, last) & CURRENCY):
            return 1
        for length in range(1, min(u32(units, LONGEST), end - start - 1) + 1):
            if u32(classes, u32(codes, end - length - 1)) & DIGIT:
                hashed = hash_span(codes, end - length, end)
                return length if find_phrase(units, codes, end - length, end, hashed) else 0
    return 0


@kernel
def _split_inside(codes: int, classes: int, start: int, end: int, style: int, words: int, num_words: int) -> int:
    hints = 0
    has_stop = False
    for index in range(start, end):
        hints |= u32(classes, u32(codes, index))
        has_stop |= u32(codes, index) == _STOP
    has_elision = style & ELISIONS_SPLIT and hints & QUOTE
    if (not hints & INFIX_HINT and not has_elision) or (has_stop and _is_url(codes, classes, start, end)):
        return _add(words, num_words, codes, start, end)
    first = index = start
    while index < end:
        length = _infix_length(codes, classes, start, index, end, style)
        if length and index > start:
            if index > first:
                num_words = _add(words, num_words, codes, first, index)
            num_words = _add(words, num_words, codes, index, index + length)
            first = index + length
        elif has_elision and index > start + 1 and _is_elision(codes, classes, index):
            num_words = _add(words, num_words, codes, first, index)
            first = index
        index += max(length, 1)
    if first < end:
        num_words = _add(words, num_words, codes, first, end)
    return num_words


@kernel
def _is_elision(codes: int, classes: int, index: int) -> bool:
    """Whether a word begins here after a letter and an apostrophe (`l'|eau`)."""
    mark = u32(codes, index - 1)
    if mark != _APOSTROPHE and mark != _TYPOGRAPHIC:
        return False
    return u32(classes, u32(codes, index - 2)) & LETTER != 0 and u32(classes, u32(codes, index)) & LETTER != 0


@kernel
def _infix_length(codes: int, classes: int, start: int, index: int, end: int, style: int) -> int:
    """How many characters split the text from `start` to `end` at `index`; 0 where it goes on."""
    code = u32(codes, index)
    kind = u32(classes, code)
    if not kind & INFIX_HINT:
        return 0
    if code == _STOP and _is_dots(codes, index, end):
        length = 2
        while index + length < end and u32(codes, index + length) == _STOP:
            length += 1
        return length
    if code == _ELLIPSIS or kind & SYMBOL:
        return 1
    if index == start or index + 1 == end:
        return 0
    before, after = u32(classes, u32(codes, index - 1)), u32(classes, u32(codes, index + 1))
    if (code == _MINUS or code == _PLUS or code == _STAR or code == _CARET) and before & DIGIT:
        if after & DIGIT or u32(codes, index + 1) == _MINUS:
            return 1
    if code == _STOP:
        return 1 if before & (LOWER | QUOTE) and after & (UPPER | QUOTE) else 0
    if code == _COMMA:
        return 1 if before & LETTER and after & LETTER else 0
    if not before & (LETTER | DIGIT):
        return 0
    if code == _COLON and style & LETTERS_JOIN:
        return 0
    if code == _COLON or code == _LESS or code == _MORE or code == _EQUALS or code == _SLASH:
        return 1 if after & LETTER else 0
    if kind & HYPHEN and style & HYPHENS_SPLIT:
        if code == _MINUS and u32(codes, index + 1) == _MINUS:
            if index + 3 < end and u32(codes, index + 2) == _MINUS and u32(classes, u32(codes, index + 3)) & LETTER:
                return 3
            return 2 if index + 2 < end and u32(classes, u32(codes, index + 2)) & LETTER else 0
        if code == _EM_DASH and u32(codes, index + 1) == _EM_DASH:
            return 2 if index + 2 < end and u32(classes, u32(codes, index + 2)) & LETTER else 0
        return 1 if after & LETTER else 0
    return 0


@kernel
def _is_url(codes: int, classes: int, start: int, end: int) -> bool:
    """Whether the text is an address: perhaps a scheme, perhaps a user, a host with a top domain, port, path."""
    index = start
    while index < end and (u32(classes, u32(codes, index)) & WORD or u32(codes, index) in (_PLUS, _MINUS, _STOP)):
        index += 1
    has_scheme = index - start >= 2 and index + 2 < end and u32(codes, index) == _COLON
    if has_scheme and u32(codes, index + 1) == _SLASH and u32(codes, index + 2) == _SLASH:
        if _is_address(codes, classes, index + 3, end):
            return True
    return _is_address(codes, classes, start, end)


@kernel
def _is_address(codes: int, classes: int, start: int, end: int) -> bool:
    for index in range(start, end):
        if u32(codes, index) == _AT:
            if index > start and _is_host(codes, classes, index + 1, end):
                return True
            break
    return _is_host(codes, classes, start, end)


@kernel
def _is_host(codes: int, classes: int, start: int, end: int) -> bool:
    """Whether a host and what may follow it fill the span."""
    index = start
    num_labels = 0
    label = start  # where the last label begins
    are_numbers = True  # each of 1 to 3 digits, as in an address of four numbers
    while True:
        label = index
        while index < end and (
            u32(classes, u32(codes, index)) & HOST or u32(codes, index) == _MINUS or (u32(codes, index) == _UNDERSCORE)
        ):
            are_numbers &= u32(classes, u32(codes, index)) & DIGIT != 0
            index += 1
        are_numbers &= 1 <= index - label <= 3
        if index == end or u32(codes, index) != _STOP:
            break
        if index == label:  # before a text's first character nothing may be read
            return False
        last = u32(codes, index - 1)
        if not u32(classes, u32(codes, label)) & HOST or last == _MINUS or last == _UNDERSCORE:
            return False
        num_labels += 1
        index += 1
    if not (are_numbers and num_labels == 3):
        if num_labels == 0 or not 2 <= index - label <= 63:
            return False
        for place in range(label, index):
            if not u32(classes, u32(codes, place)) & LOWER:
                return False
    if index < end and u32(codes, index) == _COLON:
        digits = index + 1
        while digits < end and u32(classes, u32(codes, digits)) & DIGIT:
            digits += 1
        if not 2 <= digits - index - 1 <= 5:
            return False
        index = digits
    return index == end or u32(codes, index) == _SLASH or u32(codes, index) == _QUESTION or u32(codes, index) == _NUMBER
