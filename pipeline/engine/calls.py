"""Calls of a function on an executor: work that is no stage of a build, such as training runs side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from datatrove.data import DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from pipeline.engine.executors.make import check_executor, make_executor
from pipeline.engine.process import num_cores
from pipeline.engine.settings import ExecutorSettings


class _Call(PipelineStep):
    """The datatrove step of a worker: calls the function with the item of its rank."""

    type = "call"
    name = "groundup call"
    saves_when_told = True  # a worker that is told to stop is waited for

    def __init__(self, work: Callable[[Any], None], items: Sequence[Any]) -> None:
        super().__init__()
        self._work = work
        self._items = items

    def run(self, data: DocumentsPipeline = None, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        self._work(self._items[rank])
        yield from ()


class Calls:
    """Calls a function with each of some items, on the executor that the settings name.

    threads: what a call may use of its machine. Several local workers share the processors equally, whatever else
    runs there; on a cluster a call has those that its task asks for. None: all, or what `OMP_NUM_THREADS` says.
    """

    def __init__(self, settings: ExecutorSettings) -> None:
        """Raises `UserError` for what the executor lacks."""
        check_executor(settings)
        self._settings = settings
        self.threads: int | None = None
        if "OMP_NUM_THREADS" not in os.environ:
            if settings.kind != "local":
                self.threads = settings.cluster.cpus_per_task
            elif settings.workers > 1:
                self.threads = max(1, num_cores() // settings.workers)

    def run(self, work: Callable[[Any], None], items: Sequence[Any], logs: str) -> None:
        """Return when all calls have ended. What a call comes to is its own to write down; it raises nothing.

        work: a function of a module, as it is sent to other processes and machines. logs: a folder for the executor's.
        """
        make_executor(self._settings, [_Call(work, items)], len(items), logs).run()
