"""The batches of a loader, each read while the step before it computes.

Whatever is read goes through one thread, so a set of shards is never read by two at once. Local shards are mapped into
memory and the batch of a CPU is read in less time than a thread takes to hand it over: there nothing is read ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import torch

from manifests.paths import local_path
from train.data.loader import Loader


class Batch(NamedTuple):
    """Tokens, targets and numbers of sources of this rank, each (B, T) int64: see `Loader.batch`, `Loader.sources`."""

    tokens: torch.Tensor
    targets: torch.Tensor
    sources: torch.Tensor | None

    def each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        """The batch with each of its tensors changed."""
        return Batch(change(self.tokens), change(self.targets), None if self.sources is None else change(self.sources))


class Prefetched:
    """A loader's batches on a device, in the order of steps; another step than the next one is read when asked for.

    An error of the loader is raised by the step that needs the batch. `close` ends the thread.
    """

    def __init__(self, loader: Loader, num_steps: int, device: torch.device) -> None:
        """Nothing is read ahead from `num_steps` on."""
        self._loader, self._num_steps, self._device = loader, num_steps, device
        self._reader: ThreadPoolExecutor | None = None
        if device.type != "cpu" or local_path(loader.shards.folder.url) is None:
            self._reader = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        self._next: tuple[int, Future[Batch]] | None = None

    def batch(self, step: int) -> Batch:
        """The batch of a step (counted from 0), on its way to the device."""
        if self._reader is None:
            return self._read(step)
        if self._next is None or self._next[0] != step:
            self._forget()
            self._next = (step, self._reader.submit(self._read, step))
        coming, self._next = self._next[1], None
        found = coming.result()
        self._next = (step + 1, self._reader.submit(self._read, step + 1)) if step + 1 < self._num_steps else None
        # The copy runs beside what the device computes; PyTorch keeps pinned memory until it is done.
        return found.each(lambda part: part.to(self._device, non_blocking=True))

    def documents_of_step(self, step: int) -> list[dict[str, Any]]:
        """`Loader.documents_of_step`, by the thread that reads."""
        read: Callable[[int], list[dict[str, Any]]] = self._loader.documents_of_step
        return read(step) if self._reader is None else self._reader.submit(read, step).result()

    def close(self) -> None:
        """End the thread; what it reads now is dropped."""
        self._forget()
        if self._reader is not None:
            self._reader.shutdown()

    def _forget(self) -> None:
        if self._next is not None:
            self._next[1].cancel()
            self._next = None

    def _read(self, step: int) -> Batch:
        batch = Batch(*self._loader.batch(step), self._loader.sources(step))
        return batch.each(torch.Tensor.pin_memory) if self._device.type == "cuda" else batch
