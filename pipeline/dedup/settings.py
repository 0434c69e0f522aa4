"""Settings of the `[dedup]` table."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from manifests.settings import Settings

Fraction = Annotated[float, Field(gt=0.0, le=1.0)]


class MinHashSettings(Settings):
    """Near duplicates: MinHash with locality-sensitive hashing proposes pairs, and the texts of a pair decide.

    A document's signature holds `num_buckets` x `hashes_per_bucket` minimum hashes of its word n-grams. A pair is
    proposed where all hashes of at least one bucket agree. For a pair with Jaccard similarity `s` of their n-gram sets
    that happens with probability

        1 - (1 - s**r)**b        r = hashes_per_bucket, b = num_buckets

    (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, 3.4). The defaults are those of FineWeb (Penedo et al.
    2024, arXiv:2406.17557): 14 x 8 over 5-grams, which proposes 56 / 77 / 92 / 98.8 % of the pairs of similarity
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
    verify: bool = True
    """Compare the texts of proposed pairs. `false` is what FineWeb did: a shared bucket is enough, and clusters are
    closed transitively, so that a document may go although no kept one is like it."""
    threshold: Fraction = 0.8
    """A document is removed where a kept one is at least so similar."""
    measure: Literal["similarity", "containment"] = "similarity"
    """What is compared with the threshold: the Jaccard similarity of the n-gram sets of the two texts, or the share of
    the document's n-grams that the kept one has. Pairs are proposed by Jaccard similarity in either case: of a document
    and one twice as long that holds it, one in twenty. More buckets of fewer hashes propose more of them."""
    fold_verified: bool = False
    """Compare texts without their digits, signs and marks, as proposals are made. By default these count, so that pages
    which differ in numbers alone stay."""

    @property
    def num_hashes(self) -> int:
        """Length of a signature."""
        return self.num_buckets * self.hashes_per_bucket

    def match_probability(self, similarity: float) -> float:
        """Probability that a pair of this Jaccard similarity shares at least one bucket."""
        return float(1.0 - (1.0 - similarity**self.hashes_per_bucket) ** self.num_buckets)


class LineSettings(Settings):
    """Lines, paragraphs or spans of sentences that repeat across documents: one copy stays, the others are cut out."""

    enabled: bool = False
    """Look for repeated lines at all."""
    unit: Literal["line", "paragraph", "three_sentences"] = "paragraph"
    """What is compared: a line; a paragraph as CCNet has it, a line without digits, marks and case (Wenzek et al. 2019,
    arXiv:1911.00359, section 3.2); or a span of three sentences as C4 has it (Raffel et al. 2020, section 2.2). What
    has fewer than four words that are no numbers is left alone."""
    min_documents: int = Field(default=2, ge=2)
    """Documents that must have a unit before its copies are cut out."""


class DecontaminateSettings(Settings):
    """Documents that hold items of evaluation sets."""

    files: list[str] = Field(default=[])
    """Evaluation sets: files of JSONL, CSV or text (a line an item, its fields parted by tabs), also compressed, as
    globs relative to the recipe. `[]` looks for none."""
    ngram_words: int = Field(default=13, ge=5, le=64)
    """Words in a row that a document and an item must share (Brown et al. 2020, appendix C). Shorter items count whole:
    from six words on anywhere, five between punctuation, four on a line of their own."""
    action: Literal["drop", "cut"] = "drop"
    """Drop the document, or cut the shared words out of it."""


class DedupSettings(Settings):
    """Which documents count as copies of one another, and which of them stays.

    FineWeb found that deduplicating each crawl by itself gave better models than deduplicating all crawls together.
    """

    exact: bool = True
    """Remove texts that are equal after white space is folded."""
    url: bool = False
    """Remove documents of one URL, whatever they say: the scheme, `www.`, the case of the host, a fragment and a slash
    at the end do not count."""
    minhash: MinHashSettings = MinHashSettings()
    keep: str = "longest"
    """Which of two documents stays: `first` in the order of sources and files, `longest`, `newest`, `source` (the one
    whose source stands first in the recipe), or the name of a signal of the filter stage, such as
    `classifier.score`, whose highest value stays. A hash of the text decides between equals."""
    scope: Literal["group", "source", "global"] = "global"
    """What is compared with what: documents of one group (a crawl, or a folder of files), of one source, or all."""
    against: list[str] = Field(default=[])
    """Earlier builds, as folders relative to the recipe or URLs: what they keep is removed here."""
    keep_keys: bool = True
    """Keep the signatures and keys of the documents in the build, some 500 bytes a document. Builds to come can be
    deduplicated against them, and a source that grows costs its new files alone."""
    lines: LineSettings = LineSettings()
    decontaminate: DecontaminateSettings = DecontaminateSettings()
