"""The token-shard format: what is written is read back, and damage is named."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import UserError
from manifests.storage import TEMPORARY_SUFFIX, Folder
from tokenizer.shards.format import INDEX_SCHEMA, shard_dtype
from tokenizer.shards.read import ShardSet
from tokenizer.shards.write import WrittenShard, shard_facts, write_shard

Documents = list[list[int]]
REPOSITORY = Path(__file__).resolve().parents[2]


def row(name: str, num_bytes: int = 7, copy: int = 0) -> dict[str, Any]:
    return {
        "id": name,
        "source": "cc",
        "url": f"http://example.org/{name}",
        "num_bytes": num_bytes,
        "part": "dedup/part-00000.parquet",
        "row": 3,
        "copy": copy,
    }


def write_split(
    folder: Folder, shards: list[Documents], vocab_size: int, end: int, split: str = "train"
) -> list[WrittenShard]:
    written = [
        write_shard(
            folder,
            f"{split}/shard-{number:05d}",
            ((np.array(ids, dtype=np.int64), row(f"{number}-{k}")) for k, ids in enumerate(documents)),
            vocab_size,
            end,
        )
        for number, documents in enumerate(shards)
    ]
    facts = shard_facts(vocab_size, end, {split: written})
    folder.publish_bytes("manifest.json", json.dumps({"facts": facts, "run": {"host": "a"}}).encode())
    return written


@st.composite
def corpora(draw: st.DrawFn) -> tuple[int, int, list[Documents]]:
    vocab_size = draw(st.sampled_from([2, 300, 65_536, 65_537, 200_000]))
    end = draw(st.integers(0, vocab_size - 1))
    token = st.integers(0, vocab_size - 1).filter(lambda value: value != end)
    shards = draw(st.lists(st.lists(st.lists(token, max_size=12), max_size=8), min_size=1, max_size=4))
    return vocab_size, end, shards


@settings(max_examples=40, deadline=None)
@given(corpus=corpora(), data=st.data(), remote=st.booleans())
def test_what_is_written_is_read(
    corpus: tuple[int, int, list[Documents]],
    data: st.DataObject,
    remote: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    vocab_size, end, shards = corpus
    folder = Folder(f"memory://{uuid.uuid4()}" if remote else tmp_path_factory.mktemp("shards"))
    written = write_split(folder, shards, vocab_size, end)
    opened = ShardSet.open(folder)
    flat = [token for documents in shards for ids in documents for token in [*ids, end]]
    owner = [
        f"{number}-{k}" for number, documents in enumerate(shards) for k, ids in enumerate(documents) for _ in [*ids, 0]
    ]
    shard_of = [number for number, documents in enumerate(shards) for ids in documents for _ in [*ids, 0]]

    assert opened.num_tokens == len(opened) == len(flat)
    assert opened.num_documents == sum(len(documents) for documents in shards)
    assert opened.num_text_bytes == 7 * opened.num_documents
    assert opened.dtype == (np.uint16 if vocab_size <= 65_536 else np.uint32)
    assert opened.read(0, len(flat)).dtype == np.int64
    assert opened.read(0, len(flat)).tolist() == flat
    opened.check_documents()
    for shard in written:
        assert folder.digest(shard.path) == shard.files[0]
        assert folder.digest(shard.files[1].path) == shard.files[1]
        expected_bytes = b"".join(
            int(token).to_bytes(2 if vocab_size <= 65_536 else 4, "little")
            for ids in shards[int(shard.path[-9:-4])]
            for token in [*ids, end]
        )
        assert folder.read_bytes(shard.path) == expected_bytes
    if not flat:
        return
    start = data.draw(st.integers(0, len(flat) - 1))
    stop = data.draw(st.integers(start, len(flat)))
    assert opened.read(start, stop - start).tolist() == flat[start:stop]
    path, inside = opened.locate(start)
    assert path == written[shard_of[start]].path
    assert opened.position_of(path, inside) == start
    document = opened.document_at(start)
    assert document["id"] == owner[start]
    assert document["shard"] == path
    assert document["position"] == owner.index(owner[start])
    assert document["start"] == inside - (start - document["position"])
    assert document["length"] == owner.count(owner[start])
    assert set(document) == {*INDEX_SCHEMA.names, "shard", "position"}
    between = [found["id"] for found in opened.documents_between(start, stop)]
    assert between == list(dict.fromkeys(owner[start:stop]))


def test_bytes_do_not_depend_on_id_type_or_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    documents = [rng.integers(0, 999, size=rng.integers(0, 50)) for _ in range(20_000)]
    digests = []
    for dtype in (np.int64, np.uint32, np.uint16):
        folder = Folder(tmp_path / np.dtype(dtype).name)
        stream = ((ids.astype(dtype), row(str(k), copy=k % 3)) for k, ids in enumerate(documents))
        digests.append([file.sha256 for file in write_shard(folder, "train/shard-00000", stream, 1000, 999).files])
    assert digests[0] == digests[1] == digests[2]
    index = pq.read_table(tmp_path / "int64/train/shard-00000.index.parquet")
    assert index.schema.equals(INDEX_SCHEMA)
    assert index["copy"].to_pylist() == [k % 3 for k in range(20_000)]
    assert index["length"].to_pylist() == [len(ids) + 1 for ids in documents]
    metadata = pq.read_metadata(tmp_path / "int64/train/shard-00000.index.parquet")
    assert metadata.row_group(0).column(0).compression == "ZSTD"


def test_shards_pickle_without_their_tokens(tmp_path: Path) -> None:
    write_split(Folder(tmp_path), [[[1] * 100_000]], 1000, 0)
    opened = ShardSet.open(str(tmp_path))
    assert int(opened.read(0, 5).sum()) == 5
    data = pickle.dumps(opened)
    assert len(data) < 5_000
    assert pickle.loads(data).read(99_998, 3).tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("ids", "message"),
    [([1, 1000], "token id 1000 is outside"), ([1, -1], "token id -1 is outside"), ([5, 0, 5], "end-of-text id 0")],
)
def test_bad_ids_are_refused_and_nothing_published(tmp_path: Path, ids: list[int], message: str) -> None:
    folder = Folder(tmp_path)
    documents = [(np.array([1, 2]), row("good")), (np.array(ids), row("bad-one"))]
    with pytest.raises(UserError, match=f"bad-one.*{message}"):
        write_shard(folder, "train/shard-00000", documents, 1000, 0)
    assert folder.list() == []


def test_a_row_without_a_column_is_refused(tmp_path: Path) -> None:
    incomplete = row("a")
    del incomplete["part"]
    with pytest.raises(KeyError, match="part"):
        write_shard(Folder(tmp_path), "train/shard-00000", [(np.array([1]), incomplete)], 10, 0)
    assert Folder(tmp_path).list() == []


@pytest.fixture
def two_shards(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    write_split(folder, [[[1, 2, 3], []], [[4], [5, 6]]], 1000, 0)
    return folder


BIN = "train/shard-00001.bin"
INDEX = "train/shard-00001.index.parquet"


@pytest.mark.parametrize("path", [BIN, INDEX, "manifest.json"])
def test_a_missing_file_is_named(two_shards: Folder, path: str) -> None:
    two_shards.delete(path)
    with pytest.raises(UserError, match=f"{path}: missing"):
        ShardSet.open(two_shards)


@pytest.mark.parametrize("path", [BIN, INDEX, "manifest.json"])
def test_a_truncated_file_is_named(two_shards: Folder, path: str) -> None:
    file = Path(two_shards.full(path))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(UserError, match=path):
        ShardSet.open(two_shards)


def test_a_longer_shard_is_named(two_shards: Folder) -> None:
    file = Path(two_shards.full(BIN))
    file.write_bytes(file.read_bytes() + b"\0\0")
    with pytest.raises(UserError, match=f"{BIN}: 12 bytes long, not 10"):
        ShardSet.open(two_shards)


def test_every_flipped_byte_of_an_index_is_noticed_or_harmless(two_shards: Folder) -> None:
    file = Path(two_shards.full(INDEX))
    sound = file.read_bytes()
    expected = ShardSet.open(two_shards).documents_between(0, 10)
    num_noticed = 0
    for position in range(4, len(sound) - 4, 11):
        file.write_bytes(sound[:position] + bytes([sound[position] ^ 0x10]) + sound[position + 1 :])
        try:
            found = ShardSet.open(two_shards).documents_between(0, 10)
        except UserError as error:
            assert INDEX in str(error)  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
            num_noticed += 1
        else:
            assert found == expected  # a byte of metadata that nobody reads, such as the writer's name
    assert num_noticed > len(sound) // 11 // 3


def test_a_flipped_id_is_named_where_it_can_be_told(two_shards: Folder) -> None:
    file = Path(two_shards.full(BIN))
    sound = file.read_bytes()
    file.write_bytes(sound[:1] + b"\xff" + sound[2:])
    with pytest.raises(UserError, match=f"{BIN}: corrupted: token 0 has id 65284"):
        ShardSet.open(two_shards).read(0, 10)
    assert ShardSet.open(two_shards).read(0, 5).tolist() == [1, 2, 3, 0, 0]
    file.write_bytes(sound[:2] + b"\x07" + sound[3:])  # an end-of-text that is none any more
    with pytest.raises(UserError, match=f"{BIN}: corrupted: its end-of-text"):
        ShardSet.open(two_shards).check_documents()


def test_an_index_that_disagrees_is_named(two_shards: Folder) -> None:
    file = Path(two_shards.full(INDEX))
    table = pq.read_table(file)

    def replace(column: str, values: list[int]) -> pa.Table:
        place = table.schema.get_field_index(column)
        return table.set_column(place, table.schema.field(column), pa.array(values, pa.int64()))

    for changed, message in [
        (table.slice(0, 1), "has 1 documents, not 2"),
        (replace("start", [0, 3]), "not contiguous"),
        (replace("length", [2, 4]), "sum to 6 tokens"),
        (table.drop_columns(["start"]), "cannot be read"),
    ]:
        pq.write_table(changed, file)
        with pytest.raises(UserError, match=f"{INDEX}: .*{message}"):
            ShardSet.open(two_shards)


def test_a_shard_that_vanishes_while_reading_is_named(two_shards: Folder) -> None:
    opened = ShardSet.open(two_shards)
    two_shards.delete(BIN)
    with pytest.raises(UserError, match=BIN):
        opened.read(0, 10)


def test_manifest_digest_ignores_the_run_part(two_shards: Folder) -> None:
    before = ShardSet.open(two_shards).manifest_sha256
    manifest = json.loads(two_shards.read_text("manifest.json"))
    manifest["run"] = {"host": "b"}
    two_shards.publish_bytes("manifest.json", json.dumps(manifest).encode())
    assert ShardSet.open(two_shards).manifest_sha256 == before
    manifest["recipe"] = "another"
    two_shards.publish_bytes("manifest.json", json.dumps(manifest).encode())
    assert ShardSet.open(two_shards).manifest_sha256 != before


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts.pop("vocab_size"),
        lambda facts: facts["splits"]["train"].pop("shards"),
        lambda facts: facts["splits"]["train"].update(num_tokens=9),
        lambda facts: facts.update(dtype="uint32"),
        lambda facts: facts.update(splits=None),
    ],
)
def test_a_manifest_that_is_wrong_is_named(two_shards: Folder, change: Any) -> None:
    manifest = json.loads(two_shards.read_text("manifest.json"))
    change(manifest["facts"])
    two_shards.publish_bytes("manifest.json", json.dumps(manifest).encode())
    with pytest.raises(UserError, match=r"manifest\.json"):
        ShardSet.open(two_shards)


def test_positions_and_splits_outside_are_refused(two_shards: Folder) -> None:
    opened = ShardSet.open(two_shards)
    for call in (
        lambda: opened.read(8, 3),
        lambda: opened.read(-1, 1),
        lambda: opened.locate(10),
        lambda: opened.document_at(-1),
        lambda: opened.documents_between(3, 11),
        lambda: opened.position_of("shard-00001", 5),
        lambda: opened.position_of("shard-00007", 0),
        lambda: ShardSet.open(two_shards, "test"),
    ):
        with pytest.raises(UserError):
            call()
    assert opened.position_of("shard-00001", 4) == 9
    assert opened.documents_between(4, 4) == []


WRITER = """
import sys, time
import numpy as np
from manifests.storage import Folder
from tokenizer.shards.write import write_shard

def documents():
    for number in range(10**9):
        if number == 30_000:
            print("writing", flush=True)
            time.sleep(60)
        yield np.arange(100), {"id": str(number), "source": "s", "url": None, "num_bytes": 1,
                               "part": "p", "row": number, "copy": 0}

write_shard(Folder(sys.argv[1]), "train/shard-00000", documents(), 1000, 999)
"""


def test_a_killed_writer_leaves_no_shard(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, env=environment, cwd=REPOSITORY
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    folder = Folder(tmp_path)
    left = folder.list()
    assert left  # it was killed while writing
    assert all(name.endswith(TEMPORARY_SUFFIX) for name in left)
    assert sum(folder.size(name) for name in left) > 1_000_000
    assert folder.remove_unpublished() == len(left)
    write_split(folder, [[[1, 2]]], 1000, 999)
    assert ShardSet.open(folder).read(0, 3).tolist() == [1, 2, 999]


def test_dtype_changes_above_65536() -> None:
    assert shard_dtype(65_536) == np.dtype("<u2")
    assert shard_dtype(65_537) == np.dtype("<u4")
