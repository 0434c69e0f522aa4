"""From keys to pairs of documents: equal keys are brought together by partition and sort.

Equal keys fall into the same partition whatever part they come from, so a partition is a task of its own and holds
1 / num_partitions of all keys in memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.keys import Int64Array
from pipeline.dedup.normalize import UInt64Array

EDGE_DTYPE = np.dtype(np.int64)
_BYTES_PER_PAIR = 64  # key, index, their sorted copies, the sort's order and its buffer, and what finds the edges


def no_edges() -> Int64Array:
    """An empty edge list, shape (0, 2)."""
    return np.empty((0, 2), dtype=EDGE_DTYPE)


def partition_count(num_documents: int, keys_per_document: int, memory_bytes: int) -> int:
    """Number of partitions so that finding the edges of one needs about `memory_bytes` at most."""
    needed = num_documents * keys_per_document * _BYTES_PER_PAIR
    return max(1, -(-needed // memory_bytes))


def partition_pairs(
    keys: UInt64Array, index: Int64Array, num_partitions: int
) -> tuple[UInt64Array, Int64Array, NDArray[np.int64]]:
    """Order (key, index) pairs by partition, which is key % num_partitions.

    Args:
        keys: shape (n,), or (n, 2) for exact keys, whose first number chooses the partition.
        index: shape (n,), global indices.
        num_partitions: at least 1, and the same for all parts.

    Returns:
        keys and index in partition order (within one, in the order given), and `bounds` of shape
        (num_partitions + 1,): partition p is `bounds[p]:bounds[p + 1]`.
    """
    chooser = keys if keys.ndim == 1 else keys[:, 0]
    partition = (chooser % np.uint64(num_partitions)).astype(np.int64)
    order = np.argsort(partition, kind="stable")
    bounds = np.searchsorted(partition[order], np.arange(num_partitions + 1))
    return keys[order], index[order], bounds.astype(np.int64)


def edges(keys: UInt64Array, index: Int64Array) -> Int64Array:
    """Phase 2: join the documents of one partition that share a key.

    Every document is joined with the first one (smallest index) of its key. That is one edge a document and key, the
    same components as all pairs would give, and shallow trees for `clusters.components`.

    Args:
        keys: shape (n,), or (n, 2) for exact keys; in any order.
        index: shape (n,), the document of each key.

    Returns:
        int64 of shape (num_edges, 2): (smaller index, larger index), without repeats, sorted. It does not depend on
        the order of the pairs.
    """
    if keys.shape[0] != index.shape[0]:
        raise ValueError(f"{keys.shape[0]} keys, but {index.shape[0]} indices")
    if not index.size:
        return no_edges()
    columns = [keys] if keys.ndim == 1 else [keys[:, 1], keys[:, 0]]
    order = np.lexsort([index, *columns])
    same_key = np.ones(index.size - 1, dtype=np.bool_)
    for column in columns:
        in_order = column[order]
        same_key &= in_order[1:] == in_order[:-1]
    index = index[order]
    is_first = np.concatenate([[True], ~same_key])
    first = np.maximum.accumulate(np.where(is_first, np.arange(index.size), 0))
    smaller, larger = index[first[~is_first]], index[~is_first]
    differs = smaller != larger
    return _sorted_unique(smaller[differs], larger[differs])


def _sorted_unique(smaller: Int64Array, larger: Int64Array) -> Int64Array:
    if not smaller.size:
        return no_edges()
    order = np.lexsort([larger, smaller])
    smaller, larger = smaller[order], larger[order]
    is_new = np.concatenate([[True], (smaller[1:] != smaller[:-1]) | (larger[1:] != larger[:-1])])
    return np.stack([smaller[is_new], larger[is_new]], axis=1)
