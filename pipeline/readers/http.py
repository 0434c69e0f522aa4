"""The HTTP response inside a WARC record: status, header fields, and the body with its codings undone.

Crawlers store bodies decoded while the header still names the coding, and servers name codings they did not apply.
So a coding is undone only where the body is really in it. RFC 9112 (messages, chunked), RFC 9110 (content codings).
"""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass

from pipeline.readers.warc_records import parse_fields

MAX_BODY_BYTES = 64 << 20
_GZIP = 31  # zlib's number for it
_STATUS_LINE = re.compile(rb"\s*HTTP/\d(?:\.\d)?[ \t]+(\d{3})\b")
_HEADER_END = re.compile(rb"\n\r?\n")
_BODY_LINE = re.compile(rb"\n[ \t]*(?=<)")
_CHUNK_LINE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([^\s\"';,]+)", re.IGNORECASE)


class BodyError(Exception):
    """The body cannot be decoded."""


class BodyTooLarge(Exception):
    """The body has more bytes than are read. size: how many, None where it was not unpacked to its end."""

    def __init__(self, max_bytes: int, size: int | None) -> None:
        super().__init__(f"a body of over {max_bytes} bytes" + (", unpacked" if size is None else ""))
        self.size = size


@dataclass(frozen=True)
class HttpResponse:
    """A parsed response. `status` is None where the block has no HTTP status line."""

    status: int | None
    headers: dict[str, str]
    body: bytes

    @property
    def mime(self) -> str:
        """Content type without parameters, in lower case, empty where the header has none."""
        return mime_of(self.headers.get("content-type", ""))

    @property
    def charset(self) -> str | None:
        return charset_of(self.headers.get("content-type", ""))


def mime_of(content_type: str) -> str:
    """The first word of a Content-Type; some servers leave out the semicolon after it."""
    words = content_type.partition(";")[0].partition(",")[0].split()
    return words[0].strip("\"'").lower() if words else ""


def charset_of(content_type: str) -> str | None:
    found = _CHARSET.search(content_type)
    return found.group(1) if found else None


def parse_response(block: bytes) -> HttpResponse:
    """Split a block into status, header fields and body as transferred. A block without status line is all body."""
    status = _STATUS_LINE.match(block)
    if status is None:
        return HttpResponse(None, {}, block)
    end = _HEADER_END.search(block, status.start())
    if end is None:
        # Some servers of the nineties sent no blank line: the body starts where a tag does.
        end = _BODY_LINE.search(block, status.start())
        head, body = (block, b"") if end is None else (block[: end.start() + 1], block[end.start() + 1 :])
    else:
        head, body = block[: end.start() + 1], block[end.end() :]
    return HttpResponse(int(status.group(1)), parse_fields(head.partition(b"\n")[2]), body)


def decode_body(response: HttpResponse, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The body with transfer and content codings undone.

    Raises `BodyError` where that fails, and `BodyTooLarge` where it has more than `max_bytes`.
    """
    body = response.body
    if "chunked" in response.headers.get("transfer-encoding", "").lower():
        body = join_chunks(body)
    codings = [coding.strip().lower() for coding in response.headers.get("content-encoding", "").split(",")]
    for coding in reversed(codings):
        body = _undo(coding, body, max_bytes)
    if len(body) > max_bytes:
        raise BodyTooLarge(max_bytes, len(body))
    return body


def join_chunks(body: bytes) -> bytes:
    """Undo chunked transfer. A body that is not chunked after all is returned as it is; a torn end is tolerated."""
    if _CHUNK_LINE.match(body) is None:
        return body
    parts: list[bytes] = []
    at = 0
    while (line := _CHUNK_LINE.match(body, at)) is not None:
        num_bytes = int(line.group(1), 16)
        if num_bytes == 0:
            return b"".join(parts)
        parts.append(body[line.end() : line.end() + num_bytes])
        at = line.end() + num_bytes
        if body[at : at + 2] == b"\r\n":
            at += 2
        elif body[at : at + 1] == b"\n":
            at += 1
        elif at < len(body):
            break
    if at < len(body):
        # What follows is no chunk: text that only looked chunked (a line starting with digits) is kept whole.
        return body if len(parts) <= 1 else b"".join([*parts, body[at:]])
    return b"".join(parts)


def _undo(coding: str, body: bytes, max_bytes: int) -> bytes:
    if not body:
        return body
    if coding in ("gzip", "x-gzip"):
        return _inflate(body, _GZIP, max_bytes) if body[:2] == b"\x1f\x8b" else body
    if coding == "deflate":
        # The name means zlib, yet many servers send the bare stream.
        try:
            return _inflate(body, 15, max_bytes)
        except BodyError:
            if _looks_like_text(body):
                return body
            return _inflate(body, -15, max_bytes)
    if coding in ("br", "zstd"):
        return _decompress_with_fastwarc(coding, body, max_bytes)
    return body


def _looks_like_text(body: bytes) -> bool:
    return body[:256].lstrip()[:1] == b"<" or (body[:256].isascii() and b"\x00" not in body[:256])


def _inflate(body: bytes, window_bits: int, max_bytes: int) -> bytes:
    """Inflate a body; a torn end is tolerated. A gzip body may come in several members (RFC 1952, 2.2)."""
    data = b""
    while True:
        inflater = zlib.decompressobj(wbits=window_bits)
        try:
            data += inflater.decompress(body, max_bytes + 1 - len(data))
        except zlib.error as error:
            raise BodyError(str(error)) from None
        if len(data) > max_bytes:
            raise BodyTooLarge(max_bytes, None)
        body = inflater.unused_data
        if window_bits != _GZIP or not body.startswith(b"\x1f\x8b\x08"):
            return data


def _decompress_with_fastwarc(coding: str, body: bytes, max_bytes: int) -> bytes:
    from fastwarc.stream_io import BrotliReader, ZstdReader

    reader = (BrotliReader if coding == "br" else ZstdReader)(io.BytesIO(body))
    try:
        data = bytes(reader.read(max_bytes + 1))
    except Exception as error:  # FastWARC states no narrower type
        if _looks_like_text(body):
            return body
        raise BodyError(f"{coding}: {error}") from None
    if len(data) > max_bytes:
        raise BodyTooLarge(max_bytes, None)
    return data
