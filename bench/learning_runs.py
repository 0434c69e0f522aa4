"""Runs of the learning benches: a process each, one thread each, two side by side; what is finished is not run again.

A run lies in `build/bench/learning/runs`, in a folder that is named by all that decides it: settings, data and seed.
The code is no part of the name: after a change of the trainer, delete the folder to train anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench import nanogpt
from bench.data import REPOSITORY
from bench.learning_data import LEARNING
from bench.learning_tasks import TASKS, Outcome, Recipe, Task, config, num_parameters
from bench.measure import run_measured
from model import GPTConfig
from train.objectives.pretrain import pretrain
from train.run.folder import read_metrics

RUNS = LEARNING / "runs"
_SIDE_BY_SIDE = 2


@dataclass(frozen=True)
class Job:
    """A run: our recipe, or nanoGPT's own code from `nanogpt`, a folder."""

    label: str
    task: Task
    seed: int
    recipe: Recipe | None = None
    nanogpt: Path | None = None

    @property
    def folder(self) -> Path:
        """The folder of the run, named by a digest of its settings, model, data and seed."""
        if self.recipe is None:
            return RUNS / self.task.name / f"nanogpt-{nanogpt.digest(self.task, self.nanogpt)}-{self.seed}"
        # Without what is at its default, so that a younger field does not rename what it does not change.
        model = {
            name: value
            for name, value in config(self.task, self.recipe).to_dict().items()
            if value != GPTConfig.defaults().get(name)
        }
        recipe = self.task.recipe(self.recipe)
        parts = [recipe.train.model_dump(mode="json", exclude_defaults=True), model, self.task.build().name]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        return RUNS / self.task.name / f"{digest[:12]}-{self.seed}"

    def outcome(self) -> Outcome | None:
        """The result of the finished run; None where the run is not finished."""
        path = self.folder / "outcome.json"
        if not path.exists():
            return None
        found = json.loads(path.read_text())
        return Outcome(**found | {"losses": {int(tokens): loss for tokens, loss in found["losses"].items()}})


def run_jobs(jobs: Sequence[Job], most_seconds: float) -> list[Outcome | None]:
    """The outcomes of jobs, each run where it has none yet; equal runs are run once.

    None begins after `most_seconds`: those have no outcome, and a later call goes on with them.
    """
    waiting = {job.folder: job for job in jobs if job.outcome() is None}
    print(f"{len(jobs)} runs, {len(waiting)} of them to do", flush=True)
    started, done = time.perf_counter(), 0

    def run(job: Job) -> None:
        nonlocal done
        if time.perf_counter() - started > most_seconds:
            return
        outcome = _run(job)
        done += 1
        passed = time.perf_counter() - started
        left = passed / done * (len(waiting) - done)
        print(
            f"{done} of {len(waiting)}: {job.task.name}, {job.label}, seed {job.seed}: {outcome.loss:.4f} in "
            f"{outcome.seconds:.0f} s; {passed / 60:.0f} minutes passed, about {left / 60:.0f} to go",
            flush=True,
        )

    for needs_gpu, side_by_side in ((False, _SIDE_BY_SIDE), (True, 1)):
        with ThreadPoolExecutor(side_by_side) as pool:
            list(pool.map(run, [job for job in waiting.values() if job.task.needs_gpu == needs_gpu]))
    return [job.outcome() for job in jobs]


def _run(job: Job) -> Outcome:
    shutil.rmtree(job.folder, ignore_errors=True)
    job.folder.mkdir(parents=True)
    what = {"task": job.task.name, "seed": job.seed, "label": job.label}
    own = {"recipe": job.recipe} if job.recipe is not None else {"nanogpt": str(job.nanogpt)}
    (job.folder / "job.json").write_text(json.dumps(what | own, indent=2) + "\n")
    # What may run on the CPU alone must do so everywhere, and threads that spin take time from the run beside it.
    environment = {"OMP_WAIT_POLICY": "PASSIVE"} | ({} if job.task.needs_gpu else {"CUDA_VISIBLE_DEVICES": ""})
    command = [sys.executable, "-m", "bench.learning_runs", str(job.folder)]
    measured = run_measured(command, REPOSITORY, environment, job.folder / "log.txt")
    path = job.folder / "outcome.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seconds": round(measured.wall_seconds, 1)}) + "\n")
    outcome = job.outcome()
    assert outcome is not None
    return outcome


def _train(task: Task, recipe: Recipe, seed: int, folder: Path) -> Outcome:
    """Train in this process, through the product."""
    whole = task.recipe(recipe, seed)
    pretrain(whole, folder / "run", restart=True)
    rows = [row for row in read_metrics(folder / "run") if row["kind"] == "validation"]
    row = min(rows, key=lambda one: one["validation_loss"]) if task.best else rows[-1]
    shutil.rmtree(folder / "run" / "checkpoints")  # nobody asks for the weights
    losses = {one["tokens"]: one["validation_loss"] for one in rows}
    return Outcome(row["validation_loss"], row["bits_per_byte"], num_parameters(config(task, recipe)), losses)


def _main(folder: Path) -> None:
    """Do the job that a folder describes, and write its outcome there."""
    job = json.loads((folder / "job.json").read_text())
    task = next(task for task in TASKS if task.name == job["task"])
    if "nanogpt" in job:
        outcome = nanogpt.train(task, job["seed"], Path(job["nanogpt"]), folder)
    else:
        outcome = _train(task, job["recipe"], job["seed"], folder)
    (folder / "outcome.json").write_text(json.dumps(vars(outcome)) + "\n")


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
