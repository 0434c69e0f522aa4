"""Recount the shards: the rows of their index files against the counts and facts of the manifest."""

from __future__ import annotations

from collections import Counter
from typing import Any

from manifests.explore.build import Build

_COLUMNS = ["source", "part", "row", "copy", "length", "num_bytes"]


def recount_shards(build: Build, problems: list[str]) -> None:
    """Law 1 for shards: every document of the counts is in an index, each copy once; sums are those of the facts.

    Appends a line to `problems` for each number that differs.
    """
    manifest = build.manifest("shards")
    copies: set[tuple[str, str, int, int]] = set()
    repeated = 0
    for split, facts in manifest.facts["splits"].items():
        total = {"num_tokens": 0, "num_documents": 0, "num_text_bytes": 0}
        for shard in facts["shards"]:
            path = f"shards/{shard['path'].removesuffix('.bin')}.index.parquet"
            found = dict.fromkeys(total, 0)
            for table in build.tables(path, _COLUMNS):
                columns = (table[name].to_pylist() for name in ("source", "part", "row", "copy"))
                for key in zip(*columns, strict=True):
                    repeated += key in copies
                    copies.add(key)
                found["num_tokens"] += sum(table["length"].to_pylist())
                found["num_documents"] += table.num_rows
                found["num_text_bytes"] += sum(table["num_bytes"].to_pylist())
            _compare(path, found, shard, problems)
            for name, number in found.items():
                total[name] += number
        _compare(f"shards: split {split}", total, facts, problems)
    if repeated:
        problems.append(f"shards: {repeated} rows repeat a copy of a document that is there already")
    documents = Counter(source for source, _, _ in {key[:3] for key in copies})
    for source in sorted({*documents, *manifest.counts.sources}):
        counts = manifest.counts.sources.get(source)
        counted = counts.documents_out if counts is not None else 0
        if documents[source] != counted:
            problems.append(f"shards: source {source}: {documents[source]} documents in the shards, not {counted}")


def _compare(name: str, found: dict[str, int], stated: dict[str, Any], problems: list[str]) -> None:
    for what, number in found.items():
        if what in stated and stated[what] != number:
            problems.append(f"{name}: {what} is {number}, not {stated[what]} as the manifest says")
