"""Documents of CSV files, one a row, in any of the compressions that `members` knows.

Format: RFC 4180, read tolerantly in two things: a line ends with CR LF, LF or CR, and a quote inside a field that does
not start with one is a character as any other. The header row names the columns and settles the delimiter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from datatrove.data import Document

from manifests.errors import UserError
from manifests.records.csv_header import DELIMITERS, choose_delimiter, stands_before_header
from manifests.records.encodings import wide_codec
from pipeline.charsets.charset import MAX_BROKEN_FRACTION, decode
from pipeline.readers.base import RawFile, Reader
from pipeline.readers.members import MemberStream, open_raw
from pipeline.readers.other_formats import other_format
from pipeline.readers.rows import fill_document, missing_column

MAX_ROW_BYTES = 64 << 20
_QUOTE = 0x22
_LINE_ENDS = (0x0A, 0x0D)
_LINE_END = re.compile(rb"\r\n?|\n")
_DETECTED_BYTES = 1 << 20  # of a file, to tell its encoding
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# What may be read again of a file whose quotes are broken: so much, and once more what was passed so far.
_RESCAN_BYTES = 256 << 20
_MOST_FIELDS = 1 << 16


@dataclass
class Row:
    """A row, or the line at which one that cannot be read starts.

    start, length: its bytes in the run. line: at which it starts, from 1. fields: None where it cannot be read,
    because of what `what` says.
    """

    start: int
    length: int
    line: int
    fields: list[bytes] | None
    what: str = ""
    is_blank: bool = False  # no more than a line end


class _BadRow(Exception):
    """A row cannot be made out; `at` bytes were looked at."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(what)
        self.at = at


class _Texts:
    """Decodes the fields of a file that is UTF-8, or has rows that are not.

    A row that is not UTF-8 is in the encoding that the bytes from the first such row on look like.
    """

    def __init__(self, stream: MemberStream) -> None:
        self._stream = stream
        self._codec: str | None = None

    def decode(self, fields: list[bytes]) -> list[str]:
        """The fields of one row, whose bytes are out of the buffer. Raises `UnicodeError` where they mean nothing."""
        whole = b"\n".join(fields)
        try:
            whole.decode("utf-8")
            return [field.decode("utf-8") for field in fields]
        except UnicodeDecodeError:
            pass
        if self._codec is None:
            while len(self._stream.buffer) < _DETECTED_BYTES and self._stream.fill():
                pass
            self._codec = decode(whole + b"\n" + bytes(self._stream.buffer[:_DETECTED_BYTES]), is_html=False).codec
        texts = [field.decode(self._codec, "replace") for field in fields]
        num_broken = sum(text.count("\ufffd") for text in texts)
        if num_broken > MAX_BROKEN_FRACTION * sum(map(len, texts)):
            raise UnicodeError(f"neither UTF-8 nor {self._codec}, which the file looks like")
        return texts


class RowScanner:
    """Splits decompressed bytes into rows. After a row that cannot be made out it goes on at the next line."""

    def __init__(self, stream: MemberStream, max_row_bytes: int = MAX_ROW_BYTES) -> None:
        self.stream = stream
        self.max_row_bytes = max_row_bytes
        self.delimiter = b","
        self.texts = _Texts(stream)
        self.line = 1
        self._passed_bytes = 0
        self._scanned_bytes = 0

    def rows(self) -> Iterator[Row]:
        """The rows of this run. Before damage, a torn row and rows that cannot be trusted stay in the buffer."""
        while True:
            try:
                parsed = self._parse(self.delimiter)
            except _BadRow as error:
                if self._is_torn():
                    return
                self._scanned_bytes += error.at
                yield self._pass_line(str(error))
                continue
            if parsed is None:
                return
            fields, length = parsed
            if self._is_torn(length) or not self.stream.may_trust(self.stream.position + length):
                return
            yield self._take(fields, length, "")

    def header_fields(self, delimiter: bytes) -> list[bytes] | None:
        """The fields of the row that comes next, which stays; None where none can be made out."""
        try:
            parsed = self._parse(delimiter)
        except _BadRow:
            return None
        return None if parsed is None or self._is_torn(parsed[1]) else parsed[0]

    def skip_line(self) -> Row:
        """Pass over what is left of a line."""
        return self._pass_line("it is what damage left of a row")

    def _is_torn(self, length: int = -1) -> bool:
        """True where the run broke off, and inside the row of that length, if one is given."""
        stream = self.stream
        if not stream.at_end or stream.damage is None:
            return False
        return length < 0 or (length == len(stream.buffer) and stream.buffer[length - 1] not in _LINE_ENDS)

    def _has(self, at: int) -> bool:
        """True where there is a byte at `at` of the buffer."""
        while len(self.stream.buffer) <= at:
            if not self.stream.fill():
                return False
        return True

    def _find(self, what: bytes, at: int) -> int:
        """The next place of `what` in the buffer; -1 where the run ends before. Raises `_BadRow` for a row too long."""
        stream = self.stream
        while (found := stream.buffer.find(what, at)) < 0:
            at = len(stream.buffer)
            if at > self.max_row_bytes:
                raise _BadRow(f"a row of over {self.max_row_bytes} bytes", at)
            if not stream.fill():
                return -1
        return found

    def _parse(self, delimiter: bytes) -> tuple[list[bytes], int] | None:
        """Fields and length, line end included, of the row at the buffer's start; None at the end of the run."""
        buffer = self.stream.buffer
        if not self._has(0):
            return None
        fields: list[bytes] = []
        field_end = re.compile(rb"[\r\n%s]" % re.escape(delimiter))
        at = 0
        while True:
            if self._has(at) and buffer[at] == _QUOTE:
                value, at = self._quoted(at)
            else:
                value, at = self._unquoted(at, field_end)
            fields.append(value)
            if not self._has(at):
                return fields, at
            if buffer[at] == delimiter[0]:
                at += 1
            elif buffer[at] in _LINE_ENDS:
                is_two = buffer[at] == 0x0D and self._has(at + 1) and buffer[at + 1] == 0x0A
                return fields, at + 1 + is_two
            else:
                raise _BadRow(f"text follows the closing quote of field {len(fields)}", at)
            if at > self.max_row_bytes:
                raise _BadRow(f"a row of over {self.max_row_bytes} bytes", at)
            if len(fields) > _MOST_FIELDS:
                raise _BadRow(f"a row of over {_MOST_FIELDS} fields", at)

    def _quoted(self, at: int) -> tuple[bytes, int]:
        buffer = self.stream.buffer
        start = end = at + 1
        while True:
            end = self._find(b'"', end)
            if end < 0:
                raise _BadRow("a quote is opened that nothing closes", len(buffer))
            if not self._has(end + 1) or buffer[end + 1] != _QUOTE:
                return bytes(memoryview(buffer)[start:end]).replace(b'""', b'"'), end + 1
            end += 2

    def _unquoted(self, at: int, field_end: re.Pattern[bytes]) -> tuple[bytes, int]:
        buffer = self.stream.buffer
        searched = at
        while (found := field_end.search(buffer, searched)) is None:
            searched = len(buffer)
            if searched > self.max_row_bytes:
                raise _BadRow(f"a row of over {self.max_row_bytes} bytes", searched)
            if not self.stream.fill():
                return bytes(memoryview(buffer)[at:]), len(buffer)
        return bytes(memoryview(buffer)[at : found.start()]), found.start()

    def _take(self, fields: list[bytes] | None, length: int, what: str) -> Row:
        buffer = self.stream.buffer
        row = Row(self.stream.position, length, self.line, fields, what, buffer[0] in _LINE_ENDS)
        self.line += buffer.count(b"\n", 0, length) + buffer.count(b"\r", 0, length) - buffer.count(b"\r\n", 0, length)
        self._consume(length)
        return row

    def _consume(self, length: int) -> None:
        self.stream.consume(length)
        self._passed_bytes += length

    def _pass_line(self, what: str) -> Row:
        """Pass over one line, or over all that was scanned where so much was in vain that there is no end of it."""
        stream = self.stream
        if self._scanned_bytes > _RESCAN_BYTES + self._passed_bytes:
            last = stream.buffer.rfind(b"\n")
            return self._take(None, last + 1 if last >= 0 else len(stream.buffer), what)
        start, line = stream.position, self.line
        while (found := _LINE_END.search(stream.buffer)) is None or found.end() == len(stream.buffer):
            if found is None:
                self._consume(max(0, len(stream.buffer) - 1))
            if not stream.fill():
                self._consume(found.end() if found is not None else len(stream.buffer))
                break
        else:
            self._consume(found.end())
        self.line += 1
        return Row(start, stream.position - start, line, None, what)


class CsvReader(Reader):
    """Reads one document a row: columns as in JSONL; an id left out is `<file>#<line>`, the line that it starts at.

    The header row is line 1, but for blank lines and a line `sep=;` before it. `offset` and `length` are the row's
    bytes in an uncompressed file, -1 in a compressed one and in UTF-16 and UTF-32. The delimiter is the one of comma,
    semicolon, tab and bar that makes a column `text` of the header; if several do, the one that makes most columns.
    Blank lines are counted apart. Rows that are not UTF-8 are decoded as text files are, all by the same encoding.

    Reasons of drops: bad_row (value: the line, detail: what is wrong), empty_payload, truncated, unreadable.
    Raises `UserError` where the header has no column `text`, or none that the source names.
    """

    name = "CSV"

    def __init__(self, file: RawFile, max_row_bytes: int = MAX_ROW_BYTES) -> None:
        super().__init__(file)
        self.max_row_bytes = max_row_bytes

    def read(self) -> Iterator[Document]:
        with open_raw(self.file.path) as raw:
            stream = self.stream(raw)
            if other := other_format(stream):
                self.drop_unreadable(0, stream.size, f"not CSV but {other}")
                return
            codec = self._codec(stream)
            if codec is not None and codec.startswith("utf"):
                stream = self.stream(raw, codec, errors="replace")
            elif codec is not None:
                what = f"in {codec}, where a comma may be half a character: convert the file to UTF-8"
                self.drop_unreadable(0, stream.size, what)
                return
            self._has_addresses = stream.compression is None and codec is None
            rows = RowScanner(stream, self.max_row_bytes)
            header = self._header(rows)
            while True:
                if header is not None:
                    yield from self._documents(rows, header)
                if stream.damage is None:
                    return
                reason = "truncated" if stream.truncated else "unreadable"
                at = stream.damage_offset
                self.drop_unreadable(at, stream.resume_offset() - at, stream.damage, reason)
                if header is None or not stream.next_run():
                    return
                self._drop_row(rows.skip_line())

    @staticmethod
    def _codec(stream: MemberStream) -> str | None:
        """The encoding of a file in which ASCII is not ASCII, by its beginning, which stays; None for others."""
        while len(stream.buffer) < _DETECTED_BYTES and stream.fill():
            pass
        head = bytes(stream.buffer[:_DETECTED_BYTES])
        wide = wide_codec(head)
        if wide is not None:
            return wide
        codec = decode(head, is_html=False).codec if head.isascii() and b"\x1b" in head else ""
        return codec if codec.startswith(("iso2022", "hz")) else None

    def _header(self, rows: RowScanner) -> list[str] | None:
        """The column names; None where the file has none to read."""
        stream = rows.stream
        while len(stream.buffer) < len(_BYTE_ORDER_MARK) and stream.fill():
            pass
        if stream.buffer.startswith(_BYTE_ORDER_MARK):
            stream.consume(len(_BYTE_ORDER_MARK))
        while (first := rows.header_fields(b",")) and stands_before_header(
            [field.decode("latin-1") for field in first]
        ):
            if next(rows.rows(), None) is None:
                return None  # damage follows, too near to trust it
        fields = {delimiter: rows.header_fields(delimiter.encode()) or [] for delimiter in DELIMITERS}
        if not any(fields.values()):
            if stream.damage is None:
                self.drop_unreadable(0, stream.size, "no header row can be made out")
            return None
        names = {delimiter: _names(rows, row) for delimiter, row in fields.items()}
        text = self.file.column_names()["text"]
        delimiter = choose_delimiter(names, frozenset({text}))
        rows.delimiter = delimiter.encode()
        header = names[delimiter]
        for name in (text, *dict(self.file.columns).values()):
            if header.count(name) != 1:
                what = "no column" if name not in header else "more than one column"
                raise UserError(missing_column(self.file.key, name, header, what))
        next(rows.rows(), None)
        return header

    def _documents(self, rows: RowScanner, header: list[str]) -> Iterator[Document]:
        wanted = self.file.column_names()
        places = {name: header.index(column) for name, column in wanted.items() if column in header}
        for row in rows.rows():
            if row.is_blank:
                self.num_other_records["blank_line"] += 1
                continue
            if row.fields is not None and len(row.fields) != len(header):
                row.what = f"{len(row.fields)} fields where the header has {len(header)}"
                row.fields = None
            if row.fields is None:
                self._drop_row(row)
                continue
            try:
                texts = rows.texts.decode([row.fields[place] for place in places.values()])
            except UnicodeError as error:
                row.what = str(error)
                self._drop_row(row)
                continue
            values = dict(zip(places, texts, strict=True))
            document = self._document(row)
            fill_document(document, {name: value for name, value in values.items() if value or name == "text"})
            if document.text.strip():
                yield document
            else:
                self.drop_record(document, "empty_payload", row.line)

    def _document(self, row: Row) -> Document:
        offset, length = (row.start, row.length) if self._has_addresses else (-1, -1)
        return self.document(f"{self.file.key}#{row.line}", offset=offset, length=length)

    def _drop_row(self, row: Row) -> None:
        self.drop_record(self._document(row), "bad_row", row.line, f"line {row.line}: {row.what}")


def _names(rows: RowScanner, fields: list[bytes]) -> list[str]:
    try:
        return rows.texts.decode(fields)
    except UnicodeError:
        return [field.decode("utf-8", "replace") for field in fields]
