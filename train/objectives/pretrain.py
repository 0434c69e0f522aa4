"""Pretraining: predict each next token of the shards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from manifests.storage import Folder
from tokenizer.shards.read import ShardSet
from train.data.loader import Loader
from train.loop import RunSummary, run_training
from train.parallel.hardware import Hardware
from train.parallel.ranks import Ranks
from train.run.validation import ValidationLoss, validate
from train.settings import TrainRecipe


def pretrain(
    recipe: TrainRecipe, run: str | Path | None = None, until_step: int | None = None, restart: bool = False
) -> RunSummary:
    """Pretrain the recipe's model on the shards of its build: see `train.loop.run_training`."""
    return run_training(recipe, Pretrain, run, until_step, restart)


class Pretrain:
    """The `Objective` of pretraining."""

    def __init__(self, recipe: TrainRecipe, ranks: Ranks) -> None:
        shards = Folder(recipe.output).folder("shards")
        train = ShardSet.open(shards, "train")
        self._settings = recipe.train
        self._validation = _open_validation(shards)
        self.model_config = recipe.config(train.vocab_size)
        length = self.model_config.sequence_length
        self.loader = Loader(
            train, recipe.train.batch_tokens // length, length, recipe.seed, ranks.rank, ranks.num_ranks
        )
        self.data: dict[str, Any] = {
            "shards": train.folder.url,
            "manifest_sha256": train.manifest_sha256,
            "num_tokens": train.num_tokens,
        }

    @property
    def has_validation(self) -> bool:
        return self._validation is not None

    def loss(self, model: nn.Module, tokens_BT: torch.Tensor, targets_BT: torch.Tensor) -> torch.Tensor:
        loss: torch.Tensor = model(tokens_BT, targets_BT)
        return loss

    def validate(
        self, model: nn.Module, micro_batch_sequences: int, ranks: Ranks, hardware: Hardware
    ) -> ValidationLoss | None:
        if self._validation is None:
            return None
        length = self.model_config.sequence_length
        most = self._settings.validation_tokens
        return validate(model, self._validation, most, length, micro_batch_sequences, ranks, hardware)


def _open_validation(shards: Folder) -> ShardSet | None:
    """The validation split, None where the build made none or an empty one."""
    splits = json.loads(shards.read_bytes("manifest.json"))["facts"]["splits"]
    if splits.get("validation", {}).get("num_tokens", 0) < 2:
        return None
    return ShardSet.open(shards, "validation")
