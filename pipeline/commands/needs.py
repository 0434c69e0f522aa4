"""Estimates what a run needs: rough disk and memory, from the bytes that are known before it starts.

The factors were measured on real web pages, dumps and books (docs/log.md) and tell gigabytes from terabytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from manifests.manifest import read_manifest
from manifests.storage import Folder
from pipeline.recipe import Recipe
from pipeline.sources.common_crawl import CommonCrawlSource
from pipeline.sources.kinds import Source, is_in_place, list_in_place
from pipeline.sources.settings import INDEX_FORMAT
from pipeline.stages.all import make_stages
from pipeline.stages.base import kept_parts

# Disk that the documents of a raw file take, as a share of its bytes: most of a page is no text, a dump is all text.
_DOCUMENT_SHARE = {"warc": 0.10, "html": 0.05, "mediawiki": 0.60}
_PLAIN_TEXT_SHARE = 0.40  # every other format
_BYTES_A_DOCUMENT = 1800  # of a part: a web page of about 4,000 characters
# A Common Crawl WARC file is about this large; WET about a tenth.
_CRAWL_FILE_BYTES = {"warc": 1.1e9, "wet": 0.1e9}


@dataclass(frozen=True)
class Expectation:
    """Expected bytes of disk and memory; None where the raw files' size is not known before their listing is read."""

    disk_bytes: float | None
    memory_bytes: float


def expect(recipe: Recipe, build: Folder, workers: int) -> dict[str, Expectation]:
    """The expected needs of each stage."""
    raw_bytes = _raw_bytes(recipe, build)
    num_bytes: dict[str, float] | None = None  # by the unit that a stage counts
    if raw_bytes is not None:
        num_bytes = {
            "files": sum(number for (downloaded, _), number in raw_bytes.items() if downloaded),
            "documents": sum(
                number * _DOCUMENT_SHARE.get(format, _PLAIN_TEXT_SHARE) for (_, format), number in raw_bytes.items()
            ),
        }
    num_documents = num_bytes["documents"] / _BYTES_A_DOCUMENT if num_bytes else 0.0
    expected = {}
    for stage in make_stages(recipe, build):
        disk = None if num_bytes is None else stage.expected_disk(num_bytes[stage.unit], num_documents)
        expected[stage.name] = Expectation(
            disk if stage.disk_share else 0.0, stage.expected_memory(workers, num_documents)
        )
        manifest = stage.manifest()
        if num_bytes and manifest is not None and stage.unit == "documents" and stage.writes_documents:
            # What follows takes what this one wrote, as the build has it.
            parts = kept_parts(manifest)
            num_bytes["documents"] = sum(entry.bytes for entry in parts)
            num_documents = sum(entry.documents or 0 for entry in parts)
    return expected


def _raw_bytes(recipe: Recipe, build: Folder) -> dict[tuple[bool, str], float] | None:
    """Bytes of raw files by (are they downloaded, format); None where nothing says them."""
    total: dict[tuple[bool, str], float] = {}
    manifest = read_manifest(build.folder("acquire"))
    if manifest is not None:
        for file in manifest.facts["files"]:
            if file["format"] == INDEX_FORMAT:
                continue
            key = (file["path"] is not None, file["format"])
            total[key] = total.get(key, 0.0) + file["bytes"]
        return total
    for source in recipe.sources:
        size = _source_bytes(source, recipe.folder)
        if size is None:
            return None
        key = (not is_in_place(source), source.format)
        total[key] = total.get(key, 0.0) + size
    return total


def _source_bytes(source: Source, recipe_folder: Path) -> float | None:
    """Bytes of a source's raw files; None where only a listing or the mirror says them."""
    if is_in_place(source):
        return float(sum(file.bytes or 0 for file in list_in_place(source, recipe_folder)))
    if isinstance(source, CommonCrawlSource) and source.index is None:
        num_files = len(source.paths) if source.paths else (source.max_files or source.sample)
        if num_files is not None:
            return max(1, len(source.crawls)) * num_files * _CRAWL_FILE_BYTES[source.records]
    return None
