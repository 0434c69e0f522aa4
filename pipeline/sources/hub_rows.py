"""Rows of a Hugging Face dataset -> a Parquet file of documents, streamed in constant memory.

Every row becomes a row, in the dataset's order; one without a text stays, so that it is dropped and counted where
documents are extracted.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xxhash
from fsspec.compression import register_compression

from manifests.errors import UserError
from manifests.records.arrow_values import column_at, paths_of, python_values
from manifests.records.unpacked import unpacked_file
from manifests.records.values import sound, text_of
from manifests.settings import Settings
from pipeline.charsets.charset import MAX_BROKEN_FRACTION, decode
from pipeline.sources.hub import HubShard, HuggingFaceSource, dataset_place, hub_errors, import_datasets, scratch_folder

COLUMNS = ("text", "id", "url", "title", "date", "language")
_ROWS_AT_ONCE = 256
_MOST_NAMES = 50  # of columns, in an error
_ROW_GROUP_ROWS = 1024
_ROW_GROUP_BYTES = 16 << 20
_CHUNK_BYTES = 2 << 20  # `datasets` takes 10 MB at a time, and a multiple of it in memory
_MOST_WHOLE_JSON_BYTES = 16 << 20
_CSV_CHUNK_ROWS = 500
_PARQUET_BUFFER_BYTES = 1 << 20
_SEEN_BITS = 1 << 28
_SEEN_PROBES = 4


class HubCounts(Settings):
    """What one shard held. Rows are all written, the others are some of them."""

    rows: int = 0
    rows_without_text: int = 0
    ids_made: int = 0
    """The dataset gave no id, so it is `<path>/<file>#<row>`."""
    ids_repeated: int = 0
    """The dataset's id came before in this shard, so that `#<file>#<row>` was added."""


class _Seen:
    """Whether an id came before: a Bloom filter of 32 MB.

    Of ten million ids one in 3,000 is taken for a repeated one and gets a longer id; the same one in each build.
    """

    def __init__(self) -> None:
        self._bits = bytearray(_SEEN_BITS // 8)

    def add(self, text: str) -> bool:
        """Whether it may have been added before."""
        digest = xxhash.xxh3_128_intdigest(text.encode("utf-8", "surrogatepass"))
        first, step = digest & (2**64 - 1), (digest >> 64) | 1
        seen = True
        for probe in range(_SEEN_PROBES):
            byte, bit = divmod((first + probe * step) % _SEEN_BITS, 8)
            if not self._bits[byte] >> bit & 1:
                seen = False
                self._bits[byte] |= 1 << bit
        return seen


def fetch_shard(source: HuggingFaceSource, shard: HubShard, recipe_folder: Path, output: Any) -> HubCounts:
    """Stream a shard to `output`, a writable binary file, as Parquet with the string columns of `COLUMNS`.

    The bytes depend on the data, the columns' names and the versions of `datasets` and pyarrow. Memory: some 200 MB,
    or more where a row group of a Parquet file is larger than 50 MB.
    Raises `UserError` for columns that are not there or are no text, and where a file cannot be read to its end:
    nothing of it counts then.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    counts = {"rows": 0, "rows_without_text": 0, "ids_made": 0, "ids_repeated": 0}
    seen = _Seen()
    batches: list[Any] = []
    num_bytes = 0
    writer = pq.ParquetWriter(output, schema, compression="zstd", compression_level=3)

    def flush() -> None:
        nonlocal num_bytes
        if batches:
            writer.write_table(pa.Table.from_batches(batches, schema=schema).combine_chunks())
        batches.clear()
        num_bytes = 0

    try:
        for key, first, table in _tables(source, shard, recipe_folder):
            ids = _ids(source, table.column("id").to_pylist(), key, first, seen, counts)
            table = table.set_column(1, "id", pa.array(ids, pa.string()))
            counts["rows"] += table.num_rows
            counts["rows_without_text"] += table.column("text").null_count
            for batch in table.combine_chunks().to_batches():
                batches.append(batch)
                num_bytes += batch.nbytes
            if sum(batch.num_rows for batch in batches) >= _ROW_GROUP_ROWS or num_bytes >= _ROW_GROUP_BYTES:
                flush()
        flush()
    finally:
        writer.close()
    return HubCounts(**counts)


def _ids(
    source: HuggingFaceSource, given: list[str | None], key: str, first: int, seen: _Seen, counts: dict[str, int]
) -> list[str]:
    """An id for each row, as the dataset has it where it has one; a mere number gets the dataset's name before it."""
    path = re.sub(r"^[./~]+", "", source.path)
    numbered = "/".join(name for name in (path, source.config, source.split) if name)
    ids = []
    for number, own in enumerate(given, first):
        if not own:
            counts["ids_made"] += 1
            ids.append(f"{path}/{key}#{number}".lstrip("/"))
            continue
        own = f"{numbered}/{own}" if own.isdigit() else own
        if seen.add(own):
            counts["ids_repeated"] += 1
            own = f"{own}#{key}#{number}"
        ids.append(own)
    return ids


def _tables(source: HuggingFaceSource, shard: HubShard, recipe_folder: Path) -> Iterator[tuple[str, int, Any]]:
    """Tables of at most `_ROWS_AT_ONCE` rows, with their file's key and the number of their first row in it."""
    left = source.max_documents
    for file in shard.files:
        first = 0
        url = f"{dataset_place(source, recipe_folder, shard.revision)}/{file.key}"
        with hub_errors(source, file.key), scratch_folder() as cache:
            for table in _read(source, shard, url, file.bytes, cache):
                if left is not None:
                    table = table.slice(0, left)
                    left -= table.num_rows
                yield file.key, first, table
                first += table.num_rows
                if left == 0:
                    return
        if source.is_local and os.stat(url).st_size != file.bytes:
            raise UserError(f"source {source.name!r}: {url}: changed while it was read. Run the same command again.")


def _read(source: HuggingFaceSource, shard: HubShard, url: str, num_bytes: int, cache: str) -> Iterator[Any]:
    """The rows of one file, with the columns of `COLUMNS`, all of them strings.

    What a reader makes of a file would depend on what it guesses from its first rows, so it is told that every column
    is a string, and the guesses of later chunks are undone.
    """
    datasets = import_datasets()
    for compression, ending in (("xz", "xz"), ("zstd", "zst")):
        # fsspec's own end at the padding of xz, and may end after the first frame of zstd, without a word.
        register_compression(compression, unpacked_file, ending, force=True)
    columns = _Columns(source)
    if shard.reader == "parquet":
        yield from _read_parquet(url, columns)
        return
    options = dict(shard.options)
    if shard.reader in ("json", "text"):
        options.setdefault("chunksize", _CHUNK_BYTES)
    if shard.reader == "csv":
        options.setdefault("chunksize", _CSV_CHUNK_ROWS)
        options.setdefault("keep_default_na", False)  # "NA" and "null" are texts like others
    builder = datasets.load_dataset_builder(shard.reader, data_files={source.split: [url]}, cache_dir=cache, **options)
    if shard.reader == "csv":
        builder.config.features = datasets.Features({name: datasets.Value("string") for name in columns.names.values()})
    if shard.reader == "json" and num_bytes > _MOST_WHOLE_JSON_BYTES:
        _refuse_whole_json(builder)
    builder._cast_table = columns.take
    builder.info.features = datasets.Features({name: datasets.Value("string") for name in COLUMNS})
    rows = builder.as_streaming_dataset(split=source.split)
    yield from rows.with_format("arrow").iter(batch_size=_ROWS_AT_ONCE)
    columns.check()


def _read_parquet(url: str, columns: _Columns) -> Iterator[Any]:
    """Reads page by page: the scanner that `datasets` uses decodes row groups ahead while writing is slower."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets.utils.file_utils import xopen

    with xopen(url, "rb") as file:
        parquet = pq.ParquetFile(file, buffer_size=_PARQUET_BUFFER_BYTES, pre_buffer=False)
        names = columns.of(parquet.schema_arrow)
        for batch in parquet.iter_batches(_ROWS_AT_ONCE, columns=names, use_threads=False):
            yield columns.take(pa.Table.from_batches([batch]))


def _refuse_whole_json(builder: Any) -> None:
    """A large file that is no JSON Lines, or has a broken line, would be read into memory whole."""
    generate = builder._generate_tables

    def lines_only(*arguments: Any, **keywords: Any) -> Iterator[Any]:
        try:
            yield from generate(*arguments, **{**keywords, "allow_full_read": False})
        except Exception as error:
            if type(error).__name__ != "FullReadDisallowed":
                raise
            raise ValueError("it has a broken line, or is no JSON Lines: one object a line") from None

    builder._generate_tables = lines_only


class _Columns:
    """Takes the columns of `COLUMNS` out of what a reader gives."""

    def __init__(self, source: HuggingFaceSource) -> None:
        self._source = source
        settings = source.columns
        self.names = {name: getattr(settings, name) or name for name in COLUMNS}
        self._named = {name for name in COLUMNS if getattr(settings, name) is not None}
        self._missing = set(self._named)
        self._there: dict[str, None] = {}

    def of(self, schema: Any) -> list[str]:
        """Those of the columns of a file that are read. Raises `UserError` where one that is named is not there."""
        self._look(schema)
        self.check()
        return [name for name in dict.fromkeys(self.names.values()) if name in self._there or name in schema.names]

    def _look(self, schema: Any) -> None:
        paths = paths_of(schema)
        self._there |= dict.fromkeys(paths)
        self._missing -= {name for name in self._missing if self.names[name] in {*paths, *schema.names}}

    def check(self) -> None:
        """Raise `UserError` for a name that no column had."""
        for name in COLUMNS:
            if name in self._missing:
                found = ", ".join(list(self._there)[:_MOST_NAMES]) or "none"
                raise UserError(
                    f"source {self._source.name!r}: {self._source.path} has no column {self.names[name]!r} (there are: "
                    f"{found}). Say under columns which one is the {name}."
                )

    def take(self, table: Any, json_field_paths: Any = ()) -> Any:
        """The columns as strings, null where a value is missing. `json_field_paths`: what was encoded as JSON."""
        import pyarrow as pa

        if self._missing:
            self._look(table.schema)
            if "text" in self._missing:  # the others may be in later rows
                self.check()
        encoded = {path[0] for path in json_field_paths if path}
        arrays = []
        for name in COLUMNS:
            column = self.names[name]
            values = column_at(table, column)
            if values is None:
                arrays.append(pa.nulls(table.num_rows, pa.string()))
            elif column in encoded:
                arrays.append(self._decoded(name, column, values))
            else:
                arrays.append(self._strings(name, column, values))
        return pa.table(arrays, names=list(COLUMNS))

    def _strings(self, name: str, column: str, values: Any) -> Any:
        import pyarrow as pa
        import pyarrow.types as kinds

        kind = values.type.value_type if kinds.is_dictionary(values.type) else values.type
        if kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind) or kinds.is_null(kind):
            return values.cast(pa.string())
        is_bytes = kinds.is_binary(kind) or kinds.is_large_binary(kind) or kinds.is_binary_view(kind)
        if name == "text":
            if not is_bytes:
                raise self._wrong(name, column, " ".join(str(values.type).split())[:80])
            return pa.array(map(_text_of_bytes, python_values(values)), pa.string())
        if kinds.is_nested(kind) and name != "id":
            if name in self._named:
                raise self._wrong(name, column, " ".join(str(values.type).split())[:80])
            return pa.nulls(len(values), pa.string())
        return pa.array(map(text_of, python_values(values)), pa.string())

    def _decoded(self, name: str, column: str, values: Any) -> Any:
        """A column of strings and other things, which the reader encoded as JSON where it was none already."""
        import pyarrow as pa

        if name == "text":
            raise self._wrong(name, column, "of several types")
        texts = values.to_pylist()
        parsed = [json.loads(text) if isinstance(text, str) else None for text in texts]
        return pa.array(
            [sound(one) if isinstance(one, str) else text for one, text in zip(parsed, texts, strict=True)], pa.string()
        )

    def _wrong(self, name: str, column: str, found: str) -> UserError:
        kind_of = "a string or bytes" if name == "text" else "one value"
        return UserError(
            f"source {self._source.name!r}: {self._source.path}: column {column!r} is {found}, and the {name} must be "
            f"{kind_of}. Name another one under columns, or convert the dataset."
        )


def _text_of_bytes(value: Any) -> str | None:
    """The text that bytes are, decoded as a text file is; None where they mean nothing, or are none."""
    if not isinstance(value, bytes):
        return None
    decoded = decode(value, is_html=False)
    return decoded.text if decoded.broken_fraction <= MAX_BROKEN_FRACTION else None
