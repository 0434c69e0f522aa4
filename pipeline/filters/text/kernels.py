# mypy: disable-error-code="no-any-return,return-value,call-arg"
# ruff: noqa: SIM110 (compiled code has no generators, and its tuples are slow)
"""Hashing, and the hash tables that all compiled functions share.

Arrays are known by their address (`pipeline.compiled.memory`); `codes` is that of a text's code points, `classes` that
of the classes of characters, both `uint32`. A hash only says where to look: whatever is found by it is compared with
what was sought, so no result rests on it.
"""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import kernel
from pipeline.compiled.memory import put32, u32, u64

SEED = np.uint64(0x9AE16A3B2F90404F)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)
FEW_SLOTS = 1024
FREE = 0xFFFFFFFF


@kernel
def step(hashed: int, code: int) -> int:
    """The hash of a text from the hash of all but its last code point; that of no text is `SEED`."""
    return (hashed ^ np.uint64(code)) * _FACTOR


@kernel
def slot_of(hashed: int, mask: int) -> int:
    """Where to begin to look in a table of `mask + 1` slots."""
    mixed = (hashed ^ (hashed >> _HALF)) * _MIX
    return np.int64(mixed >> _HALF) & mask


@kernel
def hash_span(codes: int, start: int, end: int) -> int:
    hashed = SEED
    for index in range(start, end):
        hashed = step(hashed, u32(codes, index))
    return hashed


@kernel
def same_span(left: int, left_start: int, right: int, right_start: int, length: int) -> bool:
    """Whether two spans of as many code points are equal."""
    for index in range(length):
        if u32(left, left_start + index) != u32(right, right_start + index):
            return False
    return True


@kernel
def clear_slots(slots: int, number: int) -> None:
    for slot in range(number):
        put32(slots, slot, FREE)


@kernel
def grow_slots(slots: int, mask: int, entries: int, width: int, num_entries: int) -> int:
    """Four times as many slots for entries that are all different; the new mask.

    An entry is `width` numbers of 64 bits, the first of them its hash. Between an eighth and a half of the slots
    are taken (`num_slots`).
    """
    mask = 4 * mask + 3
    clear_slots(slots, mask + 1)
    for number in range(num_entries):
        slot = slot_of(u64(entries, width * number), mask)
        while u32(slots, slot) != FREE:
            slot = (slot + 1) & mask
        put32(slots, slot, number)
    return mask


def num_slots(num_entries: int) -> int:
    """Room that a table needs which grows to so many entries (`grow_slots`)."""
    size = FEW_SLOTS
    while size <= 2 * num_entries:
        size *= 4
    return size
