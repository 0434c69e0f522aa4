"""Names of wikis' file and category namespaces, and prefixes of links to other languages.

A dump's siteinfo gives the names in use, without their aliases, and cut-down dumps have another wiki's or none: so the
names of the language are known here too. Sources: the siteinfo of dumps, and what real pages of 120 wikis link to.
"""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from pathlib import Path

WIKI_NAMES_KEY = "wiki_names"  # metadata key: what the dump says its files and categories are called
FILE_NAMESPACE = 6
CATEGORY_NAMESPACE = 14
_CANONICAL = ("file", "image", "category")
_TABLES = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
# By language code; every name of a file or category, aliases too, parted by `|`.
_LOCAL: dict[str, str] = _TABLES["local"]
# Codes of Wikipedias, which are the prefixes of links between languages.
_CODES = frozenset(_TABLES["wikipedias"].split())
# Templates that say that a page is a disambiguation, by their names on wikis of many languages.
_DISAMBIGUATION = re.compile(
    rf"\{{\{{\s*+(?:(?:{_TABLES['disambiguations']})\s*+[|}}]|(?:dp|dab|gren)\s*+\}}\}})|__DISAMBIG__",
    re.IGNORECASE,
)


def is_disambiguation(wikitext: str) -> bool:
    """True for a page that says that it lists the meanings of a title."""
    return _DISAMBIGUATION.search(wikitext) is not None


@functools.lru_cache(maxsize=64)
def dropped_prefixes(language: str | None, siteinfo_names: tuple[str, ...] = ()) -> frozenset[str]:
    """Prefixes, in lower case, of links that show no label: of files and categories, and of other languages' pages.

    language: code of the wiki's language; siteinfo_names: what the dump says its file and category
    namespaces are called. With neither, the names of all languages are taken.
    """
    names = list(_CANONICAL)
    known = _LOCAL.get((language or "").lower())
    for local in [known] if known else [] if language or siteinfo_names else _LOCAL.values():
        names += local.split("|")
    names += siteinfo_names
    return _CODES | {normal_prefix(unicodedata.normalize("NFC", name)) for name in names}


def media_names(namespaces: dict[str, int]) -> list[str]:
    """The local names of files and categories among a siteinfo's namespaces, sorted."""
    return sorted(name for name, number in namespaces.items() if number in (FILE_NAMESPACE, CATEGORY_NAMESPACE))


def normal_prefix(prefix: str) -> str:
    """A namespace's name as wikis compare them: without case, `_` as a space, none around it."""
    return " ".join(prefix.replace("_", " ").split()).lower()
