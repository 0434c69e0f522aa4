"""Pages of MediaWiki XML dumps, streamed with bounded memory (export schemas 0.3 to 0.11, compressed or plain).

A page is cut out of the stream by its tags, which cannot occur inside a text because `<` is escaped there, and then
parsed by itself. So a dump that breaks off still yields every complete page. A multistream dump can be read in ranges
that start where a compressed stream does; together they give what the whole file gives.
"""

from __future__ import annotations

import base64
import hashlib
import re
import xml.etree.ElementTree as ET
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from datatrove.data import Document

from pipeline.markup.wikitext.names import WIKI_NAMES_KEY, is_disambiguation, media_names
from pipeline.markup.wikitext.text import is_redirect
from pipeline.readers.base import RawFile, Reader
from pipeline.readers.members import MemberStream, open_raw
from pipeline.readers.transcoded import TranscodedStream, xml_codec
from pipeline.sources.wikis import is_multilingual, language_of_wiki, split_database_name

MAX_PAGE_BYTES = 256 << 20
# Pages of a compressed stream wait for its end, which is what gives them an address, up to this many bytes.
MAX_STREAM_BYTES = 32 << 20
_PAGE_START = b"<page>"
_PAGE_END = b"</page>"
_REVISION_START = b"<revision>"
_HEAD_BYTES = 1 << 20
_DECLARATION_BYTES = 400
_DBNAME = re.compile(r"<dbname>([^<]+)</dbname>")
_BASE = re.compile(r"<base>([^<]+)</base>")
_XML_LANG = re.compile(r"<mediawiki[^>]*\bxml:lang=\"([^\"]+)\"")
_NAMESPACE = re.compile(r"<namespace key=\"(-?\d+)\"[^>]*>([^<]+)</namespace>")
_WIKI_IN_NAME = re.compile(
    r"^((?:[a-z]{2,3}|simple|commons|wikidata|species|meta|incubator|[a-z]{2,4}(?:_[a-z]{1,10}){1,2})"
    r"(?:wiki(?:source|quote|books|news|voyage|versity)?|wiktionary))(?![a-z])"
)
# Canonical names, for dumps so old that pages carry no <ns> and so bare that they carry no siteinfo.
_CANONICAL_NAMESPACES = {
    "Media": -2, "Special": -1, "Talk": 1, "User": 2, "User talk": 3, "Project": 4, "Project talk": 5, "Wikipedia": 4,
    "Wikipedia talk": 5, "File": 6, "File talk": 7, "Image": 6, "Image talk": 7, "MediaWiki": 8, "MediaWiki talk": 9,
    "Template": 10, "Template talk": 11, "Help": 12, "Help talk": 13, "Category": 14, "Category talk": 15,
    "Portal": 100, "Portal talk": 101, "Draft": 118, "Draft talk": 119, "TimedText": 710, "Module": 828,
    "Module talk": 829,
}  # fmt: skip


@dataclass(frozen=True)
class Site:
    """Facts of a wiki from its dump: database name, base URL of its pages, language, namespaces by local name."""

    wiki: str
    base: str | None
    language: str | None
    namespaces: dict[str, int] = field(default_factory=dict)

    def url(self, title: str) -> str | None:
        path = quote(title.replace(" ", "_"), safe="/:@!$'()*,;~")
        return f"{self.base}{path}" if self.base else None

    def namespace_of(self, title: str) -> int:
        prefix, separator, _ = title.partition(":")
        if not separator:
            return 0
        return self.namespaces.get(prefix, _CANONICAL_NAMESPACES.get(prefix, 0))


def read_site(head: str, key: str, language: str | None = None) -> Site:
    """Facts of a wiki from the part of its dump before the first page, and from the name of the file.

    A file named after a wiki (`dewiki-...`) is that wiki's: cut-down dumps carry another wiki's siteinfo.
    """
    base_url = _first(_BASE, head)
    host_wiki = _wiki_of_host(urlsplit(base_url).hostname or "") if base_url else None
    stated = _first(_DBNAME, head) or host_wiki
    name = PurePosixPath(key).name
    in_name = _WIKI_IN_NAME.match(name.lower())
    wiki = in_name.group(1) if in_name else stated or name.partition(".")[0]
    if stated is not None and stated != wiki:
        base_url = None
    named = split_database_name(wiki)
    if language is None:
        language = language_of_wiki(wiki) if named else _first(_XML_LANG, head)
    base = base_url[: base_url.rfind("/") + 1] if base_url else None
    if base is None and named is not None and not is_multilingual(named[0]):
        host = "wikipedia" if named[1] == "wiki" else named[1]
        base = f"https://{named[0].replace('_', '-')}.{host}.org/wiki/"
    namespaces = {local: int(number) for number, local in _NAMESPACE.findall(head)}
    return Site(wiki, base, language, namespaces)


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found.group(1).strip() if found else None


def _wiki_of_host(host: str) -> str | None:
    parts = host.removeprefix("www.").split(".")
    if len(parts) != 3 or parts[2] != "org":
        return None
    code = parts[0].replace("-", "_")
    if parts[1] == "wikimedia":
        return f"{code}wiki"
    return code + ("wiki" if parts[1] == "wikipedia" else parts[1])


@dataclass(frozen=True)
class _Page:
    """A page cut out of a run, whose stored bytes are not known before its compressed stream ends."""

    element: bytes
    offset: int  # of the compressed stream that it starts in
    number: int  # of the page among those of that stream, or of a plain dump, which is one
    start: int  # positions in the run
    end: int


class MediaWikiReader(Reader):
    """Reads one dump file; a document's text is the page's wikitext, its id `<wiki>/<page>/<revision>`.

    `offset` and `length` are the `<page>` element's in a plain dump; in a compressed one those of the stream that
    holds it (a multistream dump has one for every 100 pages), or -1 where that stream unpacks to over 32 MiB or is a
    7z archive, and in a plain dump that is not in UTF-8: there the id is the address. Of a page's history the last
    revision is the page. A page without numbers has the id `<file>#<offset>.<place among that stream's pages>`.
    Pages outside namespace 0 are counted in `num_other_records` as `namespace_<n>`.

    Reasons of drops: redirect, disambiguation, empty_page, not_wikitext (detail: the content model), bad_xml,
    page_too_large, truncated (the file ends inside the dump), unreadable (damaged compressed data).
    """

    name = "MediaWiki"

    def __init__(self, file: RawFile, max_page_bytes: int = MAX_PAGE_BYTES) -> None:
        super().__init__(file)
        self.max_page_bytes = max_page_bytes

    def read(self) -> Iterator[Document]:
        with open_raw(self.file.path) as raw:
            beginning = MemberStream(raw, name=self.file.path)
            while len(beginning.buffer) < _DECLARATION_BYTES and beginning.fill():
                pass  # the first member may be as short as it likes
            codec = xml_codec(bytes(beginning.buffer[:_DECLARATION_BYTES]))
            site = self._site(self._stream(raw, codec))
            self._is_last_range = self.file.stop is None or self.file.stop >= raw.seek(0, 2)
            stream = self._stream(raw, codec, self.file.start, self.file.stop)
            while True:
                for page, length in self._pages(stream):
                    document = self._document(site, page, length)
                    if document is not None:
                        yield document
                if stream.damage is None or not stream.next_run():
                    return

    def _stream(self, raw: Any, codec: str | None, start: int = 0, stop: int | None = None) -> MemberStream:
        if codec is None:
            return MemberStream(raw, name=self.file.path, start=start, stop=stop)
        return TranscodedStream(raw, name=self.file.path, start=start, stop=stop, codec=codec)

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
        has_addresses = has_addresses and not (stream.compression is not None and stream.compression.is_one_member)
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

        Of a history of over a mebibyte only the last revision stays in the buffer. The position is None when the run
        ends before the tag, -1 when one revision is larger than `max_page_bytes`.
        """
        head = b""
        searched = 0
        looked_at = _HEAD_BYTES
        while (found := stream.buffer.find(_PAGE_END, searched)) < 0:
            if len(stream.buffer) > looked_at:
                last = stream.buffer.rfind(_REVISION_START)
                first = 0 if head else stream.buffer.find(_REVISION_START, 0, last)
                if last > first >= 0:
                    head = head or bytes(memoryview(stream.buffer)[:first])
                    stream.consume(last)
                looked_at = len(stream.buffer) + _HEAD_BYTES
            searched = max(0, len(stream.buffer) - len(_PAGE_END) + 1)
            if searched > self.max_page_bytes:
                return head, -1
            if not stream.fill():
                return head, None
        return head, found

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
        revisions = page.findall("revision")
        revision = revisions[-1] if revisions else ET.Element("revision")
        numbers = page.findtext("id", "").strip(), revision.findtext("id", "").strip()
        if all(numbers):
            document.id = "/".join((site.wiki, *numbers))
        text = revision.findtext("text") or ""
        document.metadata.update(
            url=site.url(title),
            title=title or None,
            language=site.language,
            date=revision.findtext("timestamp"),
            digest=_text_digest(text, revision.findtext("sha1")),
        )
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
