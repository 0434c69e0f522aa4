"""The part of `acquire` that takes single records of crawls: scan the index, cut what was found into batches, fetch."""

from __future__ import annotations

from typing import Any

from manifests.manifest import FileEntry
from pipeline.engine.records import TaskRecord
from pipeline.engine.runner import PhaseRunner
from pipeline.engine.tasks import Task
from pipeline.mirrors.network import Network
from pipeline.mirrors.space import check_space
from pipeline.sources.common_crawl import CommonCrawlSource
from pipeline.stages.acquire_phases import CutBatches, FetchRecords, ScanIndex, seed_setting

_Sources = dict[str, CommonCrawlSource]


def fetch_by_index(
    runner: PhaseRunner,
    network: Network,
    sources: _Sources,
    index_files: dict[str, list[dict[str, Any]]],
    seed: int,
    records: list[TaskRecord],
) -> dict[str, list[FileEntry]]:
    """The local WARC files of each source, in order. `index_files`: by source, the rows of its listing.

    Every task's record is added to `records`.
    """
    cut = _cut(runner, network, sources, index_files, seed, records)
    tasks, row_groups = _batch_tasks(cut)
    waiting = [task for task in tasks if not runner.folder.exists(_path(task))]
    if waiting:
        number, num_bytes = (
            sum(task.settings["batch"][key] for task in waiting) for key in ("num_records", "num_bytes")
        )
        runner.watcher.note(check_space(runner.folder, f"{number:,} records", num_bytes))
    phase = FetchRecords(sources, network, row_groups)
    fetched = runner.run(phase, tasks)
    incomplete = [
        _path(task) for task, record in zip(tasks, fetched, strict=True) if _is_refused(task, record, sources)
    ]
    if incomplete:  # an earlier run left them so, when the recipe accepted that: ask again
        for path in incomplete:
            runner.delete(path)
        fetched = runner.run(phase, tasks)
    records += fetched
    files: dict[str, list[FileEntry]] = {name: [] for name in sources}
    for task, record in zip(tasks, fetched, strict=True):
        files[task.settings["source"]].append(record.outputs[0])
    return files


def _cut(
    runner: PhaseRunner,
    network: Network,
    sources: _Sources,
    index_files: dict[str, list[dict[str, Any]]],
    seed: int,
    records: list[TaskRecord],
) -> list[TaskRecord]:
    """One record for each source, whose facts have its batches."""
    queries = {
        name: source.index.model_dump(mode="json", exclude={"unavailable"}) | seed_setting(source, seed)
        for name, source in sources.items()
        if source.index
    }
    tasks = [
        Task(name=f"{name}-{number:05d}", settings={"source": name, "query": queries[name], "file": file})
        for name in sources
        for number, file in enumerate(index_files[name])
    ]
    scanned = runner.run(ScanIndex(sources, network, seed), tasks)
    scans: dict[str, list[FileEntry]] = {name: [] for name in sources}
    for task, record in zip(tasks, scanned, strict=True):
        scans[task.settings["source"]].append(record.outputs[0])
    tasks = [Task(name=name, inputs=tuple(scans[name]), settings=queries[name]) for name in sources]
    cut = runner.run(CutBatches(sources, seed), tasks)
    records += [*scanned, *cut]
    return cut


def _batch_tasks(cut: list[TaskRecord]) -> tuple[list[Task], dict[str, int]]:
    """A task for each batch, and by task the row group that holds its rows.

    The row group is no part of a task: it moves when another crawl is added, and the batch stays as it was.
    """
    tasks = []
    row_groups = {}
    for record in cut:
        for facts in record.facts["batches"]:
            batch = {key: value for key, value in facts.items() if key != "row_group"}
            task = Task(
                name=f"{record.task}-{batch['crawl']}-{batch['number']:05d}",
                settings={"source": record.task, "batch": batch},
            )
            tasks.append(task)
            row_groups[task.name] = facts["row_group"]
    return tasks, row_groups


def _path(task: Task) -> str:
    """Where a batch's file goes, below the stage's folder."""
    batch = task.settings["batch"]
    return f"{task.settings['source']}/{batch['crawl']}/records-{batch['number']:05d}.warc.gz"


def _is_refused(task: Task, record: TaskRecord, sources: _Sources) -> bool:
    """Whether a batch lacks records, and the recipe does not accept that."""
    query = sources[task.settings["source"]].index
    return bool(record.facts["unavailable"]) and query is not None and query.unavailable == "stop"
