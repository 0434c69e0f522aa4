"""Phase `texts`: a group of parts -> what is compared of its documents that are in a pair."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from manifests.errors import UserError
from pipeline.dedup.candidates import PAIR
from pipeline.dedup.keys import content_hash
from pipeline.dedup.phases.gather import GatherPairs, received
from pipeline.dedup.phases.layout import InputPart, Layout, LayoutPhase
from pipeline.dedup.rank import Int64Array, signal_of
from pipeline.dedup.schema import CANDIDATE_SCHEMA, CANDIDATES, NEAR
from pipeline.dedup.settings import DedupSettings
from pipeline.dedup.text.sketch import Sketcher
from pipeline.documents.parts import RowWriter, encodable
from pipeline.engine.tasks import WORK, Task, TaskOutput

TEXT = np.dtype([("document", np.int64), ("sequence", np.uint64), ("is_repetitive", np.bool_), ("end", np.int64)])
"""A document that is compared; `end` is where its n-grams end in the file of n-grams."""
_COLUMNS = ["id", "text", "source", "date"]


class Texts(LayoutPhase):
    """See the module. N-grams go to a file while they are made, so that memory holds one row group of texts."""

    name = "texts"

    def __init__(self, layout: Layout, settings: DedupSettings) -> None:
        super().__init__(layout)
        self._settings = settings

    def settings(self) -> dict[str, Any]:
        minhash = self._settings.minhash
        names = {"ngram_words", "fold_verified", "verify", "enabled"}
        return {**super().settings(), "minhash": minhash.model_dump(include=names), "keep": self._settings.keep}

    def process(self, task: Task, output: TaskOutput) -> None:
        layout, minhash = self._layout, self._settings.minhash
        group = int(task.name)
        pairs = received(task, output, GatherPairs.name, PAIR)
        documents = np.unique(np.concatenate([pairs["better"], pairs["worse"]]))
        documents = documents[slice(*np.searchsorted(documents, layout.bounds(group)).tolist())]
        near = pairs[pairs["kind"] == NEAR] if minhash.verify else pairs[:0]
        is_compared = np.isin(documents, np.concatenate([near["better"], near["worse"]]))
        sketcher = Sketcher(minhash)
        texts = np.zeros(documents.size, dtype=TEXT)
        texts["document"] = documents
        signatures = []
        at = num_values = 0
        with ExitStack() as stack:
            values = stack.enter_context(output.publish(_path(group, "ngrams")))
            table = stack.enter_context(output.publish(f"{CANDIDATES}/{task.name}.parquet"))
            candidates = RowWriter(table, CANDIDATE_SCHEMA)
            for ordinal in layout.ordinals(group):
                part = layout.parts[ordinal]
                low, high = np.searchsorted(documents, [ordinal << 32, (ordinal + 1) << 32]).tolist()
                if low == high:
                    continue
                rows = documents[low:high] & 0xFFFFFFFF
                known = part.array(output, "documents")[rows]
                signatures.append(part.array(output, "signatures")[rows])
                for facts, row in zip(known, rows_of(part, rows, output), strict=True):
                    content, _, length = content_hash(row["text"])
                    if content != facts["content"]:
                        raise _damaged(part, output)
                    if is_compared[at]:
                        ngrams = sketcher.ngrams(row["text"])
                        values.write(ngrams.values.tobytes())
                        num_values += ngrams.values.size
                        texts[at]["sequence"], texts[at]["is_repetitive"] = ngrams.sequence, ngrams.is_repetitive
                    texts[at]["end"] = num_values
                    candidates.write(self._candidate(int(documents[at]), part, facts, row | {"length": length}))
                    at += 1
            candidates.close()
        output.publish_array(_path(group, "texts.npy"), texts)
        width = minhash.num_hashes if minhash.enabled else 0
        none = np.empty((0, width), dtype=np.uint16)
        output.publish_array(_path(group, "signatures.npy"), np.concatenate([none, *signatures]))

    def _candidate(self, document: int, part: InputPart, facts: np.void, row: dict[str, Any]) -> dict[str, Any]:
        rank = int(facts["rank"])
        signal = None
        if "." in self._settings.keep and part.build is None:
            signal = float(signal_of(np.array([rank >> 32], dtype=np.uint32))[0])
        return encodable(
            {
                "document": document,
                "part": part.entry.path if part.build is None else f"{part.build}/{part.entry.path}",
                "row": row["row"],
                "id": row["id"],
                "source": row["source"],
                "length": row["length"],
                "date": row["date"],
                "signal": None if signal is None or np.isnan(signal) else signal,
                "content": int(facts["content"]),
                "tie": rank & 0xFFFFFFFF,
                "is_earlier": part.build is not None,
            }
        )


def rows_of(part: InputPart, rows: Int64Array, output: TaskOutput) -> Iterator[dict[str, Any]]:
    """Some rows of a part, given by ascending numbers, one row group in memory at a time, each with its `row`.

    Rows are those that keys have: of the part that an earlier build had before its own deduplication.
    """
    reading = part.reading(output)
    if part.build is not None and part.entry.path.startswith(f"{output.stage}/"):
        rows = np.cumsum(part.array(output, "kept"), dtype=np.int64)[rows] - 1
    try:
        with reading.build.open(part.entry.path) as file:
            parquet = pq.ParquetFile(file)
            begin = 0
            for group in range(parquet.num_row_groups):
                end = begin + parquet.metadata.row_group(group).num_rows
                wanted = rows[slice(*np.searchsorted(rows, [begin, end]).tolist())]
                if wanted.size:
                    table = parquet.read_row_group(group, columns=_COLUMNS).take(pa.array(wanted - begin))
                    for row, place in zip(table.to_pylist(), wanted.tolist(), strict=True):
                        yield {**row, "row": place}
                begin = end
    except (OSError, ValueError, pa.ArrowException):
        raise _damaged(part, output) from None


def _damaged(part: InputPart, output: TaskOutput) -> UserError:
    return UserError(
        f"{part.reading(output).build.url}/{part.entry.path}: is missing, or was changed or damaged after its keys "
        "were made. Delete it, if it is there, and run the recipe of its build again: it is made anew."
    )


@dataclass
class Compared:
    """What phase `texts` made of one group."""

    texts: NDArray[np.void]
    signatures: NDArray[np.uint16]
    ngrams: NDArray[np.uint64]

    @classmethod
    def read(cls, output: TaskOutput, group: int) -> Compared:
        path = _path(group, "ngrams")
        ngrams: NDArray[np.uint64]
        if output.folder.is_local and output.folder.sizes(path.rpartition("/")[0]).get(path):
            ngrams = np.memmap(output.folder.full(path), dtype=np.uint64, mode="r")
        else:
            ngrams = np.frombuffer(output.folder.read_bytes(path), dtype=np.uint64)
        return cls(
            output.read_array(_path(group, "texts.npy")), output.read_array(_path(group, "signatures.npy")), ngrams
        )

    @cached_property
    def sizes(self) -> Int64Array:
        """How many n-grams each document has."""
        return np.diff(self.texts["end"], prepend=0)

    def find(self, documents: Int64Array) -> Int64Array:
        """The places of documents in `texts`."""
        return np.searchsorted(self.texts["document"], documents)


def _path(group: int, what: str) -> str:
    return f"{WORK}/texts/{group:05d}.{what}"
