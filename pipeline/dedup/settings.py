"""Settings of the `[dedup]` table."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from manifests.settings import Settings


class MinHashSettings(Settings):
    """Near duplicates, found by MinHash with locality-sensitive hashing over word n-grams.

    A document's signature holds `num_buckets` x `hashes_per_bucket` minimum hashes. Two documents are taken for near
    duplicates where all hashes of at least one bucket agree. For a pair with Jaccard similarity `s` of their n-gram
    sets that happens with probability

        1 - (1 - s**r)**b        r = hashes_per_bucket, b = num_buckets

    (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, 3.4). The defaults are those of FineWeb (Penedo et al.
    2024, arXiv:2406.17557): 14 x 8 over 5-grams, which finds 56 / 77 / 92 / 98.8 % of the pairs of similarity
    0.7 / 0.75 / 0.8 / 0.85. More buckets find more pairs, more hashes a bucket ask for more similar ones.
    """

    enabled: bool = True
    """Look for near duplicates at all."""
    num_buckets: int = Field(default=14, gt=0, le=1024)
    """Buckets of a signature, `b`; the hashes of one must all agree."""
    hashes_per_bucket: int = Field(default=8, gt=0, le=1024)
    """Minimum hashes in a bucket, `r`."""
    ngram_words: int = Field(default=5, gt=0, le=64)
    """Words of one n-gram."""
    seed: int = Field(default=1, ge=0, lt=2**64)
    """Seed of the hash functions."""

    @property
    def num_hashes(self) -> int:
        """Length of a signature."""
        return self.num_buckets * self.hashes_per_bucket

    def match_probability(self, similarity: float) -> float:
        """Probability that a pair of this Jaccard similarity shares at least one bucket."""
        return float(1.0 - (1.0 - similarity**self.hashes_per_bucket) ** self.num_buckets)


class DedupSettings(Settings):
    """Which documents count as copies of one another; of each cluster of copies the first stays.

    FineWeb found that deduplicating each crawl by itself gave better models than deduplicating all crawls together.
    """

    exact: bool = True
    """Join texts that are equal after white space is folded."""
    minhash: MinHashSettings = MinHashSettings()
    scope: Literal["global", "source"] = "global"
    """`source` joins documents of one source only, `global` compares across sources."""
