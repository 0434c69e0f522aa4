"""The executor that the settings name."""

from __future__ import annotations

from datatrove.executor.base import PipelineExecutor
from datatrove.io import DataFolder
from datatrove.pipeline.base import PipelineStep
from loguru import logger

from manifests.paths import file_system
from pipeline.engine.executors.local import LocalExecutor
from pipeline.engine.executors.ray import check_ray, ray_executor
from pipeline.engine.executors.slurm import check_slurm, slurm_executor
from pipeline.engine.settings import ExecutorSettings


def check_executor(settings: ExecutorSettings) -> None:
    """Raises `UserError` for what the executor lacks, before anything runs."""
    if settings.kind != "local":
        (check_slurm if settings.kind == "slurm" else check_ray)(settings.cluster)


def make_executor(settings: ExecutorSettings, steps: list[PipelineStep], num_tasks: int, logs: str) -> PipelineExecutor:
    """An executor for `num_tasks` ranks of `steps`, whose `run()` returns when all have ended.

    `skip_completed` is off: the runner decides what is complete.
    """
    logger.disable("datatrove")
    workers = max(1, min(settings.workers, num_tasks))
    if settings.kind == "local":
        fs, path = file_system(logs)
        return LocalExecutor(steps, num_tasks, workers, DataFolder(path, fs=fs), skip_completed=False)
    make = slurm_executor if settings.kind == "slurm" else ray_executor
    return make(settings.cluster, steps, num_tasks, workers, logs)
