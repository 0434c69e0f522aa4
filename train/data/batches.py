"""The batch of every step, and other values that a run's schedules give by the tokens it has trained on."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

Schedule = tuple[tuple[int, int], ...]
"""Pairs (tokens, value): from so many trained tokens on, this value. The first begins at 0, the last one stays."""


def value_at(schedule: Schedule, tokens: int) -> int:
    """The value after so many trained tokens."""
    return schedule[bisect_right(schedule, tokens, key=lambda entry: entry[0]) - 1][1]


def check_schedule(schedule: Schedule) -> None:
    """Raises `ValueError` for a schedule that does not begin at 0 or does not go forward."""
    positions = [position for position, _ in schedule]
    if not positions:
        raise ValueError("it has no entries: write the first one, [0, ...], or leave the key out")
    if positions[0] != 0:
        raise ValueError(f"its first entry must begin at 0 tokens: put [0, ...] before {list(schedule[0])}")
    for before, after in itertools.pairwise(positions):
        if after <= before:
            raise ValueError(f"its entries must begin at ever more tokens, and {after} comes after {before}: sort them")
    if lowest := [list(entry) for entry in schedule if entry[1] < 1]:
        raise ValueError(f"its entry {lowest[0]} has the value {lowest[0][1]}; set it to 1 or more")


@dataclass(frozen=True)
class Batches:
    """Tokens of the batch of every step, counted from 0, from a schedule in tokens.

    A batch is never cut: a step has the batch of the entry that holds where the step begins, so the next entry takes
    effect with the first step that begins at its tokens or after them. All is whole-number arithmetic on the schedule:
    what a step reads is known without the steps before it.
    """

    schedule: Schedule
    epoch_tokens: int | None = None
    """An epoch has a multiple of so many tokens. Not set: of the greatest common divisor of all batches. A run whose
    batches are changed keeps that of its first ones, so that epochs stay what they were."""

    @classmethod
    def of(cls, batch_tokens: int, schedule: Schedule | None = None) -> Batches:
        """The batches of a recipe's `batch_tokens` and `batch_schedule`."""
        return cls(((0, batch_tokens),) if schedule is None else tuple((int(a), int(b)) for a, b in schedule))

    @classmethod
    def of_run(cls, config: dict[str, Any]) -> Batches:
        """The batches of the run that a `config.toml` describes, those of its done steps included."""
        plan, train = config.get("plan", {}), config["train"]
        if "batches" not in plan:
            return cls.of(int(train["batch_tokens"]), train.get("batch_schedule"))
        return replace(cls.of(0, plan["batches"]), epoch_tokens=plan.get("epoch_tokens"))

    @property
    def common(self) -> int:
        """Tokens that an epoch has a multiple of."""
        return self.epoch_tokens or math.gcd(*self.sizes)

    def followed_by(self, other: Batches, step: int) -> Batches:
        """These batches for the first `step` steps, and then those of another schedule."""
        done = self.tokens_before(step)
        entries = [entry for entry in self.schedule if entry[0] < done]
        entries += [(done, value_at(other.schedule, done)), *(entry for entry in other.schedule if entry[0] > done)]
        firsts = [entry for k, entry in enumerate(entries) if k == 0 or entry[1] != entries[k - 1][1]]
        joined = Batches(tuple(firsts))
        return joined if joined.common == self.common else replace(joined, epoch_tokens=self.common)

    @property
    def sizes(self) -> list[int]:
        """The tokens of all batches that the schedule names, in its order."""
        return [size for _, size in self.schedule]

    @property
    def key(self) -> str:
        """The setting that a batch stands in."""
        return "batch_tokens" if len(self.schedule) == 1 else "batch_schedule"

    @cached_property
    def _parts(self) -> list[tuple[int, int, int]]:
        """For each entry its first step, the tokens before it, and its batch. A part that a batch jumps has no step."""
        parts = []
        step = tokens = 0
        ends = [position for position, _ in self.schedule[1:]]
        for size, end in zip(self.sizes, [*ends, 0], strict=True):
            parts.append((step, tokens, size))
            num_steps = max(0, -(-(end - tokens) // size))
            step, tokens = step + num_steps, tokens + num_steps * size
        return parts

    def size(self, step: int) -> int:
        """Tokens of the batch of a step."""
        return self._parts[bisect_right(self._parts, step, key=lambda part: part[0]) - 1][2]

    def tokens_before(self, step: int) -> int:
        """Tokens of all steps before a step: those that `step` finished steps have trained on."""
        first, tokens, size = self._parts[bisect_right(self._parts, step, key=lambda part: part[0]) - 1]
        return tokens + (step - first) * size

    def steps_within(self, tokens: int) -> int:
        """The most steps whose batches have no more than so many tokens together."""
        first, before, size = self._parts[bisect_right(self._parts, tokens, key=lambda part: part[1]) - 1]
        return first + (tokens - before) // size

    def steps_reaching(self, tokens: int) -> int:
        """The fewest steps whose batches have at least so many tokens together."""
        steps = self.steps_within(tokens)
        return steps + (self.tokens_before(steps) < tokens)
