"""Phase `apply`: a part -> its survivors, and the rest dropped with the document that is kept instead."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.dedup.phases.clusters import decisions
from pipeline.dedup.phases.edits import editing
from pipeline.dedup.schema import EXACT, NEAR, REASONS
from pipeline.dedup.settings import DedupSettings
from pipeline.documents.parts import PartReader, PartWriter
from pipeline.engine.tasks import Phase, Task, TaskOutput


class Apply(Phase):
    """See the module. keys: the folder where the part's keys are kept, None where none are."""

    name = "apply"

    def __init__(self, keys: str | None, settings: DedupSettings) -> None:
        self._keys = keys
        self._settings = settings

    def settings(self) -> dict[str, Any]:
        edits = {"lines": self._settings.lines.model_dump(), "scope": self._settings.scope}
        return {
            "keys": self._keys,
            "exact": self._settings.exact,
            "buckets": self._settings.minhash.num_buckets,
            "edits": edits if self._settings.lines.enabled else None,
        }

    def process(self, task: Task, output: TaskOutput) -> None:
        decided = decisions(task, output)
        upcoming = next(decided, None)
        kept: list[bool] = []
        documents = PartReader(output.build, task.inputs[0], output.counts).run()
        with PartWriter(output, f"part-{task.name}") as writer, editing(task, output, self._settings) as editor:
            for row, document in enumerate(documents):
                decision = None
                if upcoming is not None and upcoming[0] == row:
                    decision, upcoming = upcoming[1], next(decided, None)
                if editor.drops(row, document, writer):
                    kept.append(False)
                elif decision is None or decision["kind"] is None:
                    kept.append(editor.edit(row, document, writer, is_named=decision is not None))
                    if kept[-1]:
                        size, copies = (decision["cluster_size"], decision["copies"]) if decision else (1, None)
                        document.metadata.update(cluster_size=size, copies=copies)
                        writer.write(document)
                else:
                    kept.append(False)
                    if decision["kind"] == EXACT and not self._settings.exact:  # then equal texts are near duplicates
                        buckets = self._settings.minhash.num_buckets
                        decision |= {"kind": NEAR, "shared_buckets": buckets, "estimated_similarity": 1.0}
                    writer.add(document, REASONS[decision["kind"]], decision["similarity"], evidence=decision)
        if self._keys is not None:
            output.publish_array(f"{self._keys}/{task.name}.kept.npy", np.array(kept, dtype=np.bool_))
