"""Document parts: the Parquet files in which documents travel from stage to stage, kept and dropped.

A part is written through `PartWriter`, which holds the kept and the dropped documents of one task, counts both, and
publishes them together. Its blocks are datatrove steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from manifests.errors import UserError
from manifests.manifest import FileEntry
from manifests.records.values import sound
from manifests.storage import Folder, HashingWriter
from pipeline.documents.schema import DOCUMENT_SCHEMA, DROP_SCHEMA, EVIDENCE, document_row, row_document
from pipeline.engine.tasks import CountsBuilder, TaskOutput

DROPPED = "dropped"
SIGNALS = "signals"  # of filter: one file a part, beside its documents
_ROW_GROUP_DOCUMENTS = 2048
_ROW_GROUP_CHARACTERS = 32_000_000  # bounds memory where documents are huge


class RowWriter:
    """Rows to one Parquet file, with row groups cut by counts alone so that the bytes are the same every time.

    Where there is a text, its bytes are counted here, once.
    """

    def __init__(self, file: HashingWriter, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(file, schema, compression="zstd", compression_level=3)
        self._columns: list[list[Any]] = [[] for _ in schema]
        self._text, self._num_bytes = (schema.get_field_index(name) for name in ("text", "num_bytes"))
        self._characters = 0
        self.num_rows = 0
        self.text_bytes = 0  # of the rows on the disk, in UTF-8

    def write(self, row: dict[str, Any]) -> None:
        for column, name in zip(self._columns, self._schema.names, strict=True):
            column.append(row.get(name))
        self._characters += len(row.get("text") or "")
        self.num_rows += 1
        if len(self._columns[0]) >= _ROW_GROUP_DOCUMENTS or self._characters >= _ROW_GROUP_CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        if not self._columns[0]:
            return
        arrays = [pa.array(column, field.type) for column, field in zip(self._columns, self._schema, strict=True)]
        if self._text >= 0 and self._num_bytes >= 0:
            arrays[self._num_bytes] = lengths = pc.binary_length(arrays[self._text]).cast(pa.int64())
            self.text_bytes += pc.sum(lengths).as_py() or 0
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._columns = [[] for _ in self._schema]
        self._characters = 0

    def close(self) -> None:
        self._flush()
        self._writer.close()


class PartWriter(PipelineStep):
    """Writes one task's kept and dropped documents; both files appear when the block ends without an error.

    As a datatrove step it writes what passes; as a `DropSink` it takes what other blocks drop.
    """

    type = "writer"
    name = "groundup part"

    def __init__(self, output: TaskOutput, part: str) -> None:
        super().__init__()
        self._output = output
        self._part = part
        self._counts: CountsBuilder = output.counts
        self._stack = ExitStack()

    def __enter__(self) -> PartWriter:
        self._paths = (f"{self._part}.parquet", f"{DROPPED}/{self._part}.parquet")
        self._files = [self._stack.enter_context(self._output.folder.publish(path)) for path in self._paths]
        self._kept = RowWriter(self._files[0], DOCUMENT_SCHEMA)
        self._dropped = RowWriter(self._files[1], DROP_SCHEMA)
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: TracebackType | None) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, traceback)
            return
        with self._stack:
            self._kept.close()
            self._dropped.close()
        for path, file, rows in zip(self._paths, self._files, (self._kept, self._dropped), strict=True):
            text_bytes = rows.text_bytes if rows is self._kept else None
            self._output.add(
                FileEntry(
                    path=path, bytes=file.bytes, sha256=file.sha256, documents=rows.num_rows, text_bytes=text_bytes
                )
            )

    @property
    def num_kept(self) -> int:
        """Rows of the kept part so far."""
        return self._kept.num_rows

    @property
    def num_dropped(self) -> int:
        """Rows of the dropped part so far."""
        return self._dropped.num_rows

    def write(self, document: Document) -> None:
        row = encodable(document_row(document))
        self._kept.write(row)
        self._counts.kept(row["source"])

    def add(
        self,
        document: Document,
        reason: str,
        value: float | None = None,
        detail: str | None = None,
        evidence: Mapping[str, Any] | None = None,
    ) -> None:
        """Take a dropped document with its reason (see `pipeline.documents.schema.DropSink`).

        evidence: of a duplicate, the columns of `DROP_SCHEMA` that say what it is a copy of.
        """
        row = document_row(document)
        row |= {"stage": self._output.stage, "reason": reason, "value": value, "detail": detail}
        row |= {name: evidence[name] for name in EVIDENCE} if evidence else {}
        self._dropped.write(encodable(row))
        self._counts.dropped(row["source"], reason)

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        for document in data:
            self.write(document)
            yield document


class PartReader(PipelineStep):
    """Reads one part's documents in order and counts them in. Raises `UserError` where the part was changed."""

    type = "reader"
    name = "groundup part"

    def __init__(self, folder: Folder, part: FileEntry, counts: CountsBuilder) -> None:
        super().__init__()
        self._folder = folder
        self._read = part
        self._counts = counts

    def run(self, data: DocumentsPipeline = None, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        if data:
            yield from data
        for row in read_part(self._folder, self._read):
            self._counts.read(row["source"])
            yield row_document(row)


def read_part(folder: Folder, part: FileEntry, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a part, after it was compared with its digest.

    Parquet reads most damage as other text, without an error, and what is made of it would be recorded as made of the
    right bytes. Raises `UserError` where the part is not what was published.
    """
    if folder.digest(part.path).sha256 != part.sha256:
        raise UserError(
            f"{folder.url}/{part.path}: was changed or damaged after it was written. Delete it and run the same "
            "command again: it is made anew."
        )
    yield from read_rows(folder, part.path, columns)


def read_rows(folder: Folder, path: str, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file in order, one row group in memory at a time."""
    with folder.open(path) as file:
        parquet = pq.ParquetFile(file)
        for group in range(parquet.num_row_groups):
            yield from parquet.read_row_group(group, columns=columns).to_pylist()


def encodable(row: dict[str, Any]) -> dict[str, Any]:
    """A row that UTF-8 can hold: a lone surrogate, which no encoding of real text contains, becomes U+FFFD."""
    for name, value in row.items():
        if isinstance(value, str) and not value.isascii():
            row[name] = sound(value)
    return row
