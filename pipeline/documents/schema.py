"""The document and the drop: their Arrow schemas, and what every block shares.

A document travels through a task as datatrove's `Document`: `text` and `id` are its own fields, the other columns
are keys of `metadata`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol

import pyarrow as pa
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.writers.disk_base import DiskWriter

LOST_TEXT = "lost_text"
METADATA_FIELDS: list[tuple[str, pa.DataType]] = [
    ("url", pa.string()),
    ("title", pa.string()),  # of the page or book, null where none is known
    ("source", pa.string()),  # name of the recipe's source
    ("language", pa.string()),  # ISO 639-1 where there is one
    ("language_score", pa.float32()),
    ("date", pa.string()),  # ISO 8601, as the record states it
    ("file", pa.string()),  # raw file it was read from, as the acquire manifest names it
    ("offset", pa.int64()),  # bytes into that file as stored (compressed), -1 where there is no address inside it
    ("length", pa.int64()),  # bytes of the record as stored, -1 where unknown
    ("num_bytes", pa.int64()),  # of the text in UTF-8; counted where a part is written
    ("digest", pa.string()),  # of the raw record as its source states it, else sha1 of its payload: "sha1:BASE32"
    # Of pages of HTML, null for others. Characters are those that are no white space.
    ("page_type", pa.string()),  # one of `pipeline.documents.page_types`
    ("page_type_score", pa.float32()),  # how sure that is, 0 to 1
    ("shown_characters", pa.int64()),  # of the page that a reader sees
    ("kept_characters", pa.int64()),  # of these in the text that extract made, 0 where it found none
    (
        "text_origin",
        pa.string(),
    ),  # of a text that is not what the page shows: `markup.html.page`
    (LOST_TEXT, pa.string()),  # where little was kept, an excerpt of what was not; in extract alone
    # Of documents that dedup kept, null before it.
    ("cluster_size", pa.int64()),  # documents that it stands for, itself included
    ("copies", pa.string()),  # how many of each source were dropped for it, as JSON: {"web": 3}; null where none
]
DOCUMENT_SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string()), *METADATA_FIELDS])
DROP_FIELDS: list[tuple[str, pa.DataType]] = [
    ("stage", pa.string()),
    ("reason", pa.string()),
    ("value", pa.float64()),  # what broke the threshold, null where a reason has no number
    ("detail", pa.string()),  # an error's message and the like
    # Of a duplicate, null for others. `value` is its exact similarity to the document that is kept.
    ("duplicate_of", pa.string()),  # id of the document kept in its place
    ("cluster", pa.int64()),  # the same for all that were dropped for one document; from a hash of its text
    ("shared_buckets", pa.int64()),  # buckets of the signatures that the two share
    ("estimated_similarity", pa.float64()),  # share of equal minima of the two signatures
]
DROP_SCHEMA = pa.schema([*DOCUMENT_SCHEMA, *DROP_FIELDS])
EVIDENCE = ("duplicate_of", "cluster", "shared_buckets", "estimated_similarity")


class DropSink(Protocol):
    """The receiver of what a block takes out of the stream."""

    def add(self, document: Document, reason: str, value: float | None = None, detail: str | None = None) -> None: ...


class Block(PipelineStep):
    """Base of groundup's datatrove blocks: one that can drop documents with a reason.

    Inside a stage the runner sets `drops`, and every drop is written with its reason and value. In somebody else's
    datatrove pipeline `drops` stays None; drops are counted in datatrove's statistics, and written by the
    `exclusion_writer` where there is one, as those of datatrove's own filters.
    """

    drops: DropSink | None = None
    exclusion_writer: DiskWriter | None = None
    _rank = 0

    def __init__(self, exclusion_writer: DiskWriter | None = None) -> None:
        super().__init__()
        self.exclusion_writer = exclusion_writer

    @contextmanager
    def excluding(self, rank: int) -> Iterator[None]:
        """Keeps the exclusion writer open; a block's `run` drops documents inside it."""
        self._rank = rank
        with self.exclusion_writer or nullcontext():
            yield

    def drop(self, document: Document, reason: str, value: float | None = None, detail: str | None = None) -> None:
        """Take a document out of the stream. `reason` is snake_case and stable: users filter by it."""
        self.stat_update("dropped", f"dropped_{reason}")
        if self.drops is not None:
            self.drops.add(document, reason, value, detail)
        if self.exclusion_writer is not None:
            document.metadata["filter_reason"] = reason
            if value is not None:
                document.metadata["filter_value"] = value
            self.exclusion_writer.write(document, self._rank)


def document_row(document: Document) -> dict[str, Any]:
    """A document as one row of `DOCUMENT_SCHEMA`; missing metadata is null."""
    metadata = document.metadata
    row: dict[str, Any] = {"id": document.id, "text": document.text}
    for name, _ in METADATA_FIELDS:
        row[name] = metadata.get(name)
    return row


def row_document(row: dict[str, Any]) -> Document:
    """The document of one row of `DOCUMENT_SCHEMA`, without what extract says of its page's other text."""
    metadata = {name: row[name] for name, _ in METADATA_FIELDS if name != LOST_TEXT}
    return Document(text=row["text"], id=row["id"], metadata=metadata)
