# mypy: disable-error-code="no-any-return,return-value,call-arg,assignment"
"""Compiled code: n-grams of a text, their minima under many hash functions, and what two sets have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.compiled.cache import entry, kernel
from pipeline.dedup.text.characters import ALONE, CHARACTER, DIGIT, DROPPED, RUN, SEPARATOR, SPACE, ZERO

NUM_STATES = 8
_HASHED, _ROLLED, SEQUENCE, NUM_WORDS, _OPEN, _NUMBER, _SIGN, _SLOT = range(NUM_STATES)
"""Where a text stands between two of its pieces, all 0 before the first: the hash of the word that is open, that of the
last words, that of all words, how many these are, whether a word is open (2: it ends here), whether in a number (2: a
separator stands after its digit), the last sign, the place of the oldest word."""

WORD_BASE = 0x9E3779B97F4A7C13  # 3 modulo 8, so it has the greatest order modulo 2**64
WORD_SEED = 0x9AE16A3B2F90404F
CHARACTER_FACTOR = 0x9E3779B97F4A7C15
SEQUENCE_BASE = 0xD1342543DE82EF95
_BASE, _SEED, _FACTOR, _SEQUENCE_BASE = map(np.uint64, (WORD_BASE, WORD_SEED, CHARACTER_FACTOR, SEQUENCE_BASE))
_ZERO, _ONE, _TWO, _HALF = map(np.uint64, (0, 1, 2, 32))
_FIRST_MIX, _SECOND_MIX = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_FIRST_SHIFT, _SECOND_SHIFT, _THIRD_SHIFT = map(np.uint64, (30, 27, 31))
BLOCK = 8


@kernel
def _mix(value: int) -> int:
    """A 64-bit value scrambled, one to one: the finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    value = (value ^ (value >> _FIRST_SHIFT)) * _FIRST_MIX
    value = (value ^ (value >> _SECOND_SHIFT)) * _SECOND_MIX
    return value ^ (value >> _THIRD_SHIFT)


@entry
def add_ngrams(
    codes: NDArray[np.uint32], table: NDArray[np.uint32], seed: int, power: int, words: NDArray[np.uint64],
    state: NDArray[np.uint64], ngrams: NDArray[np.uint64], is_last: bool,
) -> int:  # fmt: skip
    """Hash the n-grams that end in a piece of a text, in order, with repeats; how many.

    A word's hash is that of its folded characters, an n-gram's a polynomial in its words' hashes, which a new word and
    the oldest change. A text that ends with fewer words than an n-gram has one n-gram of all its words.

    Args:
        codes: the code points of the piece.
        table: how they are folded (`characters`).
        seed: of the hashes of n-grams.
        power: `WORD_BASE` to the power of the words of an n-gram.
        words: the hashes of the last words, as many as an n-gram has; all 0 before the first piece.
        state: see `_HASHED`.
        ngrams: where the hashes go; one more than there are codes.
        is_last: whether the text ends here.
    """
    hashed, rolled, sequence, num_words = state[_HASHED], state[_ROLLED], state[SEQUENCE], state[NUM_WORDS]
    is_open, number, sign, slot = state[_OPEN], state[_NUMBER], np.uint32(state[_SIGN]), np.int64(state[_SLOT])
    width = len(words)
    length = len(codes)
    found = 0
    index = 0
    while index < length + is_last:
        code = table[codes[index]] if index < length else np.uint32(SPACE)
        index += 1
        if code == DROPPED:
            continue
        ends = is_open == _TWO
        if code == DIGIT:
            if number != _ZERO:
                number = _ONE
                continue
            number = _ONE
            code = np.uint32(ZERO)
        elif code == SEPARATOR:
            if number == _ONE:
                number = _TWO
                continue
            number = _ZERO
            code = np.uint32(SPACE)
        else:
            ends |= number == _TWO
            number = _ZERO
        if is_open != _ZERO and (ends or code == SPACE or code >= ALONE):
            word = _mix(hashed)
            rolled = rolled * _BASE + word - words[slot] * power
            words[slot] = word
            slot += 1
            if slot == width:
                slot = 0
            sequence = (sequence + word) * _SEQUENCE_BASE
            num_words += _ONE
            if num_words >= np.uint64(width):
                ngrams[found] = _mix(rolled + seed)
                found += 1
            is_open = _ZERO
        if code == SPACE:
            continue
        if code & RUN:
            if code == sign:
                continue
            sign = code
        else:
            sign = np.uint32(0)
        if is_open == _ZERO:
            hashed = _SEED
        hashed = (hashed ^ np.uint64(code & CHARACTER)) * _FACTOR
        is_open = _TWO if code >= ALONE else _ONE
        while index < length and is_open == _ONE and number == _ZERO:  # most characters are letters after letters
            code = table[codes[index]]
            if code <= SEPARATOR or code >= RUN:
                break
            hashed = (hashed ^ np.uint64(code)) * _FACTOR
            index += 1
    if is_last and _ZERO < num_words < np.uint64(width):
        ngrams[found] = _mix(rolled + seed + num_words)
        found += 1
    state[_HASHED], state[_ROLLED], state[SEQUENCE], state[NUM_WORDS] = hashed, rolled, sequence, num_words
    state[_OPEN], state[_NUMBER], state[_SIGN], state[_SLOT] = is_open, number, np.uint64(sign), np.uint64(slot)
    return found


@entry
def may_compose(codes: NDArray[np.uint32]) -> bool:
    """Whether there are characters beyond those of which most texts are made and that NFC changes in no text: Latin
    and what comes before the combining marks, Cyrillic, general punctuation and currencies, ideographs."""
    number = 0
    for code in codes:
        is_letter = (code < 0x300) | ((code >= 0x400) & (code < 0x483)) | ((code >= 0x3400) & (code < 0xA000))
        number += not (is_letter | ((code >= 0x2002) & (code < 0x20D0)))
    return number > 0


@kernel
def _image(factor: int, shingle: int, offset: int) -> int:
    return np.uint32(factor * shingle + offset)


@entry
def lower_minima(
    ngrams: NDArray[np.uint64], count: int, factors: NDArray[np.uint32], offsets: NDArray[np.uint32],
    least: NDArray[np.uint32],
) -> None:  # fmt: skip
    """Lower each minimum to the least image `factor * x + offset` modulo 2**32 of the upper halves `x` of n-grams.

    A block of them at a time meets each function, so that a minimum is loaded and stored once for the block; the
    functions are what the processor's vectors hold.
    """
    shingles = np.empty(BLOCK, np.uint32)
    for begin in range(0, count, BLOCK):
        for place in range(BLOCK):
            shingles[place] = np.uint32(ngrams[min(begin + place, count - 1)] >> _HALF)
        first, second, third, fourth = shingles[0], shingles[1], shingles[2], shingles[3]
        fifth, sixth, seventh, eighth = shingles[4], shingles[5], shingles[6], shingles[7]
        for number in range(len(least)):
            factor, offset = factors[number], offsets[number]
            one = min(_image(factor, first, offset), _image(factor, second, offset))
            two = min(_image(factor, third, offset), _image(factor, fourth, offset))
            three = min(_image(factor, fifth, offset), _image(factor, sixth, offset))
            four = min(_image(factor, seventh, offset), _image(factor, eighth, offset))
            least[number] = min(least[number], min(min(one, two), min(three, four)))


@entry
def count_common(
    values: NDArray[np.uint64], offsets: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64],
    common: NDArray[np.int64],
) -> None:  # fmt: skip
    """How many values each pair of ascending sets has in common; set `k` is `values[offsets[k]:offsets[k + 1]]`."""
    for pair in range(len(first)):
        left, left_end = offsets[first[pair]], offsets[first[pair] + 1]
        right, right_end = offsets[second[pair]], offsets[second[pair] + 1]
        number = 0
        while left < left_end and right < right_end:
            one, other = values[left], values[right]
            number += one == other
            left += one <= other
            right += other <= one
        common[pair] = number


@entry
def fold_spaces(data: NDArray[np.uint8], folded: NDArray[np.uint8]) -> int:
    """Put a text's UTF-8 into `folded` with every run of white space as one space, and none at its ends; how many bytes
    these are.

    White space is what `str.split` splits at.
    """
    at, size, length = 0, 0, len(data)
    is_pending = False
    while at < length:
        byte = data[at]
        width = 0  # bytes of white space that begins here
        if byte <= 0x20:
            if byte == 0x20 or 0x09 <= byte <= 0x0D or byte >= 0x1C:
                width = 1
        elif byte == 0xC2:
            if at + 1 < length and (data[at + 1] == 0x85 or data[at + 1] == 0xA0):
                width = 2
        elif 0xE1 <= byte <= 0xE3 and at + 2 < length:
            code = np.int64(byte & 0xF) << 12 | np.int64(data[at + 1] & 0x3F) << 6 | np.int64(data[at + 2] & 0x3F)
            is_space = 0x2000 <= code <= 0x200A or code == 0x2028 or code == 0x2029 or code == 0x202F
            if is_space or code == 0x1680 or code == 0x205F or code == 0x3000:
                width = 3
        if width:
            is_pending = size > 0
            at += width
        else:
            if is_pending:
                folded[size] = 0x20
                size += 1
                is_pending = False
            folded[size] = byte
            size += 1
            at += 1
    return size
