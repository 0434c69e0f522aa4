"""What a stage is: its name and place, what it needs, the settings and code that decide its output, how it runs."""

from __future__ import annotations

import platform
import unicodedata
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from manifests.code import library_versions
from manifests.errors import UserError
from manifests.manifest import Counts, FileEntry, FingerprintParts, Manifest, digest_of_files, read_manifest
from manifests.storage import Folder
from pipeline.compiled.folder import is_compiled
from pipeline.engine.fingerprint import code_of
from pipeline.engine.records import TaskRecord
from pipeline.engine.runner import PhaseRunner, Watcher
from pipeline.engine.tasks import Task
from pipeline.recipe import Recipe


@dataclass
class StageResult:
    """What a stage's run adds to its manifest beside the records of its tasks."""

    records: list[TaskRecord]
    facts: dict[str, Any] = field(default_factory=dict)
    counts: list[Counts] = field(default_factory=list)  # of what no task counted


class Stage(ABC):
    """One stage of a build. Subclasses read like the recipe's table of the same name.

    `documents_from` is the stage whose documents it takes: the last one before it that writes any. A document part
    keeps the name of the part that it comes from, so that a document can be followed from stage to stage.
    """

    name: ClassVar[str]  # of its folder, for `--until`, and in what a user reads
    reads: ClassVar[tuple[str, ...]] = ()  # stages whose output it reads beside the documents
    takes_documents: ClassVar[bool] = True
    writes_documents: ClassVar[bool] = True  # as parts, its drops beside them; else drops are counts without rows
    unit: ClassVar[Literal["documents", "files"]] = "documents"  # of its counts
    libraries: tuple[str, ...] = ("pyarrow",)  # distributions that shape its output
    keeps_strangers: ClassVar[bool] = False  # files that the plan no longer names are kept (downloads)
    # What it is expected to need, for `--plan`.
    worker_bytes: ClassVar[float] = 0.5e9  # memory of one worker: libraries and models, and the largest piece it holds
    max_workers: ClassVar[int | None] = None  # that it can use at a time
    disk_share: ClassVar[float] = 1.0  # its output, as a share of the extracted documents (`unit` files: of downloads)

    def __init__(self, recipe: Recipe, build: Folder, documents_from: str | None) -> None:
        self.recipe = recipe
        self.build = build
        self.folder = build.folder(self.name)
        self.documents_from = documents_from
        self.manifests: dict[str, Manifest | None] = {}  # of the build, as far as they were read; shared by all stages

    @property
    def after(self) -> list[str]:
        """The stages whose output it reads."""
        return [*([self.documents_from] if self.documents_from else []), *self.reads]

    def expected_disk(self, num_bytes: float, num_documents: float) -> float:
        """Bytes of disk at the most, of work files too, from what its unit takes as parts or downloads."""
        return num_bytes * self.disk_share

    def expected_memory(self, workers: int, num_documents: float) -> float:
        """Bytes of memory of all workers."""
        return self.worker_bytes * min(workers, self.max_workers or workers)

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Every setting that decides the output, as JSON."""

    def inputs(self) -> list[FileEntry]:
        """The files that it reads, with their digests, in order."""
        return self.documents()

    def documents(self) -> list[FileEntry]:
        """The document parts that it takes, in document order, with paths below the build."""
        assert self.documents_from is not None
        return kept_parts(self.upstream(self.documents_from))

    @abstractmethod
    def run(self, runner: PhaseRunner) -> StageResult:
        """Run the stage's phases."""

    def check_recipe(self) -> None:  # noqa: B027 - most stages have nothing to check
        """Look at what the recipe names before any stage runs; raises `UserError` for what this one could not use."""

    def code(self) -> str:
        return code_of(type(self).__module__)

    def task_parts(self) -> dict[str, Any]:
        """The share of every task's fingerprint that the stage decides."""
        return {"code": self.code(), "libraries": self._library_versions()}

    def _library_versions(self) -> dict[str, str]:
        """Versions of what shapes the output: distributions, and Python with its Unicode tables."""
        python = ".".join(platform.python_version_tuple()[:2])
        return {**library_versions(self.libraries), "python": python, "unicode": unicodedata.unidata_version}

    def fingerprint_parts(self) -> FingerprintParts:
        return FingerprintParts(
            settings=self.settings(),
            code=self.code(),
            libraries=self._library_versions(),
            inputs=digest_of_files(self.inputs()),
        )

    def manifest(self, stage: str | None = None) -> Manifest | None:
        """The manifest of a stage, by default of this one, as it is in the build; read once in a run."""
        name = stage or self.name
        if self.manifests.get(name) is None:
            self.manifests[name] = read_manifest(self.build.folder(name))
        return self.manifests[name]

    def upstream(self, stage: str) -> Manifest:
        """The manifest of a stage that must be complete by now."""
        manifest = self.manifest(stage)
        if manifest is None:
            raise UserError(
                f"{self.build.url}: stage {stage} is not complete, and {self.name} reads it. Run the recipe again."
            )
        return manifest

    def run_facts(self) -> dict[str, Any]:
        """What the manifest should note that is not reproducible."""
        return {}

    def check(self, manifest: Manifest) -> None:  # noqa: B027 - most stages have nothing to check
        """Look at the finished stage; raises `UserError` where the build should stop here."""


def kept_parts(manifest: Manifest) -> list[FileEntry]:
    """The kept document parts of a stage in document order, with paths below the build."""
    return [
        entry.model_copy(update={"path": f"{manifest.stage}/{entry.path}"})
        for entry in manifest.outputs
        if entry.path.startswith("part-") and entry.path.endswith(".parquet")
    ]


def part_tasks(parts: list[FileEntry]) -> list[Task]:
    """One task for each document part; the task keeps the part's name."""
    return [Task(name=part_name(part.path), inputs=(part,)) for part in parts]


def part_name(path: str) -> str:
    """`cc-00000` of `extract/part-cc-00000.parquet`."""
    return path.rsplit("/", 1)[-1].removeprefix("part-").removesuffix(".parquet")


def part_source(name: str) -> str:
    """The source of a part's name: `cc` of `cc-00000`."""
    return name.rsplit("-", 1)[0]


def say_compiling(watcher: Watcher, stage: str, package: str) -> None:
    """Say that compiled code of a package must be made first, where none is kept on this machine."""
    if not is_compiled(package):
        watcher.note(f"{stage}: compiling, once on this machine: half a minute or so")
