"""The tasks of the learning benches, and recipes that are given as many parameters as another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from bench.learning_data import num_validation_targets, open_split, shakespeare_char, wikitext_2
from model import GPT, GPTConfig
from train.settings import TrainRecipe

Recipe = dict[str, Any]
"""Settings by their place in a recipe, as `--set` has them: `model.preset`, `train.learning_rate`."""

TOLERANCE = 0.02
"""Models are compared where their numbers of parameters differ by no more than this fraction."""
_MLP_STEP = 8  # channels, in which an MLP is made narrower or wider to have as many parameters


@dataclass(frozen=True)
class Task:
    """Data, and what both sides have in common there. `gpt2` and `modern` change the two recipes for this task alone.

    num_steps steps of batch_sequences x sequence_length tokens. best: the figure is the lowest validation loss of the
    run, as for models that learn the corpus by heart; else it is the last one.
    """

    name: str
    title: str
    build: Callable[[], Path]
    shape: dict[str, Any]
    sequence_length: int
    batch_sequences: int
    num_steps: int
    validate_every_steps: int
    gpt2: Recipe = field(default_factory=dict)
    modern: Recipe = field(default_factory=dict)
    needs_gpu: bool = False
    best: bool = False

    def recipe(self, of: Recipe, seed: int = 0) -> TrainRecipe:
        """The whole recipe of a run here."""
        build = self.build()
        batch_tokens = self.sequence_length * self.batch_sequences
        sizes = {
            "sequence_length": self.sequence_length,
            "batch_tokens": batch_tokens,
            "max_tokens": batch_tokens * self.num_steps,
            "precision": "bfloat16" if self.needs_gpu else "float32",
            "validate_every_steps": self.validate_every_steps,
            "validation_tokens": num_validation_targets(build),
            "checkpoint_every_steps": 0,
            "sample_prompts": [],
        }
        tables: dict[str, dict[str, Any]] = {"model": dict(self.shape), "train": sizes}
        for place, value in of.items():
            table, _, key = place.partition(".")
            tables[table][key] = value
        return TrainRecipe.model_validate({"name": self.name, "output": str(build), "seed": seed, **tables})


CHARACTERS = Task(
    name="shakespeare_char",
    title="shakespeare_char, nanoGPT's configuration for a CPU",
    build=cache(shakespeare_char),
    shape={"num_layers": 4, "num_heads": 4, "width": 128},
    sequence_length=64,
    batch_sequences=12,
    num_steps=2000,
    validate_every_steps=500,
)
WIKITEXT = Task(
    name="wikitext-2",
    title="WikiText-2, the same BPE of 4,096 ids",
    build=cache(wikitext_2),
    shape={"num_layers": 4, "num_heads": 4, "width": 128},
    sequence_length=128,
    batch_sequences=16,
    num_steps=400,
    validate_every_steps=100,
    # A table of 4,096 ids is two thirds of all blocks here: one must do.
    modern={"model.tied_head": True, "model.value_embeddings": False},
)
GPU_CHARACTERS = Task(
    name="shakespeare_char-gpu",
    title="shakespeare_char, nanoGPT's configuration for a GPU",
    build=cache(shakespeare_char),
    shape={"num_layers": 6, "num_heads": 6, "width": 384, "dropout": 0.2},
    sequence_length=256,
    batch_sequences=64,
    num_steps=5000,
    validate_every_steps=250,
    gpt2={"train.warmup_fraction": 0.02},
    needs_gpu=True,
    best=True,
)
SHORT = replace(CHARACTERS, name="shakespeare_char-short", title=f"{CHARACTERS.title}, 400 of its steps", num_steps=400)
TASKS = (CHARACTERS, WIKITEXT, GPU_CHARACTERS, SHORT)


def config(task: Task, recipe: Recipe) -> GPTConfig:
    """The model of a recipe."""
    return task.recipe(recipe).config(open_split(task.build(), "train").vocab_size)


def num_parameters(of: GPTConfig) -> int:
    """All parameters, each once."""
    with torch.device("meta"):
        return GPT(of).num_parameters()


def fitted(task: Task, recipe: Recipe, wanted: int) -> Recipe:
    """The recipe with as many parameters as `wanted` within `TOLERANCE`, by the width of its MLP where it has others.

    Raises `RuntimeError` where no width does it.
    """
    shape = config(task, recipe)
    counts = {shape.mlp_ratio: num_parameters(shape)}
    if not is_near(counts[shape.mlp_ratio], wanted):
        ratios = [channels / shape.width for channels in range(_MLP_STEP, 8 * shape.width + 1, _MLP_STEP)]
        two = [num_parameters(config(task, recipe | {"model.mlp_ratio": ratio})) for ratio in ratios[:2]]
        counts = {ratio: two[0] + place * (two[1] - two[0]) for place, ratio in enumerate(ratios)}  # a straight line
    ratio = min(counts, key=lambda one: abs(counts[one] - wanted))
    if not is_near(counts[ratio], wanted):
        raise RuntimeError(
            f"{task.name}: no MLP makes {recipe} a model of about {wanted:,} parameters; the nearest has "
            f"{counts[ratio]:,}"
        )
    return recipe if ratio == shape.mlp_ratio else recipe | {"model.mlp_ratio": ratio}


def is_near(number: int, wanted: int) -> bool:
    """True where two numbers of parameters differ by no more than `TOLERANCE`."""
    return abs(number - wanted) <= TOLERANCE * wanted


@dataclass(frozen=True)
class Outcome:
    """The result of a run. loss: nats a token on the whole validation split. losses: the same by trained tokens.

    seconds: of the whole process, validations included; 0 where it is not known.
    """

    loss: float
    bits_per_byte: float
    num_parameters: int
    losses: dict[int, float]
    seconds: float = 0.0
