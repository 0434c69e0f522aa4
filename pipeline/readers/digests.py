"""Checks the digests that a WARC file states of its own records.

ISO 28500: WARC-Block-Digest is of the block, WARC-Payload-Digest of the payload, which in an HTTP record is the body.
Writers differ in whether a chunked body is the one transferred or the one without its chunks, so either may match. The
payload of a revisit is in another record, and that of a segment goes on in others: both are left out.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from pipeline.readers.http import join_chunks, mime_of
from pipeline.readers.members import MemberStream, open_raw
from pipeline.readers.warc_records import Unreadable, WarcRecord, iterate_records, starts_record

_ALGORITHMS = frozenset({"md5", "sha1", "sha224", "sha256", "sha384", "sha512"})
_HELD_BYTES = 16 << 20  # larger blocks are hashed as they come
_MOST_LISTED = 1000
_HEADER_END = re.compile(rb"\n\r?\n")
_MOST_HTTP_HEADER_BYTES = 1 << 20
BLOCK = "WARC-Block-Digest"
PAYLOAD = "WARC-Payload-Digest"


@dataclass(frozen=True)
class Mismatch:
    """A digest that is not that of the bytes.

    offset: of the record, in bytes as stored. id: its WARC-Record-ID, empty where it has none. name: of the header
    field. stated, computed: the digests; the computed one as `algorithm:base32`.
    """

    offset: int
    id: str
    name: str
    stated: str
    computed: str

    @property
    def what(self) -> str:
        return f"{self.name} is {self.stated}, but its bytes give {self.computed}"


@dataclass
class DigestReport:
    """The result of a check. Digests are counted one by one, a record may state two.

    num_records: records whose header was read. num_verified: digests that hold. num_absent: records that state none.
    num_unknown: digests of an algorithm that is not known. num_unchecked: payload digests of revisits and segments, and
    of chunked bodies too large to be held that did not hold as transferred. num_mismatches: digests that do not hold;
    `mismatches` lists the first thousand. damaged: a line for each place that could not be read, the first thousand.
    """

    num_records: int = 0
    num_verified: int = 0
    num_absent: int = 0
    num_unknown: int = 0
    num_unchecked: int = 0
    num_mismatches: int = 0
    num_damaged: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """True where the whole file could be read and no digest is wrong."""
        return not self.num_mismatches and not self.num_damaged


def check_warc_digests(path: str) -> DigestReport:
    """Check every digest of a WARC file, in memory that does not grow with the file or a record.

    path: anything fsspec opens. ARC records state no digest. Raises `UserError` where the file cannot be opened.
    """
    report = DigestReport()
    with open_raw(path) as raw:
        stream = MemberStream(raw, name=path, starts=starts_record)
        large = _LargeBlock()
        for record in iterate_records(stream, _HELD_BYTES, large):
            if isinstance(record, Unreadable):
                _add_damage(report, record.offset, record.what)
                continue
            report.num_records += 1
            if record.reason == "record_too_large":
                if large.num_missing:
                    _add_damage(report, record.offset, "the file ends inside a record")
                else:
                    _check(report, record, large.digests(), large.is_chunked)
            elif record.damage is not None:
                _add_damage(report, record.offset, record.damage)
            else:
                _check_held(report, record)
    return report


def _add_damage(report: DigestReport, offset: int, what: str) -> None:
    report.num_damaged += 1
    if len(report.damaged) < _MOST_LISTED:
        report.damaged.append(f"at byte {offset}: {what}")


def _check_held(report: DigestReport, record: WarcRecord) -> None:
    digests: dict[str, bytes] = {}
    body: memoryview | None = None
    for name, (algorithm, _) in _stated(record.headers).items():
        data = memoryview(record.block)
        if name == PAYLOAD:
            data = body = data[_http_header_bytes(record.headers, record.block) :]
        if algorithm in _ALGORITHMS:
            digests[name] = _hash(algorithm, data)
    if body is not None and _says_chunked(record.block, len(record.block) - len(body)):
        algorithm, value = _stated(record.headers)[PAYLOAD]
        if algorithm in _ALGORITHMS and _value_bytes(value, algorithm) != digests[PAYLOAD]:
            joined = _hash(algorithm, memoryview(join_chunks(bytes(body))))
            if joined == _value_bytes(value, algorithm):
                digests[PAYLOAD] = joined
    _check(report, record, digests, False)


def _check(report: DigestReport, record: WarcRecord, digests: dict[str, bytes], may_be_chunked: bool) -> None:
    """Count the digests that a record states; `digests` has those computed."""
    stated = _stated(record.headers)
    if not stated:
        report.num_absent += 1
    for name, (algorithm, value) in stated.items():
        if name == PAYLOAD and (record.type == "revisit" or "warc-segment-number" in record.headers):
            report.num_unchecked += 1
        elif algorithm not in _ALGORITHMS:
            report.num_unknown += 1
        elif digests[name] == _value_bytes(value, algorithm):
            report.num_verified += 1
        elif name == PAYLOAD and may_be_chunked:
            report.num_unchecked += 1
        else:
            report.num_mismatches += 1
            if len(report.mismatches) < _MOST_LISTED:
                computed = f"{algorithm}:{base64.b32encode(digests[name]).decode('ascii').rstrip('=')}"
                whole = record.headers[name.lower()][:200]
                report.mismatches.append(Mismatch(record.offset, record.id, name, whole, computed))


def _stated(headers: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Algorithm and value of each digest that the header states."""
    found = {}
    for name in (BLOCK, PAYLOAD):
        stated = headers.get(name.lower())
        if stated:
            algorithm, _, value = stated.partition(":")
            found[name] = (algorithm.strip().lower().replace("-", ""), value.strip())
    return found


def _value_bytes(value: str, algorithm: str) -> bytes | None:
    """A digest's bytes, written in base16, base32 or base64 (RFC 4648), told by its length; None where it is none."""
    size = hashlib.new(algorithm, usedforsecurity=False).digest_size
    value = value.rstrip("=")
    try:
        if len(value) == 2 * size:
            return bytes.fromhex(value)
        if len(value) == -(-8 * size // 5):
            return base64.b32decode(value.upper() + "=" * (-len(value) % 8))
        if len(value) == -(-4 * size // 3):
            return base64.b64decode(value.replace("-", "+").replace("_", "/") + "=" * (-len(value) % 4), validate=True)
    except ValueError:
        return None
    return None


def _hash(algorithm: str, data: memoryview | bytes) -> bytes:
    return hashlib.new(algorithm, data, usedforsecurity=False).digest()


def _is_http(headers: dict[str, str], block: bytes | bytearray) -> bool:
    return mime_of(headers.get("content-type", "")) == "application/http" or block[:5] == b"HTTP/"


def _http_header_bytes(headers: dict[str, str], block: bytes | bytearray) -> int:
    """The start of the payload in a block: after the HTTP header, if it is of HTTP."""
    if not _is_http(headers, block):
        return 0
    end = _HEADER_END.search(block)
    return end.end() if end is not None else len(block)


def _says_chunked(block: bytes | bytearray, header_bytes: int) -> bool:
    return b"chunked" in block[:header_bytes].lower()


class _LargeBlock:
    """Hashes a block that comes in pieces."""

    def __init__(self) -> None:
        self.begin({})

    def begin(self, headers: dict[str, str]) -> None:
        self._headers = headers
        self._hashers: dict[str, Any] = {
            name: hashlib.new(algorithm, usedforsecurity=False)
            for name, (algorithm, _) in _stated(headers).items()
            if algorithm in _ALGORITHMS
        }
        self._head: bytearray | None = bytearray()  # of the block, until the HTTP header's end is found
        self.num_missing = int(headers.get("content-length", "0"))
        self.is_chunked = False

    def update(self, data: bytes) -> None:
        self.num_missing -= len(data)
        if BLOCK in self._hashers:
            self._hashers[BLOCK].update(data)
        if PAYLOAD not in self._hashers:
            return
        if self._head is None:
            self._hashers[PAYLOAD].update(data)
            return
        self._head += data
        ended = _HEADER_END.search(self._head) is not None or len(self._head) > _MOST_HTTP_HEADER_BYTES
        if ended or not _is_http(self._headers, self._head):
            at = _http_header_bytes(self._headers, self._head)
            self.is_chunked = _says_chunked(self._head, at)
            self._hashers[PAYLOAD].update(bytes(self._head[at:]))
            self._head = None

    def digests(self) -> dict[str, bytes]:
        return {name: hasher.digest() for name, hasher in self._hashers.items()}
