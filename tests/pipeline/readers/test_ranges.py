"""Large files of rows read in ranges: together they give what reading the file whole gives, whatever is in it."""

from __future__ import annotations

import bz2
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datatrove.data import Document
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.documents.schema import document_row
from pipeline.formats import RawFile, reader_for
from pipeline.readers.base import Reader
from pipeline.readers.csv_rows import CsvReader
from pipeline.readers.csv_scanner import RowScanner
from pipeline.readers.rows import JsonlReader

MOST_BYTES = 2000  # of a row, or line


class Drops(list):
    def add(self, document: Document, reason: str, value: float | None = None, detail: str | None = None) -> None:
        self.append((document_row(document), reason, value, detail))


def read(path: Path, columns: dict[str, str], **more: Any) -> tuple[list[Any], Drops, Reader]:
    """The documents and the drops of a file, or of a range of it, in the order in which they come."""
    format = path.suffixes[0][1:]
    reader = reader_for(RawFile("key", str(path), "test", format, columns=tuple(sorted(columns.items())), **more))
    if isinstance(reader, CsvReader):
        reader.max_row_bytes = MOST_BYTES
    if isinstance(reader, JsonlReader):
        reader.max_line_bytes = MOST_BYTES
    reader.drops = drops = Drops()
    return [document_row(document) for document in reader.run()], drops, reader


def check(path: Path, range_bytes: int, columns: dict[str, str] | None = None) -> int:
    """Compare a file that is read in ranges with the whole file. Returns how many ranges there are."""
    columns = columns or {}
    documents, drops, whole = read(path, columns)
    ranges = json.loads(json.dumps(whole.ranges(range_bytes)))
    parts = [read(path, columns, **settings) for settings in ranges]
    if ranges:
        assert [document for part in parts for document in part[0]] == documents
        assert [drop for part in parts for drop in part[1]] == drops
        assert sum((part[2].num_other_records for part in parts), start=type(whole.num_other_records)()) == (
            whole.num_other_records
        )
        assert [line for part in parts for line in part[2].damaged] == whole.damaged
    if ranges and isinstance(whole, JsonlReader):
        seen = [part[2] for part in parts if part[2].columns_there is not None]
        assert set.intersection(*(reader.missing_columns for reader in seen)) == whole.missing_columns
        assert seen[0].columns_there == whole.columns_there
    return len(ranges)


GOOD = b'{"text": "good \xc3\xa9", "id": "i", "meta": {"url": "u"}}'
JSON_LINES = [
    *[GOOD, b'{"text": "no id"}', b"", b"  \t", b'{"text": ""}', b'{"other": 1}', b"[1]", b"{broken", b'{"text": 7}'],
    *[
        b'{"text": "\xff\xfe"}',
        b'{"text": "' + b"l" * 1500 + b'"}',
        b'{"text": "' + b"x" * 2500 + b'"}',
        b"\xef\xbb\xbf",
    ],
    *[b'{"text": "a\\nb"}', b'{"text": "\\ud800"}', b"\x00", b'{"text": "a"} {"text": "b"}'],
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.tuples(st.sampled_from(JSON_LINES), st.sampled_from([b"\n", b"\r\n"])), max_size=30),
    head=st.sampled_from([b"", b"\xef\xbb\xbf", b"\n"]),
    last=st.sampled_from([b"", b'{"text": "the last one has no line end"}']),
    range_bytes=st.sampled_from([1, 7, 40, 100, 1000, 5000]),
    read_bytes=st.sampled_from([300, 2000, 1 << 16]),
)
def test_lines(
    tmp_path: Path, lines: list[tuple[bytes, bytes]], head: bytes, last: bytes, range_bytes: int, read_bytes: int
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(head + GOOD + b"\n" + b"".join(line + end for line, end in lines) + last)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.readers.members.READ_BYTES", read_bytes)
        check(path, range_bytes, {"url": "meta.url"})


CSV_ROWS = [
    *[b"plain,1,u", b'"quoted\nover\r\nlines",2,u', b'"a ""b"" c",3,u', b"", b"too,few", b"a,b,c,d", b'5" pipe,4,u'],
    *[
        b'"text" after,5,u',
        b'"opened, and never closed',
        b"\xe9t\xe9 caf\xe9 na\xefve,6,u",
        b"good,7,\xe9t\xe9",
        b",8,u",
    ],
    *[
        b"l" * 1500 + b",9,u",
        b"x" * 2500 + b",10,u",
        b'"' + b"q\n" * 1300 + b'",11,u',
        "été,12,u".encode(),
        b"\xff\xff,13,u",
    ],
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(st.sampled_from(CSV_ROWS), st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=30),
    head=st.sampled_from(
        [b"text,id,url\n", b"\xef\xbb\xbftext,id,url\r\n", b"\nsep=,\ntext,id,url\r", b"text,id,\xe9t\xe9\n"]
    ),
    last=st.sampled_from([b"", b"the last one,0,u", b'"open at the end,0,u']),
    range_bytes=st.sampled_from([1, 7, 40, 100, 1000, 3000]),
    most_scanned=st.sampled_from([100, 5000, 1 << 28]),
    read_bytes=st.sampled_from([300, 2000, 1 << 16]),
)
def test_csv_rows(
    tmp_path: Path,
    rows: list[tuple[bytes, bytes]],
    head: bytes,
    last: bytes,
    range_bytes: int,
    most_scanned: int,
    read_bytes: int,
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(head + b"".join(row + end for row, end in rows) + last)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.readers.csv_scanner._RESCAN_BYTES", most_scanned)
        patch.setattr("pipeline.readers.members.READ_BYTES", read_bytes)
        check(path, range_bytes)


def test_a_quoted_row_that_is_too_long_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    long = b'"' + b"q\n" * 1300 + b'",11,u\n'
    # Its last line and the next one are a row to who goes on line by line.
    path.write_bytes(b"text,id,url\n" + long + b"a" * 500 + b'",1,u\n' + b'good,1,u\n"also ""good""",2,u\n' * 100)
    assert check(path, len(long)) >= 2


@pytest.mark.parametrize("start", range(0, 2000, 400))
def test_a_line_is_too_long_whatever_is_read_at_once(
    tmp_path: Path, start: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.readers.members.READ_BYTES", 2000)
    path = tmp_path / "a.jsonl"
    path.write_bytes(GOOD + b" " * start + b"\n" + b'{"text": "' + b"x" * 2500 + b'"}\n' + GOOD)
    assert check(path, 1) == 3
    assert read(path, {})[2].num_dropped == {"bad_json": 1}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_of_every_delimiter_is_cut_at_rows(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "a.csv"
    rows = [f'"row {number}{delimiter} ""and""\nmore"{delimiter}{number}' for number in range(5000)]
    path.write_text(f"text{delimiter}id\n" + "\n".join(rows) + "\n")
    assert check(path, 10_000) >= 10
    assert check(path, path.stat().st_size) == 0


def test_csv_rows_are_passed_over_in_large_pieces(tmp_path: Path) -> None:
    """Of a sound file no row is looked at by itself, or cutting it would take as long as reading it."""
    path = tmp_path / "a.csv"
    path.write_text("text,id\n" + '"a ""b"", c",1\n' * 20_000)
    with pytest.MonkeyPatch.context() as patch:
        parsed: list[int] = []
        parse = RowScanner._parse

        def count(scanner: RowScanner, delimiter: bytes) -> Any:
            parsed.append(1)
            return parse(scanner, delimiter)

        patch.setattr(RowScanner, "_parse", count)
        reader = reader_for(RawFile("key", str(path), "test", "csv"))
        assert len(reader.ranges(1 << 16)) == 5
    assert len(parsed) < 12  # the header, with each delimiter


def test_a_large_file_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("w") as file:
        for number in range(30_000):
            file.write(json.dumps({"text": f"text {number} " * 9}) + ("\n\n" if number % 100 == 0 else "\n"))
    assert path.stat().st_size > 3_000_000
    assert check(path, 200_000) >= 15


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(0, 7), max_size=8),
    range_bytes=st.sampled_from([1, 300, 1000]),
    text=st.sampled_from(
        ["text", b"in bytes", None, " ", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")]
    ),
)
def test_row_groups(tmp_path: Path, sizes: list[int], range_bytes: int, text: Any) -> None:
    path = tmp_path / "a.parquet"
    kind = pa.binary() if isinstance(text, bytes) else pa.string()
    schema = pa.schema([("nested", pa.struct([("text", kind), ("tags", pa.list_(pa.string()))])), ("n", pa.int64())])
    with pq.ParquetWriter(path, schema) as writer:
        for size in sizes:
            rows = [{"nested": {"text": text, "tags": ["a", "b"]}, "n": number} for number in range(size)]
            writer.write_table(pa.Table.from_pylist(rows, schema), row_group_size=4)
    check(path, range_bytes, {"text": "nested.text", "title": "nested.tags"})


def test_a_damaged_row_group_is_lost_in_its_range(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"text": [f"text {number} " * 50 for number in range(4000)]})
    pq.write_table(table, path, row_group_size=500, compression="none", use_dictionary=False)
    data = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(3).column(0).data_page_offset
    data[start : start + 30] = b"\xff" * 30
    path.write_bytes(data)
    assert check(path, 300_000) >= 4
    assert sum(read(path, {})[2].num_dropped.values()) == 500


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl.gz", gzip.compress(GOOD + b"\n" + GOOD)),
        ("a.jsonl.bz2", bz2.compress(GOOD + b"\n" + GOOD)),
        ("a.jsonl", (GOOD + b"\n" + GOOD).decode().encode("utf-16")),
        ("a.jsonl", b"[" + GOOD + b",\n" + GOOD + b"]"),
        ("a.jsonl", b'{"text":\n"a"}\n{"text":\n"b"}\n'),
        ("a.jsonl", b"PAR1" + b"\x00" * 9000),
        ("a.csv.gz", gzip.compress(b"text\na\nb\n")),
        ("a.csv", "text\na\nb\n".encode("utf-16")),
        ("a.csv", b"\x89PNG" + b"\x00\n" * 900),
        ("a.csv", b""),
        ("a.parquet", b"no parquet file\n"),
        ("a.parquet", b""),
    ],
)
def test_files_that_stay_one_task(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert check(path, 5) == 0
