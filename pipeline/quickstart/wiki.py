"""The language reference that Python carries for its `help()` as a MediaWiki dump.

The layout is that of dumps.wikimedia.org: `<wiki>/<date>/dumpstatus.json` names the files of each job with their
sizes and sums, and the articles stand in one bzip2 XML file of export schema 0.11.
"""

from __future__ import annotations

import bz2
import hashlib
import json
import pydoc
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pydoc_data.topics import topics

import numpy as np

WIKI = "pydocwiki"
DATE = "20260101"
_TIMESTAMP = "2026-01-01T00:00:00Z"
_FIRST_PAGE_ID = 1
_FIRST_REVISION_ID = 1000
_NAMESPACES = (
    *((-2, "Media"), (-1, "Special"), (0, ""), (1, "Talk")),
    *((4, "Pydocwiki"), (10, "Template"), (14, "Category")),
)
_HEADING_LEVELS = {"*": 1, "=": 2, "-": 3, "~": 4, "^": 4}
_RULE = re.compile(r"^([*=\-~^])\1{2,}$")
_BULLET = re.compile(r"^(\s*)([*-]|\d+\.|\[\d+\]) +(?=\S)")
_MARKUP = re.compile(r"\[\[|\]\]|\{\{|\}\}|\{\||\|\}|'{2,}|~{3,}|__[A-Z]+__")
_EMPHASIS = re.compile(r"(?<![\w*])\*(?!\*)([^*\s](?:[^*]*[^*\s])?)\*(?![\w*])")
_STRONG = re.compile(r"\*\*([^*\s](?:[^*]*[^*\s])?)\*\*")


@dataclass(frozen=True)
class WikiPage:
    """A page: its title and its wikitext, or the title that it redirects to."""

    title: str
    text: str
    redirect: str | None = None


def wiki_pages() -> list[WikiPage]:
    """Every help topic as an article, and the other names under which `help()` finds them as redirects, by title."""
    articles: dict[str, WikiPage] = {}
    titles: dict[str, str] = {}
    for label in sorted(topics):
        title, text = _article(label, topics[label])
        if title in articles:  # two topics with one heading
            title = f"{title} ({label})"
        articles[title] = WikiPage(title, text)
        titles[label] = title
    names = {**pydoc.Helper.topics, **pydoc.Helper.symbols, **pydoc.Helper.keywords}
    redirects = {}
    for name in sorted(names):
        target = _target(name, names)
        title = name[:1].upper() + name[1:].lower()
        if target in titles and re.fullmatch(r"\w+", name) and title not in articles:
            redirects[title] = WikiPage(title, f"#REDIRECT [[{titles[target]}]]", titles[target])
    return sorted([*articles.values(), *redirects.values()], key=lambda page: page.title)


def _target(name: str, names: Mapping[str, object]) -> str:
    """The topic that `help(name)` shows: an entry is a label, a (label, related names) pair or another name."""
    for _ in range(len(names)):
        entry = names.get(name)
        if isinstance(entry, tuple):
            return str(entry[0])
        if not isinstance(entry, str) or not entry:
            return name
        name = entry
    return name


def _article(label: str, text: str) -> tuple[str, str]:
    """(title, wikitext) of a topic. The first heading is the title, as on a wiki."""
    title = ""
    lines = text.splitlines()
    pieces: list[str] = []
    at = 0
    literal = False
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
            continue
        if at + 1 < len(lines) and _RULE.match(lines[at + 1]) and not line[0].isspace():
            level = _HEADING_LEVELS[lines[at + 1][0]]
            heading = line.strip().replace('"', "")
            if not title:
                title = heading
            else:
                marks = "=" * max(level, 2)
                pieces.append(f"{marks} {_wikitext(heading)} {marks}")
            at += 2
            continue
        end = at + 1
        while end < len(lines) and lines[end].strip() and not (_BULLET.match(lines[end]) and _BULLET.match(line)):
            end += 1
        block = lines[at:end]
        at = end
        if line.startswith("-[") and line.rstrip().endswith("]-"):
            pieces.append(f"== {line.strip(' -[]')} ==")
        elif _BULLET.match(line):
            mark = "#" if line.lstrip()[0].isdigit() else "*"
            item = " ".join(part.strip() for part in [_BULLET.sub("", line), *block[1:]])
            pieces.append(f"{mark} {_wikitext(item)}")
            literal = item.endswith(":")
        elif line.startswith("   ") and (literal or not _reads_as_prose(block)):
            code = "\n".join(part[3:].rstrip() for part in block)
            if pieces and pieces[-1].endswith("</syntaxhighlight>"):  # the same example after a blank line
                pieces[-1] = pieces[-1].removesuffix("\n</syntaxhighlight>") + f"\n\n{code}\n</syntaxhighlight>"
            else:
                pieces.append(f'<syntaxhighlight lang="python">\n{code}\n</syntaxhighlight>')
        else:
            paragraph = " ".join(part.strip() for part in block)
            pieces.append(_wikitext(paragraph))
            literal = paragraph.endswith(":")
    title = title or label.replace("-", " ").capitalize()
    body = _join(pieces)
    return title, f"{body}\n\n[[Category:Python language reference]]"


def _reads_as_prose(block: list[str]) -> bool:
    text = " ".join(part.strip() for part in block)
    return len(block) > 1 and text[:1].isupper() and text.endswith((".", ":", ")")) and "::=" not in text


def _join(pieces: list[str]) -> str:
    """Items of one list stand on lines of their own, other pieces apart by a blank line."""
    text = ""
    for before, piece in zip(["", *pieces], pieces, strict=False):
        same_list = before[:2] == piece[:2] and piece[:2] in ("* ", "# ")
        text += (("\n" if same_list else "\n\n") if text else "") + piece
    return text


def _wikitext(text: str) -> str:
    """A run of help text as wikitext: emphasis translated, what a wiki would take for markup hidden."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _MARKUP.sub(lambda match: f"<nowiki>{match[0]}</nowiki>", text)
    text = _STRONG.sub(r"'''\1'''", text)
    text = _EMPHASIS.sub(r"''\1''", text)
    return f"<nowiki/>{text}" if text[:1] in "*#:;=" else text


def dump_xml(pages: list[WikiPage]) -> bytes:
    """The articles file of the dump, not compressed. Page and revision numbers follow the order of the pages."""
    namespaces = "\n".join(
        f'      <namespace key="{key}" case="first-letter"{f">{name}</namespace>" if name else " />"}'
        for key, name in _NAMESPACES
    )
    head = f"""<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://www.mediawiki.org/xml/export-0.11/ http://www.mediawiki.org/xml/export-0.11.xsd" \
version="0.11" xml:lang="en">
  <siteinfo>
    <sitename>Pydocwiki</sitename>
    <dbname>{WIKI}</dbname>
    <base>https://{WIKI}.example/wiki/Main_Page</base>
    <generator>groundup quickstart</generator>
    <case>first-letter</case>
    <namespaces>
{namespaces}
    </namespaces>
  </siteinfo>
"""
    body = "".join(_page_xml(page, number) for number, page in enumerate(pages))
    return f"{head}{body}</mediawiki>\n".encode()


def _page_xml(page: WikiPage, number: int) -> str:
    data = page.text.encode()
    sha1 = _base36(hashlib.sha1(data).digest())
    redirect = f'    <redirect title="{escape(page.redirect)}" />\n' if page.redirect else ""
    revision = _FIRST_REVISION_ID + number
    return f"""  <page>
    <title>{escape(page.title, quote=False)}</title>
    <ns>0</ns>
    <id>{_FIRST_PAGE_ID + number}</id>
{redirect}    <revision>
      <id>{revision}</id>
      <timestamp>{_TIMESTAMP}</timestamp>
      <contributor>
        <username>pydoc</username>
        <id>1</id>
      </contributor>
      <origin>{revision}</origin>
      <model>wikitext</model>
      <format>text/x-wiki</format>
      <text bytes="{len(data)}" sha1="{sha1}" xml:space="preserve">{escape(page.text, quote=False)}</text>
      <sha1>{sha1}</sha1>
    </revision>
  </page>
"""


def _base36(digest: bytes) -> str:
    """A sha1 as MediaWiki writes it: 31 digits of base 36."""
    return np.base_repr(int.from_bytes(digest, "big"), 36).lower().rjust(31, "0")


def dump_files(pages: list[WikiPage]) -> dict[str, bytes]:
    """The files of the dump, by their path in the mirror."""
    folder = f"{WIKI}/{DATE}"
    name = f"{WIKI}-{DATE}-pages-articles.xml.bz2"
    data = bz2.compress(dump_xml(pages))
    entry = {
        "size": len(data),
        "url": f"/{folder}/{name}",
        "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        "sha1": hashlib.sha1(data, usedforsecurity=False).hexdigest(),
    }
    job = {"status": "done", "updated": "2026-01-01 00:00:00", "files": {name: entry}}
    status = {"version": "0.8", "jobs": {"articlesdump": job}}
    return {
        f"{folder}/{name}": data,
        f"{folder}/dumpstatus.json": json.dumps(status, indent=1, sort_keys=True).encode() + b"\n",
    }
