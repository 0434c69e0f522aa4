"""Windows that widen while training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from manifests.errors import UserError
from model import GPT
from tests.train.builds import losses, recipe
from train.objectives.pretrain import pretrain
from train.optim.plan import make_plan
from train.run import checkpoint
from train.settings import TrainRecipe, load_run, read_tables

WINDOWS: dict[str, Any] = {"positions": "rotary", "window_pattern": "SL", "window": 16}
SCHEDULE = [[0, 4], [600, 8], [1024, 16]]  # steps of 256 tokens: three with 4, one with 8, then 16


def widening(build: Path, **train: Any) -> TrainRecipe:
    options: dict[str, Any] = {"window_schedule": SCHEDULE, "max_tokens": 256 * 6, "sample_every_steps": 2}
    return recipe(build, WINDOWS, **options | train)


def test_the_window_of_every_step(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bool, int]] = []
    original = GPT.hidden

    def hidden(self: GPT, *rest: Any, **options: Any) -> Any:
        windows = [block.attention.pattern for block in self.blocks]  # type: ignore[union-attr]
        assert windows[1].letter == "L"  # type: ignore[union-attr]
        seen.append((self.training, windows[0].size))  # type: ignore[union-attr, arg-type]
        return original(self, *rest, **options)

    monkeypatch.setattr(GPT, "hidden", hidden)
    pretrain(widening(build, micro_batch_sequences=8), tmp_path)
    assert [window for is_training, window in seen if is_training] == [4, 4, 4, 8, 16, 16]
    # Validation and samples have the model's own window.
    assert {window for is_training, window in seen if not is_training} == {16}


def test_steps_are_those_of_a_model_with_the_window(build: Path, tmp_path: Path) -> None:
    pretrain(widening(build), tmp_path / "schedule", until_step=1)
    pretrain(recipe(build, WINDOWS | {"window": 4}), tmp_path / "narrow", until_step=1)
    pretrain(recipe(build, WINDOWS), tmp_path / "wide", until_step=1)
    schedule, narrow, wide = (losses(tmp_path / name) for name in ("schedule", "narrow", "wide"))
    assert schedule[0][6] == wide[0][6] != narrow[0][6]
    assert schedule[1][3:5] == narrow[1][3:5] != wide[1][3:5]


def test_going_on_anywhere_is_exact(build: Path, tmp_path: Path) -> None:
    pretrain(widening(build), tmp_path / "whole")
    for until in (2, 3, 4, None):
        pretrain(widening(build), tmp_path / "parts", until_step=until)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    weights = [
        checkpoint.checkpoint_path(tmp_path / name / "checkpoints", 6) / "model.safetensors"
        for name in ("parts", "whole")
    ]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert (tmp_path / "parts" / "samples.txt").read_text() == (tmp_path / "whole" / "samples.txt").read_text()
    assert load_run(tmp_path / "parts" / "config.toml").train == widening(build).train
    with pytest.raises(UserError, match=r"train.window_schedule .*--restart"):
        pretrain(widening(build, window_schedule=[[0, 16]]), tmp_path / "parts")
    settings = json.loads((tmp_path / "whole" / "manifest.json").read_text())["fingerprint_of"]["settings"]
    assert settings["train.window_schedule"] == SCHEDULE


def test_one_window_from_the_beginning_changes_nothing(build: Path, tmp_path: Path) -> None:
    pretrain(widening(build, window_schedule=[[0, 16]]), tmp_path / "one")
    pretrain(widening(build, window_schedule=None), tmp_path / "none")
    assert losses(tmp_path / "one") == losses(tmp_path / "none")


@pytest.mark.parametrize(
    ("model", "schedule", "message"),
    [
        ({}, [[0, 8]], r"window_schedule: the model has no layers with windows \(model.window_pattern is 'L'\)"),
        ({"window_pattern": "F", "window": 16}, [[0, 8]], r"the model has no layers with windows .* 'F'"),
        ({"window_pattern": "SL", "num_layers": 1}, [[0, 8]], r"the model has no layers with windows .* 'SL'"),
        (WINDOWS, [[0, 4], [9, 17], [99, 16]], r"a window of 17 tokens is more than the model's 16; .* model.window"),
        (WINDOWS, [[0, 4], [9, 8]], r"ends with a window of 8 tokens, and the model, .* 16; add \[TOKENS, 16\]"),
        ({"window_pattern": "SL"}, [[0, 64]], r"ends with a window of 64 .* has 128"),  # a quarter, rounded up to 128
        (WINDOWS, [[5, 16]], r"train.window_schedule: its first entry must begin at 0"),
        (WINDOWS, [[0, 8], [0, 16]], r"train.window_schedule: .* 0 comes after 0"),
        (WINDOWS, [[0, 0], [9, 16]], r"train.window_schedule: its entry \[0, 0\] has the value 0"),
        (WINDOWS, [[0, 16.5]], r"train.window_schedule.0.1: .*integer"),
    ],
)
def test_schedules_that_do_not_fit_the_model_are_refused(model: dict[str, Any], schedule: Any, message: str) -> None:
    tables = {"model": {"preset": "tiny"} | model, "train": {"window_schedule": schedule}}
    with pytest.raises(UserError, match=message):
        read_tables({"name": "x", "output": "build/x", **tables}, "recipe.toml")


def test_a_run_that_ends_before_the_last_window_is_refused(build: Path, tmp_path: Path) -> None:
    late = [[0, 4], [256 * 5 + 1, 16]]  # the last of six steps begins at 256 * 5
    with pytest.raises(UserError, match=r"window_schedule: its last window.*1,281 tokens.* 1,280: .*max_tokens"):
        pretrain(widening(build, window_schedule=late), tmp_path)
    assert not (tmp_path / "config.toml").exists()
    assert make_plan(widening(build, window_schedule=[[0, 4], [256 * 5, 16]]).train, 10**6).num_steps == 6
