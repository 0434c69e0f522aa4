"""MinHash signatures of texts (Broder 1997), computed in numpy.

A shingle is a run of `ngram_words` words. Each of the signature's hash functions orders all possible shingles, and
keeps the least one of the document; two documents agree in one position with the probability of their shingle sets'
Jaccard similarity.

Shingles are hashed well to 32 bits first. A hash function then is `(a * x + b) mod 2**32` with odd `a`, which is one to
one. Because the shingle hashes are already scattered at random, so are their images, and each shingle is equally
likely to be the least. 32 bits suffice: two different shingles meet in one minimum with a probability of about n /
2**32, and a bucket needs all of its minima to agree.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.normalize import UInt32Array, UInt64Array, mix, seed_stream, word_hashes
from pipeline.dedup.settings import MinHashSettings

_SHINGLES_PER_BLOCK = 512  # 112 hashes of 512 shingles are 229 KB: they stay in the processor's cache


class MinHasher:
    """Computes signatures with given settings. Stable across machines, processes and document order."""

    def __init__(self, settings: MinHashSettings) -> None:
        self.settings = settings
        ngram_words, num_hashes = settings.ngram_words, settings.num_hashes
        numbers = seed_stream(settings.seed, ngram_words + 1 + 2 * num_hashes)
        self._word_factors = numbers[:ngram_words] | np.uint64(1)
        self._shingle_seed = int(numbers[ngram_words]) >> 1  # halved: adding the width cannot overflow
        coefficients = (numbers[ngram_words + 1 :] >> np.uint64(32)).astype(np.uint32)
        self._factors = (coefficients[:num_hashes] | np.uint32(1))[:, np.newaxis]
        self._offsets = coefficients[num_hashes:][:, np.newaxis]
        self._block = np.empty((num_hashes, _SHINGLES_PER_BLOCK), dtype=np.uint32)

    def signature(self, text: str) -> UInt32Array | None:
        """The signature of a text: uint32 of shape (num_buckets * hashes_per_bucket,), or None without any word."""
        shingles = self.shingles(text)
        return self.minima(shingles) if shingles.size else None

    def signatures(self, texts: Sequence[str]) -> tuple[UInt32Array, NDArray[np.bool_]]:
        """Signatures of many texts, shape (len(texts), num_hashes), and which of them have one (else zeros)."""
        rows = np.zeros((len(texts), self.settings.num_hashes), dtype=np.uint32)
        has_signature = np.zeros(len(texts), dtype=np.bool_)
        for row, text in enumerate(texts):
            shingles = self.shingles(text)
            if shingles.size:
                self.minima(shingles, out=rows[row])
                has_signature[row] = True
        return rows, has_signature

    def shingles(self, text: str) -> UInt32Array:
        """Hashes of the text's word n-grams in order, with repeats.

        A text with fewer words than an n-gram has one shingle of all its words, a text without words has none.
        """
        hashes = word_hashes(text)
        if not hashes.size:
            return np.empty(0, dtype=np.uint32)
        width = min(self.settings.ngram_words, hashes.size)
        count = hashes.size - width + 1
        combined: UInt64Array = np.full(count, self._shingle_seed + width, dtype=np.uint64)
        for position in range(width):
            combined += hashes[position : position + count] * self._word_factors[position]
        return (mix(combined) >> np.uint64(32)).astype(np.uint32)

    def minima(self, shingles: UInt32Array, out: UInt32Array | None = None) -> UInt32Array:
        """The least image of the (one or more) shingle hashes under each hash function; order and repeats are moot."""
        least = np.empty(self.settings.num_hashes, dtype=np.uint32) if out is None else out
        least.fill(np.iinfo(np.uint32).max)
        for begin in range(0, shingles.size, _SHINGLES_PER_BLOCK):
            part = shingles[begin : begin + _SHINGLES_PER_BLOCK]
            images = self._block[:, : part.size]
            np.multiply(self._factors, part, out=images)
            np.add(images, self._offsets, out=images)
            np.minimum(least, images.min(axis=1), out=least)
        return least


def estimated_jaccard(first: UInt32Array, second: UInt32Array) -> NDArray[np.float64]:
    """Estimated Jaccard similarity of the shingle sets of documents: the fraction of equal positions.

    Signatures have shape (..., num_hashes). The standard error is sqrt(s * (1 - s) / num_hashes), at most 0.047 for
    112 hashes.
    """
    return np.asarray(np.mean(first == second, axis=-1), dtype=np.float64)
