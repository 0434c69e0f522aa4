"""The words of a text with their places, and hashes of words in a row.

Words are runs of letters and digits, in lower case and without accents. Punctuation parts them and is no word, but a
sign of arithmetic is one. In scripts that are written without spaces each character is a word.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.compiled.cache import entry
from pipeline.dedup.text.characters import ALONE, DIGIT, DROPPED, SEPARATOR, SPACE, ZERO, folded
from pipeline.dedup.text.kernels import CHARACTER_FACTOR, WORD_BASE, WORD_SEED
from pipeline.dedup.text.sketch import code_points, mix

Int64Array = NDArray[np.int64]
UInt64Array = NDArray[np.uint64]

SIGNS = [code for code in range(0x2300) if unicodedata.category(chr(code)) == "Sm"]
_SEED, _FACTOR, _BASE = map(np.uint64, (WORD_SEED, CHARACTER_FACTOR, WORD_BASE))
_HANGUL, _NUM_HANGUL, _LEADING, _VOWEL, _TRAILING = 0xAC00, 11172, 0x1100, 0x1161, 0x11A7
_PIECE = 1 << 20  # characters that are looked at together


class WordSpans(NamedTuple):
    """The words of a text in order: a hash of each, and where it starts and ends, in characters."""

    hashes: UInt64Array
    starts: Int64Array
    ends: Int64Array


def word_spans(text: str, keeps_digits: bool = True) -> WordSpans:
    """The words of a text. Without `keeps_digits` each digit counts as a 0."""
    table = _table(keeps_digits)
    found: list[tuple[NDArray[Any], ...]] = []
    begin = 0
    while begin < len(text) or not found:
        end = begin + _PIECE
        if end < len(text):  # a piece ends with a space, so that no word is cut
            end = text.rfind(" ", begin, end) + 1 or text.find(" ", end) + 1 or len(text)
        codes = code_points(text[begin:end])
        hashes, places = np.empty(len(codes), np.uint64), np.empty((2, len(codes)), np.int64)
        count = _scan(codes, table, hashes, *places)
        found.append((mix(hashes[:count].copy()), *(places[:, :count] + begin)))
        begin = end
    return WordSpans(*map(np.concatenate, zip(*found, strict=True)))


@lru_cache(maxsize=2)
def _table(keeps_digits: bool) -> NDArray[np.uint32]:
    table = folded().copy()
    table[table == SEPARATOR] = SPACE
    for code in SIGNS:
        table[code] = code | ALONE
    for code in np.flatnonzero(table == DIGIT).tolist():
        table[code] = ZERO + (unicodedata.digit(chr(code)) if keeps_digits else 0)
    return table


@entry
def _scan(codes, table, hashes, starts, ends):  # type: ignore[no-untyped-def]
    """Fill in the words; their number. Syllables of Hangul are taken apart, so that both ways to write one agree."""
    count = 0
    is_open = False
    for index in range(len(codes)):
        letter = table[codes[index]]
        if letter == DROPPED:  # a mark upon what stands before it, or invisible
            if is_open or (count and ends[count - 1] == index):
                ends[count - (not is_open)] = index + 1
            continue
        is_alone = letter & ALONE != 0
        if is_open and (letter == SPACE or is_alone):
            is_open = False
            count += 1
        if letter == SPACE:
            continue
        if not is_open:
            starts[count] = index
            hashes[count] = _SEED
            is_open = True
        syllable = np.int64(codes[index]) - _HANGUL
        if 0 <= syllable < _NUM_HANGUL:
            hashes[count] = (hashes[count] ^ np.uint64(_LEADING + syllable // 588)) * _FACTOR
            hashes[count] = (hashes[count] ^ np.uint64(_VOWEL + syllable % 588 // 28)) * _FACTOR
            letter = _TRAILING + syllable % 28
        if letter != _TRAILING:
            hashes[count] = (hashes[count] ^ np.uint64(letter)) * _FACTOR
        ends[count] = index + 1
        if is_alone:
            is_open = False
            count += 1
    return count + is_open


class WordRuns:
    """Hashes of words in a row, of any lengths: polynomials in the words' hashes, from those of all words before."""

    def __init__(self, hashes: UInt64Array) -> None:
        self._before, self._powers = np.zeros(len(hashes) + 1, np.uint64), np.full(len(hashes) + 1, _BASE)
        _roll(hashes, self._before)
        self._powers[0] = 1
        np.multiply.accumulate(self._powers, out=self._powers)

    def hashes(self, begins: Int64Array, ends: Int64Array) -> UInt64Array:
        """The hash of each run. It does not depend on what stands around it."""
        return mix(self._raw(begins, ends))

    def joined(self, runs: Int64Array) -> UInt64Array:
        """The hash of two runs, the one behind the other: rows of begin, end, begin, end."""
        begins, ends = runs[:, ::2].T, runs[:, 1::2].T
        first, second = self._raw(begins, ends)
        return mix(first * self._powers[ends[1] - begins[1]] + second)

    def _raw(self, begins: Int64Array, ends: Int64Array) -> UInt64Array:
        raw: UInt64Array = self._before[ends] - self._before[begins] * self._powers[ends - begins]
        return raw


@entry
def _roll(hashes, before):  # type: ignore[no-untyped-def]
    for index in range(len(hashes)):
        before[index + 1] = before[index] * _BASE + hashes[index]
