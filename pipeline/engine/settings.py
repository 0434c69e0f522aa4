"""Where the tasks of a build run: the settings of executors."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from manifests.settings import Settings


class ClusterSettings(Settings):
    """`[executor]` of a recipe: what a Slurm or Ray cluster is asked for, for each task. It changes no output."""

    partition: str | None = None  # Slurm partition
    time: str = "24:00:00"  # Slurm limit of one task
    cpus_per_task: int = Field(default=1, ge=1)
    memory_gigabytes: int = Field(default=4, ge=1)  # of each CPU
    qos: str | None = None


class ExecutorSettings(Settings):
    """Where tasks run."""

    kind: Literal["local", "slurm", "ray"] = "local"
    workers: int = Field(default=1, ge=1)  # tasks at a time
    cluster: ClusterSettings = ClusterSettings()
