"""Steps a second of training on a CPU beside nanoGPT's own `train.py`: the same model, batch and tokens.

`shakespeare_char` as nanoGPT's README configures it for a CPU. Each side is a process with all cores, one after the
other, round by round; a step is all that lies between one step and the next, its row of the metrics included.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import nanogpt
from bench.data import REPOSITORY, missing_data
from bench.learning import GPT2
from bench.learning_data import DATA
from bench.learning_tasks import CHARACTERS
from bench.measure import run_measured
from bench.results import Bench, Result, Table
from manifests.process import waiting_threads
from model import attention
from train.objectives.pretrain import pretrain
from train.run.folder import RunFolder

_WARM_UP, _STEPS = 50, 200
_TASK = replace(CHARACTERS, num_steps=_WARM_UP + _STEPS, validate_every_steps=10**6)
_NANOGPT = "nanoGPT, train.py"
_WAYS: dict[str, dict[str, Any]] = {
    "groundup, float32": {"train.precision": "float32"},
    "groundup, bfloat16, also in attention": {"train.precision": "bfloat16", "attention": "bfloat16"},
    "groundup, as it is (auto)": {"train.precision": "auto"},
    "groundup, auto, threads that sleep": {"train.precision": "auto", "wait": "PASSIVE"},
    "groundup, auto, compile": {"train.precision": "auto", "train.compile": True},
}


def _run(num_rounds: int) -> Result:
    code = nanogpt.folder()
    sides = ([_NANOGPT] if code else []) + list(_WAYS)
    # As many threads as cores on both sides.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(os.cpu_count()))
    environment = threads | {"CUDA_VISIBLE_DEVICES": ""}
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    _TASK.build()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(num_rounds):
            for side in sides:
                if side == _NANOGPT:
                    assert code is not None
                    steps = nanogpt.step_seconds(_TASK, code, folder, environment)
                else:
                    command = [sys.executable, "-m", "bench.train", side, str(folder)]
                    # Threads wait as the command `groundup train` lets them.
                    wait = _WAYS[side].get("wait")
                    waiting = {"OMP_WAIT_POLICY": wait} if wait else waiting_threads(alone=True)
                    run_measured(command, REPOSITORY, environment | waiting, folder / "log.txt")
                    steps = json.loads((folder / "steps.json").read_text())
                seconds[side].append(statistics.median(steps[_WARM_UP:]))
                print(f"{side}: {1 / seconds[side][-1]:.1f} steps/s", flush=True)
    figures: dict[str, Any] = {"num_threads": os.cpu_count(), "steps": _STEPS}
    rows = []
    for side, own in seconds.items():
        times = [peer / mine for peer, mine in zip(seconds.get(_NANOGPT, []), own, strict=False)]
        ratio = statistics.median(times) if times else None
        speed = 1 / statistics.median(own)
        figures[side] = {"steps_per_second": speed, "times_nanogpt": ratio, "step_seconds": own}
        rows.append([side, f"{1000 / speed:.1f}", f"{speed:.1f}", "-" if ratio is None else f"{ratio:.2f}"])
    notes = [
        f"medians of {_STEPS} steps, then of {num_rounds} rounds; {os.cpu_count()} threads; ratios within a round. "
        "What counts is the row of the trainer as it is; the others show what it is made of."
    ]
    if code is None:
        notes.append(f"nanoGPT is skipped: {nanogpt.FOLDER} does not name its folder")
    title = f"{_TASK.title}: 12 sequences of 64 characters a step"
    return Result(figures, [Table(title, ["", "ms a step", "steps/s", "times nanoGPT"], rows)], notes)


def _train(side: str, folder: Path) -> None:
    """Train in this process, and write the seconds from each row of the metrics to the next."""
    settings = {key: value for key, value in _WAYS[side].items() if key.startswith("train.")}
    if "attention" in _WAYS[side]:
        attention._MOST_CPU_FLOAT32 = 0
    times: list[float] = []
    plain = RunFolder.add_metrics

    def note(self: RunFolder, row: dict[str, Any]) -> None:
        plain(self, row)
        if row["kind"] == "train":
            times.append(time.perf_counter())

    RunFolder.add_metrics = note  # type: ignore[method-assign]
    pretrain(_TASK.recipe(GPT2 | settings), folder / "run", restart=True)
    steps = [later - earlier for earlier, later in itertools.pairwise(times)]
    (folder / "steps.json").write_text(json.dumps(steps))


BENCHES = [
    Bench(
        name="train",
        summary="steps a second of training on a CPU, beside nanoGPT's train.py",
        rounds=3,
        missing=lambda: missing_data(*DATA),
        run=_run,
    )
]


if __name__ == "__main__":
    _train(sys.argv[1], Path(sys.argv[2]))
