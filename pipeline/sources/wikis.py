# ruff: noqa: SIM905
"""Database names of Wikimedia's wikis: which project a wiki belongs to, and in which language it is written."""

from __future__ import annotations

import re

# https://meta.wikimedia.org/wiki/Special:SiteMatrix: a code and the project; Wikipedias are plain `wiki`.
_PROJECTS = ("wiktionary", "wikibooks", "wikinews", "wikiquote", "wikisource", "wikiversity", "wikivoyage")
_DATABASE_NAME = re.compile(rf"(?P<code>[a-z0-9_]+?)(?P<project>wiki|{'|'.join(_PROJECTS)})")
_DOMAINS = frozenset(("wikipedia", "wikimedia", "wikidata", "mediawiki", "wikifunctions", *_PROJECTS))
# Wikis of many languages or of none, and those of Wikimedia's own organisation.
_NO_LANGUAGE = frozenset(
    """
    api apiportal arbcom beta board commons donate foundation foundationwiki incubator login media mediawiki meta office
    ombudsmen outreach quality sources species spcom steward strategy techconduct test test2 test_commons testwikidata
    thankyou usability vote wikidata wikifunctions wikimania wikitech
    """.split()
)
_COMMITTEE = re.compile(r"(?:arbcom|sysop|wikimania|wg|auditcom|checkuser|ec|il|vrt|grants)(?:_.*|[0-9]+)")
_NONE = frozenset(["und", "mul", "zxx", "qqx", "qqq"])  # codes of no language
# Codes that are not, or not only, the language's code of ISO 639.
_LANGUAGES = {
    "als": "gsw", "bat_smg": "sgs", "be_x_old": "be", "cbk_zam": "cbk", "eml": "egl", "fiu_vro": "vro", "map_bms": "jv",
    "mo": "ro", "nds_nl": "nds", "roa_rup": "rup", "roa_tara": "nap", "simple": "en", "tokipona": "tok",
    "zh_classical": "lzh", "zh_min_nan": "nan", "zh_yue": "yue",
}  # fmt: skip


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


def language_of_code(code: str | None) -> str | None:
    """The same of a language's code as MediaWiki writes it, its scripts and countries aside: `de` of `de-formal`."""
    code = (code or "").strip().lower().replace("-", "_")
    if code in _LANGUAGES:
        return _LANGUAGES[code]
    code = code.partition("_")[0]
    return code if 2 <= len(code) <= 3 and code.isascii() and code.isalpha() and code not in _NONE else None


def is_wikimedia_host(host: str) -> bool:
    """Whether a host is that of a wiki of Wikimedia's."""
    name, _, end = host.rpartition(".")
    return end == "org" and name.rpartition(".")[2] in _DOMAINS


def wiki_of_host(host: str) -> str | None:
    """Database name of the wiki at a host of Wikimedia's; None for others."""
    if not is_wikimedia_host(host):
        return None
    *names, domain, _ = host.removeprefix("www.").split(".")
    code = names[0].replace("-", "_") if names else ""
    if domain == "wikipedia":
        return f"{code}wiki" if code else None
    if domain == "wikimedia":
        return f"{code}wiki" if is_multilingual(code) else f"{code}wikimedia" if code else None
    if domain in _PROJECTS:
        return code + domain if code else None
    return f"{domain}wiki"


def host_of_wiki(wiki: str) -> str | None:
    """The host of a wiki of one language, by its database name."""
    named = split_database_name(wiki)
    if named is None or is_multilingual(named[0]):
        return None
    return f"{named[0].replace('_', '-')}.{'wikipedia' if named[1] == 'wiki' else named[1]}.org"
