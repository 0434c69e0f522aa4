"""Phase `apply`: a part -> its survivors, and the rest dropped with the document that is kept instead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.dedup.schema import EXACT, NEAR, REASONS
from pipeline.documents.parts import PartReader, PartWriter
from pipeline.engine.tasks import Phase, Task, TaskOutput


class Apply(Phase):
    """See the module. keys: the folder where the part's keys are kept, None where none are."""

    name = "apply"

    def __init__(self, keys: str | None, says_exact: bool) -> None:
        self._keys = keys
        self._says_exact = says_exact  # else equal texts are near duplicates, too

    def settings(self) -> dict[str, Any]:
        return {"keys": self._keys, "says_exact": self._says_exact}

    def process(self, task: Task, output: TaskOutput) -> None:
        part, *names = task.inputs
        ordinal = task.settings["ordinal"]
        decided = {row["document"] & 0xFFFFFFFF: row for entry in names for row in _rows(output, entry.path, ordinal)}
        kept: list[bool] = []
        documents = PartReader(output.build, part, output.counts).run()
        with PartWriter(output, f"part-{task.name}") as writer:
            for row, document in enumerate(documents):
                decision = decided.get(row)
                kept.append(decision is None or decision["kind"] is None)
                if decision is None or decision["kind"] is None:
                    size, copies = (decision["cluster_size"], decision["copies"]) if decision else (1, None)
                    document.metadata.update(cluster_size=size, copies=copies)
                    writer.write(document)
                else:
                    kind = decision["kind"] if self._says_exact or decision["kind"] != EXACT else NEAR
                    writer.add(document, REASONS[kind], decision["similarity"], evidence=decision)
        if self._keys is not None:
            output.publish_array(f"{self._keys}/{task.name}.kept.npy", np.array(kept, dtype=np.bool_))


def _rows(output: TaskOutput, path: str, ordinal: int) -> Iterator[dict[str, Any]]:
    first, end = ordinal << 32, (ordinal + 1) << 32
    with output.folder.open(path) as file:
        filters = (pc.field("document") >= first) & (pc.field("document") < end)
        yield from pq.read_table(file, filters=filters).to_pylist()
