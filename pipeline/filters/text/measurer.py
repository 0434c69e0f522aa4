"""`Measurer`: the statistics of one text after the other, by two calls of compiled code.

The first splits the text into lines and words. Then it is known how much memory the second needs, which measures.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.compiled.folder import MEMORY_IS_CHECKED
from pipeline.compiled.memory import by_address
from pipeline.filters.text.characters import classes
from pipeline.filters.text.duplicates import PART_NUMBERS
from pipeline.filters.text.kernels import num_slots
from pipeline.filters.text.lines import NUM_COUNTS, sought_phrases
from pipeline.filters.text.measure import NUM_VALUES, measure
from pipeline.filters.text.ngrams import PLACE_NUMBERS
from pipeline.filters.text.phrases import lay_out, lay_out_groups
from pipeline.filters.text.pieces import LONGEST_PIECE, WORD_NUMBERS
from pipeline.filters.text.words import ENTRY_NUMBERS, LINE_NUMBERS, split_lines

_REUSED = 0 if MEMORY_IS_CHECKED else 1 << 20
"""Code points. The memory for texts up to this length is kept for the next one; it is larger than most texts need, so
where every access is checked, each text has its own."""
_TOO_LONG = 1 << 31


class Table:
    """An array of `uint32` and its address, for as long as it lives."""

    def __init__(self, array: npt.NDArray[np.uint32]) -> None:
        self.array = by_address(array)
        self.address: int = self.array.ctypes.data

    @classmethod
    def of_length(cls, length: int) -> Table:
        """A new one whose elements mean nothing yet; what is never written costs no memory."""
        return cls(np.empty(length, np.uint32))

    @classmethod
    def of_phrases(cls, phrases: Mapping[str, tuple[str, ...]]) -> Table:
        """Phrases and their parts (`phrases.lay_out`)."""
        return cls(lay_out(phrases))

    @classmethod
    def of_groups(cls, groups: Iterable[Iterable[str]]) -> Table:
        """Phrases of which any of a group stands for the group (`phrases.lay_out_groups`)."""
        return cls(lay_out_groups(groups))


class Boundaries(NamedTuple):
    """How a language's words are found."""

    exceptions: Table  # pieces whose words are known
    units: Table
    style: int  # bits of `pieces` and `measure`
    is_spaced: bool  # False where each letter of a script without spaces is a word, or marks part words as spaces do


class Wanted(NamedTuple):
    """What is measured."""

    families: int  # bits of `measure`
    stop_words: Table
    short_line_length: int  # code points; lines up to this length are short for FineWeb
    line_rules: Table  # which lines C4 removes, in the order of `lines`


class _Memory:
    """What the two calls need for a text of up to `length` code points."""

    def __init__(self, length: int) -> None:
        self._length = length
        self.words = Table.of_length(WORD_NUMBERS * (length + 1))
        self.lines = Table.of_length(LINE_NUMBERS * (length // 2 + 2))
        self.stack = Table.of_length(LONGEST_PIECE)
        self.counts = Table.of_length(NUM_COUNTS)

    def prepare(self, num_words: int) -> None:
        """Get ready for the second call."""
        most_parts = self._length // 2 + 3
        self.ids = Table.of_length(num_words + 1)
        self.entries = Table.of_length(ENTRY_NUMBERS * (num_words + 1))
        self.places = Table.of_length(PLACE_NUMBERS * (num_words + 1))
        self.parts = Table.of_length(PART_NUMBERS * most_parts)
        self.slots = Table.of_length(num_slots(max(num_words, most_parts)))
        self.left = Table.of_length(self._length + 2)


class Measurer:
    """Measures texts, one after the other: a second thread waits, since the memory is shared."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._classes = Table(classes())
        self._sought = Table(sought_phrases())
        self._values = np.zeros(NUM_VALUES)
        self._memory = _Memory(_REUSED)
        self._memory.prepare(_REUSED)

    def measure(
        self, codes: npt.NDArray[np.uint32], boundaries: Boundaries, wanted: Wanted
    ) -> tuple[list[float], npt.NDArray[np.uint32] | None]:
        """The values (`measure`), and the code points that C4's rules leave where these are not all.

        Time and memory are linear in the length of the text. Values of families that are not wanted mean nothing.
        Raises `ValueError` for a text of 2**31 code points or more.
        """
        if len(codes) >= _TOO_LONG:
            raise ValueError(f"a text of {len(codes):,} characters is too long to be measured")
        with self._lock:
            return self._measure(codes, boundaries, wanted)

    def _measure(
        self, codes: npt.NDArray[np.uint32], boundaries: Boundaries, wanted: Wanted
    ) -> tuple[list[float], npt.NDArray[np.uint32] | None]:
        codes = by_address(codes)
        length = len(codes)
        memory = self._memory if length <= _REUSED else _Memory(length)
        at, classes_ = codes.ctypes.data, self._classes.address
        exceptions, units, style = boundaries.exceptions.address, boundaries.units.address, boundaries.style
        num_lines, num_filled, num_words = split_lines(
            at, length, classes_, exceptions, units, style, boundaries.is_spaced, memory.lines.address,
            memory.words.address, memory.stack.address,
        )  # fmt: skip
        if memory is not self._memory:
            memory.prepare(num_words)
        first, last, is_all = measure(
            at, length, classes_, exceptions, units, style, boundaries.is_spaced, wanted.stop_words.address,
            self._sought.address, wanted.families, wanted.short_line_length, wanted.line_rules.address, num_lines,
            num_filled, num_words, memory.lines.address, memory.words.address, memory.stack.address,
            memory.ids.address, memory.entries.address, memory.slots.address, memory.places.address,
            memory.parts.address, memory.left.address, memory.counts.address, self._values,
        )  # fmt: skip
        left = None if is_all else memory.left.array[first:last].copy()
        return self._values.tolist(), left


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """The code points of a text, lone surrogates included."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32) if text else np.empty(0, np.uint32)


def text_of(codes: npt.NDArray[np.uint32]) -> str:
    """The text of code points."""
    return codes.tobytes().decode("utf-32-le", "surrogatepass")


def words_of(text: str, boundaries: Boundaries) -> list[str]:
    """The words of a text, as the rules count them."""
    codes = by_address(code_points(text))
    memory = _Memory(len(codes))
    _, _, num_words = split_lines(
        codes.ctypes.data, len(codes), Table(classes()).address, boundaries.exceptions.address,
        boundaries.units.address, boundaries.style, boundaries.is_spaced, memory.lines.address, memory.words.address,
        memory.stack.address,
    )  # fmt: skip
    spans = memory.words.array[: WORD_NUMBERS * num_words].reshape(-1, WORD_NUMBERS)[:, :2].tolist()
    return [text[start : start + length] for start, length in spans]
