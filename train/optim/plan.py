"""The length of a run in steps, and whether a run that has begun can be given another."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from manifests.errors import UserError
from train.data.batches import Batches
from train.optim import schedule
from train.settings import TrainSettings


@dataclass(frozen=True)
class StepValues:
    """What the schedules say of one step: fractions of the peaks of rate and weight decay, and Muon's momentum."""

    learning_rate: float
    weight_decay: float
    momentum: float | None


@dataclass(frozen=True)
class Plan:
    """A run's size in steps, and the batch of each.

    Learning rates go by steps, under a schedule of the batch too: fractions are of the steps, and a warm-up that is
    given in tokens lasts until they are done. The batch alone changes; no rate is scaled with it.
    """

    num_steps: int
    warmup_steps: int
    batches: Batches

    @property
    def num_tokens(self) -> int:
        """Tokens of the whole run."""
        return self.batches.tokens_before(self.num_steps)


def make_plan(settings: TrainSettings, tokens_per_epoch: int) -> Plan:
    """The plan that the settings ask for. Raises `UserError` where it has not one step, or ends before its windows."""
    batches = settings.batches
    num_steps = batches.steps_within(tokens_per_epoch if settings.max_tokens is None else settings.max_tokens)
    if num_steps < 1:
        raise UserError(
            f"train.max_tokens {settings.max_tokens} is less than one batch of {batches.size(0)}: raise it, or lower "
            f"train.{batches.key}."
        )
    if settings.warmup_tokens is None:
        warmup_steps = math.ceil(settings.warmup_fraction * num_steps)
    else:
        warmup_steps = batches.steps_reaching(settings.warmup_tokens)
    _check_last_window(settings, batches.tokens_before(num_steps - 1))
    return Plan(num_steps, min(warmup_steps, num_steps), batches)


def _check_last_window(settings: TrainSettings, tokens: int) -> None:
    """Raises `UserError` where the last step, which begins after so many tokens, has not the model's own window."""
    if settings.window_schedule is not None and (begins := settings.window_schedule[-1][0]) > tokens:
        raise UserError(
            f"train.window_schedule: its last window, that of the model, begins at {begins:,} tokens, and this run's "
            f"last step at {tokens:,}: the model would be used with a window that it never learned with. Let the "
            "window begin earlier, or raise train.max_tokens."
        )


def learning_rate_fraction(settings: TrainSettings, plan: Plan, step: int) -> float:
    """The learning rate of a step (counted from 0), as a fraction of its peak."""
    return schedule.multiplier(
        settings.schedule,
        step,
        plan.num_steps,
        plan.warmup_steps,
        settings.min_learning_rate_fraction,
        settings.decay_fraction,
    )


def step_values(settings: TrainSettings, plan: Plan, step: int) -> StepValues:
    """The values of a step (counted from 0)."""
    momentum, muon = None, settings.muon
    if muon is not None:
        decayed = 0.0
        if settings.schedule == "constant_decay":
            decayed = schedule.decay_progress(step, plan.num_steps, plan.warmup_steps, settings.decay_fraction)
        momentum = schedule.momentum(
            step, muon.momentum_warmup_steps, muon.momentum_start, muon.momentum, muon.momentum_end, decayed
        )
    return StepValues(
        learning_rate_fraction(settings, plan, step),
        schedule.weight_decay(settings.weight_decay_schedule, step, plan.num_steps),
        momentum,
    )


def change_length(settings: TrainSettings, old: Plan, new: Plan, step: int) -> Plan:
    """The plan of a run of which `step` steps are done by an old plan and that is to have the length of a new one.

    The warm-up stays what it was. The steps that are done must have had the rates, weight decays and momenta of the new
    plan, so that the run ends as if it had been this long from its beginning: "constant_decay" allows that before its
    decay, and a "cosine" or a "linear" weight decay do not. Raises `UserError` with what to do.
    """
    if new.num_steps == old.num_steps:
        return old
    new = replace(new, warmup_steps=min(old.warmup_steps, new.num_steps))
    what = f"train.max_tokens asks for {new.num_steps:,} steps in place of {old.num_steps:,}"
    anew = "train anew with --restart, or in another folder with --run"
    if step > new.num_steps:
        raise UserError(
            f"{what}, and {step:,} are done. Set it to {new.batches.tokens_before(step)} or more, or {anew}."
        )
    values = ([step_values(settings, plan, done) for plan in (old, new)] for done in range(step))
    same_until, changed = next(
        (
            (done, before.weight_decay != after.weight_decay)
            for done, (before, after) in enumerate(values)
            if before != after
        ),
        (step, False),
    )
    if same_until == step:
        return new
    if changed:
        raise UserError(
            f"{what}, and the weight decay of the {step:,} steps that are done was made for that length. Undo the "
            f'change, or {anew}; with train.weight_decay_schedule = "constant" a run can be lengthened.'
        )
    if settings.schedule == "cosine":
        raise UserError(
            f"{what}, and the cosine of the {step:,} steps that are done was made for that length. Undo the change, or "
            f'{anew}; with train.schedule = "constant_decay" a run can be lengthened until its decay begins.'
        )
    raise UserError(
        f"{what}, and the schedule of the {step:,} steps that are done follows the new length only up to step "
        f"{same_until:,}: the decay comes after it. Undo the change, delete the checkpoints after step {same_until:,} "
        f"if there is one before it, or {anew}."
    )
