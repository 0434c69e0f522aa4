"""How similar two texts are, from the sets of their n-grams."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.text.kernels import count_common


def similarities(
    values: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    measure: Literal["similarity", "containment"],
    sequence: NDArray[np.uint64],
    is_repetitive: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """The similarity of each pair of texts, between 0 and 1.

    `similarity` is Jaccard's: n-grams that both have, of those that either has. `containment`: those that both have, of
    those of the second. The same few n-grams make texts of any length, so a text that repeats itself is like another
    only where both have the same words in the same order. A text without words is like none.

    Args:
        values: the n-grams of all texts (`sketch.NGrams.values`), one text after the other.
        offsets: where each text's begin, and where the last one's end.
        first, second: the texts of each pair, as places in `offsets`.
        measure: what is computed.
        sequence, is_repetitive: of each text (`sketch.NGrams`).
    """
    common = np.empty(first.size, dtype=np.int64)
    count_common(values, offsets, first, second, common)
    sizes = np.diff(offsets)
    whole = sizes[second] if measure == "containment" else sizes[first] + sizes[second] - common
    result = common / np.maximum(whole, 1)
    is_equal = sequence[first] == sequence[second]
    return np.asarray(np.where(is_repetitive[first] | is_repetitive[second], is_equal, result), dtype=np.float64)
