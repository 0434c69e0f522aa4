"""A file that is given as rows of one format and is another: one drop says what it is; text and damaged rows stay."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet as pq
import pytest

from pipeline.formats import RawFile, reader_for

_TEXTS = [f"The town number {number} lies on the river." for number in range(500)]
_TABLE = pa.table({"text": _TEXTS})
_ROWS = "".join(json.dumps({"text": text}) + "\n" for text in _TEXTS).encode()
_NOISE = random.Random(0).randbytes(20_000)


def _written(write: object, *arguments: object) -> bytes:
    file = io.BytesIO()
    write(_TABLE, file, *arguments)  # type: ignore[operator]
    return file.getvalue()


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("rows.jsonl", _ROWS)
    return file.getvalue()


def _tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("rows.jsonl"), None)
    return file.getvalue()


_PARQUET = _written(pq.write_table)
_FILES = {
    "Parquet": (_PARQUET, 'a Parquet file: set format = "parquet"'),
    "Parquet, packed": (gzip.compress(_PARQUET), 'a Parquet file: set format = "parquet"'),
    "Arrow": (_written(lambda table, file: pyarrow.feather.write_feather(table, file)), "an Arrow file"),
    "ORC": (_written(lambda table, file: pyarrow.orc.write_table(table, file)), "an ORC file"),
    "zip": (_zip(), "a zip archive"),
    "tar": (_tar(), "a tar archive"),
    "tar, packed": (gzip.compress(_tar()), "a tar archive"),
    "PDF": (b"%PDF-1.7\n" + b"1 0 obj << /Length 9 >> endobj\n" * 50, "a PDF file"),
    "SQLite": (b"SQLite format 3\x00" + bytes(100) + b"CREATE TABLE t (a)" + bytes(900), "an SQLite database"),
    "image": (b"\x89PNG\r\n\x1a\n" + _NOISE, "a PNG image"),
    "noise": (_NOISE, "no text"),
}


def read(path: Path, data: bytes, format: str) -> tuple[list[str], dict[str, int], list[str]]:
    """The texts of a file, its drops by reason and its damage."""
    path.write_bytes(data)
    reader = reader_for(RawFile(path.name, str(path), "own", format))
    texts = [document.text for document in reader()]
    return texts, dict(reader.num_dropped), reader.damaged


@pytest.mark.parametrize("format", ["jsonl", "csv"])
@pytest.mark.parametrize("name", _FILES)
def test_rows_of_a_file_that_is_no_text(tmp_path: Path, name: str, format: str) -> None:
    data, what = _FILES[name]
    texts, dropped, (damage,) = read(tmp_path / "file", data, format)
    assert (texts, dropped) == ([], {"unreadable": 1})
    assert f"file: at byte 0: not {'JSON' if format == 'jsonl' else 'CSV'} but {what}" in damage


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (_ROWS, 'not a Parquet file but a JSON file: set format = "jsonl"'),
        (gzip.compress(_ROWS), 'not a Parquet file but a JSON file: set format = "jsonl"'),
        (b'[\n {"text": "x"}\n]', 'not a Parquet file but a JSON file: set format = "jsonl"'),
        (b"text,id\nx,1\n" * 9, "not a Parquet file"),
        (b"", "not a Parquet file"),
        (_zip(), "not a Parquet file but a zip archive, or an office document: unpack it"),
        (gzip.compress(_PARQUET), "a Parquet file that is compressed as a whole: unpack it"),
        (_PARQUET[:-100], "a Parquet file that is cut off or damaged: "),
        (_NOISE, "not a Parquet file"),
    ],
)
def test_a_file_that_cannot_be_opened_as_parquet(tmp_path: Path, data: bytes, what: str) -> None:
    texts, dropped, (damage,) = read(tmp_path / "file", data, "parquet")
    assert (texts, dropped) == ([], {"unreadable": 1})
    said = damage.removeprefix("file: at byte 0: ")
    assert said.startswith(what) if what.endswith(" ") else said == what
    assert not damage.endswith(".")


@pytest.mark.parametrize(
    "data",
    [
        _ROWS,
        bytes(9000) + b"\n" + _ROWS,  # a hole
        _NOISE[:200].replace(b"\n", b"") + b"\n" + _ROWS,
        b"\x89PNG".hex().encode() + b"\n" + _ROWS,
        b"PARENTS: Obj ORC GIF8\n" + _ROWS,
        ("\n".join(json.dumps({"text": text + " на реке"}, ensure_ascii=False) for text in _TEXTS)).encode("utf-16-le"),
        "".join(json.dumps({"text": "Город на реке"}, ensure_ascii=False) + "\n" for _ in _TEXTS).encode("utf-16"),
        "".join(json.dumps({"text": "Город на реке"}, ensure_ascii=False) + "\n" for _ in _TEXTS).encode("utf-32"),
    ],
)
def test_rows_after_damage_and_in_wide_encodings_are_still_read(tmp_path: Path, data: bytes) -> None:
    texts, _, damage = read(tmp_path / "file.jsonl", data, "jsonl")
    assert (len(texts), damage) == (500, [])


def test_a_header_may_begin_as_another_format_does(tmp_path: Path) -> None:
    for name in ("PARENT", "ORC", "GIF8", "PAR1"):
        assert read(tmp_path / "file.csv", f"{name},text\nx,one\n".encode(), "csv") == (["one"], {}, [])
