"""What follows from a model's depth: nanochat's numbers where it has published them, and what a recipe writes."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest

from manifests.errors import UserError
from tests.train.builds import SMALL_TRAIN
from train.objectives.pretrain import pretrain
from train.optim.scaling import scale_rates, scaled_weights, settle
from train.settings import TrainRecipe, load_run

VOCAB_SIZE = 32_768  # nanochat's
LARGE = 10**12


def _recipe(depth: int | None, output: str = "out", **train: Any) -> TrainRecipe:
    model = {"preset": "modern"} | ({} if depth is None else {"depth": depth})
    return TrainRecipe.model_validate({"name": "test", "output": output, "model": model, "train": train})


def _scaled(recipe: TrainRecipe, num_tokens: int = LARGE) -> tuple[TrainRecipe, list[str]]:
    return settle(recipe, num_tokens, VOCAB_SIZE, "shards")


@pytest.mark.parametrize(
    ("depth", "weights", "batch"),
    # 12 d blocks of (64 d)^2 and a head of 64 d vocabulary; batches by the published power of the tokens.
    [
        (4, 11_534_336, 2**18),
        (8, 41_943_040, 2**18),
        (12, 110_100_480, 2**19),
        (20, 435_159_040, 2**20),
        (26, 918_421_504, 2**20),
    ],
)
def test_sizes_follow_from_the_depth(depth: int, weights: int, batch: int) -> None:
    width = 64 * depth
    assert scaled_weights(_recipe(depth).config(VOCAB_SIZE)) == 12 * depth * width**2 + VOCAB_SIZE * width == weights
    train = _scaled(_recipe(depth))[0].train
    assert (train.max_tokens, train.batch_tokens) == (int(10.5 * weights), batch)


def test_the_model_of_twelve_layers_has_the_published_values() -> None:
    train = _scaled(_recipe(12))[0].train
    assert (train.optimizer, train.learning_rate, train.weight_decay) == ("muon", 0.02, 0.28)
    assert (train.schedule, train.decay_fraction, train.min_learning_rate_fraction) == ("constant_decay", 0.65, 0.05)
    assert (train.weight_decay_schedule, train.gradient_clip, train.warmup_tokens) == ("cosine", 0.0, 40 * 2**19)
    assert train.muon is not None
    assert (train.muon.momentum, train.muon.momentum_start, train.muon.momentum_end) == (0.97, 0.85, 0.9)
    assert (train.muon.momentum_warmup_steps, train.muon.normuon_beta2) == (400, 0.9)
    assert train.muon.cautious_decay
    assert (train.muon.method, train.muon.iterations) == ("polar_express", 5)


@pytest.mark.parametrize("depth", [2, 4, 6, 20])
def test_rates_and_decay_follow_from_batch_and_size(depth: int) -> None:
    train = _scaled(_recipe(depth))[0].train
    scale = math.sqrt(train.batch_tokens / 2**19)
    assert train.learning_rate == pytest.approx(0.02 * scale, rel=1e-3)
    share = scaled_weights(_recipe(12).config(VOCAB_SIZE)) / scaled_weights(_recipe(depth).config(VOCAB_SIZE))
    assert train.weight_decay == pytest.approx(0.28 * scale * share, rel=1e-3)


@pytest.mark.parametrize("num_tokens", [3_000, 20_000, 300_000, 1_000_000, 30_000_000])
@pytest.mark.parametrize("depth", [1, 4, 12])
def test_a_small_corpus_is_passed_four_times_at_most_and_learns_in_bounds(depth: int, num_tokens: int) -> None:
    recipe, lines = _scaled(_recipe(depth), num_tokens)
    train = recipe.train
    assert train.max_tokens is not None
    assert train.max_tokens <= 4 * num_tokens
    num_steps = train.max_tokens // train.batch_tokens
    assert num_steps >= 200 or train.batch_tokens <= 4 * recipe.config(VOCAB_SIZE).sequence_length
    assert train.learning_rate == pytest.approx(0.02 * math.sqrt(train.batch_tokens / 2**19), rel=1e-3)
    assert train.learning_rate * train.weight_decay < 0.05  # of a weight, in a step
    assert train.warmup_tokens is not None
    assert train.warmup_tokens <= max(train.max_tokens // 5, 1)
    if num_tokens < 1_000_000:
        assert "4 times through the corpus" in lines[0]


def test_lines_say_what_was_not_written() -> None:
    lines = _scaled(_recipe(6))[1]
    assert lines[0] == (
        "train.max_tokens (not set) -> 243,597,312: 10.5 for each of 23,199,744 weights of matrices and head"
    )
    assert lines[1] == "train.batch_tokens (not set) -> 262,144: depth 6, 243,597,312 tokens"
    assert "train.learning_rate (not set) -> 0.01414: 0.02 sqrt(262,144 / 524,288)" in lines
    assert lines[-1].startswith('train (not set) -> optimizer "muon", schedule "constant_decay", decay_fraction 0.65')


@pytest.mark.parametrize(
    "written",
    [
        {"batch_tokens": 65_536},
        {"max_tokens": 65_536_000},
        {"learning_rate": 0.01},
        {"weight_decay": 0.0},
        {"schedule": "cosine"},
        {"gradient_clip": 1.0},
        {"warmup_tokens": 0},
        {"warmup_fraction": 0.1},
        {"optimizer": "adamw"},
        {"optimizer": "adamw", "betas": (0.8, 0.9)},
        {"tokens_per_parameter": 20.0},
        {"optimizer": "muon", "muon": {"momentum": 0.9}},
        {"head": {"learning_rate": 0.5}},
    ],
)
def test_what_is_written_stays(written: dict[str, Any]) -> None:
    recipe, lines = _scaled(_recipe(4, **written))
    for key, value in written.items():
        found: Any = getattr(recipe.train, key)
        if isinstance(value, dict):  # a table: the keys that are written
            found = {name: getattr(found, name) for name in value}
        assert found == value
        assert not any(line.startswith(f"train.{key} ") for line in lines)
    if "warmup_fraction" in written:
        assert recipe.train.warmup_tokens is None
    if written.get("optimizer") == "adamw":
        assert (recipe.train.learning_rate, recipe.train.muon) == (1e-3, None)
    if "muon" in written:
        assert recipe.train.muon is not None
        assert recipe.train.muon.normuon_beta2 == 0.9
    if "batch_tokens" in written:  # the others follow
        assert recipe.train.learning_rate == pytest.approx(0.02 * math.sqrt(1 / 8), rel=1e-3)
    if "tokens_per_parameter" in written:
        assert recipe.train.max_tokens == 20 * 11_534_336


@pytest.mark.parametrize(("max_tokens", "batch"), [(2_048, 2_048), (5_000, 4_096), (50_000, 8_192), (2_000_000, 8_192)])
def test_a_short_run_has_a_batch_that_fits(max_tokens: int, batch: int) -> None:
    assert _scaled(_recipe(4, max_tokens=max_tokens))[0].train.batch_tokens == batch


def test_betas_do_not_fit_to_the_optimizer_of_a_depth() -> None:
    with pytest.raises(UserError, match=r'betas has no effect with optimizer "muon".*set optimizer to "adamw"'):
        _scaled(_recipe(4, betas=(0.9, 0.99)))


def test_a_model_without_a_depth_is_left_alone() -> None:
    recipe = _recipe(None, batch_tokens=16_384)
    assert _scaled(recipe) == (recipe, [])


def test_tokens_per_parameter_hold_for_any_model() -> None:
    recipe, lines = _scaled(_recipe(None, tokens_per_parameter=2.0))
    assert recipe.train.max_tokens == 2 * 110_100_480
    assert (recipe.train.optimizer, recipe.train.batch_tokens, len(lines)) == ("adamw", 16_384, 1)


def test_a_run_records_the_values_and_goes_on_from_its_own_configuration(build: Path, tmp_path: Path) -> None:
    model = {"preset": "modern", "depth": 2, "width": 32, "num_heads": 2}
    train = {key: SMALL_TRAIN[key] for key in ("sequence_length", "precision", "validation_tokens", "sample_tokens")}
    tables = {"model": model, "train": train | {"max_tokens": 128 * 24, "batch_tokens": 128}}
    recipe = TrainRecipe.model_validate({"name": "test", "output": str(build), "seed": 1, **tables})
    pretrain(recipe, tmp_path, until_step=5)
    config = tomllib.loads((tmp_path / "config.toml").read_text())
    assert config["train"]["optimizer"] == "muon"
    assert config["train"]["learning_rate"] == pytest.approx(0.02 * math.sqrt(128 / 2**19), rel=1e-3)
    assert config["train"]["muon"]["momentum_warmup_steps"] == 8
    assert config["resolved_roles"]["embeddings"]["betas"] == [0.8, 0.995]
    again = load_run(tmp_path / "config.toml")
    assert scale_rates(again, 257) == (again, [])
    assert pretrain(again, tmp_path, until_step=9).step == 9
    assert pretrain(recipe, tmp_path).finished
