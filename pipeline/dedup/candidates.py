"""From keys to proposed pairs: documents that share a key, within one range of keys.

Equal keys fall into the same range whatever part they come from, so a range is a task of its own. A bucket of `m`
documents gives all of its pairs up to `MANY` documents. Beyond that the work is linear: equal texts are paired with the
best of them alone, the others with the best of the bucket, with the `_NEIGHBOURS` before them in order of preference,
and with those that share a finer key.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.rank import Int64Array, by_preference
from pipeline.dedup.schema import EXACT, NEAR, URL

FINE = 2
ENTRY = np.dtype(
    [
        *(("key", np.uint64), ("document", np.int64), ("rank", np.uint64), ("content", np.uint64)),
        ("fine", np.uint32, FINE),
    ]
)
"""A key of a document; its two lowest bits are its kind. `rank` and `content` order documents by preference. `fine`:
those of its finer keys that part the documents of this key, where they are many."""
PAIR = np.dtype(
    [
        *(("better", np.int64), ("worse", np.int64), ("rank", np.uint64), ("content", np.uint64)),
        *(("kind", np.uint8), ("shared", np.uint16)),
    ]
)
"""A proposed pair. `rank` and `content` are of the better one, `shared` is the number of buckets that they share."""
MANY = 64
_NEIGHBOURS = 8

Entries = NDArray[np.void]
Pairs = NDArray[np.void]


def range_count(num_documents: int, keys_per_document: int, memory_bytes: int) -> int:
    """Number of ranges of keys, so that proposing the pairs of one needs about `memory_bytes`."""
    needed = num_documents * keys_per_document * 3 * ENTRY.itemsize  # the entries, in order, and what orders them
    return max(1, -(-needed // memory_bytes))


def range_bounds(num_ranges: int) -> list[int]:
    """Where the ranges of keys begin, and 2**64."""
    return [number * 2**64 // num_ranges for number in range(num_ranges)] + [2**64]


def propose(entries: Entries, num_own: int) -> Pairs:
    """The pairs of one range, without repeats, by (better, worse, kind).

    The result depends on the entries alone and not on their order.

    Args:
        entries: of the whole range, in any order.
        num_own: documents from this number on are of earlier builds, and no pair is of two such.
    """
    keys = np.sort(entries["key"])
    shared = np.unique(keys[1:][keys[1:] == keys[:-1]])
    if not shared.size:
        return np.empty(0, dtype=PAIR)
    at = np.searchsorted(shared, entries["key"])
    entries = entries[shared[np.minimum(at, shared.size - 1)] == entries["key"]]
    copies, texts = _apart(entries)
    bucket = np.cumsum(_differs(texts["key"])) - 1
    is_large = np.bincount(bucket)[bucket] > MANY if bucket.size else bucket.astype(np.bool_)
    small, large = texts[~is_large], texts[is_large]
    found = [copies, _pairs(small, *_within(bucket[~is_large], MANY))]
    found.append(_pairs(large, *_in_large(large, bucket[is_large])))
    pairs = np.concatenate(found)
    return merge(pairs[(pairs["better"] < num_own) | (pairs["worse"] < num_own)])


def merge(pairs: Pairs) -> Pairs:
    """The pairs by (better, worse, kind) without repeats; `shared` is added up."""
    pairs = pairs[np.lexsort([pairs["kind"], pairs["worse"], pairs["better"]])]
    if not pairs.size:
        return pairs
    starts = np.flatnonzero(_differs(pairs["better"], pairs["worse"], pairs["kind"]))
    merged = pairs[starts]
    merged["shared"] = np.add.reduceat(pairs["shared"], starts)
    return merged


def _differs(*columns: NDArray[Any]) -> NDArray[np.bool_]:
    """True where a row differs from the one before it in any column; True for the first."""
    differs = np.zeros(len(columns[0]), dtype=np.bool_)
    differs[:1] = True
    for column in columns:
        differs[1:] |= column[1:] != column[:-1]
    return differs


def _pairs(entries: Entries, better: Int64Array, worse: Int64Array) -> Pairs:
    """Pairs of entries, given by their places; their kind is that of their key."""
    pairs = np.empty(len(better), dtype=PAIR)
    pairs["better"], pairs["worse"] = entries["document"][better], entries["document"][worse]
    pairs["rank"], pairs["content"] = entries["rank"][better], entries["content"][better]
    pairs["kind"] = kind = entries["key"][better] & np.uint64(3)
    pairs["shared"] = kind == NEAR
    return pairs


def _apart(entries: Entries) -> tuple[Pairs, Entries]:
    """Pairs of equal texts; and by (key, preference) the best document of each near key and text, and all of a URL.

    Each copy is paired with the best one and with the copy before it: the best one may go for another reason. Documents
    that share an exact key share their text, so no such entries are left; and those that share a near one and their
    text share an exact key, too, which pairs them.
    """
    order = by_preference(entries["rank"], entries["content"], entries["document"], entries["content"], entries["key"])
    ordered = entries[order]
    kind = ordered["key"] & np.uint64(3)
    is_best = _differs(ordered["key"], ordered["content"]) | (kind == URL)
    best = np.maximum.accumulate(np.where(is_best, np.arange(ordered.size), 0))
    copies = np.flatnonzero(~is_best & (kind == EXACT))
    later = copies[best[copies] != copies - 1]
    pairs = _pairs(ordered, np.concatenate([best[copies], later - 1]), np.concatenate([copies, later]))
    texts = ordered[is_best & (kind != EXACT)]
    return pairs, texts[by_preference(texts["rank"], texts["content"], texts["document"], texts["key"])]


def _within(bucket: Int64Array, most: int) -> tuple[Int64Array, Int64Array]:
    """Places of pairs of one bucket that are less than `most` apart. Buckets are ascending."""
    first, second = [], []
    places = np.arange(bucket.size)
    for distance in range(1, most):
        places = places[: np.searchsorted(places, bucket.size - distance)]
        places = places[bucket[places] == bucket[places + distance]]
        if not places.size:
            break
        first.append(places)
        second.append(places + distance)
    none = [np.empty(0, dtype=np.int64)]
    return np.concatenate(first or none), np.concatenate(second or none)


def _in_large(entries: Entries, bucket: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Places of pairs of buckets of more than `MANY` texts, in linear work; no pair twice."""
    if not bucket.size:
        return bucket, bucket
    is_best = _differs(bucket)
    best = np.maximum.accumulate(np.where(is_best, np.arange(bucket.size), 0))
    others = np.flatnonzero(~is_best)
    found = [(best[others], others), _within(bucket, _NEIGHBOURS + 1)]
    near = np.flatnonzero(entries["key"] & np.uint64(3) == NEAR)
    for column in entries["fine"][near].T:
        order = np.lexsort([near, column, bucket[near]])
        places = near[order]  # in order of preference within a finer bucket
        finer = np.cumsum(_differs(bucket[places], column[order])) - 1
        is_large = np.bincount(finer)[finer] > MANY
        for chosen, most in ((~is_large, MANY), (is_large, _NEIGHBOURS + 1)):
            first, second = _within(finer[chosen], most)
            found.append((places[chosen][first], places[chosen][second]))
    first, second = (np.concatenate(places) for places in zip(*found, strict=True))
    pair = np.unique(first * bucket.size + second)
    return pair // bucket.size, pair % bucket.size
