"""Phase `decontaminate`: a part -> what its documents share with items of evaluation sets."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.dedup.decontaminate import Decontaminator
from pipeline.dedup.evaluation_sets import EvaluationFile, digests
from pipeline.dedup.lines import cut, says_nothing
from pipeline.dedup.phases.contaminated import FOLDER, SHARED_SCHEMA
from pipeline.dedup.settings import DecontaminateSettings
from pipeline.documents.parts import read_part
from pipeline.engine.tasks import Phase, Task, TaskOutput


class Decontaminate(Phase):
    """See the module. Documents that go are left out of all that follows, so that none stands for a clean one."""

    name = "decontaminate"

    def __init__(self, settings: DecontaminateSettings, files: list[EvaluationFile]) -> None:
        self._settings = settings
        self._files = files
        self._finder: Decontaminator | None = None  # of this process: the sets are read once

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_finder": None}

    def settings(self) -> dict[str, Any]:
        return {**self._settings.model_dump(exclude={"files"}), "digests": digests(self._files)}

    def process(self, task: Task, output: TaskOutput) -> None:
        if self._finder is None:
            self._finder = Decontaminator(self._files, self._settings.ngram_words)
        (part,) = task.inputs
        rows: list[dict[str, Any]] = []
        for number, document in enumerate(read_part(output.build, part, ["text"])):
            found = self._finder.find(document["text"])
            if found:
                left, _ = cut(document["text"], [(one.start, one.end) for one in found])
                drops = self._settings.action == "drop" or says_nothing(left)
                rows += [{"row": number, **one._asdict(), "drops": drops} for one in found]
        with output.publish(f"{FOLDER}/{task.name}.parquet") as file:
            pq.write_table(pa.Table.from_pylist(rows, SHARED_SCHEMA), file, compression="zstd")
        output.facts["num_items"] = self._finder.num_items
