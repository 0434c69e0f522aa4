"""`extract`: raw files -> documents. What cannot be read becomes a drop with its place.

A task is a raw file, a range of a large one, or some hundred small files that hold one document each.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import Any

from manifests.errors import UserError
from manifests.manifest import FileEntry, Manifest
from manifests.storage import Folder
from pipeline.documents.parts import PartWriter
from pipeline.engine.fingerprint import code_of
from pipeline.engine.records import TaskRecord
from pipeline.engine.runner import PhaseRunner
from pipeline.engine.tasks import Phase, Task, TaskOutput
from pipeline.extractors.base import GuardedExtractor
from pipeline.extractors.guard.guard import Guard, close_guards
from pipeline.extractors.html import weights_digest
from pipeline.extractors.settings import ExtractSettings
from pipeline.formats import TextExtractor, extractor_for, reader_for
from pipeline.readers.base import RANGE_BYTES, RawFile
from pipeline.readers.rows import JsonlReader, missing_column
from pipeline.recipe import Recipe
from pipeline.sources.settings import INDEX_FORMAT
from pipeline.stages.base import Stage, StageResult, say_compiling

OPERATIONAL = {"damaged"}  # decides whether a build stops, not what is extracted
PageTypes = dict[str, dict[str, int]]  # by type of page: what is counted of them, by name

# Formats whose files hold one document each, and how many of them make a task.
_ONE_DOCUMENT = frozenset({"html", "text", "gutenberg", "code"})
_MOST_TASK_FILES = 1_000
_MOST_TASK_BYTES = 64 << 20
_ROWS = frozenset({"jsonl", "csv", "parquet"})  # formats whose files can be cut
_READ_AS = ("format", "language", "columns", "options", "starts")  # of a raw file: what decides how it is read


class CutRows(Phase):
    """A large file of rows -> the ranges that are tasks of their own, as a fact of its record."""

    name = "ranges"

    def __init__(self, locations: dict[str, str], range_bytes: int) -> None:
        self._locations = locations
        self._range_bytes = range_bytes

    def settings(self) -> dict[str, Any]:
        return {"range_bytes": self._range_bytes}

    def made_by(self) -> dict[str, Any]:
        return {"code": code_of("pipeline.readers.rows", "pipeline.readers.csv_rows")}

    def process(self, task: Task, output: TaskOutput) -> None:
        (entry,) = task.inputs
        file = RawFile(entry.path, self._locations[entry.path], **task.settings)
        output.facts["ranges"] = reader_for(file).ranges(self._range_bytes)


class Extract(Phase):
    """Raw file -> one part of documents, and the drops beside it."""

    name = "extract"

    def __init__(self, settings: ExtractSettings, locations: dict[str, str], weights: str | None) -> None:
        self._settings = settings
        self._weights = weights  # digest of what our reading of HTML has learned, where there are pages
        self._locations = locations  # key of a raw file -> where it can be opened; may differ between hosts

    def settings(self) -> dict[str, Any]:
        return {**self._settings.model_dump(exclude=OPERATIONAL), "weights": self._weights}

    def process(self, task: Task, output: TaskOutput) -> None:
        extractors: dict[str, TextExtractor] = {}
        page_types: dict[str, PageTypes] = {}
        with PartWriter(output, f"part-{task.name}") as writer:
            for entry, settings in zip(task.inputs, task.settings["files"], strict=True):
                memory_bytes = self._settings.page_memory_megabytes << 20
                file = RawFile(entry.path, self._locations[entry.path], memory_bytes=memory_bytes, **settings)
                reader = reader_for(file)
                if file.format not in extractors:
                    extractors[file.format] = extractor_for(file.format, self._settings)
                extractor = extractors[file.format]
                reader.drops = extractor.drops = writer
                deque(writer.run(extractor.run(reader.run())), maxlen=0)
                output.counts.read(file.source, reader.num_candidates)
                for kind, number in reader.num_other_records.items():
                    output.counts.other_records(file.source, kind, number)
                if isinstance(extractor, GuardedExtractor):
                    for origin, number in extractor.num_from.items():
                        output.counts.edited(file.source, f"text_from_{origin}", number)
                    extractor.num_from.clear()
                    _add_pages(page_types.setdefault(file.source, {}), extractor.pages)
                    extractor.pages.clear()
                output.damaged.extend(reader.damaged)
                if isinstance(reader, JsonlReader) and reader.columns_there is not None:
                    columns = {"missing": sorted(reader.missing_columns), "there": reader.columns_there}
                    output.facts["columns"] = {"source": file.source, "file": file.key, **columns}
        output.facts["page_types"] = {source: pages for source, pages in page_types.items() if pages}


class ExtractStage(Stage):
    """See the module."""

    name = "extract"
    reads = ("acquire",)
    takes_documents = False
    worker_bytes = 0.6e9
    libraries: tuple[str, ...] = ("fastwarc", "numba", "numpy", "pyarrow", "resiliparse")

    def __init__(self, recipe: Recipe, build: Folder, documents_from: str | None) -> None:
        super().__init__(recipe, build, documents_from)
        self.libraries += ("lxml", "trafilatura") if recipe.extract.html == "trafilatura" else ()

    def settings(self) -> dict[str, Any]:
        """The table of the recipe, and how each raw file is read."""
        return {
            "extract": self.recipe.extract.model_dump(exclude=OPERATIONAL),
            "weights": self._weights(),
            "files": [{name: file.get(name) for name in ("source", "key", *_READ_AS)} for file in self._raw_files()],
        }

    def inputs(self) -> list[FileEntry]:
        return [_entry(file) for file in self._raw_files()]

    @property
    def _reads_pages(self) -> bool:
        """Whether there are pages of HTML. Our scanner reads them, whatever finds their main content."""
        return any(file["format"] in ("warc", "html") for file in self._raw_files())

    def _html_guard(self) -> Guard:
        """The guard of the run's own process; with one worker it is the one that the tasks use."""
        extractor = extractor_for("html", self.recipe.extract)
        assert isinstance(extractor, GuardedExtractor)
        return extractor.guard()

    def _weights(self) -> str | None:
        return weights_digest() if self._reads_pages else None

    def _raw_files(self) -> list[dict[str, Any]]:
        """Raw files that hold documents; an index of a dump holds none."""
        return [file for file in self.upstream("acquire").facts["files"] if file["format"] != INDEX_FORMAT]

    def run(self, runner: PhaseRunner) -> StageResult:
        files = self._raw_files()
        locations = {file["key"]: raw_location(self.recipe.resolve, self.build.url, file) for file in files}
        if self._reads_pages:
            say_compiling(runner.watcher, self.name, "pipeline.markup.html")
            self._html_guard().start()  # compiles, where that was not done yet, once for all workers
        cut = runner.run(CutRows(locations, RANGE_BYTES), cut_tasks(files))
        ranges = {record.task: record.facts["ranges"] for record in cut}
        files = [file | {"ranges": ranges.get(name)} for name, file in _named(files)]
        records = runner.run(Extract(self.recipe.extract, locations, self._weights()), extract_tasks(files))
        close_guards()
        _check_ranges(files, records)
        damaged = [line for record in records for line in record.damaged]
        page_types: dict[str, PageTypes] = {}
        for record in records:
            for source, pages in record.facts["page_types"].items():
                _add_pages(page_types.setdefault(source, {}), pages)
        facts = {
            "damaged": damaged,
            "missing_columns": missing_columns([record.facts for record in records]),
            "page_types": {source: dict(sorted(pages.items())) for source, pages in sorted(page_types.items())},
        }
        return StageResult(records=[*cut, *records], facts=facts)

    def check(self, manifest: Manifest) -> None:
        """Stop after the stage where a named column is nowhere; or an input is damaged, unless the loss is accepted."""
        if manifest.facts["missing_columns"]:
            raise UserError(f"extract: {manifest.facts['missing_columns'][0]}")
        damaged = manifest.facts["damaged"]
        if damaged and self.recipe.extract.damaged == "fail":
            more = f" (and {len(damaged) - 1} more places)" if len(damaged) > 1 else ""
            first = damaged[0].rstrip(".")
            raise UserError(
                f"extract: {first}{more}. What could be read is kept and the rest is counted as dropped; "
                "replace the file, or go on without that part with --set extract.damaged=drop."
            )


def _add_pages(into: PageTypes, more: Mapping[str, Mapping[str, int]]) -> None:
    """Add what was counted of pages of each type (`GuardedExtractor.pages`)."""
    for kind, counts in more.items():
        total = into.setdefault(kind, {})
        for name, number in counts.items():
            total[name] = total.get(name, 0) + number


def missing_columns(facts: list[dict[str, Any]]) -> list[str]:
    """A line for each source that names columns which no row of its JSONL files has. `facts`: of the tasks' records."""
    files: dict[str, list[dict[str, Any]]] = {}
    for fact in facts:
        if "columns" in fact:
            files.setdefault(fact["columns"]["source"], []).append(fact["columns"])
    lines = []
    for source, columns in sorted(files.items()):
        missing = set.intersection(*(set(file["missing"]) for file in columns))
        if missing:
            lines.append(missing_column(f"source {source!r}", "`, `".join(sorted(missing)), columns[0]["there"]))
    return lines


def _check_ranges(files: list[dict[str, Any]], records: list[TaskRecord]) -> None:
    """Refuse a file that was read in ranges and has no column of texts in any; of a whole file the reader says it."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in records:
        if fact := record.facts.get("columns"):
            found.setdefault((fact["source"], fact["file"]), []).append(fact)
    for file in files:
        columns = found.get((file["source"], file["key"])) if file["ranges"] else None
        text = (file.get("columns") or {}).get("text", "text")
        if columns and all(text in fact["missing"] for fact in columns):
            raise UserError(f"extract: {missing_column(file['key'], text, columns[0]['there'])}")


def _named(files: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The raw files with a name for each: its source and its place among that source's."""
    numbers: Counter[str] = Counter()
    for file in files:
        yield f"{file['source']}-{numbers[file['source']]:05d}", file
        numbers[file["source"]] += 1


def cut_tasks(files: list[dict[str, Any]]) -> list[Task]:
    """A task for each large file of rows, which says where it can be cut."""
    return [
        Task(name=name, inputs=(_entry(file),), settings=_read_as(file))
        for name, file in _named(files)
        if file["format"] in _ROWS and file["bytes"] > RANGE_BYTES
    ]


def extract_tasks(files: list[dict[str, Any]]) -> list[Task]:
    """The tasks for the raw files of acquire's manifest, numbered by source. They are fixed by the files alone.

    files: rows of that manifest, with the `ranges` of those that are read in ranges.
    """
    groups: list[list[tuple[dict[str, Any], dict[str, Any]]]] = []
    room = (0, 0)
    for file in files:
        small = file["format"] in _ONE_DOCUMENT
        for settings in _pieces(file):
            fits = groups and groups[-1][-1][0]["source"] == file["source"] and room[0] > 0 and room[1] >= file["bytes"]
            if not (small and fits):
                groups.append([])
                room = (_MOST_TASK_FILES, _MOST_TASK_BYTES) if small else (0, 0)
            groups[-1].append((file, settings))
            room = (room[0] - 1, room[1] - file["bytes"])
    tasks = []
    numbers: Counter[str] = Counter()
    for group in groups:
        source = group[0][0]["source"]
        tasks.append(
            Task(
                name=f"{source}-{numbers[source]:05d}",
                inputs=tuple(_entry(file) for file, _ in group),
                settings={"files": [settings for _, settings in group]},
            )
        )
        numbers[source] += 1
    return tasks


def _pieces(file: dict[str, Any]) -> list[dict[str, Any]]:
    """How a reader is made for a raw file: once, or for each range of a dump's streams or of rows."""
    streams = itertools.pairwise([*(file.get("starts") or []), None])
    ranges = [{"start": start, "stop": stop} for start, stop in streams] or file.get("ranges") or [{}]
    return [_read_as(file) | range for range in ranges]


def _read_as(file: dict[str, Any]) -> dict[str, Any]:
    """How a reader is made for a raw file that is read whole."""
    settings = {"source": file["source"], "format": file["format"], "language": file["language"]}
    if file.get("columns"):
        settings["columns"] = sorted(file["columns"].items())
    if file.get("options"):
        settings["options"] = file["options"]
    return settings


def _entry(file: dict[str, Any]) -> FileEntry:
    return FileEntry(path=file["key"], bytes=file["bytes"], sha256=file["sha256"])


def raw_location(resolve: Any, build: str, file: dict[str, Any]) -> str:
    """Where a raw file of the acquire manifest can be opened: below the build, or where the recipe found it."""
    if file["path"] is not None:
        return f"{build}/acquire/{file['path']}"
    return str(resolve(file["key"]))
