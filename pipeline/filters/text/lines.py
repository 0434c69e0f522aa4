# mypy: disable-error-code="no-any-return,return-value,call-arg"
# ruff: noqa: SIM109 (compiled code has no generators, and its tuples are slow)
"""The lines that C4's rules remove, the text that is left, and what speaks against the whole page."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.compiled.cache import kernel
from pipeline.compiled.memory import put32, u32
from pipeline.filters.text.characters import CURLY_BRACKET, DECIMAL, OPENING_BRACKET, PHRASE_HINT, PHRASE_HINTS
from pipeline.filters.text.duplicates import strip
from pipeline.filters.text.kernels import same_span
from pipeline.filters.text.pieces import WORD_NUMBERS
from pipeline.filters.text.words import (
    ENTRY_FLAGS,
    ENTRY_LENGTH,
    ENTRY_NUMBERS,
    IS_PUNCTUATION,
    IS_SENTENCE_END,
    LINE_BLANKS,
    LINE_CLASSES,
    LINE_END,
    LINE_LONGEST,
    LINE_NUMBERS,
    LINE_PIECES,
    LINE_START,
    LINE_WORD,
    flags_of,
    split_span,
)

_JAVASCRIPT, _LOREM_IPSUM, _POLICY, _CITATION = 1, 2, 4, 8
_PHRASES = {
    "javascript": _JAVASCRIPT,
    "lorem ipsum": _LOREM_IPSUM,
    "terms of use": _POLICY,
    "privacy policy": _POLICY,
    "cookie policy": _POLICY,
    "uses cookies": _POLICY,
    "use of cookies": _POLICY,
    "use cookies": _POLICY,
}
_CITATIONS = ("[edit]", "[citation needed]")  # besides numbers
REMOVED = ("long_word", "no_terminal_punctuation", "few_words", "javascript", "policy")
"""Why lines go, in the order in which that is asked."""
# Where the counts stand.
NUM_LINES, NUM_SENTENCES, NUM_LOREM_IPSUM, NUM_CURLY_BRACKET, NUM_WORDS, NUM_CITATIONS, FIRST_REMOVED = range(7)
NUM_COUNTS = FIRST_REMOVED + len(REMOVED)
_NO_TERMINAL, _FEW_WORDS, _JAVASCRIPT_LINES, _POLICY_LINES = range(FIRST_REMOVED + 1, NUM_COUNTS)
# Which lines go: a length or number that is not positive removes none.
MAX_WORD_LENGTH, REQUIRE_TERMINAL, MIN_WORDS, REMOVE_CITATIONS, REMOVE_JAVASCRIPT, REMOVE_POLICIES, NUM_RULES = range(7)

_NEW_LINE, _OPENING, _CLOSING, _STOP, _A, _Z, _KELVIN, _K = map(ord, "\n[].AZ\u212ak")
_QUESTION, _EXCLAMATION, _QUOTE, _APOSTROPHE = map(ord, "?!\"'")
_CURLY, _CLOSING_CURLY, _ROUND, _BLANK, _COLON, _SEMICOLON, _DASH = map(ord, "{}) :;-")
_CASE = 32
_NUM_PHRASES, _NUM_CITATIONS = len(_PHRASES), len(_CITATIONS)
_LONGEST = 24
_ROW = _LONGEST + 4  # code points, then length, place of the hint, kind
_LENGTH, _HINT, _KIND = range(_LONGEST, _LONGEST + 3)


def sought_phrases() -> npt.NDArray[np.uint32]:
    """C4's phrases in lower case, each with the place of the letter that hints at it, then the words of citations."""
    rows = np.zeros((_NUM_PHRASES + _NUM_CITATIONS, _ROW), np.uint32)
    for row, phrase in zip(rows, (*_PHRASES, *_CITATIONS), strict=True):
        row[: len(phrase)] = list(map(ord, phrase))
        row[_LENGTH] = len(phrase)
        row[_HINT] = next((phrase.index(hint) for hint in PHRASE_HINTS if hint in phrase), 0)
        row[_KIND] = _PHRASES.get(phrase, _CITATION)
    return rows.ravel()


@kernel
def _lower(code: int) -> int:
    if _A <= code <= _Z:
        return code + _CASE
    return _K if code == _KELVIN else code


@kernel
def _phrases_in(codes: int, classes: int, start: int, end: int, sought: int) -> int:
    """Which kinds of phrases occur in a span, in any case."""
    kinds = 0
    for index in range(start, end):
        if u32(classes, u32(codes, index)) & PHRASE_HINT:
            kinds |= _phrases_at(codes, start, end, index, sought)
    return kinds


@kernel
def _phrases_at(codes: int, start: int, end: int, index: int, sought: int) -> int:
    kinds = 0
    for row in range(0, _NUM_PHRASES * _ROW, _ROW):
        hint, length = u32(sought, row + _HINT), u32(sought, row + _LENGTH)
        first = index - hint
        if first < start or first + length > end or u32(sought, row + hint) != _lower(u32(codes, index)):
            continue
        place = 0
        while place < length and _lower(u32(codes, first + place)) == u32(sought, row + place):
            place += 1
        if place == length:
            kinds |= u32(sought, row + _KIND)
    return kinds


@kernel
def _citation_length(codes: int, classes: int, start: int, end: int, sought: int) -> int:
    """Length of the citation mark that begins with the bracket at `start`; 0 where none does."""
    index = start + 1
    while index < end and u32(classes, u32(codes, index)) & DECIMAL:
        index += 1
    if index < end and u32(codes, index) == _CLOSING:
        return index + 1 - start
    for row in range(_NUM_PHRASES * _ROW, (_NUM_PHRASES + _NUM_CITATIONS) * _ROW, _ROW):
        length = u32(sought, row + _LENGTH)
        if start + length <= end and same_span(sought, row, codes, start, length):
            return length
    return 0


@kernel
def _copy_line(
    codes: int, classes: int, start: int, end: int, has_citations: bool, sought: int, left: int, at: int
) -> tuple[int, int]:
    """Copy a line to `left`, without its citation marks; where the copy ends, how many marks there were."""
    if not has_citations:
        for index in range(end - start):
            put32(left, at + index, u32(codes, start + index))
        return at + end - start, 0
    num_citations = 0
    index = start
    while index < end:
        length = 0
        if u32(codes, index) == _OPENING:
            length = _citation_length(codes, classes, index, end, sought)
        if length:
            num_citations += 1
            index += length
        else:
            put32(left, at, u32(codes, index))
            at += 1
            index += 1
    return at, num_citations


@kernel
def ends_in_dots(codes: int, start: int, end: int) -> bool:
    """Whether a span ends in three full stops."""
    if end - start < 3:
        return False
    return u32(codes, end - 1) == _STOP and u32(codes, end - 2) == _STOP and u32(codes, end - 3) == _STOP


@kernel
def _ends_well(codes: int, start: int, end: int) -> bool:
    """Whether a line ends in a mark that C4 asks for, and not in three full stops."""
    if start == end:
        return False
    last = u32(codes, end - 1)
    if last == _STOP:
        return not ends_in_dots(codes, start, end)
    return last == _QUESTION or last == _EXCLAMATION or last == _QUOTE or last == _APOSTROPHE


@kernel
def _has_code(codes: int, start: int, end: int) -> bool:
    """Whether a line has a curly bracket as in code: behind `)`, before a blank or a quotation mark, around `:` or `;`,
    or without an end. Others are of TeX (`x_{i}`), of MediaWiki's language variants (`-{m}-`), or around a word."""
    for index in range(start, end):
        if u32(codes, index) != _CURLY:
            continue
        before = u32(codes, index - 1) if index > start else _BLANK
        if before == _ROUND:
            return True
        if before == _DASH:
            continue
        place = index + 1
        if place == end or u32(codes, place) in (_BLANK, _QUOTE, _APOSTROPHE):
            return True
        while place < end and u32(codes, place) != _CLOSING_CURLY:
            if u32(codes, place) == _COLON or u32(codes, place) == _SEMICOLON:
                return True
            place += 1
        if place == end:
            return True
    return False


@kernel
def _next_sentence(sentences: int, flags: int) -> int:
    """Twice the number of sentences, odd after sentence-ending marks: a plain word there begins one (spaCy's rule)."""
    if flags & IS_SENTENCE_END:
        return sentences | 1
    return sentences if flags & IS_PUNCTUATION else sentences + (sentences & 1)


@kernel
def remove_lines(
    codes: int, classes: int, lines: int, num_lines: int, ids: int, entries: int, exceptions: int, units: int,
    style: int, is_spaced: bool, rules: int, sought: int, left: int, counts: int, words: int, stack: int,
    full_stop: int, counts_any_bracket: bool,
) -> tuple[int, int]:  # fmt: skip
    """Write the lines that stay to `left`; where their text begins and ends there. `counts` are filled in.

    A line goes for the first reason that holds, and does not count against the page then. The number of words is that
    before citations went, as in datatrove. In a language without spaces words are counted, not pieces. A curly bracket
    counts wherever it stands, or where it looks like code only.
    """
    for count in range(NUM_COUNTS):
        put32(counts, count, 0)
    max_length, min_words = u32(rules, MAX_WORD_LENGTH), u32(rules, MIN_WORDS)
    keeps_blank = min_words == 0 and not u32(rules, REQUIRE_TERMINAL)
    at = 0
    for line in range(0, num_lines * LINE_NUMBERS, LINE_NUMBERS):
        start, end, kinds = u32(lines, line + LINE_START), u32(lines, line + LINE_END), u32(lines, line + LINE_CLASSES)
        first_word, last_word = u32(lines, line + LINE_WORD), u32(lines, line + LINE_NUMBERS + LINE_WORD)
        if keeps_blank:
            for _ in range(u32(lines, line + LINE_BLANKS)):
                put32(left, at, _NEW_LINE)
                at += 1
        if max_length and u32(lines, line + LINE_LONGEST) > max_length:
            is_long = is_spaced
            for word in range(first_word, last_word):
                is_long |= u32(entries, ENTRY_NUMBERS * u32(ids, word) + ENTRY_LENGTH) > max_length
            if is_long:
                _count(counts, FIRST_REMOVED, 1)
                continue
        has_citations = u32(rules, REMOVE_CITATIONS) != 0 and kinds & OPENING_BRACKET != 0
        stop, num_citations = _copy_line(codes, classes, start, end, has_citations, sought, left, at)
        if u32(rules, REQUIRE_TERMINAL) and not _ends_well(left, at, stop):
            _count(counts, _NO_TERMINAL, 1)
            continue
        if (u32(lines, line + LINE_PIECES) if is_spaced else last_word - first_word) < min_words:
            _count(counts, _FEW_WORDS, 1)
            continue
        phrases = _phrases_in(left, classes, at, stop, sought)
        _count(counts, NUM_LOREM_IPSUM, phrases & _LOREM_IPSUM != 0)
        if u32(rules, REMOVE_JAVASCRIPT) and phrases & _JAVASCRIPT:
            _count(counts, _JAVASCRIPT_LINES, 1)
            continue
        if kinds & CURLY_BRACKET:
            _count(counts, NUM_CURLY_BRACKET, counts_any_bracket or _has_code(codes, start, end))
        if u32(rules, REMOVE_POLICIES) and phrases & _POLICY:
            _count(counts, _POLICY_LINES, 1)
            continue
        sentences = 2
        if num_citations:
            num_words = split_span(left, classes, at, stop, exceptions, units, style, is_spaced, words, 0, stack)
            for word in range(num_words):
                first, length = u32(words, WORD_NUMBERS * word), u32(words, WORD_NUMBERS * word + 1)
                sentences = _next_sentence(sentences, flags_of(left, classes, first, length, full_stop))
        else:
            num_words = last_word - first_word
            for word in range(first_word, last_word):
                flags = u32(entries, ENTRY_NUMBERS * u32(ids, word) + ENTRY_FLAGS)
                sentences = _next_sentence(sentences, flags)
        if num_words:
            _count(counts, NUM_LINES, 1)
            _count(counts, NUM_SENTENCES, sentences // 2)
            _count(counts, NUM_WORDS, num_words)
        _count(counts, NUM_CITATIONS, num_citations)
        put32(left, stop, _NEW_LINE)
        at = stop + 1
    return strip(left, classes, 0, at)


@kernel
def _count(counts: int, count: int, number: int) -> None:
    put32(counts, count, u32(counts, count) + number)
