"""How much of a text is repeated n-grams, exactly, from the numbers of its words.

An n-gram can occur twice only where both (n-1)-grams inside it do. So each length looks only at the places left over by
the one before, and most texts are done after two or three lengths.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.filters.words import IntArray

_ID_BITS = 32


def repeated_ngrams(ids: IntArray, longest: int) -> Iterator[tuple[int, IntArray, IntArray]]:
    """For n = 2 .. `longest`: n, the positions whose n-gram occurs more than once (ascending), its class at each.

    Two positions have the same class exactly where their n-grams are equal. Both arrays may be empty.
    """
    positions = np.arange(len(ids))
    classes = ids
    is_candidate = np.ones(len(ids) + 1, np.bool_)
    is_candidate[len(ids) :] = False
    for n in range(2, longest + 1):
        extendable = is_candidate[positions + 1]
        positions = positions[extendable]
        keys = classes[extendable] << _ID_BITS | ids[positions + n - 1]
        order = np.argsort(keys)
        in_order = keys[order]
        new_class = np.empty(len(keys), np.bool_)
        new_class[:1] = True
        np.not_equal(in_order[1:], in_order[:-1], out=new_class[1:])
        classes = np.empty(len(keys), np.int64)
        classes[order] = np.cumsum(new_class) - 1
        is_repeated = np.bincount(classes, minlength=1)[classes] > 1
        positions = positions[is_repeated]
        classes = classes[is_repeated]
        is_candidate[:] = False
        is_candidate[positions] = True
        yield n, positions, classes


def top_ngram_characters(n: int, positions: IntArray, classes: IntArray, ends: IntArray) -> int:
    """Characters of the commonest n-gram, with its spaces, times its occurrences; the first one where several tie.

    `ends` are the running sums of the words' lengths, starting with 0.
    """
    if len(ends) <= n:
        return 0
    first, count = 0, 1
    if len(positions):
        counts = np.bincount(classes)[classes]
        commonest = int(np.argmax(counts))
        first, count = int(positions[commonest]), int(counts[commonest])
    return (int(ends[first + n] - ends[first]) + n - 1) * count


def duplicate_ngram_characters(n: int, positions: IntArray, classes: IntArray, ends: IntArray) -> int:
    """Characters of words inside an n-gram that stood before, each word counted once.

    Reading from the left, an n-gram that was read before counts whole and is stepped over; any other is noted and
    reading goes on at its second word (Gopher, appendix A1.1: no double counting of overlapping n-grams).
    """
    if not len(positions):
        return 0
    lengths = (ends[positions + n] - ends[positions]).tolist()
    seen: set[int] = set()
    characters = 0
    next_position = 0
    for position, ngram, length in zip(positions.tolist(), classes.tolist(), lengths, strict=True):
        if position < next_position:
            continue
        if ngram in seen:
            characters += length
            next_position = position + n
        else:
            seen.add(ngram)
    return characters
