"""Gold for wikitext: MediaWiki's own parser tests (wikitext and its HTML), and a page with its plain text."""

from __future__ import annotations

import re
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import lxml.html

_SECTION = re.compile(r"^!! *([a-z][^\n]*?) *$", re.MULTILINE)
# Which HTML of a test is the page that readers see, best first.
_GOLD_SECTIONS = ("html/php+tidy", "html+tidy", "html/php", "html", "html/*", "html/parsoid")
# Tests of something else than a page: saving, edit comments, other languages' variants, the parser's own reports.
_OTHER_OPTIONS = re.compile(
    r"\b(?:pst|msg|comment|disabled|preload|variant|ill|cat|showtitle|showindicators|extlinks)\b"
)
# What is removed by design, or needs the wiki's other pages.
_NOT_PLAIN = re.compile(
    r"\{\{|\[\[\s*:?\s*(?:file|image|media|category|special|user|talk|template)\s*:|<ref|<references|<gallery|<imagemap"
    r"|<indicator|<section|<tag\b|<aside|<sealed|<div[^>]*\bid=.toc|__TOC__|-\{|<poem|~~~|<includeonly|<embed",
    re.IGNORECASE,
)
_UNSEEN = "//style|//script|//comment()|//*[contains(@class,'mw-editsection') or @id='toc' or contains(@class,'toc')]"
_BLOCKS = frozenset(
    [
        "p",
        "div",
        "li",
        "dt",
        "dd",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "tr",
        "td",
        "th",
        "table",
        "caption",
        "br",
        "pre",
        "blockquote",
        "hr",
        "ul",
        "ol",
        "dl",
    ]
)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Case:
    """A text with its gold; `is_plain`: neither templates nor anything that groundup removes by design."""

    name: str
    wikitext: str
    gold: str
    is_plain: bool


def parser_tests(archive: Path) -> Iterator[Case]:
    """The cases of `parserTests.tar.xz` that show a page, in order."""
    with tarfile.open(archive) as files:
        for member in sorted((m for m in files if m.name.endswith(".txt")), key=lambda m: m.name):
            file = files.extractfile(member)
            if file is not None:
                yield from _cases(member.name, file.read().decode("utf-8"))


def _cases(file: str, text: str) -> Iterator[Case]:
    sections: dict[str, str] = {}
    pieces = _SECTION.split(text)
    for kind, content in zip(pieces[1::2], pieces[2::2], strict=True):
        if kind == "test":
            sections = {}
        if kind != "end":
            sections[kind] = content.strip("\n")
            continue
        html = next((sections[name] for name in _GOLD_SECTIONS if sections.get(name, "").strip()), None)
        wikitext = sections.get("wikitext")
        if not html or not wikitext or "test" not in sections or _OTHER_OPTIONS.search(sections.get("options", "")):
            continue
        gold = html_text(html)
        if _WORD.search(gold):
            yield Case(f"{file}: {sections['test']}", wikitext, gold, _NOT_PLAIN.search(wikitext) is None)


def html_text(html: str) -> str:
    """All text of HTML that a reader sees, blocks on lines of their own."""
    root = lxml.html.fromstring(f"<div>{html}</div>")
    for node in root.xpath(_UNSEEN):
        node.drop_tree()
    for node in root.iter():
        if isinstance(node.tag, str) and node.tag in _BLOCKS:
            node.text = "\n" + (node.text or "")
            node.tail = "\n" + (node.tail or "")
    return str(root.text_content())


def word_f1(text: str, gold: str, size: int = 1) -> float:
    """F1 of the words' n-grams as multisets; texts shorter than `size` words are one n-gram."""
    found, wanted = _grams(text, size), _grams(gold, size)
    common = (found & wanted).total()
    return 2 * common / (found.total() + wanted.total()) if common else float(not found and not wanted)


def _grams(text: str, size: int) -> Counter[tuple[str, ...]]:
    words = _WORD.findall(text.replace("_", " "))
    return Counter(tuple(words[at : at + size]) for at in range(max(1, len(words) - size + 1)) if words)


def mean_f1(convert: Callable[[str], str], cases: list[Case], size: int) -> float:
    """Mean over the cases."""
    return sum(word_f1(convert(case.wikitext), case.gold, size) for case in cases) / max(1, len(cases))
