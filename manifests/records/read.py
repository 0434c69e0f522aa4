"""Read one raw record back from the address that a document carries, to prove where its text came from.

This needs no reader of the pipeline: it opens the raw file, goes to the offset and decompresses what is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree

from manifests.errors import UserError
from manifests.records.rows import read_csv_row, read_json_row, read_parquet_row
from manifests.records.unpacked import decompressed, open_file

_MOST_HEADER_BYTES = 1 << 20
_WARC_START = re.compile(rb"(?:\A|\n)(WARC/\d\.\d+[.\d]*[ \t]*\r?\n)", re.IGNORECASE)
# URL, IP address, date, what the version has, and the length; the line end is the header's end.
_ARC_HEADER = re.compile(
    rb"[a-zA-Z][a-zA-Z0-9+.\-]*:[^\n]* (?:[0-9a-fA-F.:]+|-) (?:(?:19|20)\d{10,16}|null) [^\n]*? ?(\d+)[ \t\r]*\n"
)
_HEADER_END = re.compile(rb"\n\r?\n")
_FOLD = re.compile(r"[ \t\r]*\n[ \t]+")
_FIELD = re.compile(r"^([^:\n]+?)[ \t]*:(.*)$", re.MULTILINE)
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
        return read_json_row(path, offset, length, id, id_column)
    if format == "csv":
        return read_csv_row(path, offset, length, id, {"text": "text", "id": "id", **(columns or {})})
    if format == "parquet":
        return read_parquet_row(path, id, id_column)
    with open_file(path) as file:
        return b"".join(decompressed(file, path, 0, -1))


def _no_address(path: str, format: str) -> str | None:
    """The reason why nothing in a file can be found by its decompressed bytes; None where it can."""
    with open_file(path) as file:
        if file.read(len(_SEVEN_ZIP)) == _SEVEN_ZIP:
            return "it is a 7z archive"
        # In UTF-16 each ASCII letter has a NUL beside it, which no encoding has that spells tags in ASCII.
        if format == "mediawiki" and b"\0" in next(decompressed(file, path, 0, -1), b"")[:64]:
            return "the dump is in UTF-16"
    return None


def read_warc_record(path: str, offset: int, length: int, record_id: str | None = None) -> bytes:
    """The WARC or ARC record (header and block) in `length` stored bytes from `offset` of a file, decompressed.

    With length -1 the record shares a compressed member with others. Then it is looked for by its WARC-Record-ID from
    there on, or, with an id `<file>#<offset>+<bytes>`, so many bytes into what is unpacked there.
    Raises `UserError` when no record, or another one, is there.
    """
    with open_file(path) as file:
        blocks = decompressed(file, path, offset, length)
        if length < 0:
            if not record_id:
                raise UserError(f"{path}: a record at {offset} without a length can only be found by its id.")
            place = re.search(rf"#{offset}(?:\+(\d+))?$", record_id)
            if place is not None:
                return _take_record(blocks, path, offset, int(place.group(1) or 0))
            try:
                return _search_warc(blocks, path, offset, record_id)
            except UserError:  # a length that is wrong hides the records that it runs into
                blocks = decompressed(file, path, offset, length)
                return _search_warc(blocks, path, offset, record_id, by_lengths=False)
        record = b"".join(blocks)
    if _WARC_START.match(record) is None and _ARC_HEADER.match(record) is None:
        raise UserError(
            f"{path}: no WARC or ARC record starts at byte {offset}. The raw file has changed: run acquire again."
        )
    if record_id and _is_uri(record_id) and record_id != stated_id(split_record(record)[0]):
        raise UserError(f"{path}: the record at byte {offset} is not {record_id}. The raw file has changed.")
    return record


def split_record(record: bytes) -> tuple[bytes, bytes]:
    """Header and block of a WARC or ARC record. The block is as long as the header says, if there is so much."""
    header_bytes, block_bytes = _measure(record) or (len(record), 0)
    return record[:header_bytes], record[header_bytes : header_bytes + block_bytes]


def header_fields(header: bytes) -> dict[str, str]:
    """The fields of a WARC header, names in lower case: of a repeated one the first, folded lines joined."""
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(_FOLD.sub(" ", header.decode("utf-8", "replace"))):
        fields.setdefault(name.strip().lower(), value.strip())
    return fields


def stated_id(header: bytes) -> str:
    """The WARC-Record-ID of a header, without its angle brackets; empty where it has none."""
    return header_fields(header).get("warc-record-id", "").strip("<>")


def _measure(record: bytes | bytearray) -> tuple[int, int] | None:
    """The lengths of a WARC or ARC record's header, and of the block as it says; None where no record starts."""
    if _WARC_START.match(record) is not None:
        end = _HEADER_END.search(record)
        header_bytes = end.end() if end is not None else len(record)
        stated = _STATED_LENGTH.search(record, 0, header_bytes)
        return header_bytes, int(stated.group(1)) if stated is not None else 0
    line = _ARC_HEADER.match(record)
    return (line.end(), int(line.group(1))) if line is not None else None


def _has_header(data: bytearray) -> bool:
    """True where the data has the header of a record up to its end."""
    if _WARC_START.match(data) is not None:
        return _HEADER_END.search(data) is not None
    return _ARC_HEADER.match(data) is not None


def _take_record(blocks: Iterator[bytes], path: str, offset: int, skipped: int) -> bytes:
    """The one record that starts `skipped` bytes into `blocks`."""
    left = skipped
    data = bytearray()
    # No further than is needed: what follows may be damaged.
    while not _has_header(data) and len(data) < _MOST_HEADER_BYTES and (block := next(blocks, b"")):
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
    place = re.search(r"#\d+\.(\d+)$", page_id)  # of a page without numbers: which one it is from there on
    wanted, num_passed = int(place[1]) if place is not None else None, 0
    buffer = bytearray()
    with open_file(path) as file:
        for block in decompressed(file, path, max(offset, 0), length if offset >= 0 else -1):
            buffer += block
            while (start := buffer.find(_PAGE_START)) >= 0 and (end := buffer.find(_PAGE_END, start)) >= 0:
                element = bytes(buffer[start : end + len(_PAGE_END)])
                del buffer[: end + len(_PAGE_END)]
                if num_passed == wanted if wanted is not None else _is_page(element, number, revision):
                    return element
                num_passed += 1
    where = f"in the {length} bytes at {offset}" if offset >= 0 else "in the file"
    raise UserError(f"{path}: page {page_id} is not {where}. The raw file has changed: run acquire again.")


def _is_page(element: bytes, number: str, revision: str) -> bool:
    """True for the `<page>` element with this page id that has a revision with this revision id."""
    if number.encode() not in element or revision.encode() not in element:  # most are not, and need no parser
        return False
    try:
        page = ElementTree.fromstring(element)
    except (ElementTree.ParseError, ValueError):
        return False
    revisions = [found.findtext("id", "").strip() for found in page.findall("revision")]
    return page.findtext("id", "").strip() == number and revision in revisions


def _is_uri(record_id: str) -> bool:
    return ":" in record_id and "#" not in record_id


def _search_warc(blocks: Iterator[bytes], path: str, offset: int, record_id: str, by_lengths: bool = True) -> bytes:
    """The record of that id: of those that follow each other by their lengths, or of all lines that start one."""
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
        if stated_id(header) == record_id:
            while len(buffer) < end and (block := next(blocks, b"")):
                buffer += block
            return bytes(buffer[start.start(1) : end])
        passed = end if by_lengths else header_end.end()
        while len(buffer) < passed and (block := next(blocks, b"")):
            buffer += block
        del buffer[: max(1, min(passed, len(buffer)))]
        buffer[:0] = b"\n"  # a start is looked for after a line end
