"""Batches that change by a schedule: every step's place and size, and an order that loses no token and doubles none."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import UserError
from train.data.batches import Batches, Schedule, value_at
from train.data.loader import Loader
from train.optim.plan import make_plan
from train.settings import TrainSettings

SCHEDULES: list[Schedule] = [
    ((0, 8),),
    ((0, 8), (24, 16)),  # 24 tokens are three steps
    ((0, 8), (20, 16)),  # the third step begins at 16
    ((0, 16), (4, 8), (40, 32)),  # smaller, then larger
    ((0, 64), (8, 16), (16, 32), (64, 8)),  # the first batch jumps over all others but the last
    ((0, 8), (8, 24), (56, 40)),  # 24 and 40 have 8 in common
    ((0, 8), (10**12, 10**9)),
]


@st.composite
def schedules(draw: st.DrawFn, unit: int = 1) -> Schedule:
    """Up to four batches of up to nine units, from positions that are no multiples of anything."""
    gaps = draw(st.lists(st.integers(1, 60 * unit), max_size=3))
    sizes = draw(st.lists(st.integers(1, 9), min_size=len(gaps) + 1, max_size=len(gaps) + 1))
    positions = itertools.accumulate(gaps, initial=0)
    return tuple((position, size * unit) for position, size in zip(positions, sizes, strict=True))


def counted(schedule: Schedule, num_steps: int) -> list[tuple[int, int]]:
    """Tokens before each step and its batch, counted step by step."""
    found, tokens = [], 0
    for _ in range(num_steps):
        size = [size for position, size in schedule if position <= tokens][-1]
        found.append((tokens, size))
        tokens += size
    return found


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_steps_of_a_schedule(schedule: Schedule) -> None:
    batches = Batches(schedule)
    assert [(batches.tokens_before(step), batches.size(step)) for step in range(40)] == counted(schedule, 40)


def test_steps_that_are_far() -> None:
    batches = Batches(((0, 8), (10**12, 10**9)))
    assert batches.size(10**12 // 8 - 1) == 8
    assert batches.size(10**12 // 8) == 10**9
    assert batches.tokens_before(10**12 // 8 + 3) == 10**12 + 3 * 10**9
    assert batches.steps_within(10**12 + 10**9 - 1) == 10**12 // 8
    assert batches.steps_reaching(10**12 + 1) == 10**12 // 8 + 1


@given(schedule=schedules(), num_steps=st.integers(1, 80))
def test_steps_and_tokens_of_any_schedule(schedule: Schedule, num_steps: int) -> None:
    batches, steps = Batches(schedule), counted(schedule, num_steps)
    assert [(batches.tokens_before(step), batches.size(step)) for step in range(num_steps)] == steps
    for step, (tokens, size) in enumerate(steps):
        assert [batches.steps_within(tokens + more) for more in range(size)] == [step] * size
        assert batches.steps_reaching(tokens) == step
        assert [batches.steps_reaching(tokens + more) for more in range(1, size + 1)] == [step + 1] * size


def test_value_at_a_position() -> None:
    assert [value_at(((0, 3), (5, 7), (9, 1)), tokens) for tokens in (0, 4, 5, 8, 9, 10**9)] == [3, 3, 7, 7, 1, 1]


class Positions:
    """Shards whose tokens are their own positions."""

    folder = SimpleNamespace(url="shards")

    def __init__(self, num_tokens: int) -> None:
        self.num_tokens = num_tokens

    def read(self, start: int, length: int) -> npt.NDArray[np.int64]:
        assert start >= 0
        assert start + length <= self.num_tokens
        return np.arange(start, start + length)


def loader(num_tokens: int, schedule: Schedule, length: int, **options: int) -> Loader:
    shards: Any = Positions(num_tokens)
    return Loader(shards, Batches(schedule), length, **options)


@given(data=st.data(), length=st.integers(1, 5), num_epochs=st.integers(1, 4), seed=st.integers(0, 99))
def test_all_steps_tile_every_epoch(data: st.DataObject, length: int, num_epochs: int, seed: int) -> None:
    schedule = data.draw(schedules(length))
    most = max(size for _, size in schedule)
    num_tokens = data.draw(st.integers(most + 1, most + 200))
    one = loader(num_tokens, schedule, length, seed=seed)
    per_epoch = one.tokens_per_epoch
    assert num_tokens - 1 - per_epoch < np.gcd.reduce([size for _, size in schedule])  # what no epoch reads
    read: list[int] = []
    step = 0
    while len(read) < num_epochs * per_epoch:
        tokens, targets = one.batch(step)
        assert tokens.shape == targets.shape == (one.batch_sequences(step), length)
        assert torch.equal(targets, tokens + 1)
        assert torch.equal(tokens, tokens[:, :1] + torch.arange(length))
        read += tokens.flatten().tolist()
        step += 1
    assert read[:per_epoch] == list(range(per_epoch))  # the order on disk
    for epoch in range(1, num_epochs):
        part = sorted(read[epoch * per_epoch : (epoch + 1) * per_epoch])
        assert part == list(range(part[0], part[0] + per_epoch))


@given(data=st.data(), num_ranks=st.integers(1, 4))
def test_ranks_share_batches_that_change(data: st.DataObject, num_ranks: int) -> None:
    schedule = tuple((position, size + 3 * 2) for position, size in data.draw(schedules(2)))
    alone = loader(300, schedule, 2, seed=3)
    ranks = [loader(300, schedule, 2, seed=3, rank=rank, num_ranks=num_ranks) for rank in range(num_ranks)]
    for step in (0, 1, 2, 7, 30, 60):
        parts = [rank.batch(step)[0] for rank in ranks]
        assert torch.equal(torch.cat(parts), alone.batch(step)[0])
        assert [len(part) for part in parts] == [rank.rank_sequences(step) for rank in ranks]


def test_a_schedule_of_one_batch_is_that_batch() -> None:
    constant, same = loader(1000, ((0, 24),), 8, seed=1), loader(1000, ((0, 24), (48, 24)), 8, seed=1)
    for step in range(120):
        assert np.array_equal(constant.starts(step), same.starts(step))


def test_the_smallest_batch_feeds_all_ranks_and_the_largest_fits() -> None:
    with pytest.raises(UserError, match=r"a batch of 2 sequences cannot feed 3 ranks: raise train.batch_schedule or"):
        loader(1000, ((0, 32), (64, 16)), 8, num_ranks=3)
    with pytest.raises(UserError, match=r"1000 training tokens do not fill one batch of 1000 .*train.batch_schedule"):
        loader(1000, ((0, 8), (64, 1000)), 8)


@pytest.mark.parametrize(
    ("options", "num_steps", "warmup_steps", "num_tokens"),
    [
        ({"warmup_tokens": 1000}, 8, 4, 3584),  # once through 4,100 tokens
        ({"warmup_tokens": 1025}, 8, 5, 3584),
        ({"warmup_tokens": 0, "max_tokens": 1535}, 4, 0, 1024),
        ({"warmup_tokens": 10**9, "max_tokens": 1536}, 5, 5, 1536),
        ({"warmup_fraction": 0.5, "max_tokens": 3583}, 7, 4, 2560),
        ({"max_tokens": 256}, 1, 1, 256),
    ],
)
def test_the_plan_of_a_schedule(options: dict[str, Any], num_steps: int, warmup_steps: int, num_tokens: int) -> None:
    """Four steps of 256 tokens, then three of 512 (1,024 to 2,560), then of 1,024."""
    schedule = ((0, 256), (1000, 512), (2500, 1024))
    plan = make_plan(TrainSettings(sequence_length=32, batch_schedule=schedule, **options), 4100)
    assert (plan.num_steps, plan.warmup_steps, plan.num_tokens) == (num_steps, warmup_steps, num_tokens)


def test_a_run_shorter_than_its_first_batch_is_refused() -> None:
    settings = TrainSettings(sequence_length=32, batch_schedule=((0, 256), (1000, 512)), max_tokens=255)
    with pytest.raises(UserError, match=r"max_tokens 255 is less than one batch of 256: .* lower train.batch_schedule"):
        make_plan(settings, 4100)
