"""Numbers that are not finite: never called done, never the newest checkpoint, never in a file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import groundup
from manifests.errors import UserError
from tests.train.builds import recipe, write_recipe
from train import loop
from train.generate import load_trained
from train.objectives.pretrain import Pretrain, pretrain
from train.run import checkpoint
from train.run.validation import ValidationLoss


def spoil_loss(value: float, at: int) -> Callable[[pytest.MonkeyPatch], None]:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original, calls = Pretrain.loss, [0]

        def loss(*arguments: Any) -> tuple[torch.Tensor, torch.Tensor]:
            calls[0] += 1
            total, each = original(*arguments)
            return (total + value, each) if calls[0] == at else (total, each)

        monkeypatch.setattr(Pretrain, "loss", loss)

    return patch


def spoil_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    original, calls = torch.nn.utils.clip_grad_norm_, [0]

    def clip(parameters: Any, *rest: Any) -> Any:
        calls[0] += 1
        parameters = list(parameters)
        if calls[0] == 7:
            parameters[0].grad[0] = math.inf
        return original(parameters, *rest)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", clip)


def spoil_validation(value: float, at: int) -> Callable[[pytest.MonkeyPatch], None]:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original, calls = Pretrain.validate, [0]

        def validate(*arguments: Any) -> Any:
            step = (0, 5, 10, 12)[calls[0]]
            calls[0] += 1
            return ValidationLoss(value, value, 10) if step == at else original(*arguments)

        monkeypatch.setattr(Pretrain, "validate", validate)

    return patch


def spoil_weights(what: str, at: int) -> Callable[[pytest.MonkeyPatch], None]:
    """After the step the loss was finite, and what it left is not."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = loop.Loop._row

        def row(self: Any, step: int, *rest: Any) -> Any:
            if step == at:
                weight = self.learner.model.blocks[1].mlp.up.weight
                spoiled = weight if what == "weight" else self.learner.optimizer.state[weight][what]
                with torch.no_grad():
                    spoiled[0, 0] = math.inf if what == "exp_avg_sq" else math.nan
            return original(self, step, *rest)

        monkeypatch.setattr(loop.Loop, "_row", row)

    return patch


NEVER_BACK = {"max_skips": 1, "max_rollbacks": 0}


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} in JSON")


@pytest.mark.parametrize(
    ("spoil", "message", "good", "set_aside"),
    [
        (spoil_loss(math.inf, 1), "step 1: the loss is inf; .*there is no good checkpoint", None, []),
        (spoil_loss(math.nan, 7), "step 7: the loss is nan; .*the last good checkpoint is .*00004", 4, []),
        (spoil_loss(math.nan, 9), "step 9: the loss is nan .*the last good checkpoint is .*00004", 4, [8]),
        (spoil_loss(-math.inf, 12), "step 12: the loss is -inf; .*the last good checkpoint is .*00008", 8, []),
        (spoil_gradient, "step 7: the gradient norm is inf; .*the last good checkpoint is .*00004", 4, []),
        (spoil_validation(math.nan, 0), "step 0: the validation loss is nan; .*no good checkpoint", None, []),
        (spoil_validation(math.inf, 10), "step 10: the validation loss is inf; .*checkpoint is .*00008", 8, []),
        (spoil_validation(math.nan, 12), "step 12: the validation loss is nan .*checkpoint is .*00008", 8, [12]),
        (spoil_weights("weight", 12), "step 12: blocks.1.mlp.up.weight is not finite; .*is .*00008", 8, []),
        (spoil_weights("weight", 8), "step 8: blocks.1.mlp.up.weight is not finite; .*is .*00004", 4, []),
        (spoil_weights("weight", 6), "step 7: the loss is nan; .*the last good checkpoint is .*00004", 4, []),
        (spoil_weights("exp_avg", 4), "step 4: the optimizer's exp_avg of blocks.1.mlp.up.weight is not", None, []),
        (spoil_weights("exp_avg_sq", 12), "step 12: the optimizer's exp_avg_sq of blocks.1.mlp", 8, []),
    ],
)
def test_a_run_that_is_not_finite_is_not_done(
    build: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[pytest.MonkeyPatch], None],
    message: str,
    good: int | None,
    set_aside: list[int],
) -> None:
    spoil(monkeypatch)
    with pytest.raises(UserError, match=message) as caught:
        pretrain(recipe(build, spikes=NEVER_BACK), tmp_path)
    assert all(f"is set aside as step-{step:08d}.not-finite" in str(caught.value) for step in set_aside)
    assert not (tmp_path / "manifest.json").exists()
    found = checkpoint.list_checkpoints(tmp_path / "checkpoints")
    assert [path.name for path in found[-1:]] == ([] if good is None else [f"step-{good:08d}"])
    aside = sorted(path.name for path in (tmp_path / "checkpoints").glob("*.not-finite"))
    assert aside == [f"step-{step:08d}.not-finite" for step in set_aside]
    for file in (*tmp_path.rglob("*.json"), *tmp_path.rglob("*.jsonl")):
        for line in file.read_text().splitlines() if file.suffix == ".jsonl" else [file.read_text()]:
            json.loads(line, parse_constant=refuse)
    if good is not None:
        assert "".join(load_trained(tmp_path).stream("a", 3))
    monkeypatch.undo()
    assert pretrain(recipe(build), tmp_path).finished  # the fault was ours: from the last good checkpoint on


def test_the_command_exits_with_1(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    asked = write_recipe(tmp_path / "recipe.toml", build, learning_rate=1e30, gradient_clip=0)
    monkeypatch.setattr("sys.argv", ["groundup", "train", str(asked), "--run", str(tmp_path / "run")])
    monkeypatch.setattr(groundup, "settle_arrow", lambda: None)
    with pytest.raises(SystemExit) as ended:
        groundup.main()
    assert ended.value.code == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("groundup: ")
    assert "training has diverged" in line


@pytest.fixture
def spoiled(build: Path, tmp_path: Path) -> Path:
    """A run whose newest checkpoint holds a NaN, with digests that agree."""
    run = tmp_path / "run"
    pretrain(recipe(build), run, until_step=5)
    path = checkpoint.list_checkpoints(run / "checkpoints")[-1]
    tensors = load_file(path / "model.safetensors")
    tensors["blocks.0.attention.query.weight"][3, 2] = math.nan
    save_file(tensors, path / "model.safetensors")
    state = json.loads((path / "state.json").read_text())
    state["files"]["model.safetensors"] = checkpoint._size_and_digest(path / "model.safetensors")
    (path / "state.json").write_text(json.dumps(state))
    return run


def test_weights_that_are_not_finite_are_not_loaded(build: Path, spoiled: Path) -> None:
    message = r"step-00000005/model.safetensors: blocks.0.attention.query.weight holds numbers that are not finite"
    with pytest.raises(UserError, match=message):
        pretrain(recipe(build), spoiled)
    with pytest.raises(UserError, match=message):
        load_trained(spoiled)


def test_logits_that_are_not_finite_write_nothing(build: Path, tmp_path: Path) -> None:
    """Weights may be finite and what they give not."""
    pretrain(recipe(build), tmp_path, until_step=1)
    trained = load_trained(tmp_path)
    with torch.no_grad():
        trained.model.head.weight.fill_(3e38)
    for temperature in (0.0, 1.0):
        with pytest.raises(UserError, match=r"cannot generate: the model's logits are not finite"):
            list(trained.stream("x", 3, temperature))
