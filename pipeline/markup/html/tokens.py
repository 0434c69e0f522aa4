"""Tags of HTML as text, for what is rewritten before the scanner reads it: tokens, attributes, where elements end."""

from __future__ import annotations

import html
import re

from pipeline.markup.html.tables import VOID_TAGS

_ATTRIBUTES = r"""((?:[^>"'=]++|=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>"'][^\s>]*+)?+|["'])*+)"""
# A comment; an element of raw text; a tag. Groups: name, attributes and content of raw text; slash, name, attributes.
TOKEN = re.compile(
    rf"<!--.*?(?:-->|\Z)"
    rf"|<(script|style|textarea|title|noscript|iframe|noembed|noframes|xmp)(?=[\s/>]){_ATTRIBUTES}>(.*?)(?:</\1(?=[\s/>])[^>]*+>|\Z)"
    rf"|<(/?)([a-z][^\s/>]*+){_ATTRIBUTES}>",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(r"""([^\s"'>/=]++)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s>]++))""")
_START_TAG = re.compile(rf"<[a-z][^\s/>]*+{_ATTRIBUTES}>".encode(), re.IGNORECASE)
_TAGS = re.compile(r"<!--.*?-->|</?[a-z][^>]*+>", re.IGNORECASE | re.DOTALL)


def attributes_of(text: str) -> dict[str, str]:
    """The attributes of a tag that have a value, by their names in lower case, references decoded."""
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(text):
        found.setdefault(name.lower(), html.unescape(double or single or bare))
    return found


def attributes_at(page: bytes, position: int) -> dict[str, str]:
    """The attributes of the start tag that stands at a position of a page, as `attributes_of` gives them."""
    tag = _START_TAG.match(page, position)
    return attributes_of(tag[1].decode("utf-8", "replace")) if tag is not None else {}


def is_void(name: str, attributes: str) -> bool:
    """Whether a start tag has no end: a void element, or one that closes itself."""
    return name in VOID_TAGS or attributes.endswith("/")


def without_tags(markup: str) -> str:
    """The text of markup, references decoded, white space folded."""
    return " ".join(html.unescape(_TAGS.sub("", markup)).split())


class Ends:
    """Where elements of a text end. A name that nothing closes once is not looked for again: time stays linear."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._unclosed: set[str] = set()

    def of(self, name: str, start: int) -> tuple[int, int] | None:
        """Where the content that begins at `start` ends, and what comes after its end tag; None where none ends it."""
        if name in self._unclosed:
            return None
        depth = 1
        for token in TOKEN.finditer(self.text, start):
            if token[5] is None or token[5].lower() != name:
                continue
            if token[4]:
                depth -= 1
                if depth == 0:
                    return token.start(), token.end()
            elif not is_void(name, token[6]):
                depth += 1
        self._unclosed.add(name)
        return None
