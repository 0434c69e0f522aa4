"""What is kept of a text to find and compare its near duplicates: MinHash signatures (Broder 1997), and n-grams.

Shingles are hashes of word n-grams of folded text, well scattered over 32 bits. Each of a signature's functions, `(a *
x + b) mod 2**32` with odd `a`, is one to one, and so puts them in an order; the least is kept. Two documents agree in
one place with the probability of the Jaccard similarity of their sets of n-grams. 32 bits suffice: two different
shingles meet in one minimum with a probability of about n / 2**32, and a bucket needs all of its minima to agree.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.settings import MinHashSettings
from pipeline.dedup.text.characters import CONJOINING_JAMO, folded, standing
from pipeline.dedup.text.kernels import (
    NUM_STATES,
    NUM_WORDS,
    SEQUENCE,
    WORD_BASE,
    add_ngrams,
    lower_minima,
    may_compose,
)

NUM_FINE, _MINIMA_OF_FINE = 8, 4
"""Finer keys of a document, and the minima that each is made of."""
_PIECE_CHARACTERS = 1 << 18
_SHORT = 4  # times the words of an n-gram: of so few words, n-grams do not show that a text repeats itself
_STEP = 0x9E3779B97F4A7C15
_MASK64 = (1 << 64) - 1
_NGRAM_SEED = 0x6E6772616D73  # any fixed number; a change of it changes every hash of an n-gram
_FINE_SEED = 0x66696E65
_FEW = 100  # n-grams: a text of more says much, however often it says it
_TELLING = 3  # words: shorter n-grams repeat in every long text


class Sketches(NamedTuple):
    """What is known of many texts, a row a text."""

    signatures: NDArray[np.uint32]  # (n, num_hashes), zeros where there is none
    has_signature: NDArray[np.bool_]  # (n,), False for texts without a word
    fine: NDArray[np.uint32]  # (n, NUM_FINE): keys of the n-grams that decide, each of which few unlike texts share


class NGrams(NamedTuple):
    """The n-grams of a text that decide whether it is a copy."""

    values: NDArray[np.uint64]  # hashes of those that are different, ascending
    sequence: int  # hash of all words in order
    is_repetitive: (
        bool  # its n-grams are few, and fewer than half are different; of a short text, at most half of its words
    )


class Sketcher:
    """Makes sketches of texts, one after the other. The same on every machine, in every process and order."""

    def __init__(self, settings: MinHashSettings) -> None:
        self._settings = settings
        self._width = settings.ngram_words
        self._power = np.uint64(pow(WORD_BASE, self._width, 1 << 64))
        self._table = folded() if settings.fold_verified else standing()
        self._is_folded = settings.fold_verified
        self._seed = np.uint64(int(stream(settings.seed, 1)[0]) + self._width & _MASK64)
        self._ngram_seed = np.uint64(_NGRAM_SEED + self._width)
        self._factors, self._offsets = _functions(settings.seed, settings.num_hashes)
        self._fine_factors, self._fine_offsets = _functions(_FINE_SEED, NUM_FINE * _MINIMA_OF_FINE)
        self._words = np.zeros((2, self._width), dtype=np.uint64)
        self._states = np.zeros((2, NUM_STATES), dtype=np.uint64)
        self._ngrams = np.empty(_PIECE_CHARACTERS + 2, dtype=np.uint64)

    def sketches(self, texts: Sequence[str]) -> Sketches:
        """Signatures and finer keys of texts."""
        signatures = np.full((len(texts), self._factors.size), 0xFFFFFFFF, dtype=np.uint32)
        fine = np.full((len(texts), self._fine_factors.size), 0xFFFFFFFF, dtype=np.uint32)
        has_signature = np.zeros(len(texts), dtype=np.bool_)
        for row, text in enumerate(texts):
            self._begin()
            for codes, composed, is_last in _pieces(text):
                count = self._add(0, codes, folded(), self._seed, is_last)
                lower_minima(self._ngrams, count, self._factors, self._offsets, signatures[row])
                decides = codes if self._is_folded else composed
                count = self._add(1, decides, self._table, self._ngram_seed, is_last)
                lower_minima(self._ngrams, count, self._fine_factors, self._fine_offsets, fine[row])
            has_signature[row] = self._states[0, NUM_WORDS] != 0
        signatures[~has_signature] = 0
        return Sketches(signatures, has_signature, _combined(fine))

    def ngrams(self, text: str) -> NGrams:
        """The n-grams that decide, and whether the text repeats itself."""
        values = self._different(text)
        sequence, num_words = self._states[1, [SEQUENCE, NUM_WORDS]].tolist()
        width = max(self._width, _TELLING)
        counted = values if width == self._width else self._sketcher(width)._different(text)
        is_repetitive = 2 * counted.size < num_words - width + 1 and counted.size < _FEW
        if 1 < self._width > num_words // _SHORT:
            is_repetitive |= 0 < 2 * self._sketcher(1)._different(text).size <= num_words
        return NGrams(values, sequence, is_repetitive)

    def _different(self, text: str) -> NDArray[np.uint64]:
        """The different n-grams that decide, ascending."""
        self._begin()
        found = []
        for codes, composed, is_last in _pieces(text):
            decides = codes if self._is_folded else composed
            count = self._add(1, decides, self._table, self._ngram_seed, is_last)
            found.append(_unique(self._ngrams[:count].copy()))
        return found[0] if len(found) == 1 else _unique(np.concatenate(found))

    @functools.cache  # noqa: B019 - lives as long as its process
    def _sketcher(self, width: int) -> Sketcher:
        """A sketcher of n-grams of so many words."""
        return Sketcher(self._settings.model_copy(update={"ngram_words": width}))

    def _begin(self) -> None:
        self._words.fill(0)
        self._states.fill(0)

    def _add(self, kind: int, codes: NDArray[np.uint32], table: NDArray[np.uint32], seed: np.uint64, end: bool) -> int:
        """Put the n-grams that end in a piece into the buffer; how many."""
        return int(
            add_ngrams(codes, table, seed, self._power, self._words[kind], self._states[kind], self._ngrams, end)
        )


def _unique(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The different ones, ascending; the array is sorted in place."""
    values.sort()
    is_new = np.ones(values.size, dtype=np.bool_)
    np.not_equal(values[1:], values[:-1], out=is_new[1:])
    return values[is_new]


def _pieces(text: str) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.uint32], bool]]:
    """Code points of a text as it is folded, as it is compared, and whether it ends there: piece by piece, so that a
    long text needs no more memory than a short one.

    Accents that stand apart are composed (NFC) for what is compared, and the letters of Hangul for both.
    """
    begin = 0
    while True:
        end = _cut(text, begin)
        piece = text[begin:end] if begin or end < len(text) else text
        is_last = end == len(text)
        codes = composed = code_points(piece)
        if not piece.isascii() and may_compose(codes) and not unicodedata.is_normalized("NFC", piece):
            composed = code_points(unicodedata.normalize("NFC", piece))
            if ((codes >= CONJOINING_JAMO[0]) & (codes < CONJOINING_JAMO[1])).any():
                codes = composed
        yield codes, composed, is_last
        if is_last:
            return
        begin = end


def _cut(text: str, begin: int) -> int:
    """Where a piece ends: before a character that nothing is composed with, if there is one."""
    end = begin + _PIECE_CHARACTERS
    if end >= len(text):
        return len(text)
    for place in range(end, begin + _PIECE_CHARACTERS // 2, -1):
        if text[place] < "\u0300" or "\u3400" <= text[place] <= "\u9fff":
            return place
    return end


def code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def stream(seed: int, count: int) -> NDArray[np.uint64]:
    """`count` pseudo-random 64-bit numbers of a seed: SplitMix64, the same on every machine and numpy."""
    return mix(np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_STEP) + np.uint64(seed & _MASK64))


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit values in place, one to one: the finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    values ^= values >> np.uint64(30)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def _functions(seed: int, count: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Odd factors and offsets of hash functions."""
    numbers = (stream(seed, 1 + 2 * count)[1:] >> np.uint64(32)).astype(np.uint32)
    return numbers[:count] | np.uint32(1), numbers[count:].copy()


def _combined(minima: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Finer keys: each a hash of some minima."""
    values = minima.reshape(len(minima), NUM_FINE, _MINIMA_OF_FINE).astype(np.uint64)
    keys = np.zeros(values.shape[:2], dtype=np.uint64)
    for place in range(_MINIMA_OF_FINE):
        keys += values[..., place]
        mix(keys)
    return (keys >> np.uint64(32)).astype(np.uint32)
