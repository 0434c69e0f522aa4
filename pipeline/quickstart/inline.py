"""Inline markup of docstrings as HTML (reStructuredText, Markdown, common mixtures), and HTML that grows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape

# In order of preference: what is literal hides the markup inside it.
_INLINE = re.compile(
    r"``(?P<literal>.+?)``"
    r"|\[`(?P<reference>~?[\w.]+(?:\(\))?)`\]"
    r"|:(?:[\w+-]+:){1,2}`(?P<role>[^`]+)`"
    r"|`(?P<label>[^`<]+?)\s*<(?P<target>[^`<>\s]+)>`_{0,2}"
    r"|\[(?P<text>[^\[\]]+)\]\((?P<address>https?://[^()\s]+)\)"
    r"|`(?P<name>[^`\s](?:[^`]*[^`\s])?)`(?P<link>_{0,2})"
    r"|\*\*(?P<strong>[^*\s](?:[^*]*[^*\s])?)\*\*"
    r"|(?<![\w*])\*(?P<emphasis>[^*\s](?:[^*]*[^*\s])?)\*(?![\w*])"
    r"|(?P<url>https?://[^\s<>\"'`]*[^\s<>\"'`.,;:!?)\]])"
    r"|(?<=\w)(?P<anonymous>__?)(?=[\s.,;:)]|$)"
    r"|\\(?P<escaped>[*`_|\\])"
)
_TAGS = re.compile(r"<[^>]*>")
_TITLED_ROLE = re.compile(r"^(?P<title>.+?)\s*<[^<>]+>$", re.DOTALL)


@dataclass
class Html:
    """HTML as it grows, with how many characters of it are prose (paragraphs, list items, definitions)."""

    pieces: list[str] = field(default_factory=list)
    num_prose_chars: int = 0

    def raw(self, html: str) -> None:
        self.pieces.append(html)

    def prose(self, html: str) -> None:
        """Add HTML whose text is prose."""
        self.num_prose_chars += len(_TAGS.sub("", html))
        self.pieces.append(html)

    def __str__(self) -> str:
        return "\n".join(self.pieces)


def inline_html(text: str) -> str:
    """One run of text with its inline markup as HTML. White space, line ends included, becomes single spaces."""
    text = " ".join(text.split())
    pieces: list[str] = []
    end = 0
    for match in _INLINE.finditer(text):
        pieces.append(escape(text[end : match.start()], quote=False))
        pieces.append(_element(match))
        end = match.end()
    pieces.append(escape(text[end:], quote=False))
    return "".join(pieces)


def _element(match: re.Match[str]) -> str:
    kind = match.lastgroup
    if kind == "link":  # the closing underscores of `name`_ are a group of their own
        kind = "name"
    value = match[kind] if kind else ""
    if kind in ("literal", "name"):
        if match["link"]:  # a reference to a link that is defined elsewhere
            return f"<em>{escape(value, quote=False)}</em>"
        return f"<code>{escape(value, quote=False)}</code>"
    if kind in ("role", "reference"):
        titled = _TITLED_ROLE.match(value)
        name = titled["title"] if titled else value.lstrip("!")
        if name.startswith("~"):
            name = name[1:].rpartition(".")[2]
        return f"<code>{escape(name, quote=False)}</code>"
    if kind == "target":
        return f'<a href="{escape(value)}">{escape(match["label"], quote=False)}</a>'
    if kind == "address":
        return f'<a href="{escape(value)}">{escape(match["text"], quote=False)}</a>'
    if kind == "url":
        return f'<a href="{escape(value)}">{escape(value, quote=False)}</a>'
    if kind == "strong":
        return f"<strong>{escape(value, quote=False)}</strong>"
    if kind == "emphasis":
        return f"<em>{escape(value, quote=False)}</em>"
    if kind == "escaped":
        return escape(value, quote=False)
    return "" if kind == "anonymous" else escape(match[0], quote=False)
