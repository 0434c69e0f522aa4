"""Behaviour switches of MediaWiki, `__NOTOC__` and its like, in the languages of its interface.

A wiki knows those of its language, of the languages that it falls back on, and the English ones. Words between double
underscores that are none of them are text. Source: the names that MediaWiki 1.39 gives its magic words, and those of
extensions that Wikimedia's wikis have.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

_TABLES = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
# By language code: words in any case, parted by `|`; behind `/` those that have to be in this case.
_SWITCHES: dict[str, str] = _TABLES["switches"]
# The languages that a language falls back on, where they have words of their own, parted by commas.
_FALLBACKS: dict[str, str] = _TABLES["fallbacks"]


@functools.lru_cache(maxsize=64)
def switches_of(language: str | None) -> re.Pattern[str]:
    """Matches the switches that a wiki of this language knows; those of all languages where it is None."""
    code = language or ""
    codes = ["en", code, *_FALLBACKS.get(code, "").split(",")] if code else list(_SWITCHES)
    in_any_case: set[str] = set()
    as_they_are: set[str] = set()
    for words in (_SWITCHES.get(code, "") for code in codes):
        any_case, _, exact = words.partition("/")
        in_any_case |= set(filter(None, any_case.split("|")))
        as_they_are |= set(filter(None, exact.split("|")))
    return re.compile(f"__(?:(?i:{_alternation(in_any_case)})|{_alternation(as_they_are)})__")


def _alternation(words: set[str]) -> str:
    return "|".join(map(re.escape, sorted(words)))
