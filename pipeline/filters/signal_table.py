"""The table of signals: a row for each document of a part, kept or dropped, in the order of the input.

With the comparisons in the stage's manifest, every decision can be repeated without a text, by other thresholds too.
"""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any

import pyarrow as pa
from datatrove.data import Document

from manifests.manifest import FileEntry
from pipeline.documents.parts import SIGNALS, RowWriter, encodable
from pipeline.engine.tasks import TaskOutput
from pipeline.filters.chain import Decision

SIGNAL_FIELDS: list[tuple[str, pa.DataType]] = [
    ("id", pa.string()),
    ("url", pa.string()),
    ("source", pa.string()),
    ("reason", pa.string()),  # null where it was kept
    ("value", pa.float64()),
    ("detail", pa.string()),
    ("row", pa.int64()),  # of the kept part, or of the dropped one
    ("num_characters", pa.int64()),  # of the text as it came
    ("num_bytes", pa.int64()),  # of its UTF-8
    ("language", pa.string()),
    ("language_score", pa.float64()),
    ("top_languages", pa.list_(pa.struct([("code", pa.string()), ("score", pa.float64())]))),
]


class SignalWriter:
    """Writes the signals of one task's documents. `names` are the columns beside `SIGNAL_FIELDS`."""

    def __init__(self, output: TaskOutput, part: str, names: list[str]) -> None:
        self._output = output
        self._path = f"{SIGNALS}/{part}.parquet"
        self._schema = pa.schema([*SIGNAL_FIELDS, *((name, pa.float64()) for name in names)])
        self._stack = ExitStack()

    def __enter__(self) -> SignalWriter:
        self._file = self._stack.enter_context(self._output.folder.publish(self._path))
        self._rows = RowWriter(self._file, self._schema)
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: TracebackType | None) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, traceback)
            return
        with self._stack:
            self._rows.close()
        entry = FileEntry(path=self._path, bytes=self._file.bytes, sha256=self._file.sha256)
        self._output.add(entry.model_copy(update={"documents": self._rows.num_rows}))

    def write(self, document: Document, decision: Decision, text: str, row: int) -> None:
        """text: as it came; row: where the document went, in its kept or dropped part."""
        first = decision.languages[0]
        reason, value, detail = decision.verdict or (None, None, None)
        fields: dict[str, Any] = {
            "id": document.id,
            "url": document.metadata.get("url"),
            "source": document.metadata.get("source"),
            "reason": reason,
            "value": value,
            "detail": detail,
            "row": row,
            "num_characters": len(text),
            "num_bytes": document.metadata["num_bytes"],
            "language": first.code,
            "language_score": first.score,
            "top_languages": [{"code": language.code, "score": language.score} for language in decision.languages],
        }
        self._rows.write(encodable(fields) | decision.signals)
