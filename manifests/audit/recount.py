"""Recount the shards, whose index files have a row a document, and pages by their type, against the manifest."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.explore.build import Build

_COLUMNS = ["source", "part", "row", "copy", "length", "num_bytes"]
_MOST_ROWS = 2_000_000  # rows of the indexes that are compared at a time, at about 60 bytes each
PAGE_COLUMNS = ["page_type", "shown_characters", "kept_characters"]


def count_pages(into: defaultdict[tuple[str, str], Counter[str]], table: pa.Table, is_drop: bool) -> None:
    """Add what a table of documents has of pages, by source and type: pages, drops, characters shown and kept."""
    table = table.filter(pc.is_valid(table["page_type"]))
    source, page_type, shown, kept = (table[name] for name in ("source", *PAGE_COLUMNS))
    pages = pa.table([source, page_type, shown, pc.min_element_wise(shown, kept)], ["source", "type", "shown", "kept"])
    groups = pages.group_by(["source", "type"]).aggregate([("shown", "count"), ("shown", "sum"), ("kept", "sum")])
    for row in groups.to_pylist():
        number = row["shown_count"]
        counts = {"pages": number, "dropped": number * is_drop, "shown": row["shown_sum"], "kept": row["kept_sum"]}
        into[row["source"], row["type"]].update(counts)


def recount_shards(build: Build, problems: list[str]) -> None:
    """Law 1 for shards: every document of the counts is in an index, each copy once; sums are those of the facts.

    Appends a line to `problems` for each number that differs. Rows are compared part by part, so that memory is
    bounded: where there are more than two million of them, the indexes are read several times.
    """
    manifest = build.manifest("shards")
    rows: Counter[str] = Counter()  # by part
    paths = []
    for split, facts in manifest.facts["splits"].items():
        total = {"num_tokens": 0, "num_documents": 0, "num_text_bytes": 0}
        for shard in facts["shards"]:
            path = f"shards/{shard['path'].removesuffix('.bin')}.index.parquet"
            paths.append(path)
            found = dict.fromkeys(total, 0)
            for table in build.tables(path, _COLUMNS):
                found["num_tokens"] += pc.sum(table["length"]).as_py() or 0
                found["num_documents"] += table.num_rows
                found["num_text_bytes"] += pc.sum(table["num_bytes"]).as_py() or 0
                for pair in pc.value_counts(table["part"]).to_pylist():
                    rows[pair["values"]] += pair["counts"]
            _compare(path, found, shard, problems)
            for name, number in found.items():
                total[name] += number
        _compare(f"shards: split {split}", total, facts, problems)
    documents: Counter[str] = Counter()
    repeated = 0
    for parts in _groups(rows):
        found_here, repeated_here = _distinct(build, paths, parts)
        documents += found_here
        repeated += repeated_here
    if repeated:
        problems.append(f"shards: {repeated} rows repeat a copy of a document that is there already")
    for source in sorted({*documents, *manifest.counts.sources}):
        counts = manifest.counts.sources.get(source)
        counted = counts.documents_out if counts is not None else 0
        if documents[source] != counted:
            problems.append(f"shards: source {source}: {documents[source]} documents in the shards, not {counted}")


def _groups(rows: Counter[str]) -> Iterator[list[str]]:
    """The parts, in groups of at most `_MOST_ROWS` rows, or of one part that has more."""
    group: list[str] = []
    held = 0
    for part, number in sorted(rows.items()):
        if group and held + number > _MOST_ROWS:
            yield group
            group, held = [], 0
        group.append(part)
        held += number
    if group:
        yield group


def _distinct(build: Build, paths: list[str], parts: list[str]) -> tuple[Counter[str], int]:
    """The number of different documents of some parts by source, and of rows that repeat a copy of one."""
    wanted = pa.array(parts)
    sources: dict[str, int] = {}
    columns: list[list[np.ndarray[Any, Any]]] = [[], [], [], []]
    for path in paths:
        for table in build.tables(path, _COLUMNS[:4]):
            chosen = table.filter(pc.is_in(table["part"], value_set=wanted))
            names = chosen["source"].combine_chunks().dictionary_encode()
            numbers = [sources.setdefault(name, len(sources)) for name in names.dictionary.to_pylist()]
            columns[0].append(np.array(numbers, np.int32)[names.indices.to_numpy()])
            columns[1].append(pc.index_in(chosen["part"], value_set=wanted).to_numpy())
            columns[2].append(chosen["row"].to_numpy())
            columns[3].append(chosen["copy"].to_numpy())
    source, part, row, copy = (np.concatenate(column) for column in columns)
    del columns
    order = np.lexsort((copy, row, part, source))
    repeats = np.ones(max(0, len(order) - 1), bool)  # of the document of the row before
    for values in (source, part, row):
        values = values[order]
        repeats &= values[1:] == values[:-1]
    copies = copy[order]
    first = np.append(True, ~repeats) if len(order) else np.zeros(0, bool)
    found = np.bincount(source[order][first], minlength=len(sources))
    same_copy = repeats & (copies[1:] == copies[:-1])
    return Counter({name: int(found[number]) for name, number in sources.items()}), int(np.count_nonzero(same_copy))


def _compare(name: str, found: dict[str, int], stated: dict[str, Any], problems: list[str]) -> None:
    for what, number in found.items():
        if what in stated and stated[what] != number:
            problems.append(f"{name}: {what} is {number}, not {stated[what]} as the manifest says")
