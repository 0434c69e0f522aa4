"""Learning rates of single steps, and which weights decay."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from train.optim import schedule
from train.optim.optimizer import build_optimizer, decay_groups, set_learning_rate
from train.settings import TrainSettings


def test_cosine_values() -> None:
    values = [schedule.cosine(step, 101, 0, 0.1) for step in range(101)]
    assert values[0] == 1.0
    assert values[-1] == pytest.approx(0.1)
    warmed = [schedule.cosine(step, 110, 10, 0.0) for step in range(110)]
    assert warmed[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert warmed[9] == 1.0
    assert warmed[59] == pytest.approx(0.5)  # half way from step 9 to step 109
    assert warmed[109] == pytest.approx(0.0)
    assert all(later < earlier for earlier, later in itertools.pairwise(warmed[9:]))


def test_constant_decay_values() -> None:
    values = [schedule.constant_decay(step, 100, 5, 0.1, 0.2) for step in range(100)]
    assert values[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert values[5:80] == [1.0] * 75
    assert values[80] == pytest.approx(1.0 - 0.9 / 20)
    assert values[99] == pytest.approx(0.1)
    assert schedule.constant_decay(99, 100, 0, 0.1, 0.0) == 1.0


@pytest.mark.parametrize("name", ["cosine", "constant_decay"])
@pytest.mark.parametrize(("num_steps", "warmup_steps"), [(1, 0), (1, 1), (2, 1), (3, 3), (10, 9)])
def test_short_runs_stay_inside_the_bounds(name: str, num_steps: int, warmup_steps: int) -> None:
    for step in range(num_steps):
        assert 0.1 <= schedule.multiplier(name, step, num_steps, warmup_steps, 0.1, 0.5) <= 1.0


@pytest.mark.parametrize("name", ["cosine", "constant_decay"])
@pytest.mark.parametrize("num_steps", [1, 2, 3, 10, 1000])
@pytest.mark.parametrize("decay_fraction", [0.0, 0.2, 1.0])
def test_without_a_warmup_the_first_step_is_the_peak(name: str, num_steps: int, decay_fraction: float) -> None:
    rates = [schedule.multiplier(name, step, num_steps, 0, 0.1, decay_fraction) for step in range(num_steps)]
    assert rates[0] == 1.0
    assert rates == [schedule.multiplier(name, step, num_steps, 1, 0.1, decay_fraction) for step in range(num_steps)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates))
    if num_steps > 1 and (name == "cosine" or round(decay_fraction * num_steps) > 0):
        assert rates[-1] == pytest.approx(0.1)


def test_matrices_decay_and_vectors_do_not() -> None:
    model = nn.Sequential(nn.Embedding(7, 4), nn.LayerNorm(4), nn.Linear(4, 7))
    model[2].weight = model[0].weight
    decayed, plain = decay_groups(model, 0.1)
    assert (decayed["names"], decayed["weight_decay"]) == (["0.weight"], 0.1)
    assert (plain["names"], plain["weight_decay"]) == (["1.weight", "1.bias", "2.bias"], 0.0)


def test_only_decayed_weights_shrink_without_a_gradient() -> None:
    model = nn.Linear(3, 3)
    before = [parameter.detach().clone() for parameter in (model.weight, model.bias)]
    optimizer = build_optimizer(model, TrainSettings(learning_rate=1.0, weight_decay=0.5))
    set_learning_rate(optimizer, 0.1)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert torch.allclose(model.weight, before[0] * (1 - 0.1 * 0.5))
    assert torch.equal(model.bias, before[1])
