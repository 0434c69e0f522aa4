"""Split a text into words once, as arrays of numbers that every rule can read.

A text is cut at whitespace into pieces, and a piece into words (`boundaries`). Few pieces are new: a table remembers
the words of each piece and what the rules ask about each word, so that most of a text is one dictionary look-up a
piece and the rest is NumPy. What is remembered never changes a result.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.filters.boundaries import split_piece

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

UNSPACED_LANGUAGES = frozenset({"zh", "ja", "th", "lo", "km", "my", "bo", "dz", "yue", "wuu"})
"""Languages written without a space between words. Each of their characters counts as a word, the simplest split that
two programs will always agree on; rules about the length of a word or about stop words do not judge them."""

# Ideographs, kana, Thai, Lao, Tibetan, Myanmar, Khmer with their marks: one letter or mark is one word.
_UNSPACED = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff"
_UNSPACED += "\uff66-\uff9d\U00020000-\U0003ffff"
_UNSPACED_PIECE = re.compile(f"[{_UNSPACED}]|[^{_UNSPACED}]+")

# Marks that datatrove does not take for words by themselves: ASCII and common CJK and typographic punctuation, control
# characters, and the sentence terminals of the world's scripts (Unicode's Sentence_Terminal, as far as listed there).
_MARKS = "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»"
_CONTROLS = "".join(map(chr, [*range(9), 11, 12, *range(13, 32), *range(127, 160)]))


def _range(first: int, last: int) -> str:
    return "".join(map(chr, range(first, last + 1)))


SENTENCE_ENDS = frozenset(
    "!.?։؟۔܀܁܂߹।॥၊။።፧፨᙮᜵᜶᠃᠉᥄᥅᪨᪩᪪᪫᭚᭛᭞᭟᰻᰼᱾᱿‼‽⁇⁈⁉⸮⸼꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝꩞꩟꫰꫱꯫﹒﹖﹗！．？｡。"
    "\U00010a56\U00010a57\U00011047\U00011048\U00011141\U00011142\U00011143\U000111c5\U000111c6\U000111cd\U000111de"
    "\U000111df\U00011238\U00011239\U0001123b\U0001123c\U000112a9\U0001144b\U0001144c\U000115c2\U000115c3\U00011641"
    "\U00011642\U0001173c\U0001173d\U0001173e\U00011a42\U00011a43\U00011a9b\U00011a9c\U00011c41\U00011c42\U00016a6e"
    "\U00016a6f\U00016af5\U00016b37\U00016b38\U00016b44\U0001bc9f\U0001da88"
    + _range(0x110BE, 0x110C1)
    + _range(0x115C9, 0x115D7)
)
"""Marks that end a sentence, in all scripts."""
TERMINAL_PUNCTUATION = SENTENCE_ENDS | frozenset(
    "\u061d\u061e\u0837\u0839\u083d\u083e\u1b7d\u1b7e\u2e53\u2e54\u17d4\u17d5\u17d6\u17d9\u17da"
    "\U00011944\U00011946\U00011ef7\U00011ef8\U00011f43\U00011f44\U00016e98"
    + _range(0x10F55, 0x10F59)
    + _range(0x10F86, 0x10F89)
)
"""Characters that may end a line in FineWeb's terms."""
PUNCTUATION = frozenset(_MARKS) | frozenset(_CONTROLS) | TERMINAL_PUNCTUATION

_CHARACTERS_REMEMBERED = 32_000_000
_IS_SYMBOL, _HAS_LETTER, _IS_SENTENCE_END, _IS_PUNCTUATION = 1, 2, 4, 8
_LONGEST_REMEMBERED = 128
# Of 63: as many words as memory can hold, in a piece (a text without spaces is one) and before it.
_COUNT_BITS = 31


@dataclass(frozen=True)
class Words:
    """The words of a text in order; all arrays have one entry a word, or `num_lines + 1` where said.

    `line_start` holds, for each line that was given, the index of its first word, then the number of words.
    `num_pieces` holds for each line how many pieces stand between whitespace.
    """

    ids: IntArray  # equal exactly where the words are equal; meaningful within this object only
    lengths: IntArray  # characters
    is_symbol: BoolArray  # no character but punctuation
    has_letter: BoolArray
    is_sentence_end: BoolArray  # one sentence-ending mark
    is_punctuation: BoolArray  # punctuation through and through, in Unicode's terms
    line_start: IntArray  # (num_lines + 1)
    num_pieces: IntArray  # (num_lines)
    present: frozenset[str]  # which of the words asked for occur
    is_spaced: bool  # False where characters stand for words

    def __len__(self) -> int:
        return len(self.ids)


class WordTable:
    """Words met so far. It is emptied when it has grown too large, so that memory stays bounded (some 100 MB)."""

    def __init__(self, spaced: bool = True) -> None:
        self.spaced = spaced
        self._clear()

    def _clear(self) -> None:
        self._pieces = _Pieces(self)
        self._word_ids: dict[str, int] = {}
        self._characters = 0
        # Growing arrays of plain Python: an element is set in a tenth of the time that NumPy takes.
        self._flat = array("q")  # ids of the words of each piece, one piece after the other
        self._lengths = array("q")  # of each word
        self._flags = bytearray()  # of each word

    def split(self, lines: Iterable[str], look_for: Iterable[str] = ()) -> Words:
        """Split lines into words. `look_for` are words whose presence is wanted (stop words)."""
        if self._characters > _CHARACTERS_REMEMBERED:
            self._clear()
        pieces: list[str] = []
        ends = [0]
        for line in lines:
            pieces += line.split()
            ends.append(len(pieces))
        packed = np.fromiter(map(self._pieces.__getitem__, pieces), np.int64, len(pieces))
        piece_ends = np.array(ends)
        counts = packed & ((1 << _COUNT_BITS) - 1)
        word_ends = np.zeros(len(pieces) + 1, np.int64)
        np.cumsum(counts, out=word_ends[1:])
        rows = np.repeat((packed >> _COUNT_BITS) - word_ends[:-1], counts)
        rows += np.arange(len(rows))
        # Views of the arrays must be gone before the next word is added: fancy indexing copies.
        ids = np.frombuffer(self._flat, np.int64)[rows] if len(rows) else np.empty(0, np.int64)
        flags = np.frombuffer(self._flags, np.uint8)[ids] if len(rows) else np.empty(0, np.uint8)
        return Words(
            ids=ids,
            lengths=np.frombuffer(self._lengths, np.int64)[ids] if len(rows) else np.empty(0, np.int64),
            is_symbol=flags & _IS_SYMBOL != 0,
            has_letter=flags & _HAS_LETTER != 0,
            is_sentence_end=flags & _IS_SENTENCE_END != 0,
            is_punctuation=flags & _IS_PUNCTUATION != 0,
            line_start=word_ends[piece_ends],
            num_pieces=np.diff(piece_ends),
            present=self._present(ids, look_for),
            is_spaced=self.spaced,
        )

    def _present(self, ids: IntArray, look_for: Iterable[str]) -> frozenset[str]:
        """Which words occur among `ids`."""
        known = [(word, self._word_ids[word]) for word in look_for if word in self._word_ids]
        if not known or not len(ids):
            return frozenset()
        occurs = np.zeros(len(self._word_ids), np.bool_)
        occurs[ids] = True
        return frozenset(word for word, word_id in known if occurs[word_id])

    def add_piece(self, piece: str) -> int:
        """Row of the piece's first word and how many words it has, packed into one number."""
        words = split_piece(piece) if self.spaced else _split_unspaced(piece)
        packed = len(self._flat) << _COUNT_BITS | len(words)
        for word in words:
            word_id = self._word_ids.get(word)
            self._flat.append(self._add_word(word) if word_id is None else word_id)
        self._characters += len(piece) + 64
        if len(piece) <= _LONGEST_REMEMBERED:
            self._pieces[piece] = packed
        return packed

    def _add_word(self, word: str) -> int:
        word_id = len(self._word_ids)
        self._word_ids[word] = word_id
        self._lengths.append(len(word))
        self._flags.append(_HAS_LETTER if word.isalpha() else _flags_of(word))
        self._characters += len(word) + 128
        return word_id


def _flags_of(word: str) -> int:
    flags = _IS_SYMBOL if PUNCTUATION.issuperset(word) else 0
    if any(map(str.isalpha, word)):
        flags |= _HAS_LETTER
    if word in SENTENCE_ENDS:
        flags |= _IS_SENTENCE_END
    if all(unicodedata.category(char)[0] == "P" for char in word):
        flags |= _IS_PUNCTUATION
    return flags


class _Pieces(dict[str, int]):
    """Piece -> packed row and count; a piece that is missing is split and added."""

    def __init__(self, table: WordTable) -> None:
        super().__init__()
        self._table = table

    def __missing__(self, piece: str) -> int:
        return self._table.add_piece(piece)


def _split_unspaced(piece: str) -> tuple[str, ...]:
    words: list[str] = []
    for part in _UNSPACED_PIECE.findall(piece):
        words.extend((part,) if len(part) == 1 else split_piece(part))
    return tuple(words)


@functools.cache
def word_table(spaced: bool = True) -> WordTable:
    """This process's table, for languages written with or without spaces between words."""
    return WordTable(spaced)
