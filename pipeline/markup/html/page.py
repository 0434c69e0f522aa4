"""The public functions: a page's HTML to the text of its main content, and to its title."""

from __future__ import annotations

import html as html_module
import re
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np

from pipeline.markup.html import model
from pipeline.markup.html.decide import kept_blocks
from pipeline.markup.html.elsewhere.find import LITTLE, LONG_NOTICE, Readers, text_elsewhere, without_noscript
from pipeline.markup.html.layout import B_CHARS, B_END, B_NODE, B_START, MET_NOSCRIPT, N_TAG, Scanned, Tables
from pipeline.markup.html.markdown.write import to_markdown
from pipeline.markup.html.page_head import head_of
from pipeline.markup.html.page_type import likeliest
from pipeline.markup.html.render import render
from pipeline.markup.html.rewrite import met_in_text, rewritten
from pipeline.markup.html.scan import scan_page, scan_tags
from pipeline.markup.html.seen import measured
from pipeline.markup.html.tables import TAG
from pipeline.markup.html_options import Options

_H1, _H2 = TAG["h1"], TAG["h2"]
_MAX_HEADINGS = 64  # of a page that are looked at for its title
_SEPARATOR = re.compile(r"\s+(?:[|–—·•»«-]|::)\s+|\s*\|\s*")
_MAX_TITLE_BYTES = 4096
# A page that shows less than this (characters) may be all in `<noscript>`, where that has so many times as much.
_FEW_SHOWN, _TIMES = 1000, 3


@dataclass(frozen=True)
class Page:
    """Title ("" where the page has none) and main text ("" where it has none).

    origin: where the text is from if not from what the page shows: "json_ld" (linked data), "noscript" (what it shows
    where scripts do not run), "state" (what its scripts start from), "microdata" (in `<meta>`), "open_graph" (its
    description).
    page_type, page_type_score: what kind of page it is, and how sure that is, from 0 to 1.
    num_shown, num_kept, lost: characters that a reader sees, those of the text, and where that is little of it, an
    excerpt of the rest (see `pipeline.markup.html.seen`).
    """

    title: str
    text: str
    origin: str = ""
    page_type: str = ""
    page_type_score: float = 0.0
    num_shown: int = 0
    num_kept: int = 0
    lost: str | None = None


def title_of(data: bytes, scanned: Scanned) -> str:
    """The text of `<title>`, white space folded."""
    start, end = scanned.title
    if start < 0:
        return ""
    raw = data[start : min(end, start + _MAX_TITLE_BYTES)].decode("utf-8", "ignore")
    return " ".join(html_module.unescape(raw.replace("\x00", "")).split())


class _Text(str):
    """A text, and what it was made of: a page, what the scanner says of it, and which blocks were kept.

    All that is decided is decided by the plain form, so that the same is kept in any.
    """

    made_of: tuple[bytes, Scanned, np.ndarray]

    @classmethod
    def of(cls, data: bytes, scanned: Scanned, kept: np.ndarray) -> _Text:
        text = cls(render(scanned, kept))
        text.made_of = data, scanned, kept
        return text


def _in_form(text: _Text, model_: model.Model, options: Options) -> str:
    """A text in the form of the options."""
    if options.form == "text":
        return text
    data, scanned, kept = text.made_of
    url = options.url if options.links == "keep" else None
    return to_markdown(scanned, kept, data, scan_tags(data, model_.tables), url)


def _encoded(html: str) -> bytes:
    return html.encode("utf-8", "replace")


class Reading(NamedTuple):
    """A page as it is read: its markup, with formulas and the like as text and without `<noscript>` where that holds
    the page ("noscript" is the origin then); and what the scanner says of it.
    """

    data: bytes
    scanned: Scanned
    title: str
    origin: str


def read_page(data: bytes, tables: Tables) -> Reading:
    """Scan a page of UTF-8 bytes."""
    read, origin = _scan(data, tables), ""
    num_shown = int(read[1].blocks[:, B_CHARS].sum())
    if read[1].met & MET_NOSCRIPT and num_shown < _FEW_SHOWN:
        bare = without_noscript(data, LONG_NOTICE)
        if bare is not data:
            unhidden = _scan(bare, tables)
            if unhidden[1].blocks[:, B_CHARS].sum() > _TIMES * num_shown + LONG_NOTICE:
                read, origin = unhidden, "noscript"
    return Reading(*read, title_of(*read), origin)


def _scan(data: bytes, tables: Tables) -> tuple[bytes, Scanned]:
    scanned = scan_page(data, tables)
    if met := scanned.met & ~MET_NOSCRIPT | met_in_text(scanned.text.tobytes(), data):
        data = rewritten(data, met)
        scanned = scan_page(data, tables)
    return data, scanned


def _whole_text(markup: str, model_: model.Model) -> _Text:
    """All text of a piece of markup."""
    data = _encoded(markup)
    scanned = scan_page(data, model_.tables)
    return _Text.of(data, scanned, np.arange(len(scanned.blocks)))


class _Judged(NamedTuple):
    """A page, the numbers of the blocks that are kept, its text, the origin of that, and the scores of its types."""

    reading: Reading
    kept: np.ndarray
    text: _Text
    origin: str
    types: np.ndarray


def _judge_shown(data: bytes, model_: model.Model, options: Options) -> _Judged:
    reading = read_page(data, model_.tables)
    judged = model.judge(reading.scanned, reading.title, head_of(reading.data), model_)
    kept = kept_blocks(reading.scanned, judged, model_, options)
    return _Judged(reading, kept, _Text.of(reading.data, reading.scanned, kept), reading.origin, judged.types)


def _judge(data: bytes, model_: model.Model, options: Options) -> _Judged:
    judged = _judge_shown(data, model_, options)
    if len(judged.text) >= LITTLE:
        return judged
    scanned = judged.reading.scanned
    readers = Readers(
        main=lambda page: _judge_shown(page, model_, options).text,
        whole=lambda markup: _whole_text(markup, model_),
        shown=lambda: render(scanned, np.arange(len(scanned.blocks))),
    )
    text, origin = text_elsewhere(data, judged.text, judged.reading.title, len(scanned.text), readers)
    # The readers made it, whichever it is.
    return judged._replace(text=cast(_Text, text), origin=origin) if text else judged


def text_with(html: str, model_: model.Model) -> str:
    """`extract_main_text` with other weights."""
    return _judge(_encoded(html), model_, Options()).text


def extract_main_text(html: str) -> str:
    """The main content of a page as plain text: a line a paragraph, heading, list item or table row.

    Without navigation, comments, related links, forms and hidden text; "" where nothing on the page is main content.
    The same input gives the same text. Time and memory are linear in the size of the page.
    """
    return text_with(html, model.load())


def extract_page(html: str | bytes, options: Options | None = None) -> Page:
    """Title and main content of a page, as text or in UTF-8.

    The title is its headline where that stands in `<title>`, else `<title>`.
    """
    data = _encoded(html) if isinstance(html, str) else html
    options, model_ = options or Options(), model.load()
    reading, kept, text, origin, types = _judge(data, model_, options)
    page_type, score = likeliest(types)
    shown, num_kept, lost = measured(reading.scanned, text, kept if origin in ("", "noscript") else None)
    formed = _in_form(text, model_, options)
    return Page(_headline(reading.scanned, reading.title), formed, origin, page_type, score, shown, num_kept, lost)


def page_with(html: bytes, text: str) -> Page:
    """What a page is and shows, for a text that another extractor made of it. It has no title."""
    model_ = model.load()
    reading = read_page(html, model_.tables)
    page_type, score = likeliest(model.judge(reading.scanned, reading.title, head_of(reading.data), model_).types)
    return Page("", text, "", page_type, score, *measured(reading.scanned, text, None))


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
