"""The text for readers in the state of a page: which of its strings are prose, by what they are and how they are named.

Configuration, translations, addresses, code and what belongs to other pages are left out. Where one record has the
page's title for its own, the page's text is that record's.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Any

from pipeline.markup.html.elsewhere.loose_json import Word, read_json
from pipeline.markup.html.elsewhere.prose import MARKUP, Writer, names, words_of
from pipeline.markup.html.elsewhere.react import is_element

_WORDS_OF_NAME = re.compile(r"i18n|[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
# Names of what is no text of the page, as a word anywhere in a name.
_NEVER = names(
    "meta seo og twitter aria alt placeholder tooltip error errors cookie cookies consent gdpr legal disclaimer"
    " copyright privacy css style styles class classes script scripts url urls href uri path image images img icon"
    " icons svg button buttons cta nav navigation navbar menu menus footer newsletter login signup signin i18n intl"
    " translation translations locale locales dictionary dictionaries config configuration settings theme analytics"
    " tracking experiment experiments flag flags ad ads advert advertisement advertising breadcrumb breadcrumbs share"
    " sharing social query router routes redirects schema keywords token slug hash id ids uuid email phone related"
    " recommended recommendation recommendations suggested suggestion suggestions similar trending popular sidebar"
    " widget promo promotion promotions teaser teasers viewer session auth publisher organization permissions modal"
    " toast notification notifications onboarding captcha sql query queries fragment manifest env i18next label labels"
    " faqschema jsonld typename mutation loading"
)
_NEVER_INSIDE = _NEVER | names("author authors user users owner site header globals global layout shell")
_CONTENT = names(
    "body content contents text texts description desc html markdown md cooked message answer answers question"
    " summary abstract excerpt paragraph paragraphs copy bio biography overview details detail intro introduction lead"
    " lede standfirst dek subtitle subheading story transcript lyrics review comment note notes instruction"
    " instructions ingredient ingredients step steps requirement requirements responsibilities qualifications benefit"
    " benefits feature features plot synopsis selftext quote children value blocks rendered post about highlights"
    " highlight bullets specifications"
)
_TITLES = ("title", "headline", "name", "heading", "header", "subject", "question", "topicTitle", "fancy_title")
_LISTED = names(
    "price prices date created createdAt created_at published publishedAt publishedDate rating ratings image images"
    " thumbnail excerpt description author salary location company score year views replies posts_count brand sku"
    " employer duration isbn"
)
_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0eff]")
_SENTENCE_END = re.compile(r"[.!?…。！？؟।:][\"'”’»)\]]*\s*$|[.!?] [^\W_a-z]|[。！？]")
_CODE = re.compile(
    r"\{\{|=>|\bfunction\s*\(|[;{]\s*\}|\bvar \w+\s?=|^\s*(?:query|mutation|fragment|SELECT|@media|\.\w+\s*\{)\s"
    r"|%\{\w|%(?:\d\$)?[sd]\b|\$\{|</?script|\{\w{1,30}\}"
)
_TAG = re.compile(r"<[^<>]*+>")
_MAX_DEPTH = 120
_MOST_CHARACTERS = 1 << 20  # of one string
_LITTLE = 400  # letters of a record that is by itself the text of a page
_LONG_ITEM = 200  # characters of what is no item of a list but a paragraph
_LABELS = 12  # strings beside each other which are each a sentence: a table of messages


def _is_prose(text: str, least_words: int) -> bool:
    """Whether a string is words in a row and not an address, a number, code or a name."""
    if "<" in text:
        text = html.unescape(_TAG.sub(" ", text))
    text = text[:4000]
    solid = "".join(text.split())
    if not solid:
        return False
    if sum(map(str.isalpha, solid)) < 0.7 * len(solid) or _CODE.search(text):
        return False
    if _CJK.search(text):
        return len(solid) >= 3 * least_words
    words = text.split()
    return len(words) >= least_words and len(solid) <= 14 * len(words)


def _is_item(text: str, least_words: int) -> bool:
    """Whether a string of a list is an item for readers: it may have numbers and measures."""
    words = text.split()
    return (
        len(words) >= least_words
        and len(text) <= 30 * len(words)
        and any(map(str.isalpha, text))
        and not _CODE.search(text)
    )


def _is_sentences(text: str) -> bool:
    return len(text) >= 60 and _SENTENCE_END.search(_TAG.sub(" ", text[:4000])) is not None and _is_prose(text, 10)


def _title_of(record: dict[str, Any]) -> str:
    for name in _TITLES:
        title = record.get(name)
        if isinstance(title, dict):
            title = title.get("rendered") or title.get("text")
        if (
            isinstance(title, str)
            and not isinstance(title, Word)
            and 2 < len(title) < 400
            and not title.startswith("http")
        ):
            return title
    return ""


def record_text(trees: Iterable[Any], title: str) -> str:
    """The text for readers in the longest record of some trees that has a page's title for its own, as markup."""
    return max(
        (_written([record]) for record in _records(list(map(_opened, trees)), words_of(title))), key=len, default=""
    )


def state_text(trees: list[Any], title: str) -> str:
    """The text for readers in states of a page with this title, as markup."""
    best = record_text(trees, title)
    if len(best) >= _LITTLE:
        return best
    everything = _written(trees)
    return best if len(best) * 3 > len(everything) else everything


def _written(trees: list[Any]) -> str:
    walk = _Walk()
    for tree in trees:
        walk.value(tree, [], 0)
    return walk.writer.markup()


def _opened(tree: Any) -> Any:
    """A tree in which strings of JSON are what they stand for."""
    waiting, seen = [tree], {id(tree)}
    while waiting:
        value = waiting.pop()
        for key, part in list(value.items() if isinstance(value, dict) else enumerate(value)):
            if isinstance(part, str) and len(part) > 40 and part[0] in "{[" and part.rstrip()[-1:] in ("}", "]"):
                read = read_json(part)
                if isinstance(read, (dict, list)):
                    value[key] = part = read
            if isinstance(part, (dict, list)) and id(part) not in seen:
                seen.add(id(part))
                waiting.append(part)
    return tree


def _records(trees: list[Any], page_words: str) -> list[dict[str, Any]]:
    """The records whose title is that of the page or a part of it: the outermost, up to eight."""
    found: list[dict[str, Any]] = []
    waiting, seen = trees[::-1], set(map(id, trees))
    while waiting and len(found) < 8:
        value = waiting.pop()
        if isinstance(value, dict):
            words = words_of(_title_of(value))
            if (
                (len(words) >= 8 or words == page_words)
                and words
                and words in page_words
                and len(words) * 3 >= len(page_words)
            ):
                found.append(value)
                continue
        for part in reversed(list(value.values() if isinstance(value, dict) else value)):
            if isinstance(part, (dict, list)) and id(part) not in seen:
                seen.add(id(part))
                waiting.append(part)
    return found


class _Walk:
    """Goes through a state in order and writes what is prose."""

    def __init__(self) -> None:
        self.writer = Writer()
        self._seen: set[int] = set()

    def value(self, value: Any, name: list[str], depth: int) -> None:
        """name: the words of the name that a part has, all lower case."""
        if isinstance(value, str):
            self._string(value, name, False)
        elif isinstance(value, (dict, list)) and depth < _MAX_DEPTH and id(value) not in self._seen:
            self._seen.add(id(value))
            if isinstance(value, dict):
                self._record(value, depth)
            elif is_element(value):
                self.value(value[3], [], depth + 1)
            else:
                self._list(value, name, depth)

    def _string(self, text: str, name: list[str], is_label: bool) -> None:
        if isinstance(text, Word) or not 2 < len(text) < _MOST_CHARACTERS:
            return
        if name and name[-1] in _CONTENT:
            if _is_prose(text, 3 if not is_label else 8) or ("<p" in text and _is_prose(text, 1)):
                self.writer.text(text)
        elif not is_label and _is_sentences(text):
            self.writer.text(text)

    def _record(self, record: dict[str, Any], depth: int) -> None:
        title = _title_of(record)
        outer = self.writer.begin(title)
        if title and len(record) >= 4 and not _LISTED.isdisjoint(record):
            self.writer.heading()
        labels = sum(isinstance(part, str) and _is_prose(part, 3) for part in record.values())
        for key, part in record.items():
            name = [word.lower() for word in _WORDS_OF_NAME.findall(key[-80:])]
            never = _NEVER if isinstance(part, str) else _NEVER_INSIDE
            if not never.isdisjoint(name) or (key in _TITLES and isinstance(part, str)):
                continue
            if isinstance(part, str):
                self._string(part, name, labels > _LABELS)
            else:
                self.value(part, name, depth + 1)
        self.writer.end(outer)

    def _list(self, parts: list[Any], name: list[str], depth: int) -> None:
        is_content = bool(name) and name[-1] in _CONTENT
        line: list[str] = []
        for part in parts:
            leaf = _leaf(part) if is_content else None
            if leaf is not None:
                line.append(leaf)
                continue
            self._line(line)
            if not isinstance(part, str):
                self.value(part, name, depth + 1)
            elif is_content and not isinstance(part, Word) and _is_item(part, 1 if "ingredient" in name[-1] else 2):
                self.writer.item(part) if len(part) < _LONG_ITEM and not MARKUP.search(part) else self.writer.text(part)
        self._line(line)

    def _line(self, line: list[str]) -> None:
        """The leaves of a paragraph of rich text, as one."""
        text = "".join(line)
        line.clear()
        if any(map(str.isalpha, text)):
            self.writer.text(html.escape(text, quote=False) if "<" in text else text)


def _leaf(part: Any) -> str | None:
    """The text of a leaf of rich text (Slate, Lexical, ProseMirror, Portable Text, Quill, Contentful); else None."""
    if not isinstance(part, dict):
        return None
    kind = part.get("type") or part.get("nodeType") or part.get("_type") or ("text" if "insert" in part else None)
    if kind not in ("text", "span", "string"):
        return None
    texts = (part.get(name) for name in ("text", "value", "insert", "literal"))
    return next((text for text in texts if isinstance(text, str) and not isinstance(text, Word)), None)
