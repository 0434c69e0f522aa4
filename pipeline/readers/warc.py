"""Documents of WARC, WET and ARC files: HTML responses (still HTML) and converted plain text, with provenance."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator

from datatrove.data import Document

from pipeline.charsets.charset import MAX_BROKEN_FRACTION, decode
from pipeline.readers.base import RawFile, Reader
from pipeline.readers.http import (
    MAX_BODY_BYTES,
    BodyError,
    BodyTooLarge,
    HttpResponse,
    charset_of,
    decode_body,
    mime_of,
    parse_response,
)
from pipeline.readers.members import open_raw
from pipeline.readers.warc_records import MAX_RECORD_BYTES, Unreadable, WarcRecord, iterate_records, starts_record

CANDIDATE_TYPES = frozenset({"response", "resource", "conversion", "revisit"})
HTML_TYPES = frozenset({"text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml"})
_GENERIC_TYPES = frozenset({"", "application/octet-stream", "unk", "unknown", "application/unknown", "*/*", "none"})
_BINARY = (
    (b"%PDF", "application/pdf"),
    (b"\x89PNG", "image/png"),
    (b"GIF8", "image/gif"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"PK\x03\x04", "application/zip"),
    (b"RIFF", "audio or video"),
    (b"\x7fELF", "application/x-executable"),
)
_HTML_TAG = re.compile(rb"<(?:!doctype\s+html|html|head|body|title|h1|div|table|p|a|br|script|style|meta)[\s>/]", re.I)
_SNIFF_BYTES = 1024
PLAIN_TEXT_KEY = "plain_text"  # metadata key of documents that need no HTML extractor


class WarcReader(Reader):
    """Reads one WARC, WET or ARC file (plain, gzip, lz4, zstd).

    Yields the HTML of responses and resources with status 200, decoded, and the text of WET conversions (marked with
    `plain_text` in the metadata). A document's id is its WARC-Record-ID, or `record_place`; `offset` and `length` are
    the compressed bytes that hold the record, length -1 where it shares a member with others.

    Reasons of drops: http_status (value: the status), not_html (detail: the content type), revisit, empty_payload,
    decode_error, page_too_large (value: bytes of the body, where they are known), truncated_record, segmented_record,
    record_too_large, unreadable (value: bytes passed over).
    `num_records` counts the records whose header was read, whatever became of them.
    """

    name = "WARC"

    def __init__(
        self, file: RawFile, max_record_bytes: int = MAX_RECORD_BYTES, max_body_bytes: int = MAX_BODY_BYTES
    ) -> None:
        super().__init__(file)
        self.max_record_bytes = max_record_bytes
        self.max_body_bytes = max_body_bytes

    def _reset(self) -> None:
        super()._reset()
        self.num_records = 0
        self._shared = -1  # offset of a member with several records, and their ids
        self._ids: set[str] = set()

    def read(self) -> Iterator[Document]:
        with open_raw(self.file.path) as raw:
            stream = self.stream(raw, starts=starts_record)
            for record in iterate_records(stream, self.max_record_bytes):
                if isinstance(record, Unreadable):
                    self.drop_unreadable(record.offset, record.length, record.what)
                    continue
                self.num_records += 1
                document = self._document(record)
                if document is not None:
                    yield document
        if not self.num_records and not self.damaged:
            self.report_damage(0, "the file holds no record")

    def _document(self, record: WarcRecord) -> Document | None:
        document = self.document(
            self._id(record),
            url=record.headers.get("warc-target-uri", "").strip().strip("<>") or None,
            date=record.headers.get("warc-date") or None,
            offset=record.offset,
            length=record.length,
            digest=record.headers.get("warc-payload-digest") or None,
        )
        if record.damage is not None:
            what = f"{record.type or 'untyped'} record: {record.damage}"
            if record.reason != "record_too_large":
                self.report_damage(record.offset, what)
            self.drop_record(document, record.reason, detail=what)
            return None
        if record.type not in CANDIDATE_TYPES:
            self.num_other_records[record.type or "untyped"] += 1
            return None
        if record.type == "revisit":
            self.drop_record(document, "revisit", detail=record.headers.get("warc-refers-to"))
            return None
        if "warc-segment-number" in record.headers:
            self.drop_record(document, "segmented_record", detail=record.headers["warc-segment-number"])
            return None
        return self._read_payload(record, document)

    def _id(self, record: WarcRecord) -> str:
        """The record's own id; its place where it has none, or shares a member with another of that id.

        Of those only the first could be found by it.
        """
        if record.length < 0 and record.id:
            if record.offset != self._shared:
                self._shared = record.offset
                self._ids.clear()
            if record.id in self._ids:
                return record_place(self.file.key, record)
            self._ids.add(record.id)
        return record.id or record_place(self.file.key, record)

    def _read_payload(self, record: WarcRecord, document: Document) -> Document | None:
        content_type = record.headers.get("content-type", "")
        is_http = mime_of(content_type) == "application/http" or (
            record.type == "response" and record.block[:5] == b"HTTP/"
        )
        if is_http:
            response = parse_response(record.block)
        else:
            response = HttpResponse(None, {"content-type": content_type}, record.block)
        if document.metadata["digest"] is None:
            document.metadata["digest"] = payload_digest(response.body)
        if is_http and response.status != 200:
            status = response.status
            self.drop_record(document, "http_status", status, None if status is not None else "no HTTP status line")
            return None
        identified = mime_of(record.headers.get("warc-identified-payload-type", ""))
        try:
            body = decode_body(response, self.max_body_bytes)
        except BodyTooLarge as error:
            mime = html_type(response.mime, identified, b"")
            if mime in HTML_TYPES or mime in _GENERIC_TYPES or record.type == "conversion":
                self.drop_record(document, "page_too_large", error.size, str(error))
            else:  # a film that says so
                self.drop_record(document, "not_html", detail=mime)
            return None
        except BodyError as error:
            self.drop_record(document, "decode_error", detail=str(error))
            return None
        if not body.strip(b"\x00 \t\r\n"):
            self.drop_record(document, "empty_payload")
            return None
        if record.type == "conversion" and response.mime == "text/plain":
            document.metadata[PLAIN_TEXT_KEY] = True
            return self._decoded(document, body, charset_of(content_type) or "utf-8", is_html=False)
        mime = html_type(response.mime, identified, body)
        if mime not in HTML_TYPES:
            self.drop_record(document, "not_html", detail=mime)
            return None
        return self._decoded(document, body, response.charset, is_html=True)

    def _decoded(self, document: Document, body: bytes, charset: str | None, is_html: bool) -> Document | None:
        decoded = decode(body, charset, is_html)
        if decoded.broken_fraction > MAX_BROKEN_FRACTION:
            what = f"characters that mean nothing in {decoded.codec}"
            self.drop_record(document, "decode_error", decoded.broken_fraction, what)
            return None
        document.text = decoded.text.replace("\x00", "")
        return document


def record_place(key: str, record: WarcRecord) -> str:
    """The id of a record that states none, as in ARC: `<file>#<offset>`, and `+<bytes>` that come before it there."""
    return f"{key}#{record.offset}" + (f"+{record.within}" if record.within else "")


def html_type(declared: str, identified: str, body: bytes) -> str:
    """The content type to go by: the declared one unless the body is plainly binary, else identified, else sniffed."""
    head = body[:_SNIFF_BYTES].lstrip()
    for magic, mime in _BINARY:
        if head.startswith(magic):
            return mime
    if declared not in _GENERIC_TYPES:
        return declared
    if identified:
        return identified
    if _HTML_TAG.search(head):
        return "text/html"
    return declared or "unknown"


def payload_digest(payload: bytes) -> str:
    """SHA-1 of a payload in the form that WARC uses: `sha1:` and base32."""
    return "sha1:" + base64.b32encode(hashlib.sha1(payload, usedforsecurity=False).digest()).decode("ascii")
