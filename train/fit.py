"""Fits the size of a run to a small corpus: sequence, batch and steps, from the number of its training tokens alone.

A recipe's numbers are kept where they work: a sequence and a batch that the corpus fills, and a length that is
written. A schedule of the batch is kept where the corpus fills its largest, and else gives way to its last batch, which
is fitted. Where one pass through the corpus has fewer than `SMALL_STEPS` steps, a batch that the recipe does not write
is made smaller. Where it writes no length and one pass has fewer than `FEW_STEPS` steps, the corpus is passed up to
`MOST_EPOCHS` times, until there are `WANTED_STEPS`. (Up to four times, repeated tokens are worth nearly as much as new
ones: Muennighoff et al. 2023, arXiv:2305.16264.)
"""

from __future__ import annotations

from typing import Any

from manifests.errors import UserError
from train.data.batches import Batches, Schedule
from train.settings import TrainRecipe

SMALL_STEPS = 50
FEW_STEPS = 100
WANTED_STEPS = 200
MOST_EPOCHS = 4
FEWEST_SEQUENCES = 4
"""Sequences of a batch that was made smaller, where the corpus has so many."""
FEWEST_TOKENS = 33
"""Tokens that are trained on at least: 32, and one more that is only a target."""


def fit(recipe: TrainRecipe, num_tokens: int, vocab_size: int, where: str) -> tuple[TrainRecipe, list[str]]:
    """The recipe with sizes that `num_tokens` training tokens can fill, and a line for each that is another.

    The answer depends on its arguments alone, not on ranks or devices, so that an interrupted run goes on.
    where: the folder of the shards. Raises `UserError` for a corpus too small for anything.
    """
    if num_tokens < FEWEST_TOKENS:
        raise UserError(
            f"{where}: {num_tokens:,} training tokens are too few to train on; at least {FEWEST_TOKENS} are needed. "
            "Add documents to the recipe's sources, or see with `groundup drops` where they went."
        )
    settings = recipe.train
    is_written = "batch_tokens" in settings.model_fields_set or settings.batch_schedule is not None
    num_targets = num_tokens - 1  # the last token is only ever a target
    wanted_length = recipe.config(vocab_size, where).sequence_length
    length = wanted_length if wanted_length <= num_targets else 1 << (num_targets.bit_length() - 1)
    most = num_targets if settings.max_tokens is None else min(num_targets, settings.max_tokens)
    batches, batch = settings.batches, settings.batch_tokens
    is_filled = all(size <= num_targets and size % length == 0 for size in batches.sizes)
    if not (is_written and is_filled) and num_targets < SMALL_STEPS * batch:
        sequences = max(min(FEWEST_SEQUENCES, num_targets // length), num_targets // (WANTED_STEPS * length))
        # A power of two, as batches mostly are; never above what was asked for.
        batch = min(length << (sequences.bit_length() - 1), max(batch // length, 1) * length)
    if not is_written and batch > most:
        batch = max(most // length, 1) * length
    sizes: dict[str, Any] = {}
    lines = []
    corpus = f"the corpus has {num_tokens:,} training tokens"
    if length != wanted_length:
        sizes["sequence_length"] = length
        lines.append(f"train.sequence_length {wanted_length:,} -> {length:,}: {corpus}")
    if settings.batch_schedule is not None and not is_filled:
        sizes["batch_schedule"] = None
        lines.append(f"train.batch_schedule {_shown(settings.batch_schedule)} -> (not set): {corpus}")
    if batch != settings.batch_tokens:
        sizes["batch_tokens"] = batch
        lines.append(f"train.batch_tokens {settings.batch_tokens:,} -> {batch:,}: {corpus}")
    if "batch_schedule" in sizes or settings.batch_schedule is None:
        batches = Batches.of(batch)
    num_steps = batches.steps_within(num_targets)
    if settings.max_tokens is None and num_steps < FEW_STEPS:
        once = batches.tokens_before(num_steps)
        longer = min(WANTED_STEPS, batches.steps_within(MOST_EPOCHS * once))
        sizes["max_tokens"] = batches.tokens_before(longer)
        lines.append(
            f"train.max_tokens (not set) -> {sizes['max_tokens']:,}: {longer} steps, "
            f"{sizes['max_tokens'] / once:.1f} times through the corpus"
        )
    if not sizes:
        return recipe, []
    return recipe.model_copy(update={"train": settings.model_copy(update=sizes)}), lines


def _shown(schedule: Schedule) -> str:
    return ", ".join(f"{size:,} from {tokens:,}" for tokens, size in schedule)
