"""Fetches single records of Common Crawl by the addresses of its index, and writes them as a local WARC file.

Neighbours in one WARC file come in one request. Every record is checked before it is written: a whole gzip member with
exactly one WARC record, whose payload has the digest that the index says. It is written byte for byte as it was, after
a `metadata` record that says where it was (`manifests.records.origins`). The file's bytes follow from the rows alone.
"""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from manifests.errors import UserError
from manifests.records.origins import Origin, origin_fields, stored_member
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.integrity import Damaged
from pipeline.mirrors.remote import check_key, join_url, public_url
from pipeline.mirrors.transport import NotFound, TooShort

UNAVAILABLE = "record_unavailable"
MAX_RECORD_BYTES = 256 << 20  # unpacked; Common Crawl cuts payloads at 5 MiB
_MOST_STORED_BYTES = 64 << 20
MOST_RANGE_BYTES = 4 << 20  # of one request; every thread holds a few of them
_GAP_BYTES = 64 << 10  # as much is rather fetched and thrown away than asked around
_UNPACK_BYTES = 1 << 20
_NO_FILE = "the mirror has no such file"
_BEHIND_THE_END = "the mirror's file ends before it does"
_NO_DATE = "1970-01-01T00:00:00Z"
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")


@dataclass(frozen=True)
class Unavailable:
    """A record that the index names and the mirror does not give. `why`: what is wrong with it."""

    origin: Origin
    why: str


@dataclass
class RecordCounts:
    """What `fetch_records` did.

    num_bytes: of the records, as stored. num_fetched_bytes: gaps and repeats included. num_repeated: records that came
    damaged and were asked for again.
    """

    num_records: int = 0
    num_bytes: int = 0
    num_requests: int = 0
    num_fetched_bytes: int = 0
    num_repeated: int = 0
    unavailable: list[Unavailable] = field(default_factory=list)


@dataclass(frozen=True)
class Span:
    """Records of one WARC file, in its order, that one request fetches."""

    file: str
    start: int
    stop: int
    records: tuple[Origin, ...]


def fetch_records(
    rows: pa.Table, mirror: str, downloader: Downloader, file: Any, unavailable: Literal["stop", "drop"] = "stop"
) -> RecordCounts:
    """Fetch the records of a batch (`INDEX_ROWS`, sorted) and write them to `file`, a binary file, as `.warc.gz`.

    unavailable: what to do about a record that the mirror lacks, or has damaged or with another digest when it was
    fetched twice: raise a `UserError` that names the first, or leave them out and tell of each in the result.
    Several threads may call this at a time, each with a file of its own.
    """
    counts = RecordCounts()
    crawls = sorted(set(rows["crawl"].to_pylist()))
    begun = False
    for span in join_neighbours(_origins(rows)):
        url = join_url(mirror, check_key(span.file, mirror))
        for origin, found in _fetch_span(span, url, downloader, counts):
            if isinstance(found, str):
                if unavailable == "stop":
                    raise UserError(
                        f"{public_url(url)}: the record at {origin.offset} ({origin.length} bytes) cannot be had: "
                        f'{found}. Run the same command later, or accept the loss with index.unavailable = "drop".'
                    )
                counts.unavailable.append(Unavailable(origin, found))
                continue
            if not begun:
                file.write(_warcinfo(crawls, found.date))
                begun = True
            file.write(_note(origin, found))
            file.write(found.member)
            counts.num_records += 1
            counts.num_bytes += origin.length
    if not begun:
        file.write(_warcinfo(crawls, _NO_DATE))
    return counts


def join_neighbours(records: Iterator[Origin]) -> Iterator[Span]:
    """Records (sorted by file and offset) as spans of at most 4 MiB with gaps of at most 64 KiB.

    A record that is larger is a span of its own.
    """
    held: list[Origin] = []
    start = stop = 0
    for record in records:
        end = record.offset + record.length
        if held and (
            record.file != held[0].file or record.offset - stop > _GAP_BYTES or end - start > MOST_RANGE_BYTES
        ):
            yield Span(held[0].file, start, stop, tuple(held))
            held = []
        if not held:
            start, stop = record.offset, end
        held.append(record)
        stop = max(stop, end)
    if held:
        yield Span(held[0].file, start, stop, tuple(held))


@dataclass(frozen=True)
class _Record:
    """A checked record: its id with angle brackets, its date, and its gzip member as stored."""

    id: str
    date: str
    member: bytes


def _origins(rows: pa.Table) -> Iterator[Origin]:
    for batch in rows.select(["file", "offset", "length", "digest"]).to_batches(1 << 10):
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield Origin(*values)


def _fetch_span(
    span: Span, url: str, downloader: Downloader, counts: RecordCounts
) -> Iterator[tuple[Origin, _Record | str]]:
    """Each record of a span, or what is wrong with it."""
    wrong = [origin for origin in span.records if not 0 < origin.length <= _MOST_STORED_BYTES or origin.offset < 0]
    if wrong:
        what = f"the index of this crawl gives {wrong[0].length} bytes at {wrong[0].offset}"
        raise UserError(f"{public_url(url)}: {what}, which is no record. Use another mirror.")

    def fetch(start: int, stop: int) -> bytes:
        counts.num_requests += 1
        data = downloader.fetch_range(url, start, stop - start)
        counts.num_fetched_bytes += len(data)
        return data

    try:
        data = fetch(span.start, span.stop)
    except NotFound:
        yield from ((origin, _NO_FILE) for origin in span.records)
        return
    except TooShort:
        if len(span.records) == 1:
            yield span.records[0], _BEHIND_THE_END
            return
        for origin in span.records:  # those before the cut are there
            alone = Span(span.file, origin.offset, origin.offset + origin.length, (origin,))
            yield from _fetch_span(alone, url, downloader, counts)
        return
    for origin in span.records:
        at = origin.offset - span.start
        try:
            yield origin, _check(origin, data[at : at + origin.length])
        except Damaged:
            counts.num_repeated += 1
            try:
                yield origin, _check(origin, fetch(origin.offset, origin.offset + origin.length))
            except TooShort:
                yield origin, _BEHIND_THE_END
            except NotFound:
                yield origin, _NO_FILE
            except Damaged as error:
                yield origin, str(error)


def _check(origin: Origin, member: bytes) -> _Record:
    """The record in a gzip member. Raises `Damaged` where it is not one whole record with the digest of the index."""
    header, block = _split(_unpack(member))
    fields = _fields(header)
    record_id, date = fields.get("warc-record-id", ""), fields.get("warc-date", "")
    if not re.fullmatch(r"<[^<>\s]+>", record_id) or not re.fullmatch(r"[0-9TZ:.+-]+", date):
        raise Damaged("it has no WARC-Record-ID or no WARC-Date")
    if not fields.get("content-length", "").isdigit() or len(block) != int(fields["content-length"]):
        raise Damaged(f"its block has {len(block)} bytes, not {fields.get('content-length', 'any')} as it says")
    if origin.digest is not None:
        _check_digest(_bare(origin.digest), fields, block)
    return _Record(record_id, date, member)


def _check_digest(expected: str, fields: dict[str, str], block: bytes) -> None:
    stated = fields.get("warc-payload-digest")
    if stated is not None and _bare(stated) != expected:
        raise Damaged(f"its payload digest is {_bare(stated)}, not {expected} as the index says")
    if fields.get("warc-type", "").lower() == "revisit":  # the payload is another record's
        return
    found = ""
    for payload in _payloads(fields, block):
        found = base64.b32encode(hashlib.sha1(payload, usedforsecurity=False).digest()).decode("ascii")
        if found == expected:
            return
    raise Damaged(f"the sha1 of its payload is {found}, not {expected} as the index says")


def _payloads(fields: dict[str, str], block: bytes) -> Iterator[bytes]:
    """What may be meant by the payload of a record: its block, of an HTTP message the body, as sent or dechunked."""
    if not fields.get("content-type", "").lower().startswith("application/http"):
        yield block
        return
    head = re.search(rb"\r?\n\r?\n", block)
    body = block[head.end() :] if head else b""
    yield body
    dechunked = _dechunked(body)
    if dechunked is not None:
        yield dechunked


def _dechunked(body: bytes) -> bytes | None:
    parts: list[bytes] = []
    at = 0
    while (size := _CHUNK_SIZE.match(body, at)) is not None:
        num_bytes, start = int(size[1], 16), size.end()
        if num_bytes == 0:
            return b"".join(parts)
        parts.append(body[start : start + num_bytes])
        at = start + num_bytes
        at += 2 if body[at : at + 2] == b"\r\n" else 1
    return None


def _bare(digest: str) -> str:
    """A sha1 in base 32 without the name of the algorithm."""
    return digest.strip().rpartition(":")[2].upper()


def _unpack(member: bytes) -> bytes:
    """What one whole gzip member holds. Raises `Damaged` where the bytes are not exactly that."""
    unpacker = zlib.decompressobj(wbits=31)
    data = bytearray()
    rest = member
    try:
        while rest and not unpacker.eof:
            data += unpacker.decompress(rest, _UNPACK_BYTES)
            rest = unpacker.unconsumed_tail
            if len(data) > MAX_RECORD_BYTES:
                raise Damaged(f"it has more than {MAX_RECORD_BYTES:,} bytes unpacked")
    except zlib.error as error:
        raise Damaged(f"it is no whole gzip member ({error})") from None
    if not unpacker.eof:
        raise Damaged("its gzip member is cut off")
    if unpacker.unused_data:
        raise Damaged("its gzip member ends too early")
    return bytes(data)


def _split(record: bytes) -> tuple[bytes, bytes]:
    """Header and block of the only WARC record in `record`; its length is checked by the caller."""
    if re.match(rb"WARC/1\.\d\r?\n", record) is None:
        raise Damaged("it is no WARC record")
    end = re.search(rb"\r?\n\r?\n", record)
    if end is None or not record.endswith(b"\r\n\r\n") or end.end() > len(record) - 4:
        raise Damaged("it is no whole WARC record")
    return record[: end.start()], record[end.end() : -4]


def _fields(header: bytes) -> dict[str, str]:
    """Header fields by their names in lower case; the first of a name counts."""
    fields: dict[str, str] = {}
    for line in header.decode("utf-8", "replace").split("\n")[1:]:
        name, separator, value = line.partition(":")
        if separator:
            fields.setdefault(name.strip().lower(), value.strip())
    return fields


def _warcinfo(crawls: list[str], date: str) -> bytes:
    """The record that begins a file: what it is. Its id follows from the crawls, its date from the first record."""
    body = (
        "software: groundup\r\nformat: WARC File Format 1.0\r\n"
        f"isPartOf: {', '.join(crawls)}\r\ndescription: Records that the columnar index of the crawl names\r\n"
    )
    return _member("warcinfo", f"warcinfo/{','.join(crawls)}/{date}", date, {}, body.encode())


def _note(origin: Origin, record: _Record) -> bytes:
    """The metadata record that says where the record after it was."""
    name = f"{origin.file}#{origin.offset}+{origin.length}"
    return _member("metadata", name, record.date, {"WARC-Refers-To": record.id}, origin_fields(origin))


def _member(kind: str, name: str, date: str, more: dict[str, str], body: bytes) -> bytes:
    fields = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}>",
        "WARC-Date": date,
        **more,
        "Content-Type": "application/warc-fields",
        "Content-Length": str(len(body)),
    }
    header = "WARC/1.0\r\n" + "".join(f"{key}: {value}\r\n" for key, value in fields.items()) + "\r\n"
    return stored_member(header.encode() + body + b"\r\n\r\n")
