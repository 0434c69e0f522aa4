"""Law 4 under audit: the tokens of the shards spell the documents that their indexes name."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from manifests.explore.build import Build
from manifests.explore.trace import shard_stems

_PIECE = 1 << 22  # tokens
_SAMPLE = 200  # documents of each shard that a quick audit decodes
_DTYPES = {"uint16": "<u2", "uint32": "<u4"}


def check_tokens(build: Build, problems: list[str], checked: Counter[str], deep: bool) -> None:
    """Each shard is its index: documents follow each other, end with end-of-text, and decode to their text.

    The text is that of the part and row of the index. Without `deep`, about 200 documents of each
    shard are decoded; places and ends of all are checked. In memory are the index of a shard and a row group of a part,
    and a shard that is in a bucket.
    """
    facts = build.manifest("shards").facts
    tokenizer = Tokenizer.from_str(build.folder.read_text("tokenizer/tokenizer.json"))
    texts = _Texts(build)
    for stem in shard_stems(build):
        with build.folder.open(f"shards/{stem}.index.parquet") as file:
            columns = ["id", "part", "row", "start", "length"]
            index = pq.read_table(file, columns=columns, read_dictionary=["part"])
        with _open_shard(build, f"shards/{stem}.bin", facts["dtype"]) as tokens:
            wrong = _compare(stem, tokens, index, facts["end_of_text_id"])
            checked["tokens"] += tokens.length
            if wrong is None:
                for number in _in_part_order(index, 1 if deep else max(1, len(index) // _SAMPLE)):
                    checked["documents decoded"] += 1
                    row = index.slice(number, 1).to_pylist()[0]
                    wrong = _compare_document(stem, tokens, row, texts.read(row["part"], row["row"]), tokenizer)
                    if wrong is not None:
                        break
        if wrong is not None:
            problems.append(wrong)


class _Tokens:
    """The tokens in an open shard."""

    def __init__(self, file: IO[bytes], dtype: str) -> None:
        self._file = file
        self._dtype = np.dtype(_DTYPES[dtype])
        self.length = file.seek(0, 2) // self._dtype.itemsize

    def read(self, start: int, length: int) -> np.ndarray[Any, Any]:
        self._file.seek(start * self._dtype.itemsize)
        return np.frombuffer(self._file.read(length * self._dtype.itemsize), self._dtype)

    def places(self, token: int) -> np.ndarray[Any, Any]:
        """The positions of a token, in order."""
        pieces = [np.flatnonzero(self.read(at, _PIECE) == token) + at for at in range(0, self.length, _PIECE)]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)


@contextlib.contextmanager
def _open_shard(build: Build, name: str, dtype: str) -> Iterator[_Tokens]:
    # In a bucket each of the many small reads would be a request.
    with build.folder.open(name) if build.folder.is_local else io.BytesIO(build.folder.read_bytes(name)) as file:
        yield _Tokens(file, dtype)


def _compare(stem: str, tokens: _Tokens, index: pa.Table, end_of_text: int) -> str | None:
    starts, lengths = index["start"].to_numpy(), index["length"].to_numpy()
    if not np.array_equal(starts, np.cumsum(lengths) - lengths) or lengths.sum() != tokens.length:
        return f"shards/{stem}.index.parquet: its documents do not follow each other to the shard's end"
    if not np.array_equal(tokens.places(end_of_text), starts + lengths - 1):
        return f"shards/{stem}.bin: its end-of-text tokens are not where the index ends its documents"
    return None


def _compare_document(
    stem: str, tokens: _Tokens, row: dict[str, Any], document: dict[str, Any], tokenizer: Tokenizer
) -> str | None:
    if document["id"] != row["id"]:
        return f"shards/{stem}.index.parquet: {row['id']} is not at row {row['row']} of {row['part']}"
    ids = tokens.read(row["start"], row["length"] - 1)
    if tokenizer.decode(ids.tolist(), skip_special_tokens=False) != document["text"]:
        return f"shards/{stem}.bin: tokens of {row['id']} do not decode to its text in {row['part']}"
    return None


def _in_part_order(index: pa.Table, step: int) -> Iterator[int]:
    """Numbers of every `step`th row of an index, in the order in which the parts have the documents."""
    rows = np.arange(0, len(index), step)
    parts = index["part"].unify_dictionaries().combine_chunks()
    names = pc.rank(parts.dictionary, tiebreaker="dense").to_numpy() if len(parts.dictionary) else np.zeros(0)
    order = np.lexsort((index["row"].to_numpy()[rows], names[parts.indices.to_numpy()[rows]]))
    for number in rows[order]:
        yield int(number)


class _Texts:
    """Rows of document parts by number; the row group read last stays in memory, for readers that go in order."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._part = ""
        self._first = 0
        self._table: Any = None

    def read(self, part: str, row: int) -> dict[str, Any]:
        if part != self._part or not self._first <= row < self._first + len(self._table):
            self._first, self._table = self._build.rows_around(part, row, ["id", "text"])
            self._part = part
        found: dict[str, Any] = self._table.slice(row - self._first, 1).to_pylist()[0]
        return found
