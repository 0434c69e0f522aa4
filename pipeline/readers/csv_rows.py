"""Documents of CSV files, one a row, in any of the compressions that `members` knows.

`csv_scanner` finds the rows. The header row names the columns and settles the delimiter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from datatrove.data import Document

from manifests.errors import UserError
from manifests.records.csv_header import DELIMITERS, choose_delimiter, stands_before_header
from manifests.records.encodings import wide_codec
from pipeline.charsets.charset import decode
from pipeline.readers.base import RawFile, Reader
from pipeline.readers.csv_scanner import DETECTED_BYTES, MAX_ROW_BYTES, Row, RowScanner
from pipeline.readers.members import MemberStream, open_raw
from pipeline.readers.other_formats import other_format
from pipeline.readers.rows import fill_document, missing_column

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PASSED_AT_ONCE = 1 << 20


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
            rows = self._open(raw)
            if rows is None:
                return
            header = self._header(rows)
            if self.file.before and header is not None:
                rows.move(self.stream(raw, start=self.file.start), self.file.before)
            stream = rows.stream
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

    def places(self, range_bytes: int) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """After rows of a file that is not compressed. `before`: the state of the `RowScanner`."""
        with open_raw(self.file.path) as raw:
            rows = self._open(raw)
            header = self._header(rows) if rows is not None and self._has_addresses else None
            if rows is None or header is None:
                return
            stream, one_by_one = rows.stream, self._rows(rows, header)
            while rows.pass_sound_rows(min(range_bytes, _PASSED_AT_ONCE)) or next(one_by_one, None) is not None:
                if stream.position < stream.size:
                    yield stream.position, stream.position, rows.state()

    def _open(self, raw: Any) -> RowScanner | None:
        """The rows from the file's beginning on; None where it has none."""
        stream = self.stream(raw)
        if other := other_format(stream):
            self.drop_unreadable(0, stream.size, f"not CSV but {other}")
            return None
        codec = self._codec(stream)
        if codec is not None and codec.startswith("utf"):
            stream = self.stream(raw, codec, errors="replace")
        elif codec is not None:
            what = f"in {codec}, where a comma may be half a character: convert the file to UTF-8"
            self.drop_unreadable(0, stream.size, what)
            return None
        self._has_addresses = stream.compression is None and codec is None
        return RowScanner(stream, self.max_row_bytes)

    @staticmethod
    def _codec(stream: MemberStream) -> str | None:
        """The encoding of a file in which ASCII is not ASCII, by its beginning, which stays; None for others."""
        head = stream.head(DETECTED_BYTES)
        wide = wide_codec(head)
        if wide is not None:
            return wide
        codec = decode(head, is_html=False).codec if head.isascii() and b"\x1b" in head else ""
        return codec if codec.startswith(("iso2022", "hz")) else None

    def _header(self, rows: RowScanner) -> list[str] | None:
        """The column names; None where the file has none to read."""
        stream = rows.stream
        if stream.head(len(_BYTE_ORDER_MARK)) == _BYTE_ORDER_MARK:
            rows.pass_bytes(len(_BYTE_ORDER_MARK))
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
        for row, values in self._rows(rows, header):
            if self.file.stop is not None and row.start >= self.file.stop:
                return
            if row.is_blank:
                self.num_other_records["blank_line"] += 1
                continue
            if values is None:
                self._drop_row(row)
                continue
            document = self._document(row)
            fill_document(document, {name: value for name, value in values.items() if value or name == "text"})
            if document.text.strip():
                yield document
            else:
                self.drop_record(document, "empty_payload", row.line)

    def _rows(self, rows: RowScanner, header: list[str]) -> Iterator[tuple[Row, dict[str, str] | None]]:
        """The rows with their values by our names; None for a row that has none, as its `what` says."""
        wanted = self.file.column_names()
        places = {name: header.index(column) for name, column in wanted.items() if column in header}
        for row in rows.rows():
            values = None
            if row.fields is not None and not row.is_blank:
                if len(row.fields) != len(header):
                    row.what = f"{len(row.fields)} fields where the header has {len(header)}"
                else:
                    try:
                        texts = rows.decode([row.fields[place] for place in places.values()])
                        values = dict(zip(places, texts, strict=True))
                    except UnicodeError as error:
                        row.what = str(error)
            yield row, values

    def _document(self, row: Row) -> Document:
        offset, length = (row.start, row.length) if self._has_addresses else (-1, -1)
        return self.document(f"{self.file.key}#{row.line}", offset=offset, length=length)

    def _drop_row(self, row: Row) -> None:
        self.drop_record(self._document(row), "bad_row", row.line, f"line {row.line}: {row.what}")


def _names(rows: RowScanner, fields: list[bytes]) -> list[str]:
    try:
        return rows.decode(fields)
    except UnicodeError:
        return [field.decode("utf-8", "replace") for field in fields]
