"""Documents of the rows of JSONL and Parquet files, in any of the compressions that `members` knows."""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from datatrove.data import Document

from manifests.errors import UserError
from manifests.records import encodings
from manifests.records.arrow_values import column_at, paths_of, python_values
from manifests.records.json_values import holds_lines, json_values, read_json
from manifests.records.values import Unreadable, has_column, names_of, sound, text_of, value_at
from pipeline.charsets.charset import MAX_BROKEN_FRACTION, decode
from pipeline.readers.base import RawFile, Reader
from pipeline.readers.members import MemberStream, open_raw
from pipeline.readers.other_formats import not_parquet, other_format
from pipeline.readers.warc import payload_digest

MAX_LINE_BYTES = 256 << 20
_ROWS_AT_ONCE = 256
_MOST_LOST_ROWS = 1 << 20


class JsonlReader(Reader):
    """Reads one document a line: `text`, and `id`, `url`, `title`, `date`, `language` where present.

    Without an id it is `<file>#<line>`, counted from 1. `offset` and `length` are the line's bytes in an uncompressed
    file in UTF-8, -1 in others. Blank lines are counted apart. A file whose first value is not on a line of its own
    (one array of all rows, objects over several lines or several on one) is read value by value: then its values
    count, not its lines. UTF-16 and UTF-32 are read with and without a byte order mark.

    Reasons of drops: bad_json (value: the line, detail: what is wrong), empty_payload, truncated, unreadable.
    Raises `UserError` at the end of a whole file where no row had a column `text`. `missing_columns` are those that the
    source names and no row had, `columns_there` those of the first row.
    """

    name = "JSONL"

    def __init__(self, file: RawFile, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        super().__init__(file)
        self.max_line_bytes = max_line_bytes
        self._columns = file.column_names()

    def _reset(self) -> None:
        super()._reset()
        self.missing_columns = {self.file.column_names()["text"], *dict(self.file.columns).values()}
        self.columns_there: list[str] | None = None

    def read(self) -> Iterator[Document]:
        is_range = self.file.before is not None
        with open_raw(self.file.path) as raw:
            stream = self.stream(raw, start=self.file.start, stop=self.file.stop)
            codec = None
            if not is_range:
                if other := other_format(stream):
                    self.drop_unreadable(0, stream.size, f"not JSON but {other}")
                    return
                codec = encodings.wide_codec(stream.head(encodings.HEAD_BYTES))
                if codec is not None:
                    stream = self.stream(raw, codec, errors="replace")
            rows = self._lines if is_range or holds_lines(stream) else self._values
            has_addresses = stream.compression is None and codec is None
            number = (self.file.before or {}).get("rows", 0)
            while True:
                for row, error, start, length in rows(stream):
                    number += 1
                    offset, length = (stream.run_offset + start, length) if has_addresses else (-1, -1)
                    document = self.document(f"{self.file.key}#{number}", offset=offset, length=length)
                    if error:
                        self._drop_row(document, number, error)
                    elif self._fill(document, row, number):
                        yield document
                if stream.damage is None:
                    break
                what = stream.damage
                reason = "truncated" if stream.truncated else "unreadable"
                at, length = stream.damage_offset, stream.resume_offset() - stream.damage_offset
                self.drop_unreadable(at, length, what, reason)
                if not stream.next_run():
                    break
        text = self._columns["text"]
        if self.columns_there is not None and text in self.missing_columns and not is_range:  # that is no row's fault
            raise UserError(missing_column(self.file.key, text, self.columns_there))

    def places(self, range_bytes: int) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """After each line of a file that is not compressed. `before`: `rows`, the number of lines so far."""
        with open_raw(self.file.path) as raw:
            stream = self.stream(raw)
            codec = encodings.wide_codec(stream.head(encodings.HEAD_BYTES))
            if stream.compression or codec or other_format(stream) or not holds_lines(stream):
                return
            for number, _ in enumerate(self._split(stream), 1):
                if stream.position < stream.size:
                    yield stream.position, stream.position, {"rows": number}

    def _lines(self, stream: MemberStream) -> Iterator[tuple[Any, str, int, int]]:
        for line, start in self._split(stream):
            if line is None:
                yield None, f"a line of over {self.max_line_bytes} bytes", start, 0
                continue
            row, error = _BLANK, ""
            if line.strip() not in (b"", codecs.BOM_UTF8):
                try:
                    row = read_json(line)
                except (ValueError, RecursionError) as what:
                    row, error = None, str(what)
            yield row, error, start, len(line)

    def _values(self, stream: MemberStream) -> Iterator[tuple[Any, str, int, int]]:
        for value in json_values(stream, self.max_line_bytes):
            yield value.row, value.error, value.start, value.length

    def _split(self, stream: MemberStream) -> Iterator[tuple[bytes | None, int]]:
        """Every line with its position; None for one that is too long. What damage follows on is left."""
        searched = 0
        while True:
            found = stream.buffer.find(b"\n", searched)
            if 0 <= found <= self.max_line_bytes:
                if not stream.may_trust(stream.position + found + 1):
                    return
                line, start = bytes(memoryview(stream.buffer)[: found + 1]), stream.position
                stream.consume(found + 1)
                searched = 0
                yield line, start
                continue
            searched = len(stream.buffer)
            if searched > self.max_line_bytes:
                start = stream.position
                self._skip_line(stream)
                searched = 0
                yield None, start
            elif not stream.fill():
                break
        if stream.buffer and stream.damage is None:
            line, start = bytes(stream.buffer), stream.position
            stream.consume(len(line))
            yield line, start

    @staticmethod
    def _skip_line(stream: MemberStream) -> None:
        while (found := stream.buffer.find(b"\n")) < 0:
            stream.consume(len(stream.buffer))
            if not stream.fill():
                return
        stream.consume(found + 1)

    def _fill(self, document: Document, row: Any, number: int) -> bool:
        """Take over a row. False where it is no document."""
        if row is _BLANK:
            self.num_other_records["blank_line"] += 1
            return False
        if isinstance(row, dict):
            if self.missing_columns:
                self._look_for_columns(row)
            if self.file.columns:
                row = {name: value_at(row, column) for name, column in self._columns.items()}
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            self._drop_row(document, number, f"it is no object with a string under `{self._columns['text']}`")
            return False
        fill_document(document, row)
        if not document.text.strip():
            self.drop_record(document, "empty_payload", number)
            return False
        return True

    def _look_for_columns(self, row: dict[str, Any]) -> None:
        self.missing_columns -= {column for column in self.missing_columns if has_column(row, column)}
        if self.columns_there is None:
            self.columns_there = names_of(row)

    def _drop_row(self, document: Document, number: int, what: str) -> None:
        self.drop_record(document, "bad_json", number, f"line {number}: {what}")


_BLANK: Any = object()  # a line without a value


def missing_column(where: str, name: str, there: Sequence[str], what: str = "no column") -> str:
    """The message for a file or a source without a column."""
    names = ", ".join(there[:50])
    return f"{where}: there is {what} `{name}` (there are: {names}). Name the one to read in the source's `columns`."


def fill_document(document: Document, row: dict[str, Any]) -> None:
    """Take over the columns that a row has; what it leaves out, or cannot be said, stays as it was.

    row: by our names of the columns; `text` is a string. The digest is of the text.
    """
    document.text = sound(row["text"])
    for name in ("url", "title", "date", "language"):
        value = row.get(name)
        if value is not None and not isinstance(value, (dict, list, tuple)):
            document.metadata[name] = text_of(value)
    document.id = text_of(row.get("id")) or document.id
    document.metadata["digest"] = payload_digest(document.text.encode("utf-8"))


class ParquetReader(Reader):
    """Reads one document a row, a row group's batch at a time: columns as in JSONL; an id left out is `<file>#<row>`.

    Rows count from 0. A text in bytes is decoded as a text file is. A value that cannot be read, such as a time that
    Python has no number for, is left out.

    Reasons of drops: bad_row (no text, or one that cannot be read), empty_payload, unreadable (the file, or each row of
    a row group from where it is damaged).
    Raises `UserError` where the file has no column `text`, or none that the source names.
    """

    name = "Parquet"

    def read(self) -> Iterator[Document]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with open_raw(self.file.path) as raw:
            try:
                parquet = pq.ParquetFile(raw)
            except (pa.ArrowException, OSError, ValueError, OverflowError):
                stream = self.stream(raw)
                self.drop_unreadable(0, stream.size, not_parquet(stream))
                return
            columns = self._check_columns(parquet.schema_arrow)
            first = 0
            stop = parquet.num_row_groups if self.file.stop is None else self.file.stop
            for group in range(stop):
                row_number = first
                first += parquet.metadata.row_group(group).num_rows
                if group < self.file.start:
                    continue
                batches = parquet.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=sorted(set(columns.values())))
                while True:
                    try:
                        batch = next(batches, None)
                    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
                        what = str(error).partition(". ")[0].rstrip(".")  # the library's advice is left out
                        self._drop_rows(row_number, first, f"row group {group} from row {row_number}: {what}")
                        break
                    if batch is None:
                        break
                    values = {name: python_values(column_at(batch, column)) for name, column in columns.items()}
                    for row in zip(*values.values(), strict=True):
                        document = self._row(dict(zip(values, row, strict=True)), row_number)
                        row_number += 1
                        if document is not None:
                            yield document

    def places(self, range_bytes: int) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Before each row group but the first; bytes are counted unpacked."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        with open_raw(self.file.path) as raw:
            try:
                metadata = pq.ParquetFile(raw).metadata
                sizes = [metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)]
            except (pa.ArrowException, OSError, ValueError, OverflowError):
                return  # the task that reads it says so
        for group, num_bytes in enumerate(itertools.accumulate(sizes[:-1]), 1):
            yield num_bytes, group, {}

    def _check_columns(self, schema: Any) -> dict[str, str]:
        """The file's columns by our names. Raises `UserError` where one that is asked for is not there once."""
        wanted = self.file.column_names()
        paths = paths_of(schema)
        there = {*schema.names, *paths}
        for name in (wanted["text"], *dict(self.file.columns).values()):
            if name not in there or schema.names.count(name) > 1:
                what = "no column" if name not in there else "more than one column"
                raise UserError(missing_column(self.file.key, name, paths, what))
        return {name: column for name, column in wanted.items() if column in there and schema.names.count(column) < 2}

    def _drop_rows(self, first: int, end: int, what: str) -> None:
        """Drop each row of a damaged row group that was not read; a footer that is damaged, too, may promise any."""
        self.report_damage(-1, what)
        last = min(end, first + _MOST_LOST_ROWS)
        for number in range(first, last):
            self.drop_record(self.document(f"{self.file.key}#{number}"), "unreadable", number, what)
        if end > last or end <= first:
            rest = f"{what} ({max(0, end - last)} further rows)"
            self.drop_record(self.document(f"{self.file.key}#{last}"), "unreadable", last, rest)

    def _row(self, row: dict[str, Any], number: int) -> Document | None:
        document = self.document(f"{self.file.key}#{number}")
        text, what = self._text(row["text"])
        if text is None:
            self.drop_record(document, "bad_row", number, f"row {number}: {what}")
            return None
        fill_document(document, row | {"text": text})
        if not document.text.strip():
            self.drop_record(document, "empty_payload", number)
            return None
        return document

    def _text(self, value: Any) -> tuple[str | None, str]:
        """The text that a value is; None and the reason where it is none."""
        column = self.file.column_names()["text"]
        if isinstance(value, str):
            return value, ""
        if isinstance(value, bytes):
            decoded = decode(value, is_html=False)
            if decoded.broken_fraction <= MAX_BROKEN_FRACTION:
                return decoded.text, ""
            return None, f"`{column}` is bytes that mean nothing in {decoded.codec}"
        if isinstance(value, Unreadable):
            return None, f"`{column}`: {value.why}"
        return None, "no text" if value is None else f"`{column}` is {type(value).__name__}, and no text"
