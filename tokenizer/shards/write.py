"""Writes token shards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.errors import UserError
from manifests.storage import Folder, PublishedFile
from tokenizer.shards.format import BIN_SUFFIX, INDEX_SCHEMA, INDEX_SUFFIX, dtype_name, shard_dtype

_GIVEN_COLUMNS = tuple(name for name in INDEX_SCHEMA.names if name not in ("start", "length"))

# Fixed, because the bytes of both files must not depend on how documents arrive.
_ROWS_PER_GROUP = 8192
_TOKENS_PER_WRITE = 1 << 19


@dataclass(frozen=True)
class WrittenShard:
    """A published shard. `path` is that of its `.bin`; `files` are the `.bin` and the index, in this order."""

    path: str
    files: list[PublishedFile]
    num_tokens: int
    num_documents: int
    num_text_bytes: int


def shard_facts(vocab_size: int, end_of_text_id: int, splits: Mapping[str, Sequence[WrittenShard]]) -> dict[str, Any]:
    """The `facts` of the manifest of a shards folder, as `ShardSet.open` reads them."""
    return {
        "vocab_size": vocab_size,
        "dtype": dtype_name(vocab_size),
        "end_of_text_id": end_of_text_id,
        "splits": {
            split: {
                "num_tokens": sum(shard.num_tokens for shard in shards),
                "num_documents": sum(shard.num_documents for shard in shards),
                "num_text_bytes": sum(shard.num_text_bytes for shard in shards),
                "shards": [
                    {"path": shard.path, "num_tokens": shard.num_tokens, "num_documents": shard.num_documents}
                    for shard in shards
                ],
            }
            for split, shards in splits.items()
        },
    }


def write_shard(
    folder: Folder,
    stem: str,
    documents: Iterable[tuple[npt.NDArray[Any], Mapping[str, Any]]],
    vocab_size: int,
    end_of_text_id: int,
) -> WrittenShard:
    """Write one shard, streaming: `stem.bin`, then `stem.index.parquet`.

    Each document is (ids, row): ids (num_tokens,) of any integer type, without the end-of-text, which is added here;
    row holds `id`, `source`, `url`, `num_bytes`, `part`, `row` and `copy` of `INDEX_SCHEMA`. `stem` is the path below
    `folder`, such as "train/shard-00000". Raises `UserError` for an id outside the vocabulary and for a document that
    holds the end-of-text itself, which would cut it in two; nothing is published then.
    """
    if not 0 <= end_of_text_id < vocab_size:
        raise ValueError(f"end_of_text_id {end_of_text_id} is outside a vocabulary of {vocab_size}.")
    bin_path, index_path = stem + BIN_SUFFIX, stem + INDEX_SUFFIX
    dtype = shard_dtype(vocab_size)
    end = np.array([end_of_text_id], dtype=dtype)
    num_tokens = num_documents = num_text_bytes = num_pending = 0
    pending: list[npt.NDArray[Any]] = []
    rows: list[dict[str, Any]] = []
    # Closed from right to left: the index is published last, beside a .bin that is complete.
    with (
        folder.publish(index_path) as index_file,
        pq.ParquetWriter(
            index_file, INDEX_SCHEMA, compression="zstd", write_page_checksum=True, store_schema=False
        ) as index,
        folder.publish(bin_path) as bin_file,
    ):
        for ids, given in documents:
            _check_ids(ids, given, vocab_size, end_of_text_id)
            row = {name: given[name] for name in _GIVEN_COLUMNS}
            row["start"], row["length"] = num_tokens, len(ids) + 1
            rows.append(row)
            pending += (ids.astype(dtype), end)
            num_pending += len(ids) + 1
            num_tokens += len(ids) + 1
            num_documents += 1
            num_text_bytes += int(given["num_bytes"])
            if num_pending >= _TOKENS_PER_WRITE:
                bin_file.write(np.concatenate(pending).tobytes())
                pending, num_pending = [], 0
            if len(rows) == _ROWS_PER_GROUP:
                index.write_table(pa.Table.from_pylist(rows, INDEX_SCHEMA), row_group_size=_ROWS_PER_GROUP)
                rows = []
        if pending:
            bin_file.write(np.concatenate(pending).tobytes())
        if rows:
            index.write_table(pa.Table.from_pylist(rows, INDEX_SCHEMA), row_group_size=_ROWS_PER_GROUP)
    files = [
        PublishedFile(bin_path, bin_file.bytes, bin_file.sha256),
        PublishedFile(index_path, index_file.bytes, index_file.sha256),
    ]
    return WrittenShard(bin_path, files, num_tokens, num_documents, num_text_bytes)


def _check_ids(ids: npt.NDArray[Any], row: Mapping[str, Any], vocab_size: int, end_of_text_id: int) -> None:
    if ids.ndim != 1 or (len(ids) and not np.issubdtype(ids.dtype, np.integer)):
        raise ValueError(f"document {row['id']}: ids must be a flat array of integers, not {ids.dtype} {ids.shape}.")
    if not len(ids):
        return
    smallest, largest = int(ids.min()), int(ids.max())
    if smallest < 0 or largest >= vocab_size:
        wrong = smallest if smallest < 0 else largest
        raise UserError(
            f"document {row['id']}: token id {wrong} is outside the vocabulary of {vocab_size}. "
            "Encode with the tokenizer that belongs to these shards."
        )
    if bool((ids == end_of_text_id).any()):
        raise UserError(
            f"document {row['id']}: its text encodes to the end-of-text id {end_of_text_id}, which would cut the "
            "document in two. Encode it with special tokens as ordinary text."
        )
