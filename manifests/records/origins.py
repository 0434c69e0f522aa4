"""Notes in a local WARC file of where its records came from: `acquire` puts one before each record that it copies.

Such a note is a gzip member of its own that holds one stored block (RFC 1951, 3.2.4), so its bytes are the same on
every machine, and it can be found from its end: the block's length stands at its start.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

from manifests.errors import UserError
from manifests.paths import open_path

# RFC 1952: deflate, no flags, no time, no operating system; then the head of a block that is stored and last.
_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + b"\x01"
_LENGTHS = struct.Struct("<HH")
_TRAILER = struct.Struct("<II")
MOST_NOTE_BYTES = (1 << 16) - 1
_FIELDS = ("original-file", "original-offset", "original-length", "original-digest")


@dataclass(frozen=True)
class Origin:
    """A record's address where it was published.

    file: key of the WARC file below its mirror. offset, length: bytes as stored there. digest: of the payload, as the
    index of the crawl has it; None where it has none.
    """

    file: str
    offset: int
    length: int
    digest: str | None


def stored_member(data: bytes) -> bytes:
    """Data of at most 65,535 bytes as a gzip member that is not compressed."""
    if len(data) > MOST_NOTE_BYTES:
        raise ValueError(f"{len(data)} bytes do not go into one stored block")
    lengths = _LENGTHS.pack(len(data), len(data) ^ 0xFFFF)
    return _HEAD + lengths + data + _TRAILER.pack(zlib.crc32(data), len(data))


def origin_fields(origin: Origin) -> bytes:
    """The body of the note: `application/warc-fields`."""
    values = (origin.file, origin.offset, origin.length, origin.digest)
    lines = (f"{name}: {value}\r\n" for name, value in zip(_FIELDS, values, strict=True) if value is not None)
    return "".join(lines).encode()


def original_address(path: str, offset: int) -> Origin | None:
    """The address that the record at `offset` of a local WARC file came from; None where no note stands before it.

    Raises `UserError` when the file is gone.
    """
    most = len(_HEAD) + _LENGTHS.size + MOST_NOTE_BYTES + _TRAILER.size
    start = max(0, offset - most)
    try:
        with open_path(path) as file:
            file.seek(start)
            before: bytes = file.read(offset - start)
    except FileNotFoundError:
        raise UserError(f"{path}: the raw file is gone. Run the acquire stage again.") from None
    note = _last_stored_member(before)
    return None if note is None else _parse(note)


def _last_stored_member(data: bytes) -> bytes | None:
    """The bytes in the stored member at the very end of `data`."""
    at = data.rfind(_HEAD)
    while at >= 0:
        body = at + len(_HEAD) + _LENGTHS.size
        if body + _TRAILER.size <= len(data):
            length, complement = _LENGTHS.unpack_from(data, at + len(_HEAD))
            end = body + length
            if length ^ complement == 0xFFFF and end + _TRAILER.size == len(data):
                held = data[body:end]
                if _TRAILER.unpack_from(data, end) == (zlib.crc32(held), length):
                    return held
        at = data.rfind(_HEAD, 0, at + len(_HEAD) - 1)
    return None


def _parse(record: bytes) -> Origin | None:
    header, _, body = record.partition(b"\r\n\r\n")
    if not header.startswith(b"WARC/"):
        return None
    fields: dict[str, Any] = {}
    for line in body.decode("utf-8", "replace").splitlines():
        name, separator, value = line.partition(":")
        if separator:
            fields[name.strip()] = value.strip()
    try:
        file, offset, length = (fields[name] for name in _FIELDS[:3])
        return Origin(file, int(offset), int(length), fields.get(_FIELDS[3]))
    except (KeyError, ValueError):
        return None
