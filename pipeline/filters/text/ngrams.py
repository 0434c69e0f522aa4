# mypy: disable-error-code="no-any-return,return-value,call-arg"

"""How much of a text is repeated n-grams, exactly, from the numbers of its words.

An n-gram can occur twice only where both (n-1)-grams inside it do. So each length looks only at the places left over by
the one before, and most texts are done after two or three lengths. An n-gram is known by the class of its first n-1
words and the number of its last: a pair of numbers, so that no two n-grams are ever taken for one.
"""

from __future__ import annotations

import numpy as np

from pipeline.filters.text.compiled import kernel, prefetch64, put32, put64, u32, u64
from pipeline.filters.text.kernels import FEW_SLOTS, FREE, clear_slots, grow_slots, slot_of
from pipeline.filters.text.words import ENTRY_COUNT, ENTRY_LENGTH, ENTRY_NUMBERS

FIRST_DUPLICATE, LONGEST = 5, 10
"""Up to 4-grams the share of the commonest one is measured, from here on that of all that stood before."""

GRAM_NUMBERS = 4
_GRAM_COUNT, _GRAM_FIRST = 2, 3
"""The `uint32` of the entry of an n-gram, after the two of its key: how often it occurs, where first."""
PLACE_NUMBERS = 2  # of a place where an n-gram occurs that is repeated: the word it begins with, its class
_HALF, _LOW, _ONE = np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(1)
_CACHED = 1 << 14  # slots up to which a table is near at hand anyway
_AHEAD = 8
_ODD = np.uint64(0x9E3779B97F4A7C15)


@kernel
def repeated_words(ids: int, num_words: int, entries: int, places: int) -> int:
    """Fill in the places of words that occur more than once; their number."""
    num_places = 0
    for word in range(num_words):
        number = u32(ids, word)
        if u32(entries, ENTRY_NUMBERS * number + ENTRY_COUNT) > 1:
            put32(places, PLACE_NUMBERS * num_places, word)
            put32(places, PLACE_NUMBERS * num_places + 1, number)
            num_places += 1
    return num_places


@kernel
def ngram_characters(
    n: int, ids: int, num_words: int, num_different: int, entries: int, places: int, num_places: int,
    num_classes: int, grams: int, slots: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Characters of n-grams, and for the next n how many places of repeated n-grams are left, and classes of these.

    To n = 4: characters of the commonest n-gram, with its spaces, times its occurrences; the first where several tie.
    From n = 5: characters of words inside an n-gram that stood before, each counted once. Reading from the left, an
    n-gram that was read before counts whole and is stepped over; any other is noted, and reading goes on at its second
    word (Gopher, appendix A1.1: no double counting of overlapping n-grams).
    """
    if num_words < n:
        return 0, 0, 0
    num_met = num_grams = 0
    if num_places > 1:
        if num_classes * num_different <= num_places:
            num_met, num_grams = _extend_directly(ids, n, num_different, places, num_places, num_classes, grams, slots)
        else:
            num_met, num_grams = _extend(ids, n, places, num_places, num_classes, grams, slots)
    num_places = _keep_repeated(places, num_met, grams, num_grams)
    if n < FIRST_DUPLICATE:
        return _top(ids, n, entries, grams, num_grams), num_places, num_grams
    return _duplicates(ids, n, entries, places, num_places, grams), num_places, num_grams


@kernel
def _extend_directly(
    ids: int, n: int, num_different: int, places: int, num_places: int, num_classes: int, grams: int, slots: int
) -> tuple[int, int]:
    """As `_extend`, where a table has a slot for each class with each word: fewer than there are places."""
    clear_slots(slots, num_classes * num_different)
    num_grams = num_met = 0
    following = u64(places, 0)
    for index in range(num_places - 1):
        place, following = following, u64(places, index + 1)
        if (following & _LOW) != (place & _LOW) + _ONE:
            continue
        word = u32(ids, np.int64(place & _LOW) + n - 1)
        slot = np.int64(place >> _HALF) * num_different + word
        gram = u32(slots, slot)
        if gram == FREE:
            gram = num_grams
            put32(slots, slot, gram)
            put64(grams, 2 * gram + 1, _ONE | (place << _HALF))
            num_grams += 1
        else:
            put32(grams, GRAM_NUMBERS * gram + _GRAM_COUNT, u32(grams, GRAM_NUMBERS * gram + _GRAM_COUNT) + 1)
        put64(places, num_met, (place & _LOW) | (np.uint64(gram) << _HALF))
        num_met += 1
    return num_met, num_grams


@kernel
def _keep_repeated(places: int, num_met: int, grams: int, num_grams: int) -> int:
    """Keep the places whose n-gram occurs more than once; their number."""
    if num_grams == num_met:
        return 0
    num_repeated = 0
    for index in range(num_met):
        if num_grams > _CACHED and index + _AHEAD < num_met:
            prefetch64(grams, np.int64(u64(places, index + _AHEAD) >> _HALF) * 2)
        place = u64(places, index)
        put64(places, num_repeated, place)
        num_repeated += u32(grams, GRAM_NUMBERS * np.int64(place >> _HALF) + _GRAM_COUNT) > 1
    return num_repeated


@kernel
def _key(ids: int, n: int, place: int) -> int:
    """The key of the n-gram at a place of (n-1)-grams; it serves as its hash.

    An odd factor can be undone, so each pair has a key of its own.
    """
    word = np.int64(place & _LOW)
    return ((place & ~_LOW) | np.uint64(u32(ids, word + n - 1))) * _ODD


@kernel
def _extend(
    ids: int, n: int, places: int, num_places: int, num_classes: int, grams: int, slots: int
) -> tuple[int, int]:
    """Replace the places of repeated (n-1)-grams by those of n-grams that may be; how many, and how many n-grams."""
    mask = FEW_SLOTS - 1
    while mask < num_classes and mask < num_places:
        mask = 4 * mask + 3
    clear_slots(slots, mask + 1)
    num_grams = num_met = 0
    following = u64(places, 0)
    for index in range(num_places - 1):
        place, following = following, u64(places, index + 1)
        if mask > _CACHED and index + 2 * _AHEAD < num_places - 1:
            # Two steps, since where the n-gram is stands in the slot.
            prefetch64(slots, slot_of(_key(ids, n, u64(places, index + 2 * _AHEAD)), mask) // 2)
            soon = u32(slots, slot_of(_key(ids, n, u64(places, index + _AHEAD)), mask))
            if soon != FREE:
                prefetch64(grams, 2 * soon)
        if (following & _LOW) != (place & _LOW) + _ONE:
            continue
        key = _key(ids, n, place)
        slot = slot_of(key, mask)
        while True:
            gram = u32(slots, slot)
            if gram == FREE:
                gram = num_grams
                put32(slots, slot, gram)
                put64(grams, 2 * gram, key)
                put64(grams, 2 * gram + 1, _ONE | (place << _HALF))
                num_grams += 1
                break
            if u64(grams, 2 * gram) == key:
                put32(grams, GRAM_NUMBERS * gram + _GRAM_COUNT, u32(grams, GRAM_NUMBERS * gram + _GRAM_COUNT) + 1)
                break
            slot = (slot + 1) & mask
        put64(places, num_met, (place & _LOW) | (np.uint64(gram) << _HALF))
        num_met += 1
        if 2 * num_grams > mask:
            mask = grow_slots(slots, mask, grams, GRAM_NUMBERS // 2, num_grams)
    return num_met, num_grams


@kernel
def _length(ids: int, n: int, entries: int, first: int) -> int:
    total = 0
    for word in range(first, first + n):
        total += u32(entries, ENTRY_NUMBERS * u32(ids, word) + ENTRY_LENGTH)
    return total


@kernel
def _top(ids: int, n: int, entries: int, grams: int, num_grams: int) -> int:
    first, most = 0, 1
    for gram in range(num_grams):
        count = u32(grams, GRAM_NUMBERS * gram + _GRAM_COUNT)
        if count > most:
            first, most = u32(grams, GRAM_NUMBERS * gram + _GRAM_FIRST), count
    return (_length(ids, n, entries, first) + n - 1) * most


@kernel
def _duplicates(ids: int, n: int, entries: int, places: int, num_places: int, grams: int) -> int:
    total = until = 0
    for place in range(num_places):
        word = u32(places, PLACE_NUMBERS * place)
        if word < until:
            continue
        count = GRAM_NUMBERS * u32(places, PLACE_NUMBERS * place + 1) + _GRAM_COUNT
        if u32(grams, count) == 0:
            total += _length(ids, n, entries, word)
            until = word + n
        else:
            put32(grams, count, 0)  # read once: its count has served
    return total
