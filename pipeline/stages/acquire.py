"""`acquire`: mirrors -> raw files, verified. Files that are already on a disk are read in place, with their digest.

The mirror's address is no part of the fingerprint: a file is the same wherever it was fetched from.
"""

from __future__ import annotations

import json
import os
from functools import cached_property
from typing import Any

from manifests.errors import UserError
from manifests.manifest import Counts, FileEntry, SourceCounts, json_bytes, read_manifest
from manifests.storage import Folder
from pipeline.runner import PhaseRunner
from pipeline.sources.common_crawl import CommonCrawlSource, list_common_crawl
from pipeline.sources.download import Downloader
from pipeline.sources.files import FilesSource, list_local_files
from pipeline.sources.remote import RemoteFile, join_url, public_url
from pipeline.sources.settings import MirrorSettings
from pipeline.sources.wikipedia import WikipediaSource, list_wikipedia
from pipeline.stages.base import Stage, StageResult
from pipeline.tasks import Phase, Task, TaskOutput, TaskRecord

_LISTING_FIELDS = ("key", "format", "bytes", "sha1")


def _listing_path(source: str) -> str:
    return f"listing/{source}.json"


class List(Phase):
    """A source behind a mirror -> the list of its files."""

    name = "list"

    def __init__(self, sources: dict[str, MirrorSettings]) -> None:
        self._sources = sources

    def process(self, task: Task, output: TaskOutput) -> None:
        with Downloader() as downloader:
            files = _list(self._sources[task.name], downloader)
        rows = [{field: getattr(file, field) for field in _LISTING_FIELDS} for file in files]
        with output.publish(_listing_path(task.name)) as listing:
            listing.write(json_bytes(rows))


def _list(source: MirrorSettings, downloader: Downloader) -> list[RemoteFile]:
    if isinstance(source, CommonCrawlSource):
        return list_common_crawl(source, downloader)
    assert isinstance(source, WikipediaSource)
    return list_wikipedia(source, downloader)


class Fetch(Phase):
    """One file of a listing -> the raw file, verified."""

    name = "fetch"

    def __init__(self, sources: dict[str, MirrorSettings]) -> None:
        self._sources = sources

    def process(self, task: Task, output: TaskOutput) -> None:
        source, file = task.settings["source"], task.settings["file"]
        remote = RemoteFile(url=join_url(self._sources[source].mirror, file["key"]), **file)
        with Downloader() as downloader:
            published = downloader.download(remote, output.folder, f"{source}/{file['key']}")
            output.run_facts["faults"] = dict(sorted(downloader.faults.items()))
        output.run_facts["url"] = public_url(remote.url)
        output.add(FileEntry.of(published))
        output.counts.read(source)
        output.counts.kept(source)


class AcquireStage(Stage):
    """See the module."""

    name = "acquire"
    after = ()
    libraries = ()
    keeps_strangers = True

    def settings(self) -> dict[str, Any]:
        """What says which files: not the mirror, nor what is done with them later."""
        later = {"mirror", "weight", "rules", "filter"}
        return {"sources": [source.model_dump(exclude=later) for source in self.recipe.sources]}

    @cached_property
    def _local_files(self) -> dict[str, list[tuple[RemoteFile, FileEntry, list[int]]]]:
        """By source: each file that is read in place, its digest, and the size and time that the digest is of."""
        before = read_manifest(self.folder)
        known = {file["key"]: file["sha256"] for file in before.facts["files"]} if before else {}
        stamps = before.run.get("local_files", {}) if before else {}
        found: dict[str, list[tuple[RemoteFile, FileEntry, list[int]]]] = {}
        for source in self.recipe.sources:
            if isinstance(source, FilesSource):
                files = list_local_files(source, self.recipe.folder)
                found[source.name] = [self._digest_local(file, known, stamps) for file in files]
        return found

    @staticmethod
    def _digest_local(
        file: RemoteFile, known: dict[str, str], stamps: dict[str, list[int]]
    ) -> tuple[RemoteFile, FileEntry, list[int]]:
        """Digest a file in place; the digest of an earlier run holds while size and modification time do."""
        stamp: list[int] = []
        if "://" not in file.url:
            status = os.stat(file.url)
            stamp = [status.st_size, status.st_mtime_ns]
            if file.key in known and stamps.get(file.key) == stamp:
                return file, FileEntry(path=file.key, bytes=stamp[0], sha256=known[file.key]), stamp
        folder, _, name = file.url.rpartition("/")
        digest = Folder(folder or "/").digest(name)
        return file, FileEntry(path=file.key, bytes=digest.bytes, sha256=digest.sha256), stamp

    def inputs(self) -> list[FileEntry]:
        return [entry for files in self._local_files.values() for _, entry, _ in files]

    def run(self, runner: PhaseRunner) -> StageResult:
        remote: dict[str, MirrorSettings] = {
            source.name: source for source in self.recipe.sources if isinstance(source, MirrorSettings)
        }
        settings = {source["name"]: source for source in self.settings()["sources"]}
        listed = runner.run(List(remote), [Task(name=name, settings=settings[name]) for name in remote])
        tasks = [
            Task(name=f"{name}-{number:05d}", settings={"source": name, "file": file})
            for name in remote
            for number, file in enumerate(json.loads(self.folder.read_text(_listing_path(name))))
        ]
        fetched = runner.run(Fetch(remote), tasks)
        return StageResult(
            records=[*listed, *fetched],
            facts={"files": self._raw_files(tasks, fetched)},
            counts=[_count_local(name, len(files)) for name, files in self._local_files.items()],
        )

    def _raw_files(self, tasks: list[Task], fetched: list[TaskRecord]) -> list[dict[str, Any]]:
        """Every raw file in the order of the recipe's sources. `path` is null where it is read in place."""
        files: list[dict[str, Any]] = []
        for source in self.recipe.sources:
            shared = {"source": source.name, "language": source.language}
            for task, record in zip(tasks, fetched, strict=True):
                if task.settings["source"] == source.name:
                    entry, file = record.outputs[0], task.settings["file"]
                    files.append(_raw_file(file["key"], file["format"], entry, entry.path) | shared)
            for file, entry, _ in self._local_files.get(source.name, []):
                files.append(_raw_file(file.key, file.format, entry, None) | shared)
        digests: dict[str, str] = {}
        for raw in files:
            if digests.setdefault(raw["key"], raw["sha256"]) != raw["sha256"]:
                raise UserError(f"acquire: two sources have different files named {raw['key']}. Take one of them out.")
        return files

    def run_facts(self) -> dict[str, Any]:
        stamps = {entry.path: stamp for files in self._local_files.values() for _, entry, stamp in files if stamp}
        mirrors = {
            source.name: public_url(source.mirror)
            for source in self.recipe.sources
            if isinstance(source, MirrorSettings)
        }
        return {"recipe_folder": str(self.recipe.folder), "local_files": stamps, "mirrors": mirrors}


def _raw_file(key: str, format: str, entry: FileEntry, path: str | None) -> dict[str, Any]:
    return {"key": key, "format": format, "bytes": entry.bytes, "sha256": entry.sha256, "path": path}


def _count_local(source: str, number: int) -> Counts:
    return Counts(unit="files", sources={source: SourceCounts(documents_in=number, documents_out=number)})
