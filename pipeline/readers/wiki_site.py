"""Facts of a wiki from its dump: what its pages are called by, in which language it is, where its pages are.

What the dump's siteinfo states holds. The name of a file only helps where a dump states nothing, or is Wikimedia's.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from pipeline.sources.wikis import (
    host_of_wiki,
    is_wikimedia_host,
    language_of_code,
    language_of_wiki,
    split_database_name,
    wiki_of_host,
)

_FACT = re.compile(r"<(sitename|dbname|base|generator|lang)>([^<]+)</\1>")
_XML_LANG = re.compile(r"<mediawiki\s[^>]*?\bxml:lang\s*=\s*[\"']([^\"']+)[\"']")
_NAMESPACE = re.compile(r"<namespace\s[^>]*?\bkey=[\"'](-?\d+)[\"'][^>]*>([^<]+)</namespace>")
_TITLE_IN_QUERY = re.compile(r"(?:\A|(?<=&))title=([^&]*)")
_WIKI_IN_NAME = re.compile(
    r"^((?:[a-z]{2,3}|simple|commons|wikidata|species|meta|incubator|[a-z]{2,4}(?:_[a-z]{1,10}){1,2})"
    r"(?:wiki(?:source|quote|books|news|voyage|versity)?|wiktionary))(?![a-z])"
)
# Canonical names, for dumps so old that pages carry no <ns> and so bare that they carry no siteinfo.
_CANONICAL_NAMESPACES = {
    "Media": -2, "Special": -1, "Talk": 1, "User": 2, "User talk": 3, "Project": 4, "Project talk": 5, "Wikipedia": 4,
    "Wikipedia talk": 5, "File": 6, "File talk": 7, "Image": 6, "Image talk": 7, "MediaWiki": 8, "MediaWiki talk": 9,
    "Template": 10, "Template talk": 11, "Help": 12, "Help talk": 13, "Category": 14, "Category talk": 15,
    "Portal": 100, "Portal talk": 101, "Draft": 118, "Draft talk": 119, "TimedText": 710, "Module": 828,
    "Module talk": 829,
}  # fmt: skip


@dataclass(frozen=True)
class Site:
    """Facts of a wiki. pages: a page's URL, with `{}` for its title, or None where it cannot be known."""

    wiki: str
    pages: str | None
    language: str | None
    namespaces: dict[str, int] = field(default_factory=dict)

    def url(self, title: str) -> str | None:
        if self.pages is None or not title:
            return None
        before, _, after = self.pages.partition("{}")
        return before + quote(title.replace(" ", "_"), safe="/:@!$'()*,;~") + after

    def namespace_of(self, title: str) -> int:
        prefix, separator, _ = title.partition(":")
        if not separator:
            return 0
        return self.namespaces.get(prefix, _CANONICAL_NAMESPACES.get(prefix, 0))


def read_site(head: str, key: str, language: str | None = None) -> Site:
    """Facts of a wiki from the part of its dump before the first page, and from the name of the file.

    Cut-down dumps of Wikimedia's wikis carry no siteinfo, or that of another one of them: there a file named after a
    wiki (`dewiki-...`) is that wiki's, at an address that is not known. language: the recipe's, which holds.
    """
    facts = {name: html.unescape(value).strip() for name, value in _FACT.findall(head)}
    stated_language = facts.get("lang") or _first(_XML_LANG, head)
    base, database = facts.get("base"), facts.get("dbname")
    host = _host(base)
    name = PurePosixPath(key).name
    in_name = _WIKI_IN_NAME.match(name.lower())
    named = in_name.group(1) if in_name else None
    # Wikimedia alone runs branches of the software that are called so.
    is_wikimedia = is_wikimedia_host(host) if base else "-wmf." in facts.get("generator", "")
    pages = page_address(base)
    is_only_named = False
    if not facts and named and language_of_code(stated_language) in (None, language_of_wiki(named)):
        is_wikimedia, database, is_only_named = True, named, True
    elif is_wikimedia and named and named != (database or wiki_of_host(host)):
        database, pages, is_only_named = named, None, True
    wiki = database or (wiki_of_host(host) if is_wikimedia else host) or name.partition(".")[0]
    if is_wikimedia and split_database_name(wiki):
        found = language_of_wiki(wiki)
        if base is None and not is_only_named and (wiki_host := host_of_wiki(wiki)):
            pages = f"https://{wiki_host}/wiki/{{}}"
    else:
        found = language_of_code(stated_language)
    namespaces = {html.unescape(local): int(number) for number, local in _NAMESPACE.findall(head)}
    return Site(wiki, pages, language or found, namespaces)


def page_address(base: str | None) -> str | None:
    """The address of a wiki's pages, with `{}` for a title, from its main page's; None where that does not say it.

    The main page's title is a query's `title`, or what follows `/index.php/` or `/wiki/`, or begins with the first
    part of the path that has a namespace, as in `/Project:Main/Start`; else it is the last part of the path.
    """
    host = _host(base)
    if not base or not host:
        return None
    url = urlsplit(base)
    site = f"{url.scheme or 'https'}://{url.netloc.rpartition('@')[2]}"
    title = _TITLE_IN_QUERY.search(url.query)
    if title is not None:
        if not title[1]:
            return None
        query = f"{url.query[: title.start(1)]}{{}}{url.query[title.end(1) :]}"
        return None if "{" in url.path else f"{site}{url.path}?{query}"
    if url.query or "{" in url.path:
        return None
    folders, _, last = url.path.rpartition("/")
    if not last:
        return None
    parts = [*folders.split("/"), last]
    for marker in ("index.php", "wiki"):
        if marker in parts[:-1]:
            return f"{site}{'/'.join(parts[: parts.index(marker) + 1])}/{{}}"
    if last in ("index.php", "wiki"):
        return None
    first = next((place for place, part in enumerate(parts) if ":" in unquote(part)), len(parts) - 1)
    return f"{site}{'/'.join(parts[:first])}/{{}}"


def _host(base: str | None) -> str:
    """The host of a URL in lower case; nothing for what is no URL of the web."""
    try:
        url = urlsplit(base or "")
        return (url.hostname or "") if url.scheme in ("http", "https", "") else ""
    except ValueError:
        return ""


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found.group(1).strip() if found else None
