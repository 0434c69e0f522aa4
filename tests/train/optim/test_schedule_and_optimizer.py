"""Learning rates, weight decays and momenta of single steps."""

from __future__ import annotations

import itertools

import pytest

from manifests.errors import UserError
from train.data.batches import Batches
from train.optim import schedule
from train.optim.plan import Plan, StepValues, change_length, step_values
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


def _plan(num_steps: int) -> Plan:
    return Plan(num_steps, 4, Batches.of(16_384))


def test_weight_decays_fall_to_zero_over_the_run() -> None:
    assert [schedule.weight_decay("constant", step, 4) for step in range(4)] == [1.0] * 4
    assert [schedule.weight_decay("linear", step, 4) for step in range(5)] == [1.0, 0.75, 0.5, 0.25, 0.0]
    cosine = [schedule.weight_decay("cosine", step, 4) for step in range(5)]
    assert cosine == pytest.approx([1.0, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2, 0.0])
    with pytest.raises(ValueError, match="'constant', 'cosine' and 'linear'"):
        schedule.weight_decay("sine", 0, 4)


def test_momentum_rises_over_its_warmup_and_falls_with_the_rate() -> None:
    muon = {"momentum": 0.95, "momentum_start": 0.85, "momentum_warmup_steps": 10, "momentum_end": 0.9}
    tables = {"optimizer": "muon", "muon": muon, "decay_fraction": 0.5, "min_learning_rate_fraction": 0.0}
    settings = TrainSettings.model_validate(tables | {"schedule": "constant_decay"})
    values = [step_values(settings, _plan(100), step) for step in range(100)]
    assert [values[step].momentum for step in (0, 5, 10, 49)] == pytest.approx([0.85, 0.9, 0.95, 0.95])
    assert [values[step].momentum for step in (74, 99)] == pytest.approx([0.925, 0.9])
    assert [values[step].learning_rate for step in (0, 3, 49, 74, 99)] == pytest.approx([0.25, 1, 1, 0.5, 0])
    cosine = TrainSettings.model_validate(tables | {"schedule": "cosine"})
    assert step_values(cosine, _plan(100), 99).momentum == 0.95  # it has no decay to go along with
    none = TrainSettings.model_validate(tables | {"muon": muon | {"momentum_warmup_steps": 0}})
    assert step_values(none, _plan(100), 0).momentum == 0.95


def test_a_warmup_that_the_decay_begins_in_ends_at_the_end_all_the_same() -> None:
    momenta = [schedule.momentum(step, 300, 0.85, 0.95, 0.9, step / 99) for step in range(100)]
    assert momenta[99] == pytest.approx(0.9)
    assert all(0.85 <= momentum <= 0.95 for momentum in momenta)


def test_adamw_has_no_momentum_and_a_constant_decay() -> None:
    values = step_values(TrainSettings(), _plan(100), 50)
    assert (values.weight_decay, values.momentum) == (1.0, None)
    assert isinstance(values, StepValues)


@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_a_decay_made_for_the_length_refuses_another_by_name(name: str) -> None:
    settings = TrainSettings.model_validate({"schedule": "constant_decay", "weight_decay_schedule": name})
    assert change_length(settings, _plan(100), _plan(200), 1) == _plan(200)  # the first step has all of it
    with pytest.raises(UserError, match=r'the weight decay of the 2 steps.*train\.weight_decay_schedule = "constant"'):
        change_length(settings, _plan(100), _plan(200), 2)


def test_a_run_with_muon_can_be_lengthened_until_its_momentum_falls() -> None:
    tables = {"optimizer": "muon", "schedule": "constant_decay", "decay_fraction": 0.5}
    settings = TrainSettings.model_validate(tables)
    assert change_length(settings, _plan(100), _plan(200), 50) == _plan(200)
    with pytest.raises(UserError, match="only up to step 50"):
        change_length(settings, _plan(100), _plan(200), 51)
    flat = TrainSettings.model_validate(tables | {"min_learning_rate_fraction": 1.0})
    with pytest.raises(UserError, match="only up to step 50"):  # the rate stays, the momentum does not
        change_length(flat, _plan(100), _plan(200), 60)
