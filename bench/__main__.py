"""`python -m bench [NAME ...]`: lists the benches, runs them, prints tables and writes `build/bench/<name>.json`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

from bench import (
    acquire,
    attention,
    audit,
    charsets,
    classifier,
    dedup,
    dedup_signatures,
    drops,
    extraction,
    filters,
    generation,
    guard,
    language,
    learning,
    pii,
    pipeline,
    tasks,
    train,
    train_memory,
    urls,
    wikitext,
)
from bench.data import OUTPUT
from bench.results import Bench

MODULES = (
    pipeline,
    acquire,
    extraction,
    charsets,
    guard,
    wikitext,
    filters,
    language,
    learning,
    urls,
    classifier,
    pii,
    dedup,
    dedup_signatures,
    drops,
    audit,
    tasks,
    attention,
    generation,
    train,
    train_memory,
)
BENCHES: list[Bench] = [bench for module in MODULES for bench in module.BENCHES]


def main(arguments: list[str] | None = None) -> int:
    """Run the benches that are named, all without a name; returns 1 where one failed, 2 for a name that is none."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Benchmarks of groundup against its peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benches to run; all if none is named")
    parser.add_argument("--list", action="store_true", help="list the benches and what they lack here, and run none")
    parser.add_argument("--rounds", type=int, help="rounds of each bench instead of its own number")
    options = parser.parse_args(arguments)
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    known = {bench.name: bench for bench in BENCHES}
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"no bench is named {unknown[0]!r}; there are: {', '.join(known)}")
    chosen = [known[name] for name in options.names] or BENCHES
    width = max(len(bench.name) for bench in chosen)
    for bench in chosen:
        missing = bench.missing()
        print(f"{bench.name:<{width}}  {bench.summary}" + (f" [skipped: {missing}]" if missing else ""), flush=True)
    if options.list:
        return 0
    failed = [
        bench.name for bench in chosen if bench.missing() is None and not _run(bench, options.rounds or bench.rounds)
    ]
    return 1 if failed else 0


def _run(bench: Bench, num_rounds: int) -> bool:
    """Run a bench, print and save what it found; False where it failed."""
    started = time.perf_counter()
    try:
        result = bench.run(num_rounds)
    except RuntimeError as error:
        print(f"\n{bench.name}: {error}", file=sys.stderr)
        return False
    for table in result.tables:
        print(f"\n{table}")
    print()
    for note in result.notes:
        print(f"- {note}")
    target = OUTPUT / f"{bench.name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    unfinished.write_text(json.dumps({"bench": bench.name, "rounds": num_rounds, **result.figures}, indent=2) + "\n")
    os.replace(unfinished, target)
    print(f"- {bench.name} took {time.perf_counter() - started:.0f} s; figures in {target}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
