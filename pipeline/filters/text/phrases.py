# mypy: disable-error-code="no-any-return,return-value,call-arg"
# ruff: noqa: SIM102 (compiled code has no generators, and its tuples are slow)
"""Short texts laid out as arrays that compiled code can look up: exceptions of the word boundaries, units, stop words.

A table of phrases is one array of `uint32`: a head (`_MASK` and so on), the slots, an entry of eight numbers for each
phrase (its hash in two, where its code points begin, its length, the lengths of its parts), all code points.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from pipeline.compiled.cache import kernel
from pipeline.compiled.memory import u32, u64
from pipeline.filters.text.kernels import FREE, same_span, slot_of

_BITS = (1 << 64) - 1
_MASK, NUM_PHRASES, LONGEST, _ENTRIES, _CODES = range(5)
_HEAD = 8
_ENTRY = 8
_START, _LENGTH, _PARTS = 2, 3, 4
MOST_PARTS = 4


def lay_out(phrases: Mapping[str, tuple[str, ...]]) -> npt.NDArray[np.uint32]:
    """A table of phrases with their parts, which joined are the phrase, in the order given."""
    return _lay_out({phrase: [len(part) for part in parts] for phrase, parts in phrases.items()})


def lay_out_groups(groups: Iterable[Iterable[str]]) -> npt.NDArray[np.uint32]:
    """A table of phrases, group by group: in place of its parts each has the number of the first group that has it."""
    numbers: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        for phrase in group:
            numbers.setdefault(phrase, [number])
    return _lay_out(numbers)


def _lay_out(phrases: Mapping[str, list[int]]) -> npt.NDArray[np.uint32]:
    num_slots = 64
    while num_slots < 4 * len(phrases):
        num_slots *= 2
    slots = np.full(num_slots, FREE, np.uint32)
    entries = np.zeros((len(phrases), _ENTRY), np.uint32)
    codes: list[int] = []
    for number, (phrase, own) in enumerate(phrases.items()):
        hashed = _hash(phrase)
        entries[number, :_PARTS] = hashed & FREE, hashed >> 32, len(codes), len(phrase)
        entries[number, _PARTS : _PARTS + len(own)] = own
        codes += map(ord, phrase)
        slot = _slot(hashed, num_slots - 1)
        while slots[slot] != FREE:
            slot = (slot + 1) & (num_slots - 1)
        slots[slot] = number
    head = np.zeros(_HEAD, np.uint32)
    head[:5] = (
        num_slots - 1,
        len(phrases),
        max(map(len, phrases), default=0),
        _HEAD + num_slots,
        _HEAD + num_slots + entries.size,
    )
    return np.concatenate([head, slots, entries.ravel(), np.array(codes, np.uint32)])


def _hash(text: str) -> int:
    """What `kernels.hash_span` computes."""
    hashed = 0x9AE16A3B2F90404F
    for character in text:
        hashed = (hashed ^ ord(character)) * 0x9E3779B97F4A7C15 & _BITS
    return hashed


def _slot(hashed: int, mask: int) -> int:
    """What `kernels.slot_of` computes."""
    return ((hashed ^ (hashed >> 32)) * 0xD6E8FEB86659FD93 & _BITS) >> 32 & mask


@kernel
def find_phrase(phrases: int, codes: int, start: int, end: int, hashed: int) -> int:
    """Where in the table the entry of the phrase is that the span is, whose hash is given; 0 where it is none."""
    length = end - start
    if length > u32(phrases, LONGEST):
        return 0
    mask = u32(phrases, _MASK)
    slot = slot_of(hashed, mask)
    while True:
        number = u32(phrases, _HEAD + slot)
        if number == FREE:
            return 0
        entry = phrase_entry(phrases, number)
        if u64(phrases, entry // 2) == hashed and u32(phrases, entry + _LENGTH) == length:
            if same_span(phrases, phrase_start(phrases, entry), codes, start, length):
                return entry
        slot = (slot + 1) & mask


@kernel
def phrase_entry(phrases: int, number: int) -> int:
    return u32(phrases, _ENTRIES) + _ENTRY * number


@kernel
def phrase_hash(phrases: int, entry: int) -> int:
    return u64(phrases, entry // 2)


@kernel
def phrase_start(phrases: int, entry: int) -> int:
    """Where in the table the code points of a phrase begin."""
    return u32(phrases, _CODES) + u32(phrases, entry + _START)


@kernel
def phrase_length(phrases: int, entry: int) -> int:
    return u32(phrases, entry + _LENGTH)


@kernel
def phrase_group(phrases: int, entry: int) -> int:
    return u32(phrases, entry + _PARTS)


@kernel
def part_length(phrases: int, entry: int, part: int) -> int:
    """Length of a part of a phrase; 0 after the last."""
    return u32(phrases, entry + _PARTS + part) if part < MOST_PARTS else 0
