"""Read one raw record back from the address that a document carries, to prove where its text came from.

This needs no reader of the pipeline: it opens the raw file, goes to the offset and decompresses what is there.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from manifests.errors import UserError
from manifests.paths import open_path
from manifests.records.compressions import (
    COMPRESSIONS,
    HEAD_BYTES,
    STEP_BYTES,
    Compression,
    Source,
    compression_of,
    damage_errors,
    read_exactly,
    zstd_dictionary,
)
from manifests.records.csv_header import Header, read_header

_BLOCK_BYTES = 64 << 10
_MOST_HEADER_BYTES = 1 << 20
_MOST_FIELD_CHARACTERS = 1 << 30
_WARC_START = re.compile(rb"(?:\A|\n)(WARC/\d\.\d+[.\d]*[ \t]*\r?\n)", re.IGNORECASE)
# URL, IP address, date, what the version has, and the length; the line end is the header's end.
_ARC_HEADER = re.compile(
    rb"[a-zA-Z][a-zA-Z0-9+.\-]*:[^\n]* (?:[0-9a-fA-F.:]+|-) (?:(?:19|20)\d{10,16}|null) [^\n]*? ?(\d+)[ \t\r]*\n"
)
_HEADER_END = re.compile(rb"\n\r?\n")
_STATED_LENGTH = re.compile(rb"\ncontent-length:\s*(\d+)", re.IGNORECASE)
_SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c"
_PAGE_START = b"<page>"
_PAGE_END = b"</page>"


def read_record(
    path: str, format: str, offset: int, length: int, id: str, columns: Mapping[str, str] | None = None
) -> bytes:
    """The raw record of a document, decompressed: WARC record, `<page>` element, JSON line, row or whole file.

    format: of the raw file, as in the recipe. offset, length, id: the document's. columns: the source's names of the
    columns, where it has others. Raises `UserError` when the bytes at that address are not the record, or when the file
    is one in which nothing has an address.
    """
    if offset < 0 and (reason := _no_address(path, format)) is not None:
        raise UserError(
            f"{path}: {id} has no address inside this file, because {reason}. "
            "Its text is in the part and row that groundup trace names as its text."
        )
    id_column = (columns or {}).get("id", "id")
    if format in ("warc", "wet"):
        return read_warc_record(path, offset, length, id)
    if format == "mediawiki":
        return read_page(path, offset, length, id)
    if format == "jsonl":
        return _read_line(path, offset, length, id, id_column)
    if format == "csv":
        return _read_csv_row(path, offset, length, id, {"text": "text", "id": "id", **(columns or {})})
    if format == "parquet":
        return _read_row(path, id, id_column)
    with _open(path) as file:
        return b"".join(_decompressed(file, path, 0, -1))


def _no_address(path: str, format: str) -> str | None:
    """The reason why nothing in a file can be found by its decompressed bytes; None where it can."""
    with _open(path) as file:
        if file.read(len(_SEVEN_ZIP)) == _SEVEN_ZIP:
            return "it is a 7z archive"
        # In UTF-16 each ASCII letter has a NUL beside it, which no encoding has that spells tags in ASCII.
        if format == "mediawiki" and b"\0" in next(_decompressed(file, path, 0, -1), b"")[:64]:
            return "the dump is in UTF-16"
    return None


def read_warc_record(path: str, offset: int, length: int, record_id: str | None = None) -> bytes:
    """The WARC or ARC record (header and block) in `length` stored bytes from `offset` of a file, decompressed.

    With length -1 the record shares a compressed member with others. Then it is looked for by its WARC-Record-ID from
    there on, or, with an id `<file>#<offset>+<bytes>`, so many bytes into what is unpacked there.
    Raises `UserError` when no record, or another one, is there.
    """
    with _open(path) as file:
        blocks = _decompressed(file, path, offset, length)
        if length < 0:
            if not record_id:
                raise UserError(f"{path}: a record at {offset} without a length can only be found by its id.")
            place = re.search(rf"#{offset}(?:\+(\d+))?$", record_id)
            if place is not None:
                return _take_record(blocks, path, offset, int(place.group(1) or 0))
            return _search_warc(blocks, path, offset, record_id)
        record = b"".join(blocks)
    if _WARC_START.match(record) is None and _ARC_HEADER.match(record) is None:
        raise UserError(
            f"{path}: no WARC or ARC record starts at byte {offset}. The raw file has changed: run acquire again."
        )
    if record_id and _is_uri(record_id) and record_id not in _header_of(record):
        raise UserError(f"{path}: the record at byte {offset} is not {record_id}. The raw file has changed.")
    return record


def split_record(record: bytes) -> tuple[bytes, bytes]:
    """Header and block of a WARC or ARC record. The block is as long as the header says, if there is so much."""
    header_bytes, block_bytes = _measure(record) or (len(record), 0)
    return record[:header_bytes], record[header_bytes : header_bytes + block_bytes]


def _measure(record: bytes | bytearray) -> tuple[int, int] | None:
    """The lengths of a WARC or ARC record's header, and of the block as it says; None where no record starts."""
    if _WARC_START.match(record) is not None:
        end = _HEADER_END.search(record)
        header_bytes = end.end() if end is not None else len(record)
        stated = _STATED_LENGTH.search(record, 0, header_bytes)
        return header_bytes, int(stated.group(1)) if stated is not None else 0
    line = _ARC_HEADER.match(record)
    return (line.end(), int(line.group(1))) if line is not None else None


def _take_record(blocks: Iterator[bytes], path: str, offset: int, skipped: int) -> bytes:
    """The one record that starts `skipped` bytes into `blocks`."""
    left = skipped
    data = bytearray()
    while len(data) < _MOST_HEADER_BYTES and (block := next(blocks, b"")):
        passed = min(left, len(block))
        left -= passed
        data += block[passed:]
    measured = _measure(data)
    if measured is None:
        raise UserError(f"{path}: no record is {skipped} unpacked bytes after byte {offset}. The raw file has changed.")
    end = sum(measured)
    while len(data) < end and (block := next(blocks, b"")):
        data += block
    return bytes(data[:end])


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


def _read_line(path: str, offset: int, length: int, id: str, id_column: str) -> bytes:
    with _open(path) as file:
        if offset >= 0:
            file.seek(offset)
            return bytes(file.read(length))
        number = _number_in(id)
        for current, line in enumerate(_unpacked(file, path), start=1):
            if number is not None and current == number:
                return line
            if number is None:
                with contextlib.suppress(ValueError, AttributeError):
                    if str(json.loads(line).get(id_column)) == id:
                        return line
    raise UserError(f"{path}: line {id} is not in the file. The raw file has changed: run acquire again.")


def _read_csv_row(path: str, offset: int, length: int, id: str, columns: Mapping[str, str]) -> bytes:
    """The bytes of a row, whose id is the one in its column or `<file>#<line>`, the line that it starts at."""
    with _open(path) as file:
        if offset >= 0:
            file.seek(offset)
            return bytes(file.read(length))
        number = _number_in(id)
        lines, header = _csv_lines(file, path, columns)
        index = _place(header, columns["id"])
        rest = itertools.chain(header.ahead, lines)
        taken: list[str] = []
        at_line = header.num_lines + 1
        reader = csv.reader(_noting(rest, taken), delimiter=header.delimiter)
        while True:
            while number is not None and at_line < number and next(rest, None) is not None:
                at_line += 1
            row = next(reader, None)
            if row is None:
                break
            if (number is not None and at_line == number) or (
                number is None and index is not None and row[index : index + 1] == [_latin(id)]
            ):
                return "".join(taken).encode("latin-1")
            at_line += len(taken)
            taken.clear()
    raise UserError(f"{path}: row {id} is not in the file. The raw file has changed: run acquire again.")


def split_csv_row(path: str, record: bytes, columns: Mapping[str, str] | None = None) -> dict[str, str] | None:
    """`text` and `id` of a row that `read_record` gave, as far as its file has columns for them.

    None where the bytes are not one row with as many fields as the file has columns. Columns as in `read_record`.
    """
    names = {"text": "text", "id": "id", **(columns or {})}
    with _open(path) as file:
        _, header = _csv_lines(file, path, names)
    try:
        rows = list(
            csv.reader(io.StringIO(record.decode("latin-1"), newline=""), delimiter=header.delimiter, strict=True)
        )
    except csv.Error:
        return None
    if len(rows) != 1 or len(rows[0]) != len(header.columns):
        return None
    places = {name: _place(header, names[name]) for name in ("text", "id")}
    return {name: _utf8(rows[0][place]) for name, place in places.items() if place is not None}


def _csv_lines(file: Any, path: str, columns: Mapping[str, str]) -> tuple[Iterator[str], Header]:
    """The lines of a CSV file after what its header took, and the header."""
    csv.field_size_limit(_MOST_FIELD_CHARACTERS)
    # Latin-1 takes any byte for one character, so that what is read can be given back as it is.
    lines = io.TextIOWrapper(_unpacked(file, path), encoding="latin-1", newline="")
    return lines, read_header(lines, _latin(columns["text"]))


def _place(header: Header, column: str) -> int | None:
    return header.columns.index(_latin(column)) if _latin(column) in header.columns else None


def _latin(text: str) -> str:
    """Text as it looks where its UTF-8 is read as Latin-1."""
    return text.encode().decode("latin-1")


def _utf8(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "replace")


def _noting(lines: Iterable[str], taken: list[str]) -> Iterator[str]:
    for line in lines:
        taken.append(line)
        yield line


def _read_row(path: str, id: str, id_column: str) -> bytes:
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
            row = number - first if number is not None else pc.index(table.column(id_column).cast("string"), id).as_py()
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
    end = _HEADER_END.search(record)
    return record[: end.start() if end else len(record)].decode("utf-8", "replace")


def _search_warc(blocks: Iterator[bytes], path: str, offset: int, record_id: str) -> bytes:
    buffer = bytearray()
    ended = False
    while True:
        start = _WARC_START.search(buffer)
        header_end = _HEADER_END.search(buffer, start.end()) if start else None
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
        stated = _STATED_LENGTH.search(header)
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
        file = open_path(path)
    except FileNotFoundError:
        raise UserError(f"{path}: the raw file is gone. Run the acquire stage again.") from None
    with file:
        yield file


class _Blocks(io.RawIOBase):
    """An iterator of bytes as a file."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._left:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._left = block
        taken = self._left[: len(target)]
        target[: len(taken)] = taken
        self._left = self._left[len(taken) :]
        return len(taken)


def _unpacked(file: Any, path: str) -> io.BufferedReader:
    """A whole file, decompressed as it is read."""
    return io.BufferedReader(_Blocks(_decompressed(file, path, 0, -1)), _BLOCK_BYTES)


def _decompressed(file: Any, path: str, offset: int, length: int) -> Iterator[bytes]:
    """The bytes of `length` stored bytes from `offset` (-1: to the end of the file), decompressed."""
    compression = compression_of(file, path) or _compression_at(file, offset)
    end = offset + length if length >= 0 else file.seek(0, 2)
    file.seek(offset)
    if compression is None:
        while block := file.read(min(_BLOCK_BYTES, end - file.tell())):
            yield bytes(block)
        return
    source = Source(file)
    try:
        if compression.name == "zstd":
            source.dictionary = zstd_dictionary(file)
        yield from _members(source, compression, offset, end)
    except damage_errors() as error:
        what = source.explain(error)
        raise UserError(f"{path}: the bytes at {offset} cannot be decompressed ({what}). Run acquire again.") from error


def _compression_at(file: Any, offset: int) -> Compression | None:
    """The compression of a file whose beginning is damaged, by the member at `offset`."""
    file.seek(offset)
    head = read_exactly(file, HEAD_BYTES)
    return next((known for known in COMPRESSIONS if known.starts(head)), None)


def _members(source: Source, compression: Compression, at: int, end: int) -> Iterator[bytes]:
    """What the members from byte `at` to byte `end` hold, without what the format lets stand between them."""
    file = source.file
    file.seek(at)
    pending = b""
    while True:
        if len(pending) < HEAD_BYTES:
            pending += read_exactly(file, min(compression.read_bytes, end - file.tell()))
        if gap := compression.gap(pending):
            if gap > len(pending):
                file.seek(gap - len(pending), 1)
            pending = pending[gap:]
            continue
        if not pending:
            return
        if not compression.starts(pending[:HEAD_BYTES]):
            raise ValueError(f"no {compression.name} member starts at {file.tell() - len(pending)}")
        member = compression.decompressor(source, pending[:HEAD_BYTES])
        while not member.eof:
            if data := member.decompress(pending, STEP_BYTES):
                yield data
            pending = b""
            if member.needs_input and not member.eof:
                pending = read_exactly(file, min(compression.read_bytes, end - file.tell()))
                if not pending:
                    return
        pending = bytes(member.unused_data or b"")
