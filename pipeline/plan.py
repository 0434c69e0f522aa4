"""What a run would need: rough disk and memory, from the bytes that are known before it starts.

The factors were measured on web pages and dumps (docs/log.md) and are meant to tell gigabytes from terabytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from manifests.manifest import read_manifest
from manifests.storage import Folder
from pipeline.recipe import Recipe

# Disk that a stage's output takes, as a share of the raw files' bytes.
_DISK_SHARE = {"extract": 0.10, "filter": 0.10, "dedup": 0.08, "shards": 0.08}
# Memory of one worker of a stage, in bytes: libraries and models, and the largest piece it holds.
_WORKER_BYTES = {
    "acquire": 0.2e9,
    "extract": 0.6e9,
    "filter": 0.5e9,
    "dedup": 1.0e9,
    "tokenizer": 0.5e9,
    "shards": 0.8e9,
}
# A Common Crawl WARC file is about this large; WET about a tenth.
_CRAWL_FILE_BYTES = {"warc": 1.1e9, "wet": 0.1e9}


@dataclass(frozen=True)
class Expectation:
    """Expected bytes of disk and memory; None where the raw files' size is not known before their listing is read."""

    disk_bytes: float | None
    memory_bytes: float


def expect(recipe: Recipe, build: Folder, workers: int) -> dict[str, Expectation]:
    """What each stage is expected to need."""
    raw_bytes = _raw_bytes(recipe, build)
    expected = {}
    for stage, worker_bytes in _WORKER_BYTES.items():
        disk: float | None = 0.0
        if stage == "acquire":
            disk = raw_bytes
        elif stage in _DISK_SHARE:
            disk = None if raw_bytes is None else raw_bytes * _DISK_SHARE[stage]
        num_workers = 1 if stage == "tokenizer" else workers
        expected[stage] = Expectation(disk, worker_bytes * num_workers)
    return expected


def _raw_bytes(recipe: Recipe, build: Folder) -> float | None:
    manifest = read_manifest(build.folder("acquire"))
    if manifest is not None:
        return float(sum(file["bytes"] for file in manifest.facts["files"]))
    total = 0.0
    for source in recipe.sources:
        if source.kind == "common_crawl" and source.max_files is not None:
            total += source.max_files * _CRAWL_FILE_BYTES[source.records]
        elif source.kind != "files":
            return None
    return total
