"""The length of a run in steps, the values of its schedules, and what becomes of them when it goes on otherwise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

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

    A run that goes on with other settings begins a new segment: `first_step` steps were done before it, the last of
    them at the learning rate `rate_before`. The schedules are those of the whole run under the segment's settings, as
    if it had had them from the beginning; where that rate is above the one that the run had, it is warmed up to again.
    """

    num_steps: int
    warmup_steps: int
    batches: Batches
    first_step: int = 0
    rate_before: float = 0.0
    earlier: tuple[tuple[int, int, int, float], ...] = ()
    """The segments before: steps of the whole, of the warm-up and before it, and the rate before it."""

    @property
    def num_tokens(self) -> int:
        """Tokens of the whole run."""
        return self.batches.tokens_before(self.num_steps)

    @classmethod
    def of_run(cls, config: dict[str, Any]) -> Plan:
        """The plan of the run that a `config.toml` describes."""
        plan = config["plan"]
        earlier = tuple((int(a), int(b), int(c), float(d)) for a, b, c, d in plan.get("earlier", ()))
        first_step, rate_before = int(plan.get("first_step", 0)), float(plan.get("rate_before", 0))
        batches = Batches.of_run(config)
        return cls(int(plan["num_steps"]), int(plan["warmup_steps"]), batches, first_step, rate_before, earlier)

    def recorded(self, settings: TrainSettings) -> dict[str, Any]:
        """What `config.toml` has of it beside the settings."""
        plan: dict[str, Any] = {"num_steps": self.num_steps, "warmup_steps": self.warmup_steps}
        if self.first_step:
            plan |= {"first_step": self.first_step, "rate_before": self.rate_before}
            plan["earlier"] = [list(segment) for segment in self.earlier]
        if self.batches != settings.batches:
            plan["batches"] = [list(entry) for entry in self.batches.schedule]
            plan["epoch_tokens"] = self.batches.epoch_tokens
        return plan

    def until(self, step: int) -> Plan:
        """The plan that step `step` was done by: without the segments that begin there or later."""
        segments = [*self.earlier, (self.num_steps, self.warmup_steps, self.first_step, self.rate_before)]
        while len(segments) > 1 and segments[-1][2] >= step:
            segments.pop()
        num_steps, warmup_steps, first_step, rate_before = segments.pop()
        return Plan(num_steps, warmup_steps, self.batches, first_step, rate_before, tuple(segments))

    def followed_by(self, new: Plan, step: int, rate_before: float) -> Plan:
        """The plan of a new segment after `step` steps, the last of which had the rate `rate_before`."""
        earlier = (*self.earlier, (self.num_steps, self.warmup_steps, self.first_step, self.rate_before))
        return replace(new, first_step=step, rate_before=rate_before, earlier=earlier)


def make_plan(settings: TrainSettings, tokens_per_epoch: int, batches: Batches | None = None) -> Plan:
    """The plan that the settings ask for, with other batches than theirs where a run has had others.

    Raises `UserError` where it has not one step, or ends before its windows.
    """
    batches = batches or settings.batches
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
    """The learning rate of a step (counted from 0), as a fraction of its peak.

    Where a new segment's schedule lies above the rate that the run had, the rate goes up to it in a straight line over
    as many steps as a warm-up has ("re-warming": Ibrahim et al., 2024, arXiv:2403.08763).
    """
    scheduled, first = _scheduled(settings, plan, step), plan.first_step
    if not is_warmed_again(settings, plan) or step >= first + plan.warmup_steps:
        return scheduled
    num_steps = min(plan.warmup_steps, plan.num_steps - first)
    before = plan.rate_before / settings.learning_rate
    top = max(before, _scheduled(settings, plan, first + num_steps - 1))
    return min(scheduled, before + (top - before) * max(0, step + 1 - first) / num_steps)


def is_warmed_again(settings: TrainSettings, plan: Plan) -> bool:
    """Whether the rate of the step before a segment was below what the segment's schedule has there."""
    first = plan.first_step
    return first > 0 and settings.learning_rate * _scheduled(settings, plan, first - 1) > plan.rate_before


def describe_rates(settings: TrainSettings, plan: Plan) -> str:
    """One line on the learning rate of a new segment: from where, to where, in how many steps, and its end."""
    rates = [
        settings.learning_rate * learning_rate_fraction(settings, plan, step)
        for step in (plan.first_step, plan.first_step + plan.warmup_steps - 1, plan.num_steps - 1)
        if step < plan.num_steps
    ]
    way = f"{rates[0]:.3g} at the next"
    if is_warmed_again(settings, plan) and plan.warmup_steps > 1 and len(rates) == 3:
        way = f"up to {rates[1]:.3g} in {plan.warmup_steps:,} steps of warm-up"
    return (
        f"learning rate: {plan.rate_before:.3g} at step {plan.first_step:,}; {way}, and {rates[-1]:.3g} at the end, "
        f"step {plan.num_steps:,}"
    )


def _scheduled(settings: TrainSettings, plan: Plan, step: int) -> float:
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
    """The plan of a segment of which `step` steps are done by an old plan and that is to have the length of a new one.

    The warm-up stays what it was. The steps that are done must have had the rates, weight decays and momenta of the new
    plan, so that the run ends as if it had been this long from its beginning: "constant_decay" allows that before its
    decay, and a "cosine" or a "linear" weight decay do not. Raises `UserError` with what to do.
    """
    if new.num_steps == old.num_steps:
        return replace(old, batches=new.batches)
    warmup_steps = min(old.warmup_steps, new.num_steps)
    new = replace(old, num_steps=new.num_steps, warmup_steps=warmup_steps, batches=new.batches)
    what = f"train.max_tokens asks for {new.num_steps:,} steps in place of {old.num_steps:,}"
    anew = "train anew with --restart, or in another folder with --run"
    if step > new.num_steps:
        raise UserError(
            f"{what}, and {step:,} are done. Set it to {new.batches.tokens_before(step)} or more, or {anew}."
        )
    values = ([step_values(settings, plan, done) for plan in (old, new)] for done in range(old.first_step, step))
    same_until, changed = next(
        (
            (done, before.weight_decay != after.weight_decay)
            for done, (before, after) in enumerate(values, old.first_step)
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
