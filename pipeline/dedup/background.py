"""How many documents a document is compared with although it is not like them, told before pairs are proposed.

Texts of one language share n-grams, and a corpus has so many pairs that few in a million of them add up. Where each
document has more than one such false partner, the graph of proposed pairs percolates: most documents hang together in
one component (Erdos and Renyi 1960). With `verify` that costs time alone; without, it removes a corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import comb, isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.settings import DedupSettings, MinHashSettings

MOST_PARTS = 64
_DOCUMENTS = 1000
_PAIRS = 125_000  # within sources, where only documents of one are compared
_MANY, _PERCOLATES = 0.1, 1.0  # false partners of a document


def documents_a_source(num_sources: int, settings: DedupSettings) -> int:
    """Documents of each source to draw, so that there are more than 100,000 pairs."""
    within = 0 if settings.scope == "global" else isqrt(2 * _PAIRS // num_sources) + 1
    return max(_DOCUMENTS // num_sources, within, 2)


def bucket_probabilities(settings: MinHashSettings) -> NDArray[np.float64]:
    """For each number of equal minima of a pair, an estimate of the probability that it shares a bucket.

    Of `m` equal minima among `k`, `C(m, r) / C(k, r)` estimates `s**r` without bias; `(m / k)**r` is several times too
    high for the small `s` of unlike texts. `b * s**r` is the formula `1 - (1 - s**r)**b` where that is small.
    """
    r, b, k = settings.hashes_per_bucket, settings.num_buckets, settings.num_hashes
    ways = comb(k, r)
    return np.array([min(1.0, b * comb(m, r) / ways) for m in range(k + 1)])


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
        For the manifest: `pairs` (sampled), `documents`, `mean_similarity`, `expected` (of a document of the build) and
        `by_source`.
    """
    minhash = settings.minhash
    k = minhash.num_hashes
    probabilities = bucket_probabilities(minhash) * (np.arange(k + 1) < minhash.threshold * k)
    found = {name: signatures[np.array(sources) == name] for name in sorted(set(sources))}
    by_source = dict.fromkeys(found, 0.0)
    all_counts = np.zeros(k + 1, dtype=np.int64)
    for one in found:
        for two in found if settings.scope == "global" else [one]:
            counts = _equal_minima(found[one], found[two], one == two)
            by_source[one] += num_documents[two] * float(counts @ probabilities) / max(1, int(counts.sum()))
            all_counts += counts
    num_pairs = int(all_counts.sum())
    total = max(1, sum(num_documents[name] for name in found))
    return {
        "documents": len(signatures),
        "pairs": num_pairs // 2,  # each is counted in both orders
        "mean_similarity": float(all_counts @ np.arange(k + 1)) / k / max(1, num_pairs),
        "expected": sum(num_documents[name] * value for name, value in by_source.items()) / total,
        "by_source": by_source,
    }


def _equal_minima(one: NDArray[np.uint16], two: NDArray[np.uint16], is_same: bool) -> NDArray[np.int64]:
    """How many pairs have 0, 1, 2, ... equal minima. `is_same`: a document is no pair with itself."""
    counts = np.zeros(one.shape[1] + 1, dtype=np.int64)
    for row, signature in enumerate(one):
        others = np.delete(two, row, axis=0) if is_same else two
        counts += np.bincount((others == signature).sum(axis=1), minlength=counts.size)
    return counts


def background_lines(facts: Mapping[str, Any], settings: MinHashSettings) -> Iterator[str]:
    """What a user should know of it before hours of work: nothing up to 0.1 false partners of a document."""
    expected = facts["expected"]
    if expected <= _MANY:
        return
    line = (
        f"dedup: a document is expected to be proposed with {expected:.2g} documents that are not like it (from "
        f"{facts['pairs']:,} sampled pairs, whose similarity is {facts['mean_similarity']:.3f} on average)"
    )
    if expected > _PERCOLATES:
        line += ". Above 1 such pairs join most documents in one component, "
        line += "and each pair is compared" if settings.verify else "of which verify=false keeps one document"
    yield f"{line}. More dedup.minhash.hashes_per_bucket make them fewer, more num_buckets find the true ones again."
