"""Documents of the rows of JSONL and Parquet files, in any of the compressions that `members` knows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from datatrove.data import Document

from manifests.errors import UserError
from pipeline.readers.base import RawFile, Reader
from pipeline.readers.members import MemberStream, open_raw
from pipeline.readers.warc import payload_digest

MAX_LINE_BYTES = 256 << 20
_ROWS_AT_ONCE = 256
_MOST_LOST_ROWS = 1 << 20


class JsonlReader(Reader):
    """Reads one document a line: `text`, and `id`, `url`, `title`, `date`, `language` where present.

    Without an id it is `<file>#<line>`, counted from 1. `offset` and `length` are the line's bytes in an uncompressed
    file, -1 in a compressed one. Blank lines are counted apart.

    Reasons of drops: bad_json (value: the line, detail: what is wrong), empty_payload, truncated, unreadable.
    Raises `UserError` at the file's end where no row had a column `text`.
    """

    name = "JSONL"

    def __init__(self, file: RawFile, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        super().__init__(file)
        self.max_line_bytes = max_line_bytes

    def read(self) -> Iterator[Document]:
        with open_raw(self.file.path) as raw:
            stream = self.stream(raw)
            number = 0
            self._found_text = False
            self._other_names: list[str] | None = None
            while True:
                for line, start in self._lines(stream):
                    number += 1
                    offset, length = (-1, -1) if stream.compression else (start, 0 if line is None else len(line))
                    document = self.document(f"{self.file.key}#{number}", offset=offset, length=length)
                    if line is None:
                        self._drop_line(document, number, f"a line of over {self.max_line_bytes} bytes")
                        continue
                    if not line.strip():
                        self.num_other_records["blank_line"] += 1
                        continue
                    if self._parse(document, line, number):
                        yield document
                if stream.damage is None:
                    break
                what = stream.damage
                reason = "truncated" if stream.truncated else "unreadable"
                at, length = stream.damage_offset, stream.resume_offset() - stream.damage_offset
                self.drop_unreadable(at, length, what, reason)
                if not stream.next_run():
                    break
        self._check_column()

    def _check_column(self) -> None:
        """Raise `UserError` where there were rows and none had the column of texts: that is no row's fault."""
        if self._other_names is not None and not self._found_text:
            raise UserError(missing_column(self.file, self.file.column_names()["text"], self._other_names))

    def _lines(self, stream: MemberStream) -> Iterator[tuple[bytes | None, int]]:
        """Every line with its position; None for one that is too long. What damage follows on is left."""
        searched = 0
        while True:
            found = stream.buffer.find(b"\n", searched)
            if found >= 0:
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

    def _parse(self, document: Document, line: bytes, number: int) -> bool:
        try:
            row = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            self._drop_line(document, number, str(error))
            return False
        column = self.file.column_names()["text"]
        if isinstance(row, dict) and column in row:
            self._found_text = True
        elif isinstance(row, dict) and self._other_names is None:
            self._other_names = list(row)
        if not isinstance(row, dict) or not isinstance(row.get(column), str):
            self._drop_line(document, number, f"it is no object with a string under `{column}`")
            return False
        fill_document(document, rename_columns(row, self.file))
        if not document.text.strip():
            self.drop_record(document, "empty_payload", number)
            return False
        return True

    def _drop_line(self, document: Document, number: int, what: str) -> None:
        self.drop_record(document, "bad_json", number, f"line {number}: {what}")


def missing_column(file: RawFile, name: str, there: Sequence[str], what: str = "no column") -> str:
    """The message for a file without a column."""
    names = ", ".join(there[:50])
    return f"{file.key}: there is {what} `{name}` (there are: {names}). Name the one to read in the source's `columns`."


def rename_columns(row: dict[str, Any], file: RawFile) -> dict[str, Any]:
    """The columns of a row that a document may have, by the names that they have there."""
    if not file.columns:
        return row
    return {name: row.get(column) for name, column in file.column_names().items()}


def fill_document(document: Document, row: dict[str, Any]) -> None:
    """Take over the columns that a row has; what it leaves out stays as it was. The digest is of the text."""
    document.text = _sound(row["text"])
    for name in ("url", "title", "date", "language"):
        if row.get(name) is not None:
            document.metadata[name] = _sound(str(row[name]))
    if row.get("id") not in (None, ""):
        document.id = _sound(str(row["id"]))
    document.metadata["digest"] = payload_digest(document.text.encode("utf-8"))


def _sound(text: str) -> str:
    """JSON may smuggle in lone surrogates, which no file can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _rows(batch: Any) -> Iterator[dict[str, Any] | str]:
    """The rows of an Arrow batch; in place of one that holds a value which Python cannot, what is wrong with it."""
    import pyarrow as pa

    try:
        yield from batch.to_pylist()
        return
    except (ValueError, OverflowError, pa.ArrowException):  # UnicodeDecodeError is a ValueError
        pass  # no row was given out: the list is made first; one row at a time says which are bad
    for index in range(batch.num_rows):
        try:
            yield {name: batch.column(name)[index].as_py() for name in batch.schema.names}
        except (ValueError, OverflowError, pa.ArrowException) as error:
            yield f"{type(error).__name__}: {error}"[:500]


class ParquetReader(Reader):
    """Reads one document a row, a row group's batch at a time: columns as in JSONL; an id left out is `<file>#<row>`.

    Rows count from 0. Reasons of drops: bad_row (no text, or a value that cannot be read), empty_payload, unreadable
    (the file, or each row of a row group from where it is damaged).
    Raises `UserError` where the file has no column `text`, or none that the source names.
    """

    name = "Parquet"

    def read(self) -> Iterator[Document]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with open_raw(self.file.path) as raw:
            try:
                parquet = pq.ParquetFile(raw)
            except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
                self.drop_unreadable(0, raw.seek(0, 2), f"not a Parquet file: {error}")
                return
            wanted = self.file.column_names()
            there = parquet.schema_arrow.names
            for name in (wanted["text"], *dict(self.file.columns).values()):
                if name not in there:
                    raise UserError(missing_column(self.file, name, there))
            names = sorted({column for column in wanted.values() if column in there})
            first = 0
            for group in range(parquet.num_row_groups):
                row_number = first
                first += parquet.metadata.row_group(group).num_rows
                batches = parquet.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=names)
                while True:
                    try:
                        batch = next(batches, None)
                    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
                        self._drop_rows(row_number, first, f"row group {group} from row {row_number}: {error}")
                        break
                    if batch is None:
                        break
                    for row in _rows(batch):
                        document = self._row(row, row_number)
                        row_number += 1
                        if document is not None:
                            yield document

    def _drop_rows(self, first: int, end: int, what: str) -> None:
        """Drop each row of a damaged row group that was not read; a footer that is damaged, too, may promise any."""
        self.report_damage(-1, what)
        last = min(end, first + _MOST_LOST_ROWS)
        for number in range(first, last):
            self.drop_record(self.document(f"{self.file.key}#{number}"), "unreadable", number, what)
        if end > last or end <= first:
            rest = f"{what} ({max(0, end - last)} further rows)"
            self.drop_record(self.document(f"{self.file.key}#{last}"), "unreadable", last, rest)

    def _row(self, row: dict[str, Any] | str, number: int) -> Document | None:
        document = self.document(f"{self.file.key}#{number}")
        if isinstance(row, str):
            self.drop_record(document, "bad_row", number, f"row {number}: {row}")
            return None
        row = rename_columns(row, self.file)
        if not isinstance(row["text"], str):
            self.drop_record(document, "bad_row", number, f"row {number}: no text")
            return None
        fill_document(document, row)
        if not document.text.strip():
            self.drop_record(document, "empty_payload", number)
            return None
        return document
