"""Pages of MediaWiki XML dumps, streamed with bounded memory (export schemas 0.3 to 0.11, compressed or plain).

A page is cut out of the stream by its tags, which cannot occur inside a text because `<` is escaped there, and then
parsed by itself. So a dump that breaks off still yields every complete page. A multistream dump can be read in ranges
that start where a compressed stream does; together they give what the whole file gives.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import xml.etree.ElementTree as ET
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from datatrove.data import Document

from pipeline.markup.wikitext.names import WIKI_NAMES_KEY, is_disambiguation, media_names
from pipeline.markup.wikitext.text import is_redirect
from pipeline.readers.base import RawFile, Reader
from pipeline.readers.members import SEVEN_ZIP, MemberStream, open_raw
from pipeline.readers.transcoded import TranscodedStream, xml_codec
from pipeline.readers.wiki_site import Site, read_site

MAX_PAGE_BYTES = 256 << 20
# Pages of a compressed stream wait for its end, which is what gives them an address, up to this many bytes.
MAX_STREAM_BYTES = 32 << 20
_PAGE_START = b"<page>"
_PAGE_END = b"</page>"
_REVISION = re.compile(rb"<revision[ >]")
_REVISION_ID = re.compile(rb"<id>\s*(\d{1,18})\s*</id>")
_TIMESTAMP = re.compile(rb"<timestamp>([^<]{1,60})</timestamp>")
_HEAD_BYTES = 1 << 20
_DECLARATION_BYTES = 400


@dataclass(frozen=True)
class _Page:
    """A page cut out of a run, whose stored bytes are not known before its compressed stream ends."""

    element: bytes
    offset: int  # of the compressed stream that it starts in
    number: int  # of the page among those of that stream, or of a plain dump, which is one
    start: int  # positions in the run
    end: int


class _History:
    """The part of a page before its revisions, and the newest of those revisions that were taken."""

    def __init__(self) -> None:
        self._head: bytes | None = None
        self._newest = b""
        self._age: tuple[bytes, int] = (b"", -1)

    @property
    def element(self) -> bytes:
        """What of the page's element was taken, but for older revisions."""
        return (self._head or b"") + self._newest

    def take(self, buffer: bytearray) -> int:
        """Take what stands before the last revision that begins in the buffer; the number of bytes that takes."""
        starts = [found.start() for found in _REVISION.finditer(buffer)]
        if len(starts) < 2:
            return 0
        if self._head is None:
            self._head = bytes(memoryview(buffer)[: starts[0]])
        for start, end in itertools.pairwise(starts):
            revision = bytes(memoryview(buffer)[start:end])
            number, timestamp = _REVISION_ID.search(revision), _TIMESTAMP.search(revision)
            age = (_digits(timestamp[1]) if timestamp else b"", int(number[1]) if number else -1)
            if age >= self._age:
                self._age, self._newest = age, revision
        return starts[-1]


def _digits(timestamp: bytes) -> bytes:
    """The digits of a date, which sort as dates do, whatever parts them."""
    return bytes(byte for byte in timestamp if 48 <= byte <= 57)


def _age(numbered: tuple[int, ET.Element]) -> tuple[bytes, int, int]:
    """What the newest revision has most of: its date, its number, its place in the file."""
    place, revision = numbered
    number = revision.findtext("id", "").strip()
    is_number = number.isascii() and number.isdigit() and len(number) < 19
    return _digits(revision.findtext("timestamp", "").encode()), int(number) if is_number else -1, place


class MediaWikiReader(Reader):
    """Reads one dump file; a document's text is the page's wikitext, its id `<wiki>/<page>/<revision>`.

    `offset` and `length` are the `<page>` element's in a plain dump; in a compressed one those of the stream that
    holds it (a multistream dump has one for every 100 pages), or -1 where that stream unpacks to over 32 MiB or is a
    7z archive, and in a plain dump that is not in UTF-8: there the id is the address. Of a page's history the revision
    with the newest timestamp is the page, of those with the same the one with the highest id. A page without numbers
    has the id `<file>#<offset>.<place among that stream's pages>`. Pages outside namespace 0 are counted in
    `num_other_records` as `namespace_<n>`.

    Reasons of drops: redirect, disambiguation, empty_page, hidden_revision (administrators of the wiki hid its text),
    not_wikitext (detail: the content model), bad_xml, page_too_large, truncated (the file ends inside the dump),
    unreadable (damaged compressed data).
    """

    name = "MediaWiki"

    def __init__(self, file: RawFile, max_page_bytes: int = MAX_PAGE_BYTES) -> None:
        super().__init__(file)
        self.max_page_bytes = max_page_bytes

    def read(self) -> Iterator[Document]:
        with open_raw(self.file.path) as raw:
            beginning = self.stream(raw)
            codec = xml_codec(beginning.head(_DECLARATION_BYTES))  # the first member may be as short as it likes
            site = self._site(self.stream(raw, codec))
            self._is_last_range = self.file.stop is None or self.file.stop >= raw.seek(0, 2)
            stream = self.stream(raw, codec, start=self.file.start, stop=self.file.stop)
            while True:
                for page, length in self._pages(stream):
                    document = self._document(site, page, length)
                    if document is not None:
                        yield document
                if stream.damage is None or not stream.next_run():
                    return

    def _site(self, stream: MemberStream) -> Site:
        """Facts of the wiki from the file's beginning, wherever the range to read starts."""
        while len(stream.buffer) < _HEAD_BYTES and _PAGE_START not in stream.buffer and stream.fill():
            pass
        head = bytes(stream.buffer[:_HEAD_BYTES]).partition(_PAGE_START)[0]
        return read_site(head.decode("utf-8", "replace"), self.file.key, self.file.language)

    def _pages(self, stream: MemberStream) -> Iterator[tuple[_Page, int]]:
        """Every page element of one run of the stream, with the length of its address."""
        waiting: deque[_Page] = deque()
        waiting_bytes = 0
        no_address = -1  # offset of a stream that is too large to be one
        # What is looked for at an address is UTF-8.
        has_addresses = not isinstance(stream, TranscodedStream)
        has_addresses = has_addresses and stream.compression is not SEVEN_ZIP
        number, last_offset = 0, -1
        self._inside_page = False
        while (start := self._find(stream, _PAGE_START)) is not None:
            stream.consume(start)
            position = stream.position
            offset, _ = stream.covering_address(position, position + 1)
            number = number + 1 if offset == last_offset else 0
            last_offset = offset
            self._inside_page = True
            head, end = self._page_end(stream)
            if end is None:
                break
            self._inside_page = False
            if end < 0:
                self._drop_oversized(stream, offset, number)
                continue
            size = end + len(_PAGE_END)
            if not stream.may_trust(stream.position + size):
                break  # it is part of what is damaged
            element = head + bytes(memoryview(stream.buffer)[:size])
            page = _Page(element, offset, number, position, stream.position + size)
            if not has_addresses or (offset == no_address and stream.compression is not None):
                yield page, -1
                stream.consume(size)
                continue
            waiting.append(page)
            waiting_bytes += len(element)
            for located in self._located(stream, waiting):
                waiting_bytes -= len(located[0].element)
                yield located
            if waiting_bytes > MAX_STREAM_BYTES:
                no_address = waiting[-1].offset
                yield from ((page, -1) for page in waiting)
                waiting.clear()
                waiting_bytes = 0
            stream.consume(size)
        yield from self._located(stream, waiting)
        yield from ((page, stream.resume_offset() - page.offset) for page in waiting)
        self._end_of_run(stream)

    @staticmethod
    def _located(stream: MemberStream, waiting: deque[_Page]) -> Iterator[tuple[_Page, int]]:
        """Take from `waiting` the pages whose stored bytes are known by now."""
        while waiting:
            page = waiting[0]
            if stream.compression is None:
                length = page.end - page.start
            else:
                stops = (at for position, at in stream.boundaries() if position >= page.end and at > page.offset)
                length = next(stops, -1) - page.offset
            if length < 0:
                return
            waiting.popleft()
            yield page, length

    def _drop_oversized(self, stream: MemberStream, offset: int, number: int) -> None:
        document = self.document(f"{self.file.key}#{offset}.{number}", offset=offset)
        self.drop_record(document, "page_too_large", detail=f"over {self.max_page_bytes} bytes")
        while (found := stream.buffer.find(_PAGE_END)) < 0:
            stream.consume(max(0, len(stream.buffer) - len(_PAGE_END) + 1))
            if not stream.fill():
                return
        stream.consume(found + len(_PAGE_END))

    def _page_end(self, stream: MemberStream) -> tuple[bytes, int | None]:
        """The part of a long page before its revisions, and the place of its closing tag in the buffer.

        Of a history of over a mebibyte the newest revision comes with that part, and only the last is in the buffer.
        The position is None when the run ends before the tag, -1 when one revision is larger than `max_page_bytes`.
        """
        history = _History()
        searched = 0
        looked_at = _HEAD_BYTES
        while (found := stream.buffer.find(_PAGE_END, searched)) < 0:
            if len(stream.buffer) > looked_at:
                stream.consume(history.take(stream.buffer))
                looked_at = len(stream.buffer) + _HEAD_BYTES
            searched = max(0, len(stream.buffer) - len(_PAGE_END) + 1)
            if searched > self.max_page_bytes:
                return history.element, -1
            if not stream.fill():
                return history.element, None
        return history.element, found

    def _find(self, stream: MemberStream, tag: bytes) -> int | None:
        """Position of a tag in the buffer; None when the run ends before it. What lies before it is dropped."""
        searched = 0
        while True:
            found = stream.buffer.find(tag, searched)
            if found >= 0:
                return found
            searched = max(0, len(stream.buffer) - len(tag) + 1)
            if searched > 2 * _HEAD_BYTES:
                stream.consume(searched)
                searched = 0
            if not stream.fill():
                return None

    def _end_of_run(self, stream: MemberStream) -> None:
        rest = bytes(stream.buffer)
        offset, _ = stream.covering_address(stream.position, stream.end_position)
        if stream.damage is not None and not stream.truncated:
            self.drop_unreadable(stream.damage_offset, stream.resume_offset() - stream.damage_offset, stream.damage)
            return
        inside = self._inside_page
        if stream.truncated or inside or (self._is_last_range and b"</mediawiki>" not in rest):
            what = f"the dump ends {'inside a page' if inside else 'before its closing tag'}"
            self.drop_unreadable(offset, stream.size - offset, what, reason="truncated")

    def _document(self, site: Site, cut: _Page, length: int) -> Document | None:
        offset = cut.offset if length >= 0 else -1
        document = self.document(f"{self.file.key}#{cut.offset}.{cut.number}", offset=offset, length=length)
        try:
            page = ET.fromstring(cut.element)
        except (ET.ParseError, ValueError) as error:
            self.report_damage(cut.offset, f"a page is not XML: {error}")
            self.drop_record(document, "bad_xml", detail=str(error))
            return None
        title = (page.findtext("title") or "").strip()
        namespace = page.findtext("ns")
        number = int(namespace) if namespace and namespace.strip().lstrip("-").isdigit() else site.namespace_of(title)
        if number != 0:
            self.num_other_records[f"namespace_{number}"] += 1
            return None
        revision = max(enumerate(page.findall("revision")), key=_age, default=(0, ET.Element("revision")))[1]
        numbers = page.findtext("id", "").strip(), revision.findtext("id", "").strip()
        if all(number.isascii() and number.isdigit() for number in numbers):
            document.id = "/".join((site.wiki, *numbers))
        content = revision.find("text")
        text = (content.text if content is not None else None) or ""
        document.metadata.update(
            url=site.url(title),
            title=title or None,
            language=site.language,
            date=revision.findtext("timestamp"),
            digest=_text_digest(text, revision.findtext("sha1")),
        )
        if not text and content is not None and content.get("deleted") is not None:
            self.drop_record(document, "hidden_revision", detail=title)
            return None
        if page.find("redirect") is not None or is_redirect(text):
            self.drop_record(document, "redirect", detail=title)
            return None
        model = revision.findtext("model") or "wikitext"
        if model != "wikitext":
            self.drop_record(document, "not_wikitext", detail=model)
            return None
        if not text.strip():
            self.drop_record(document, "empty_page", detail=title)
            return None
        if is_disambiguation(text):
            self.drop_record(document, "disambiguation", detail=title)
            return None
        document.text = text
        document.metadata[WIKI_NAMES_KEY] = media_names(site.namespaces)
        return document


def _text_digest(text: str, stated: str | None) -> str:
    """The dump's own SHA-1 of the revision (base 36) where it has one, else that of the text (base 32)."""
    if stated and stated.strip():
        return f"sha1:{stated.strip()}"
    return "sha1:" + base64.b32encode(hashlib.sha1(text.encode("utf-8"), usedforsecurity=False).digest()).decode(
        "ascii"
    )
