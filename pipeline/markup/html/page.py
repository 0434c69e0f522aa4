"""The public functions: a page's HTML to the text of its main content, and to its title."""

from __future__ import annotations

import html as html_module
import re
from dataclasses import dataclass

import numpy as np

from pipeline.markup.html import model
from pipeline.markup.html.decide import kept_blocks
from pipeline.markup.html.layout import B_END, B_NODE, B_START, N_TAG, Scanned
from pipeline.markup.html.render import render
from pipeline.markup.html.scan import scan_page
from pipeline.markup.html.tables import TAG

_H1, _H2 = TAG["h1"], TAG["h2"]
_MAX_HEADINGS = 64  # of a page that are looked at for its title
_SEPARATOR = re.compile(r"\s+(?:[|–—·•»«-]|::)\s+|\s*\|\s*")
_MAX_TITLE_BYTES = 4096


@dataclass(frozen=True)
class Page:
    """Title ("" where the page has none) and main text ("" where it has none)."""

    title: str
    text: str


def title_of(data: bytes, scanned: Scanned) -> str:
    """The text of `<title>`, white space folded."""
    start, end = scanned.title
    if start < 0:
        return ""
    raw = data[start : min(end, start + _MAX_TITLE_BYTES)].decode("utf-8", "ignore")
    return " ".join(html_module.unescape(raw).split())


def _encoded(html: str) -> bytes:
    return html.encode("utf-8", "replace")


def text_with(html: str, model_: model.Model) -> str:
    """`extract_main_text` with other weights."""
    data = _encoded(html)
    scanned = scan_page(data, model_.tables)
    return render(scanned, kept_blocks(scanned, title_of(data, scanned), model_))


def extract_main_text(html: str) -> str:
    """The main content of a page as plain text: a line a paragraph, heading, list item or table row.

    Without navigation, comments, related links, forms and hidden text; "" where nothing on the page is main content.
    The same input gives the same text. Time and memory are linear in the size of the page.
    """
    return text_with(html, model.load())


def extract_page(html: str | bytes) -> Page:
    """Title and main content of a page, as text or in UTF-8.

    The title is its headline where that stands in `<title>`, else `<title>`.
    """
    data = _encoded(html) if isinstance(html, str) else html
    model_ = model.load()
    scanned = scan_page(data, model_.tables)
    title = title_of(data, scanned)
    return Page(_headline(scanned, title), render(scanned, kept_blocks(scanned, title, model_)))


def _headline(scanned: Scanned, title: str) -> str:
    """The longest heading that is a part of `<title>`; else the one `<h1>`; else the longest part of `<title>`."""
    blocks = scanned.blocks
    tags = scanned.nodes[blocks[:, B_NODE], N_TAG]
    headings = [
        (int(tags[number]), scanned.text[blocks[number, B_START] : blocks[number, B_END]].tobytes().decode("utf-8"))
        for number in np.flatnonzero((tags == _H1) | (tags == _H2))[:_MAX_HEADINGS].tolist()
    ]
    folded = title.casefold()
    parts = [part.strip() for part in _SEPARATOR.split(title) if part.strip()]
    inside = [words for _, words in headings if words and words.casefold() in folded]
    if inside:
        best = max(inside, key=len)
        if len(best) >= max(len(part) for part in parts) or len(best) > 20:
            return best
    first = [words for tag, words in headings if tag == _H1 and words]
    if len(first) == 1 and (not parts or any(part.casefold() in first[0].casefold() for part in parts)):
        return first[0]
    return max(parts, key=len) if parts else (first[0] if first else "")
