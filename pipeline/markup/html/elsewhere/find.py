"""Text of a page that is not among what it shows: where else it may stand, and when that is the page's text.

A page shows little before its scripts have run, and says that it needs them, asks to log in, or about cookies. Its text
may stand in linked data, in what browsers without scripts are shown, in the state that its scripts start from, in
microdata, and in part in its description. The first of these that is long enough, and not shown already, is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline.markup.html.elsewhere.linked_data import description, hidden_properties, linked_text, longest_article
from pipeline.markup.html.elsewhere.prose import words_of
from pipeline.markup.html.elsewhere.react import PageOfStream, Stream
from pipeline.markup.html.elsewhere.state import states
from pipeline.markup.html.elsewhere.state_text import record_text, state_text

# A page with less main text than this (characters) may have its article elsewhere, where it is so many times as long.
LITTLE, _TIMES = 3000, 3
# Main text that is shorter than the first may be a notice, and up to the second if it says so and the page shows no
# more than the third (bytes). What shows more than the last shows its text if any main text was found in it.
LONG_NOTICE, _LONGEST_NOTICE, _SHOWS_LITTLE, _SHOWS_MUCH = 400, 2000, 2500, 5000
_NOTICE = re.compile(
    r"java ?script|\b(?:uses?|using|accept|store|allow|enable) (?:all |our |these )?cookies|cookie (?:policy|settings)"
    r"|(?:log ?in|sign ?in|sign ?up|subscribe) to (?:read|view|see|continue|access)|are (?:not )?a robot|captcha"
    r"|(?:verwende[nt]|akzeptieren|setzen) (?:wir )?cookies|(?:utilis\w+|accept\w+) (?:des |les )?cookies"
    r"|(?:utiliza\w*|usa\w*|acepta\w*) (?:las )?cookies|файлы cookie|クッキーを|使用\s?cookie",
    re.IGNORECASE,
)
_LEAST = 80  # characters of a text from elsewhere that is no article
_STATE_TIMES = 1.5  # a state has a page's text if it has so many times as much as the linked data
_LINE, _START = 15, 40  # letters of a line that says something, and those that are compared
_MOST_LINES = 200
_SHOWN_SHARE = 0.5  # of the lines of a text: then the page shows it

_NOSCRIPT = re.compile(rb"</?noscript(?=[\s/>])[^>]{0,4096}+>", re.IGNORECASE)
_TAG = re.compile(rb"<[^<>]*+>|\s+")


@dataclass(frozen=True)
class Readers:
    """How a page's parts are read: its main text, all text of a piece of markup, and all text that the page shows."""

    main: Callable[[bytes], str]
    whole: Callable[[str], str]
    shown: Callable[[], str]


def without_noscript(data: bytes, least: int) -> bytes:
    """The page as browsers without scripts read it; as it is where that would show less than so many bytes of text."""
    hidden, start = 0, -1
    for tag in _NOSCRIPT.finditer(data):
        if start >= 0 and tag[0].startswith(b"</"):
            hidden, start = hidden + len(_TAG.sub(b"", data[start : tag.start()])), -1
        elif start < 0 and not tag[0].startswith(b"</"):
            start = tag.end()
    return data if hidden < least else _NOSCRIPT.sub(b"", data)


def text_elsewhere(data: bytes, text: str, title: str, num_shown: int, readers: Readers) -> tuple[str, str]:
    """A page's text from elsewhere, and its origin; "" and "" where what the page shows is its text.

    text: the main text of what it shows. num_shown: bytes of all text that it shows, about.
    """
    page = ""
    if b"articleBody" in data or (b"Posting" in data and b'"text"' in data):
        page = data.decode("utf-8", "replace")
        article = longest_article(page)
        if len(article) > _TIMES * len(text) and len(article := readers.whole(article)) > _TIMES * len(text):
            return article, "json_ld"
    may_be_notice = len(text) < LONG_NOTICE or (len(text) < _LONGEST_NOTICE and num_shown <= _SHOWS_LITTLE)
    says_so = may_be_notice and (
        _NOTICE.search(text) is not None
        or (num_shown <= _SHOWS_LITTLE and _NOTICE.search(readers.shown()) is not None)  # a part of it may be kept
    )
    if not says_so and len(text) >= LONG_NOTICE:
        return "", ""
    shows_much = num_shown > _SHOWS_MUCH
    if shows_much and text:
        return "", ""
    shown = readers.shown()
    least = max((1 if says_so else _TIMES) * len(text), LONG_NOTICE if shows_much else _LEAST)
    page = page or data.decode("utf-8", "replace")
    for found, origin in _candidates(data, page, title, num_shown <= _SHOWS_LITTLE, readers):
        if len(found) <= least:
            continue
        return ("", "") if _share_inside(found, shown) >= _SHOWN_SHARE else (found, origin)
    if len(shown) < LONG_NOTICE and len(found := readers.whole(description(data))) > least:
        return found, "open_graph"
    return "", ""


def _candidates(data: bytes, page: str, title: str, shows_little: bool, readers: Readers) -> Iterator[tuple[str, str]]:
    """The texts of linked data, state and microdata, the likeliest first."""
    linked = readers.whole(linked_text(page)) if b"ld+json" in data else ""
    state = _state(page, title, shows_little, readers)
    both = [(linked, "json_ld"), (state, "state")]
    yield from both if len(state) <= _STATE_TIMES * len(linked) else both[::-1]
    yield readers.whole(hidden_properties(data)), "microdata"


def _state(page: str, title: str, shows_little: bool, readers: Readers) -> str:
    """The text in the state of a page.

    What React streams is the page again, of which the main text is taken; it is of use only where little is shown.
    """
    trees = []
    best = ""
    for found in states(page):
        if not isinstance(found, Stream):
            trees.append(found)
            continue
        if not shows_little:
            continue
        for text_of in (record_text, state_text):  # all that components are given only where the rest says little
            markup = PageOfStream(found, text_of, title).markup()
            best = readers.main(markup.encode("utf-8", "replace"))
            if len(best) >= LONG_NOTICE:
                break
    text = readers.whole(state_text(trees, title)) if trees else ""
    return max(best, text, key=len)


def _share_inside(text: str, other: str) -> float:
    """The share of the lines of a text with which lines of the other begin, or that it has within."""
    words = words_of(other)
    lines = [line for line in map(words_of, text.split("\n", _MOST_LINES)[:_MOST_LINES]) if len(line) >= _LINE]
    return sum(line[:_START] in words for line in lines) / max(1, len(lines))
