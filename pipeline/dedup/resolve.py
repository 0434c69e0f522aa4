"""From pairs to decisions: which documents go, and which survivor holds each of them.

Documents are decided in order of preference. One goes where a better one that stays is its pair; else it stays. So each
document that goes names one that stays, and never through a chain. A document is decided as soon as all better ones of
its pairs are, which takes time in proportion to the pairs, and 16 bytes a document beside them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from manifests.errors import UserError
from pipeline.compiled.cache import entry, kernel
from pipeline.dedup.rank import UInt64Array, by_preference
from pipeline.dedup.schema import EXACT, URL

UInt32Array = NDArray[np.uint32]

NONE = np.uint32(2**32 - 1)
"""In an array of edges or survivors: the document stays."""


class Edges(NamedTuple):
    """Pairs that are similar enough, as arrays of one length.

    better, worse: numbers of documents, from 0 without gaps. kind: NEAR, EXACT or URL. similarity: 0 where unknown.
    rank, content: order of preference of the better one.
    """

    better: UInt32Array
    worse: UInt32Array
    kind: NDArray[np.uint8]
    similarity: NDArray[np.float64]
    rank: UInt64Array
    content: UInt64Array


def greedy(edges: Edges, num_documents: int) -> UInt32Array:
    """For each document the edge by which it goes, `NONE` where it stays.

    The edge's better document stays, and is the most similar one that does; between equals the preferred one. Where the
    edge is of another document, that one is an exact copy of this one, or all three are of one URL.
    """
    _check_size(edges, num_documents)
    decided: UInt32Array = _greedy(*edges, num_documents)
    return decided


def _check_size(edges: Edges, num_documents: int) -> None:
    if max(edges.better.size, num_documents) >= NONE:
        raise UserError(
            f"dedup: {num_documents:,} documents in {edges.better.size:,} pairs are too many for one clustering, "
            f'which takes {int(NONE):,} of each. Deduplicate by dedup.scope="source" or "group" in builds of '
            "their own, and one against the other (dedup.against)."
        )


@kernel
def _is_before(one, two, better, kind, similarity, rank, content):  # type: ignore[no-untyped-def]
    """Whether one edge is preferred to another as the reason why a document goes: an exact copy before a near one
    before one of equal URL, the more similar one, the one whose better document is preferred."""
    first = 2.0 if kind[one] == EXACT else (-1.0 if kind[one] == URL else similarity[one])
    second = 2.0 if kind[two] == EXACT else (-1.0 if kind[two] == URL else similarity[two])
    if first != second:
        return first > second
    half = np.uint64(32)
    if rank[one] >> half != rank[two] >> half:
        return rank[one] >> half < rank[two] >> half
    if content[one] != content[two]:
        return content[one] < content[two]
    if rank[one] != rank[two]:
        return rank[one] < rank[two]
    if better[one] != better[two]:
        return better[one] < better[two]
    return one < two


@entry
def _greedy(  # type: ignore[no-untyped-def]
    better, worse, kind, similarity, rank, content, num_documents
):
    """See `greedy`; the arrays are those of `Edges`."""
    num_edges = better.size
    none = np.uint32(NONE)
    starts = np.zeros(num_documents + 2, np.uint32)  # of each document's edges in `out`, one place further
    waits_for = np.zeros(num_documents, np.uint32)  # better documents that are not decided
    for edge in range(num_edges):
        starts[better[edge] + 2] += 1
        waits_for[worse[edge]] += 1
    for document in range(num_documents + 1):
        starts[document + 1] += starts[document]
    out = np.empty(num_edges, np.uint32)
    for edge in range(num_edges):
        document = better[edge] + 1
        out[starts[document]] = edge
        starts[document] += 1
    chosen = np.full(num_documents, none, np.uint32)
    queue = np.empty(num_documents, np.uint32)
    num_queued = 0
    for document in range(num_documents):
        if waits_for[document] == 0 and starts[document] < starts[document + 1]:
            queue[num_queued] = document
            num_queued += 1
    at = 0
    while at < num_queued:
        document = queue[at]
        at += 1
        mine = chosen[document]
        for index in range(starts[document], starts[document + 1]):
            edge = out[index]
            other = worse[edge]
            reason = none
            if mine == none:
                reason = edge
            elif (kind[edge] == EXACT and kind[mine] != URL) or (kind[edge] == URL and kind[mine] == URL):
                reason = mine
            if reason != none:
                before = chosen[other]
                if before == none or _is_before(reason, before, better, kind, similarity, rank, content):
                    chosen[other] = reason
            waits_for[other] -= np.uint32(1)
            if waits_for[other] == 0:
                queue[num_queued] = other
                num_queued += 1
    return chosen


def components(edges: Edges, num_documents: int) -> UInt32Array:
    """For each document the survivor of its connected component, `NONE` where it is that itself or has no edge."""
    _check_size(edges, num_documents)
    root = _union(edges.better, edges.worse, num_documents)
    # The best of a component is the better one of all its edges.
    roots = root[edges.better]
    order = by_preference(edges.rank, edges.content, edges.better.astype(np.int64), roots)
    roots, best = roots[order], edges.better[order]
    is_first = np.ones(roots.size, dtype=np.bool_)
    is_first[1:] = roots[1:] != roots[:-1]
    survivor: UInt32Array = np.full(num_documents, NONE, dtype=np.uint32)
    survivor[roots[is_first]] = best[is_first]
    survivor = survivor[root]
    survivor[survivor == np.arange(num_documents)] = NONE
    return survivor


@entry
def _union(better, worse, num_documents):  # type: ignore[no-untyped-def]
    """The smallest document of each one's connected component."""
    parent = np.arange(num_documents).astype(np.uint32)
    for edge in range(better.size):
        left, right = better[edge], worse[edge]
        while parent[left] != left:
            parent[left] = parent[parent[left]]
            left = parent[left]
        while parent[right] != right:
            parent[right] = parent[parent[right]]
            right = parent[right]
        if left < right:
            parent[right] = left
        elif right < left:
            parent[left] = right
    for document in range(num_documents):
        parent[document] = parent[parent[document]]
    return parent
