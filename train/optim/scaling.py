"""What a model of the modern family is trained with, from its depth: nanochat's published rules of scale.

They go out from a model of 12 layers, for which tokens, batch and rates were found. N are the weights of hidden
matrices and of the head, D the tokens that are trained on, B the tokens of a batch:

- D = 10.5 N (`train.tokens_per_parameter`); never more than `MOST_EPOCHS` times the corpus.
- B = 2^19 (D / D_12)^.383, rounded to a power of two (Bergsma et al., 2025, arXiv:2505.13738), and smaller until the
  run has `WANTED_STEPS`.
- Rates times sqrt(B / 2^19), as is usual with AdamW.
- Weight decay .28 sqrt(B / 2^19) N_12 / N. Where D is in proportion to N, B / (rate decay D) so stays (Wang and
  Aitchison, 2024, arXiv:2405.13698).

A key that a recipe writes stays as it is, and the others follow from it.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from manifests.settings import validate
from model import GPT, GPTConfig, preset
from train.fit import FEWEST_SEQUENCES, MOST_EPOCHS, WANTED_STEPS, fit
from train.optim.groups import by_role
from train.settings import TrainRecipe

TOKENS_PER_PARAMETER = 10.5
_DEPTH, _BATCH, _POWER = 12, 2**19, 0.383
_RATE, _DECAY = 0.02, 0.28
_WARMUP_STEPS, _MOMENTUM_STEPS = 40, 400
_MUON = {"momentum": 0.97, "normuon_beta2": 0.9, "cautious_decay": True}
_CONSTANTS: dict[str, Any] = {
    "optimizer": "muon",
    "schedule": "constant_decay",
    "decay_fraction": 0.65,
    "min_learning_rate_fraction": 0.05,
    "gradient_clip": 0.0,
}


def settle(recipe: TrainRecipe, num_tokens: int, vocab_size: int, where: str) -> tuple[TrainRecipe, list[str]]:
    """The recipe that is trained on `num_tokens` tokens: by its model's depth, and with sizes that they can fill.

    With a line for each value that it did not write. where: the folder of the shards. Raises `UserError` as
    `train.fit.fit` and `scale_rates` do.
    """
    recipe, sizes = scale_sizes(recipe, num_tokens, vocab_size)
    recipe, fitted = fit(recipe, num_tokens, vocab_size, where)
    recipe, rates = scale_rates(recipe, vocab_size)  # of the batch that it has now
    return recipe, [*sizes, *fitted, *rates]


def scale_sizes(recipe: TrainRecipe, num_tokens: int, vocab_size: int) -> tuple[TrainRecipe, list[str]]:
    """The recipe with the tokens and the batch of its model's size, and a line for each that it did not write.

    num_tokens: of the training corpus. A model without `model.depth` gets the tokens alone, and those only where
    `train.tokens_per_parameter` is written.
    """
    settings, depth = recipe.train, recipe.model.depth
    sizes: dict[str, Any] = {}
    lines: list[str] = []
    config = recipe.config(vocab_size)
    length = config.sequence_length
    ratio = settings.tokens_per_parameter or TOKENS_PER_PARAMETER
    if settings.max_tokens is None and (depth is not None or settings.tokens_per_parameter is not None):
        weights = scaled_weights(config)
        wanted, most = int(ratio * weights), MOST_EPOCHS * (num_tokens - 1)
        sizes["max_tokens"] = max(min(wanted, most), 1)
        why = f"{ratio:g} for each of {weights:,} weights of matrices and head"
        if wanted > most:
            why = f"{MOST_EPOCHS} times through the corpus; {why} would be {wanted:,}"
        lines.append(f"train.max_tokens (not set) -> {sizes['max_tokens']:,}: {why}")
    is_written = "batch_tokens" in settings.model_fields_set or settings.batch_schedule is not None
    if depth is not None and not is_written:
        tokens = settings.max_tokens or sizes["max_tokens"]
        batch = 2 ** round(math.log2(_BATCH * (tokens / (ratio * _reference_weights(vocab_size))) ** _POWER))
        why = f"depth {depth}, {tokens:,} tokens"
        if tokens // batch < WANTED_STEPS:
            why += f", smaller towards {WANTED_STEPS} steps"
        while tokens // batch < WANTED_STEPS and batch > FEWEST_SEQUENCES * length:
            batch //= 2
        sizes["batch_tokens"] = max(1, min(round(batch / length), tokens // length)) * length
        lines.append(f"train.batch_tokens (not set) -> {sizes['batch_tokens']:,}: {why}")
    return _with(recipe, sizes), lines


def scale_rates(recipe: TrainRecipe, vocab_size: int) -> tuple[TrainRecipe, list[str]]:
    """The recipe of a model with a depth, whose sizes are settled, with the rates that belong to them; lines as above.

    Raises `UserError` where a key that is written does not fit to Muon, which is the optimizer if none is written.
    """
    settings = recipe.train
    if recipe.model.depth is None or settings.max_tokens is None:
        return recipe, []
    batch, num_steps = settings.batch_tokens, settings.batches.steps_within(settings.max_tokens)
    scale = math.sqrt(batch / _BATCH)
    values = dict(_CONSTANTS)
    reasons = {}
    if "warmup_fraction" not in settings.model_fields_set:
        warmup_steps = min(_WARMUP_STEPS, num_steps // 5)
        values["warmup_tokens"] = settings.batches.tokens_before(warmup_steps)
        reasons["warmup_tokens"] = f"{warmup_steps} of {num_steps:,} steps"
    if "optimizer" not in settings.model_fields_set or settings.optimizer == "muon":
        # Of N and not of D, which may be that of a corpus far too small: the decay would grow without bound.
        share = _reference_weights(vocab_size) / scaled_weights(recipe.config(vocab_size))
        values |= {"learning_rate": _rounded(_RATE * scale), "weight_decay": _rounded(_DECAY * scale * share)}
        values["weight_decay_schedule"] = "cosine"
        reasons["learning_rate"] = f"{_RATE:g} sqrt({batch:,} / {_BATCH:,})"
        reasons["weight_decay"] = f"{_DECAY:g} sqrt({batch:,} / {_BATCH:,}) times N_12 / N, {share:.3g}"
        table = _MUON | {"momentum_warmup_steps": min(_MOMENTUM_STEPS, num_steps // 3)}
        written = {} if settings.muon is None else settings.muon.model_dump(exclude_unset=True)
        values |= {f"muon.{key}": value for key, value in table.items() if key not in written}
    unwritten = {key: value for key, value in values.items() if key not in settings.model_fields_set}
    lines = [
        f"train.{key} (not set) -> {_shown(unwritten[key])}: {why}" for key, why in reasons.items() if key in unwritten
    ]
    if others := [f"{key} {_shown(value)}" for key, value in unwritten.items() if key not in reasons]:
        lines.append(f"train (not set) -> {', '.join(others)}: depth {recipe.model.depth}")
    return _with(recipe, unwritten), lines


def scaled_weights(config: GPTConfig) -> int:
    """N: the weights of hidden matrices and of the head, tied or not. No weights are made."""
    with torch.device("meta"):
        roles = by_role(GPT(config))
    return sum(weight.numel() for weight in roles["matrices"].values()) + config.vocab_size * config.width


def _reference_weights(vocab_size: int) -> int:
    return scaled_weights(preset("modern", vocab_size, depth=_DEPTH))


def _with(recipe: TrainRecipe, values: dict[str, Any]) -> TrainRecipe:
    """The recipe with values of [train], checked as if it had written them."""
    if not values:
        return recipe
    train = recipe.train.model_dump(exclude_unset=True)
    for key, value in values.items():
        table, _, name = key.rpartition(".")
        (train.setdefault(table, {}) if table else train)[name] = value
    return validate(TrainRecipe, recipe.model_dump(exclude_unset=True) | {"train": train}, recipe.name)


def _rounded(value: float) -> float:
    """Four digits are more than the rules know, and can be read."""
    return float(f"{value:.4g}")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
