"""The phases of `acquire`: each lists, cuts or fetches one kind of thing. The stage puts them in order."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from manifests.code import library_versions
from manifests.manifest import FileEntry, json_bytes
from pipeline.engine.tasks import Phase, Task, TaskOutput
from pipeline.mirrors.download import Downloader
from pipeline.mirrors.network import Network
from pipeline.mirrors.remote import RemoteFile, Version, join_url, public_url
from pipeline.sources.common_crawl import CommonCrawlSource
from pipeline.sources.crawl_index import Batch, cut_batches, read_batch, scan_index_file, write_scan
from pipeline.sources.crawl_records import UNAVAILABLE, fetch_records
from pipeline.sources.hub import HubShard, HuggingFaceSource, list_hub
from pipeline.sources.hub_rows import fetch_shard
from pipeline.sources.kinds import MirrorSource, list_mirror
from pipeline.sources.pins import PinnedSource, check_remote
from pipeline.sources.wikipedia import cut_streams
from pipeline.stages.verify_records import check_records

_MOST_NOTES = 20  # of a wrong index
_LISTING_FIELDS = ("key", "format", "bytes", "sha1")


def listing_path(source: str) -> str:
    """Where the list of a source's files is, below the stage's folder."""
    return f"listing/{source}.json"


def batches_path(source: str) -> str:
    """Where the addresses of an indexed source's records are, a row group for each batch."""
    return f"listing/{source}.parquet"


def seed_setting(source: Any, seed: int) -> dict[str, int]:
    """The recipe's seed as a setting of a source: it matters only where files or records are drawn."""
    index = getattr(source, "index", None)
    chooses = getattr(source, "sample", None) is not None or (index is not None and index.max_records is not None)
    return {"seed": seed} if chooses else {}


class Fetching(Phase):
    """What phases that ask a mirror share: one downloader for all threads of a process, and a count of faults."""

    threads = 8

    def __init__(self, sources: dict[str, Any], network: Network) -> None:
        self._sources = sources
        self._network = network
        self._open()

    def _open(self) -> None:
        self._lock = threading.Lock()
        self._downloader: Downloader | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_lock", "_downloader")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def process(self, task: Task, output: TaskOutput) -> None:
        with self._lock:
            self._downloader = self._downloader or self._network.downloader()
        with self._downloader.counting() as faults:
            try:
                self.fetch(task, output, self._downloader)
            finally:
                output.run_facts["faults"] = dict(sorted(faults.items()))

    def fetch(self, task: Task, output: TaskOutput, downloader: Downloader) -> None:
        """What `process` does, with the downloader of this process."""
        raise NotImplementedError

    def waiting(self) -> str:
        held = sorted(self._network.budget.held.items(), key=lambda item: -item[1])
        return f"{held[0][0]} answers that it is busy; it is asked again in {held[0][1]:,.0f} s" if held else ""

    def close(self) -> None:
        with self._lock:
            if self._downloader is not None:
                self._downloader.close()
                self._downloader = None


class List(Fetching):
    """A source behind a mirror -> the list of its files; of an indexed one, the files of the index."""

    name = "list"
    shaped_by = ()  # a listing is read once, and then is what the build keeps to

    def __init__(self, sources: dict[str, MirrorSource], network: Network, seed: int) -> None:
        super().__init__(sources, network)
        self._seed = seed

    def fetch(self, task: Task, output: TaskOutput, downloader: Downloader) -> None:
        source, rows = self._sources[task.name], task.settings["known"]
        if rows is None:
            files = list_mirror(source, downloader, self._seed)
            rows = [{field: getattr(file, field) for field in _LISTING_FIELDS} for file in files]
        with output.publish(listing_path(task.name)) as listing:
            listing.write(json_bytes(rows))


class Fetch(Fetching):
    """One file of a listing -> the raw file, verified.

    expected_bytes: what is still to come of all files, for the progress bar.
    """

    name = "fetch"
    shaped_by = ()  # a file is what the mirror has, whatever fetched it

    def __init__(self, sources: dict[str, MirrorSource], network: Network, expected_bytes: int | None) -> None:
        super().__init__(sources, network)
        self._expected_bytes = expected_bytes

    def fetch(self, task: Task, output: TaskOutput, downloader: Downloader) -> None:
        source = self._sources[task.settings["source"]]
        file = remote_file(source, task.settings["file"])
        check = check_records if source.verify_records and file.format in ("warc", "wet") else None
        download = downloader.download(file, output.folder, f"{source.name}/{file.key}", check)
        output.run_facts["url"] = public_url(file.url)
        output.add(FileEntry.of(download.published))
        output.counts.read(source.name)
        output.counts.kept(source.name)

    def num_bytes(self, pending: list[Task]) -> tuple[int, int | None]:
        return self._network.budget.num_bytes, self._expected_bytes


def remote_file(source: MirrorSource, row: dict[str, Any]) -> RemoteFile:
    """A row of a listing as the file that it names behind the source's mirror."""
    assert source.mirror is not None
    fields = dict(row)
    version = Version(fields.pop("etag", None), fields.pop("last_modified", None))
    return RemoteFile(
        url=join_url(source.mirror, row["key"]), version=version if version != Version() else None, **fields
    )


def pinned_rows(pinned: PinnedSource) -> list[dict[str, Any]]:
    """The rows of a listing that a pin takes the place of: they also say what the mirror must still have."""
    rows = []
    for file in pinned.files:
        row = {field: getattr(file, field) for field in (*_LISTING_FIELDS, "sha256")}
        version = file.version or Version()
        rows.append(row | {"etag": version.etag, "last_modified": version.last_modified})
    return rows


class CutStreams(Phase):
    """A multistream dump and its index -> where the dump can be cut into ranges that are tasks of their own."""

    name = "streams"
    shaped_by = ("pipeline.sources.wikipedia",)

    def process(self, task: Task, output: TaskOutput) -> None:
        dump, index = (f"{output.folder.url}/{entry.path}" for entry in task.inputs)
        notes: list[str] = []
        output.facts["starts"] = cut_streams(index, dump, task.inputs[0].bytes, report=notes.append)
        output.run_facts["notes"] = notes[:_MOST_NOTES]


class ScanIndex(Fetching):
    """One file of a crawl's columnar index -> the addresses of the records that answer the source's query."""

    name = "index"
    shaped_by = ("pipeline.sources.crawl_index",)
    threads = 2  # each holds columns of a row group

    def __init__(self, sources: dict[str, CommonCrawlSource], network: Network, seed: int) -> None:
        super().__init__(sources, network)
        self._seed = seed

    def fetch(self, task: Task, output: TaskOutput, downloader: Downloader) -> None:
        source = self._sources[task.settings["source"]]
        file = remote_file(source, task.settings["file"])
        if file.version is not None:
            check_remote(file, downloader)
        rows = scan_index_file(source, file, downloader, self._seed)
        with output.publish(f"listing/{source.name}/{task.name}.parquet") as scan:
            write_scan(rows, scan)


class CutBatches(Phase):
    """All that the scans of a source found -> batches, one task of `FetchRecords` each."""

    name = "batches"
    shaped_by = ("pipeline.sources.crawl_index",)

    def __init__(self, sources: dict[str, CommonCrawlSource], seed: int) -> None:
        self._sources = sources
        self._seed = seed

    def process(self, task: Task, output: TaskOutput) -> None:
        path = batches_path(task.name)
        scans = [entry.path for entry in task.inputs]
        batches = cut_batches(scans, self._sources[task.name], output.folder, path, self._seed)
        output.add(FileEntry.of(output.folder.digest(path)))
        output.facts["batches"] = [asdict(batch) for batch in batches]


class FetchRecords(Fetching):
    """A batch of records of an index -> a local WARC file that holds them."""

    name = "records"
    shaped_by = ("pipeline.sources.crawl_records",)

    def __init__(self, sources: dict[str, CommonCrawlSource], network: Network, row_groups: dict[str, int]) -> None:
        super().__init__(sources, network)
        self._arrived_before = network.budget.num_bytes
        self._row_groups = row_groups  # by task; no part of a task, since it moves when another crawl is added

    def fetch(self, task: Task, output: TaskOutput, downloader: Downloader) -> None:
        source = self._sources[task.settings["source"]]
        assert source.index is not None
        batch = Batch(row_group=self._row_groups[task.name], **task.settings["batch"])
        rows = read_batch(output.folder, batches_path(source.name), batch.row_group)
        with output.publish(f"{source.name}/{batch.path}") as file:
            counts = fetch_records(rows, source.mirror, downloader, file, source.index.unavailable)
        output.facts["unavailable"] = [
            {"file": lost.origin.file, "offset": lost.origin.offset, "length": lost.origin.length, "why": lost.why}
            for lost in counts.unavailable
        ]
        if counts.unavailable:
            output.counts.other_records(source.name, UNAVAILABLE, len(counts.unavailable))
        output.counts.read(source.name)
        output.counts.kept(source.name)

    def num_bytes(self, pending: list[Task]) -> tuple[int, int | None]:
        arrived = self._network.budget.num_bytes - self._arrived_before
        return arrived, sum(task.settings["batch"]["num_bytes"] for task in pending)


class ListHub(Phase):
    """A dataset -> its data files, in one version."""

    name = "hub"
    shaped_by = ()  # a listing is read once, and then is what the build keeps to

    def __init__(self, sources: dict[str, HuggingFaceSource], recipe_folder: Path) -> None:
        self._sources = sources
        self._recipe_folder = recipe_folder

    def process(self, task: Task, output: TaskOutput) -> None:
        listing = task.settings["known"]
        if listing is None:
            listing = list_hub(self._sources[task.name], self._recipe_folder).model_dump()
        with output.publish(listing_path(task.name)) as file:
            file.write(json_bytes(listing))


class FetchRows(Phase):
    """A data file of a dataset -> its documents as Parquet."""

    name = "rows"
    shaped_by = ("pipeline.sources.hub_rows",)

    def __init__(self, sources: dict[str, HuggingFaceSource], recipe_folder: Path) -> None:
        self._sources = sources
        self._recipe_folder = recipe_folder

    def settings(self) -> dict[str, Any]:
        return library_versions(("datasets", "pyarrow"))

    def process(self, task: Task, output: TaskOutput) -> None:
        source = self._sources[task.settings["source"]]
        shard = HubShard.model_validate(task.settings["shard"])
        with output.publish(f"{source.name}/part-{shard.number:05d}.parquet") as file:
            counts = fetch_shard(source, shard, self._recipe_folder, file)
        output.facts["rows"] = counts.model_dump()
        output.counts.read(source.name)
        output.counts.kept(source.name)


def sum_faults(runs: list[dict[str, Any]]) -> dict[str, int]:
    """Faults of all tasks together, by name."""
    total: Counter[str] = Counter()
    for run in runs:
        total.update(run.get("faults", {}))
    return dict(sorted(total.items()))
