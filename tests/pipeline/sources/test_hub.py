"""Hugging Face data: real texts in folders as people keep them, and a hub on this machine."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import re
import shutil
from pathlib import Path
from typing import Any

import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from manifests.errors import UserError
from manifests.explore.build import Build
from manifests.settings import Settings, validate
from pipeline.build import run_build
from pipeline.engine.settings import ExecutorSettings
from pipeline.readers.base import RawFile
from pipeline.readers.rows import ParquetReader
from pipeline.recipe import load_recipe
from pipeline.sources.hub import HuggingFaceSource, list_hub
from pipeline.sources.hub_rows import COLUMNS, HubCounts, fetch_shard
from tests.builds import build_digests


@pytest.fixture
def c4(shared_data: Path) -> list[dict[str, Any]]:
    """300 real documents of C4, with the columns that C4 itself has."""
    lines = (shared_data / "lm/llamafactory/c4_demo.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        {
            "text": json.loads(line)["text"],
            "url": f"http://c4.example/{n}",
            "timestamp": f"2019-04-25T12:{n % 60:02}:54Z",
        }
        for n, line in enumerate(lines)
    ]


def _source(path: str = "./data", **settings: Any) -> HuggingFaceSource:
    return HuggingFaceSource(name="hf", path=path, **settings)


def _fetch(source: HuggingFaceSource, folder: Path) -> tuple[list[dict[str, Any]], list[HubCounts]]:
    """Rows of all shards, each read twice: the bytes must be the same."""
    rows: list[dict[str, Any]] = []
    counts = []
    listing = list_hub(source, folder)
    assert listing.num_shards == len(listing.shards())
    for shard in listing.shards():
        first, second = io.BytesIO(), io.BytesIO()
        counts.append(fetch_shard(source, shard, folder, first))
        assert fetch_shard(source, shard, folder, second) == counts[-1]
        assert first.getvalue() == second.getvalue()
        rows += _read(first.getvalue(), folder)
        assert counts[-1].rows == pq.read_metadata(folder / "shard.parquet").num_rows
    return rows, counts


def _read(data: bytes, folder: Path) -> list[dict[str, Any]]:
    (folder / "shard.parquet").write_bytes(data)
    table = pq.read_table(folder / "shard.parquet", use_threads=False)
    assert table.schema == pa.schema([(name, pa.string()) for name in COLUMNS])
    return table.to_pylist()


def _refusal(source: HuggingFaceSource, folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        _fetch(source, folder)
    assert "\n" not in str(caught.value)
    assert "source 'hf'" in str(caught.value)
    return str(caught.value)


def _write_lines(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def test_one_dataset_in_every_kind_of_file(tmp_path: Path, c4: list[dict[str, Any]]) -> None:
    """The same rows, whatever they are stored in: no reader may guess an id, a date or a missing value of its own."""
    rows = [row | {"id": f"{n:05d}"} for n, row in enumerate(c4)]
    rows[3]["text"] = "NA"  # a missing value to a reader of CSV that guesses
    _write_lines(tmp_path / "lines/a.jsonl", rows)
    _write_lines(tmp_path / "packed/a.jsonl.gz", rows)
    (tmp_path / "array").mkdir()
    (tmp_path / "array/a.json").write_text(json.dumps(rows), encoding="utf-8")
    (tmp_path / "table").mkdir()
    with (tmp_path / "table/a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "parquet").mkdir()
    pq.write_table(pa.Table.from_pylist(rows).append_column("other", [[[0.5]] * 300]), tmp_path / "parquet/a.parquet")
    for kind in ("lines", "packed", "array", "table", "parquet"):
        found, counts = _fetch(_source(f"./{kind}", columns={"date": "timestamp"}), tmp_path)
        expected = [(row["text"], f"{kind}/train/{row['id']}", row["url"]) for row in rows]
        assert [(row["text"], row["id"], row["url"]) for row in found] == expected, kind
        assert [row["date"].rstrip("Z") for row in found] == [row["timestamp"].rstrip("Z") for row in rows], kind
        assert counts == [HubCounts(rows=300)], kind


def test_lines_of_a_text(tmp_path: Path, shared_data: Path) -> None:
    (tmp_path / "data").mkdir()
    shutil.copyfile(shared_data / "lm/llamafactory/wiki_demo.txt", tmp_path / "data/wiki.txt")
    rows, counts = _fetch(_source(), tmp_path)
    lines = (tmp_path / "data/wiki.txt").read_text(encoding="utf-8").split("\n")
    assert [row["text"] for row in rows] == lines[: len(rows)]
    assert lines[len(rows) :] in ([], [""])
    assert counts == [HubCounts(rows=len(rows), ids_made=len(rows))]
    assert rows[7]["id"] == "data/wiki.txt#7"


def test_a_card_names_configurations_and_splits(tmp_path: Path, shared_data: Path) -> None:
    eval_folder = shared_data / "eval/llm-foundry"
    data = tmp_path / "data"
    (data / "arc").mkdir(parents=True)
    for name in ("easy", "challenge"):
        shutil.copyfile(eval_folder / f"world_knowledge__arc_{name}.jsonl", data / f"arc/{name}.jsonl")
    messages = tmp_path / "messages"
    messages.mkdir()
    shutil.copyfile(shared_data / "eval/sms_spam/sms.tsv", messages / "sms.csv")
    (data / "README.md").write_text(
        "---\nconfigs:\n"
        "- config_name: arc\n  data_files:\n  - {split: train, path: 'arc/*.jsonl'}\n"
        "- config_name: easy\n  data_files: arc/easy.jsonl\n---\n",
        encoding="utf-8",
    )
    (messages / "README.md").write_text(
        "---\nconfigs:\n"
        '- config_name: sms\n  sep: "\\t"\n  quoting: 3\n  names: [label, message]\n'
        "  data_files:\n  - {split: train, path: sms.csv}\n  - {split: test, path: sms.csv}\n---\n",
        encoding="utf-8",
    )
    arc = _source(config="arc", columns={"text": "query"})
    rows, counts = _fetch(arc, tmp_path)
    expected = [
        json.loads(line)["query"]
        for name in ("challenge", "easy")
        for line in (data / f"arc/{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [row["text"] for row in rows] == expected
    assert len(counts) == 2
    assert rows[0]["id"] == "data/arc/challenge.jsonl#0"

    sms, _ = _fetch(_source("./messages", config="sms", split="test", columns={"text": "message"}), tmp_path)
    lines = (messages / "sms.csv").read_text(encoding="utf-8").splitlines()
    assert [row["text"] for row in sms] == [line.split("\t", 1)[1] for line in lines]

    assert "arc" in _refusal(_source(columns={"text": "query"}), tmp_path)  # which of them?
    assert "no split 'test'; there are: train" in _refusal(_source(config="arc", split="test"), tmp_path)
    assert "arc" in _refusal(_source(config="acr"), tmp_path)


def test_the_first_so_many_rows(tmp_path: Path, c4: list[dict[str, Any]]) -> None:
    for number in range(3):
        _write_lines(tmp_path / f"data/{number}.jsonl", c4[100 * number : 100 * number + 100])
    whole, _ = _fetch(_source(), tmp_path)
    first, counts = _fetch(_source(max_documents=130), tmp_path)
    assert first == whole[:130]
    assert [count.rows for count in counts] == [130]
    assert _fetch(_source(max_documents=1000), tmp_path)[0] == whole
    named, _ = _fetch(_source(data_files=["[12].jsonl"]), tmp_path)
    assert named == whole[100:]


def test_ids(tmp_path: Path) -> None:
    ids = ["a", "b", "a", None, "", 7, "7", 8.5]
    _write_lines(tmp_path / "data/x.jsonl", [{"text": str(n), "id": own} for n, own in enumerate(ids)])
    rows, counts = _fetch(_source(), tmp_path)
    found = [row["id"] for row in rows]
    assert found[:3] == ["a", "b", "a#x.jsonl#2"]
    assert found[3:5] == ["data/x.jsonl#3", "data/x.jsonl#4"]
    assert found[5:] == ["data/train/7", "data/train/7#x.jsonl#6", "8.5"]  # many datasets count their rows
    assert counts == [HubCounts(rows=8, ids_made=2, ids_repeated=2)]


def test_rows_without_a_text_are_kept_for_extract_to_count(tmp_path: Path, c4: list[dict[str, Any]]) -> None:
    rows: list[dict[str, Any]] = [*c4[:5], {"url": "http://no.text"}, {"text": None}, {"text": " "}]
    _write_lines(tmp_path / "data/x.jsonl", rows)
    _, counts = _fetch(_source(), tmp_path)
    assert counts[0].rows == 8
    assert counts[0].rows_without_text == 2
    reader = ParquetReader(RawFile("hf/part-00000.parquet", str(tmp_path / "shard.parquet"), "hf", "parquet"))
    documents = list(reader.run())
    assert [document.text for document in documents] == [row["text"] for row in c4[:5]]
    assert [document.id for document in documents] == [f"data/x.jsonl#{n}" for n in range(5)]
    assert documents[0].metadata["url"] == c4[0]["url"]
    assert reader.num_dropped == {"bad_row": 2, "empty_payload": 1}
    assert reader.num_candidates == 8


def test_a_column_that_only_later_rows_have_and_others_that_change_their_type(tmp_path: Path) -> None:
    """A chunk of a file is guessed by itself; what was guessed of the first one must not decide over the others."""
    filler = "word " * 2000
    rows: list[dict[str, Any]] = [{"text": filler, "date": "2020-01-01", "meta": {"a": n}} for n in range(300)]
    rows += [{"text": filler, "date": "soon", "url": f"u{n}", "meta": [n], "id": n} for n in range(300)]
    _write_lines(tmp_path / "data/x.jsonl", rows)
    found, _ = _fetch(_source(), tmp_path)
    assert [row["url"] for row in found] == [row.get("url") for row in rows]
    assert found[0]["date"].startswith("2020-01-01")
    assert found[-1]["date"] == "soon"
    assert found[-1]["id"] == "data/train/299"


@pytest.mark.parametrize(
    ("rows", "settings", "expected"),
    [
        ([{"content": "x", "n": 1}], {}, r"no column 'text' \(there are: content, n\)"),
        ([{"text": "x"}], {"columns": {"id": "uid"}}, r"no column 'uid' \(there are: text\)"),
        ([{"text": [{"role": "user", "content": "x"}]}], {}, "column 'text' is list.*must be a string"),
        ([{"text": 5}], {}, "column 'text' is int64.*must be a string"),
        ([{"text": "x"}, {"text": ["x"]}], {}, "column 'text' is of several types"),
        ([{"text": "x", "url": {"a": 1}}], {"columns": {"url": "url"}}, "column 'url' is struct"),
        ([{"text": "x", "m": {"a": 1}}], {"columns": {"url": "m.b"}}, r"no column 'm.b' \(there are: text, m.a\)"),
    ],
)
def test_columns_that_are_no_text(tmp_path: Path, rows: list[Any], settings: dict[str, Any], expected: str) -> None:
    _write_lines(tmp_path / "data/x.jsonl", rows)
    assert re.search(expected, _refusal(_source(**settings), tmp_path))


def test_values_that_are_no_strings(tmp_path: Path) -> None:
    """Bytes are decoded; times are ISO 8601; what cannot be read costs the value; columns in structs have a path."""
    (tmp_path / "data").mkdir()
    columns = {
        "body": pa.array([b"plain", "Gr\u00f6\u00dfe im Flu\u00df".encode(), b"\x00\x01\xff\x80", None]),
        "id": pa.array([b"abc", b"\x01\xff", None, b"d"]),
        "date": pa.array([1_700_000_000_000_000_001, 0, None, 1], pa.timestamp("ns")),
        "url": pa.array([{"a": 1}] * 4),
        "meta": pa.array([{"title": "one"}, {"title": None}, None, {"title": "four"}]),
        "language": pa.array([True, None, False, True]),
    }
    pq.write_table(pa.table(columns), tmp_path / "data/x.parquet")
    source = _source(columns={"text": "body", "title": "meta.title"})
    found, counts = _fetch(source, tmp_path)
    assert [row["text"] for row in found] == ["plain", "Gr\u00f6\u00dfe im Flu\u00df", None, None]
    assert counts[0].rows_without_text == 2
    assert [row["id"] for row in found] == ["abc", "01ff", "data/x.parquet#2", "d"]
    assert [row["date"] for row in found[:2]] == ["2023-11-14T22:13:20", "1970-01-01T00:00:00"]
    assert [row["title"] for row in found] == ["one", None, None, "four"]
    assert [row["url"] for row in found] == [None] * 4
    pq.write_table(
        pa.table({"text": ["a", "b"], "date": pa.array([1 << 60, 0], pa.timestamp("us"))}), tmp_path / "data/x.parquet"
    )
    found, _ = _fetch(_source(), tmp_path)
    assert [(row["text"], row["date"]) for row in found] == [("a", None), ("b", "1970-01-01T00:00:00")]


def test_texts_in_bytes(tmp_path: Path) -> None:
    """They are decoded as text files are; what means nothing is no text."""
    (tmp_path / "data").mkdir()
    texts = [
        "Stra\u00dfen und H\u00e4user",
        "\u0431\u0443\u043b\u043e\u043a \u0434\u0430 \u0447\u0430\u044e " * 5,
        "\u8868\u793a\u30bd\u30d5\u30c8\u306e\u80fd\u529b " * 5,
        "wide",
        "UTF-8 \u00e9",
    ]
    codecs = ["cp1252", "cp1251", "cp932", "utf-16", "utf-8-sig"]
    values = [text.encode(codec) for text, codec in zip(texts, codecs, strict=True)] + [bytes(range(9)) * 20]
    pq.write_table(pa.table({"text": values}), tmp_path / "data/x.parquet")
    found, counts = _fetch(_source(), tmp_path)
    assert [row["text"] for row in found] == [*texts, None]
    assert counts[0].rows_without_text == 1


@pytest.mark.parametrize("ending", ["xz", "zst", "gz", "bz2", "lz4"])
def test_packed_files_of_several_members_are_read_to_their_end(tmp_path: Path, ending: str) -> None:
    first, second = (b"".join(b'{"text": "row %d"}\n' % n for n in range(*part)) for part in ((0, 20), (20, 40)))
    zstd, skipped = zstandard.ZstdCompressor().compress, b"\x50\x2a\x4d\x18\x02\x00\x00\x00ab"
    packed = {
        "xz": lzma.compress(first) + bytes(8) + lzma.compress(second) + bytes(4),
        "zst": zstd(first) + skipped + zstd(second),
        "gz": gzip.compress(first) + bytes(9) + gzip.compress(second) + bytes(512),
        "bz2": bz2.compress(first) + bz2.compress(second),
        "lz4": lz4.frame.compress(first) + skipped + lz4.frame.compress(second),
    }[ending]
    (tmp_path / "data").mkdir()
    path = tmp_path / f"data/x.jsonl.{ending}"
    path.write_bytes(packed)
    found, _ = _fetch(_source(), tmp_path)
    assert [row["text"] for row in found] == [f"row {n}" for n in range(40)]
    if ending in ("xz", "zst"):
        path.write_bytes(packed[:-30])
        assert "x.jsonl" in _refusal(_source(), tmp_path)


def test_a_named_column_that_only_later_rows_have(tmp_path: Path) -> None:
    filler = "word " * 2000
    rows = [{"text": filler}] * 300 + [{"text": filler, "link": "u"}] * 3
    _write_lines(tmp_path / "data/x.jsonl", rows)
    found, _ = _fetch(_source(columns={"url": "link"}), tmp_path)
    assert [row["url"] for row in found] == [None] * 300 + ["u"] * 3


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "parquet", "csv", "big.jsonl"])
def test_a_file_that_breaks_in_the_middle_is_no_shorter_file(
    tmp_path: Path, c4: list[dict[str, Any]], kind: str
) -> None:
    path = tmp_path / f"data/x.{kind}"
    if kind == "parquet":
        path.parent.mkdir()
        pq.write_table(pa.Table.from_pylist(c4), path, row_group_size=50)
    elif kind == "csv":
        path.parent.mkdir()
        quoted = "".join(f'"{row["url"]}","{row["text"]}"\n'.replace('""', "'") for row in c4)
        path.write_text(f"url,text\n{quoted}", encoding="utf-8")
    else:
        _write_lines(path, c4 * (30 if kind == "big.jsonl" else 1))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    if kind == "parquet":
        data[middle : middle + 4000] = b"\xff" * 4000
    elif kind == "jsonl.gz":
        del data[middle:]
    elif kind == "csv":
        data[middle : middle + 1] = b"\xff"  # no UTF-8
    else:
        data[middle : middle + 200] = b'"' * 200
    path.write_bytes(data)
    assert f"x.{kind}: cannot be read" in _refusal(_source(), tmp_path)


def test_folders_that_hold_no_texts(tmp_path: Path) -> None:
    assert "no such folder" in _refusal(_source(), tmp_path)
    (tmp_path / "data").mkdir()
    assert "no such data files" in _refusal(_source(), tmp_path)
    (tmp_path / "data/x.png").write_bytes(b"\x89PNG")
    assert "holds imagefolder data" in _refusal(_source(), tmp_path)
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/data.py").write_text("raise SystemExit('it ran')")
    assert "loading script" in _refusal(_source(), tmp_path)
    (tmp_path / "owner/name").mkdir(parents=True)
    assert "write ./owner/name for it" in _refusal(_source("owner/name"), tmp_path)


def test_a_data_file_outside_of_the_dataset(tmp_path: Path) -> None:
    _write_lines(tmp_path / "outside.jsonl", [{"text": "x"}])
    (tmp_path / "data").mkdir()
    (tmp_path / "data/README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files: ../outside.jsonl\n---\n", encoding="utf-8"
    )
    _refusal(_source(), tmp_path)


class _Recipe(Settings):
    source: HuggingFaceSource


@pytest.mark.parametrize(
    "settings",
    [
        {"path": "https://huggingface.co/datasets/a/b"},
        {"path": "a/b/c"},
        {"path": "../../x", "data_files": ["../y"]},
        {"path": "a/b", "data_files": ["https://x.org/y.jsonl"]},
        {"path": "a/b", "split": "train[:10%]"},
        {"path": "a/b", "columns": {"txt": "x"}},
        {"path": "a/b", "revision": "?token=x"},
    ],
)
def test_wrong_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"^r\.toml: .*source\.") as caught:
        validate(_Recipe, {"source": {"name": "hf", **settings}}, "r.toml")
    assert "\n" not in str(caught.value)


_RECIPE = """
name = "hub"
output = "build"
[[sources]]
name = "c4"
kind = "huggingface"
path = "./data"
columns = { date = "timestamp" }
language = "en"
"""


def _build(folder: Path, until: str = "extract") -> Build:
    recipe = load_recipe(folder / "hub.toml", [f"output={folder / 'build'}"])
    run_build(recipe, until=until, executor=ExecutorSettings(workers=2))
    return Build(str(folder / "build"))


def test_a_build(tmp_path: Path, c4: list[dict[str, Any]]) -> None:
    """Rows in are documents out and drops; what changes is read again, and the bytes are those of the data alone."""
    (tmp_path / "hub.toml").write_text(_RECIPE, encoding="utf-8")
    for number in range(3):
        _write_lines(tmp_path / f"data/{number}.jsonl", [*c4[100 * number : 100 * number + 100], {"text": None}])
    build = _build(tmp_path)
    assert build.manifest("acquire").counts.sources["c4"].documents_out == 3
    counts = build.manifest("extract").counts.sources["c4"]
    assert (counts.documents_in, counts.documents_out, counts.dropped) == (303, 300, {"bad_row": 3})
    first = build_digests(tmp_path / "build")
    shutil.rmtree(tmp_path / "build")
    _build(tmp_path)
    now = build_digests(tmp_path / "build")
    changed = {name for name in {*first, *now} if first.get(name) != now.get(name)}
    assert {name for name in changed if not name.startswith(".budget/")} == set()

    _write_lines(tmp_path / "data/1.jsonl", c4[:50])
    counts = _build(tmp_path).manifest("extract").counts.sources["c4"]
    assert (counts.documents_in, counts.documents_out) == (252, 250)


@pytest.mark.parametrize("name", ["a::b", "[1]", "st*r", "wh?t", "new\nline", os.fsdecode(b"bad\xff")])
def test_names_that_datasets_would_lose_are_refused(tmp_path: Path, name: str) -> None:
    for place in (f"data/{name}.jsonl", f"in/{name}/x.jsonl.gz", f"as {name}/x.csv"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text('{"text": "one"}\n')
    (tmp_path / "data/plain.jsonl").write_text('{"text": "one"}\n')
    folders = [] if "\udcff" in name else [(f"./as {name}", None)]  # no recipe can name it
    for path, files in (("./data", None), ("./in", ["**/*.jsonl.gz"]), *folders):
        with pytest.raises(UserError, match=r"^source 'h': the name of .*(holds|is no UTF-8)") as caught:
            list_hub(HuggingFaceSource(name="h", path=path, data_files=files), tmp_path)
        assert "\n" not in str(caught.value)
    listing = list_hub(HuggingFaceSource(name="h", path="./data", data_files=["plain.jsonl"]), tmp_path)
    assert [file.key for file in listing.files] == ["plain.jsonl"]
