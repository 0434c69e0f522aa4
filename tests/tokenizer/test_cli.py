"""`groundup tokenizer ...` on files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from manifests.errors import UsageError, UserError
from manifests.manifest import read_manifest
from manifests.storage import Folder
from tokenizer.cli import register
from tokenizer.encode import BulkEncoder
from tokenizer.shards.read import ShardSet
from tokenizer.texts import read_texts

SOURCE = Path(__file__).read_text()


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "a.txt").write_text(SOURCE)
    rows = [{"text": paragraph, "id": f"p{k}", "language": "en"} for k, paragraph in enumerate(SOURCE.split("\n\n"))]
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    pq.write_table(pa.table({"text": ["東京です", "", "<|endoftext|>"], "n": [1, 2, 3]}), tmp_path / "c.parquet")
    return [str(tmp_path / name) for name in ("a.txt", "b.jsonl.gz", "c.parquet")]


def run(*arguments: str) -> str:
    app = typer.Typer()
    register(app)
    result = CliRunner().invoke(app, ["tokenizer", *arguments])
    if result.exception is not None:
        raise result.exception
    return result.output


def test_train_encode_evaluate(files: list[str], tmp_path: Path) -> None:
    tokenizer, shards = str(tmp_path / "out" / "tokenizer.json"), str(tmp_path / "shards")
    assert "600 ids" in run("train", *files, "--vocab-size", "600", "--output", tokenizer)
    output = run("encode", *files, "--tokenizer", tokenizer, "--output", shards, "--tokens-per-shard", "1000")
    opened = ShardSet.open(shards)
    opened.check_documents()
    texts = list(read_texts(files))
    assert f"{opened.num_tokens:,} tokens of {len(texts)} documents" in output
    assert opened.num_text_bytes == sum(len(found.text.encode()) for found in texts)
    assert len(opened.shard_paths) > 1
    encoder = BulkEncoder(Path(tokenizer).read_bytes())
    documents = opened.documents_between(0, opened.num_tokens)
    assert [document["id"] for document in documents] == [found.id for found in texts]
    for document, found in zip(documents, texts, strict=True):
        ids = opened.read(document["position"], document["length"])
        assert encoder.decode(ids[:-1]) == found.text
        assert ids[-1] == encoder.end_of_text_id
        assert (document["part"], document["row"]) == (found.path, found.row)
    manifest = read_manifest(Folder(shards))
    assert manifest is not None
    assert manifest.counts.closes
    for entry in manifest.outputs:
        assert Folder(shards).digest(entry.path).sha256 == entry.sha256
    with pytest.raises(UserError, match="are here already"):
        run("encode", *files, "--tokenizer", tokenizer, "--output", shards)

    lines = [json.loads(line) for line in run("encode", files[2], "--tokenizer", tokenizer).splitlines()]
    assert [encoder.decode(line["ids"]) for line in lines] == ["東京です", "", "<|endoftext|>"]

    found = json.loads(run("evaluate", *files, "--tokenizer", tokenizer, "--by", "language", "--json"))
    assert set(found["groups"]) == {"en", "unknown"}
    assert found["total"]["num_tokens"] == opened.num_tokens - len(texts)
    assert "bytes/token" in run("evaluate", files[0], "--tokenizer", tokenizer)


def test_training_twice_gives_the_same_file(files: list[str], tmp_path: Path) -> None:
    for name in ("one.json", "two.json"):
        run("train", *files, "--vocab-size", "400", "--output", str(tmp_path / name))
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.bin", b"", "unknown kind of file"),
        ("x.txt", b"ab\xff", "not UTF-8 at byte 2"),
        ("x.jsonl", b'{"text": "a"}\n{"text": \n', "row 1: not JSON"),
        ("x.jsonl", b'{"text": "a"}\n[1]\n', "row 1: not a JSON object"),
        ("x.jsonl", b'{"text": "a"}\n{"text": null}\n', "row 1: has no string"),
        ("x.jsonl.gz", b"no gzip", "cannot be read"),
        ("x.jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 99)[:-9], "cannot be read"),
        ("x.parquet", b"PAR1", "cannot be read"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=f"{name}.*{message}"):
        run("train", str(tmp_path / name), "--output", str(tmp_path / "t.json"))
    assert not (tmp_path / "t.json").exists()


def test_wrong_usage_and_missing_files(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": ["a"]}), tmp_path / "d.parquet")
    out = str(tmp_path / "t.json")
    with pytest.raises(UserError, match="no column `text`; it has body"):
        run("train", str(tmp_path / "d.parquet"), "--output", out)
    with pytest.raises(UserError, match=r"none\.txt: no such file"):
        run("train", str(tmp_path / "none.txt"), "--output", out)
    with pytest.raises(UsageError, match="--pretokenizer"):
        run("train", str(tmp_path / "d.parquet"), "--output", out, "--pretokenizer", "gpt5")
    with pytest.raises(UserError, match="no such tokenizer"):
        run("evaluate", str(tmp_path / "d.parquet"), "--tokenizer", out)
