"""Reads token shards."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.process import read_parquet
from manifests.settings import canonical_json
from manifests.storage import Folder
from tokenizer.shards.format import (
    BIN_SUFFIX,
    INDEX_SCHEMA,
    INDEX_SUFFIX,
    MANIFEST_NAME,
    IdArray,
    dtype_name,
    shard_dtype,
)

_CACHED_INDEXES, _CACHED_SOURCES = 4, 64
_TOKENS_PER_READ = 1 << 19


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
        # The sources that the shards hold documents of, sorted; empty where the manifest does not count them.
        facts, self.source_names, self.manifest_sha256 = _read_facts(folder)
        try:
            self.vocab_size = int(facts["vocab_size"])
            self.end_of_text_id = int(facts["end_of_text_id"])
            self.dtype = shard_dtype(self.vocab_size)
            if facts["dtype"] != dtype_name(self.vocab_size):
                raise UserError(
                    f"{folder.url}/{MANIFEST_NAME}: says {facts['dtype']}, but shards of {self.vocab_size} ids are "
                    f"{dtype_name(self.vocab_size)}. Delete the shards folder and run the recipe again."
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
        self._sources: OrderedDict[int, tuple[IdArray, npt.NDArray[np.uint16]]] = OrderedDict()
        self._check_files()
        if check_index:
            for shard in self._shards:
                self._read_index(shard, ["start", "length"])

    def __len__(self) -> int:
        return self.num_tokens

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}, "_indexes": OrderedDict(), "_sources": OrderedDict()}

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

    def read_sources(self, start: int, length: int) -> IdArray:
        """For each of `length` tokens from position `start` on the number of its source in `source_names`, int64."""
        found = np.empty(length, dtype=np.int64)
        for number in range(len(self._shards)):
            base, end = int(self._starts[number]), int(self._starts[number + 1])
            first, last = max(start, base), min(start + length, end)
            if first >= last:
                continue
            starts, sources = self._document_sources(number)
            rows = slice(*(np.searchsorted(starts, [first - base, last - 1 - base], side="right") - [1, 0]))
            edges = np.append(starts[rows], last - base).clip(first - base)
            found[first - start : last - start] = np.repeat(sources[rows], np.diff(edges))
        return found

    def check_documents(self) -> None:
        """Read every token: each document must end with the end-of-text where the index says, and hold no other.

        A changed id inside a document shows only in the digest of its file; this is what can be told without it.
        """
        for number, shard in enumerate(self._shards):
            starts, _ = self._index(number)
            ends = np.append(starts[1:], shard.num_tokens) - 1
            found: list[IdArray] = []
            for position in range(0, shard.num_tokens, _TOKENS_PER_READ):
                count = min(_TOKENS_PER_READ, shard.num_tokens - position)
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

    def _document_sources(self, number: int) -> tuple[IdArray, npt.NDArray[np.uint16]]:
        """For each document of a shard its start and the number of its source; more of them are kept than of indexes,
        since later epochs read from everywhere."""
        if number not in self._sources:
            shard = self._shards[number]
            table = self._read_index(shard, ["start", "length", "source"])
            numbers = pc.index_in(table["source"], pa.array(self.source_names, pa.string()))
            if numbers.null_count:
                raise self._damaged(shard.index_path, f"has a source that {MANIFEST_NAME} does not count")
            self._sources[number] = table["start"].to_numpy(), numbers.to_numpy().astype(np.uint16)
            if len(self._sources) > _CACHED_SOURCES:
                self._sources.popitem(last=False)
        self._sources.move_to_end(number)
        return self._sources[number]

    def _read_index(self, shard: _Shard, columns: list[str] | None) -> pa.Table:
        try:
            with self.folder.open(shard.index_path) as file:
                table = read_parquet(file, columns)
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


def _read_facts(folder: Folder) -> tuple[dict[str, Any], list[str], str]:
    """The facts of a shards folder's manifest, the sources it counts, and the digest of its reproducible part."""
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
    counts = manifest.get("counts", {}).get("sources", {})
    sources = sorted(name for name, count in counts.items() if count.get("documents_out"))
    return manifest["facts"], sources, hashlib.sha256(canonical_json(reproducible).encode()).hexdigest()
