"""Runs a peer of the dedup bench in a process of its own: `python -m bench.dedup_peers SIDE FILES OUTPUT`.

All read the same files of JSONL, compare 14 buckets of 8 minima over 5-grams of words, and write what they keep. Only
the standard library is imported before a side is chosen, so that a peer may have an interpreter of its own.

Each prints a line of JSON: seconds (without imports), documents kept.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

_BUCKETS, _HASHES, _WORDS = 14, 8, 5


def datatrove(folder: Path, output: Path) -> Callable[[], int]:
    """The four stages of its MinHash example, with xxhash."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    from bench.datatrove_fineweb import MINHASH, signatures

    sigs, buckets, remove = (str(output / name) for name in ("signatures", "buckets", "remove"))
    stages = [
        ([JsonlReader(str(folder)), signatures(Path(sigs))], 1),
        ([MinhashDedupBuckets(sigs, buckets, config=MINHASH)], _BUCKETS),
        ([MinhashDedupCluster(buckets, remove, config=MINHASH)], 1),
        ([JsonlReader(str(folder)), MinhashDedupFilter(remove), JsonlWriter(str(output / "kept"))], 1),
    ]

    def run() -> int:
        kept = 0
        for number, (steps, tasks) in enumerate(stages):
            stats = LocalPipelineExecutor(steps, tasks, 1, str(output / "logs" / str(number))).run()
            kept = int(stats.stats[-1].stats["total"].total) if number == len(stages) - 1 else 0
        return kept

    return run


def text_dedup(folder: Path, output: Path) -> Callable[[], int]:
    """Its command `text_dedup.minhash`, with xxh3 and one process."""
    import datasets
    from text_dedup import minhash

    data = ["--path", "json", "--data_files", str(folder / "*.jsonl"), "--split", "train", "--column", "text"]
    places = ["--output", str(output / "kept"), "--cache_dir", str(output / "cache"), "--num_proc", "1"]
    bands = ["--b", str(_BUCKETS), "--r", str(_HASHES), "--num_perm", str(_BUCKETS * _HASHES)]
    words = ["--ngram", str(_WORDS), "--min_length", "1", "--hash_func", "xxh3", "--hash_bits", "32"]

    def run() -> int:
        minhash.main([*data, *places, *bands, *words], standalone_mode=False)
        return len(datasets.load_from_disk(str(output / "kept")))

    return run


def rensa(folder: Path, output: Path) -> Callable[[], int]:
    """Its `RMinHash` over sets of n-grams and its index, as its page shows; words and files are Python's."""
    from rensa import RMinHashDeduplicator

    split = re.compile(r"\w+").findall

    def ngrams(text: str) -> list[str]:
        words = split(text.lower())
        return [" ".join(words[at : at + _WORDS]) for at in range(max(1, len(words) - _WORDS + 1))]

    def run() -> int:
        found = RMinHashDeduplicator(
            threshold=0.8, num_perm=_BUCKETS * _HASHES, use_lsh=True, num_bands=_BUCKETS, seed=42
        )
        kept = 0
        output.mkdir(parents=True, exist_ok=True)
        with (output / "kept.jsonl").open("w", encoding="utf-8") as file:
            for path in sorted(folder.glob("*.jsonl")):
                with path.open(encoding="utf-8") as lines:
                    rows = [(line, json.loads(line)) for line in lines]
                is_new = found.add_pairs((row["id"], ngrams(row["text"])) for _, row in rows)
                for new, (line, _) in zip(is_new, rows, strict=True):
                    if new:
                        file.write(line)
                        kept += 1
        return kept

    return run


SIDES = {"datatrove": datatrove, "text-dedup": text_dedup, "rensa": rensa}


def main() -> None:
    side, folder, output = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    run = SIDES[side](folder, output)
    started = time.perf_counter()
    kept = run()
    print(json.dumps({"seconds": time.perf_counter() - started, "kept": kept}), flush=True)


if __name__ == "__main__":
    main()
