"""Which strings of a page's data are text for readers, and how they become markup, once each."""

from __future__ import annotations

import html
import re

MARKUP = re.compile(
    r"<(?:p|br|div|h[1-6]|ul|ol|li|a|em|strong|b|i|span|img|blockquote|table|pre|code)(?=[\s/>])", re.IGNORECASE
)
_TAG = re.compile(r"<[^<>]*+>")
_NO_WORDS = re.compile(r"[\W_]+")
_LETTERS_OF_KEY = 60  # two texts that begin with so many letters alike are one, in a longer and a shorter form


def names(words: str) -> frozenset[str]:
    """The set of some words."""
    return frozenset(words.split())


def as_markup(text: str) -> str:
    """Plain text as markup: a paragraph a line. References are decoded once more: many sites encode them twice."""
    lines = filter(None, map(str.strip, html.unescape(text).splitlines()))
    return "".join(f"<p>{html.escape(line, quote=False)}</p>" for line in lines)


def decoded(text: str) -> str:
    """Markup that is written in references as markup; other text as it is."""
    return html.unescape(text) if "&lt;" in text and "<" not in text else text


def words_of(text: str) -> str:
    """The letters and digits of a text or markup, for telling whether two are the same."""
    return _NO_WORDS.sub("", html.unescape(_TAG.sub(" ", decoded(text)))).casefold()


class Writer:
    """Collects texts as markup. A text comes once: of two that begin alike the longer stays, at the first's place."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._place: dict[str, tuple[int, int]] = {}
        self._heading = ""
        self.num_texts = 0
        """Of texts and items that were given, without headings."""

    def begin(self, heading: str) -> str:
        """A record begins. Its heading is written when a text of it is. Gives what `end` takes."""
        outer = self._heading
        if heading:
            self._heading = heading
        return outer

    def end(self, outer: str) -> None:
        """A record ends. Where it had no text, the heading of the one around it waits again."""
        if self._heading:
            self._heading = outer

    def heading(self) -> None:
        """Write the heading that waits."""
        text, self._heading = self._heading, ""
        if text:
            self._add(text, f"<h2>{html.escape(' '.join(html.unescape(_TAG.sub(' ', text)).split()))}</h2>")

    def text(self, text: str) -> None:
        """Add a text of one or more paragraphs, plain or markup."""
        text = decoded(text)
        if text.strip():
            self.heading()
            self.num_texts += 1
            self._add(text, f"<div>{text}</div>" if MARKUP.search(text) else as_markup(text))

    def item(self, text: str) -> None:
        """Add an item of a list."""
        text = " ".join(html.unescape(_TAG.sub(" ", decoded(text))).split())
        if text:
            self.heading()
            self.num_texts += 1
            self._add(text, f"<li>{html.escape(text, quote=False)}</li>")

    def _add(self, text: str, markup: str) -> None:
        words = words_of(text)
        if not words:
            return
        key = words[:_LETTERS_OF_KEY]
        place, length = self._place.get(key, (-1, 0))
        if place < 0:
            self._place[key] = len(self._parts), len(words)
            self._parts.append(markup)
        elif len(words) > length:
            self._place[key] = place, len(words)
            self._parts[place] = markup

    def markup(self) -> str:
        return "".join(self._parts)
