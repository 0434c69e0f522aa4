"""Small kernels of the scanner: names, comments, raw text, character references, words of attributes."""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import kernel
from pipeline.markup.html.tables import FNV_OFFSET, FNV_PRIME

SEEN_RUNS = 1024  # of letters in class names that are remembered; a power of two
_MAX_NAME = 40  # bytes of a class word or entity name that is looked at
_MAX_TAG = 600  # bytes of a tag whose words are looked at


@kernel
def find_value(keys: np.ndarray, values: np.ndarray, key: np.uint64) -> int:
    """The value of a key in a table, -1 if it is not there."""
    mask = np.int64(keys.size - 1)
    place = np.int64(key ^ (key >> np.uint64(32))) & mask
    while keys[place] != 0:
        if keys[place] == key:
            return int(values[place])
        place = (place + 1) & mask
    return -1


@kernel
def find_byte(data: np.ndarray, position: int, byte: int) -> int:
    """Where a byte stands next, or the end of the data."""
    end = data.size
    while position < end and data[position] != byte:
        position += 1
    return position


@kernel
def after_markup_declaration(data: np.ndarray, position: int) -> int:
    """Where a comment, doctype, CDATA section or processing instruction that starts at `position` (its `<`) ends."""
    end = data.size
    if position + 3 < end and data[position + 1] == 33 and data[position + 2] == 45 and data[position + 3] == 45:
        place = position + 4
        if place < end and data[place] == 62:
            return place + 1
        if place + 1 < end and data[place] == 45 and data[place + 1] == 62:
            return place + 2
        while place < end:
            if data[place] == 62 and data[place - 1] == 45 and data[place - 2] == 45 and place - 2 >= position + 4:
                return place + 1
            if (
                data[place] == 62
                and data[place - 1] == 33
                and data[place - 2] == 45
                and data[place - 3] == 45
                and place - 3 >= position + 4
            ):
                return place + 1
            place += 1
        return end
    return int(min(end, find_byte(data, position + 2, 62) + 1))


@kernel
def end_of_raw_text(data: np.ndarray, position: int, name_start: int, name_end: int) -> int:
    """Where the end tag of a raw-text element stands whose own name is at `name_start`; the end of the data if none."""
    end = data.size
    length = name_end - name_start
    while True:
        position = find_byte(data, position, 60)
        if position + length + 2 > end:
            return end
        if data[position + 1] == 47:
            same = True
            for offset in range(length):
                if data[position + 2 + offset] | 32 != data[name_start + offset] | 32:
                    same = False
                    break
            if same:
                after = position + 2 + length
                if after >= end:
                    return end
                byte = data[after]
                if byte == 62 or byte == 47 or byte <= 32:
                    return position
        position += 1


@kernel
def read_reference(
    data: np.ndarray, position: int, keys: np.ndarray, values: np.ndarray, characters: np.ndarray, low: np.ndarray
) -> tuple[int, int, int]:
    """The one or two characters that a reference at `position` (its `&`) means, and where it ends.

    What is no reference means `&` itself, one byte long.
    """
    end = data.size
    place = position + 1
    if place < end and data[place] == 35:
        place += 1
        base = 10
        if place < end and data[place] | 32 == 120:
            base = 16
            place += 1
        start = place
        value = 0
        while place < end:
            byte = data[place]
            if 48 <= byte <= 57:
                digit = np.int64(byte) - 48
            elif base == 16 and 97 <= byte | 32 <= 102:
                digit = np.int64(byte | 32) - 87
            else:
                break
            if value <= 0x10FFFF:
                value = value * base + digit  # type: ignore[assignment]
            place += 1
        if place == start:
            return 38, 0, position + 1
        if place < end and data[place] == 59:
            place += 1
        if 128 <= value < 160:
            value = low[value - 128]
        elif value == 0 or value > 0x10FFFF or 0xD800 <= value <= 0xDFFF:
            value = 0xFFFD
        return value, 0, place
    key = FNV_OFFSET
    best, best_end = -1, 0
    while place < end and place - position <= _MAX_NAME:
        byte = data[place]
        if byte == 59:
            value = find_value(keys, values, key)
            if value >= 0:
                best, best_end = value, place + 1
            break
        if not (48 <= byte <= 57 or 97 <= byte | 32 <= 122):
            break
        key = (key ^ np.uint64(byte)) * FNV_PRIME
        place += 1
        if place - position <= 8:  # the names that stand without a semicolon are short
            value = find_value(keys, values, key)
            if value >= 0 and value & 1:
                best, best_end = value, place
    if best < 0:
        return 38, 0, position + 1
    return characters[best >> 1, 0], characters[best >> 1, 1], best_end


@kernel
def _add_word(
    data: np.ndarray, start: int, end: int, keys: np.ndarray, values: np.ndarray, pairs: np.ndarray, count: int,
    node: int,
) -> int:  # fmt: skip
    """Add the known words of one run of letters: itself, or the known words that it starts and ends with."""
    key = FNV_OFFSET
    prefix, prefix_end = -1, start
    for place in range(start, end):
        key = (key ^ np.uint64(data[place] | 32)) * FNV_PRIME
        if place - start >= 2 and place + 1 < end:
            value = find_value(keys, values, key)
            if value >= 0:
                prefix, prefix_end = value, place + 1
    value = find_value(keys, values, key)
    if value >= 0:
        pairs[count, 0], pairs[count, 1] = node, value
        return count + 1
    if end - start < 6:
        return count
    if prefix >= 0 and prefix_end - start >= 4:
        pairs[count, 0], pairs[count, 1] = node, prefix
        count += 1
    else:
        prefix_end = start + 2
    for first in range(prefix_end, end - 3):
        key = FNV_OFFSET
        for place in range(first, end):
            key = (key ^ np.uint64(data[place] | 32)) * FNV_PRIME
        value = find_value(keys, values, key)
        if value >= 0:
            pairs[count, 0], pairs[count, 1] = node, value
            return count + 1
    return count


@kernel
def add_words(
    data: np.ndarray, start: int, end: int, keys: np.ndarray, values: np.ndarray, seen_keys: np.ndarray,
    seen_values: np.ndarray, pairs: np.ndarray, count: int, node: int,
) -> int:  # fmt: skip
    """Add (node, word) for the known words of an attribute; returns the new number of pairs.

    Words are runs of ASCII letters, and end where a capital follows a small letter. The caller sees to it that `pairs`
    has room for one a letter pair, and cuts long values. What runs of this page were found to hold is in `seen_keys`
    (SEEN_RUNS of them, by their hashes) and `seen_values` (how many words, and these): the same few come again and
    again, and to look into one costs the square of its letters.
    """
    place = start
    while place < end:
        while place < end and not 97 <= data[place] | 32 <= 122:
            place += 1
        first = place
        key = FNV_OFFSET
        while place < end and 97 <= data[place] | 32 <= 122:
            if place > first and data[place] < 97 and data[place - 1] >= 97:
                break
            key = (key ^ np.uint64(data[place] | 32)) * FNV_PRIME
            place += 1
        if 2 <= place - first <= _MAX_NAME:
            slot = np.int64(key ^ (key >> np.uint64(32))) & (SEEN_RUNS - 1)
            if seen_keys[slot] == key:
                for number in range(seen_values[slot, 0]):
                    pairs[count, 0], pairs[count, 1] = node, seen_values[slot, number + 1]
                    count += 1
                continue
            before = count
            count = _add_word(data, first, place, keys, values, pairs, count, node)
            seen_keys[slot] = key
            seen_values[slot, 0] = count - before
            for number in range(count - before):
                seen_values[slot, number + 1] = pairs[before + number, 1]
    return count


@kernel
def read_number(data: np.ndarray, start: int, end: int, otherwise: int) -> int:
    """The whole number of up to eight digits that an attribute holds, or `otherwise`."""
    while start < end and data[start] <= 32:
        start += 1
    is_negative = start < end and data[start] == 45
    start += is_negative
    value, place = 0, start
    while place < end and 48 <= data[place] <= 57 and place - start < 8:
        value = value * 10 + np.int64(data[place]) - 48  # type: ignore[assignment]
        place += 1
    if place == start:
        return otherwise
    return -value if is_negative else value


@kernel
def words_say(data: np.ndarray, start: int, keys: np.ndarray, values: np.ndarray) -> int:
    """What the words of the tag that stands at `start` say: the bits of those in a table.

    Words are as in `add_words`. `aria-labelledby` is one, what it names is none.
    """
    end = min(data.size, start + _MAX_TAG)
    place = start
    said = 0
    while place < end and data[place] != 62:
        key = FNV_OFFSET
        first = place
        while place < end and 97 <= data[place] | 32 <= 122:
            if place > first and data[place] < 97 and data[place - 1] >= 97:
                break
            key = (key ^ np.uint64(data[place] | 32)) * FNV_PRIME
            place += 1
        if place == first:
            place += 1
        elif place - first > 1:
            found = find_value(keys, values, key)
            if found > 0:
                said |= found
            if place - first == 10 and data[first] | 32 == 108 and place < end and data[place] == 61:  # labelledby=
                place += 1
                quote = data[min(place, end - 1)]
                place += 1
                while place < end and data[place] != quote and data[place] != 62:
                    place += 1
    return said


@kernel
def is_leaf(data: np.ndarray, place: int) -> bool:
    """Whether an element, whose content begins at `place`, holds no other element."""
    place = find_byte(data, place, 60)
    return bool(place + 1 < data.size and data[place + 1] == 47)


@kernel
def is_copy(data: np.ndarray, place: int) -> bool:
    """Whether the text of a button, from `place` on, begins with "Copy" or "Copied"."""
    end = min(data.size - 6, place + _MAX_TAG)
    while place < end and (data[place] <= 32 or data[place] == 60):
        if data[place] == 60:
            if data[place + 1] | 32 == 115 and data[place + 2] | 32 == 118:  # <svg>
                return False
            while place < end and data[place] != 62:
                place += 1
        place += 1
    if place >= end or data[place] | 32 != 99 or data[place + 1] | 32 != 111 or data[place + 2] | 32 != 112:
        return False
    after = data[place + 3] | 32
    return bool(
        (after == 121 and not 97 <= data[place + 4] | 32 <= 122) or (after == 105 and data[place + 4] | 32 == 101)
    )


@kernel
def is_mark(data: np.ndarray, place: int) -> bool:
    """Whether the content of a link, from `place` on, is a mark (`#`, `¶`, `§`) or nothing: the anchor of a heading."""
    end = data.size
    while place < end and data[place] <= 32:
        place += 1
    if place < end and data[place] == 35:
        place += 1
    elif place + 1 < end and data[place] == 0xC2 and (data[place + 1] == 0xB6 or data[place + 1] == 0xA7):
        place += 2
    elif (
        place + 5 < end
        and data[place] == 38
        and data[place + 5] == 59
        and ((data[place + 1] == 112 and data[place + 4] == 97) or (data[place + 2] == 49 and data[place + 4] == 50))
    ):  # &para; &#182;
        place += 6
    while place < end and data[place] <= 32:
        place += 1
    return bool(place + 2 < end and data[place] == 60 and data[place + 1] == 47 and data[place + 2] | 32 == 97)


@kernel
def change_of_depth(data: np.ndarray, place: int, end: int, name_start: int, name_end: int) -> int:
    """The change of depth at the `<` at `place`: 1 for a start tag of the name, -1 for its end tag, 0 for another tag.

    The name is data[name_start:name_end], in any case; a tag is looked at before `end`.
    """
    is_end = place + 1 < end and data[place + 1] == 47
    at = place + 1 + is_end
    length = name_end - name_start
    if at + length >= end or 97 <= data[at + length] | 32 <= 122:
        return 0
    for offset in range(length):
        if data[at + offset] | 32 != data[name_start + offset] | 32:
            return 0
    return -1 if is_end else 1
