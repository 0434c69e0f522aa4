"""Settings of executors: this machine or a cluster, and what a cluster is asked for."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from manifests.settings import Settings


class ClusterSettings(Settings):
    """Resources that a Slurm or Ray cluster is asked for, for each task (`--executor slurm` or `ray`)."""

    partition: str | None = None
    """Slurm partition; it must be named for Slurm."""
    time: str = "24:00:00"
    """Slurm's time limit of one task, as hours:minutes:seconds."""
    cpus_per_task: int = Field(default=1, ge=1)
    """CPUs of one task."""
    memory_gigabytes: int = Field(default=4, ge=1)
    """Gigabytes of memory for each of these CPUs."""
    qos: str | None = None
    """Slurm quality of service; the cluster's default where it is not set."""


class ExecutorSettings(Settings):
    """The executor that tasks run on."""

    kind: Literal["local", "slurm", "ray"] = "local"
    """This machine, or a cluster."""
    workers: int = Field(default=1, ge=1)
    """Tasks that run at a time."""
    cluster: ClusterSettings = ClusterSettings()
