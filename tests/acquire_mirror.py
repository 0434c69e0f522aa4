"""A mirror of real data packed small: a crawl, a wiki, books. The recipe that acquires it, and what must come of it."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from manifests.manifest import Manifest
from pipeline.build import run_build
from pipeline.engine.settings import ExecutorSettings
from pipeline.recipe import load_recipe

CRAWL = "CC-MAIN-2024-10"
_WIKI = "wiki/20240301"
_DAY = 1_700_000_000  # modification time of every file, so that its ETag is the same in every test run
_SOURCES = """
[[sources]]
name = "cc"
kind = "common_crawl"
mirror = "{mirror}"
crawl = "CC-MAIN-2024-10"
[[sources]]
name = "wiki"
kind = "wikipedia"
mirror = "{mirror}"
wiki = "wiki"
date = "20240301"
[[sources]]
name = "books"
kind = "files"
mirror = "{mirror}"
format = "text"
paths = {books}
"""
# As fast as it goes, with waits that only make room for other threads.
_RECIPE = """
name = "acquired"
output = "{output}"
[acquire]
connections = {connections}
requests_per_second = 1_000_000.0
[acquire.retry]
first_wait_seconds = 0.001
max_wait_seconds = 0.01
max_attempts = {max_attempts}
max_damaged_attempts = 3
read_timeout_seconds = {read_timeout}
"""


def recipe_text(
    output: Path, sources: str, connections: int = 8, max_attempts: int = 20, read_timeout: float = 30.0
) -> str:
    """A recipe that waits hardly at all."""
    numbers = {"connections": connections, "max_attempts": max_attempts, "read_timeout": read_timeout}
    return _RECIPE.format(output=output, **numbers) + sources


def all_sources(mirror: str, files: dict[str, bytes]) -> str:
    """The tables of the three sources that `pack_mirror` writes."""
    return _SOURCES.format(mirror=mirror, books=json.dumps(sorted(key for key in files if key.startswith("books/"))))


def crawl_source(mirror: str) -> str:
    """A table of the crawl alone."""
    return _SOURCES.format(mirror=mirror, books="[]").partition('[[sources]]\nname = "wiki"')[0]


@contextmanager
def folder_in_memory(tmp_path: Path, num_bytes: int) -> Iterator[Path]:
    """A folder that needs no disk, where there is room for so many bytes; else `tmp_path`."""
    shared = "/dev/shm"
    room = os.statvfs(shared) if os.path.isdir(shared) else None
    if room is None or room.f_bavail * room.f_frsize < num_bytes:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared) as name:
        yield Path(name)


def put(folder: Path, key: str, data: bytes) -> None:
    """Write a file of a mirror."""
    target = folder / key
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    os.utime(target, (_DAY, _DAY))


def put_crawl(folder: Path, files: dict[str, bytes], listed: list[str] | None = None) -> None:
    """Write a crawl's files and their listing, which names `listed` in place of them where that is given."""
    for key, data in files.items():
        put(folder, key, data)
    lines = "".join(f"{key}\n" for key in (sorted(files) if listed is None else listed))
    put(folder, f"crawl-data/{CRAWL}/warc.paths.gz", gzip.compress(lines.encode(), mtime=0))


def crawl_key(number: int) -> str:
    return f"crawl-data/{CRAWL}/segments/1.1/warc/CC-MAIN-20240220211055-{number:05d}.warc.gz"


def pack_mirror(folder: Path, shared_data: Path, num_warcs: int = 100, num_books: int = 100) -> dict[str, bytes]:
    """Write a mirror of real WARC members, dumps and books, a few kilobytes each; returns its files by key."""
    files: dict[str, bytes] = {}
    members = _real_members(shared_data)
    for number in range(num_warcs):
        files[crawl_key(number)] = _take(members, 10_000)
    put_crawl(folder, files)
    dumps = {path.name: path.read_bytes() for path in sorted(shared_data.glob("wiki/dbpedia-minidumps/*.bz2"))}
    facts = {name: {"size": len(data), "sha1": hashlib.sha1(data).hexdigest()} for name, data in dumps.items()}
    status = {"jobs": {"articlesdump": {"status": "done", "files": facts}}}
    put(folder, f"{_WIKI}/dumpstatus.json", json.dumps(status).encode())
    texts = [path.read_bytes() for path in sorted((shared_data / "books" / "gitenberg").glob("*.txt"))]
    others = {f"{_WIKI}/{name}": data for name, data in dumps.items()}
    for number in range(num_books):
        text = texts[number % len(texts)]
        start = number // len(texts) * 20_000
        others[f"books/{number:03d}.txt"] = text[start : start + 20_000]
    for key, data in others.items():
        put(folder, key, data)
    return files | others


def _take(members: Iterator[bytes], num_bytes: int) -> bytes:
    """At least two gzip members with so many bytes in all."""
    taken = [next(members), next(members)]
    while sum(map(len, taken)) < num_bytes:
        taken.append(next(members))
    return b"".join(taken)


def _real_members(shared_data: Path) -> Iterator[bytes]:
    """Gzip members of real WARC files that are not large, over and over."""
    found = []
    for name in ("archivesunleashed_aut/example.warc.gz", "chatnoir-eu_chatnoir-resiliparse/warcfile.warc.gz"):
        data = (shared_data / "warc" / name).read_bytes()
        while data:
            member = zlib.decompressobj(31)
            member.decompress(data)
            length = len(data) - len(member.unused_data)
            if length < 20_000:
                found.append(data[:length])
            data = member.unused_data
    while True:
        yield from found


def acquire(folder: Path, sources: str, workers: int = 1, **settings: Any) -> tuple[Manifest, Path]:
    """Run `acquire` of a recipe with these sources; returns its manifest and its folder."""
    folder.mkdir(exist_ok=True)
    recipe = folder / "recipe.toml"
    recipe.write_text(recipe_text(folder / "build", sources, **settings))
    report = run_build(load_recipe(recipe), until="acquire", executor=ExecutorSettings(workers=workers))
    return report.manifests["acquire"], folder / "build" / "acquire"


def check_originals(folder: Path, files: dict[str, bytes], manifest: Manifest) -> None:
    """Every file is there, listed with its digest, and there is nothing else."""
    listed = {raw["key"]: raw for raw in manifest.facts["files"]}
    assert sorted(listed) == sorted(files), sorted(set(listed) ^ set(files))
    published = set()
    for key, data in files.items():
        digest = hashlib.sha256(data).hexdigest()
        path = folder / listed[key]["path"]
        assert (listed[key]["sha256"], listed[key]["bytes"]) == (digest, len(data)), key
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest, key
        published.add(path)
    others = {path for path in folder.rglob("*") if path.is_file()} - published
    left = [str(path) for path in others if path.suffix not in (".json", ".jsonl") or ".partial" in path.name]
    assert not left, left
    counts = manifest.counts.sources.values()
    assert sum(source.documents_in for source in counts) == sum(source.documents_out for source in counts) == len(files)
