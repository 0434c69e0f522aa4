"""A model that learns: it, its optimizer, and one step of both, on one rank."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from manifests.draws import draw
from model import GPT
from model.gpt import IGNORED_TARGET
from train.data.batches import value_at
from train.data.prefetch import Prefetched
from train.objectives.base import Objective
from train.optim.optimizer import build_optimizer, set_step
from train.optim.plan import Plan, step_values
from train.parallel.activations import prepare_model
from train.parallel.hardware import Hardware, find_hardware, micro_batch_sequences
from train.parallel.ranks import Ranks
from train.run.pauses import Pauses
from train.settings import TrainRecipe


@dataclass(frozen=True)
class Gradient:
    """What a batch gives: the mean loss of its targets in nats, and the norm of the gradient before it is clipped.

    learning_rate: of the step, where a role has no other. loss_by_source, tokens_by_source: mean loss and number of
    targets of each source, where the shards have several. stop: a rank was told to stop.
    """

    loss: float
    norm: float
    learning_rate: float
    stop: bool
    loss_by_source: dict[str, float]
    tokens_by_source: dict[str, int]


class Learner:
    """The model of a run and its optimizer, on one rank. A step is `find_gradient`, then `apply` or `discard`."""

    def __init__(self, recipe: TrainRecipe, plan: Plan, objective: Objective, ranks: Ranks, pauses: Pauses) -> None:
        self.recipe, self.settings, self.plan = recipe, recipe.train, plan
        self.objective, self.loader, self.ranks, self.pauses = objective, objective.loader, ranks, pauses
        self.hardware: Hardware = find_hardware(self.settings.precision, ranks.local_rank)
        self.batches = Prefetched(self.loader, plan.num_steps, self.hardware.device)
        torch.manual_seed(draw("weights", recipe.seed))
        self.model = GPT(objective.model_config).to(self.hardware.device)
        self.optimizer = build_optimizer(self.model, self.settings)
        prepare_model(self.model, self.settings, self.hardware)
        self.parallel_model = ranks.parallel(self.model)
        # Ranks may differ by a sequence in training; in validation they must cut the split in the same way.
        largest = max(plan.batches.sizes) // objective.model_config.sequence_length
        self.validation_batch = self._micro_batch(largest)
        self.micro_batch = self._micro_batch(self.loader.rank_sequences(plan.num_steps - 1))

    def _micro_batch(self, sequences: int) -> int:
        """How many of a batch's sequences pass through the model at once; a schedule may change the batch."""
        settings, config = self.settings, self.objective.model_config
        setting, checkpointing = settings.micro_batch_sequences, settings.activation_checkpointing
        return micro_batch_sequences(setting, config, sequences, self.hardware, checkpointing)

    def find_gradient(self, step: int, stop: bool, learning_rate_factor: float = 1.0) -> Gradient:
        """Compute the gradient of a step (counted from 0), and set the optimizer to the values of that step.

        Losses are divided by the targets that count in the whole batch, over all micro-batches and ranks. stop: this
        rank was told to. learning_rate_factor: of all rates, besides the schedule.
        """
        settings, ranks, device = self.settings, self.ranks, self.hardware.device
        # Dropout draws from here: a generator per (step, rank) leaves no state to save.
        torch.manual_seed(draw("step", self.recipe.seed, step, ranks.rank))
        values = step_values(settings, self.plan, step)
        values = replace(values, learning_rate=values.learning_rate * learning_rate_factor)
        set_step(self.optimizer, values)
        if settings.window_schedule is not None:
            self.model.set_window(value_at(settings.window_schedule, self.plan.batches.tokens_before(step)))
        with self.pauses.of("data"):
            tokens, targets, sources = self.batches.batch(step)
        count = ranks.sum((targets != IGNORED_TARGET).sum().double()).clamp(min=1)
        # The gradients of the ranks are averaged, while their shares of the loss must be added.
        scale = ranks.num_ranks / count.float()
        loss_sum = torch.zeros((), device=device)
        by_source = torch.zeros(2, len(self.loader.source_names), dtype=torch.float64, device=device)
        micro_batch = self._micro_batch(len(tokens))
        for first in range(0, len(tokens), micro_batch):
            part = slice(first, first + micro_batch)
            is_last = first + micro_batch >= len(tokens)
            with ranks.synchronise(self.parallel_model, now=is_last):
                with self.hardware.precision():
                    part_sum, each = self.objective.loss(self.parallel_model, tokens[part], targets[part])
                (part_sum * scale).backward()
            loss_sum += part_sum.detach()
            if sources is not None:
                _add_by_source(by_source, sources[part], each, targets[part])
        clip = settings.gradient_clip or math.inf
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), clip)
        # A signal that one rank got stops all of them at the same step, and all judge a step by the first one's norm.
        stopped = torch.tensor([stop], dtype=torch.float64, device=device)
        norm = norm.double() if ranks.is_first else torch.zeros_like(stopped[0])
        sums = ranks.sum(torch.cat([torch.stack([norm, loss_sum.double()]), stopped, by_source.flatten()]))
        sums[1] /= count
        norm_value, loss, num_stopped, *by_source_values = sums.tolist()
        rate = settings.learning_rate * values.learning_rate
        return Gradient(loss, norm_value, rate, num_stopped > 0, *self._sources(by_source_values))

    def _sources(self, flat: list[float]) -> tuple[dict[str, float], dict[str, int]]:
        names = self.loader.source_names
        counts = {name: int(count) for name, count in zip(names, flat[len(names) :], strict=True) if count}
        sums = dict(zip(names, flat, strict=False))
        return {name: sums[name] / count for name, count in counts.items()}, counts

    def apply(self) -> None:
        """Step the optimizer with the gradient that was found."""
        self.optimizer.step()
        self.discard()

    def discard(self) -> None:
        """Forget the gradient: weights, moments and counters stay as they are."""
        self.optimizer.zero_grad(set_to_none=True)


def _add_by_source(
    sums: torch.Tensor, sources_BT: torch.Tensor, losses_BT: torch.Tensor, targets_BT: torch.Tensor
) -> None:
    """Add the losses and the number of targets that count to `sums`, (2, sources)."""
    numbers = sources_BT.flatten()
    sums[0].index_add_(0, numbers, losses_BT.flatten().double())
    sums[1].index_add_(0, numbers, (targets_BT != IGNORED_TARGET).flatten().double())
