"""Rows of JSONL, CSV and Parquet: what they say is read, and a value that cannot be read costs no document."""

from __future__ import annotations

import base64
import datetime
import decimal
import gzip
import hashlib
import json
import lzma
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.audit.provenance import _csv_mismatch, _mismatch
from manifests.errors import UserError
from manifests.records.json_values import read_json
from manifests.records.read import read_record
from manifests.records.rows import split_csv_row
from manifests.records.values import sound, text_of
from pipeline.formats import RawFile, reader_for
from pipeline.readers.base import Reader
from pipeline.stages.extract import missing_columns

ROWS = [{"id": f"r{number}", "text": f"Zeile {number} — über den Fluß, 川 \U0001f600"} for number in range(9)]


def read(
    path: Path, format: str, data: bytes | None = None, columns: dict[str, str] | None = None
) -> tuple[list, Reader]:
    if data is not None:
        path.write_bytes(data)
    reader = reader_for(RawFile(path.name, str(path), "s", format, columns=tuple((columns or {}).items())))
    documents = list(reader())
    assert reader.num_candidates == len(documents) + reader.num_dropped.total()
    return documents, reader


def check_addresses(path: Path, format: str, documents: list, columns: dict[str, str] | None = None) -> None:
    """Each document is found again, and the audit says that it is the one."""
    for document in documents:
        address = document.metadata["offset"], document.metadata["length"]
        record = read_record(str(path), format, *address, document.id, columns)
        row = {"id": document.id, "digest": document.metadata["digest"]}
        if format == "csv":
            assert _csv_mismatch(row, split_csv_row(str(path), record, columns)) is None
        elif format == "jsonl":
            assert _mismatch(row, format, record, columns or {}) is None


def dump(rows: list[dict], **options: object) -> list[str]:
    return [json.dumps(row, ensure_ascii=False, **options) for row in rows]  # type: ignore[arg-type]


LAYOUTS = {
    "lines": "\n".join(dump(ROWS)),
    "array": json.dumps(ROWS),
    "array-compact": json.dumps(ROWS, separators=(",", ":"), ensure_ascii=False),
    "array-pretty": json.dumps(ROWS, indent=2, ensure_ascii=False),
    "array-line-each": "[\n" + ",\n".join(dump(ROWS)) + "\n]\n",
    "array-leading-comma": "[ " + "\n, ".join(dump(ROWS)) + "\n]",
    "objects-pretty": "\n".join(dump(ROWS, indent=4)),
    "objects-pretty-commas": ",\n".join(dump(ROWS, indent="\t")),
    "objects-on-one-line": "".join(dump(ROWS)),
    "objects-with-spaces": "  ".join(dump(ROWS)),
    "cr": "\r".join(dump(ROWS)) + "\r",
    "crlf": "\r\n".join(dump(ROWS)),
    "crlf-pretty": json.dumps(ROWS, indent=1).replace("\n", "\r\n"),
    "text-sequence": "".join(f"\x1e{row}\n" for row in dump(ROWS)),
    "blank-lines-first": "\n \n" + "\n".join(dump(ROWS)),
    "lines-with-commas": ",\n".join(dump(ROWS)),
}


@pytest.mark.parametrize(
    "codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_json_in_any_layout_and_encoding(tmp_path: Path, layout: str, codec: str) -> None:
    data = LAYOUTS[layout].encode(codec)
    for name, pack in (("x.jsonl", bytes), ("x.jsonl.gz", gzip.compress)):
        documents, reader = read(tmp_path / name, "jsonl", pack(data))
        assert [(document.id, document.text) for document in documents] == [(row["id"], row["text"]) for row in ROWS]
        assert not reader.num_dropped
        has_addresses = name == "x.jsonl" and codec.startswith("utf-8")
        assert all((document.metadata["offset"] >= 0) == has_addresses for document in documents)
        check_addresses(tmp_path / name, "jsonl", documents)


def test_values_without_ids_count_from_one(tmp_path: Path) -> None:
    path = tmp_path / "x.json.xz"
    rows = [{"text": "a"}, 7, {"text": "b"}, ["x"], {"text": "c", "n": [[{"text": "inner"}]]}]
    documents, reader = read(path, "jsonl", lzma.compress(json.dumps(rows, indent=1).encode()))
    assert [(document.id, document.text) for document in documents] == [
        ("x.json.xz#1", "a"), ("x.json.xz#3", "b"), ("x.json.xz#5", "c"),
    ]  # fmt: skip
    assert dict(reader.num_dropped) == {"bad_json": 2}
    check_addresses(path, "jsonl", documents)


@pytest.mark.parametrize(
    ("broken", "num_bad"),
    [
        ('{"id": "x", "text: "no quote"}', 1),
        ('{"id": "x", "text": "no end}', 1),
        ('{"id": "x", "text": "no bracket"', 1),
        ('{"id": "x" "text": "no comma"}', 1),
        ('{"id": "x", "text": "bad \\x escape"}', 1),
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_broken_value_costs_no_other(tmp_path: Path, broken: str, num_bad: int, indent: int | None) -> None:
    rows = dump(ROWS, indent=indent)
    if indent:
        broken = broken.replace(", ", ",\n  ").replace("{", "{\n  ").replace("}", "\n}")
    pieces = [*rows[:4], broken, *rows[4:]]
    documents, reader = read(tmp_path / "x.json", "jsonl", ("[\n" + ",\n".join(pieces) + "\n]").encode())
    assert [document.id for document in documents] == [row["id"] for row in ROWS]
    assert dict(reader.num_dropped) == {"bad_json": num_bad}
    check_addresses(tmp_path / "x.json", "jsonl", documents)


def test_damage_in_a_packed_array(tmp_path: Path) -> None:
    data = gzip.compress(json.dumps([{"text": f"row {n} " * 9} for n in range(90)], indent=1).encode())
    documents, reader = read(tmp_path / "x.json.gz", "jsonl", data[:-30])
    assert documents[0].text == "row 0 " * 9
    assert dict(reader.num_dropped) == {"truncated": 1}


def test_a_first_line_that_is_bad_does_not_change_what_lines_are(tmp_path: Path) -> None:
    for first in ('{"text": broken}', "[INFO] log", '{"text": "no end', "<html>", '{"a": 1} trailing', '"text"', "7"):
        documents, reader = read(tmp_path / "x.jsonl", "jsonl", "\n".join([first, *dump(ROWS)]).encode())
        assert len(documents) == len(ROWS), first
        assert dict(reader.num_dropped) == {"bad_json": 1}


@pytest.mark.parametrize(
    ("text", "codec"),
    [("Größe", "cp1252"), ("булок", "cp1251"), ("表示ソフト", "cp932"), ("句子", "gb18030"), ("élève", "mac_roman")],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_json_in_a_legacy_encoding_is_told(tmp_path: Path, text: str, codec: str, indent: int | None) -> None:
    data = json.dumps({"text": text}, ensure_ascii=False, indent=indent).encode(codec)
    with pytest.raises(ValueError, match=r"it is not UTF-8, .* convert the file to UTF-8"):
        read_json(data)
    documents, reader = read(tmp_path / "x.jsonl", "jsonl", data)
    assert not documents
    assert set(reader.num_dropped) == {"bad_json"}


SURROGATES = [
    (rb'{"text": "a \ud800 b", "id": "i\udfff"}', "a \ufffd b", "i\ufffd"),
    (rb'{"text": "\ud83d\ude00 \ude00\ud83d", "id": "p"}', "\U0001f600 \ufffd\ufffd", "p"),
    (b'{"text": "wtf-8 \xed\xa0\x80 end", "id": "w\xed\xbf\xbf"}', "wtf-8 \ufffd end", "w\ufffd"),
    (b'{"text": "cesu-8 \xed\xa0\xbd\xed\xb8\x80 end", "id": "c"}', "cesu-8 \U0001f600 end", "c"),
    ('{"text": "ü \\ud800", "id": "\\ud800"}'.encode(), "ü \ufffd", "\ufffd"),
]  # fmt: skip


def test_lone_surrogates_in_the_document_and_in_the_audit(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    documents, reader = read(path, "jsonl", b"\n".join(row for row, _, _ in SURROGATES))
    assert [(document.text, document.id) for document in documents] == [(text, id) for _, text, id in SURROGATES]
    assert not reader.num_dropped
    check_addresses(path, "jsonl", documents)
    data = '{"text": "a"}\n{"text": "b'.encode("utf-16-le") + b"\x00\xd8" + '"}'.encode("utf-16-le")
    documents, _ = read(tmp_path / "y.jsonl", "jsonl", data)
    assert [document.text for document in documents] == ["a", "b\ufffd"]


VALUES = [
    ("7", "7"),
    ("true", "true"),
    ("12345678901234567890123", "12345678901234567890123"),
    ("0.5", "0.5"),
    ("null", None),
    ("NaN", None),
    ('{"$oid": "65a"}', '{"$oid": "65a"}'),
    ("[1, \"a\"]", '[1, "a"]'),
    ('""', None),
    ("9" * 5000, "9" * 5000),
    ("[" * 5000 + "]" * 5000, None),
    ('{"a":' * 3000 + "1" + "}" * 3000, None),
    ("Infinity", "inf"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "id"), VALUES, ids=[value[:20] for value, _ in VALUES])
def test_an_odd_value_costs_that_value(tmp_path: Path, value: str, id: str | None) -> None:
    path = tmp_path / "x.jsonl"
    rows = [f'{{"text": "one", "id": {value}}}', f'{{"other": {value}, "text": "two", "title": {value}}}']
    documents, _ = read(path, "jsonl", "\n".join(rows).encode())
    assert [document.text for document in documents] == ["one", "two"]
    assert documents[0].id == (id if id is not None else "x.jsonl#1")
    assert documents[1].id == "x.jsonl#2"
    check_addresses(path, "jsonl", documents)


def test_the_last_of_a_repeated_name_counts() -> None:
    assert read_json(b'{"text": "first", "text": "last"}') == {"text": "last"}
    deep = "[" * 5000 + "]" * 5000
    assert read_json(f'\ufeff{{"text": "first", "x": {deep}, "text": "la\\"st", "n": 1.5, "y": {{}}}}'.encode()) == {
        "text": 'la"st', "n": 1.5, "y": {},
    }  # fmt: skip


def test_texts_of_values() -> None:
    utc = datetime.UTC
    east = datetime.timezone(datetime.timedelta(hours=2))
    expected = {
        datetime.date(2024, 1, 2): "2024-01-02",
        datetime.datetime(2024, 1, 2, 3, 4, 5): "2024-01-02T03:04:05",
        datetime.datetime(2024, 1, 2, 3, 4, 5, 600, utc): "2024-01-02T03:04:05.000600Z",
        datetime.datetime(2024, 1, 2, tzinfo=east): "2024-01-02T00:00:00+02:00",
        datetime.time(3, 4): "03:04:00",
        decimal.Decimal("1E+3"): "1000",
        b"abc": "abc",
        "Größe".encode(): "Größe",
        b"\x01\x02": "0102",
        b"\xff\xfe": "fffe",
        "a\ud800": "a\ufffd",
        float("nan"): None,
    }
    assert [text_of(value) for value in expected] == list(expected.values())
    assert text_of({"a": b"x", "b": [datetime.date(2024, 1, 2)]}) == '{"a": "x", "b": ["2024-01-02"]}'
    assert sound("plain") == "plain"


TEXTS = ["first of the rows", "second of the rows", "third of the rows"]
COLUMNS = {
    "large_string": (pa.array(TEXTS, pa.large_string()), TEXTS),
    "string_view": (pa.array(TEXTS, pa.string_view()), TEXTS),
    "binary": (pa.array([text.encode() for text in TEXTS], pa.binary()), TEXTS),
    "large_binary": (pa.array([text.encode() for text in TEXTS], pa.large_binary()), TEXTS),
    "binary_view": (pa.array([text.encode() for text in TEXTS], pa.binary_view()), TEXTS),
    "dictionary": (pa.array(TEXTS).dictionary_encode(), TEXTS),
    "cp1252": (
        pa.array([f"Größe, {text}, über".encode("cp1252") for text in TEXTS]),
        [f"Größe, {text}, über" for text in TEXTS],
    ),
    "utf16": (pa.array([text.encode("utf-16") for text in TEXTS]), TEXTS),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_texts_of_parquet(tmp_path: Path, name: str) -> None:
    column, texts = COLUMNS[name]
    pq.write_table(pa.table({"text": column}), tmp_path / "x.parquet")
    documents, reader = read(tmp_path / "x.parquet", "parquet")
    assert [document.text for document in documents] == texts
    assert not reader.num_dropped


@pytest.mark.parametrize(
    "column",
    [
        pa.array([["a"], ["b"], ["c"]]),
        pa.array([1, 2, 3]),
        pa.array([{"a": "x"}] * 3),
        pa.array([None] * 3, pa.string()),
        pa.array([b"\x00\x01\xff\x80"] * 3),
    ],
    ids=["list", "integer", "struct", "null", "bytes"],
)
def test_columns_that_are_no_text_are_named(tmp_path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"text": column}), tmp_path / "x.parquet")
    documents, reader = read(tmp_path / "x.parquet", "parquet")
    assert not documents
    assert sum(reader.num_dropped[reason] for reason in ("bad_row", "empty_payload")) == 3


US = 1704164645000600  # 2024-01-02T03:04:05.000600
DATES = {
    "date32": (pa.array([19724, None, 1 << 30], pa.date32()), ["2024-01-02", None, None]),
    "date64": (pa.array([19724 * 86_400_000, 0, 1 << 60], pa.date64()), ["2024-01-02", "1970-01-01", None]),
    "seconds": (
        pa.array([US // 10**6, 0, 1 << 48], pa.timestamp("s")),
        ["2024-01-02T03:04:05", "1970-01-01T00:00:00", None],
    ),
    "nanoseconds": (
        pa.array([US * 1000 + 1, 0, None], pa.timestamp("ns")),
        ["2024-01-02T03:04:05.000600", "1970-01-01T00:00:00", None],
    ),
    "utc": (
        pa.array([US, 0, 1 << 62], pa.timestamp("us", "UTC")),
        ["2024-01-02T03:04:05.000600Z", "1970-01-01T00:00:00Z", None],
    ),
    "zone": (
        pa.array([US, 0, -(1 << 62)], pa.timestamp("us", "+02:00")),
        ["2024-01-02T05:04:05.000600+02:00", "1970-01-01T02:00:00+02:00", None],
    ),
    "integer": (pa.array([2024, 0, None]), ["2024", "0", None]),
    "text": (pa.array(["2024", "", None]), ["2024", "", None]),
    "time": (pa.array([3 * 3600 * 10**9 + 1, 0, None], pa.time64("ns")), ["03:00:00", "00:00:00", None]),
    "decimal": (pa.array([decimal.Decimal("2024.50"), None, None], pa.decimal128(10, 2)), ["2024.50", None, None]),
    "interval": (pa.array([pa.MonthDayNano([1, 2, 3]), None, None]), [None, None, None]),
    "list": (pa.array([["a"], [], None]), [None, None, None]),
    "struct": (
        pa.array([{"a": 1 << 60}, None, {"a": None}], pa.struct([("a", pa.timestamp("us"))])),
        [None, None, None],
    ),
    "map": (pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int64())), [None, None, None]),
}


@pytest.mark.parametrize("name", DATES)
def test_dates_of_parquet(tmp_path: Path, name: str) -> None:
    column, dates = DATES[name]
    if name == "interval":  # Parquet has none that Arrow writes
        from manifests.records.arrow_values import python_values

        assert [value is not None for value in python_values(column)] == [True, False, False]
        return
    pq.write_table(pa.table({"text": TEXTS, "date": column}), tmp_path / "x.parquet")
    documents, reader = read(tmp_path / "x.parquet", "parquet")
    assert [document.text for document in documents] == TEXTS
    assert [document.metadata["date"] for document in documents] == dates
    assert not reader.num_dropped


IDS = {
    "bytes": (pa.array([b"abc", b"\x01\xff", None]), ["abc", "01ff", "x.parquet#2"]),
    "fixed": (
        pa.array([b"\x00" * 15 + b"\xff", b"0123456789abcdef", None], pa.binary(16)),
        ["0" * 30 + "ff", "0123456789abcdef", "x.parquet#2"],
    ),
    "decimal": (
        pa.array([decimal.Decimal("7.00"), None, decimal.Decimal("12")], pa.decimal128(10, 2)),
        ["7.00", "x.parquet#1", "12.00"],
    ),
    "bool": (pa.array([True, False, None]), ["true", "false", "x.parquet#2"]),
    "float": (pa.array([1.5, float("nan"), 2.0]), ["1.5", "x.parquet#1", "2.0"]),
    "time": (
        pa.array([US, 1 << 62, None], pa.timestamp("us")),
        ["2024-01-02T03:04:05.000600", "x.parquet#1", "x.parquet#2"],
    ),
    "struct": (
        pa.array([{"$oid": "65a"}, None, {"$oid": "65b"}]),
        ['{"$oid": "65a"}', "x.parquet#1", '{"$oid": "65b"}'],
    ),
    "list": (pa.array([[1, 2], [], None]), ["[1, 2]", "[]", "x.parquet#2"]),
    "dictionary": (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
}


@pytest.mark.parametrize("name", IDS)
def test_ids_of_parquet_are_found_again(tmp_path: Path, name: str) -> None:
    column, ids = IDS[name]
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"text": TEXTS, "id": column}), path)
    documents, _ = read(path, "parquet")
    assert [document.id for document in documents] == ids
    for document in documents:
        found = json.loads(read_record(str(path), "parquet", -1, -1, document.id))
        assert found["text"] == (TEXTS[0] if document.id == "a" else document.text)


CSV_ENCODINGS = {  # delimiter, line end, texts
    "cp1252": (
        ";",
        "\r\n",
        [
            "Die Mühle – größer als das Haus am Fluß, sagt “er”",
            "plain",
            "Äpfel und Öl für 5 €",
        ],
    ),
    "cp1250": (
        ";",
        "\n",
        [
            "Příliš žluťoučký kůň úpěl ďábelské ódy na břehu řeky",
            "plain",
            "Křišťálová studánka, kde nejhlubší je les",
        ],
    ),
    "cp1251": (
        ",",
        "\n",
        [
            "Мельница у реки была построена из камня много лет назад",
            "plain",
            "Осенью люди привозили туда зерно",
        ],
    ),
    "koi8-r": (
        "\t",
        "\n",
        [
            "Мельница у реки была построена из камня много лет назад",
            "plain",
            "Осенью люди привозили туда зерно",
        ],
    ),
    "cp932": (
        ",",
        "\n",
        ["川のそばの水車小屋は石で造られていて、町の人々は秋に穀物を運んだ。", "plain", "ソ連の表を見る。機能と能力。"],
    ),
    "gb18030": (
        ",",
        "\n",
        ["河边的磨坊是用石头建造的，镇上的人们在秋天把粮食运到那里去。", "plain", "联通的人都知道这件事情"],
    ),
    "big5": (
        ",",
        "\n",
        ["河邊的磨坊是用石頭建造的，鎮上的人們在秋天把糧食運到那裡去。", "plain", "許功蓋的問題很有名"],
    ),
    "cp949": (
        ",",
        "\n",
        [
            "강가의 물레방아는 돌로 지어졌고 마을 사람들은 가을에 곡식을 가져왔다.",
            "plain",
            "그 사람들은 모두 알고 있었다",
        ],
    ),
    "utf-16": ("\t", "\r\n", ["Die Mühle, 川 “groß”", "plain", '"two\nlines"']),
    "utf-16-le": (",", "\r\n", ["Die Mühle", "plain", "last"]),
    "utf-16-be": (",", "\n", ["Die Mühle", "plain", "last"]),
    "utf-32": (",", "\n", ["Die Mühle", "plain", "last"]),
    "utf-8-sig": (",", "\n", ["Die Mühle", "plain", "last"]),
}


@pytest.mark.parametrize("codec", CSV_ENCODINGS)
def test_csv_in_legacy_and_wide_encodings(tmp_path: Path, codec: str) -> None:
    delimiter, end, texts = CSV_ENCODINGS[codec]
    text = end.join([f"id{delimiter}text", *(f"{n}{delimiter}{text}" for n, text in enumerate(texts)), ""])
    expected = [(str(n), text.strip('"')) for n, text in enumerate(texts)]
    for name, pack in (("x.csv", bytes), ("x.csv.gz", gzip.compress)):
        documents, reader = read(tmp_path / name, "csv", pack(text.encode(codec)))
        assert [(document.id, document.text) for document in documents] == expected
        assert not reader.num_dropped
        check_addresses(tmp_path / name, "csv", documents)


def test_csv_whose_columns_have_legacy_names(tmp_path: Path) -> None:
    columns = {"text": "текст", "id": "ключ"}
    rows = "ключ;текст\nа1;Мельница у реки была построена из камня\nб2;Осенью люди привозили туда зерно\n"
    documents, _ = read(tmp_path / "x.csv", "csv", rows.encode("cp1251"), columns)
    assert [document.id for document in documents] == ["а1", "б2"]
    check_addresses(tmp_path / "x.csv", "csv", documents, columns)


def test_csv_in_an_encoding_with_escapes_is_told(tmp_path: Path) -> None:
    documents, reader = read(tmp_path / "x.csv", "csv", "text\n川のそばの水車小屋、石\n".encode("iso2022_jp"))
    assert not documents
    assert "iso2022_jp" in reader.damaged[0]
    assert "convert the file to UTF-8" in reader.damaged[0]


def row_files(folder: Path, row: dict) -> dict[str, Path]:
    """A row in each format of rows."""
    files = {"jsonl": folder / "x.jsonl", "gz": folder / "x.jsonl.gz", "array": folder / "x.json"}
    files["jsonl"].write_text(json.dumps(row) + "\n")
    files["gz"].write_bytes(gzip.compress(json.dumps(row).encode()))
    files["array"].write_text(json.dumps([row], indent=1))
    files["parquet"] = folder / "x.parquet"
    pq.write_table(pa.Table.from_pylist([row]), files["parquet"])
    flat = {name: value for name, value in row.items() if not isinstance(value, dict)}
    files["csv"] = folder / "x.csv"
    files["csv"].write_text(",".join(flat) + "\n" + ",".join(map(str, flat.values())) + "\n")
    return files


FORMATS = {"jsonl": "jsonl", "gz": "jsonl", "array": "jsonl", "parquet": "parquet", "csv": "csv"}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("column", ["headline", "meta.nothing", "meta.a.b", "meta.", ".meta"])
def test_a_column_that_no_row_has_is_refused(tmp_path: Path, kind: str, column: str) -> None:
    path = row_files(tmp_path, {"text": "a", "meta": {"url": "u"}, "name": "n"})[kind]
    for columns in ({"title": column}, {"text": column}):
        try:
            _, reader = read(path, FORMATS[kind], columns=columns)
            found = {"missing": sorted(reader.missing_columns), "there": reader.columns_there}  # type: ignore[attr-defined]
            (what,) = missing_columns([{"columns": {"source": "s", **found}}])
            assert "title" in columns
        except UserError as error:
            what = str(error)
        assert f"no column `{column}`" in what
        assert "there are: text" in what
        assert "\n" not in what
        assert ("meta.url" in what) == (kind != "csv")


@pytest.mark.parametrize("kind", ["jsonl", "gz", "array", "parquet"])
def test_a_column_inside_an_object(tmp_path: Path, kind: str) -> None:
    row = {"doc": {"body": {"text": "deep"}, "key": 7}, "a.b": "dotted", "a": {"b": "not this"}}
    columns = {"text": "doc.body.text", "id": "doc.key", "title": "a.b"}
    path = row_files(tmp_path, row)[kind]
    (document,), reader = read(path, FORMATS[kind], columns=columns)
    assert (document.text, document.id, document.metadata["title"]) == ("deep", "7", "dotted")
    address = document.metadata["offset"], document.metadata["length"]
    record = read_record(str(path), FORMATS[kind], *address, document.id, columns)
    assert json.loads(record)["doc"]["key"] == 7
    if FORMATS[kind] == "jsonl":
        assert not reader.missing_columns  # type: ignore[attr-defined]
        check_addresses(path, "jsonl", [document], columns)


def test_a_column_that_some_file_or_row_has_is_there() -> None:
    def facts(*missing: str) -> dict:
        return {"columns": {"source": "s", "there": ["text"], "missing": list(missing)}}

    assert missing_columns([{}, facts("title"), facts()]) == []
    (line,) = missing_columns([facts("title", "url"), facts("url")])
    assert "`url`" in line
    assert "title" not in line


def test_the_audit_sees_another_text(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    (document,), _ = read(path, "jsonl", b'{"text": "one", "id": 1}')
    digest, own = "sha1:" + base64.b32encode(hashlib.sha1(b"two").digest()).decode(), document.metadata["digest"]
    fields = {"text": b"one", "id": b"1"}
    assert _mismatch({"id": "1", "digest": digest}, "jsonl", path.read_bytes(), {}) == "has another digest"
    assert _mismatch({"id": "2", "digest": own}, "jsonl", path.read_bytes(), {}) == "has another id"
    assert _csv_mismatch({"id": "1", "digest": digest}, fields) == "has another digest"
    assert _csv_mismatch({"id": "2", "digest": own}, fields) == "has another id"


def test_the_given_files(shared_data: Path) -> None:
    cases = shared_data / "cases"
    for name in ("array.jsonl", "cr.jsonl", "utf16.jsonl"):
        documents, reader = read(cases / "10-jsonl-misc" / name, "jsonl")
        assert len(documents) == 3
        assert not reader.num_dropped
    documents, _ = read(cases / "12-parquet/binary.parquet", "parquet")
    assert [document.text[-2:] for document in documents] == ["p1", "p2"]
    documents, _ = read(cases / "12-parquet/idbytes.parquet", "parquet")
    assert [document.id for document in documents] == ["0102", "abc"]
    documents, _ = read(cases / "19-csv-cp1252/excel.csv", "csv")
    assert documents[0].text == "Die Mühle am Fluss war aus Stein gebaut."
    documents, _ = read(cases / "19-csv-cp1252/excel16.csv", "csv")
    assert documents[0].text == "Die Mühle am Fluss war aus Stein gebaut."
