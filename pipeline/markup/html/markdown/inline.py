"""The text of a block as a line of Markdown: code and links in it marked, all else escaped."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import numpy as np

from pipeline.markup import escapes
from pipeline.markup.html.layout import B_END, T_AT, T_OUT, T_TAG, Scanned
from pipeline.markup.html.tables import TAG
from pipeline.markup.html.tokens import attributes_at

_CODE = tuple(TAG[name] for name in ("code", "tt", "kbd", "samp"))
_A, _BASE = TAG["a"], TAG["base"]
_SCHEMES = frozenset({"http", "https", "ftp", "mailto"})
# What would end an address, or the cell of a table that it stands in.
_UNSAFE = {byte: f"%{byte:02X}" for byte in b' "()<>\\^`{|}'}
_UNSEEN = re.compile(r"[\x00-\x1f\x7f]+")
# Formulas, which parsers that know them take as they are: between dollars, with no space inside beside these, and no
# digit after the last.
_FORMULA = re.compile(
    r"\$\$(?=\S)(?:[^$\x00-\x02\\]|\\.)+\$\$|(?<!\$)\$(?=[^\s$])(?:[^$\x00-\x02\\]|\\.)+(?<=\S)\$(?![\d$])"
)
_MARKED = re.compile(f"{escapes.LINK}([^{escapes.END_LINK}]*){escapes.END_LINK}|{escapes.SPAN}")


class _Span(NamedTuple):
    """A part of the text, from byte to byte, and where it leads ("": it is code)."""

    start: int
    end: int
    address: str


class Inline:
    """The lines of a page's blocks.

    page: its bytes; tags: its tags, as `scan_tags` gives them. url: the page's own, which addresses of links are
    resolved against; None where links are left out.
    """

    def __init__(self, scanned: Scanned, page: bytes, tags: np.ndarray, url: str | None) -> None:
        self._text = scanned.text.tobytes()
        self._ends: list[int] = scanned.blocks[:, B_END].tolist()
        self._codes = self._spans_of_code(tags)
        self._code_starts = [start for start, _ in self._codes]
        self._links = self._spans_of_links(page, tags, url) if url is not None else {}

    def _spans_of_code(self, tags: np.ndarray) -> list[tuple[int, int]]:
        """Where code in lines starts and ends, in order; parts without anything between them are one."""
        found: list[tuple[int, int]] = []
        for tag in _CODE:
            own = tags[np.abs(tags[:, T_TAG]) == tag][:, [T_OUT, T_TAG]].tolist()
            for (start, number), (end, following) in pairwise([*own, (len(self._text), tag)]):
                if number > 0:
                    found += self._stripped(start, end if following < 0 else min(end, self._end_of_block(start)))
        found.sort()
        joined: list[tuple[int, int]] = []
        for start, end in found:
            first, last = joined[-1] if joined else (0, -1)
            if start < last or (start == last and self._block(first) == self._block(start)):
                joined[-1] = first, max(end, last)
            else:
                joined.append((start, end))
        return joined

    def _spans_of_links(self, page: bytes, tags: np.ndarray, url: str) -> dict[int, list[_Span]]:
        """Links by the block that they start in. Where they hold several blocks, the first is the link."""
        bases = tags[tags[:, T_TAG] == _BASE, T_AT].tolist()
        base = next(filter(None, (attributes_at(page, at).get("href", "") for at in bases[:1])), "")
        url = _joined(url, base) if base else url
        found: dict[int, list[_Span]] = {}
        own = tags[np.abs(tags[:, T_TAG]) == _A]
        ends = [*own[:, T_OUT].tolist(), len(self._text)][1:]
        for (start, at, number), end in zip(own[:, [T_OUT, T_AT, T_TAG]].tolist(), ends, strict=True):
            if number < 0 or start >= end:
                continue
            address = address_of(attributes_at(page, at).get("href", ""), url)
            for first, last in self._stripped(start, end) if address else ():
                last = min(last, self._end_of_block(first))
                found.setdefault(self._block(first), []).append(_Span(first, last, address))
        return found

    def _block(self, place: int) -> int:
        return bisect_right(self._ends, place)

    def _end_of_block(self, place: int) -> int:
        block = self._block(place)
        return self._ends[block] if block < len(self._ends) else len(self._text)

    def _stripped(self, start: int, end: int) -> list[tuple[int, int]]:
        """A part of the text without white space around it; nothing where it holds nothing else."""
        text = self._text
        while start < end and text[start] <= 32:
            start += 1
        while start < end and text[end - 1] <= 32:
            end -= 1
        return [(start, end)] if start < end else []

    def code_in(self, start: int, end: int) -> list[_Span]:
        """The code of a block, cut to it."""
        place = max(0, bisect_right(self._code_starts, start) - 1)
        found = []
        while place < len(self._codes) and self._codes[place][0] < end:
            first, last = max(start, self._codes[place][0]), min(end, self._codes[place][1])
            found += [_Span(*part, "") for part in self._stripped(first, last)] if first < last else []
            place += 1
        return found

    def is_code(self, start: int, end: int) -> bool:
        """Whether a block is code and nothing else."""
        spans = self.code_in(start, end)
        return len(spans) == 1 and spans[0].start == start and spans[0].end == end

    def line(self, number: int, start: int, end: int, *, kind: str = "text") -> str:
        """The text of a block. kind: what it stands in, "text", "heading" or "cell", where less is markup."""
        codes, links = self.code_in(start, end), self._links.get(number, ())
        spans: list[_Span] = list(codes)
        for link in links:
            # A link may hold code, but code holds no link.
            if all(code.end <= link.start or code.start >= link.end or _holds(link, code) for code in codes):
                spans.append(link)
        spans.sort(key=lambda span: (span.start, -span.end, span.address == ""))
        text, shown = self._marked(spans, start, end)
        formulas = _FORMULA.findall(text) if "$" in text else []
        if formulas:
            text = _FORMULA.sub(escapes.FORMULA, text)
        text = escapes.escaped_heading(text) if kind == "heading" else escapes.escaped(text, begins_line=kind == "text")
        if kind != "text":
            text = " ".join(text.split("\n"))
        if shown:
            text = _with_spans(text, shown)
        for formula in formulas:
            text = text.replace(escapes.FORMULA, formula, 1)
        return text.replace("|", "\\|") if kind == "cell" else text

    def _marked(self, spans: list[_Span], start: int, end: int) -> tuple[str, list[str]]:
        """Text with marks for its spans, and what these show, in order: code, the address of a link."""
        parts: list[str] = []
        shown: list[str] = []
        open_link = -1
        for span in spans:
            if 0 <= open_link <= span.start:
                parts += [self._cut(start, open_link), escapes.END_LINK]
                start, open_link = open_link, -1
            parts.append(self._cut(start, span.start))
            start = span.start
            if span.address:
                parts.append(escapes.LINK)
                shown.append(span.address)
                open_link = span.end
            else:
                parts.append(escapes.SPAN)
                shown.append(escapes.code_span(self._cut(span.start, span.end)))
                start = span.end
        if open_link >= 0:
            parts += [self._cut(start, open_link), escapes.END_LINK]
            start = open_link
        return "".join([*parts, self._cut(start, end)]), shown

    def _cut(self, start: int, end: int) -> str:
        return self._text[start:end].decode("utf-8")


def _holds(link: _Span, code: _Span) -> bool:
    return link.start <= code.start and code.end <= link.end


def _with_spans(text: str, shown: list[str]) -> str:
    """Text with its spans in the places of their marks."""
    left = iter(shown)

    def put(mark: re.Match[str]) -> str:
        if mark[0] == escapes.SPAN:
            return next(left)
        address = next(left)
        label = escapes.escaped_link_text(mark[1]).replace(escapes.SPAN, "\x03")
        while "\x03" in label:
            label = label.replace("\x03", next(left), 1)
        return f"[{label}]({address})"

    return _MARKED.sub(put, text)


def _joined(url: str, address: str) -> str:
    """An address resolved against a URL; "" where it is none."""
    try:
        return urljoin(url, address)
    except ValueError:
        return ""


def address_of(href: str, url: str) -> str:
    """Where a link leads, as Markdown writes it; "" where that is nowhere: a place on the page, a script."""
    href = _UNSEEN.sub("", href.strip())
    if not href or href[0] == "#":
        return ""
    address = _joined(url, href)
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    if parts.scheme not in _SCHEMES or (parts.scheme != "mailto" and not parts.netloc):
        return ""
    if parts.fragment and address.partition("#")[0] == url.partition("#")[0]:
        return ""
    return address.translate(_UNSAFE)
