"""The cost of bookkeeping: runs of tasks that do nothing, and reruns that reuse them, against datatrove's executor.

Both sides run two workers. groundup's tasks leave a record each; datatrove's a completion marker, a log and statistics.
"""

from __future__ import annotations

import json
import math
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep

from bench.data import OUTPUT
from bench.measure import run_measured
from bench.results import Bench, Result, Table
from manifests.manifest import FileEntry
from manifests.storage import Folder
from pipeline.engine.runner import PhaseRunner
from pipeline.engine.settings import ExecutorSettings
from pipeline.engine.tasks import Phase, Task, TaskOutput

_SIZES = {"groundup": (1_000, 10_000, 100_000), "datatrove": (1_000, 10_000)}
_WORKERS = 2


class Nothing(Phase):
    """A task that counts one document and publishes nothing."""

    name = "nothing"

    def process(self, task: Task, output: TaskOutput) -> None:
        output.counts.read("source")
        output.counts.kept("source")


class NothingStep(PipelineStep):
    """The same as a datatrove block."""

    type, name = "bench", "nothing"

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        yield from ()


def _groundup(number: int, folder: Path) -> int:
    entries = [
        FileEntry(path=f"filter/part-source-{k:06d}.parquet", bytes=1, sha256=f"{k:064x}") for k in range(number)
    ]
    tasks = [Task(name=f"source-{k:06d}", inputs=(entry,)) for k, entry in enumerate(entries)]
    parts: dict[str, Any] = {"code": "sha256:0", "libraries": {}}
    runner = PhaseRunner(Folder(folder), "bench", parts, ExecutorSettings(workers=_WORKERS))
    runner.run(Nothing(), tasks)
    return runner.num_run


def _datatrove(number: int, folder: Path) -> int:
    executor = LocalPipelineExecutor([NothingStep()], number, _WORKERS, str(folder))
    pending = len(executor.get_incomplete_ranks())
    executor.run()
    return pending


def _work(side: str, number: int, folder: Path) -> None:
    """Run and rerun in this process; print the seconds of both."""
    run = _groundup if side == "groundup" else _datatrove
    seconds = []
    for expected in (number, 0):
        started = time.perf_counter()
        assert run(number, folder) == expected
        seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"run": seconds[0], "reused": seconds[1], "memory": peak}))


def _measure(side: str, number: int) -> dict[str, float]:
    folder = OUTPUT / "tasks" / side
    shutil.rmtree(folder, ignore_errors=True)
    log = OUTPUT / "tasks" / f"{side}.log"
    run_measured([sys.executable, "-m", "bench.tasks", side, str(number), str(folder)], Path.cwd(), {}, log)
    figures: dict[str, float] = json.loads(log.read_text().splitlines()[-1])
    shutil.rmtree(folder, ignore_errors=True)
    return {name: value / number if name != "memory" else value for name, value in figures.items()}


def _exponent(sizes: tuple[int, ...], per_task: list[float]) -> float:
    """e in time ~ tasks^e, from the smallest to the largest size."""
    first, last = per_task[0] * sizes[0], per_task[-1] * sizes[-1]
    return math.log(last / first) / math.log(sizes[-1] / sizes[0])


def _run(rounds: int) -> Result:
    found: dict[str, dict[int, list[dict[str, float]]]] = {side: {} for side in _SIZES}
    for _ in range(rounds):
        for side, sizes in _SIZES.items():
            for number in sizes:
                found[side].setdefault(number, []).append(_measure(side, number))
    best = {
        side: {number: {key: min(row[key] for row in rows) for key in rows[0]} for number, rows in by_size.items()}
        for side, by_size in found.items()
    }
    rows = []
    for side, by_size in best.items():
        for number, row in by_size.items():
            peer = best["datatrove"].get(number)
            ratios = [f"{peer[key] / row[key]:.1f}" if peer and side == "groundup" else "" for key in ("run", "reused")]
            each = (f"{row['run'] * 1e3:.3f}", f"{row['reused'] * 1e3:.4f}", *ratios, f"{row['memory'] / 1e6:.0f}")
            rows.append([f"{side}, {number:,} tasks", *each])
    exponents = {
        f"{side} {key}": _exponent(_SIZES[side], [row[key] for row in by_size.values()])
        for side, by_size in best.items()
        for key in ("run", "reused")
    }
    columns = ["", "ms a task run", "ms a task reused", "datatrove / groundup: run", "reused", "peak MB of one process"]
    return Result(
        {"tasks": {side: {str(n): row for n, row in by.items()} for side, by in best.items()}, "exponents": exponents},
        [Table("Bookkeeping of tasks that do nothing, two workers", columns, rows)],
        ["Exponents of time by tasks: " + ", ".join(f"{name} {value:.2f}" for name, value in exponents.items())],
    )


BENCHES = [Bench("tasks", "what bookkeeping costs a task, run and reused", 1, lambda: None, _run)]

if __name__ == "__main__":
    _work(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
