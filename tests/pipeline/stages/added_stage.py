"""A stage as somebody might add one: it keeps a sample of the documents, chosen by their ids."""

from __future__ import annotations

from typing import Any

import xxhash

from pipeline.documents.parts import PartReader, PartWriter
from pipeline.engine.runner import PhaseRunner
from pipeline.engine.tasks import Phase, Task, TaskOutput
from pipeline.stages.base import Stage, StageResult, part_tasks

KEPT = 0.6  # of the documents
REASON = "not_drawn"


def place(document: str) -> float:
    """A number in [0, 1) that only depends on the document's id."""
    return xxhash.xxh3_64_intdigest(document.encode()) / 2**64


class Draw(Phase):
    """Part -> the documents whose place is below `KEPT`; the others are dropped with their place as value."""

    name = "draw"

    def process(self, task: Task, output: TaskOutput) -> None:
        (part,) = task.inputs
        with PartWriter(output, f"part-{task.name}") as writer:
            for document in PartReader(output.build, part, output.counts).run():
                if place(document.id) < KEPT:
                    writer.write(document)
                else:
                    writer.add(document, REASON, place(document.id))


class SampleStage(Stage):
    """See the module."""

    name = "sample"
    libraries = ("pyarrow", "xxhash")
    worker_bytes = 0.3e9
    max_workers = 2
    disk_share = 0.5

    def settings(self) -> dict[str, Any]:
        return {"kept": KEPT}

    def run(self, runner: PhaseRunner) -> StageResult:
        return StageResult(runner.run(Draw(), part_tasks(self.documents())))
