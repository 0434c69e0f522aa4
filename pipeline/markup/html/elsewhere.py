"""Text of a page that is not among what it shows: the article in its linked data, and what scripts would take away."""

from __future__ import annotations

import html
import json
import re
from typing import Any

_NOSCRIPT = re.compile(rb"</?noscript(?=[\s/>])[^>]*+>", re.IGNORECASE)
_IN_NOSCRIPT = re.compile(rb"<noscript(?=[\s/>])[^>]*+>(.*?)</noscript", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(rb"<[^>]*+>|\s+")
_LINKED_DATA = re.compile(r"<script\s[^>]*?application/ld\+json[^>]*+>(.*?)</script", re.IGNORECASE | re.DOTALL)
_AROUND = re.compile(
    r"^\s*(?:<!--|//\s*<!\[CDATA\[|/\*\s*<!\[CDATA\[\s*\*/|<!\[CDATA\[)|(?:-->|//\s*\]\]>|/\*\s*\]\]>\s*\*/|\]\]>)\s*;?\s*$"
)
_MARKUP = re.compile(
    r"<(?:p|br|div|h[1-6]|ul|ol|li|a|em|strong|b|i|span|img|blockquote|table)(?=[\s/>])", re.IGNORECASE
)
# Kinds of https://schema.org whose `text` is what `articleBody` is of an article: a post by itself.
_POSTS = frozenset({"DiscussionForumPosting", "SocialMediaPosting", "BlogPosting", "LiveBlogPosting", "Article"})


def without_noscript(data: bytes, least: int) -> bytes:
    """The page as browsers without scripts read it; as it is where that would show less than so many bytes of text."""
    hidden = sum(len(_TAG.sub(b"", content)) for content in _IN_NOSCRIPT.findall(data))
    return data if hidden < least else _NOSCRIPT.sub(b"", data)


def longest_article(data: bytes) -> str:
    """The longest `articleBody` of a page's linked data, as markup; "" where it has none that can be read."""
    if b"articleBody" not in data and b"Posting" not in data:
        return ""
    best = ""
    for source in _LINKED_DATA.findall(data.decode("utf-8", "replace")):
        best = max([best, *_bodies(_AROUND.sub("", source))], key=len)
    return best if _MARKUP.search(best) else _as_markup(best)


def _as_markup(text: str) -> str:
    """Plain text as markup: a paragraph a line. References are decoded once more: many sites encode them twice."""
    lines = filter(None, map(str.strip, html.unescape(text).splitlines()))
    return "".join(f"<p>{html.escape(line, quote=False)}</p>" for line in lines)


def _bodies(source: str) -> list[str]:
    """Every article's body in linked data, whatever it is nested in; none where the data are broken."""
    try:
        data = json.loads(source, strict=False)
    except (ValueError, RecursionError):
        return []
    found: list[str] = []
    waiting: list[Any] = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            kinds = value.get("@type")
            is_post = not _POSTS.isdisjoint(map(str, kinds if isinstance(kinds, list) else [kinds]))
            for name in ("articleBody", "text") if is_post else ("articleBody",):
                body = value.get(name)
                if isinstance(body, list):
                    body = "\n".join(part for part in body if isinstance(part, str))
                if isinstance(body, str):
                    found.append(body)
            waiting += value.values()
    return found
