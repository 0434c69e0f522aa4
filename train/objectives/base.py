"""The interface between the loop and an objective."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import nn

from model import GPTConfig
from train.data.loader import Loader
from train.parallel.hardware import Hardware
from train.parallel.ranks import Ranks
from train.run.validation import ValidationLoss


class Objective(Protocol):
    """A task to learn, with its data. The loop has the steps, the optimizer, checkpoints and metrics.

    loader: this rank's batches. model_config: of the model that learns. data: what decides the batches, for
    `config.toml`; at least `shards` (URL), `manifest_sha256` and `num_tokens`. notes: lines that a run begins with.
    """

    loader: Loader
    model_config: GPTConfig
    data: dict[str, Any]
    notes: Sequence[str]

    @property
    def has_validation(self) -> bool:
        """True where `validate` has data to measure on."""

    def loss(
        self, model: nn.Module, tokens_BT: torch.Tensor, targets_BT: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of some sequences of a batch in nats: its sum over all targets that count, and each of them.

        The sum is a scalar with gradients. Each are (B, T) without, 0 where a target does not count. The loop divides
        by the targets of the whole batch.
        """

    def validate(
        self,
        model: nn.Module,
        micro_batch_sequences: int,
        ranks: Ranks,
        hardware: Hardware,
        stop: Callable[[], bool],
    ) -> ValidationLoss | None:
        """The loss on held-out data; None where there is none, and where `stop`, asked between its parts, says so."""
