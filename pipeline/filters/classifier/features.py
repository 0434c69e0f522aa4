"""What the classifier reads of a document: which words and pairs of neighbouring words occur in an excerpt.

Length and layout should not decide, so at most 4,000 characters are read, from four places; case, punctuation, spaces
and line ends do not count; a digit is any digit; and how often a word occurs does not count either. A word is a run of
letters and digits. In scripts without spaces each character is one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.compiled.cache import entry, kernel

EXCERPT_PIECES = 4
PIECE_CHARACTERS = 1000
EXCERPT_CHARACTERS = EXCERPT_PIECES * PIECE_CHARACTERS
_SEAM = "\0"  # no pair of words across it

_PRIME = np.uint64(0x100000001B3)  # FNV-1a's, 64 bits
_BASIS = np.uint64(0xCBF29CE484222325)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_SEPARATOR, _ALONE = -1, 0x200000  # no code point is as large

_Array = npt.NDArray[np.generic]


def excerpt(text: str) -> str:
    """The part of a text that is read: all of a short one, else pieces at even distances, the first and the last."""
    if len(text) <= EXCERPT_CHARACTERS:
        return text
    step = (len(text) - PIECE_CHARACTERS) // (EXCERPT_PIECES - 1)
    starts = [number * step for number in range(EXCERPT_PIECES)]
    return _SEAM.join(text[start : start + PIECE_CHARACTERS] for start in starts)


def encode(text: str) -> npt.NDArray[np.uint8]:
    """The UTF-8 bytes of an excerpt. Lone surrogates, which have none, become `?`."""
    return np.frombuffer(text.encode("utf-8", "replace"), np.uint8)


@kernel
def _fold(code: int) -> int:
    """The letter or digit that a code point stands for; below 0 for what separates words; from `_ALONE` on for a
    character that is a word by itself."""
    if code < 0x80:
        if 0x61 <= code <= 0x7A:
            return code
        if 0x41 <= code <= 0x5A:
            return code + 0x20
        if 0x30 <= code <= 0x39:
            return 0x30
        return _SEPARATOR
    if code < 0x250:
        if code < 0xC0 or code == 0xD7 or code == 0xF7:
            return _SEPARATOR
        if code <= 0xDE:
            return code + 0x20
        if 0x100 <= code <= 0x137 or 0x14A <= code <= 0x177:
            return code | 1
        if (0x139 <= code <= 0x148 or 0x179 <= code <= 0x17E) and code & 1:
            return code + 1
        return code
    if 0x391 <= code <= 0x3A9 or 0x410 <= code <= 0x42F:
        return code + 0x20
    if 0x400 <= code <= 0x40F:
        return code + 0x50
    if 0x660 <= code <= 0x669 or 0x6F0 <= code <= 0x6F9 or 0x966 <= code <= 0x96F:
        return 0x30
    if 0x2000 <= code <= 0x2BFF or 0x3000 <= code <= 0x3004 or 0x3008 <= code <= 0x303F:
        return _SEPARATOR
    if 0xFF00 <= code <= 0xFF65 or 0xFE00 <= code <= 0xFE6F:
        if 0xFF10 <= code <= 0xFF19:
            return 0x30
        if 0xFF21 <= code <= 0xFF3A:
            return code - 0xFEC0
        if 0xFF41 <= code <= 0xFF5A:
            return code - 0xFEE0
        return _SEPARATOR
    if (
        0x0E00 <= code <= 0x109F
        or 0x1780 <= code <= 0x17FF
        or 0x3005 <= code <= 0x30FF
        or 0x31F0 <= code <= 0x9FFF
        or 0xF900 <= code <= 0xFAFF
        or 0xFF66 <= code <= 0xFF9D
        or code >= 0x20000
    ):
        return code + _ALONE
    if code >= 0x1F000:  # pictures
        return _SEPARATOR
    return code


@kernel
def _bucket(value: np.uint64, mask: np.uint64) -> np.uint64:
    """A bucket for a hash: its bits mixed, the upper half of the product taken."""
    mixed = (value ^ (value >> _HALF)) * _MIX
    return (mixed >> _HALF) & mask


@entry
def collect(data: npt.NDArray[np.uint8], seen: npt.NDArray[np.uint8], found: npt.NDArray[np.int32]) -> int:
    """Write the buckets of the words and pairs of UTF-8 text to `found`, each once; returns how many they are.

    seen: zeros, as many as there are buckets, a power of two; they are zeros again after. found: at least twice as long
    as the data, and two more.
    """
    mask = np.uint64(seen.size - 1)
    number = 0
    word, before = _BASIS, np.uint64(0)  # `before` is the hash of the word before, 0 where there is none
    in_word = False
    place, size = 0, data.size
    while place <= size:
        code: Any = 0
        if place < size:
            lead = np.int64(data[place])
            if lead < 0x80:
                code, length = lead, 1
            elif lead < 0xE0 and place + 1 < size:
                code, length = (lead & 0x1F) << 6 | (data[place + 1] & 0x3F), 2
            elif lead < 0xF0 and place + 2 < size:
                code, length = (lead & 0x0F) << 12 | (data[place + 1] & 0x3F) << 6 | (data[place + 2] & 0x3F), 3
            elif place + 3 < size:
                code = (lead & 0x07) << 18 | (data[place + 1] & 0x3F) << 12
                code, length = code | (data[place + 2] & 0x3F) << 6 | (data[place + 3] & 0x3F), 4
            else:
                length = 1
        else:
            length = 1
        place += length
        letter = _fold(code)
        if 0 <= letter < _ALONE:
            word = (word ^ np.uint64(letter)) * _PRIME
            in_word = True
            continue
        for turn in range(2):  # the word that ends here, then the character that is one
            if turn == 0 and not in_word:
                continue
            if turn == 1:
                if letter < _ALONE:
                    break
                word = (_BASIS ^ np.uint64(letter)) * _PRIME
            bucket = _bucket(word, mask)
            if seen[bucket] == 0:
                seen[bucket] = 1
                found[number] = bucket
                number += 1
            if before != 0:
                pair = _bucket((before * _PRIME) ^ word, mask)
                if seen[pair] == 0:
                    seen[pair] = 1
                    found[number] = pair
                    number += 1
            before = word
            word = _BASIS
            in_word = False
        if code == 0:
            before = np.uint64(0)
    for index in range(number):
        seen[found[index]] = 0
    return number


@entry
def mean_weight(
    data: npt.NDArray[np.uint8],
    weights: npt.NDArray[np.float32],
    seen: npt.NDArray[np.uint8],
    found: npt.NDArray[np.int32],
) -> float:
    """The mean weight of the words and pairs of UTF-8 text; NaN where it has none. See `collect`."""
    number = collect(data, seen, found)
    if number == 0:
        return np.nan
    total = 0.0
    for index in range(number):
        total += weights[found[index]]
    return float(total / number)


class Hasher:
    """Finds the buckets of texts; holds the memory that this takes."""

    def __init__(self, num_buckets: int) -> None:
        self._seen = np.zeros(num_buckets, np.uint8)
        self._found = np.empty(1 << 15, np.int32)

    def _room(self, data: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
        if self._found.size < 2 * data.size + 2:
            self._found = np.empty(2 * data.size + 2, np.int32)
        return self._found

    def buckets(self, text: str) -> npt.NDArray[np.int32]:
        """The buckets of an excerpt's words and pairs, in ascending order, each once."""
        data = encode(text)
        number = collect(data, self._seen, self._room(data))
        return np.sort(self._found[:number])

    def mean_weight(self, text: str, weights: npt.NDArray[np.float32]) -> float | None:
        """The mean weight of an excerpt's words and pairs; None where it has none."""
        data = encode(text)
        mean = float(mean_weight(data, weights, self._seen, self._room(data)))
        return None if np.isnan(mean) else mean
