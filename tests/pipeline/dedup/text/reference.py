"""Words, n-grams and their hashes in plain Python, as the compiled code must have them."""

from __future__ import annotations

import re
import unicodedata

from pipeline.dedup.text import sketch
from pipeline.dedup.text.characters import _INVISIBLE, _QUOTES, _WITHOUT_SPACES

_MASK = (1 << 64) - 1
_WORD_BASE = 0x9E3779B97F4A7C13
_JAMO = re.compile("[\u1100-\u11ff]")
_FOLD_NUMBERS = re.compile("\x01(?:\x02?\x01)*")


def _is_alone(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in _WITHOUT_SPACES)


def _letter(character: str, folded: str) -> str:
    return f" {folded} " if _is_alone(character) else folded


def folded_words(text: str) -> list[str]:
    """The words of which proposals are made."""
    if _JAMO.search(text):
        text = unicodedata.normalize("NFC", text)
    shown = []
    for character in text:
        category = unicodedata.category(character)
        base = unicodedata.normalize("NFD", character.lower().replace("ς", "σ"))
        base = "".join(part for part in base if unicodedata.category(part) != "Mn")
        if character in ".,\u060c\u066b\u2396\u2397\u2398":
            shown.append("\x02")
        elif category in ("Mn", "Me", "Cf") or 0xE0000 <= ord(character) < 0xE1000:
            pass
        elif category == "Nd":
            shown.append("\x01")
        elif category[0] in "PSZ" or category == "Cc":
            shown.append(" ")
        else:
            shown.append(_letter(character, base if len(base) == 1 else character))
    return _FOLD_NUMBERS.sub("0", "".join(shown)).replace("\x02", " ").split()


def standing_words(text: str) -> list[str]:
    """The words that decide."""
    shown: list[str] = []
    for character in unicodedata.normalize("NFC", text):
        if "！" <= character <= "～":
            character = unicodedata.normalize("NFKC", character)
        category = unicodedata.category(character)
        if category == "Cf" or character in _INVISIBLE or 0xE0000 <= ord(character) < 0xE1000:
            continue
        if category[0] == "Z" or category == "Cc":
            shown.append(" ")
        elif category in ("Pi", "Pf") or character in _QUOTES:
            shown.append(" '\x01 ")
        elif category == "Pd" or character == "\u2212":
            shown.append(" -\x01 ")
        elif category[0] in "PS":
            sign = "." if character == "\u2026" else character
            shown.append(f" {sign}\x01 " if category[0] == "P" else f" {sign} ")
        else:
            changed = [unicodedata.normalize("NFC", form) for form in (character.casefold(), character.lower())]
            shown.append(_letter(character, next((one for one in changed if len(one) == 1), character)))
    words: list[str] = []
    for word in filter(None, "".join(shown).split(" ")):
        if not (word.endswith("\x01") and words and words[-1] == word):
            words.append(word)
    return [word.rstrip("\x01") for word in words]


def hashes(words: list[str], width: int) -> list[int]:
    """The hashes of n-grams that decide, by the same formulas in Python's own integers."""
    values = [_hash(word) for word in words]
    size = min(width, len(values))
    found = []
    for place in range(len(values) - size + 1 if values else 0):
        powers = (pow(_WORD_BASE, size - 1 - offset, 1 << 64) for offset in range(size))
        total = sum(value * power for value, power in zip(values[place:], powers, strict=False))
        found.append(_mix(total + sketch._NGRAM_SEED + width + (size if size < width else 0)))
    return found


def is_repetitive(words: list[str], width: int) -> bool:
    """Whether a text of these words repeats itself."""
    if len(words) < 4 * width and width > 1 and words and 2 * len(set(words)) <= len(words):
        return True
    width = max(3, width)
    ngrams = [tuple(words[at : at + width]) for at in range(len(words) - width + 1)]
    return len(set(ngrams)) < 100 and 2 * len(set(ngrams)) < len(ngrams)


def hashes_of_text(sketcher: sketch.Sketcher, text: str) -> list[int]:
    """The hashes of a text's n-grams that decide, in order, with repeats, by compiled code."""
    found = []
    sketcher._begin()
    for codes, composed, is_last in sketch._pieces(text):
        used = codes if sketcher._is_folded else composed
        count = sketcher._add(1, used, sketcher._table, sketcher._ngram_seed, is_last)
        found += sketcher._ngrams[:count].tolist()
    return found


def _mix(value: int) -> int:
    value &= _MASK
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31


def _hash(word: str) -> int:
    value = 0x9AE16A3B2F90404F
    for character in word:
        value = (value ^ ord(character)) * 0x9E3779B97F4A7C15 & _MASK
    return _mix(value)
