"""A build of many made-up documents, shaped as a real one: what `groundup drops` reads, and nothing else.

Parts, drops, signals, clusters and shard indexes have the columns and the row groups of a build; texts are short, since
no question reads more than a few of them. Everything follows from the seed.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.manifest import (
    Counts,
    FileEntry,
    FingerprintParts,
    Manifest,
    SourceCounts,
    digest_of_files,
    write_manifest,
)
from manifests.seal import write_seal
from manifests.storage import Folder
from pipeline.documents.schema import DOCUMENT_SCHEMA, DROP_SCHEMA
from tokenizer.shards.format import INDEX_SCHEMA

_ROWS_A_GROUP = 2048  # as the parts of a build
_NUM_SHARDS = 16
_TEXTS = 4096
SOURCES = {"cc": 0.75, "wiki": 0.25}  # shares of the documents
_COMPARISONS: list[tuple[str, str, str, str, float]] = [
    ("language", "language_score", "at_least", "language_threshold", 0.65),
    *(
        (
            f"gopher_top_{n}gram",
            f"gopher_repetition.top_{n}gram_fraction",
            "at_most",
            f"gopher_repetition.max_top_{n}gram_fraction",
            limit,
        )
        for n, limit in ((2, 0.20), (3, 0.18), (4, 0.16))
    ),
    *(
        (
            f"gopher_duplicate_{n}grams",
            f"gopher_repetition.duplicate_{n}gram_fraction",
            "at_most",
            f"gopher_repetition.max_duplicate_{n}gram_fraction",
            round(0.2 - n / 100, 2),
        )
        for n in range(5, 11)
    ),
    ("gopher_too_few_words", "gopher_quality.num_words", "at_least", "gopher_quality.min_words", 50.0),
    ("gopher_too_many_words", "gopher_quality.num_words", "at_most", "gopher_quality.max_words", 100_000.0),
    *(
        (f"gopher_{name}", f"gopher_quality.{name}_fraction", "at_most", f"gopher_quality.max_{name}_fraction", 0.3)
        for name in ("hashes", "ellipses", "bullet_lines", "ellipsis_lines")
    ),
    ("c4_too_few_sentences", "c4.num_sentences", "at_least", "c4.min_sentences", 5.0),
    ("fineweb_short_lines", "fineweb.short_line_fraction", "at_most", "fineweb.max_short_line_fraction", 0.67),
    ("fineweb_many_new_lines", "fineweb.new_lines_per_word", "at_most", "fineweb.max_new_lines_per_word", 0.3),
]
COMPARISONS = [
    dict(zip(("reason", "signal", "must_be", "setting", "threshold"), row, strict=True)) for row in _COMPARISONS
]


def make_build(target: Path, num_documents: int, num_parts: int = 32, seed: int = 0) -> None:
    """Write a build of so many documents (of what extract kept) to a folder that is not there yet."""
    folder = Folder(target)
    random = np.random.default_rng(seed)
    words = np.array(["word", "page", "of", "the", "and", "music", "data", "river", "to", "in", "old", "city"])
    texts = pa.array([" ".join(random.choice(words, 60)) for _ in range(_TEXTS)])
    stages: dict[str, list[FileEntry]] = {name: [] for name in ("extract", "filter", "dedup", "shards")}
    counts: dict[str, list[Counts]] = {name: [] for name in stages}
    survivors: list[pa.Table] = []
    clusters: list[pa.Table] = []
    names = _part_names(num_parts)
    for ordinal, (source, part) in enumerate(names):
        size = num_documents // num_parts + (ordinal < num_documents % num_parts)
        documents = _documents(random, texts, source, part, size)
        lost = _documents(random, texts, source, part, size // 10)
        missing = _drops(lost, "extract", np.full(len(lost), "empty_text"), None)
        _publish(folder, "extract", part, documents, missing, stages)
        counts["extract"].append(_count(source, len(documents), missing))
        signals, reasons, values = _signals(random, documents)
        kept = np.flatnonzero(reasons == "")
        gone = np.flatnonzero(reasons != "")
        dropped = _drops(documents.take(gone), "filter", reasons[gone], values[gone])
        passed = documents.take(kept)
        _publish(folder, "filter", part, passed, dropped, stages)
        rows = np.empty(size, dtype=np.int64)
        rows[kept], rows[gone] = np.arange(len(kept)), np.arange(len(gone))
        signals = signals.add_column(6, "row", pa.array(rows))
        stages["filter"].append(_write(folder, "filter", f"signals/part-{part}.parquet", signals))
        counts["filter"].append(_count(source, len(passed), dropped))
        copies = random.random(len(passed)) < 0.08
        copies[0] = False
        originals = np.maximum.accumulate(np.where(copies, 0, np.arange(len(passed))))
        copied = _drops(passed.filter(pa.array(copies)), "dedup", np.full(copies.sum(), "exact_duplicate"), None)
        ids = passed["id"].take(pa.array(originals[copies]))
        copied = copied.set_column(copied.schema.get_field_index("duplicate_of"), "duplicate_of", ids.combine_chunks())
        clusters.append(
            pa.table(
                {
                    "part": pa.array([f"filter/part-{part}.parquet"] * int(copies.sum())),
                    "row": pa.array(np.flatnonzero(copies)),
                    "cluster_size": pa.array(np.full(copies.sum(), 2)),
                }
            )
        )
        unique = passed.filter(pa.array(~copies))
        _publish(folder, "dedup", part, unique, copied, stages)
        counts["dedup"].append(_count(source, len(unique), copied))
        survivors.append(
            pa.table(
                {
                    "id": unique["id"],
                    "source": unique["source"],
                    "url": unique["url"],
                    "num_bytes": pa.array(np.full(len(unique), 300)),
                    "length": pa.array(np.full(len(unique), 70)),
                    "part": pa.array([f"dedup/part-{part}.parquet"] * len(unique)),
                    "row": pa.array(np.arange(len(unique))),
                }
            )
        )
    stages["dedup"].append(_write(folder, "dedup", "clusters.parquet", pa.concat_tables(clusters)))
    _shards(folder, random, pa.concat_tables(survivors), stages["shards"])
    counts["shards"] = [Counts(sources={s: SourceCounts() for s in SOURCES})]
    _acquire(folder, names)
    for stage, outputs in stages.items():
        facts = {"comparisons": dict.fromkeys(SOURCES, COMPARISONS)} if stage == "filter" else {}
        settings = {"filter": {"language_threshold": 0.65, "gopher_quality": {"min_words": 50, "max_words": 100_000}}}
        _manifest(folder, stage, outputs, Counts.sum(counts[stage]), facts, settings if stage == "filter" else {})
    write_seal(folder, "made-up", {}, ["acquire", *stages])


def _part_names(num_parts: int) -> list[tuple[str, str]]:
    border = round(num_parts * SOURCES["cc"])
    sources = ["cc" if ordinal < border else "wiki" for ordinal in range(num_parts)]
    return [(source, f"{source}-{sources[:ordinal].count(source):05}") for ordinal, source in enumerate(sources)]


def _documents(random: Any, texts: pa.Array, source: str, part: str, size: int) -> pa.Table:
    numbers = random.integers(0, 1 << 63, size)
    hosts = random.zipf(1.3, size) % 50_000
    columns: dict[str, Any] = {
        "id": [f"<urn:uuid:{number:032x}>" for number in numbers],
        "text": texts.take(pa.array(random.integers(0, len(texts), size))),
        "url": [
            f"https://www.site{host}.example/articles/{number % 97}/some-page-{number}.html"
            for host, number in zip(hosts.tolist(), numbers.tolist(), strict=True)
        ],
        "title": [f"Page {number % 97}" for number in numbers.tolist()],
        "source": [source] * size,
        "language": ["en"] * size,
        "language_score": random.random(size).astype(np.float32),
        "date": ["2026-01-01T00:00:00Z"] * size,
        "file": [f"{part}.warc.gz"] * size,
        "offset": np.arange(size) * 4096,
        "length": random.integers(500, 4096, size),
        "digest": [f"sha1:{number:032X}" for number in numbers],
    }
    columns["num_bytes"] = pc.binary_length(columns["text"])
    nothing = pa.nulls(size)  # columns of pages of HTML
    return pa.table({name: pa.array(columns.get(name, nothing)) for name in DOCUMENT_SCHEMA.names}).cast(
        DOCUMENT_SCHEMA
    )


def _drops(documents: pa.Table, stage: str, reasons: Any, values: Any) -> pa.Table:
    size = len(documents)
    nothing = {field.name: pa.nulls(size, field.type) for field in DROP_SCHEMA}
    columns = {name: documents[name] if name in documents.column_names else nothing[name] for name in DROP_SCHEMA.names}
    columns |= {"stage": pa.array([stage] * size), "reason": pa.array(reasons.tolist(), pa.string())}
    if values is not None:
        columns["value"] = pa.array(values)
    return pa.table(columns).cast(DROP_SCHEMA)


def _signals(random: Any, documents: pa.Table) -> tuple[pa.Table, Any, Any]:
    """Signals of which each comparison drops about 2 %, with the decisions that follow from them."""
    size = len(documents)
    columns: dict[str, Any] = {}
    for row in COMPARISONS:
        limit = row["threshold"]
        spread = random.gamma(4.0, 1.0, size)
        at_least = row["must_be"] == "at_least"
        columns.setdefault(row["signal"], limit * spread / 1.0 if at_least else limit * spread / 10.0)
    score = np.minimum(columns["language_score"], 1.0)
    columns["language_score"] = score
    reasons = np.full(size, "", dtype=object)
    values = np.zeros(size)
    for row in COMPARISONS:
        signal = columns[row["signal"]]
        fails = signal < row["threshold"] if row["must_be"] == "at_least" else signal > row["threshold"]
        first = fails & (reasons == "")
        reasons[first], values[first] = row["reason"], signal[first]
    reason = [found or None for found in reasons.tolist()]
    lengths = random.integers(200, 20_000, size)
    fixed: dict[str, Any] = {
        "id": documents["id"],
        "url": documents["url"],
        "source": documents["source"],
        "reason": pa.array(reason, pa.string()),
        "value": pa.array(values, mask=reasons == ""),
        "detail": pa.nulls(size, pa.string()),
        "num_characters": lengths,
        "num_bytes": lengths + 20,
        "language": documents["language"],
        "language_score": score,
    }
    return pa.table({**fixed, **columns}), reasons, values


def _shards(folder: Folder, random: Any, survivors: pa.Table, entries: list[FileEntry]) -> None:
    shuffled = survivors.take(pa.array(random.permutation(len(survivors))))
    bounds = np.linspace(0, len(shuffled), _NUM_SHARDS + 1).astype(int)
    for number, (start, end) in enumerate(itertools.pairwise(bounds)):
        table = shuffled.slice(start, end - start)
        lengths = table["length"].to_numpy()
        table = table.append_column("start", pa.array(np.cumsum(lengths) - lengths))
        table = table.append_column("copy", pa.array(np.zeros(len(table), dtype=np.int32)))
        table = table.select(INDEX_SCHEMA.names).cast(INDEX_SCHEMA)
        split = "validation" if number == 0 else "train"
        entries.append(_write(folder, "shards", f"{split}/shard-{number:05}.index.parquet", table, 8192))


def _publish(folder: Folder, stage: str, part: str, kept: Any, dropped: Any, entries: dict[str, Any]) -> None:
    entries[stage].append(_write(folder, stage, f"part-{part}.parquet", kept))
    entries[stage].append(_write(folder, stage, f"dropped/part-{part}.parquet", dropped))


def _write(folder: Folder, stage: str, path: str, table: pa.Table, rows: int = _ROWS_A_GROUP) -> FileEntry:
    with folder.folder(stage).publish(path) as file:
        pq.write_table(table, file, row_group_size=rows, compression="zstd", compression_level=3)
    return FileEntry(path=path, bytes=file.bytes, sha256=file.sha256, documents=len(table))


def _count(source: str, num_kept: int, dropped: pa.Table) -> Counts:
    reasons = {row["values"]: row["counts"] for row in dropped["reason"].value_counts().to_pylist()}
    counts = SourceCounts(documents_in=num_kept + len(dropped), documents_out=num_kept, dropped=reasons)
    return Counts(sources={source: counts})


def _acquire(folder: Folder, names: list[tuple[str, str]]) -> None:
    files = [
        {
            "key": f"{part}.warc.gz",
            "format": "warc",
            "bytes": 0,
            "sha256": "",
            "source": source,
            "language": None,
            "path": None,
            "columns": None,
        }
        for source, part in names
    ]
    _manifest(folder, "acquire", [], Counts(unit="files"), {"files": files}, {})


def _manifest(folder: Folder, stage: str, outputs: list[FileEntry], counts: Counts, facts: Any, settings: Any) -> None:
    of = FingerprintParts(settings=settings, code="", libraries={}, inputs=digest_of_files([]))
    manifest = Manifest(
        stage=stage,
        recipe="made-up",
        documents_from={"filter": "extract", "dedup": "filter", "shards": "dedup"}.get(stage),
        writes_documents=stage not in ("acquire", "shards"),
        fingerprint=of.digest(),
        fingerprint_of=of,
        inputs=[],
        outputs=outputs,
        counts=counts,
        facts=facts,
    )
    write_manifest(folder.folder(stage), manifest)
