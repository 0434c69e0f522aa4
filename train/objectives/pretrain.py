"""Pretraining: predict each next token of the shards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from manifests.errors import UserError
from manifests.storage import Folder
from tokenizer.shards.read import ShardSet
from train.data.documents import number_documents
from train.data.loader import Loader
from train.generate import parse_tokenizer
from train.loop import RunSummary, run_training
from train.optim.scaling import settle
from train.parallel.hardware import Hardware
from train.parallel.ranks import Ranks
from train.run.validation import TargetBytes, ValidationLoss, validate
from train.settings import TrainRecipe

_TOKENIZER = "tokenizer/tokenizer.json"


def pretrain(
    recipe: TrainRecipe,
    run: str | Path | None = None,
    until_step: int | None = None,
    restart: bool = False,
    set_keys: Collection[str] = (),
    source: str | None = None,
) -> RunSummary:
    """Pretrain the recipe's model on the shards of its build: see `train.loop.run_training`.

    What the recipe does not write follows from a model's depth (`train.optim.scaling`), and sizes that a small corpus
    cannot fill are fitted to it (`train.fit`); the run says both.
    """
    shards = ShardSet.open(Folder(recipe.output).folder("shards"), "train", check_index=False)
    settled, notes = settle(recipe, shards.num_tokens, shards.vocab_size, shards.folder.url)
    return run_training(settled, partial(Pretrain, notes=notes), run, until_step, restart, set_keys, source)


class Pretrain:
    """The `Objective` of pretraining."""

    def __init__(self, recipe: TrainRecipe, ranks: Ranks, notes: Sequence[str] = ()) -> None:
        self.notes = notes
        shards = Folder(recipe.output).folder("shards")
        train = ShardSet.open(shards, "train")
        self._settings = recipe.train
        facts = json.loads(shards.read_bytes("manifest.json"))["facts"]
        self._validation = _open_validation(shards, facts)
        self._target_bytes = _target_bytes(Folder(recipe.output), facts) if self._validation else None
        self.model_config = recipe.config(train.vocab_size)
        length = self.model_config.sequence_length
        self.loader = Loader(train, recipe.train.batches, length, recipe.seed, ranks.rank, ranks.num_ranks)
        self.data: dict[str, Any] = {
            "shards": train.folder.url,
            "manifest_sha256": train.manifest_sha256,
            "num_tokens": train.num_tokens,
        }

    @property
    def has_validation(self) -> bool:
        return self._validation is not None

    def loss(
        self, model: nn.Module, tokens_BT: torch.Tensor, targets_BT: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The cross-entropy, and `train.z_loss` on top of it."""
        documents_BT = None
        if self._settings.document_mask:
            documents_BT = number_documents(tokens_BT, self.loader.shards.end_of_text_id)
        total, each_BT = model(
            tokens_BT, targets_BT, reduction="sum_and_each", documents_BT=documents_BT, z_loss=self._settings.z_loss
        )
        return total, each_BT

    def validate(
        self,
        model: nn.Module,
        micro_batch_sequences: int,
        ranks: Ranks,
        hardware: Hardware,
        stop: Callable[[], bool],
    ) -> ValidationLoss | None:
        if self._validation is None:
            return None
        return validate(
            model,
            self._validation,
            self._settings.validation_tokens,
            self.model_config.sequence_length,
            micro_batch_sequences,
            ranks,
            hardware,
            self._target_bytes,
            stop,
            self._settings.document_mask,
        )


def _open_validation(shards: Folder, facts: dict[str, Any]) -> ShardSet | None:
    """The validation split, None where the build made none or an empty one."""
    if facts["splits"].get("validation", {}).get("num_tokens", 0) < 2:
        return None
    return ShardSet.open(shards, "validation")


def _target_bytes(build: Folder, facts: dict[str, Any]) -> TargetBytes | None:
    """The bytes of the build's tokens; None where it has no tokenizer. Raises `UserError` for another tokenizer."""
    if not build.exists(_TOKENIZER):
        return None
    contents = build.read_bytes(_TOKENIZER)
    expected = facts.get("tokenizer_sha256")
    if expected is not None and hashlib.sha256(contents).hexdigest() != expected:
        raise UserError(
            f"{build.url}/{_TOKENIZER}: not the tokenizer that the shards were encoded with. Run the recipe again."
        )
    return TargetBytes(
        parse_tokenizer(contents, f"{build.url}/{_TOKENIZER}"), facts["vocab_size"], facts["end_of_text_id"]
    )
