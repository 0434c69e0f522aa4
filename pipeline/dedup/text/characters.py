"""How characters are folded before texts are compared: a number for each code point.

Two foldings, each a table. `folded` is what proposals are made of. It follows FineWeb's (datatrove's `simplify_text`),
so that similarities are comparable: lower case, a number becomes one `0`, punctuation becomes a space, letters lose
their accents (canonical decomposition without its non-spacing marks). It differs in four small things:

- all Unicode punctuation, symbols and control characters separate words, not a fixed list;
- invisible format characters (soft hyphen, zero-width joiner) vanish instead of staying inside words;
- a number takes in all its separators: `1,234,567` and `1.2.3` are one `0`;
- final and medial sigma are one letter; Hangul is compared as composed syllables.

`standing` is what decides. Case, white space and what is invisible do not count; digits, signs and accents do. Each
sign is a word. What typography alone tells apart is one sign: all quotation marks and apostrophes, all dashes, one full
stop and an ellipsis, so a run of equal punctuation is one word; and forms of full width are those of ASCII.

Words are runs between spaces. In scripts that are written without spaces (Han, kana, Thai, Lao, Khmer, Burmese and
their kin) each character is a word, so that a word n-gram there is a character n-gram. No language needs to be known.
"""

from __future__ import annotations

import functools
import sys
import unicodedata
from collections.abc import Callable
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

# Classes. No folded character has one of these codes: control characters are all `SPACE`.
DROPPED, SPACE, DIGIT, SEPARATOR = range(4)
ZERO = ord("0")
ALONE = 1 << 31  # marks a character that is a word of its own
RUN = 1 << 30  # and one whose repetitions are the same word
CHARACTER = (1 << 21) - 1

CONJOINING_JAMO = (0x1100, 0x1200)
_DECIMAL_SEPARATORS = ".,\u060c\u066b\u2396\u2397\u2398"
_WITHOUT_SPACES = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF)),  # Thai, Lao; Myanmar; Khmer
    *((0x1950, 0x19DF), (0x1A20, 0x1AAF)),  # Tai Le, New Tai Lue; Tai Tham
    *((0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x3029)),  # radicals; iteration mark to zero; Hangzhou numerals
    *((0x3040, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF)),  # kana, Bopomofo
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)),  # Han
    *((0xA9E0, 0xA9FF), (0xAA60, 0xAADF)),  # Myanmar; Tai Viet
    *((0xFF66, 0xFF9F), (0x1B000, 0x1B16F)),  # kana of half width and of hentaigana
)
_FIRST_PLAIN_PLANE = 0x20000  # above it there are Han characters, tags and nothing that folds
_FULL_WIDTH = (0xFF01, 0xFF5E)  # letters, digits and signs of ASCII, as wide as an ideograph
_QUOTES = "'\"`\u00b4\u02b9\u02bb\u02bc\u02bd\u201a\u201e\u2032\u2033"  # beside Unicode's Pi and Pf
# Without a shape of their own: the joiner of graphemes, fillers of Hangul, and what says how a letter looks.
_INVISIBLE = "\u034f\u115f\u1160\u180b\u180c\u180d\u180f\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10)))

# Ideographs, Hangul, surrogates, private use, cuneiform, hieroglyphs and other scripts of one case, and what is not
# assigned: both foldings give each of them itself (a test holds them to that), so a worker need not ask when it starts.
_UNCHANGED = (
    *((0x3400, 0x4DC0), (0x4E00, 0xA48D), (0xAC00, 0xD7A4), (0xD800, 0xF900), (0x10596, 0x10857), (0x12000, 0x1246F)),
    *((0x12480, 0x12FF1), (0x13000, 0x13430), (0x13460, 0x16A60), (0x16FF2, 0x1BC9C), (0x1BCB0, 0x1CF00)),
    *((0x1D380, 0x1D400), (0x1DAB0, 0x1DF00), (0x1E300, 0x1E8D0), (0x1E960, 0x1EC00)),
)


@functools.cache
def folded() -> NDArray[np.uint32]:
    """For each code point its class, or the character that stands for it, with `ALONE` where that is a word."""
    return _table(_fold)


@functools.cache
def standing() -> NDArray[np.uint32]:
    """The same for texts whose digits, signs and accents count."""
    return _table(_stand)


def _table(fold: Callable[[int], int]) -> NDArray[np.uint32]:
    table = np.arange(sys.maxunicode + 1, dtype=np.uint32)
    for first, last in pairwise((0, *chain(*_UNCHANGED), _FIRST_PLAIN_PLANE)):
        if (first, last) not in _UNCHANGED:
            table[first:last] = [fold(code) for code in range(first, last)]
    table[0xE0000:0xE1000] = DROPPED
    for code in range(0x2F800, 0x2FA20):  # compatibility ideographs
        table[code] = fold(code)
    for first, last in _WITHOUT_SPACES:
        part = table[first : last + 1]
        part[part > SEPARATOR] |= np.uint32(ALONE)
    table.setflags(write=False)
    return table


def _fold(code: int) -> int:
    character = chr(code)
    if character in _DECIMAL_SEPARATORS:
        return SEPARATOR
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf"):
        return DROPPED
    if category == "Nd":
        return DIGIT
    if category[0] in "PSZ" or category == "Cc":
        return SPACE
    lowered = character.lower().replace("\u03c2", "\u03c3")
    base = [part for part in unicodedata.normalize("NFD", lowered) if unicodedata.category(part) != "Mn"]
    # What decomposes into several letters (Hangul) stays as it is; so does a letter whose lower case is several.
    return ord(base[0]) if len(base) == 1 else code


def _stand(code: int) -> int:
    if _FULL_WIDTH[0] <= code <= _FULL_WIDTH[1]:
        code += ord("!") - _FULL_WIDTH[0]
    character = chr(code)
    category = unicodedata.category(character)
    if category == "Cf" or character in _INVISIBLE:
        return DROPPED
    if category[0] == "Z" or category == "Cc":
        return SPACE
    if category in ("Pi", "Pf") or character in _QUOTES:
        return ord("'") | ALONE | RUN
    if category == "Pd" or character == "\u2212":
        return ord("-") | ALONE | RUN
    if character == "\u2026":
        return ord(".") | ALONE | RUN
    if category[0] in "PS":
        return code | ALONE | (RUN if category[0] == "P" else 0)
    for changed in (character.casefold(), character.lower()):
        changed = unicodedata.normalize("NFC", changed)
        if len(changed) == 1:
            return ord(changed)
    return code
