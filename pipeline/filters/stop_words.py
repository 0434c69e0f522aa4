# ruff: noqa: SIM905
"""The stop words of each language: words of which a text of that language is sure to have some.

English has Gopher's eight. Those of other languages are the commonest words of sample sentences and of articles of
Wikipedia, as FineWeb-2 (Penedo et al. 2025, arXiv:2506.20920) takes them from word frequencies. `stop_words.json` is
made by `python -m tools.make_stop_words`, which says how.
"""

from __future__ import annotations

import functools
import hashlib
import json
import unicodedata
from pathlib import Path

_FILE = Path(__file__).with_name("stop_words.json")


@functools.cache
def default_stop_words() -> dict[str, list[str]]:
    """By language (ISO 639-1)."""
    words: dict[str, list[str]] = json.loads(_FILE.read_text(encoding="utf-8"))
    return words


# What is spelled one way or the other. Armenian: the ligature in both orthographies. Romanian and Turkish: comma and
# cedilla below. Arabic and Persian: yeh, kaf, heh, alef and its ligature. Apostrophes. Ligatures of Latin letters, and
# Croatian digraphs. Turkish without its dotless i, Russian without its yo.
_FORMS = tuple(
    tuple(pair.split("/"))
    for pair in """
    \u0587/\u0565\u0582 \u0587/\u0565\u057e \u0219/\u015f \u021b/\u0163 \u064a/\u06cc \u0649/\u06cc \u064a/\u0649
    \u0643/\u06a9 \u06c1/\u0647 \u06d5/\u0647 \u06be/\u0647 \u0644\u0627/\ufefb \u0623/\u0627 \u0625/\u0627
    \u0622/\u0627 '/\u2019 '/\u02bc \u2018/\u02bb ij/\u0133 fi/\ufb01 fl/\ufb02 nj/\u01cc lj/\u01c9 d\u017e/\u01c6
    \u0131/i \u0451/\u0435
    """.split()
)
_MOST_FORMS = 64


def forms(word: str) -> list[str]:
    """A word as texts may spell it: in NFC and NFD, with ligatures or without, with letters that look alike."""
    found = [word]
    for one in found:
        for pair in _FORMS:
            for old, new in (pair, pair[::-1]):
                other = one.replace(old, new)
                if other not in found and len(found) < _MOST_FORMS:
                    found.append(other)
    return list(dict.fromkeys(unicodedata.normalize(form, one) for one in found for form in ("NFC", "NFD")))


def stop_words_digest() -> str:
    """SHA-256 of the lists: what a build that uses them depends on."""
    return hashlib.sha256(_FILE.read_bytes()).hexdigest()
