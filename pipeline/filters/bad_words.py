"""Words and phrases that a page must not have: C4's rule, for lists that the user brings.

Raffel et al. 2020, JMLR 21:140, section 2.2; how C4's published code looks for them. No list comes with groundup.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from pathlib import Path

from manifests.errors import UserError
from pipeline.filters.file_digests import file_digest

_WORD = re.compile(r"\w+")


class BadWords:
    """A list of words and phrases, in lower case.

    In a language with spaces, a phrase is found where no letter, digit or underscore stands beside it; in one without,
    wherever its characters stand (C4 does so for Japanese, Thai and Chinese).
    """

    def __init__(self, phrases: list[str], is_spaced: bool) -> None:
        self.phrases = sorted({phrase.strip().lower() for phrase in phrases} - {""})
        self._is_spaced = is_spaced
        self._by_word: dict[str, list[str]] = defaultdict(list)
        self._without_word: list[str] = []
        for phrase in self.phrases:
            # Nothing that belongs to a word stands beside the phrase, so its first word is a whole word of the text.
            word = _WORD.search(phrase)
            if word is None:
                self._without_word.append(phrase)
            else:
                self._by_word[word.group()].append(phrase)

    def count(self, text: str) -> int:
        """How many different ones occur in a text."""
        lower = text.lower()
        if not self._is_spaced:
            characters = set(lower)
            return sum(phrase in lower for phrase in self.phrases if characters.issuperset(phrase))
        words = self._by_word.keys() & set(_WORD.findall(lower))
        possible = [phrase for word in words for phrase in self._by_word[word]]
        return sum(_stands_alone(phrase, lower) for phrase in [*possible, *self._without_word])


def _stands_alone(phrase: str, text: str) -> bool:
    return re.search(rf"(?:\W|^){re.escape(phrase)}(?:\W|$)", text) is not None


@functools.lru_cache(maxsize=256)
def _load(path: str, is_spaced: bool, digest: str) -> BadWords:
    try:
        words = BadWords(Path(path).read_text(encoding="utf-8").splitlines(), is_spaced)
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None
    if not words.phrases:
        raise UserError(f"filter.c4.bad_words: {path}: no word in it. Write a word or phrase a line.")
    return words


def _unreadable(path: str, error: OSError | UnicodeDecodeError) -> UserError:
    why = error.strerror if isinstance(error, OSError) else "not UTF-8"
    return UserError(
        f"filter.c4.bad_words: {path}: cannot be read ({why}). Give the path of a list, a word or phrase a line."
    )


def load_bad_words(path: str, is_spaced: bool) -> BadWords:
    """The list in a file. Raises `UserError` where it cannot be read or is empty."""
    return _load(path, is_spaced, bad_words_digest(path))


def bad_words_digest(path: str) -> str:
    """SHA-256 of a list: what a build that uses it depends on. Raises `UserError` where it cannot be read."""
    try:
        return file_digest(Path(path))
    except OSError as error:
        raise _unreadable(path, error) from None
