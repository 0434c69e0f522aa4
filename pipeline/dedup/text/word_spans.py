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
from pipeline.dedup.text.sketch import mix

Int64Array = NDArray[np.int64]
UInt64Array = NDArray[np.uint64]

SIGNS = [code for code in range(0x2300) if unicodedata.category(chr(code)) == "Sm"]
_SEED, _FACTOR = np.uint64(0x9AE16A3B2F90404F), np.uint64(0x9E3779B97F4A7C15)
_BASE = 0x9E3779B97F4A7C13  # 3 modulo 8: of the greatest order modulo 2**64
_INVERSE = pow(_BASE, -1, 1 << 64)
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
        codes = np.frombuffer(text[begin:end].encode("utf-32-le", "surrogatepass"), dtype="<u4")
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
    """Hashes of words in a row, of any lengths, from sums over all words before each place."""

    def __init__(self, hashes: UInt64Array) -> None:
        self.num_words = len(hashes)
        self._sums = np.zeros(self.num_words + 1, np.uint64)
        np.cumsum(hashes * _powers(_BASE, self.num_words), out=self._sums[1:])

    def hashes(self, begins: Int64Array, ends: Int64Array) -> UInt64Array:
        """The hash of each run. It does not depend on what stands around it."""
        return mix(self._raw(begins, ends))

    def joined(self, runs: Int64Array) -> UInt64Array:
        """The hash of two runs, the one behind the other: rows of begin, end, begin, end."""
        first, second = self._raw(runs[:, 0], runs[:, 1]), self._raw(runs[:, 2], runs[:, 3])
        lengths = runs[:, 1] - runs[:, 0]
        return mix(first + second * _powers(_BASE, int(lengths.max(initial=0)) + 1)[lengths])

    def _raw(self, begins: Int64Array, ends: Int64Array) -> UInt64Array:
        raw: UInt64Array = self._sums[ends] - self._sums[begins]
        raw *= _powers(_INVERSE, self.num_words + 1)[begins]
        return raw


_KEPT: dict[int, UInt64Array] = {}


def _powers(base: int, count: int) -> UInt64Array:
    """The first `count` powers of a base modulo 2**64."""
    if len(_KEPT.get(base, ())) < count:
        powers = np.full(max(2 * count, 1 << 16), base, np.uint64)
        powers[0] = 1
        _KEPT[base] = np.multiply.accumulate(powers)
    return _KEPT[base][:count]
