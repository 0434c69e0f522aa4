"""Tasks on a Ray cluster."""

from __future__ import annotations

import importlib.util

from datatrove.executor.base import PipelineExecutor
from datatrove.pipeline.base import PipelineStep

from manifests.errors import UserError
from pipeline.engine.settings import ClusterSettings


def check_ray(cluster: ClusterSettings) -> None:
    """Raises `UserError` where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise UserError("--executor ray: Ray is not installed. Install it with: pip install 'groundup[ray]'")


def ray_executor(
    cluster: ClusterSettings, steps: list[PipelineStep], num_tasks: int, workers: int, logs: str
) -> PipelineExecutor:
    """`num_tasks` tasks on the Ray cluster that is reached from here."""
    from datatrove.executor.ray import RayPipelineExecutor

    return RayPipelineExecutor(
        steps,
        num_tasks,
        workers,
        skip_completed=False,
        logging_dir=logs,
        cpus_per_task=cluster.cpus_per_task,
        mem_per_cpu_gb=cluster.memory_gigabytes,
    )
