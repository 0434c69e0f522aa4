"""Deduplication: the stage beside datatrove, text-dedup and rensa; its growth with the corpus; clusters of 100 million.

Peers whose libraries ask for versions of others that groundup cannot have run with an interpreter of their own:
`GROUNDUP_BENCH_PEERS` is its path, by default this one.
"""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from bench.data import OUTPUT, REPOSITORY, missing_data, missing_modules
from bench.dedup_data import BELOW, DATA, EXACT, NEAR, Corpus
from bench.measure import Measurement, Watch, run_measured
from bench.results import Bench, Result, Table

_WORK = OUTPUT / "dedup"
_PEERS = os.environ.get("GROUNDUP_BENCH_PEERS", sys.executable)
_MODULE_OF = {"datatrove": "datatrove", "text-dedup": "text_dedup", "rensa": "rensa"}
_KEYS = 15  # of a synthetic document
_WORKERS = 2  # of the bench of growth; those beside peers run one


def _interpreter(side: str) -> str:
    return sys.executable if side == "datatrove" else _PEERS


def _is_missing(side: str) -> bool:
    command = [_interpreter(side), "-c", f"import {_MODULE_OF[side]}"]
    return subprocess.run(command, capture_output=True, check=False).returncode != 0


# groundup's side: the stage alone, on the documents that extract made of the same files


def _prepare(corpus: Corpus, folder: Path) -> Path:
    """A build of the corpus up to extract; returns its recipe."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    paths = corpus.parts()
    recipe = folder / "recipe.toml"
    recipe.write_text(
        f"""name = "bench"
output = {json.dumps(str(folder / "build"))}
max_dropped_fraction = 1.0

[[sources]]
name = "corpus"
kind = "files"
format = "jsonl"
paths = [{json.dumps(str(paths[0].parent / "*.jsonl"))}]
"""
    )
    _groundup("extract", recipe)
    return recipe


def _groundup(what: str, recipe: Path, workers: int = _WORKERS) -> tuple[Measurement, dict[str, Any]]:
    log = recipe.parent / f"{what}.txt"
    command = [sys.executable, "-m", "bench.dedup", what, str(recipe), str(workers)]
    disk = Watch(0.5, partial(_folder_bytes, recipe.parent / "build" / "dedup"))
    disk.start()
    measurement = run_measured(command, REPOSITORY, {}, log)
    found = json.loads(log.read_text().splitlines()[-1])
    found |= {"peak_disk_bytes": disk.stop(), "worker_bytes": measurement.peak_process_bytes}
    return measurement, found


def _folder_bytes(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_size
            except OSError:  # removed while we looked
                continue
    return total


def _child(what: str, path: str, workers: int) -> None:
    """One run of groundup in a process of its own; prints seconds, and what `--plan` says of the stage beforehand."""
    from manifests.storage import Folder
    from pipeline import build
    from pipeline.commands.needs import expect
    from pipeline.engine.settings import ExecutorSettings
    from pipeline.recipe import load_recipe
    from pipeline.stages.dedup import DedupStage

    recipe = load_recipe(Path(path))
    executor = ExecutorSettings(workers=workers)
    found: dict[str, Any] = {}
    started = time.perf_counter()
    if what == "extract":
        build.run_build(recipe, "extract", executor)
    else:
        folder = Folder(recipe.output)
        plan = expect(recipe, folder, workers)["dedup"]
        found = {"plan_disk_bytes": plan.disk_bytes, "plan_memory_bytes": plan.memory_bytes}
        stage = DedupStage(recipe, folder, "extract")
        started = time.perf_counter()
        manifest, _ = build._build_stage(stage, executor, None)
        found |= {"kept": manifest.counts.documents_out, "facts": manifest.facts}
        build._clean_work(stage)
    print(json.dumps({**found, "seconds": time.perf_counter() - started}))


# beside peers


def _beside(name: str, sides: tuple[str, ...], num_documents: int, mean_characters: int, rounds: int) -> Result:
    corpus = Corpus(num_documents, mean_characters)
    recipe = _prepare(corpus, _WORK / name)
    texts = corpus.parts()[0].parent
    absent = [side for side in sides if _is_missing(side)]
    runs: dict[str, list[dict[str, Any]]] = {}
    for _ in range(rounds):
        for side in ("groundup", *(side for side in sides if side not in absent)):
            if side == "groundup":
                shutil.rmtree(recipe.parent / "build" / "dedup", ignore_errors=True)
                measured, found = _groundup("dedup", recipe, 1)
            else:
                output = recipe.parent / side
                shutil.rmtree(output, ignore_errors=True)
                command = [_interpreter(side), "-m", "bench.dedup_peers", side, str(texts), str(output)]
                environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(OUTPUT / "cache")}
                log = recipe.parent / f"{side}.txt"
                measured = run_measured(command, REPOSITORY, environment, log)
                found = json.loads([line for line in log.read_text().splitlines() if line.startswith("{")][-1])
            row = {"wall": measured.wall_seconds, "memory": measured.peak_memory_bytes}
            runs.setdefault(side, []).append({**row, "seconds": found["seconds"], "kept": found["kept"]})
    best = {side: min(rows, key=lambda row: row["seconds"]) for side, rows in runs.items()}
    own = best["groundup"]
    table = Table(
        f"{name}: {num_documents:,} documents of about {mean_characters:,} characters, best of {rounds} rounds",
        ["", "seconds", "documents/s", "peer / groundup", "wall with start", "peak MB", "kept"],
        [
            [
                side,
                f"{row['seconds']:.1f}",
                f"{num_documents / row['seconds']:,.0f}",
                f"{row['seconds'] / own['seconds']:.1f}",
                f"{row['wall']:.1f}",
                f"{row['memory'] / 1e6:.0f}",
                f"{row['kept']:,}",
            ]
            for side, row in best.items()
        ],
    )
    roles = Counter(corpus.role(number)[0] for number in range(num_documents))
    notes = [
        f"planted: {roles[EXACT]:,} exact copies, {roles[NEAR]:,} near ones (0.85 to 0.95), {roles[BELOW]:,} pairs of "
        "similarity 0.6 to 0.7 that should stay; groundup compares the texts of every pair, the others do not",
        *(f"{side} skipped: not installed" for side in absent),
    ]
    return Result({"runs": runs, "skipped": absent}, [table], notes)


# growth


def _accuracy(corpus: Corpus, folder: Path) -> dict[str, Any]:
    """Recall and precision: compares the drops of a build with the copies that were planted."""
    dropped: dict[int, tuple[int, str]] = {}
    for path in sorted((folder / "dropped").glob("*.parquet")):
        for row in pq.read_table(path, columns=["id", "duplicate_of", "reason"]).to_pylist():
            dropped[_planted(row["id"])] = (_planted(row["duplicate_of"]), row["reason"])
    planted: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for number in range(corpus.num_documents):
        role, original = corpus.role(number)
        if role in (NEAR, EXACT, BELOW):
            planted[role] += 1
            pair = {number, original}
            found[role] += any(one in dropped and {one, dropped[one][0]} == pair for one in pair)
    right = found[NEAR] + found[EXACT]
    return {
        "planted": dict(planted),
        "found": dict(found),
        "recall": right / max(1, planted[NEAR] + planted[EXACT]),
        "recall_near": found[NEAR] / max(1, planted[NEAR]),
        "precision": right / max(1, len(dropped)),
    }


def _planted(identity: str) -> int:
    """The number of a planted document, from its id in the build."""
    return int(identity.rpartition(":")[2].rpartition("/")[2])


def _growth(rounds: int) -> Result:
    sizes = [10_000, 100_000, 1_000_000][: max(2, rounds)]
    rows: dict[int, dict[str, Any]] = {}
    for size in sizes:
        corpus = Corpus(size)
        recipe = _prepare(corpus, _WORK / "growth")
        measured, found = _groundup("dedup", recipe)
        build = recipe.parent / "build"
        text_bytes = _folder_bytes(build / "extract")
        rows[size] = {
            **found,
            "cpu_seconds": measured.session_cpu_seconds,
            "disk_bytes": _folder_bytes(build / "dedup"),
            "extracted_bytes": text_bytes,
            **_accuracy(corpus, build / "dedup"),
        }
        (OUTPUT / "dedup-growth-so-far.json").write_text(json.dumps(rows, indent=1))
    shutil.rmtree(_WORK / "growth", ignore_errors=True)
    return _growth_result(rows)


def _growth_result(rows: dict[int, dict[str, Any]]) -> Result:
    sizes = sorted(rows)
    exponent = {
        key: math.log(rows[sizes[-1]][key] / rows[sizes[0]][key]) / math.log(sizes[-1] / sizes[0])
        for key in ("seconds", "cpu_seconds")
    }
    last = {
        key: math.log(rows[sizes[-1]][key] / rows[sizes[-2]][key]) / math.log(sizes[-1] / sizes[-2])
        for key in ("seconds", "cpu_seconds")
    }
    table = Table(
        f"the stage dedup by size of the corpus, {_WORKERS} workers",
        [
            "documents",
            "seconds",
            "CPU s",
            "us CPU/doc",
            "worker MB",
            "work B/doc",
            "kept B/doc",
            "recall",
            "near",
            "precision",
            "plan/disk",
            "plan/memory",
        ],
        [
            [
                f"{size:,}",
                f"{row['seconds']:.1f}",
                f"{row['cpu_seconds']:.1f}",
                f"{row['cpu_seconds'] / size * 1e6:.0f}",
                f"{row['worker_bytes'] / 1e6:.0f}",
                f"{row['peak_disk_bytes'] / size:.0f}",
                f"{row['disk_bytes'] / size:.0f}",
                f"{row['recall']:.4f}",
                f"{row['recall_near']:.4f}",
                f"{row['precision']:.6f}",
                f"{row['plan_disk_bytes'] / row['peak_disk_bytes']:.2f}",
                f"{row['plan_memory_bytes'] / _WORKERS / row['worker_bytes']:.2f}",
            ]
            for size, row in rows.items()
        ],
    )
    notes = [
        f"exponent of time by documents, smallest to largest: {exponent['seconds']:.3f} (seconds), "
        f"{exponent['cpu_seconds']:.3f} (processor); between the two largest: {last['seconds']:.3f}, "
        f"{last['cpu_seconds']:.3f}",
        "pairs of similarity 0.6 to 0.7 that were removed: "
        + ", ".join(f"{row['found'].get(BELOW, 0)} of {row['planted'][BELOW]:,}" for row in rows.values()),
        "expected false partners of a document: "
        + ", ".join(f"{row['facts']['background']['expected']:.2g}" for row in rows.values()),
    ]
    return Result({"sizes": rows, "exponent": exponent, "last_exponent": last}, [table], notes)


# candidates and clusters alone


def _synthetic(num_documents: int, num_pairs: int) -> None:
    """Candidates by ranges of keys, and clusters, of synthetic documents; prints seconds and peak memory.

    Each document has 15 keys. They are drawn from so many that about `num_pairs` pairs share one: a random graph.
    Entries of a range are made when it is worked on, as a task would read them, and the pairs of all ranges are kept.
    """
    from pipeline.dedup.candidates import ENTRY, propose, range_count
    from pipeline.dedup.resolve import NONE, Edges, greedy
    from pipeline.stages.dedup import RANGE_BYTES

    num_ranges = range_count(num_documents, _KEYS, RANGE_BYTES)
    per_range = num_documents * _KEYS // num_ranges
    num_keys = int(per_range**2 / (2 * num_pairs / num_ranges))
    num_pairs += num_pairs // 100
    better = np.empty(num_pairs, dtype=np.uint32)
    worse = np.empty(num_pairs, dtype=np.uint32)
    rank = np.empty(num_pairs, dtype=np.uint64)
    content = np.empty(num_pairs, dtype=np.uint64)
    at = 0
    seconds = {"candidates": 0.0, "clusters": 0.0}
    for number in range(num_ranges):
        draw = np.random.default_rng(number)
        entries = np.empty(per_range, dtype=ENTRY)
        entries["key"] = draw.integers(0, num_keys, per_range, dtype=np.uint64) << np.uint64(2)
        entries["document"] = draw.integers(0, num_documents, per_range)
        entries["rank"] = draw.integers(0, 2**63, per_range, dtype=np.uint64)
        entries["content"] = draw.integers(0, 2**63, per_range, dtype=np.uint64)
        started = time.perf_counter()
        pairs = propose(entries, num_documents)
        seconds["candidates"] += time.perf_counter() - started
        pairs = pairs[: num_pairs - at]
        mine = slice(at, at + pairs.size)
        better[mine], worse[mine] = pairs["better"], pairs["worse"]
        rank[mine], content[mine] = pairs["rank"], pairs["content"]
        at += pairs.size
    candidate_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    draw = np.random.default_rng(num_ranges)
    similarity = draw.random(at) * 0.2 + 0.8
    edges = Edges(better[:at], worse[:at], np.zeros(at, dtype=np.uint8), similarity, rank[:at], content[:at])
    started = time.perf_counter()
    chosen = greedy(edges, num_documents)
    seconds["clusters"] = time.perf_counter() - started
    found = {"pairs": at, "removed": int((chosen != NONE).sum()), "candidate_bytes": candidate_bytes}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak_bytes": peak, **found}))


def _clusters(rounds: int) -> Result:
    sizes = ((10_000_000, 5_000_000), (100_000_000, 50_000_000))
    rows = []
    figures: dict[str, Any] = {}
    for num_documents, num_pairs in sizes:
        best: dict[str, Any] = {}
        for _ in range(rounds):
            log = _WORK / "clusters.txt"
            command = [sys.executable, "-m", "bench.dedup", "synthetic", str(num_documents), str(num_pairs)]
            measured = run_measured(command, REPOSITORY, {}, log)
            found = json.loads(log.read_text().splitlines()[-1]) | {"wall": measured.wall_seconds}
            if not best or found["wall"] < best["wall"]:
                best = found
        figures[str(num_documents)] = best
        rows.append(
            [
                f"{num_documents:,}",
                f"{best['pairs']:,}",
                f"{best['seconds']['candidates']:.1f}",
                f"{best['seconds']['clusters']:.1f}",
                f"{best['candidate_bytes'] / 1e9:.2f}",
                f"{best['peak_bytes'] / 1e9:.2f}",
                f"{best['removed']:,}",
            ]
        )
    columns = ["documents", "pairs", "candidates s", "clusters s", "GB before clusters", "peak GB", "removed"]
    return Result(
        {"sizes": figures},
        [Table("candidates and clusters alone, synthetic, one process", columns, rows)],
        ["ranges of keys one after the other, 15 keys a document, the pairs of all held for the clusters"],
    )


def _missing() -> str | None:
    return missing_data(*DATA)


BENCHES = [
    Bench(
        "dedup",
        "the whole stage beside datatrove's four MinHash stages, 5,000 documents of 6 to 7 KB",
        1,
        lambda: _missing() or missing_modules("datatrove", "spacy"),
        partial(_beside, "dedup", ("datatrove",), 5_000, 6_500),
    ),
    Bench(
        "dedup-peers",
        "the whole stage beside text-dedup and rensa, 100,000 documents of 3.5 KB",
        1,
        _missing,
        partial(_beside, "dedup-peers", ("text-dedup", "rensa"), 100_000, 3_500),
    ),
    Bench(
        "dedup-growth",
        "seconds, memory, disk, recall and precision by size: 10 and 100 thousand documents, a million with --rounds 3",
        2,
        _missing,
        _growth,
    ),
    Bench("dedup-clusters", "candidates and clusters of 100 million synthetic documents", 1, lambda: None, _clusters),
]

if __name__ == "__main__":
    if sys.argv[1] == "synthetic":
        _synthetic(int(sys.argv[2]), int(sys.argv[3]))
    else:
        _child(sys.argv[1], sys.argv[2], int(sys.argv[3]))
