"""Draws: random numbers that follow from a purpose, a seed and a name alone.

They need no state and no order, so every task, worker and run draws the same.
"""

from __future__ import annotations

import json

import xxhash

_write = json.JSONEncoder(separators=(",", ":")).encode  # in ASCII


def draw(purpose: str, seed: int, *key: str | int) -> int:
    """A number from 0 to 2^64 - 1, equal on every machine and in every version.

    It is xxh3 (64 bits) of the JSON list of the purpose, the seed and the parts of the key, in ASCII and without
    spaces: `["shuffle",7,"books","x"]`. So parts cannot run together, and 1 and "1" are two keys. Draws for another
    purpose, seed or key have nothing to do with one another.
    """
    return xxhash.xxh3_64_intdigest(_write([purpose, seed, *key]).encode())


def fraction(purpose: str, seed: int, *key: str | int) -> float:
    """The draw as a number in [0, 1): its first 53 bits, so that it is exact and never 1."""
    return (draw(purpose, seed, *key) >> 11) * 2.0**-53
