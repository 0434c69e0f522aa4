"""CSV reader, and the columns of JSONL and Parquet: rows as Python's csv module reads them, each yielded or dropped."""

from __future__ import annotations

import bz2
import contextlib
import csv
import gzip
import hashlib
import io
import itertools
import json
import lzma
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manifests.errors import UserError
from manifests.records.csv_header import read_header
from manifests.records.read import read_record
from manifests.records.rows import split_csv_row
from pipeline.formats import RawFile, reader_for
from pipeline.readers.base import Reader
from pipeline.readers.csv_rows import CsvReader
from pipeline.readers.csv_scanner import RowScanner
from pipeline.readers.members import MemberStream

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
    ".lz4": lz4.frame.compress,
}


def read(path: Path, data: bytes | None = None, columns: dict[str, str] | None = None) -> tuple[list, Reader]:
    if data is not None:
        path.write_bytes(data)
    format = next(suffix[1:] for suffix in path.suffixes if suffix[1:] in ("csv", "tsv", "jsonl", "parquet"))
    file = RawFile(
        path.name, str(path), "test", "csv" if format == "tsv" else format, columns=tuple((columns or {}).items())
    )
    reader = reader_for(file)
    documents = list(reader())
    assert reader.num_candidates == len(documents) + reader.num_dropped.total()
    for document in documents:
        pa.array([document.text])
    return documents, reader


def scan(data: bytes, delimiter: bytes = b",") -> list[list[bytes] | None]:
    """The fields of every row but blank ones; None for one that cannot be made out."""
    scanner = RowScanner(MemberStream(io.BytesIO(data)))
    scanner.delimiter = delimiter
    return [row.fields for row in scanner.rows() if not row.is_blank]


ROWS = 'text,id,url,date,language,other\r\n"one ""two""\nthree",7,http://x,2024,de,z\r\nfour,,,,,\r\n\r\n"five,",,,,,"a\n\nb"\n'


@pytest.mark.parametrize("ending", PACKERS)
def test_columns_and_addresses_in_every_compression(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.csv{ending}"
    documents, reader = read(path, PACKERS[ending](ROWS.encode()))
    assert [document.text for document in documents] == ['one "two"\nthree', "four", "five,"]
    assert [document.id for document in documents] == ["7", f"x.csv{ending}#4", f"x.csv{ending}#6"]
    first = documents[0].metadata
    assert (first["url"], first["date"], first["language"]) == ("http://x", "2024", "de")
    assert (reader.num_dropped.total(), reader.num_other_records) == (0, {"blank_line": 1})
    raw = ['"one ""two""\nthree",7,http://x,2024,de,z\r\n', "four,,,,,\r\n", '"five,",,,,,"a\n\nb"\n']
    for document, row in zip(documents, raw, strict=True):
        address = document.metadata["offset"], document.metadata["length"]
        assert (address == (-1, -1)) == bool(ending)
        assert read_record(str(path), "csv", *address, document.id).decode() == row
    with pytest.raises(UserError, match="is not in the file"):
        read_record(str(path), "csv", -1, -1, "none")


@pytest.mark.parametrize(
    ("head", "delimiter"),
    [
        *[
            ("text,id", ","),
            ("text;id", ";"),
            ("id\ttext", "\t"),
            ("id|text|a,b", "|"),
            ('"text";"a,b"', ";"),
            ("text", ","),
        ],
        *[("sep=;\ntext;id", ";"), ("\nSEP=,\r\ntext,id", ","), ("sep=\t\r\ntext\tid", "\t")],
    ],
)
def test_the_header_settles_the_delimiter(tmp_path: Path, head: str, delimiter: str) -> None:
    columns = next(csv.reader([head.splitlines()[-1]], delimiter=delimiter))
    row = delimiter.join(f"{name} of it" for name in columns)
    (document,), reader = read(tmp_path / "x.tsv", f"\ufeff\n{head}\n{row}".encode())
    assert document.text == "text of it"
    assert not reader.num_dropped


def test_bad_rows_are_drops_and_cost_no_other_row(tmp_path: Path) -> None:
    rows = [
        (b"text,id\n", None),
        (b"good,1\n", None),
        (b"few\n", "bad_row"),
        (b"many,2,3\n", "bad_row"),
        (b'"closed"late,4\n', "bad_row"),
        (b"\xff\xfe,5\n", "bad_row"),
        (b' ,"6"\n', "empty_payload"),
        (b'"",7\n', "empty_payload"),
        (b'5" pipe,8\n', None),
        (b'"opened,9\n', "bad_row"),
        (b'"two\nlines",10\n', None),
        (b"\n", None),
        (b"last,11", None),
    ]
    path = tmp_path / "x.csv"
    documents, reader = read(path, b"".join(row for row, _ in rows))
    assert [document.id for document in documents] == ["1", "8", "10", "11"]
    assert dict(reader.num_dropped) == {"bad_row": 5, "empty_payload": 2}
    for document in documents:
        address = document.metadata["offset"], document.metadata["length"]
        assert read_record(str(path), "csv", *address, document.id) in [row for row, _ in rows]


def test_drops_have_line_and_offset(tmp_path: Path) -> None:
    drops = []
    path = tmp_path / "x.csv"
    path.write_bytes(b'text,id\n"a\nb",1\nbad\n"c\n')

    class Noting(CsvReader):
        def drop(self, document, reason, value=None, detail=None):  # type: ignore[no-untyped-def]
            drops.append((document.metadata["offset"], document.metadata["length"], reason, value, detail))

    assert len(list(Noting(RawFile("x", str(path), "s", "csv"))())) == 1
    assert drops == [
        (16, 4, "bad_row", 4, "line 4: 1 fields where the header has 2"),
        (20, 3, "bad_row", 5, "line 5: a quote is opened that nothing closes"),
    ]


def test_header_errors(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    with pytest.raises(UserError, match=r"no column `text` \(there are: body, id\)"):
        read(path, b"body;id\nx;1\n")
    with pytest.raises(UserError, match="no column `nr`"):
        read(path, b"text,id\nx,1\n", {"id": "nr"})
    with pytest.raises(UserError, match="more than one column `text`"):
        read(path, b"text,text\nx,1\n")
    for data in (b"", b"\n\r\n", b'"text,id\nx,1\n'):
        assert dict(read(path, data)[1].num_dropped) == {"unreadable": 1}


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    columns = {"text": "content", "id": "nr", "date": "when"}
    rows = [{"content": f"row {n}", "nr": n, "when": "2024", "text": "not this", "id": "nor this"} for n in range(3)]
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in rows)))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    with (tmp_path / "x.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "y.csv.xz").write_bytes(lzma.compress((tmp_path / "x.csv").read_bytes()))
    for name in ("x.jsonl.gz", "x.parquet", "x.csv", "y.csv.xz"):
        documents, _ = read(tmp_path / name, columns=columns)
        assert [(d.text, d.id, d.metadata["date"]) for d in documents] == [
            (f"row {n}", str(n), "2024") for n in range(3)
        ]
        for document in documents:
            format = "csv" if "csv" in name else name.split(".")[1]
            address = document.metadata["offset"], document.metadata["length"]
            assert document.text.encode() in read_record(str(tmp_path / name), format, *address, document.id, columns)
        with pytest.raises(UserError, match=r"no column `body` \(there are: content, nr, when, text, id\)"):
            read(tmp_path / name, columns={"text": "body"})


@pytest.mark.parametrize("ending", PACKERS)
def test_jsonl_and_parquet_in_every_compression(tmp_path: Path, ending: str) -> None:
    rows = [{"text": f"row {number}\nof many", "id": f"n{number}"} for number in range(50)]
    path = tmp_path / f"x.jsonl{ending}"
    lines = [json.dumps(row).encode() + b"\n" for row in rows]
    # Two members, cut inside a line.
    data = b"".join(lines)
    documents, reader = read(path, PACKERS[ending](data[:777]) + PACKERS[ending](data[777:]))
    assert ([document.text for document in documents], reader.damaged) == ([row["text"] for row in rows], [])
    for document, line in zip(documents, lines, strict=True):
        address = document.metadata["offset"], document.metadata["length"]
        assert read_record(str(path), "jsonl", *address, document.id) == line
    codec = {"": "none", ".gz": "gzip", ".zst": "zstd", ".lz4": "lz4"}.get(ending)
    if codec is not None:
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet", compression=codec)
        documents, _ = read(tmp_path / "x.parquet")
        assert [document.id for document in documents] == [row["id"] for row in rows]


def test_a_truncated_file_is_told(tmp_path: Path) -> None:
    data = gzip.compress(b"text,id\n" + b"".join(b'"row\n%d, %d",%d\n' % (n, n * n, n) for n in range(5000)))
    documents, reader = read(tmp_path / "x.csv.gz", data[: len(data) // 2])
    assert 1000 < len(documents) < 4000
    assert [document.text for document in documents] == [f"row\n{n}, {n * n}" for n in range(len(documents))]
    assert dict(reader.num_dropped) == {"truncated": 1}


@pytest.mark.parametrize("format", ["csv", "jsonl"])
@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz"])
def test_what_damage_made_of_rows_is_not_taken(tmp_path: Path, format: str, ending: str) -> None:
    """A decompressor turns damaged data into other data, and comes to the checksum a while later."""
    texts = [f"row {number} {number * 7919 % 10007} of some, and" * (1 + number % 3) for number in range(2000)]
    rows = [b'"%s",%d\n' % (text.encode(), number) for number, text in enumerate(texts)]
    if format == "jsonl":
        rows = [json.dumps({"text": text, "id": number}).encode() + b"\n" for number, text in enumerate(texts)]
    packed = PACKERS[ending](b"text,id\n" * (format == "csv") + b"".join(rows))
    for number in range(1, 40):
        data = bytearray(packed)
        data[len(data) * number // 40] ^= 1 + number
        documents, reader = read(tmp_path / f"x.{format}{ending}", bytes(data))
        assert reader.num_dropped["unreadable"] == 1
        assert all(document.text == texts[int(document.id)] for document in documents)


def test_damage_near_the_header_takes_neither_for_ever(tmp_path: Path) -> None:
    rows = "".join(f"{n},{hashlib.sha256(b'%d' % n).hexdigest()}\n" for n in range(4000))
    packed = bytearray(gzip.compress(f"\n\nid,text\n{rows}".encode()))
    packed[-6] ^= 1
    documents, reader = read(tmp_path / "x.csv.gz", bytes(packed))
    assert not documents
    assert dict(reader.num_dropped) == {"unreadable": 1}


def test_rows_far_before_damage_are_kept(tmp_path: Path) -> None:
    numbers = range(150_000)
    packed = gzip.compress(b"text,id\n" + b"".join(b"%d,%d\n" % (number, number * number) for number in numbers))
    broken = bytearray(packed)
    broken[-6] ^= 0xFF  # of the checksum
    documents, reader = read(tmp_path / "x.csv.gz", bytes(broken))
    assert 50_000 < len(documents) < 145_000
    assert all(int(document.text) ** 2 == int(document.id) for document in documents)
    assert dict(reader.num_dropped) == {"unreadable": 1}
    documents, reader = read(tmp_path / "x.csv.gz", packed[:-9])
    assert len(documents) > 149_000
    assert dict(reader.num_dropped) == {"truncated": 1}


def test_after_damage_no_half_row_is_taken(tmp_path: Path) -> None:
    rows = [b'"row %d has, words",%d\n' % (n, n) for n in range(3000)]
    members = [b"text,id\n" + b"".join(rows[:1000]), b"".join(rows[1000:2000]), b"".join(rows[2000:])]
    data = b"".join(members)
    cuts = [0, len(members[0]) + 7, len(members[0]) + len(members[1]) + 9, len(data)]
    packed = [bytearray(gzip.compress(data[start:stop])) for start, stop in itertools.pairwise(cuts)]
    packed[1][len(packed[1]) // 2] ^= 0xFF
    documents, reader = read(tmp_path / "x.csv.gz", b"".join(bytes(part) for part in packed))
    assert set(reader.num_dropped) == {"unreadable", "bad_row"}
    assert documents[-1].id == "2999"
    assert all(document.text == f"row {document.id} has, words" for document in documents)


def test_an_unclosed_quote_takes_neither_the_file_nor_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b'text,id\na,1\n"open,2\n' + b"row,3\n" * 20_000)
    reader = CsvReader(RawFile("x", str(path), "s", "csv"), max_row_bytes=10_000)
    assert len(list(reader())) == 20_001
    assert dict(reader.num_dropped) == {"bad_row": 1}
    path.write_bytes(b"text,id\n" + b"a" * 50_000 + b',1\n"' + b"b\n" * 50_000 + b'",2\nlast,3\n')
    reader = CsvReader(RawFile("x", str(path), "s", "csv"), max_row_bytes=10_000)
    assert [document.id for document in reader()] == ["3"]


def test_broken_quotes_in_every_line_are_read_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """From each line the quotes lead to the file's end: without a bound the time would be the square of its size."""
    monkeypatch.setattr("pipeline.readers.csv_scanner._RESCAN_BYTES", 1 << 20)
    data = b'x","\n' * 100_000
    scanner = RowScanner(MemberStream(io.BytesIO(data)), max_row_bytes=100_000)
    rows = list(scanner.rows())
    assert sum(row.length for row in rows) == len(data)
    assert scanner.scanned_bytes < 4 * len(data) + (2 << 20)


FIELDS = st.text(st.sampled_from("ab ,;\t|\"\n\r'\\ü\0"), max_size=8)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(FIELDS, min_size=n, max_size=n), max_size=6)),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
)
def test_what_pythons_csv_writes_is_read(rows: list[list[str]], delimiter: str, end: str, quoting: int) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    read_back = scan(out.getvalue().encode(), delimiter.encode())
    by_python = csv.reader(io.StringIO(out.getvalue(), newline=""), delimiter=delimiter)
    assert read_back == [[field.encode() for field in row] for row in by_python if row]
    # Python 3.11 writes a line end that is not its own without quotes, and would not read it back either.
    if quoting == csv.QUOTE_ALL or end == "\r\n" or not any(set("\r\n") & set(field) for row in rows for field in row):
        assert read_back == [[field.encode() for field in row] for row in rows]


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.text(st.sampled_from('ab,"\n\r'), max_size=24))
def test_what_python_reads_strictly_is_read_alike(text: str) -> None:
    try:
        expected = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error:
        return
    assert scan(text.encode()) == [[field.encode() for field in row] for row in expected]


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300), st.sampled_from(sorted(PACKERS)), st.integers(0, 400))
def test_no_bytes_crash_the_reader(tmp_path: Path, data: bytes, ending: str, cut: int) -> None:
    packed = PACKERS[ending](b'text,id\n"a",1\n' + data)
    read(tmp_path / f"x.csv{ending}", packed[: max(len(packed) - cut, 10)])
    rows = scan(data)
    assert len(rows) <= len(data)


def test_short_reads_change_nothing() -> None:
    class Short(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size, 3) if size and size > 0 else size)

    data = ROWS.encode()
    scanners = [RowScanner(MemberStream(file)) for file in (io.BytesIO(data), Short(data))]
    assert list(scanners[0].rows()) == list(scanners[1].rows())
    for step in range(1, 9):  # the buffer grows by so many bytes
        stream = MemberStream(io.BytesIO(data))

        def fill(stream: MemberStream = stream, step: int = step) -> bool:
            piece = stream.file.read(step)
            stream.buffer += piece
            return bool(piece)

        stream.fill = fill  # type: ignore[method-assign]
        assert [row.fields for row in RowScanner(stream).rows()] == [
            row.fields for row in RowScanner(MemberStream(io.BytesIO(data))).rows()
        ]


def test_a_row_is_found_again_where_the_header_has_several_delimiters(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(b'id;text;"a,b,c,d,e"\nk1;One text;x\nk2;Another;y\n'))
    assert read_record(str(path), "csv", -1, -1, "k2") == b"k2;Another;y\n"


@pytest.mark.parametrize(
    ("head", "delimiter", "num_columns"),
    [
        ('id;text;"a,b,c,d,e"', ";", 3),
        ('\ufeff"id",text,x', ",", 3),
        ('id;text;"a\nb,text"', ";", 3),
        ('\r\n""\n"a|b|c"\ttext\tid', "\t", 3),
        ("\ufeffsep=;\r\nid;text;x", ";", 3),
        ("\nsep=,\nid,text,x", ",", 3),
        ('text,"a"b;text;id', ";", 3),
        ("id|text|Größe,a", "|", 3),
    ],
)
@pytest.mark.parametrize("with_id", [True, False])
def test_rows_of_any_header_are_found_again(
    tmp_path: Path, head: str, delimiter: str, num_columns: int, with_id: bool
) -> None:
    path = tmp_path / "rows.csv.gz"
    head = head if with_id else head.replace("id", "number")
    rows = [delimiter.join(f"{row}{place}" for place in range(num_columns)) for row in "123"]
    documents, _ = read(path, gzip.compress("\n".join([head, *rows, ""]).encode()))
    assert len(documents) == 3
    for document, row in zip(documents, rows, strict=True):
        assert ("#" in document.id) != with_id
        found = read_record(str(path), "csv", -1, -1, document.id)
        assert found.decode() == row + "\n"
        fields = split_csv_row(str(path), found)
        assert fields == {"text": document.text.encode(), **({"id": document.id.encode()} if with_id else {})}


@given(
    st.lists(st.lists(st.text(',;\t|"\n\ra'), min_size=2, max_size=4), min_size=1, max_size=3),
    st.sampled_from(",;\t|"),
)
@settings(max_examples=60, deadline=None)
def test_the_header_is_read_as_the_reader_reads_it(rows: list[list[str]], delimiter: str) -> None:
    target = io.StringIO(newline="")
    csv.writer(target, delimiter=delimiter, lineterminator="\n").writerows([[*rows[0], "text"], *rows[1:]])
    header = read_header(iter(io.StringIO(target.getvalue(), newline="")), frozenset({"text"}))
    scanner = RowScanner(MemberStream(io.BytesIO(target.getvalue().encode())))
    reader = CsvReader(RawFile("rows.csv", "rows.csv", "test", "csv"))
    with contextlib.suppress(UserError):  # where a quoted column splits the header otherwise into two `text`
        assert reader._header(scanner) == header.columns
    assert scanner.delimiter.decode() == header.delimiter


@pytest.mark.parametrize("lines", [1, 3])
def test_blank_lines_in_a_damaged_member_end(tmp_path: Path, lines: int) -> None:
    data = bytearray(gzip.compress(b"\n" * lines + b"id,text\n1,words\n", mtime=0))
    data[-5] ^= 0xFF  # of the length
    data[-8] ^= 0xFF  # of the checksum
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(data)
    reader = reader_for(RawFile("rows.csv.gz", str(path), "s", "csv"))
    assert list(reader.run()) == []
    assert reader.num_dropped == {"unreadable": 1}


@pytest.mark.parametrize("damage", ["another column", "the footer"])
def test_a_parquet_row_that_cannot_be_read_back_is_told(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.parquet"
    table = pa.table({"other": ["b" * 400, "c" * 400], "text": ["some words", "others"]})
    pq.write_table(table, path, compression="none", use_dictionary=False)
    data = path.read_bytes()
    assert json.loads(read_record(str(path), "parquet", -1, -1, "x.parquet#1"))["text"] == "others"
    path.write_bytes(data.replace(b"b" * 400, b"") if damage == "another column" else data[:-9] + bytes(5) + b"PAR1")
    with pytest.raises(UserError, match=r"x\.parquet: row x\.parquet#0 cannot be read"):
        read_record(str(path), "parquet", -1, -1, "x.parquet#0")


def test_rows_after_one_that_cannot_be_made_out_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    data = b'id,text\n1,"quoted" and not\n2,"words\nin lines"\n3,plain\n4,"never closed\n5,last\n'
    path.write_bytes(gzip.compress(data))
    reader = reader_for(RawFile("rows.csv.gz", str(path), "s", "csv"))
    documents = list(reader.run())
    assert [document.id for document in documents] == ["2", "3", "5"]
    for document, row in zip(documents, (b'2,"words\nin lines"\n', b"3,plain\n", b"5,last\n"), strict=True):
        assert read_record(str(path), "csv", -1, -1, document.id) == row
    for line, row in ((3, b'2,"words\nin lines"\n'), (5, b"3,plain\n"), (7, b"5,last\n")):
        assert read_record(str(path), "csv", -1, -1, f"rows.csv.gz#{line}") == row
