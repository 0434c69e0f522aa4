"""Tags of languages that say a script or a region, too, where a table is keyed by language."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import TypeVar

ValueT = TypeVar("ValueT")

_PARTS = re.compile(r"[-_]")
_SCRIPT = re.compile(r"[A-Za-z]{4}")
_TAGALOG = "tl"


@functools.lru_cache(maxsize=1024)
def lookup_order(tag: str) -> tuple[str, ...]:
    """The keys that speak for a tag, the most exact first: `zh-Hant` and `zh`; `eng_Latn`, `eng` and `en`.

    The last is the language alone, in ISO 639-1 where there is a code. A tag of one part is its only key, whatever it
    means elsewhere: models have labels of their own (`als` of lid.176 is Alemannic, in ISO 639-3 it is Albanian).
    """
    parts = _PARTS.split(tag)
    if len(parts) == 1:
        return (tag,)
    both = [mark.join(parts[:number]) for number in range(len(parts), 0, -1) for mark in "-_"]
    return tuple(dict.fromkeys([tag, *both, _language(parts[0])]))


def language_of(tag: str) -> str:
    """The language alone: the last of `lookup_order`."""
    return lookup_order(tag)[-1]


def script_of(tag: str) -> str | None:
    """The script that a tag says, in ISO 15924: `Latn` of `sr-Latn`."""
    found = next((part for part in _PARTS.split(tag)[1:] if _SCRIPT.fullmatch(part)), None)
    return found.title() if found else None


def find(table: Mapping[str, ValueT], tag: str) -> ValueT | None:
    """What a table by language says for a tag; None where it says nothing."""
    return next((table[key] for key in lookup_order(tag) if key in table), None)


def _language(part: str) -> str:
    import langcodes  # a fifth of a second, which plain codes need not wait for

    try:
        code = langcodes.Language.get(part.lower()).prefer_macrolanguage().language
    except langcodes.LanguageTagError:
        return part
    return _TAGALOG if code == "fil" else code or part  # which CLDR counts as one with Filipino
