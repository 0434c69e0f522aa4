"""The memory and time of an audit by the number of documents. No peer recounts what it built, so there is no ratio."""

from __future__ import annotations

import json
import math
import random
import resource
import shutil
import sys
import time
from pathlib import Path

from bench.data import OUTPUT
from bench.measure import run_measured
from bench.results import Bench, Result, Table
from manifests.process import settle_arrow

_SIZES = (10_000, 100_000, 1_000_000)
_RECIPE = """
name = "audit"
output = "build"
[[sources]]
name = "rows"
kind = "files"
paths = ["rows.jsonl"]
format = "jsonl"
[filter]
languages = []
rules = []
[dedup.minhash]
enabled = false
[tokenizer]
vocab_size = 1024
"""


def _write_rows(folder: Path, number: int) -> None:
    """Documents of about forty words each, no two alike."""
    draw = random.Random(0)
    words = ["".join(draw.choices("aeioulmnrstdk", k=draw.randint(2, 8))) for _ in range(2_000)]
    with (folder / "rows.jsonl").open("w") as file:
        for row in range(number):
            file.write(json.dumps({"id": str(row), "text": f"{row} " + " ".join(draw.choices(words, k=40))}) + "\n")


def _work(number: int, folder: Path) -> None:
    """Audit a build in this process; print the processor seconds and the peak memory, quick and deep."""
    from manifests.audit.audit import audit_build

    settle_arrow()
    figures = {}
    for deep in (False, True):
        started = time.process_time()
        report = audit_build(str(folder), deep)
        assert report.passed, report.problems
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        figures["deep" if deep else "quick"] = {"seconds": time.process_time() - started, "memory": peak}
    print(json.dumps(figures))


def _measure(number: int) -> dict[str, dict[str, float]]:
    folder = OUTPUT.resolve() / "audit" / str(number)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _write_rows(folder, number)
    (folder / "recipe.toml").write_text(_RECIPE)
    log = OUTPUT / "audit" / "log"
    run_measured([sys.executable, "-m", "groundup", "run", str(folder / "recipe.toml")], folder, {}, log)
    run_measured([sys.executable, "-m", "bench.audit", str(number), str(folder / "build")], Path.cwd(), {}, log)
    figures: dict[str, dict[str, float]] = json.loads(log.read_text().splitlines()[-1])
    shutil.rmtree(folder)
    return figures


def _run(rounds: int) -> Result:
    found = {number: _measure(number) for number in _SIZES}
    rows = [
        [f"{number:,} documents, {kind}", f"{figures['seconds']:.1f}", f"{figures['memory'] / 1e6:.0f}"]
        for number, by_kind in found.items()
        for kind, figures in by_kind.items()
    ]
    growth = math.log(_SIZES[-1] / _SIZES[0])
    exponents = {
        f"{kind} {key}": math.log(found[_SIZES[-1]][kind][key] / found[_SIZES[0]][kind][key]) / growth
        for kind in ("quick", "deep")
        for key in ("seconds", "memory")
    }
    return Result(
        {"audit": {str(number): figures for number, figures in found.items()}, "exponents": exponents},
        [Table("Audit of a build", ["", "processor s", "peak MB"], rows)],
        ["Exponents by documents: " + ", ".join(f"{name} {value:.2f}" for name, value in exponents.items())],
    )


BENCHES = [Bench("audit", "time and memory of an audit, up to a million documents", 1, lambda: None, _run)]

if __name__ == "__main__":
    _work(int(sys.argv[1]), Path(sys.argv[2]))
