"""Text as deduplication compares it: folded characters, words, and their hashes.

The folding follows the one that FineWeb used (datatrove's `simplify_text`), so that similarities are comparable:
lower case, a number becomes one `0`, punctuation becomes a space, white space is folded, letters lose their accents
(canonical decomposition without its non-spacing marks). It differs in four small things:

- all Unicode punctuation, symbols and control characters separate words, not a fixed list;
- invisible format characters (soft hyphen, zero-width joiner) vanish instead of staying inside words;
- a number takes in all its separators: `1,234,567` and `1.2.3` are one `0`;
- final and medial sigma are one letter; Hangul is compared as composed syllables.

Words are runs between spaces. In scripts that are written without spaces (Han, kana, Thai, Lao, Khmer, Burmese and
their kin) each character is a word of its own, so that a word n-gram there is a character n-gram. No language needs
to be known for that, and mixed text works.

All of it runs in numpy on arrays of code points: one look-up folds and classifies every character.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

UInt64Array = NDArray[np.uint64]
UInt32Array = NDArray[np.uint32]
BoolArray = NDArray[np.bool_]

# Classes in the folding table. No folded character has one of these codes: control characters are all `_SPACE`.
_DROP, _SPACE, _DIGIT, _SEPARATOR = 0, 1, 2, 3
_ZERO = ord("0")
_ALONE = np.uint32(1 << 31)  # marks a character that is a word of its own

_DECIMAL_SEPARATORS = ".,\u060c\u066b\u2396\u2397\u2398"
_CONJOINING_JAMO = (0x1100, 0x1200)
_WITHOUT_SPACES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),  # iteration mark, closing mark, zero
    (0x3021, 0x3029),  # Hangzhou numerals
    (0x3040, 0x312F),  # kana, Bopomofo
    (0x31A0, 0x31BF),  # Bopomofo
    (0x31F0, 0x31FF),  # kana
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),  # Han
    (0xA9E0, 0xA9FF),  # Myanmar
    (0xAA60, 0xAADF),  # Myanmar, Tai Viet
    (0xF900, 0xFAFF),  # Han, compatibility
    (0xFF66, 0xFF9F),  # kana, half width
    (0x1B000, 0x1B16F),  # kana
    (0x20000, 0x3FFFF),  # Han
)
_FIRST_PLAIN_PLANE = 0x20000  # above it there are Han characters, tags and nothing that folds

_WORD_BASE = 0x9E3779B97F4A7C15 ^ 0x6  # 3 modulo 8, so the base has the greatest order modulo 2**64
_MAX_CACHED_POWERS = 1 << 12
_PIECE_CHARACTERS = 1 << 18
_MASK64 = (1 << 64) - 1


def mix(values: UInt64Array) -> UInt64Array:
    """Scramble 64-bit values in place, one to one: the finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    values ^= values >> np.uint64(30)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def seed_stream(seed: int, count: int) -> UInt64Array:
    """`count` pseudo-random 64-bit numbers of a seed: SplitMix64, the same on every machine and numpy."""
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return mix(steps + np.uint64(seed & _MASK64))


def fold_white_space(text: str) -> str:
    """The text with every run of white space as one space, and none at its ends."""
    return " ".join(text.split())


def words(text: str) -> list[str]:
    """The folded words of a text, in order. `word_hashes` has one hash for each of them."""
    return [word for piece in _pieces(text) for word in _piece_words(piece)]


def _piece_words(text: str) -> list[str]:
    characters, starts = _characters(text)
    folded = (characters & ~_ALONE).astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
    bounds = [*starts.tolist(), len(folded)]
    return [folded[start:end] for start, end in pairwise(bounds)]


def word_hashes(text: str) -> UInt64Array:
    """A 64-bit hash of each folded word of a text, in order; empty where the text has no word.

    A word's hash is a polynomial in its scrambled characters, scrambled again. It does not depend on what stands
    around the word, on the machine or on the process.
    """
    hashes = [_piece_hashes(piece) for piece in _pieces(text)]
    return hashes[0] if len(hashes) == 1 else np.concatenate(hashes)


def _piece_hashes(text: str) -> UInt64Array:
    characters, starts = _characters(text)
    if not starts.size:
        return np.empty(0, dtype=np.uint64)
    lengths = np.diff(starts, append=characters.size)
    offsets = np.arange(characters.size) - np.repeat(starts, lengths)
    terms = mix(characters.astype(np.uint64) + np.uint64(_WORD_BASE))
    terms *= _powers(int(lengths.max()))[offsets]
    return mix(np.add.reduceat(terms, starts))


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces cut at spaces, so that a long text needs no more memory than a short one.

    A space ends every word and every number, so the pieces' words are the text's words.
    """
    begin = 0
    while len(text) - begin > _PIECE_CHARACTERS:
        cut = text.rfind(" ", begin, begin + _PIECE_CHARACTERS)
        if cut <= begin:
            cut = text.find(" ", begin + _PIECE_CHARACTERS)
        if cut < 0:
            break
        yield text[begin:cut]
        begin = cut
    yield text[begin:] if begin else text


def _characters(text: str) -> tuple[UInt32Array, NDArray[np.intp]]:
    """Folded characters of all words without spaces, and the position at which each word starts."""
    table = _folding_table()
    codes = _code_points(text)
    if codes.size and codes.max() >= _CONJOINING_JAMO[0]:
        jamo = (codes >= _CONJOINING_JAMO[0]) & (codes < _CONJOINING_JAMO[1])
        if jamo.any():
            codes = _code_points(unicodedata.normalize("NFC", text))
    folded = table[codes]
    visible = folded != _DROP
    if not visible.all():
        folded = folded[visible]
    if not folded.size:
        return folded, np.empty(0, dtype=np.intp)

    digit = folded == _DIGIT
    separator = folded == _SEPARATOR
    inside_number = separator.copy()
    inside_number[0] = inside_number[-1] = False
    inside_number[1:-1] &= digit[:-2]
    inside_number[1:-1] &= digit[2:]
    folded[separator] = _SPACE
    number = digit | inside_number
    folded[number] = _ZERO

    inside_word = folded != _SPACE
    keep = inside_word.copy()
    keep[1:] &= ~(number[1:] & number[:-1])  # one 0 for the whole number
    alone = folded >= _ALONE
    start = inside_word.copy()
    start[1:] &= ~inside_word[:-1] | alone[1:] | alone[:-1]
    return folded[keep], np.flatnonzero(start[keep])


def _code_points(text: str) -> UInt32Array:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


# Ideographs, Hangul, surrogates, private use, cuneiform, hieroglyphs and other scripts of one case, and what is not
# assigned: `_fold` gives each of them itself (a test holds it to that), so a worker need not ask when it starts.
_UNCHANGED = (
    *((0x3400, 0x4DC0), (0x4E00, 0xA48D), (0xAC00, 0xD7A4), (0xD800, 0xF900), (0x10596, 0x10857), (0x12000, 0x1246F)),
    *((0x12480, 0x12FF1), (0x13000, 0x13430), (0x13460, 0x16A60), (0x16FF2, 0x1BC9C), (0x1BCB0, 0x1CF00)),
    *((0x1D380, 0x1D400), (0x1DAB0, 0x1DF00), (0x1E300, 0x1E8D0), (0x1E960, 0x1EC00)),
)


@lru_cache(maxsize=1)
def _folding_table() -> UInt32Array:
    """For each code point its folded character (with `_ALONE` set where it is a word by itself), or its class."""
    table = np.arange(sys.maxunicode + 1, dtype=np.uint32)
    for first, last in pairwise((0, *chain(*_UNCHANGED), _FIRST_PLAIN_PLANE)):
        if (first, last) not in _UNCHANGED:
            table[first:last] = [_fold(code) for code in range(first, last)]
    table[0xE0000:0xE1000] = _DROP
    for code in range(0x2F800, 0x2FA20):  # compatibility ideographs
        table[code] = _fold(code)
    for first, last in _WITHOUT_SPACES:
        part = table[first : last + 1]
        part[part > _SEPARATOR] |= _ALONE
    return table


def _fold(code: int) -> int:
    character = chr(code)
    if character in _DECIMAL_SEPARATORS:
        return _SEPARATOR
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf"):
        return _DROP
    if category == "Nd":
        return _DIGIT
    if category[0] in "PSZ" or category == "Cc":
        return _SPACE
    lowered = character.lower().replace("\u03c2", "\u03c3")
    base = [part for part in unicodedata.normalize("NFD", lowered) if unicodedata.category(part) != "Mn"]
    # What decomposes into several letters (Hangul) stays as it is; so does a letter whose lower case is several.
    return ord(base[0]) if len(base) == 1 else code


def _powers(count: int) -> UInt64Array:
    """At least `count` powers of the word base modulo 2**64, from the first."""
    return _compute_powers(_MAX_CACHED_POWERS) if count <= _MAX_CACHED_POWERS else _compute_powers.__wrapped__(count)


@lru_cache(maxsize=1)
def _compute_powers(count: int) -> UInt64Array:
    powers = np.multiply.accumulate(np.full(count, _WORD_BASE, dtype=np.uint64))
    powers.flags.writeable = False
    return powers
