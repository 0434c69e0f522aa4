# mypy: disable-error-code="no-any-return,return-value,call-arg,assignment"

"""How much of a text is repeated n-grams, exactly, from the numbers of its words.

An n-gram can occur twice only where both (n-1)-grams inside it do. So each length looks only at the places left over by
the one before, and most texts are done after two or three lengths. An n-gram is known by the class of its first n-1
words and the number of its last: a pair of numbers, so that no two n-grams are ever taken for one.
"""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import kernel
from pipeline.compiled.memory import prefetch64, put32, put64, u32, u64
from pipeline.filters.text.kernels import FEW_SLOTS, FREE, clear_slots, grow_slots, slot_of
from pipeline.filters.text.words import ENTRY_COUNT, ENTRY_LENGTH, ENTRY_NUMBERS

FIRST_DUPLICATE, LONGEST = 5, 10
"""Up to 4-grams the share of the commonest one is measured, from here on that of all that stood before."""
NOTHING, COMMONEST, DUPLICATES = range(3)

_GRAM_NUMBERS = 4
_GRAM_COUNT = 2
"""The `uint32` of the entry of an n-gram, after the two of its key: how often it occurs."""
PLACE_NUMBERS = 2  # of a place where an n-gram occurs that is repeated: the word it begins with, its class
_HALF, _LOW, _ONE = np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(1)
_ODD = np.uint64(0x9E3779B97F4A7C15)
_MANY = 1 << 15  # places from which on a table may be too large to be near at hand
_AHEAD = 8


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
    n: int, wanted: int, spaces: int, ids: int, num_words: int, num_different: int, entries: int, places: int,
    num_places: int, num_classes: int, grams: int, slots: int, bits: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Characters of n-grams, and for the next n how many places of repeated n-grams are left, and classes of these.

    `wanted` is `COMMONEST`: characters of the commonest n-gram, with its `spaces`, times its occurrences; the first
    where several tie. `DUPLICATES`: characters of words inside an n-gram that stood before, each counted once.
    Reading from the left, an n-gram that was read before counts whole and is stepped over; any other is noted, and
    reading goes on at its second word (Gopher, appendix A1.1: no double counting of overlapping n-grams). `NOTHING`:
    a length that only leads to the next.
    """
    if num_words < n:
        return 0, 0, 0
    first, most = 0, 1
    counts, column, width = slots, 0, 1
    if num_places > 1:
        if num_classes * num_different <= num_places:
            num_classes *= num_different
            num_places = _count_directly(ids, n, num_different, places, num_places, num_classes, slots)
        else:
            counts, column, width = grams, _GRAM_COUNT, _GRAM_NUMBERS
            num_places = _extendable(ids, n, places, num_places, num_classes, bits)
            num_classes = _count_in_table(ids, n, places, num_places, num_classes, grams, slots)
        num_places, first, most = _keep_repeated(places, num_places, counts, column, width)
    else:
        num_places = 0
    if wanted == NOTHING:
        return 0, num_places, num_classes
    if wanted == COMMONEST:
        return (_length(ids, n, entries, first) + spaces) * most, num_places, num_classes
    return _duplicates(ids, n, entries, places, num_places, counts, column, width), num_places, num_classes


@kernel
def _count_directly(
    ids: int, n: int, num_different: int, places: int, num_places: int, num_classes: int, counts: int
) -> int:
    """Replace the places of repeated (n-1)-grams by those of n-grams, whose class is made of the one below and a word;
    how many. For few classes and few different words: there is a count for each pair."""
    for number in range(num_classes):
        put32(counts, number, 0)
    num_met = 0
    following = u64(places, 0)
    for index in range(num_places - 1):
        place, following = following, u64(places, index + 1)
        if (following & _LOW) != (place & _LOW) + _ONE:
            continue
        gram = np.int64(place >> _HALF) * num_different + u32(ids, np.int64(place & _LOW) + n - 1)
        put32(counts, gram, u32(counts, gram) + 1)
        put64(places, num_met, (place & _LOW) | (np.uint64(gram) << _HALF))
        num_met += 1
    return num_met


@kernel
def _key(ids: int, n: int, place: int) -> int:
    """The key of the n-gram at a place of (n-1)-grams; it serves as its hash.

    An odd factor can be undone, so each pair has a key of its own.
    """
    word = np.int64(place & _LOW)
    return ((place & ~_LOW) | np.uint64(u32(ids, word + n - 1))) * _ODD


@kernel
def _extendable(ids: int, n: int, places: int, num_places: int, num_classes: int, bits: int) -> int:
    """Keep the places of (n-1)-grams where an n-gram may be that is repeated; how many.

    Of many places with many classes, those go whose key is the only one with its hash: two bits for each of 4 to 8
    times as many hashes as there are places are near at hand where a table is not.
    """
    mask = 64
    while mask < 4 * num_places:
        mask *= 2
    mask -= 1
    is_many = num_places > _MANY and 4 * num_classes > num_places
    if is_many:
        for number in range((mask + 1) // 16):
            put32(bits, number, 0)
    num_met = 0
    following = u64(places, 0)
    for index in range(num_places - 1):
        place, following = following, u64(places, index + 1)
        if (following & _LOW) != (place & _LOW) + _ONE:
            continue
        put64(places, num_met, place)
        num_met += 1
        if is_many:
            at = slot_of(_key(ids, n, place), mask)
            found = u32(bits, at >> 4)
            shift = 2 * (at & 15)
            # 0, 1, then 3 for two or more.
            put32(bits, at >> 4, found | (1 << shift) | ((found >> shift & 1) << (shift + 1)))
    if not is_many:
        return num_met
    num_left = 0
    for index in range(num_met):
        place = u64(places, index)
        at = slot_of(_key(ids, n, place), mask)
        put64(places, num_left, place)
        num_left += u32(bits, at >> 4) >> (2 * (at & 15) + 1) & 1
    return num_left


@kernel
def _count_in_table(ids: int, n: int, places: int, num_places: int, num_classes: int, grams: int, slots: int) -> int:
    """Replace the classes of (n-1)-grams at the places by those of n-grams, and count each; how many classes."""
    mask = FEW_SLOTS - 1
    while mask < num_classes and mask < num_places:
        mask = 4 * mask + 3
    clear_slots(slots, mask + 1)
    num_grams = 0
    for index in range(num_places):
        place = u64(places, index)
        if mask >= _MANY and index + 2 * _AHEAD < num_places:
            # Two steps, since where the n-gram is stands in the slot.
            prefetch64(slots, slot_of(_key(ids, n, u64(places, index + 2 * _AHEAD)), mask) // 2)
            soon = u32(slots, slot_of(_key(ids, n, u64(places, index + _AHEAD)), mask))
            if soon != FREE:
                prefetch64(grams, 2 * soon)
        key = _key(ids, n, place)
        slot = slot_of(key, mask)
        while True:
            gram = u32(slots, slot)
            if gram == FREE:
                gram = num_grams
                put32(slots, slot, gram)
                put64(grams, 2 * gram, key)
                put64(grams, 2 * gram + 1, _ONE)
                num_grams += 1
                break
            if u64(grams, 2 * gram) == key:
                put64(grams, 2 * gram + 1, u64(grams, 2 * gram + 1) + _ONE)
                break
            slot = (slot + 1) & mask
        put64(places, index, (place & _LOW) | (np.uint64(gram) << _HALF))
        if 2 * num_grams > mask:
            mask = grow_slots(slots, mask, grams, _GRAM_NUMBERS // 2, num_grams)
    return num_grams


@kernel
def _keep_repeated(places: int, num_places: int, counts: int, column: int, width: int) -> tuple[int, int, int]:
    """Keep the places whose n-gram occurs more than once; how many, and where the commonest first is, how often.

    The first n-gram of the text, once, where none is repeated.
    """
    num_repeated = first = 0
    most = 1
    for index in range(num_places):
        place = u64(places, index)
        count = u32(counts, width * np.int64(place >> _HALF) + column)
        put64(places, num_repeated, place)
        num_repeated += count > 1
        if count > most:
            first, most = np.int64(place & _LOW), count
    return num_repeated, first, most


@kernel
def _length(ids: int, n: int, entries: int, first: int) -> int:
    total = 0
    for word in range(first, first + n):
        total += u32(entries, ENTRY_NUMBERS * u32(ids, word) + ENTRY_LENGTH)
    return total


@kernel
def _duplicates(
    ids: int, n: int, entries: int, places: int, num_places: int, counts: int, column: int, width: int
) -> int:
    total = until = 0
    for index in range(num_places):
        place = u64(places, index)
        word = np.int64(place & _LOW)
        if word < until:
            continue
        at = width * np.int64(place >> _HALF) + column
        if u32(counts, at) == 0:
            total += _length(ids, n, entries, word)
            until = word + n
        else:
            put32(counts, at, 0)  # read once: its count has served
    return total
