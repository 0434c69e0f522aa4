"""From edges to decisions: clusters of duplicates, the document of each that is kept, and why the others go.

A cluster is a connected component: if A resembles B and B resembles C, all three are one cluster, even where A and C
are less alike. The document with the smallest global index survives, so the outcome depends on the order of the input
parts only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.keys import Int64Array, global_index, part_and_row
from pipeline.dedup.lsh import no_edges

EXACT_DUPLICATE = "exact_duplicate"
NEAR_DUPLICATE = "near_duplicate"


def components(edges: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Phase 3: connected components of an edge list.

    Union by smallest label with pointer jumping, on whole arrays: every root hooks onto the smallest root that an edge
    joins it with, then all paths are made flat; edges inside a tree are dropped from the next round. Memory is about
    100 bytes an edge.

    Args:
        edges: shape (num_edges, 2), global indices in any order.

    Returns:
        index: int64, every index that occurs in an edge, ascending.
        root: int64, for each of them the smallest index of its component.
    """
    if not edges.size:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    index, compact = np.unique(edges.reshape(-1), return_inverse=True)
    # Compact numbers keep the order of the indices, so the smallest label is the smallest index.
    compact = compact.reshape(-1, 2).astype(np.int32 if index.size < 2**31 else np.int64)
    parent = np.arange(index.size, dtype=compact.dtype)
    left, right = compact[:, 0], compact[:, 1]
    while left.size:
        left, right = parent[left], parent[right]
        apart = left != right
        left, right = left[apart], right[apart]
        np.minimum.at(parent, np.maximum(left, right), np.minimum(left, right))
        while True:
            grandparent = parent[parent]
            if np.array_equal(grandparent, parent):
                break
            parent = grandparent
    return index, index[parent]


@dataclass(frozen=True)
class Assignment:
    """Clusters of two documents or more. Documents that are not listed are alone and kept.

    Attributes:
        index: int64 (n,), global indices of the documents in clusters, ascending.
        root: int64 (n,), the survivor of each one's cluster; it is the cluster's id.
        is_exact: bool (n,), whether an earlier document (smaller index) has the same exact key.
    """

    index: Int64Array
    root: Int64Array
    is_exact: NDArray[np.bool_]

    @property
    def is_dropped(self) -> NDArray[np.bool_]:
        """bool (n,): every document of a cluster but its survivor."""
        return np.not_equal(self.index, self.root)

    def part(self, part_ordinal: int) -> Assignment:
        """The same for the documents of one input part."""
        ends = global_index(part_ordinal, np.array([0, (1 << 32) - 1]))
        begin, end = np.searchsorted(self.index, ends[0], "left"), np.searchsorted(self.index, ends[1], "right")
        return Assignment(self.index[begin:end], self.root[begin:end], self.is_exact[begin:end])

    def rows(self) -> Int64Array:
        """int64 (n,): each document's row in its input part."""
        return part_and_row(self.index)[1]

    def reasons(self) -> list[str | None]:
        """The drop reason of each document, None for survivors."""
        dropped = zip(self.is_dropped.tolist(), self.is_exact.tolist(), strict=True)
        return [(EXACT_DUPLICATE if exact else NEAR_DUPLICATE) if drop else None for drop, exact in dropped]


def resolve(
    near_edges: Int64Array | Iterable[Int64Array], exact_edges: Int64Array | Iterable[Int64Array]
) -> Assignment:
    """Clusters from the edges of all partitions, whatever the order of the edges.

    Args:
        near_edges: edges of bucket keys, shape (n, 2), or several such arrays.
        exact_edges: edges of exact keys, likewise.
    """
    near, exact = _together(near_edges), _together(exact_edges)
    index, root = components(np.concatenate([near, exact]))
    # An edge joins a document with an earlier one of the same key, so its larger end has an earlier equal.
    is_exact = np.zeros(index.size, dtype=np.bool_)
    is_exact[np.searchsorted(index, exact.max(axis=1) if exact.size else exact[:, 0])] = True
    return Assignment(index, root, is_exact)


def _together(edges: Int64Array | Iterable[Int64Array]) -> Int64Array:
    lists = [edges] if isinstance(edges, np.ndarray) else list(edges)
    return np.concatenate([no_edges(), *lists])
