"""A mirror in Common Crawl's layout, made of real pages: WARC and WET files, path listings, and the columnar index.

Schema of the index: cc-index-schema-flat.json of cc-index-table, without the columns that newer crawls add. Offsets and
digests in it are those of the WARC files.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from tests.packing import WebPage, read_web_pages

CRAWL = "CC-MAIN-2024-10"
_DATE = "2024-03-01T00:00:00Z"
_SECOND_LEVELS = frozenset({"ac", "co", "com", "edu", "gov", "net", "org"})
_THREE_LETTERS = {"en": "eng", "zh": "zho", "el": "ell", "pl": "pol", "ru": "rus"}
_STRING = pa.string()
INDEX_SCHEMA = pa.schema(
    [
        pa.field("url_surtkey", _STRING, nullable=False),
        pa.field("url", _STRING, nullable=False),
        pa.field("url_host_name", _STRING, nullable=False),
        pa.field("url_host_tld", _STRING),
        pa.field("url_host_2nd_last_part", _STRING),
        pa.field("url_host_3rd_last_part", _STRING),
        pa.field("url_host_4th_last_part", _STRING),
        pa.field("url_host_5th_last_part", _STRING),
        pa.field("url_host_registry_suffix", _STRING),
        pa.field("url_host_registered_domain", _STRING),
        pa.field("url_host_private_suffix", _STRING),
        pa.field("url_host_private_domain", _STRING),
        pa.field("url_host_name_reversed", _STRING),
        pa.field("url_protocol", _STRING, nullable=False),
        pa.field("url_port", pa.int32()),
        pa.field("url_path", _STRING, nullable=False),
        pa.field("url_query", _STRING),
        pa.field("fetch_time", pa.timestamp("ms"), nullable=False),
        pa.field("fetch_status", pa.int16(), nullable=False),
        pa.field("fetch_redirect", _STRING),
        pa.field("content_digest", _STRING),
        pa.field("content_mime_type", _STRING),
        pa.field("content_mime_detected", _STRING),
        pa.field("content_charset", _STRING),
        pa.field("content_languages", _STRING),
        pa.field("content_truncated", _STRING),
        pa.field("warc_filename", _STRING, nullable=False),
        pa.field("warc_record_offset", pa.int32(), nullable=False),
        pa.field("warc_record_length", pa.int32(), nullable=False),
        pa.field("warc_segment", _STRING, nullable=False),
    ]
)


@dataclass(frozen=True)
class CrawlMirror:
    """What `make_crawl` wrote: keys of its files and every row of the index."""

    folder: Path
    crawl: str
    warc_keys: list[str]
    wet_keys: list[str]
    index_keys: list[str]
    rows: pa.Table

    def record(self, row: dict[str, object]) -> bytes:
        """The gzip member that an index row names."""
        start = int(row["warc_record_offset"])  # type: ignore[call-overload]
        data = (self.folder / str(row["warc_filename"])).read_bytes()
        return data[start : start + int(row["warc_record_length"])]  # type: ignore[call-overload]


def real_pages(shared_data: Path, num_pages: int) -> list[tuple[WebPage, str | None]]:
    """Pages of both collections of `web/`, half and half, with the code of their language where it is known."""
    half = num_pages // 2
    found: list[tuple[WebPage, str | None]] = [
        (page, None) for page in read_web_pages(shared_data / "web" / "trafilatura", half)
    ]
    folder = shared_data / "web" / "waddle-daniel"
    with (folder / "manifest.jsonl").open(encoding="utf-8") as lines:
        languages = {record["file"]: _THREE_LETTERS[record["lang"]] for record in map(json.loads, lines)}
    found += [(page, languages[page.file]) for page in read_web_pages(folder, num_pages - len(found))]
    return found


def make_crawl(
    folder: Path,
    pages: Sequence[tuple[WebPage, str | None]],
    crawl: str = CRAWL,
    num_warcs: int = 4,
    num_parts: int = 2,
    rows_per_group: int = 100,
    num_wets: int = 2,
) -> CrawlMirror:
    """Write a crawl below `folder`. Pages go round the WARC files, so that a host's pages are in several of them."""
    keys = [_key(crawl, number, "warc", "warc.gz") for number in range(num_warcs)]
    rows: list[dict[str, object]] = []
    for number, key in enumerate(keys):
        rows += _write_warc(folder, key, pages[number::num_warcs])
    wet_keys = [_key(crawl, number, "wet", "warc.wet.gz") for number in range(num_wets)]
    for number, key in enumerate(wet_keys):
        _write_wet(folder, key, pages[number :: max(1, num_warcs * 4)])
    table = pa.Table.from_pylist(rows, schema=INDEX_SCHEMA).sort_by("url_surtkey")
    index = f"cc-index/table/cc-main/warc/crawl={crawl}"
    index_keys = []
    size = -(-table.num_rows // num_parts)
    for number in range(num_parts):
        name = f"part-{number:05d}-{uuid.uuid5(uuid.NAMESPACE_URL, crawl)}.c000.gz.parquet"
        index_keys.append(f"{index}/subset=warc/{name}")
        target = folder / index_keys[-1]
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.slice(number * size, size), target, row_group_size=rows_per_group, compression="gzip")
    others = [f"{index}/subset={subset}/{name}" for subset in ("crawldiagnostics", "robotstxt")]
    _write_listing(folder, f"crawl-data/{crawl}/warc.paths.gz", keys)
    _write_listing(folder, f"crawl-data/{crawl}/wet.paths.gz", wet_keys)
    _write_listing(folder, f"crawl-data/{crawl}/cc-index-table.paths.gz", [*others, *index_keys])
    return CrawlMirror(folder, crawl, keys, wet_keys, index_keys, table)


def _key(crawl: str, number: int, kind: str, ending: str) -> str:
    segment = f"17079474{number % 2:05d}.{number % 2}"
    return f"crawl-data/{crawl}/segments/{segment}/{kind}/CC-MAIN-20240220211055-20240221001055-{number:05d}.{ending}"


def _write_listing(folder: Path, path: str, keys: list[str]) -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress("".join(f"{key}\n" for key in keys).encode(), mtime=0))


def _write_warc(folder: Path, key: str, pages: Iterable[tuple[WebPage, str | None]]) -> list[dict[str, object]]:
    target = folder / key
    target.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    with target.open("wb") as file:
        file.write(_record("warcinfo", key, "application/warc-fields", b"isPartOf: a crawl\r\n"))
        for page, language in pages:
            url = _ascii(page.url)
            file.write(_record("request", url, "application/http; msgtype=request", b"GET / HTTP/1.1\r\n\r\n", url))
            head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(page.html)}\r\n\r\n"
            digest = _digest(page.html)
            member = _record(
                "response",
                f"{key}/{url}",
                "application/http; msgtype=response",
                head.encode() + page.html,
                url,
                {"WARC-Payload-Digest": f"sha1:{digest}", "WARC-Identified-Payload-Type": "text/html"},
            )
            rows.append(_row(url, language, digest, key, file.tell(), len(member)))
            file.write(member)
            file.write(_record("metadata", url, "application/warc-fields", b"fetchTimeMs: 7\r\n", url))
    return rows


def _write_wet(folder: Path, key: str, pages: Iterable[tuple[WebPage, str | None]]) -> None:
    target = folder / key
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        file.write(_record("warcinfo", key, "application/warc-fields", b"isPartOf: a crawl\r\n"))
        for page, _ in pages:
            text = re.sub(
                r"(?s)<script.*?</script>|<style.*?</style>|<[^>]*>", " ", page.html.decode("utf-8", "replace")
            )
            body = "\n".join(line.strip() for line in html.unescape(text).splitlines() if line.strip())
            url = _ascii(page.url)
            file.write(_record("conversion", f"{key}/{url}", "text/plain", body.encode("utf-8", "replace"), url))


def _record(
    kind: str, name: str, content_type: str, block: bytes, url: str | None = None, more: dict[str, str] | None = None
) -> bytes:
    fields = {
        "WARC-Type": kind,
        "WARC-Date": _DATE,
        "WARC-Record-ID": f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{kind}:{name}')}>",
        "Content-Length": str(len(block)),
        "Content-Type": content_type,
        **({"WARC-Target-URI": url} if url else {}),
        **(more or {}),
    }
    header = "WARC/1.0\r\n" + "".join(f"{field}: {value}\r\n" for field, value in fields.items()) + "\r\n"
    return gzip.compress(header.encode() + block + b"\r\n\r\n", 6, mtime=0)


def _row(url: str, language: str | None, digest: str, key: str, offset: int, length: int) -> dict[str, object]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    labels = host.split(".")
    suffix_labels = 2 if len(labels) > 2 and labels[-2] in _SECOND_LEVELS and len(labels[-1]) == 2 else 1
    suffix, domain = ".".join(labels[-suffix_labels:]), ".".join(labels[-suffix_labels - 1 :])
    last = [*reversed(labels), None, None, None, None, None]
    surt_host = re.sub(r"^www\d*\.", "", host).split(".")
    return {
        "url_surtkey": f"{','.join(reversed(surt_host))}){parts.path or '/'}".lower(),
        "url": url,
        "url_host_name": host,
        "url_host_tld": last[0],
        "url_host_2nd_last_part": last[1],
        "url_host_3rd_last_part": last[2],
        "url_host_4th_last_part": last[3],
        "url_host_5th_last_part": last[4],
        "url_host_registry_suffix": suffix,
        "url_host_registered_domain": domain,
        "url_host_private_suffix": suffix,
        "url_host_private_domain": domain,
        "url_host_name_reversed": ".".join(reversed(labels)),
        "url_protocol": parts.scheme,
        "url_port": parts.port,
        "url_path": parts.path,
        "url_query": parts.query or None,
        "fetch_time": datetime(2024, 3, 1, tzinfo=UTC).replace(tzinfo=None),
        "fetch_status": 200,
        "content_digest": digest,
        "content_mime_type": "text/html",
        "content_mime_detected": "text/html",
        "content_charset": "UTF-8",
        "content_languages": language,
        "warc_filename": key,
        "warc_record_offset": offset,
        "warc_record_length": length,
        "warc_segment": key.split("/")[3],
    }


def _ascii(url: str) -> str:
    return quote(url, safe="/:?#[]@!$&'()*+,;=%~")


def _digest(data: bytes) -> str:
    return base64.b32encode(hashlib.sha1(data).digest()).decode()
