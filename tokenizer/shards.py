"""The token-shard format: what the trainer reads.

A split of a corpus ("train", "validation") is a sequence of shards. A shard is two files:

- `shard-00000.bin`: token ids, little-endian uint16 (uint32 where the vocabulary has more than 65,536 ids), documents
  in order, each ended by the end-of-text id. No header: token `i` stands at byte `i * itemsize`.
- `shard-00000.index.parquet` (zstd): one row a document, in order (`INDEX_SCHEMA`).

The `.bin` is published before its index, and the manifest that names both comes last: whatever an interrupted writer
leaves behind, no manifest names it. A position in a split counts tokens from its first shard on, so `read`,
`locate` and `document_at` need no other state than one number.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.errors import UserError
from manifests.settings import canonical_json
from manifests.storage import Folder, PublishedFile

MANIFEST_NAME = "manifest.json"
BIN_SUFFIX = ".bin"
INDEX_SUFFIX = ".index.parquet"

INDEX_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("url", pa.string()),
        ("start", pa.int64()),  # position in this shard of the document's first token
        ("length", pa.int64()),  # tokens, the end-of-text included: at least 1
        ("num_bytes", pa.int64()),  # UTF-8 bytes of the text
        ("part", pa.string()),  # document part the text lies in, below the build folder
        ("row", pa.int64()),  # row in that part
        ("copy", pa.int32()),  # 0 for the first copy, 1, 2, ... where the mixture repeats a source
    ]
)
_GIVEN_COLUMNS = tuple(name for name in INDEX_SCHEMA.names if name not in ("start", "length"))

# Fixed, because the bytes of both files must not depend on how documents arrive.
_ROWS_PER_GROUP = 8192
_TOKENS_PER_WRITE = 1 << 19
_CACHED_INDEXES = 4

IdArray = npt.NDArray[np.int64]


def shard_dtype(vocab_size: int) -> np.dtype[Any]:
    """The type that a shard of this vocabulary stores: `<u2`, or `<u4` above 65,536 ids."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


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
        "dtype": _dtype_name(vocab_size),
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


@dataclass(frozen=True)
class _Shard:
    path: str
    num_tokens: int
    num_documents: int

    @property
    def index_path(self) -> str:
        return self.path.removesuffix(BIN_SUFFIX) + INDEX_SUFFIX


class ShardSet:
    """The shards of one split, read as one long sequence of tokens. Open it with `ShardSet.open`.

    Local shards are memory-mapped; others are read by ranges. Pickles small: maps are opened again where it arrives.
    """

    num_tokens: int
    num_documents: int
    num_text_bytes: int  # UTF-8 bytes of the documents' texts: the denominator of bits per byte
    vocab_size: int
    dtype: np.dtype[Any]
    end_of_text_id: int
    manifest_sha256: str  # of the manifest without its `run` part, so that a rebuild of the same bytes agrees

    @classmethod
    def open(cls, folder: Folder | str, split: str = "train", check_index: bool = True) -> ShardSet:
        """Open a split of a shards folder (the one that holds `manifest.json`).

        Every file must be there with its size; with `check_index` (two columns of each index are read) its starts
        must be contiguous and its lengths sum to the shard's tokens. Raises `UserError` that names the file.
        """
        return cls(folder if isinstance(folder, Folder) else Folder(folder), split, check_index)

    def __init__(self, folder: Folder, split: str, check_index: bool) -> None:
        self.folder, self.split = folder, split
        facts, self.manifest_sha256 = _read_facts(folder)
        try:
            self.vocab_size = int(facts["vocab_size"])
            self.end_of_text_id = int(facts["end_of_text_id"])
            self.dtype = shard_dtype(self.vocab_size)
            if facts["dtype"] != _dtype_name(self.vocab_size):
                raise UserError(
                    f"{folder.url}/{MANIFEST_NAME}: says {facts['dtype']}, but shards of {self.vocab_size} ids are "
                    f"{_dtype_name(self.vocab_size)}. Delete the shards folder and run the recipe again."
                )
            splits = facts["splits"]
            if split not in splits:
                names = ", ".join(sorted(splits)) or "none"
                raise UserError(f"{folder.url}/{MANIFEST_NAME}: has no split {split!r}; there are: {names}.")
            mine = splits[split]
            self.num_tokens = int(mine["num_tokens"])
            self.num_documents = int(mine["num_documents"])
            self.num_text_bytes = int(mine["num_text_bytes"])
            self._shards = [
                _Shard(str(entry["path"]), int(entry["num_tokens"]), int(entry["num_documents"]))
                for entry in mine["shards"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{folder.url}/{MANIFEST_NAME}: not the manifest of token shards ({error!r}).") from None
        # _starts[k] is the position of shard k's first token; the last entry is the end of the split.
        self._starts: IdArray = np.cumsum([0, *(shard.num_tokens for shard in self._shards)], dtype=np.int64)
        if int(self._starts[-1]) != self.num_tokens:
            raise UserError(
                f"{folder.url}/{MANIFEST_NAME}: says {self.num_tokens} tokens in {split!r}, its shards sum to "
                f"{int(self._starts[-1])}. Delete the shards folder and run the recipe again."
            )
        self._maps: dict[int, npt.NDArray[Any]] = {}
        self._indexes: OrderedDict[int, tuple[IdArray, pa.Table]] = OrderedDict()
        self._check_files()
        if check_index:
            for shard in self._shards:
                self._read_index(shard, ["start", "length"])

    def __len__(self) -> int:
        return self.num_tokens

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}, "_indexes": OrderedDict()}

    @property
    def shard_paths(self) -> list[str]:
        """The shards' `.bin` files in order, below the shards folder."""
        return [shard.path for shard in self._shards]

    def read(self, start: int, length: int) -> IdArray:
        """The `length` token ids from position `start` on, (length,) int64, across shard boundaries."""
        if start < 0 or length < 0 or start + length > self.num_tokens:
            raise UserError(
                f"{self.folder.url}: tokens {start} to {start + length} are outside split {self.split!r}, which has "
                f"{self.num_tokens}. Use the data the position came from."
            )
        ids = np.empty(length, dtype=np.int64)
        done = 0
        while done < length:
            number, position = self._shard_of(start + done)
            take = min(length - done, self._shards[number].num_tokens - position)
            ids[done : done + take] = self._read_shard(number, position, take)
            done += take
        if length and int(ids.max()) >= self.vocab_size:
            bad = start + int(np.argmax(ids >= self.vocab_size))
            path, position = self.locate(bad)
            raise UserError(
                f"{self.folder.url}/{path}: corrupted: token {position} has id {int(ids[bad - start])}, outside the "
                f"vocabulary of {self.vocab_size}. Delete the shards folder and run the recipe again."
            )
        return ids

    def locate(self, position: int) -> tuple[str, int]:
        """The shard (path of its `.bin`) that holds a position of the split, and the position in that shard."""
        number, inside = self._shard_of(position)
        return self._shards[number].path, inside

    def position_of(self, path: str, position: int) -> int:
        """The inverse of `locate`: the position in the split of token `position` of the shard at `path`.

        `path` may leave out the split and the suffix: "shard-00000" will do.
        """
        for number, shard in enumerate(self._shards):
            stem = shard.path.removesuffix(BIN_SUFFIX)
            if path in (shard.path, stem, stem.rpartition("/")[2], shard.path.rpartition("/")[2]):
                if not 0 <= position < shard.num_tokens:
                    raise UserError(
                        f"{self.folder.url}/{shard.path}: has {shard.num_tokens} tokens; there is no token {position}."
                    )
                return int(self._starts[number]) + position
        raise UserError(f"{self.folder.url}: split {self.split!r} has no shard {path!r}.")

    def document_at(self, position: int) -> dict[str, Any]:
        """The document that a token belongs to: its index row, with `shard` (path) and `position` of its first
        token in the split. The end-of-text belongs to the document that it ends."""
        number, inside = self._shard_of(position)
        starts, _ = self._index(number)
        return self._document(number, int(np.searchsorted(starts, inside, side="right")) - 1)

    def documents_between(self, start: int, stop: int) -> list[dict[str, Any]]:
        """The documents with at least one token in [start, stop), in order, each as `document_at` gives it."""
        if not 0 <= start <= stop <= self.num_tokens:
            raise UserError(
                f"{self.folder.url}: tokens {start} to {stop} are outside split {self.split!r}, which has "
                f"{self.num_tokens}."
            )
        found: list[dict[str, Any]] = []
        for number in range(len(self._shards)):
            base, end = int(self._starts[number]), int(self._starts[number + 1])
            first, last = max(start, base), min(stop, end)
            if first >= last:
                continue
            starts, _ = self._index(number)
            first_row = int(np.searchsorted(starts, first - base, side="right")) - 1
            last_row = int(np.searchsorted(starts, last - 1 - base, side="right"))
            found += [self._document(number, row) for row in range(first_row, last_row)]
        return found

    def check_documents(self) -> None:
        """Read every token: each document must end with the end-of-text where the index says, and hold no other.

        A changed id inside a document shows only in the digest of its file; this is what can be told without it.
        """
        for number, shard in enumerate(self._shards):
            starts, _ = self._index(number)
            ends = np.append(starts[1:], shard.num_tokens) - 1
            found: list[IdArray] = []
            for position in range(0, shard.num_tokens, _TOKENS_PER_WRITE):
                count = min(_TOKENS_PER_WRITE, shard.num_tokens - position)
                ids = self.read(int(self._starts[number]) + position, count)
                found.append(np.flatnonzero(ids == self.end_of_text_id) + position)
            if shard.num_tokens and not np.array_equal(np.concatenate(found), ends):
                raise UserError(
                    f"{self.folder.url}/{shard.path}: corrupted: its end-of-text ids are not where "
                    f"{shard.index_path} has the ends of documents. Delete the shards folder and run the recipe again."
                )

    def _shard_of(self, position: int) -> tuple[int, int]:
        if not 0 <= position < self.num_tokens:
            raise UserError(
                f"{self.folder.url}: split {self.split!r} has {self.num_tokens} tokens; there is no token {position}."
            )
        # side="right" also steps over shards without a token.
        number = int(np.searchsorted(self._starts, position, side="right")) - 1
        return number, position - int(self._starts[number])

    def _document(self, number: int, row: int) -> dict[str, Any]:
        _, table = self._index(number)
        values: dict[str, Any] = table.slice(row, 1).to_pylist()[0]
        values["shard"] = self._shards[number].path
        values["position"] = int(self._starts[number]) + int(values["start"])
        return values

    def _read_shard(self, number: int, position: int, count: int) -> npt.NDArray[Any]:
        shard = self._shards[number]
        if self.folder.is_local:
            if number not in self._maps:
                try:
                    self._maps[number] = np.memmap(
                        self.folder.full(shard.path), dtype=self.dtype, mode="r", shape=(shard.num_tokens,)
                    )
                except (OSError, ValueError) as error:
                    raise self._damaged(shard.path, f"cannot be mapped ({error})") from None
            return self._maps[number][position : position + count]
        first = position * self.dtype.itemsize
        try:
            data = self.folder.fs.cat_file(
                self.folder.full(shard.path), start=first, end=first + count * self.dtype.itemsize
            )
        except OSError as error:
            raise self._damaged(shard.path, f"cannot be read ({error})") from None
        if len(data) != count * self.dtype.itemsize:
            raise self._damaged(shard.path, f"ends {count * self.dtype.itemsize - len(data)} bytes early")
        return np.frombuffer(data, dtype=self.dtype)

    def _check_files(self) -> None:
        for shard in self._shards:
            for path in (shard.path, shard.index_path):
                if not self.folder.exists(path):
                    raise self._damaged(path, "missing")
            expected, size = shard.num_tokens * self.dtype.itemsize, self.folder.size(shard.path)
            if size != expected:
                raise self._damaged(shard.path, f"{size} bytes long, not {expected} as {MANIFEST_NAME} says")

    def _index(self, number: int) -> tuple[IdArray, pa.Table]:
        """A shard's index (starts, table); the last few used are kept."""
        if number not in self._indexes:
            table = self._read_index(self._shards[number], None)
            self._indexes[number] = (table["start"].to_numpy(), table)
            if len(self._indexes) > _CACHED_INDEXES:
                self._indexes.popitem(last=False)
        self._indexes.move_to_end(number)
        return self._indexes[number]

    def _read_index(self, shard: _Shard, columns: list[str] | None) -> pa.Table:
        try:
            with self.folder.open(shard.index_path) as file:
                # Beside PyTorch, Arrow's threads may abort a process that ends soon after (apache/arrow#50482).
                parquet = pq.ParquetFile(file, pre_buffer=False, page_checksum_verification=True)
                table = parquet.read(columns, use_threads=False)
            table = table.cast(INDEX_SCHEMA if columns is None else pa.schema([INDEX_SCHEMA.field(c) for c in columns]))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._damaged(shard.index_path, f"cannot be read ({str(error).splitlines()[0]})") from None
        if table.num_rows != shard.num_documents:
            raise self._damaged(
                shard.index_path, f"has {table.num_rows} documents, not {shard.num_documents} as {MANIFEST_NAME} says"
            )
        starts, lengths = table["start"].to_numpy(), table["length"].to_numpy()
        expected = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        if bool((lengths < 1).any()) or not np.array_equal(starts, expected[:-1]):
            raise self._damaged(shard.index_path, "its starts and lengths are not contiguous")
        if int(expected[-1]) != shard.num_tokens:
            raise self._damaged(
                shard.index_path, f"its lengths sum to {int(expected[-1])} tokens, {shard.path} has {shard.num_tokens}"
            )
        return table

    def _damaged(self, path: str, what: str) -> UserError:
        return UserError(f"{self.folder.url}/{path}: {what}. Delete the shards folder and run the recipe again.")


def _dtype_name(vocab_size: int) -> str:
    return shard_dtype(vocab_size).name


def _read_facts(folder: Folder) -> tuple[dict[str, Any], str]:
    """The facts of a shards folder's manifest and the digest of its reproducible part."""
    where = f"{folder.url}/{MANIFEST_NAME}"
    try:
        manifest = json.loads(folder.read_bytes(MANIFEST_NAME))
    except FileNotFoundError:
        raise UserError(
            f"{where}: missing, so there are no token shards here. Build them first: groundup run RECIPE."
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f"{where}: cannot be read ({error}).") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("facts"), dict):
        raise UserError(f"{where}: not the manifest of token shards (no facts).")
    reproducible = {key: value for key, value in manifest.items() if key != "run"}
    return manifest["facts"], hashlib.sha256(canonical_json(reproducible).encode()).hexdigest()
