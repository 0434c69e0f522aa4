"""datatrove's executors, as groundup uses them: quiet, blocking, and told by the runner alone which tasks to run."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import multiprocessing.forkserver
import os
import signal
import sys
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Literal

from datatrove.executor.base import PipelineExecutor
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.executor.slurm import SlurmPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from loguru import logger
from pydantic import Field

from manifests.errors import UserError
from manifests.settings import Settings
from pipeline.libraries import settle_arrow

# Loaded once in the server that local workers are forked from, so that a worker starts in milliseconds.
_PRELOAD = ["pipeline.stages.all"]


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


class _Quiet:
    """Mixed into an executor: datatrove's own lines stay out of the user's terminal."""

    def _run_for_rank(self, *arguments: Any, **keywords: Any) -> Any:
        logger.disable("datatrove")
        return super()._run_for_rank(*arguments, **keywords)  # type: ignore[misc]


class _LocalExecutor(LocalPipelineExecutor):
    """Worker processes; with one worker the tasks run here, one after the other, with no process beside this one.

    datatrove's own pool waits for ever for the task of a worker that was killed; this one stops. Nor does it keep
    datatrove's logs and statistics of each rank: records say more, and opening the logs took a tenth of a small build.
    """

    def _run_for_rank(self, rank: int, *_: Any, **__: Any) -> None:
        for step in self.pipeline:
            deque(step.run(None, rank, self.world_size), maxlen=0)

    def run(self) -> None:
        if self.workers == 1:
            self.run_ranks(range(self.world_size))
            return
        _start_forkserver()
        context = multiprocessing.get_context("forkserver")
        # One rank at a time goes to the next free worker; where tasks wait more than they work, a worker has its
        # share from the start and runs them in threads.
        threaded = self._num_threads > 1
        shares = self.workers if threaded else self.world_size
        with ProcessPoolExecutor(self.workers, context, _take_executor, (self,)) as pool:
            try:
                for future in [pool.submit(_run_ranks, range(n, self.world_size, shares)) for n in range(shares)]:
                    future.result()
            except BrokenProcessPool:
                raise UserError(
                    "a worker process was killed, or ran out of memory. Finished tasks are kept; run the same command "
                    "again, with fewer --workers where memory is short."
                ) from None
            except BaseException:
                for process in list(pool._processes.values()):  # Ctrl-C: tasks under way are not waited for
                    process.kill()
                raise

    def run_ranks(self, ranks: range) -> None:
        """Run these ranks in this process, in as many threads as their step asks for."""
        threads = min(self._num_threads, len(ranks))
        try:
            if threads <= 1:
                for rank in ranks:
                    self._run_for_rank(rank)
                return
            pool = ThreadPoolExecutor(threads, "task")
            try:
                for future in [pool.submit(self._run_for_rank, rank) for rank in ranks]:
                    future.result()
            except BaseException:  # Ctrl-C: the process ends, and what is under way with it
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            pool.shutdown()
        finally:
            for step in self.pipeline:
                getattr(step, "close", lambda: None)()

    @property
    def _num_threads(self) -> int:
        return max(getattr(step, "threads", 1) for step in self.pipeline)


_executor: _LocalExecutor  # of a worker process: sent once, since it holds every pending task


def _take_executor(executor: _LocalExecutor) -> None:
    global _executor
    _die_with_parent()
    settle_arrow()
    _executor = executor


def _die_with_parent() -> None:
    """A worker must not outlive a killed run and publish beside its successor: it watches the run and follows it.

    Does nothing in the run itself, nor in a job of a cluster, which has no parent here.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="die-with-parent").start()


def _run_ranks(ranks: range) -> None:
    _executor.run_ranks(ranks)


class _SlurmExecutor(_Quiet, SlurmPipelineExecutor):
    """Submits an array job and waits for its end (`sbatch --wait`)."""

    def launch_merge_stats(self) -> None:
        """Nothing: counts are in groundup's own records."""


def _start_forkserver() -> None:
    """Start the server that workers are forked from, with Ctrl-C left to this process: it ends the workers itself."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(_PRELOAD)
    if threading.current_thread() is not threading.main_thread():  # only there can handlers be set
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)


def make_executor(settings: ExecutorSettings, steps: list[PipelineStep], num_tasks: int, logs: str) -> PipelineExecutor:
    """An executor for `num_tasks` ranks of `steps`, whose `run()` returns when all have ended.

    `skip_completed` is off: the runner decides what is complete. Raises `UserError` when a cluster lacks a setting.
    """
    logger.disable("datatrove")
    workers = max(1, min(settings.workers, num_tasks))
    cluster = settings.cluster
    if settings.kind == "local":
        return _LocalExecutor(steps, num_tasks, workers, logs, skip_completed=False)
    if settings.kind == "slurm":
        if cluster.partition is None:
            raise UserError("--executor slurm: say which partition: --set executor.partition=NAME, or in the recipe.")
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
    return _ray_executor(settings, steps, num_tasks, workers, logs)


def _ray_executor(
    settings: ExecutorSettings, steps: list[PipelineStep], num_tasks: int, workers: int, logs: str
) -> PipelineExecutor:
    try:
        import ray  # noqa: F401
    except ImportError:
        raise UserError("--executor ray: Ray is not installed. Install it with: pip install 'groundup[ray]'") from None
    from datatrove.executor.ray import RayPipelineExecutor

    return RayPipelineExecutor(
        steps,
        num_tasks,
        workers,
        skip_completed=False,
        logging_dir=logs,
        cpus_per_task=settings.cluster.cpus_per_task,
        mem_per_cpu_gb=settings.cluster.memory_gigabytes,
    )
