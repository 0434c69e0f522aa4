"""Computes the similarity of two texts by plain sets of word n-grams, to check what `dedup` says of a removal.

It repeats the definition in `pipeline/dedup/text` and shares no code with it, on purpose. Texts are NFC. Case, white
space and invisible characters do not count; each sign is a word, and so is each character of scripts without spaces.
Quotation marks are one sign, dashes are, and a sign of punctuation that is repeated is one word. Where `fold` is set,
signs and accents do not count either, and a number is `0`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from itertools import groupby

_ALONE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029"
    "\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9ff\uaa60-\uaadf\uf900-\ufaff"
    "\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)  # scripts without spaces between words
_TAGS = range(0xE0000, 0xE1000)
_AS_THEY_ARE = range(0x20000, 0x110000)  # planes that fold to themselves, but for the ideographs of compatibility
_COMPATIBLE = range(0x2F800, 0x2FA20)
_INVISIBLE = "\u034f\u115f\u1160\u180b\u180c\u180d\u180f\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10)))
_QUOTES = "'\"`\u00b4\u02b9\u02bb\u02bc\u02bd\u201a\u201e\u2032\u2033"
_JAMO = re.compile("[\u1100-\u11ff]")
_DECIMAL, _DIGIT = (
    "\x02",
    "\x03",
)  # stand for separators and digits until numbers are found; control characters are gone
_NUMBER = re.compile(f"{_DIGIT}(?:{_DECIMAL}?{_DIGIT})*")
_SEPARATORS = ".,\u060c\u066b\u2396\u2397\u2398"


class _Table(dict[int, str]):
    """For `str.translate`: computes what a character becomes when it meets it first."""

    def __init__(self, rule: Callable[[str, str], str]) -> None:
        super().__init__()
        self._rule = rule

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if code in _TAGS:
            self[code] = ""
        elif code in _AS_THEY_ARE and code not in _COMPATIBLE:
            self[code] = character
        else:
            self[code] = self._rule(character, unicodedata.category(character))
        if _ALONE.match(character) and self[code] not in ("", " ", _DIGIT, _DECIMAL):
            self[code] = f" {self[code].strip()} "
        return self[code]


def _standing(character: str, category: str) -> str:
    if "\uff01" <= character <= "\uff5e":  # ASCII of full width
        character = unicodedata.normalize("NFKC", character)
        category = unicodedata.category(character)
    if category == "Cf" or character in _INVISIBLE:
        return ""
    if category == "Cc" or category[0] == "Z":
        return " "
    if category in ("Pi", "Pf") or character in _QUOTES:
        return " ' "
    if category == "Pd" or character == "\u2212":
        return " - "
    if character == "\u2026":
        return " . "
    if category[0] in "PS":
        return f" {character} "
    for folded in (character.casefold(), character.lower()):
        composed = unicodedata.normalize("NFC", folded)
        if len(composed) == 1:
            return composed
    return character


def _folded(character: str, category: str) -> str:
    if character in _SEPARATORS:
        return _DECIMAL
    if category in ("Mn", "Me", "Cf"):
        return ""
    if category == "Nd":
        return _DIGIT
    if category == "Cc" or category[0] in "PSZ":
        return " "
    lowered = unicodedata.normalize("NFD", character.lower().replace("\u03c2", "\u03c3"))
    base = [part for part in lowered if unicodedata.category(part) != "Mn"]
    return base[0] if len(base) == 1 else character


_STANDING, _FOLDED = _Table(_standing), _Table(_folded)


def words(text: str, fold: bool = False) -> list[str]:
    """The words of a text that count, in order."""
    if not fold:
        found = unicodedata.normalize("NFC", text).translate(_STANDING).split(" ")
        return [word for word, run in groupby(filter(None, found)) for _ in range(1 if _is_run(word) else len([*run]))]
    composed = unicodedata.normalize("NFC", text) if _JAMO.search(text) else text
    numbered = _NUMBER.sub("0", composed.translate(_FOLDED)).replace(_DECIMAL, " ")
    return [word for word in numbered.split(" ") if word]


def _is_run(word: str) -> bool:
    return len(word) == 1 and unicodedata.category(word)[0] == "P"


class Ngrams:
    """The n-grams of a text, as tuples of words; of a text of fewer words, all of them as one."""

    def __init__(self, text: str, num_words: int, fold: bool) -> None:
        self.words = words(text, fold)
        number = max(1, len(self.words) - num_words + 1) if self.words else 0
        self.different = {tuple(self.words[at : at + num_words]) for at in range(number)}
        is_short = 1 < num_words > len(self.words) // 4
        width = max(3, num_words)  # shorter n-grams repeat in every long text
        telling = {tuple(self.words[at : at + width]) for at in range(max(0, len(self.words) - width + 1))}
        is_low = len(telling) < 100 and 2 * len(telling) < len(self.words) - width + 1
        self.repeats_itself = is_low or (is_short and 0 < 2 * len(set(self.words)) <= len(self.words))

    def similarity(self, dropped: Ngrams, measure: str) -> float:
        """Jaccard similarity with a dropped text, or by `containment` the share of its n-grams that are here.

        A text of which more than half repeats itself is like another only where all words are the same.
        """
        if self.repeats_itself or dropped.repeats_itself:
            return float(self.words == dropped.words)
        common = len(self.different & dropped.different)
        whole = len(dropped.different) if measure == "containment" else len(self.different | dropped.different)
        return common / max(1, whole)
