"""Rows of JSONL, CSV and Parquet files read back from their addresses, or by their ids."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from manifests.errors import UserError
from manifests.records import encodings
from manifests.records.arrow_values import column_at, python_values
from manifests.records.csv_header import Header, read_header
from manifests.records.json_values import holds_lines, json_values, read_json
from manifests.records.unpacked import Unpacked, open_file
from manifests.records.values import text_of, value_at

_MOST_FIELD_CHARACTERS = 1 << 30
_MOST_VALUE_BYTES = 1 << 30


def read_json_row(path: str, offset: int, length: int, id: str, id_column: str) -> bytes:
    """The JSON text of a row; without an offset, of the one with that id or number."""
    with open_file(path) as file:
        if offset >= 0:
            file.seek(offset)
            return bytes(file.read(length))
        number = _number_in(id)
        stream = Unpacked(file, path)
        texts: Iterator[bytes]
        if holds_lines(stream):
            texts = iter(stream.lines())
        else:
            texts = (value.data for value in json_values(stream, _MOST_VALUE_BYTES))
        for current, text in enumerate(texts, start=1):
            if number is not None and current == number:
                return text
            if number is None:
                with contextlib.suppress(ValueError, RecursionError):
                    row = read_json(text)
                    if isinstance(row, dict) and text_of(value_at(row, id_column)) == id:
                        return text
    raise _missing(path, id, stream)


def read_csv_row(path: str, offset: int, length: int, id: str, columns: Mapping[str, str]) -> bytes:
    """The bytes of a row, whose id is the one in its column or `<file>#<line>`, the line that it starts at."""
    with open_file(path) as file:
        if offset >= 0:
            file.seek(offset)
            return bytes(file.read(length))
        number = _number_in(id)
        stream = Unpacked(file, path)
        lines, header = _csv_lines(stream, columns)
        index = _place(header, columns["id"])
        rest = itertools.chain(header.ahead, lines)
        taken: list[str] = []
        at_line = header.num_lines + 1
        reader = csv.reader(_noting(rest, taken), delimiter=header.delimiter, strict=True)
        while True:
            while number is not None and at_line < number and next(rest, None) is not None:
                at_line += 1
            try:
                row = next(reader, None)
            except csv.Error:  # a row that cannot be made out: the next one is looked for from its second line on
                rest = itertools.chain(taken[1:], rest)
                taken = []
                at_line += 1
                reader = csv.reader(_noting(rest, taken), delimiter=header.delimiter, strict=True)
                continue
            if row is None:
                break
            if (number is not None and at_line == number) or (
                number is None and index is not None and row[index : index + 1] and row[index] in _as_latin(id)
            ):
                return "".join(taken).encode("latin-1")
            at_line += len(taken)
            taken.clear()
    raise _missing(path, id, stream)


def _missing(path: str, id: str, stream: Unpacked | None = None) -> UserError:
    """The error for a row that is nowhere in what could be decompressed."""
    damage = None if stream is None else stream.damage
    return UserError(damage or f"{path}: row {id} is not in the file. The raw file has changed: run acquire again.")


def split_csv_row(path: str, record: bytes, columns: Mapping[str, str] | None = None) -> dict[str, bytes] | None:
    """The bytes of `text` and `id` in a row that `read_csv_row` gave, as far as its file has columns for them.

    None where the bytes are not one row with as many fields as the file has columns. Columns as in `read_csv_row`.
    """
    names = {"text": "text", "id": "id", **(columns or {})}
    with open_file(path) as file:
        _, header = _csv_lines(Unpacked(file, path), names)
    try:
        rows = list(
            csv.reader(io.StringIO(record.decode("latin-1"), newline=""), delimiter=header.delimiter, strict=True)
        )
    except csv.Error:
        return None
    if len(rows) != 1 or len(rows[0]) != len(header.columns):
        return None
    places = {name: _place(header, names[name]) for name in ("text", "id")}
    return {name: rows[0][place].encode("latin-1") for name, place in places.items() if place is not None}


def _csv_lines(stream: Unpacked, columns: Mapping[str, str]) -> tuple[Iterator[str], Header]:
    """The lines of a CSV file after what its header took, and the header."""
    csv.field_size_limit(_MOST_FIELD_CHARACTERS)
    # Latin-1 takes any byte for one character, so that what is read can be given back as it is.
    lines = io.TextIOWrapper(stream.lines(), encoding="latin-1", newline="")
    return lines, read_header(lines, _as_latin(columns["text"]))


def _place(header: Header, column: str) -> int | None:
    forms = _as_latin(column)
    return next((at for at, name in enumerate(header.columns) if name in forms), None)


def _as_latin(text: str) -> frozenset[str]:
    """Text as it may look where its bytes are read as Latin-1, in whichever encoding they are."""
    return frozenset(data.decode("latin-1") for data in encodings.encoded(text))


def _noting(lines: Iterable[str], taken: list[str]) -> Iterator[str]:
    for line in lines:
        taken.append(line)
        yield line


def read_parquet_row(path: str, id: str, id_column: str) -> bytes:
    """The row with that id or number, as JSON. Raises `UserError` where the file cannot be read there."""
    import pyarrow as pa

    try:
        return _search_parquet(path, id, id_column)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise UserError(f"{path}: row {id} cannot be read ({error}). Run acquire again.") from None


def _search_parquet(path: str, id: str, id_column: str) -> bytes:
    import pyarrow.parquet as pq

    with open_file(path) as file:
        parquet = pq.ParquetFile(file)
        number = _number_in(id)
        first = 0
        for group in range(parquet.num_row_groups):
            num_rows = parquet.metadata.row_group(group).num_rows
            if number is not None and not first <= number < first + num_rows:
                first += num_rows
                continue
            table = parquet.read_row_group(group).combine_chunks()
            row = number - first if number is not None else _row_with(table, id_column, id)
            if row is not None:
                values = {name: python_values(table.column(name).slice(row, 1))[0] for name in table.column_names}
                return json.dumps(values, ensure_ascii=False, default=text_of).encode("utf-8", "replace")
            first += num_rows
    raise _missing(path, id)


def _row_with(table: Any, id_column: str, id: str) -> int | None:
    column = column_at(table, id_column)
    if column is None:
        return None
    return next((at for at, value in enumerate(python_values(column)) if text_of(value) == id), None)


def _number_in(id: str) -> int | None:
    """The line or row of an id that a reader made up: `<file>#<number>`."""
    number = id.rpartition("#")[2]
    return int(number) if "#" in id and number.isascii() and number.isdigit() else None
