"""Database names of Wikimedia's wikis: which project a wiki belongs to, and in which language it is written."""

from __future__ import annotations

import re

# https://meta.wikimedia.org/wiki/Special:SiteMatrix: a code and the project; Wikipedias are plain `wiki`.
_DATABASE_NAME = re.compile(
    r"(?P<code>[a-z0-9_]+?)(?P<project>wiki|wiktionary|wikibooks|wikinews|wikiquote|wikisource|wikiversity|wikivoyage)"
)
# Wikis of many languages or of none, and those of Wikimedia's own organisation.
_NO_LANGUAGE = frozenset(
    [
        "api",
        "apiportal",
        "arbcom",
        "beta",
        "board",
        "commons",
        "donate",
        "foundation",
        "foundationwiki",
        "incubator",
        "login",
        "media",
        "mediawiki",
        "meta",
        "office",
        "ombudsmen",
        "outreach",
        "quality",
        "sources",
        "species",
        "spcom",
        "steward",
        "strategy",
        "techconduct",
        "test",
        "test2",
        "test_commons",
        "testwikidata",
        "thankyou",
        "usability",
        "vote",
        "wikidata",
        "wikifunctions",
        "wikimania",
        "wikitech",
    ]
)
_COMMITTEE = re.compile(r"(?:arbcom|sysop|wikimania|wg|auditcom|checkuser|ec|il|vrt|grants)(?:_.*|[0-9]+)")
# Codes that are not, or not only, the language's code of ISO 639.
_LANGUAGES = {
    "als": "gsw",
    "bat_smg": "sgs",
    "be_x_old": "be",
    "cbk_zam": "cbk",
    "eml": "egl",
    "fiu_vro": "vro",
    "map_bms": "jv",
    "mo": "ro",
    "nds_nl": "nds",
    "roa_rup": "rup",
    "roa_tara": "nap",
    "simple": "en",
    "tokipona": "tok",
    "zh_classical": "lzh",
    "zh_min_nan": "nan",
    "zh_yue": "yue",
}


def split_database_name(wiki: str) -> tuple[str, str] | None:
    """(code, project) of a wiki such as `enwiktionary`; None for a name that is not made so."""
    found = _DATABASE_NAME.fullmatch(wiki)
    return (found["code"], found["project"]) if found else None


def is_multilingual(code: str) -> bool:
    """Whether a wiki of this code is of no one language (`commons`), or not for readers (`arbcom_en`)."""
    return code in _NO_LANGUAGE or _COMMITTEE.fullmatch(code) is not None


def language_of_wiki(wiki: str) -> str | None:
    """Language code of a wiki by its database name: ISO 639-1 where there is one, else 639-3; None where it has none.

    Chapters (`bewikimedia` is Belgium's) are named after countries and have none.
    """
    named = split_database_name(wiki)
    if named is None or is_multilingual(named[0]):
        return None
    return _LANGUAGES.get(named[0], named[0].replace("_", "-"))
