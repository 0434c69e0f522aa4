"""How many documents a document is compared with although it is not like them, told before pairs are proposed.

Texts of one language share n-grams, and a corpus has so many pairs that few in a million of them add up. Where each
document has more than one such false partner, the graph of proposed pairs percolates: most documents hang together in
one component (Erdos and Renyi 1960). With `verify` that costs time alone; without, it removes a corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from math import comb, isqrt, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.settings import DedupSettings, MinHashSettings

MOST_PARTS = 64
_DOCUMENTS = 1000
_MANY_HASHES = 512  # exact sums take time in proportion to a higher power of these
_PAIRS = 125_000  # within sources, where only documents of one are compared
_MANY, _PERCOLATES = 0.1, 1.0  # false partners of a document


def documents_a_source(num_sources: int, settings: DedupSettings) -> int:
    """Documents of each source to draw, so that there are more than 100,000 pairs."""
    within = 0 if settings.scope == "global" else isqrt(2 * _PAIRS // num_sources) + 1
    return max(_DOCUMENTS // num_sources, within, 2)


def bucket_probabilities(settings: MinHashSettings) -> NDArray[np.float64]:
    """For each number of equal minima of a pair, an estimate of the probability that it shares a bucket.

    Of `m` equal minima among `k`, `C(m, n) / C(k, n)` estimates `s**n` without bias, so by inclusion and exclusion over
    the buckets the sum of `(-1)**(j + 1) * C(b, j) * C(m, r * j) / C(k, r * j)` so estimates `1 - (1 - s**r)**b`. It
    is the share of all ways to deal the minima into buckets that fill one with equal ones. Of many minima, whose share
    is known well, `s` is taken to be `m / k`.
    """
    r, b, k = settings.hashes_per_bucket, settings.num_buckets, settings.num_hashes
    if k > _MANY_HASHES:
        return np.array([settings.match_probability(m / k) for m in range(k + 1)])
    return np.array(
        [
            float(sum((-1) ** (j + 1) * Fraction(comb(b, j) * comb(m, r * j), comb(k, r * j)) for j in range(1, b + 1)))
            for m in range(k + 1)
        ]
    )


def expected_partners(
    signatures: NDArray[np.uint16],
    sources: Sequence[str],
    num_documents: Mapping[str, int],
    settings: DedupSettings,
) -> dict[str, Any]:
    """The expected number of false partners of a document: over sources, their documents x mean probability.

    Pairs whose estimated similarity reaches the threshold are partners in truth and do not count. Where documents are
    compared within groups, whole sources are assumed, so the number is too high.

    Args:
        signatures: of documents drawn at random from each source, shape (n, num_hashes), 16 or more bits a minimum.
        sources: the source of each.
        num_documents: documents of each source in all.
        settings: what is compared with what, and how.

    Returns:
        For the manifest: `pairs` (sampled), `documents`, `mean_similarity`, `expected` (of a document of the build)
        and its standard `error`, `by_source`. With more than 0.1 `instead`: buckets and hashes a bucket that find as
        many pairs at the threshold, with their `expected`.
    """
    minhash = settings.minhash
    names = sorted(set(sources))
    found = {name: signatures[np.array(sources) == name] for name in names}
    equal = {
        (one, two): _equal_minima(found[one], found[two], one == two)
        for one in names
        for two in names
        if settings.scope == "global" or one == two
    }

    def partners(probabilities: NDArray[np.float64]) -> dict[str, float]:
        of = dict.fromkeys(names, 0.0)
        for (one, two), counts in equal.items():
            if counts.sum():
                of[one] += num_documents[two] * float(counts @ probabilities) / float(counts.sum())
        return of

    k = minhash.num_hashes
    is_false = np.arange(k + 1) < minhash.threshold * k
    probabilities = bucket_probabilities(minhash) * is_false
    by_source = partners(probabilities)
    total = max(1, sum(num_documents[name] for name in names))
    # Both orders of two documents are one draw, so a variance counts twice.
    variance = sum(
        2 * (num_documents[one] * num_documents[two] / total) ** 2 * _variance(counts, probabilities)
        for (one, two), counts in equal.items()
    )

    def mean(of: dict[str, float]) -> float:
        return sum(num_documents[name] * value for name, value in of.items()) / total

    all_counts = sum(equal.values(), np.zeros(k + 1, dtype=np.int64))
    num_pairs = int(all_counts.sum())
    # Pairs of two sources, and of one, are counted in both orders.
    facts: dict[str, Any] = {
        "documents": len(signatures),
        "pairs": num_pairs // 2,
        "mean_similarity": float(all_counts @ np.arange(k + 1)) / k / max(1, num_pairs),
        "expected": mean(by_source),
        "error": variance**0.5,
        "by_source": by_source,
    }
    if facts["expected"] > _MANY:
        for b, r in _as_good(minhash):
            # The first term alone, which is an upper bound of the probability.
            powers = np.array([float(Fraction(b * comb(m, r), comb(k, r))) for m in range(k + 1)])
            expected = mean(partners(np.minimum(powers, 1.0) * is_false))
            if expected <= _MANY:
                facts["instead"] = {"num_buckets": b, "hashes_per_bucket": r, "expected": expected}
                break
    return facts


def _equal_minima(one: NDArray[np.uint16], two: NDArray[np.uint16], is_same: bool) -> NDArray[np.int64]:
    """How many pairs have 0, 1, 2, ... equal minima. `is_same`: a document is no pair with itself."""
    counts = np.zeros(one.shape[1] + 1, dtype=np.int64)
    for row, signature in enumerate(one):
        others = np.delete(two, row, axis=0) if is_same else two
        counts += np.bincount((others == signature).sum(axis=1), minlength=counts.size)
    return counts


def _variance(counts: NDArray[np.int64], values: NDArray[np.float64]) -> float:
    """Variance of the mean of values of which each was drawn `counts` times."""
    number = max(1, int(counts.sum()))
    return float(counts @ (values - counts @ values / number) ** 2) / number**2


def _as_good(settings: MinHashSettings) -> Iterator[tuple[int, int]]:
    """Buckets and hashes a bucket that propose as large a share of the pairs at the threshold, from more hashes."""
    missed = max(1e-9, 1.0 - settings.match_probability(settings.threshold))
    for r in range(settings.hashes_per_bucket + 1, min(4 * settings.hashes_per_bucket, settings.num_hashes) + 1):
        if settings.threshold < 1.0:
            yield max(1, round(log(missed) / log(1.0 - settings.threshold**r))), r


def background_lines(facts: Mapping[str, Any], settings: MinHashSettings) -> Iterator[str]:
    """What a user should know of it before hours of work: nothing up to 0.1 false partners of a document."""
    expected = facts["expected"]
    if expected <= _MANY:
        return
    line = (
        f"dedup: a document is expected to be proposed with {expected:.2g} documents that are not like it (+- "
        f"{facts['error']:.1g}, from {facts['pairs']:,} sampled pairs, whose similarity is "
        f"{facts['mean_similarity']:.3f} on average)"
    )
    if expected > _PERCOLATES:
        line += ". Above 1 such pairs join most documents in one component, "
        line += "and each pair is compared" if settings.verify else "of which verify=false keeps one document"
    if "instead" in facts:
        better = facts["instead"]
        line += (
            f". With dedup.minhash.num_buckets={better['num_buckets']} and hashes_per_bucket="
            f"{better['hashes_per_bucket']}, which find as many true pairs, it is {better['expected']:.2g}"
        )
    yield line + "."
