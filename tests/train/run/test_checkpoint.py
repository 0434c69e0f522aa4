"""Checkpoints are whole or absent, and refuse what they do not belong to."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from manifests.errors import UserError
from model import GPT, GPTConfig
from tests.train.builds import SMALL_MODEL, byte_tokenizer
from train.generate import load_trained
from train.optim.optimizer import build_optimizer
from train.run import checkpoint
from train.settings import ModelSettings, TrainSettings

State = checkpoint.CheckpointState


def make(**overrides: object) -> tuple[GPT, torch.optim.Optimizer, GPTConfig]:
    """A model that has taken one step, so that the optimizer has a state."""
    config = ModelSettings.model_validate(SMALL_MODEL | overrides).config(257, 32)
    torch.manual_seed(0)
    model = GPT(config)
    optimizer = build_optimizer(model, TrainSettings(learning_rate=1e-2))
    tokens = torch.arange(64).view(2, 32)
    model(tokens, tokens + 1).backward()
    optimizer.step()
    return model, optimizer, config


def state_of(config: GPTConfig, step: int) -> State:
    return State(step, step * 256, 1, config.to_dict(), "a" * 64, "b" * 64)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    model, optimizer, config = make()
    return checkpoint.save_checkpoint(tmp_path, model, optimizer, state_of(config, 100))


@pytest.mark.parametrize("tied", [True, False])
def test_round_trip(tmp_path: Path, tied: bool) -> None:
    model, optimizer, config = make(tied_head=tied)
    path = checkpoint.save_checkpoint(tmp_path, model, optimizer, state_of(config, 3))
    assert path == tmp_path / "step-00000003"
    assert checkpoint.read_state(path) == state_of(config, 3)
    torch.manual_seed(9)
    other = GPT(config)
    other_optimizer = build_optimizer(other, TrainSettings(learning_rate=1e-2))
    checkpoint.load_model(path, other)
    checkpoint.load_optimizer(path, other_optimizer)
    tokens = torch.arange(64).view(2, 32)
    for one, its in ((model, optimizer), (other, other_optimizer)):
        its.zero_grad()
        one(tokens, tokens).backward()
        its.step()
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_names_are_plain_after_compile_and_parallel_wrapping(tmp_path: Path) -> None:
    model, _, _ = make()
    plain = checkpoint.plain_state(model)
    wrapped = torch.nn.Module()
    wrapped.module = torch.compile(model)
    assert list(checkpoint.plain_state(wrapped)) == list(plain)
    assert not any("_orig_mod" in name for name in plain)


def test_keeps_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, optimizer, config = make()
    for step in (1, 2, 3):
        checkpoint.save_checkpoint(tmp_path, model, optimizer, state_of(config, step))
        checkpoint.prune(tmp_path, 2)
    assert [path.name for path in checkpoint.list_checkpoints(tmp_path)] == ["step-00000002", "step-00000003"]

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "replace", fail)
    with pytest.raises(UserError, match="disk is full"):
        checkpoint.save_checkpoint(tmp_path, model, optimizer, state_of(config, 4))
    assert [path.name for path in checkpoint.list_checkpoints(tmp_path)] == ["step-00000002", "step-00000003"]


def test_incomplete_ones_are_ignored_and_removed(saved: Path) -> None:
    checkpoints = saved.parent
    shutil.copytree(saved, checkpoints / "step-00000200.unpublished")
    shutil.copytree(saved, checkpoints / "step-00000300")
    (checkpoints / "step-00000300" / "state.json").unlink()
    assert checkpoint.list_checkpoints(checkpoints) == [saved]
    lines: list[str] = []
    checkpoint.remove_incomplete(checkpoints, lines.append)
    assert list(checkpoints.iterdir()) == [saved]
    assert len(lines) == 2
    assert "step-00000200" in lines[0]


def test_another_configuration_is_named(saved: Path) -> None:
    _, _, config = make()
    state = checkpoint.read_state(saved)
    other = replace(config, num_layers=3).to_dict()
    with pytest.raises(UserError, match=r"num_layers is 2 in the checkpoint and 3 in the recipe"):
        checkpoint.check_matches(saved, state, other, "a" * 64)
    with pytest.raises(UserError, match="trained on other data"):
        checkpoint.check_matches(saved, state, config.to_dict(), "c" * 64)
    checkpoint.check_matches(saved, state, config.to_dict(), "a" * 64)


def test_another_shape_is_named(saved: Path) -> None:
    model, _, _ = make(width=64)
    with pytest.raises(UserError, match=r"does not match its model: .*weight is \[.*32.*\] in .* and \[.*64"):
        checkpoint.load_model(saved, model)
    model, optimizer, _ = make(num_layers=3)
    with pytest.raises(UserError, match="only the model has the tensor"):
        checkpoint.load_model(saved, model)
    with pytest.raises(UserError, match="does not match the model"):
        checkpoint.load_optimizer(saved, optimizer)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt"])
def test_damage_is_named(saved: Path, name: str) -> None:
    model, optimizer, _ = make()
    file = saved / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match=rf"{name}.*sha256 differs"):
        checkpoint.load_model(saved, model) if name.startswith("model") else checkpoint.load_optimizer(saved, optimizer)
    file.write_bytes(content[:-1])
    with pytest.raises(UserError, match=rf"{name}: \d+ bytes long, not \d+"):
        checkpoint.read_state(saved)
    file.unlink()
    with pytest.raises(UserError, match=rf"{name}: missing"):
        checkpoint.read_state(saved)


@pytest.mark.parametrize(
    "change",
    [
        [],
        {"files": []},
        {"files": {"model.safetensors": 5, "optimizer.pt": [1, "a"]}},
        {"step": "100"},
        {"tokens": None},
        {"model_config": None},
        {"data_sha256": 7},
        {"loss": "low"},
        {"more": 1},
    ],
    ids=str,
)
def test_a_state_of_other_types_is_refused(saved: Path, change: Any) -> None:
    file = saved / "state.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change if change else change))
    with pytest.raises(UserError, match=r"state\.json: cannot be read"):
        checkpoint.read_state(saved)


def _rewrite(saved: Path, name: str) -> None:
    """Enter a file into the state as it is now."""
    state = json.loads((saved / "state.json").read_text())
    data = (saved / name).read_bytes()
    state["files"][name] = [len(data), hashlib.sha256(data).hexdigest()]
    (saved / "state.json").write_text(json.dumps(state))


def test_weights_that_are_not_finite_are_refused(saved: Path) -> None:
    model, _, _ = make()
    weights = load_file(saved / "model.safetensors")
    name = sorted(weights)[0]
    weights[name].view(-1)[0] = float("nan")
    save_file(weights, saved / "model.safetensors")
    _rewrite(saved, "model.safetensors")
    with pytest.raises(UserError, match=rf"{name} holds numbers that are not finite"):
        checkpoint.load_model(saved, model)


@pytest.mark.parametrize("content", [[1, 2], {1: {}}, {"a": {}}, {"a": torch.ones(2)}, {"a": {"step": "1"}}])
def test_an_optimizer_of_other_content_is_refused(saved: Path, content: Any) -> None:
    _, optimizer, _ = make()
    torch.save(content, saved / "optimizer.pt")
    _rewrite(saved, "optimizer.pt")
    with pytest.raises(UserError, match=r"optimizer"):
        checkpoint.load_optimizer(saved, optimizer)


@pytest.mark.parametrize("change", [{"num_layers": 10**9}, {"width": 10**9}, {"mlp_ratio": 1e9}, {"vocab_size": 10**9}])
def test_a_size_that_the_weights_have_not_takes_no_memory(saved: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    byte_tokenizer().save(str(tmp_path / "tokenizer.json"))
    run = tmp_path / "checkpoints"
    run.mkdir()
    saved = saved.rename(run / saved.name)
    file = saved / "state.json"
    state = json.loads(file.read_text())
    state["model_config"] |= change
    file.write_text(json.dumps(state))
    with pytest.raises(UserError, match=r"describes no model|does not match its model"):
        load_trained(tmp_path, "cpu")


def test_a_tokenizer_of_one_large_id_takes_no_memory(saved: Path, tmp_path: Path) -> None:
    data = json.loads(byte_tokenizer().to_str())
    data["model"]["vocab"]["a"] = 4_000_000_000
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    (tmp_path / "checkpoints").mkdir()
    saved.rename(tmp_path / "checkpoints" / saved.name)
    with pytest.raises(UserError, match="its model has 257 token ids, its tokenizer 4000000001"):
        load_trained(tmp_path, "cpu")
