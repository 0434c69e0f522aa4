"""Tasks as an array job of a Slurm cluster."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from datatrove.executor.base import PipelineExecutor
from datatrove.executor.slurm import SlurmPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from loguru import logger

from manifests.errors import UserError
from pipeline.engine.settings import ClusterSettings


class _SlurmExecutor(SlurmPipelineExecutor):
    """Submits an array job and waits for its end (`sbatch --wait`)."""

    def _run_for_rank(self, *arguments: Any, **keywords: Any) -> Any:
        logger.disable("datatrove")  # its own lines stay out of the user's terminal
        return super()._run_for_rank(*arguments, **keywords)

    def launch_merge_stats(self) -> None:
        """Does nothing: counts are in groundup's own records."""


def check_slurm(cluster: ClusterSettings) -> None:
    """Raises `UserError` where no job could be submitted from here."""
    if cluster.partition is None:
        raise UserError("--executor slurm: say which partition: --set executor.partition=NAME, or in the recipe.")
    if shutil.which("sbatch") is None:
        raise UserError("--executor slurm: no sbatch is on this machine. Run it where jobs are submitted.")


def slurm_executor(
    cluster: ClusterSettings, steps: list[PipelineStep], num_tasks: int, workers: int, logs: str
) -> PipelineExecutor:
    """An array job of `num_tasks` tasks, `workers` at a time."""
    return _SlurmExecutor(
        steps,
        num_tasks,
        time=cluster.time,
        partition=cluster.partition,
        cpus_per_task=cluster.cpus_per_task,
        mem_per_cpu_gb=cluster.memory_gigabytes,
        workers=workers,
        job_name="groundup",
        qos=cluster.qos,
        env_command=f"source {Path(sys.prefix) / 'bin' / 'activate'}",
        sbatch_args={"wait": ""},
        logging_dir=logs,
        slurm_logs_folder=f"{logs}/slurm",
        skip_completed=False,
        with_srun=False,
    )
