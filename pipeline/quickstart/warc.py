"""WARC files as Common Crawl publishes them: one gzip member a record, a request and a response for each page.

Everything in a record follows from its address and its bytes: identifiers are UUIDs of the address, and the dates are
those of the crawl's name. So the same pages give the same files.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import uuid
from collections.abc import Iterable
from urllib.parse import urlsplit

CRAWL = "CC-MAIN-2026-01-quickstart"
_SEGMENT = "1767225600000.00"
_SPAN = "CC-MAIN-20260101000000-20260101030000"
_WARC_DATE = "2026-01-01T00:00:00Z"
_HTTP_DATE = "Thu, 01 Jan 2026 00:00:00 GMT"
_IP_ADDRESS = "192.0.2.1"  # of the block that is reserved for documentation
_COMPRESSION = 6
_NEWLINE = "\r\n"


def warc_path(number: int) -> str:
    """Where the file of this number stands in the mirror, as `warc.paths.gz` lists it."""
    return f"crawl-data/{CRAWL}/segments/{_SEGMENT}/warc/{_SPAN}-{number:05d}.warc.gz"


def paths_listing(num_files: int) -> bytes:
    """The crawl's `warc.paths.gz`."""
    return _member("".join(f"{warc_path(number)}\n" for number in range(num_files)).encode())


def warc_file(number: int, pages: Iterable[tuple[str, bytes]]) -> bytes:
    """A whole WARC file: a warcinfo record, then a request and a response for each (address, HTML) pair."""
    name = warc_path(number).rpartition("/")[2]
    info_id = _record_id("warcinfo", name)
    fields = [
        ("isPartOf", CRAWL),
        ("publisher", "groundup"),
        ("description", "Documentation of the Python packages of one machine, as pages"),
        ("software", "groundup quickstart"),
        ("format", "WARC File Format 1.0"),
    ]
    block = _header_lines(fields).encode()
    members = [_record("warcinfo", info_id, "application/warc-fields", block, [("WARC-Filename", name)])]
    for url, html in pages:
        request_id, response_id = _record_id("request", url), _record_id("response", url)
        shared = [("WARC-Warcinfo-ID", info_id), ("WARC-IP-Address", _IP_ADDRESS), ("WARC-Target-URI", url)]
        request = _http_request(url)
        digest = ("WARC-Payload-Digest", payload_digest(b""))
        members.append(_record("request", request_id, "application/http; msgtype=request", request, [*shared, digest]))
        more = [
            ("WARC-Concurrent-To", request_id),
            *shared,
            ("WARC-Payload-Digest", payload_digest(html)),
            ("WARC-Identified-Payload-Type", "text/html"),
        ]
        response = _http_response(html)
        members.append(_record("response", response_id, "application/http; msgtype=response", response, more))
    return b"".join(members)


def payload_digest(payload: bytes) -> str:
    """A digest as WARC headers write it: the sha1 in base 32."""
    return "sha1:" + base64.b32encode(hashlib.sha1(payload).digest()).decode()


def _record_id(kind: str, name: str) -> str:
    return f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{CRAWL}/{kind}/{name}')}>"


def _record(kind: str, record_id: str, content_type: str, block: bytes, more: list[tuple[str, str]]) -> bytes:
    fields = [
        ("WARC-Type", kind),
        ("WARC-Date", _WARC_DATE),
        ("WARC-Record-ID", record_id),
        ("Content-Length", str(len(block))),
        ("Content-Type", content_type),
        *more,
        ("WARC-Block-Digest", payload_digest(block)),
    ]
    header = f"WARC/1.0{_NEWLINE}{_header_lines(fields)}{_NEWLINE}"
    return _member(header.encode() + block + b"\r\n\r\n")


def _http_request(url: str) -> bytes:
    parts = urlsplit(url)
    fields = [
        ("User-Agent", "groundup-quickstart"),
        ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("Accept-Language", "en-US,en;q=0.5"),
        ("Accept-Encoding", "identity"),
        ("Host", parts.netloc),
        ("Connection", "Keep-Alive"),
    ]
    return f"GET {parts.path} HTTP/1.1{_NEWLINE}{_header_lines(fields)}{_NEWLINE}".encode()


def _http_response(html: bytes) -> bytes:
    fields = [
        ("Date", _HTTP_DATE),
        ("Server", "nginx"),
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(html))),
        ("Last-Modified", _HTTP_DATE),
        ("Connection", "keep-alive"),
        ("Vary", "Accept-Encoding"),
    ]
    return f"HTTP/1.1 200 OK{_NEWLINE}{_header_lines(fields)}{_NEWLINE}".encode() + html


def _header_lines(fields: list[tuple[str, str]]) -> str:
    return "".join(f"{name}: {value}{_NEWLINE}" for name, value in fields)


def _member(data: bytes) -> bytes:
    return gzip.compress(data, _COMPRESSION, mtime=0)
