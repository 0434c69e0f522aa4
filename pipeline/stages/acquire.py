"""`acquire`: mirrors -> raw files, verified. Files that are already on a disk are read in place, with their digest.

The mirror's address is no part of the fingerprint: a file is the same wherever it was fetched from.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

from manifests.errors import UserError
from manifests.manifest import Counts, FileEntry, SourceCounts, digest_of
from manifests.paths import is_url
from manifests.storage import split_path
from pipeline.engine.records import TaskRecord
from pipeline.engine.runner import PhaseRunner
from pipeline.engine.tasks import WORK, Task
from pipeline.mirrors.budget import Budget
from pipeline.mirrors.network import Network
from pipeline.mirrors.remote import RemoteFile, public_url
from pipeline.mirrors.space import check_space, expected_bytes
from pipeline.sources.code import CodeSource, checkout_facts, checkouts, find_licences
from pipeline.sources.common_crawl import CommonCrawlSource
from pipeline.sources.files import FilesSource
from pipeline.sources.hub import HubListing, HuggingFaceSource, list_hub
from pipeline.sources.kinds import LocalSource, MirrorSource, Source, is_behind_mirror, is_in_place, list_in_place
from pipeline.sources.pins import Pin, listing_settings, read_pin
from pipeline.sources.settings import INDEX_FORMAT
from pipeline.sources.wikipedia import index_of
from pipeline.stages.acquire_index import fetch_by_index
from pipeline.stages.acquire_phases import (
    CutStreams,
    Fetch,
    FetchRows,
    List,
    ListHub,
    listing_path,
    pinned_rows,
    remote_file,
    seed_setting,
    sum_faults,
)
from pipeline.stages.base import Stage, StageResult
from pipeline.stages.verify_records import check_local_records

# Settings of a source that say what is done with its files later; not which they are.
_LATER = {"weight", "rules", "filter"}
_RawFiles = dict[str, list[dict[str, Any]]]  # by source


class AcquireStage(Stage):
    """See the module."""

    name = "acquire"
    takes_documents = writes_documents = False
    unit = "files"
    libraries = ()
    worker_bytes = 0.2e9
    keeps_strangers = True

    def settings(self) -> dict[str, Any]:
        """What says which files, but not what is done with them later."""
        sources = [self._source_settings(source) for source in self.recipe.sources]
        where = {"sources": {"__all__": {"files": {"__all__": {"url"}}}}}
        pin = None if self._pin is None else digest_of(self._pin.model_dump(mode="json", exclude=where))
        return {"sources": sources, "pin": pin}

    def _source_settings(self, source: Source) -> dict[str, Any]:
        """A crawl or a dump is the same at every mirror; of other files the mirror says which they are."""
        left = _LATER if isinstance(source, FilesSource) else _LATER | {"mirror"}
        return source.model_dump(mode="json", exclude=left) | seed_setting(source, self.recipe.seed)

    def inputs(self) -> list[FileEntry]:
        entries = [entry for files in self._local_files.values() for _, entry, _ in files]
        for name, listing in self._local_datasets.items():
            for file in listing.files:
                entries.append(FileEntry(path=f"{name}/{file.key}", bytes=file.bytes, sha256=str(file.sha256)))
        return entries

    def run(self, runner: PhaseRunner) -> StageResult:
        network = self._network()
        network.budget.clear()
        records: list[TaskRecord] = []
        self._list(runner, network, records)
        files: _RawFiles = {}
        for fetch in (self._fetch_files, self._fetch_records, self._fetch_rows):
            files |= fetch(runner, network, records)
        self._faults = sum_faults([record.run for record in records])
        return StageResult(
            records=records,
            facts={
                "files": self._in_order(files),
                "code": self._checkouts(),
                "unavailable": [lost for record in records for lost in record.facts.get("unavailable", [])],
                "versions": self._versions(),
            },
            counts=[_count_local(name, len(files)) for name, files in self._local_files.items()],
        )

    def run_facts(self) -> dict[str, Any]:
        stamps = {entry.path: stamp for files in self._local_files.values() for _, entry, stamp in files if stamp}
        return {
            "recipe_folder": str(self.recipe.folder),
            "local_files": stamps,
            "mirrors": {name: public_url(str(source.mirror)) for name, source in self._mirrors.items()},
            "faults": self._faults,
        }

    @cached_property
    def _pin(self) -> Pin | None:
        """The recipe's pin, which must be of these sources."""
        if self.recipe.pin is None:
            return None
        pin = read_pin(Path(self.recipe.resolve(self.recipe.pin)))
        pin.check_settings(self.recipe.sources, self.recipe.seed)
        return pin

    @cached_property
    def _mirrors(self) -> dict[str, MirrorSource]:
        return {source.name: source for source in self.recipe.sources if is_behind_mirror(source)}

    @cached_property
    def _indexed(self) -> dict[str, CommonCrawlSource]:
        """Sources of which single records are fetched."""
        return {
            name: source
            for name, source in self._mirrors.items()
            if isinstance(source, CommonCrawlSource) and source.index is not None
        }

    @cached_property
    def _datasets(self) -> dict[str, HuggingFaceSource]:
        return {source.name: source for source in self.recipe.sources if isinstance(source, HuggingFaceSource)}

    @cached_property
    def _local_datasets(self) -> dict[str, HubListing]:
        """Datasets that are folders of this machine: their files' digests take part in the fingerprint."""
        listings = {
            name: list_hub(source, self.recipe.folder) for name, source in self._datasets.items() if source.is_local
        }
        for name, listing in listings.items():
            if self._pin is not None:
                files = [(file.key, file.bytes, str(file.sha256)) for file in listing.files]
                self._pin.check_local(name, files)
        return listings

    def _network(self) -> Network:
        """The budget has its state among the stage's work files, or where the build is no folder, on this machine."""
        if self.folder.is_local:
            folder = self.folder.full(f"{WORK}/budget")
        else:
            name = hashlib.sha256(self.build.url.encode()).hexdigest()[:16]
            folder = os.path.join(tempfile.gettempdir(), f"groundup-{os.getuid()}-{name}")
        return Network(self.recipe.acquire.retry, Budget(folder, self.recipe.acquire))

    def _list(self, runner: PhaseRunner, network: Network, records: list[TaskRecord]) -> None:
        tasks = []
        for name, source in self._mirrors.items():
            known = None if self._pin is None else pinned_rows(self._pin.source(name))
            settings = listing_settings(source) | seed_setting(source, self.recipe.seed)
            tasks.append(Task(name=name, settings=settings | {"known": known}))
        records += runner.run(List(self._mirrors, network, self.recipe.seed), tasks)
        tasks = []
        for name, dataset in self._datasets.items():
            listing = self._local_datasets.get(name)
            if listing is None and self._pin is not None:
                listing = self._pin.hub(dataset)
            data = None if listing is None else listing.model_dump()
            tasks.append(Task(name=name, settings=listing_settings(dataset) | {"known": data}))
        records += runner.run(ListHub(self._datasets, self.recipe.folder), tasks)

    def _listing(self, source: str) -> Any:
        return json.loads(self.folder.read_text(listing_path(source)))

    def _fetch_files(self, runner: PhaseRunner, network: Network, records: list[TaskRecord]) -> _RawFiles:
        """Whole files of mirrors, and where multistream dumps can be cut."""
        tasks = [
            Task(name=f"{name}-{number:05d}", settings={"source": name, "file": file} | _where(source))
            for name, source in self._mirrors.items()
            if name not in self._indexed
            for number, file in enumerate(self._listing(name))
        ]
        self._check_keys(tasks)
        expected = self._check_space(runner, network, tasks)
        fetched = runner.run(Fetch(self._mirrors, network, expected), tasks)
        files: _RawFiles = {}
        for task, record in zip(tasks, fetched, strict=True):
            source, file = task.settings["source"], task.settings["file"]
            files.setdefault(source, []).append(_raw_file(file["key"], file["format"], record.outputs[0]))
        cut = runner.run(CutStreams(), [task for name, found in files.items() for task in _stream_tasks(name, found)])
        starts = {record.task: record.facts["starts"] for record in cut}
        for name, found in files.items():
            for number, raw in enumerate(found):
                raw["starts"] = starts.get(f"{name}-{number:05d}")
        records += [*fetched, *cut]
        return files

    def _check_keys(self, tasks: list[Task]) -> None:
        """Two mirrors may have different files of one name: said before they are downloaded."""
        mirrors: dict[str, str] = {}
        for task in tasks:
            key, mirror = task.settings["file"]["key"], str(self._mirrors[task.settings["source"]].mirror)
            if mirrors.setdefault(key, mirror) != mirror:
                raise UserError(
                    f"acquire: two sources have a file named {key}, at {public_url(mirrors[key])} and at "
                    f"{public_url(mirror)}. Put more of its path from the mirror into paths in one of them."
                )

    def _check_space(self, runner: PhaseRunner, network: Network, tasks: list[Task]) -> int | None:
        """Say what is to come, and stop where there is no room for it. Returns the bytes to come, where known."""
        waiting = []
        for task in tasks:
            file = remote_file(self._mirrors[task.settings["source"]], task.settings["file"])
            path = f"{task.settings['source']}/{file.key}"
            if not self.folder.exists(path):
                waiting.append((path, file))
        if not waiting:
            return 0
        with network.downloader() as downloader:
            needed = expected_bytes(waiting, self.folder, lambda file: downloader.size_of(file.url))
        runner.watcher.note(check_space(self.folder, f"{len(waiting):,} files", needed))
        return needed

    def _fetch_records(self, runner: PhaseRunner, network: Network, records: list[TaskRecord]) -> _RawFiles:
        """Single records by index."""
        index_files = {name: self._listing(name) for name in self._indexed}
        fetched = fetch_by_index(runner, network, self._indexed, index_files, self.recipe.seed, records)
        return {name: [_raw_file(entry.path, "warc", entry) for entry in found] for name, found in fetched.items()}

    def _fetch_rows(self, runner: PhaseRunner, network: Network, records: list[TaskRecord]) -> _RawFiles:
        """Rows of datasets."""
        settings = {
            name: source.model_dump(mode="json", exclude=_LATER | {"name", "language", "revision", "verify_records"})
            for name, source in self._datasets.items()
        }
        tasks = [
            Task(
                name=f"{name}-{shard.number:05d}",
                settings={"source": name, "dataset": settings[name], "shard": shard.model_dump()},
            )
            for name in self._datasets
            for shard in HubListing.model_validate(self._listing(name)).shards()
        ]
        fetched = runner.run(FetchRows(self._datasets, self.recipe.folder), tasks)
        records += fetched
        files: _RawFiles = {}
        for task, record in zip(tasks, fetched, strict=True):
            entry = record.outputs[0]
            files.setdefault(task.settings["source"], []).append(_raw_file(entry.path, "parquet", entry))
        return files

    @cached_property
    def _local_files(self) -> dict[str, list[tuple[RemoteFile, FileEntry, list[int]]]]:
        """By source: each file that is read in place, its digest, and the size and time that the digest is of."""
        before = self.manifest()
        known = {file["key"]: file["sha256"] for file in before.facts["files"]} if before else {}
        stamps = before.run.get("local_files", {}) if before else {}
        found: dict[str, list[tuple[RemoteFile, FileEntry, list[int]]]] = {}
        for source in self.recipe.sources:
            if is_in_place(source):
                files = list_in_place(source, self.recipe.folder)
                self._check_no_own_file(source, files)
                found[source.name] = [self._digest_local(source, file, known, stamps) for file in files]
                if self._pin is not None:
                    entries = [entry for _, entry, _ in found[source.name]]
                    self._pin.check_local(source.name, [(entry.path, entry.bytes, entry.sha256) for entry in entries])
        return found

    @staticmethod
    def _digest_local(
        source: LocalSource, file: RemoteFile, known: dict[str, str], stamps: dict[str, list[int]]
    ) -> tuple[RemoteFile, FileEntry, list[int]]:
        """Digest a file in place; the digest of an earlier run holds while size and modification time do."""
        stamp: list[int] = []
        if not is_url(file.url):
            status = os.stat(file.url)
            stamp = [status.st_size, status.st_mtime_ns, int(source.verify_records)]
            if file.key in known and stamps.get(file.key) == stamp:
                return file, FileEntry(path=file.key, bytes=stamp[0], sha256=known[file.key]), stamp
        if source.verify_records and file.format in ("warc", "wet"):
            check_local_records(file)
        folder, name = split_path(file.url)
        digest = folder.digest(name)
        return file, FileEntry(path=file.key, bytes=digest.bytes, sha256=digest.sha256), stamp

    def _check_no_own_file(self, source: LocalSource, files: list[RemoteFile]) -> None:
        """A build that read its own files would never come to an end of changes."""
        own = os.path.realpath(self.build.full("")) if self.build.is_local else None
        for file in files:
            if own and not is_url(file.url) and os.path.realpath(file.url).startswith(own.rstrip("/") + "/"):
                key = "exclude" if isinstance(source, CodeSource) else "paths"
                raise UserError(
                    f"source {source.name!r}: {file.key} lies in the build's own output {self.build.url}. Leave that "
                    f"folder out by `{key}` of the source, or give the recipe another `output`."
                )

    def _in_order(self, fetched: _RawFiles) -> list[dict[str, Any]]:
        """Every raw file, in the order of the recipe's sources. `path` is null where it is read in place."""
        files: list[dict[str, Any]] = []
        for source in self.recipe.sources:
            columns = source.columns if isinstance(source, FilesSource) else {}
            options = source.options if isinstance(source, CodeSource) else {}
            read_as = {"source": source.name, "language": source.language, "columns": columns, "options": options}
            in_place = [
                _raw_file(file.key, file.format, entry, None)
                for file, entry, _ in self._local_files.get(source.name, [])
            ]
            files.extend(file | read_as for file in (*fetched.get(source.name, []), *in_place))
        digests: dict[str, str] = {}
        for raw in files:
            if digests.setdefault(raw["key"], raw["sha256"]) != raw["sha256"]:
                raise UserError(f"acquire: two sources have different files named {raw['key']}. Take one of them out.")
        return files

    def _checkouts(self) -> dict[str, Any]:
        """By source: the licence files of its checkouts, and commit and remote where they are git's."""
        return {
            source.name: {
                "licences": find_licences(source, self.recipe.folder),
                "checkouts": {path: checkout_facts(folder) for path, folder in checkouts(source, self.recipe.folder)},
            }
            for source in self.recipe.sources
            if isinstance(source, CodeSource)
        }

    def _versions(self) -> dict[str, str]:
        """The commit of each dataset of the hub."""
        revisions = {name: self._listing(name)["revision"] for name in self._datasets}
        return {name: revision for name, revision in revisions.items() if revision is not None}


def _where(source: MirrorSource) -> dict[str, Any]:
    """What decides, beside its row of the listing, whether a file is the one that is meant, and taken."""
    where: dict[str, Any] = {"mirror": source.mirror} if isinstance(source, FilesSource) else {}
    return where | ({"verify_records": True} if source.verify_records else {})


def _raw_file(key: str, format: str, entry: FileEntry, path: str | None = "") -> dict[str, Any]:
    """A row of the manifest's `files`; it lies below the stage's folder unless `path` says otherwise."""
    path = entry.path if path == "" else path
    return {"key": key, "format": format, "bytes": entry.bytes, "sha256": entry.sha256, "path": path, "starts": None}


def _stream_tasks(source: str, files: list[dict[str, Any]]) -> list[Task]:
    """A task for each dump of a source that came with an index; it has the name of the dump's own task."""
    by_key = {raw["key"]: raw for raw in files}
    tasks = []
    for number, raw in enumerate(files):
        index = by_key.get(index_of(raw["key"]) or "")
        if raw["format"] == "mediawiki" and index is not None and index["format"] == INDEX_FORMAT:
            entries = [
                FileEntry(path=file["path"], bytes=file["bytes"], sha256=file["sha256"]) for file in (raw, index)
            ]
            tasks.append(Task(name=f"{source}-{number:05d}", inputs=tuple(entries)))
    return tasks


def _count_local(source: str, number: int) -> Counts:
    return Counts(unit="files", sources={source: SourceCounts(documents_in=number, documents_out=number)})
