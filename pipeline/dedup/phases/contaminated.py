"""What phase `decontaminate` found, as later phases read it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.engine.tasks import WORK, Task, TaskOutput

FOLDER = f"{WORK}/decontaminate"
SHARED_SCHEMA = pa.schema(
    [
        *(("row", pa.int64()), ("start", pa.int64()), ("end", pa.int64()), ("num_words", pa.int64())),
        *(("item", pa.string()), ("drops", pa.bool_())),  # the document goes whole
    ]
)
"""`work/decontaminate/*.parquet`: words that a document shares with an item, in order; see `decontaminate.Found`."""


def found_in(task: Task, output: TaskOutput) -> dict[int, list[dict[str, Any]]]:
    """What documents share with items, by their row, where the task was given it."""
    found: dict[int, list[dict[str, Any]]] = {}
    for entry in task.inputs:
        if entry.path.startswith(f"{FOLDER}/"):
            with output.folder.open(entry.path) as file:
                for row in pq.read_table(file).to_pylist():
                    found.setdefault(row["row"], []).append(row)
    return found


def dropped_rows(task: Task, output: TaskOutput) -> frozenset[int]:
    """The rows of documents that go because of items, where the task was given them."""
    return frozenset(row for row, found in found_in(task, output).items() if found[0]["drops"])
