# ruff: noqa: SIM905
"""Adult words in URLs, after the way of RefinedWeb (Penedo et al. 2023, arXiv:2306.01116, appendix G).

Three lists: strict words are refused wherever they stand, also inside a longer word; hard words where they are a word
by themselves; soft words where there are several. The words that come along are few and chosen to mean one thing only;
names of groups of people are not among them. Better lists are given by their path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

STRICT_WORDS = (
    "blowjob bukkake camgirl cumshot deepthroat freeporn gangbang hentai porngirl pornhub "
    "pornstar porntube pornvideo sexcam sextape xhamster xvideos"
).split()
HARD_WORDS = "porn porno pornos pornography milf milfs nsfw nudes threesome".split()
SOFT_WORDS = (
    "adult amateur babes cams erotic escort escorts fetish hot naked nude sex sexy swingers webcam webcams xxx"
).split()

_WORD = re.compile(r"[^\W_]+")


class WordRule:
    """Looks for words in the lower-case text of a URL. A word of the URL is a run of letters and digits."""

    def __init__(self, strict: Iterable[str] = (), hard: Iterable[str] = (), soft: Iterable[str] = ()) -> None:
        words = sorted({word.lower() for word in strict if word})
        self._strict = re.compile(_alternatives(words)) if words else None
        self._hard = frozenset(word.lower() for word in hard if word)
        self._soft = frozenset(word.lower() for word in soft if word)
        any_word = sorted({*words, *self._hard, *self._soft})
        self._any = re.compile(_alternatives(any_word)) if any_word else None

    def look(self, text: str) -> tuple[str | None, list[str]]:
        """The strict or hard word that a text has, None where it has none, and its different soft words, sorted."""
        if self._any is None or self._any.search(text) is None:  # most URLs
            return None, []
        found = self._strict.search(text) if self._strict is not None else None
        word = f"strict:{found.group()}" if found is not None else None
        if not self._hard and not self._soft:
            return word, []
        words = set(_WORD.findall(text))
        if word is None and not self._hard.isdisjoint(words):
            word = f"hard:{min(self._hard & words)}"
        return word, sorted(self._soft & words)


def _alternatives(words: list[str]) -> str:
    """A regular expression for any of some sorted words, which tries each beginning that they share but once."""
    if len(words) == 1:
        return re.escape(words[0])
    branches: list[str] = []
    while words:
        first = words[0][:1]
        same = [word[1:] for word in words if word[:1] == first]
        words = words[len(same) :]
        if not first:
            return ""  # the empty rest: whatever longer word begins so is found by its beginning
        branches.append(re.escape(first) + _alternatives(same))
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"
