"""The ranks of a run: one process by default, several under `torchrun -m train`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from manifests.errors import UserError

_TIMEOUT = timedelta(minutes=10)


@dataclass(frozen=True)
class Ranks:
    """This process among all of them. `local_rank` counts within the machine and picks its GPU."""

    rank: int = 0
    num_ranks: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """The first rank writes; the others only compute."""
        return self.rank == 0

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Add a tensor over all ranks, in place."""
        if self.num_ranks > 1:
            distributed.all_reduce(values)
        return values

    def any(self, said: bool) -> bool:
        """Whether any rank says so; all ranks get the same answer, and wait for it."""
        if self.num_ranks == 1:
            return said
        device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        return bool(self.sum(torch.tensor([float(said)], device=device)).item())

    def first(self, work: Callable[..., object], *arguments: Any) -> None:
        """Let the first rank do what only one may do. The others wait, and fail where it failed."""
        error: Exception | None = None
        if self.is_first:
            try:
                work(*arguments)
            except Exception as caught:
                error = caught
        if self.any(error is not None):
            raise error or UserError("the first rank failed; its own line says why.")

    def parallel(self, model: nn.Module) -> nn.Module:
        """The model as the training step calls it: gradients are averaged over the ranks."""
        if self.num_ranks == 1:
            return model
        on_gpu = next(model.parameters()).is_cuda
        return DistributedDataParallel(model, device_ids=[self.local_rank] if on_gpu else None)

    @contextlib.contextmanager
    def synchronise(self, model: nn.Module, now: bool) -> Iterator[None]:
        """A context for the backward pass: gradients are exchanged only where `now`, on the last part of a batch."""
        if isinstance(model, DistributedDataParallel) and not now:
            with model.no_sync():
                yield
        else:
            yield


@contextlib.contextmanager
def open_ranks() -> Iterator[Ranks]:
    """Join the processes that `torchrun` started (nccl on GPUs, gloo elsewhere); alone without it."""
    num_ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if num_ranks == 1 or "RANK" not in os.environ:
        yield Ranks()
        return
    ranks = Ranks(int(os.environ["RANK"]), num_ranks, int(os.environ.get("LOCAL_RANK", "0")))
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(ranks.local_rank)
    distributed.init_process_group("nccl" if on_gpu else "gloo", timeout=_TIMEOUT)
    try:
        yield ranks
    finally:
        distributed.destroy_process_group()
