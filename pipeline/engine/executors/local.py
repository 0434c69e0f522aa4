"""Tasks in processes and threads of this machine."""

from __future__ import annotations

import multiprocessing
from collections import deque
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from datatrove.executor.local import LocalPipelineExecutor

from manifests.errors import UserError
from manifests.process import settle_arrow
from pipeline.engine.process import die_with_parent, start_forkserver

_SHARES_PER_WORKER = 64


class LocalExecutor(LocalPipelineExecutor):
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
        start_forkserver()
        context = multiprocessing.get_context("forkserver")
        # A free worker takes the next share of ranks: few enough that the last one does not keep the others waiting,
        # and not one by one, since handing out a rank costs more than running a small one. Where tasks wait more than
        # they work, a worker has its share from the start and runs it in threads.
        shares = min(self.world_size, self.workers * (1 if self._num_threads > 1 else _SHARES_PER_WORKER))
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
                for process in list(pool._processes.values()):
                    # Ctrl-C: tasks under way are waited for only where they save what they have.
                    process.terminate() if self._saves_when_told else process.kill()
                pool.shutdown(cancel_futures=True)
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
    def _saves_when_told(self) -> bool:
        return all(getattr(step, "saves_when_told", False) for step in self.pipeline)

    @property
    def _num_threads(self) -> int:
        return max(getattr(step, "threads", 1) for step in self.pipeline)


_executor: LocalExecutor  # of a worker process: sent once, since it holds every pending task


def _take_executor(executor: LocalExecutor) -> None:
    global _executor
    die_with_parent()
    settle_arrow()
    _executor = executor


def _run_ranks(ranks: range) -> None:
    _executor.run_ranks(ranks)
