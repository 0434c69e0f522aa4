"""Gradients under activation checkpointing are those without it, to the bit, and less stays in memory."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
import torch

from manifests.errors import UserError
from model import GPT, GPTConfig
from tests.model.configs import small
from tests.train.builds import command, losses, recipe, write_build, write_recipe
from train.objectives.pretrain import pretrain
from train.parallel.activations import kept_operations, prepare_model
from train.parallel.hardware import find_hardware
from train.settings import TrainSettings, read_tables

FLOAT32, BFLOAT16 = find_hardware("float32"), find_hardware("bfloat16")
SETTINGS: list[Any] = ["full", 1, 2, 0.05, 0.2, 0.4, 0.6, 0.8, 0.99]


def made(config: GPTConfig, setting: Any, hardware: Any = FLOAT32, document_mask: bool = False) -> GPT:
    torch.manual_seed(0)
    model = GPT(config)
    prepare_model(model, TrainSettings(activation_checkpointing=setting, document_mask=document_mask), hardware)
    return model


def gradients(model: GPT, hardware: Any = FLOAT32, documents: bool = False) -> dict[str, torch.Tensor]:
    tokens = torch.arange(3 * 24).view(3, 24)
    torch.manual_seed(7)  # for dropout
    with hardware.precision():
        loss = model(tokens, tokens + 1, documents_BT=tokens // 9 if documents else None)
    loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("kind", ["gpt2", "modern", "llama", "nanochat", "windows", "fixed"])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_gradients_are_the_same_to_the_bit(kind: str, dropout: float) -> None:
    config = small(kind, dropout=dropout)
    plain = made(config, "none")
    expected = gradients(plain)
    for setting in SETTINGS:
        model = made(config, setting)
        assert list(model.state_dict()) == list(plain.state_dict())
        assert same(gradients(model), expected), setting


@pytest.mark.parametrize("setting", ["full", 2, 0.5])
@pytest.mark.parametrize("documents", [False, True])
def test_also_under_autocast_and_with_documents(setting: Any, documents: bool) -> None:
    for kind in ("nanochat", "windows", "gpt2"):
        for hardware in (FLOAT32, BFLOAT16):
            found = [
                gradients(made(small(kind), each, hardware, documents), hardware, documents)
                for each in ("none", setting)
            ]
            assert same(*found)


@pytest.fixture
def quick_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compilation without generated code."""
    plain = torch.nn.Module.compile
    monkeypatch.setattr("torch.nn.Module.compile", lambda self: plain(self, backend="aot_eager", fullgraph=True))
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()


def compiled(config: GPTConfig, setting: Any = "none") -> GPT:
    torch.manual_seed(0)
    model = GPT(config)
    prepare_model(model, TrainSettings(activation_checkpointing=setting, compile=True), FLOAT32)
    return model


@pytest.mark.usefixtures("quick_compiler")
@pytest.mark.parametrize("setting", ["full", 2, 0.5])
def test_also_in_compiled_blocks(setting: Any) -> None:
    for kind in ("gpt2", "nanochat"):
        plain, model = compiled(small(kind)), compiled(small(kind), setting)
        assert list(model.state_dict()) == list(plain.state_dict())
        assert same(gradients(plain), gradients(model))


@pytest.mark.usefixtures("quick_compiler")
@pytest.mark.parametrize(("kind", "graphs"), [("modern", 1), ("llama", 1), ("windows", 2), ("nanochat", 2)])
def test_equal_blocks_share_a_graph_and_validation_has_none(kind: str, graphs: int) -> None:
    model = compiled(small(kind, num_layers=6))
    gradients(model)
    counts = torch._dynamo.utils.counters["stats"]
    assert counts["unique_graphs"] == graphs
    model.eval()
    with torch.no_grad():
        for rows in (1, 2, 3):
            model(torch.arange(24 * rows).view(rows, 24))
    assert counts["unique_graphs"] == graphs


@pytest.mark.usefixtures("quick_compiler")
def test_compiled_blocks_follow_a_schedule_of_windows() -> None:
    config = small("nanochat", num_layers=6, window_pattern="SSL", window=20)
    plain, model = made(config, "none"), compiled(config)
    counts, graphs = torch._dynamo.utils.counters["stats"], []
    for window in (2, 3, 5, 7, 20):
        for each in (plain, model):
            each.zero_grad()
            each.set_window(window)
        torch.testing.assert_close(gradients(model), gradients(plain), rtol=1e-4, atol=1e-6)
        graphs.append(counts["unique_graphs"])
    # Windows with and without value embeddings are made anew for each window: none is left uncompiled.
    assert graphs == [4, 6, 8, 10, 12]


def live_bytes(model: GPT) -> int:
    """Bytes of what a forward pass has allocated and not freed, by PyTorch's own count."""
    tokens = torch.arange(3 * 24).view(3, 24)
    gc.collect()  # what others leave must not be freed in between
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        out = model.hidden(tokens)
    assert out.requires_grad
    return sum(event.self_cpu_memory_usage for event in profile.key_averages())


@pytest.mark.parametrize("kind", ["gpt2", "modern", "llama", "nanochat"])
def test_less_stays_as_the_setting_says(kind: str) -> None:
    config = small(kind, num_layers=6)
    whole = live_bytes(made(config, "none"))
    found = {setting: live_bytes(made(config, setting)) / whole for setting in ("full", 2, 3, 0.3, 0.6, 0.9)}
    assert found["full"] < 0.2
    assert 0.4 < found[2] < 0.65
    assert found[2] < found[3] < 0.85
    # Inputs and the last norm come on top; whatever does not fit by a little stays out.
    for fraction in (0.3, 0.6, 0.9):
        assert found[fraction] < fraction + 0.08
    assert found["full"] < found[0.3] < found[0.6] < found[0.9]


def test_products_are_kept_before_norms() -> None:
    model = GPT(small("gpt2", width=64))
    kept = kept_operations(model, model.blocks[0], 0.65, False, FLOAT32)
    assert {str(operation[0]) for operation in kept} >= {"aten.addmm.default"}
    assert "aten.gelu.default" not in {str(operation[0]) for operation in kept}
    assert kept == kept_operations(model, model.blocks[1], 0.65, False, FLOAT32)


@pytest.mark.parametrize("setting", [0, -1, 0.0, 1.0, 1.5, -0.5, "half", "", True])
def test_wrong_settings_are_refused(setting: Any) -> None:
    with pytest.raises(UserError, match=r"train.activation_checkpointing|activation_checkpointing is"):
        read_tables({"name": "x", "output": "build/x", "train": {"activation_checkpointing": setting}}, "recipe.toml")


def test_more_blocks_than_there_are() -> None:
    with pytest.raises(UserError, match=r"activation_checkpointing: 3 is more than the model's 2 blocks; lower it"):
        made(small("gpt2"), 3)


def test_runs_learn_the_same(tmp_path: Path) -> None:
    build = write_build(tmp_path, [f"{number}: the dog sleeps {'again and ' * 9}" for number in range(60)])
    options: dict[str, Any] = {"max_tokens": 256 * 4, "sample_tokens": 0, "micro_batch_sequences": 3}
    model = {"dropout": 0.1}
    expected = losses(Path(pretrain(recipe(build, model, **options), tmp_path / "none").run))
    for setting in ("full", 2, 0.5):
        asked = recipe(build, model, activation_checkpointing=setting, **options)
        assert losses(Path(pretrain(asked, tmp_path / str(setting)).run)) == expected
    found = []
    for setting in ("none", 0.5):
        path = write_recipe(tmp_path / "recipe.toml", build, activation_checkpointing=setting, **options)
        process = command(path, "--run-folder", tmp_path / f"ranks-{setting}", ranks=2)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        found.append(losses(tmp_path / f"ranks-{setting}"))
    assert found[0] == found[1]
