"""Small measures that features are made of: kinds of characters, lengths of blocks, likeness to the title."""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import kernel
from pipeline.markup.html.layout import B_CHARS, B_CJK, B_COMMAS, B_ENDS, B_LINK_CHARS, B_NODE, N_PARENT, N_SHAPE

_TITLE_GRAM = 6  # bytes


@kernel
def kind_of_character(cp: int) -> int:
    """A small number for what a character is, alike for all scripts."""
    if 48 <= cp <= 57:
        return 1
    if 97 <= cp <= 122:
        return 2
    if 65 <= cp <= 90:
        return 3
    if cp == 46 or cp == 33 or cp == 63 or cp == 0x3002 or cp == 0xFF01 or cp == 0xFF1F or cp == 0x964 or cp == 0x61F:
        return 4
    if cp == 0x6D4 or cp == 0x2026:
        return 4
    if cp == 58 or cp == 0xFF1A:
        return 5
    if cp == 44 or cp == 59 or cp == 0xFF0C or cp == 0x3001 or cp == 0x60C:
        return 6
    if cp == 34 or cp == 39 or cp == 0xAB or cp == 0xBB or 0x2018 <= cp <= 0x201F or 0x300C <= cp <= 0x300F:
        return 7
    if cp == 40 or cp == 41 or cp == 91 or cp == 93 or cp == 0xFF08 or cp == 0xFF09:
        return 8
    if cp == 124 or cp == 62 or cp == 60 or cp == 0x203A or cp == 0x2039 or 0x2190 <= cp <= 0x21FF:
        return 9
    if cp == 45 or 0x2010 <= cp <= 0x2015 or cp == 0x2022 or cp == 42 or cp == 0xB7 or 0x25A0 <= cp <= 0x25FF:
        return 10
    if cp == 35 or cp == 64 or cp == 47 or cp == 43 or cp == 38 or cp == 0xA9:
        return 11
    return 12 if cp >= 128 else 13


@kernel
def title_set(title: np.ndarray) -> np.ndarray:
    """A set of the byte grams of the title, as an array of hashes with open addressing."""
    size = 64
    while size < 3 * title.size:
        size *= 2
    grams = np.zeros(size, np.int64)
    value = np.int64(0)
    for place in range(title.size):
        value = (value << 8 | np.int64(title[place])) & 0xFFFFFFFFFFFF
        if place >= _TITLE_GRAM - 1:
            slot = (value ^ value >> 17 ^ value >> 31) & (size - 1)
            while grams[slot] != 0 and grams[slot] != value:
                slot = (slot + 1) & (size - 1)
            grams[slot] = value
    return grams


@kernel
def share_in_title(text: np.ndarray, start: int, end: int, grams: np.ndarray) -> float:
    """The share of a text's byte grams that the title has."""
    size = grams.size
    value = np.int64(0)
    found = 0
    for place in range(start, end):
        value = (value << 8 | np.int64(text[place])) & 0xFFFFFFFFFFFF
        if place - start >= _TITLE_GRAM - 1:
            slot = (value ^ value >> 17 ^ value >> 31) & (size - 1)
            while grams[slot] != 0 and grams[slot] != value:
                slot = (slot + 1) & (size - 1)
            found += grams[slot] == value
    return found / max(1, end - start - _TITLE_GRAM + 1)


@kernel
def parent_of(nodes: np.ndarray, node: int) -> int:
    """The element around an element; the root's is itself."""
    return max(np.int64(0), np.int64(nodes[node, N_PARENT]))  # type: ignore[return-value]


@kernel
def firsts(keys: np.ndarray) -> np.ndarray:
    """Of each number (int32, not negative) the place of the first that is equal."""
    size = 64
    while size < 3 * keys.size:
        size *= 2
    slots = np.full(size, -1, np.int32)
    found = np.empty(keys.size, np.int32)
    for b in range(keys.size):
        key = keys[b]
        slot = (key ^ key >> 13) & (size - 1)
        while slots[slot] >= 0 and keys[slots[slot]] != key:
            slot = (slot + 1) & (size - 1)
        if slots[slot] < 0:
            slots[slot] = b
        found[b] = slots[slot]
    return found


@kernel
def firsts_alike(blocks: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Of each block the first that stands in three elements of the same tags and classes."""
    keys = np.empty(blocks.shape[0], np.int32)
    for b in range(keys.size):
        k1 = np.int64(blocks[b, B_NODE])
        k2 = parent_of(nodes, k1)
        k3 = parent_of(nodes, k2)
        keys[b] = nodes[k1, N_SHAPE] ^ (nodes[k2, N_SHAPE] << 1 & 0x7FFFFFFF) ^ (nodes[k3, N_SHAPE] << 2 & 0x7FFFFFFF)
    found: np.ndarray = firsts(keys)
    return found


@kernel
def lengths(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each block: length in letters (a CJK character is 2.5), share of it in links, and weight as prose.

    Prose is what has sentences or their parts and is not mostly links.
    """
    count = blocks.shape[0]
    length = np.empty(count, np.float32)
    density = np.empty(count, np.float32)
    prose = np.zeros(count, np.float32)
    for b in range(count):
        row = blocks[b]
        length[b] = row[B_CHARS] + 1.5 * row[B_CJK]
        density[b] = row[B_LINK_CHARS] / max(1, row[B_CHARS])
        if (row[B_COMMAS] + row[B_ENDS] > 0 and length[b] >= 25) or length[b] >= 120:
            prose[b] = max(0.0, length[b] * (1 - 1.5 * density[b]))
    return length, density, prose
