"""`extract`: raw files -> documents. A task is a raw file; what cannot be read becomes a drop with its place."""

from __future__ import annotations

from collections import deque
from typing import Any

from manifests.errors import UserError
from manifests.manifest import FileEntry, Manifest
from manifests.storage import Folder
from pipeline.extractors import extractor_for, reader_for
from pipeline.extractors.raw import RawFile
from pipeline.extractors.settings import ExtractSettings
from pipeline.parts import PartWriter
from pipeline.recipe import Recipe
from pipeline.runner import PhaseRunner
from pipeline.stages.base import Stage, StageResult
from pipeline.tasks import Phase, Task, TaskOutput

OPERATIONAL = {"damaged"}  # decides whether a build stops, not what is extracted


class Extract(Phase):
    """Raw file -> one part of documents, and the drops beside it."""

    name = "extract"

    def __init__(self, settings: ExtractSettings, locations: dict[str, str]) -> None:
        self._settings = settings
        self._locations = locations  # key of a raw file -> where it can be opened; may differ between hosts

    def settings(self) -> dict[str, Any]:
        return self._settings.model_dump(exclude=OPERATIONAL)

    def process(self, task: Task, output: TaskOutput) -> None:
        (entry,) = task.inputs
        file = RawFile(key=entry.path, path=self._locations[entry.path], **task.settings)
        reader = reader_for(file)
        extractor = extractor_for(file.format, self._settings)
        with PartWriter(output, f"part-{task.name}") as writer:
            reader.drops = extractor.drops = writer
            deque(writer.run(extractor.run(reader.run())), maxlen=0)
        output.counts.read(file.source, reader.num_candidates)
        for kind, number in reader.num_other_records.items():
            output.counts.other_records(file.source, kind, number)
        output.damaged.extend(reader.damaged)


class ExtractStage(Stage):
    """See the module."""

    name = "extract"
    after = ("acquire",)
    libraries: tuple[str, ...] = ("fastwarc", "mwparserfromhell", "pyarrow", "resiliparse")

    def __init__(self, recipe: Recipe, build: Folder) -> None:
        super().__init__(recipe, build)
        if recipe.extract.html == "trafilatura":
            self.libraries = (*type(self).libraries, "trafilatura")

    def settings(self) -> dict[str, Any]:
        """The table of the recipe, and how each raw file is read."""
        files = self.upstream("acquire").facts["files"]
        return {
            "extract": self.recipe.extract.model_dump(exclude=OPERATIONAL),
            "files": {file["key"]: [file["source"], file["format"], file["language"]] for file in files},
        }

    def inputs(self) -> list[FileEntry]:
        return [
            FileEntry(path=file["key"], bytes=file["bytes"], sha256=file["sha256"])
            for file in self.upstream("acquire").facts["files"]
        ]

    def run(self, runner: PhaseRunner) -> StageResult:
        acquired = self.upstream("acquire")
        files = acquired.facts["files"]
        locations = {file["key"]: raw_location(self.recipe.resolve, self.build.url, file) for file in files}
        numbers: dict[str, int] = {}
        tasks = []
        for entry, file in zip(self.inputs(), files, strict=True):
            source = file["source"]
            number = numbers[source] = numbers.get(source, -1) + 1
            settings = {"source": source, "format": file["format"], "language": file["language"]}
            tasks.append(Task(name=f"{source}-{number:05d}", inputs=(entry,), settings=settings))
        records = runner.run(Extract(self.recipe.extract, locations), tasks)
        damaged = [line for record in records for line in record.damaged]
        return StageResult(records=records, facts={"damaged": damaged})

    def check(self, manifest: Manifest) -> None:
        """Stop after the stage where an input is damaged, unless the recipe accepts the loss."""
        damaged = manifest.facts["damaged"]
        if damaged and self.recipe.extract.damaged == "fail":
            more = f" (and {len(damaged) - 1} more places)" if len(damaged) > 1 else ""
            raise UserError(
                f"extract: {damaged[0]}{more}. What could be read is kept and the rest is counted as dropped; "
                "replace the file, or go on without that part with --set extract.damaged=drop."
            )


def raw_location(resolve: Any, build: str, file: dict[str, Any]) -> str:
    """Where a raw file of the acquire manifest can be opened: below the build, or where the recipe found it."""
    if file["path"] is not None:
        return f"{build}/acquire/{file['path']}"
    return str(resolve(file["key"]))
