"""Read one raw record back from the address that a document carries, to prove where its text came from.

This needs no reader of the pipeline: it opens the raw file, goes to the offset and decompresses what is there.
"""

from __future__ import annotations

import bz2
import contextlib
import io
import json
import lzma
import re
import zlib
from collections.abc import Iterator
from typing import Any

import fsspec

from manifests.errors import UserError

_BLOCK_BYTES = 64 << 10
_WARC_START = re.compile(rb"(?:\A|\n)(WARC/\d\.\d+[ \t]*\r?\n)", re.IGNORECASE)
_PAGE_START = b"<page>"
_PAGE_END = b"</page>"


def read_record(path: str, format: str, offset: int, length: int, id: str) -> bytes:
    """The raw record of a document, decompressed: WARC record, `<page>` element, JSON line, row or whole file.

    format: of the raw file, as in the recipe. offset, length, id: the document's. Raises `UserError` when the bytes
    at that address are not the record.
    """
    if format in ("warc", "wet"):
        return read_warc_record(path, offset, length, id)
    if format == "mediawiki":
        return read_page(path, offset, length, id)
    if format == "jsonl":
        return _read_line(path, offset, length, id)
    if format == "parquet":
        return _read_row(path, id)
    with _open(path) as file:
        return b"".join(_decompressed(file, path, 0, -1))


def read_warc_record(path: str, offset: int, length: int, record_id: str | None = None) -> bytes:
    """The WARC record (header and block) in `length` stored bytes from `offset` of a file, decompressed.

    With length -1 the record shares a compressed member with others and is looked for by its id from there on.
    Raises `UserError` when no WARC record, or another one, is there.
    """
    with _open(path) as file:
        blocks = _decompressed(file, path, offset, length)
        if length < 0:
            if not record_id:
                raise UserError(f"{path}: a record at {offset} without a length can only be found by its id.")
            return _search_warc(blocks, path, offset, record_id)
        record = b"".join(blocks)
    if _WARC_START.match(record) is None:
        raise UserError(f"{path}: no WARC record starts at byte {offset}. The raw file has changed: run acquire again.")
    if record_id and _is_uri(record_id) and record_id not in _header_of(record):
        raise UserError(f"{path}: the record at byte {offset} is not {record_id}. The raw file has changed.")
    return record


def read_page(path: str, offset: int, length: int, page_id: str) -> bytes:
    """The `<page>` element of a MediaWiki dump, for a page id like `enwiki/12/345` (wiki, page, revision).

    offset, length: the stored bytes that hold it (in a compressed dump: whole streams); -1 reads from the start of
    the file until the page comes. Raises `UserError` when it is not there.
    """
    page, _, revision = page_id.rpartition("/")
    number = page.rpartition("/")[2]
    wanted = re.compile(
        rb"<id>%s</id>.*?<revision>\s*<id>%s</id>" % (re.escape(number.encode()), re.escape(revision.encode())),
        re.DOTALL,
    )
    buffer = bytearray()
    with _open(path) as file:
        for block in _decompressed(file, path, max(offset, 0), length if offset >= 0 else -1):
            buffer += block
            while (end := buffer.find(_PAGE_END)) >= 0:
                start = buffer.find(_PAGE_START)
                element = bytes(buffer[start : end + len(_PAGE_END)])
                del buffer[: end + len(_PAGE_END)]
                if start >= 0 and ("#" in page_id or wanted.search(element)):
                    return element
    where = f"in the {length} bytes at {offset}" if offset >= 0 else "in the file"
    raise UserError(f"{path}: page {page_id} is not {where}. The raw file has changed: run acquire again.")


def _read_line(path: str, offset: int, length: int, id: str) -> bytes:
    with _open(path) as file:
        if offset >= 0:
            file.seek(offset)
            return bytes(file.read(length))
        number = _number_in(id)
        lines = io.BytesIO(b"".join(_decompressed(file, path, 0, -1)))
    for current, line in enumerate(lines, start=1):
        if number is not None and current == number:
            return line
        if number is None:
            with contextlib.suppress(ValueError, AttributeError):
                if str(json.loads(line).get("id")) == id:
                    return line
    raise UserError(f"{path}: line {id} is not in the file. The raw file has changed: run acquire again.")


def _read_row(path: str, id: str) -> bytes:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with _open(path) as file:
        parquet = pq.ParquetFile(file)
        number = _number_in(id)
        first = 0
        for group in range(parquet.num_row_groups):
            num_rows = parquet.metadata.row_group(group).num_rows
            if number is not None and not first <= number < first + num_rows:
                first += num_rows
                continue
            table = parquet.read_row_group(group)
            row = number - first if number is not None else pc.index(table.column("id").cast("string"), id).as_py()
            if row >= 0:
                return json.dumps(table.slice(row, 1).to_pylist()[0], ensure_ascii=False, default=str).encode()
            first += num_rows
    raise UserError(f"{path}: row {id} is not in the file. The raw file has changed: run acquire again.")


def _number_in(id: str) -> int | None:
    """The line or row of an id that a reader made up: `<file>#<number>`."""
    number = id.rpartition("#")[2]
    return int(number) if "#" in id and number.isascii() and number.isdigit() else None


def _is_uri(record_id: str) -> bool:
    return ":" in record_id and "#" not in record_id


def _header_of(record: bytes) -> str:
    end = re.search(rb"\n\r?\n", record)
    return record[: end.start() if end else len(record)].decode("utf-8", "replace")


def _search_warc(blocks: Iterator[bytes], path: str, offset: int, record_id: str) -> bytes:
    buffer = bytearray()
    ended = False
    while True:
        start = _WARC_START.search(buffer)
        header_end = re.compile(rb"\n\r?\n").search(buffer, start.end()) if start else None
        if start is None or header_end is None:
            if ended:
                raise UserError(
                    f"{path}: record {record_id} is not at or after byte {offset}. The raw file has changed."
                )
            block = next(blocks, b"")
            ended = not block
            buffer += block
            continue
        header = bytes(buffer[start.start(1) : header_end.end()])
        stated = re.search(rb"\ncontent-length:\s*(\d+)", header, re.IGNORECASE)
        end = header_end.end() + (int(stated.group(1)) if stated else 0)
        if f"<{record_id}>" in header.decode("utf-8", "replace") or record_id in _header_of(header).split():
            while len(buffer) < end and (block := next(blocks, b"")):
                buffer += block
            return bytes(buffer[start.start(1) : end])
        while len(buffer) < end and (block := next(blocks, b"")):
            buffer += block
        del buffer[: max(1, min(end, len(buffer)))]
        buffer[:0] = b"\n"  # a start is looked for after a line end


@contextlib.contextmanager
def _open(path: str) -> Iterator[Any]:
    try:
        file = fsspec.open(path, "rb").open()
    except FileNotFoundError:
        raise UserError(f"{path}: the raw file is gone. Run the acquire stage again.") from None
    with file:
        yield file


def _decompressor(head: bytes) -> Any:
    """A new decompressor for a member that starts with `head`; None for plain bytes."""
    if head.startswith(b"\x1f\x8b\x08"):
        return zlib.decompressobj(wbits=31)
    if head.startswith(b"BZh"):
        return bz2.BZ2Decompressor()
    if head.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMADecompressor()
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj()
    if head.startswith(b"\x04\x22\x4d\x18"):
        import lz4.frame

        return lz4.frame.LZ4FrameDecompressor()
    return None


def _decompressed(file: Any, path: str, offset: int, length: int) -> Iterator[bytes]:
    """The bytes of `length` stored bytes from `offset` (-1: to the end of the file), decompressed."""
    file.seek(offset)
    left = length if length >= 0 else -1
    member: Any = None
    pending = b""
    while True:
        if not pending:
            pending = file.read(_BLOCK_BYTES if left < 0 else min(_BLOCK_BYTES, left))
            if left >= 0:
                left -= len(pending)
            if not pending:
                return
        if member is None:
            member = _decompressor(pending)
            if member is None:
                yield bytes(pending)
                pending = b""
                continue
        try:
            data = member.decompress(pending)
        except Exception as error:  # every codec has an error of its own
            raise UserError(
                f"{path}: the bytes at {offset} cannot be decompressed ({error}). Run acquire again."
            ) from error
        pending = b""
        if member.eof:
            pending = bytes(member.unused_data or b"")
            member = None
        if data:
            yield data
