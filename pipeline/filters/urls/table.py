"""Millions of strings that can be asked for, in some 18 bytes each: sorted 64-bit hashes and a number for each.

A string that was not put in is taken for one that was with a probability of n / 2**64, for n entries: at 10 million
entries and a billion questions, once in 1,800 such runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import xxhash

_hash_of = xxhash.xxh3_64_intdigest


def hashes_of(strings: Sequence[bytes]) -> npt.NDArray[np.uint64]:
    """The hashes (xxh3) of strings in UTF-8."""
    return np.fromiter(map(_hash_of, strings), np.uint64, len(strings))


class HashTable:
    """Immutable. `find(string)` gives the number of a string in UTF-8, or -1 where it is not in the table.

    hashes: uint64, any order, repeated ones allowed: the first counts. numbers: uint16, one for each.
    """

    def __init__(self, hashes: npt.NDArray[np.uint64], numbers: npt.NDArray[np.uint16]) -> None:
        self.hashes, first = np.unique(hashes, return_index=True)
        self.numbers = numbers[first]
        # Where the hashes with each beginning start: one for two beginnings, so that most searches end at once.
        bits = len(self.hashes).bit_length() + 1
        self._shift = 64 - bits
        beginnings = (self.hashes >> np.uint64(self._shift)).astype(np.int64)
        self._starts = np.zeros((1 << bits) + 1, np.uint32)
        np.cumsum(np.bincount(beginnings, minlength=1 << bits), out=self._starts[1:])
        self.find = self._finder()

    @classmethod
    def of(cls, strings: Sequence[bytes], number: int = 0) -> HashTable:
        """A table of strings in UTF-8 that all have one number."""
        return cls(hashes_of(strings), np.full(len(strings), number, np.uint16))

    def __len__(self) -> int:
        return len(self.hashes)

    @property
    def num_bytes(self) -> int:
        """Memory that the table takes."""
        return self.hashes.nbytes + self.numbers.nbytes + self._starts.nbytes

    def _finder(self) -> Callable[[bytes], int]:
        """`find(string)`: the number of a string in UTF-8, -1 where it is not in the table."""
        # Plain views: an element is read in a fifth of the time that NumPy takes.
        starts, hashes, numbers = (
            memoryview(array)  # type: ignore[arg-type]
            for array in (self._starts, self.hashes, self.numbers)
        )
        shift = self._shift

        def find(string: bytes) -> int:
            wanted = _hash_of(string)
            beginning = wanted >> shift
            row, end = starts[beginning], starts[beginning + 1]
            while row < end:
                if hashes[row] == wanted:
                    return numbers[row]
                row += 1
            return -1

        return find
