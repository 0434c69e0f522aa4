"""Cuts what has no end of a word for very long before a vocabulary is learned from it.

Learning goes through a whole word for each pair of it that is merged, so its time grows with the square of the longest
word: a megabyte of one letter or of a genome would take hours. No vocabulary wants tokens of such words whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import regex  # type: ignore[import-untyped]

MOST_CHARACTERS = 768
"""Characters of one kind in a row (letters, digits, white space, others) that are not cut; a multiple of the three
digits that a word has at most, so that digits fall into the same words as before."""

# Both go through a text once: a run that is short enough is taken whole and not looked at again. The first one is fast
# and lets most texts pass; the second one knows the kinds of which words are made.
_SPACES = r"\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_PARTED = re.compile(
    rf"(?:[^{_SPACES}]{{1,{MOST_CHARACTERS}}}+(?![^{_SPACES}])|[{_SPACES}]{{1,{MOST_CHARACTERS}}}+(?![{_SPACES}]))*+"
)
_KINDS = (r"\p{L}", r"\p{N}", r"\s", r"[^\s\p{L}\p{N}]")
_SHORT_RUNS = regex.compile(
    "(?:" + "|".join(rf"{kind}{{1,{MOST_CHARACTERS}}}+(?!{kind})" for kind in _KINDS) + ")*+", regex.V1
)
_RUN = regex.compile("|".join(f"{kind}++" for kind in _KINDS), regex.V1)


class BoundedTexts:
    """Texts, of which longer runs of characters of one kind come as texts of their own of at most `MOST_CHARACTERS`.

    A text without such a run is left as it is. Texts that end in the middle of a run of a text are for learning only:
    a word that was cut there is counted as its pieces.
    """

    num_cut = 0  # runs that were cut, so far

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = texts

    def __iter__(self) -> Iterator[str]:
        for text in self._texts:
            if _PARTED.match(text).end() == len(text):  # type: ignore[union-attr]
                yield text
            else:
                yield from self._pieces(text)

    def _pieces(self, text: str) -> Iterator[str]:
        start = 0
        while (first := _SHORT_RUNS.match(text, start).end()) < len(text):
            self.num_cut += 1
            if first > start:
                yield text[start:first]
            start = _RUN.match(text, first).end()
            for place in range(first, start, MOST_CHARACTERS):
                yield text[place : min(place + MOST_CHARACTERS, start)]
        if start < len(text):
            yield text[start:]
