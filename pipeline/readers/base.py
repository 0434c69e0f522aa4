"""The base of all readers: the raw file that one is given, and the counts that it must close."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from datatrove.data import Document

from manifests.errors import one_line
from manifests.records.compressions import DEFAULT_MEMORY_BYTES
from pipeline.documents.schema import Block
from pipeline.readers.members import MemberStream
from pipeline.readers.transcoded import TranscodedStream

RANGE_BYTES = 64 << 20  # of one file, that are one task
COLUMNS = ("text", "id", "url", "title", "date", "language")  # what a row may say of a document


@dataclass(frozen=True)
class RawFile:
    """One file to read documents from.

    key: name of the file in the acquire manifest; it becomes the documents' `file`.
    path: where it is, anything fsspec opens.
    source: name of the recipe's source.
    format: warc, wet, mediawiki, html, text, gutenberg, code, jsonl, parquet or csv.
    language: ISO 639-1 code of all of it, where that is known.
    start, stop: the bytes of it to read, where it is read in ranges; both are starts of compressed streams (multistream
    dumps), of rows (jsonl, csv), or the file's ends (stop None). Of a parquet file they are row groups.
    before: what a reader must know of the rows before `start`, as its `places` says; None for a file that is whole.
    options: settings of the source that its reader needs.
    columns: (column, the file's name of it) for those of a jsonl, parquet or csv file that are named otherwise.
    memory_bytes: the most that a compressed member of it may ask for to be unpacked.
    """

    key: str
    path: str
    source: str
    format: str
    language: str | None = None
    start: int = 0
    stop: int | None = None
    before: dict[str, Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    columns: tuple[tuple[str, str], ...] = ()
    memory_bytes: int = DEFAULT_MEMORY_BYTES

    def column_names(self) -> dict[str, str]:
        """The file's name of each column that a document may have."""
        return {name: name for name in COLUMNS} | dict(self.columns)


class Reader(Block):
    """Base of the readers: yields the documents of one raw file and drops, with a reason, what it cannot yield.

    After a run `num_candidates` equals the documents yielded plus `num_dropped`. `num_other_records` counts, by type,
    records that are no documents (a request, a talk page). `damaged` has one line for each damaged place.
    """

    type = "reader"

    def __init__(self, file: RawFile) -> None:
        super().__init__()
        self.file = file
        self._reset()

    def _reset(self) -> None:
        self.num_candidates = 0
        self.num_dropped: Counter[str] = Counter()
        self.num_other_records: Counter[str] = Counter()
        self.damaged: list[str] = []

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield the documents of the file, after those of `data`. One reader reads its file once, on rank 0."""
        if data:
            yield from data
        if rank != 0:
            return
        self._reset()
        for document in self.read():
            self.num_candidates += 1
            self.stat_update("documents")
            yield document

    def read(self) -> Iterable[Document]:
        """The documents of the file. Subclasses call `drop_record` for every candidate that they do not yield."""
        raise NotImplementedError

    def places(self, range_bytes: int) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Where the file can be cut: bytes before the place, `start` and `before` of a range that begins there.

        There are enough of them for ranges of `range_bytes`, and none where the file is read by one task.
        """
        return iter(())

    def ranges(self, range_bytes: int = RANGE_BYTES) -> list[dict[str, Any]]:
        """The file as ranges of about that many bytes: `start`, `stop` and `before` of each. None for one task.

        A range holds the rows that begin in it. The file alone decides; reading all ranges gives what reading it gives.
        """
        ranges: list[dict[str, Any]] = [{"start": 0, "stop": None, "before": {}}]
        border = range_bytes
        for num_bytes, start, before in self.places(range_bytes):
            if num_bytes >= border:
                ranges[-1]["stop"] = start
                ranges.append({"start": start, "stop": None, "before": before})
                border = (num_bytes // range_bytes + 1) * range_bytes
        return ranges if len(ranges) > 1 else []

    def stream(self, raw: Any, codec: str | None = None, **options: Any) -> MemberStream:
        """The decompressed bytes of the file, which is open as `raw`; where a codec is given, from it to UTF-8."""
        options |= {"name": self.file.path, "memory_bytes": self.file.memory_bytes}
        return MemberStream(raw, **options) if codec is None else TranscodedStream(raw, codec=codec, **options)

    def document(self, id: str, text: str = "", **metadata: Any) -> Document:
        """A document of this file with every provenance column present."""
        file = self.file
        columns = {"url": None, "title": None, "source": file.source, "language": file.language, "language_score": None}
        columns |= {"date": None, "file": file.key}
        return Document(text=text, id=id, metadata={**columns, "offset": -1, "length": -1, "digest": None, **metadata})

    def drop_record(
        self, document: Document, reason: str, value: float | None = None, detail: str | None = None
    ) -> None:
        """Count a candidate record and drop it."""
        self.num_candidates += 1
        self.num_dropped[reason] += 1
        self.drop(document, reason, value, detail)

    def drop_unreadable(self, offset: int, length: int, what: str, reason: str = "unreadable") -> None:
        """Drop a span of the file in which no record can be made out, and report the damage."""
        self.report_damage(offset, what)
        position = f"{self.file.key}#{offset}"
        self.drop_record(self.document(position, offset=offset, length=length), reason, float(length), what)

    def report_damage(self, offset: int, what: str) -> None:
        self.damaged.append(one_line(f"{self.file.key}: at byte {offset}: {what}"))
