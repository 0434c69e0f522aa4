"""The runs of a sweep, checked before the first one starts."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from manifests.errors import UsageError, UserError
from manifests.paths import local_path
from manifests.storage import Folder
from model import GPT, GPTConfig
from tokenizer.shards.read import ShardSet
from train.data.loader import Loader
from train.optim.optimizer import recorded_roles
from train.optim.plan import make_plan
from train.optim.scaling import scaled_weights, settle
from train.run.changes import differences
from train.run.folder import RunFolder
from train.settings import TrainRecipe, load_run
from train.sweep.vary import run_name


@dataclass(frozen=True)
class PlannedRun:
    """One run: what differs in it from the others, by key path, and what it will be.

    recipe: as `pretrain` takes it. num_weights: N, without embeddings (`count_parameters`).
    """

    name: str
    folder: Path
    values: dict[str, Any]
    recipe: TrainRecipe
    model_config: GPTConfig
    num_steps: int
    num_tokens: int
    num_parameters: int
    num_weights: int


class Planner:
    """Plans runs of one recipe on its build, below one folder."""

    def __init__(self, recipe_path: Path, overrides: Sequence[str], folder: str | None, default: str) -> None:
        """folder: where the runs go; by default the folder `default` in the build. Raises `UserError`."""
        self.recipe_path, self.overrides = recipe_path, list(overrides)
        self.recipe = load_run(recipe_path, self.overrides)
        local = local_path(folder or f"{self.recipe.output.rstrip('/')}/{default}")
        if local is None:
            raise UserError(
                f"{folder or self.recipe.output}: runs are written to a local disk. Give one with --folder."
            )
        self.folder = Path(local)
        shards = Folder(self.recipe.output).folder("shards")
        self._shards = ShardSet.open(shards, "train", check_index=False)
        self.data_sha256 = self._shards.manifest_sha256
        splits = json.loads(shards.read_bytes("manifest.json"))["facts"]["splits"]
        if splits.get("validation", {}).get("num_tokens", 0) < 2:
            raise UserError(
                f"{shards.url}: has no validation shards, and runs are compared by their validation loss. Raise "
                "shards.validation_fraction, or add documents, and build again."
            )

    def plan(self, choices: Sequence[Mapping[str, str]]) -> list[PlannedRun]:
        """A run for each choice of values. Raises `UserError` for the first thing that is wrong in any of them."""
        runs = [self.plan_one(choice) for choice in choices]
        seen: dict[str, PlannedRun] = {}
        for run in runs:
            if (other := seen.setdefault(run.name, run)) is not run:
                raise UsageError(f"{other.name}: asked for twice. Write each value once.")
        return runs

    def plan_one(self, choice: Mapping[str, str]) -> PlannedRun:
        """The run with these values laid over the recipe. Raises `UserError` for one that cannot be."""
        where = str(self.recipe_path)
        recipe = load_run(self.recipe_path, [*self.overrides, *(f"{key}={text}" for key, text in choice.items())])
        fitted, _ = settle(recipe, self._shards.num_tokens, self._shards.vocab_size, self._shards.folder.url)
        model_config = fitted.config(self._shards.vocab_size, where)
        length = model_config.sequence_length
        loader = Loader(self._shards, fitted.train.batches, length, fitted.seed)
        plan = make_plan(fitted.train, loader.tokens_per_epoch)
        values = {key: _value(recipe, key) for key in choice}
        name = run_name(values)
        config = fitted.model_dump(mode="json") | {
            "data": {"manifest_sha256": self._shards.manifest_sha256},
            "resolved_model": model_config.to_dict(),
            **recorded_roles(fitted.train, model_config),
        }
        folder = RunFolder(self.folder / name)
        old = folder.config()
        if old is not None and (changed := differences(old, config)):
            raise UserError(
                f"{folder.path}: holds a run of another configuration ({'; '.join(changed)}). Give these runs another "
                "--folder, undo the change, or delete that folder."
            )
        num_parameters, num_weights = count_parameters(model_config)
        return PlannedRun(
            name,
            folder.path,
            values,
            recipe,
            model_config,
            plan.num_steps,
            plan.num_tokens,
            num_parameters,
            num_weights,
        )


@functools.cache
def count_parameters(config: GPTConfig) -> tuple[int, int]:
    """All parameters of a model, and the N of the scaling laws here: matrices and head, without embeddings.

    Without the head the exponents of small models come out wrong, since the head is most of their work (Porian et al.,
    2024, arXiv:2406.19146); a table that is looked up costs nothing.
    """
    with torch.device("meta"):  # shapes without memory
        return GPT(config).num_parameters(), scaled_weights(config)


def _value(recipe: TrainRecipe, key: str) -> Any:
    """A key's value as the settings hold it: 1e-3 and 0.001 are one."""
    value: Any = recipe.model_dump(mode="json")
    for part in key.split("."):
        value = value[part]
    return value
