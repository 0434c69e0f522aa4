"""Packs pages of the real test data as one WARC file in Common Crawl's style, the same bytes every time."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import quote

_DATE = "2024-03-01T00:00:00Z"
_HTTP_DATE = "Fri, 01 Mar 2024 00:00:00 GMT"
_COMPRESSION_LEVEL = 6


class WebPage(NamedTuple):
    """One page of a folder of `web/`: its file there, its address, and its bytes as they were fetched."""

    file: str
    url: str
    html: bytes


def read_web_pages(folder: Path, num_pages: int | None = None) -> Iterator[WebPage]:
    """The first `num_pages` pages (all where None) of a folder such as `web/trafilatura`, in the archive's order."""
    with (folder / "manifest.jsonl").open(encoding="utf-8") as lines:
        records = {record["file"]: record for record in map(json.loads, lines)}
    left = len(records) if num_pages is None else num_pages
    with tarfile.open(folder / "html.tar.xz") as archive:
        for member in archive:
            if left <= 0:
                return
            record = records.get(member.name)
            file = archive.extractfile(member) if record is not None else None
            if record is not None and file is not None:
                left -= 1
                yield WebPage(member.name, _address(folder.name, record), file.read())


def first_pages(dump: bytes, num_pages: int) -> bytes:
    """The XML of a whole dump of the first pages of a dump's XML."""
    pages = dump.split(b"</page>")[:num_pages]
    assert len(pages) == num_pages
    return b"</page>".join(pages) + b"</page>\n</mediawiki>\n"


def pack_web_pages(folder: Path, target: Path, num_pages: int | None = None) -> int:
    """Write pages of a folder of `web/` to `target` (`.warc.gz`, one gzip member a record); returns how many.

    A `warcinfo` record, then a `response` record for each page. No charset is declared, because what the servers
    declared is not known. The file appears whole or not at all.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(target.name + ".unfinished")
    num_packed = 0
    with unfinished.open("wb") as file:
        _write_record(
            file, "warcinfo", f"info/{folder.name}", "application/warc-fields", b"format: WARC File Format 1.0\r\n"
        )
        for page in read_web_pages(folder, num_pages):
            _write_response(file, page)
            num_packed += 1
    os.replace(unfinished, target)
    return num_packed


def _address(collection: str, record: dict[str, str]) -> str:
    """The address that the manifest states. Some pages have none; they get one that no server has."""
    url = record.get("url") or ""
    if url.startswith(("http://", "https://")):
        return url
    return f"https://{record.get('host') or collection + '.invalid'}/{quote(record['file'])}"


def _write_response(file: BinaryIO, page: WebPage) -> None:
    head = (
        "HTTP/1.1 200 OK\r\n"
        f"Date: {_HTTP_DATE}\r\n"
        "Server: Apache\r\n"
        "Content-Type: text/html\r\n"
        f"Content-Length: {len(page.html)}\r\n"
        "\r\n"
    )
    more = {
        "WARC-Target-URI": page.url,
        "WARC-Payload-Digest": _digest(page.html),
        "WARC-Identified-Payload-Type": "text/html",
    }
    _write_record(file, "response", page.file, "application/http; msgtype=response", head.encode() + page.html, more)


def _write_record(
    file: BinaryIO, kind: str, name: str, content_type: str, block: bytes, more: dict[str, str] | None = None
) -> None:
    fields = {
        "WARC-Type": kind,
        "WARC-Date": _DATE,
        "WARC-Record-ID": f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{kind}:{name}')}>",
        "Content-Length": str(len(block)),
        "Content-Type": content_type,
        **(more or {}),
        "WARC-Block-Digest": _digest(block),
    }
    header = "WARC/1.0\r\n" + "".join(f"{key}: {value}\r\n" for key, value in fields.items()) + "\r\n"
    file.write(gzip.compress(header.encode() + block + b"\r\n\r\n", _COMPRESSION_LEVEL, mtime=0))


def _digest(data: bytes) -> str:
    """As WARC headers write it: the sha1 in base 32."""
    return "sha1:" + base64.b32encode(hashlib.sha1(data).digest()).decode()
