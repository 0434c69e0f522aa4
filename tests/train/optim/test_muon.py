"""Muon against the singular value decomposition, PyTorch's own, and steps that are written out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from manifests.code import code_digest
from model import GPT, preset
from tests.model.configs import small
from tests.train.builds import losses, recipe
from train.objectives.pretrain import pretrain
from train.optim.groups import by_role
from train.optim.muon import orthogonalise, role_defaults
from train.optim.optimizer import build_optimizer, set_step
from train.optim.plan import StepValues
from train.settings import TrainSettings

SHAPES = [(8, 8), (8, 32), (32, 8), (48, 16), (1, 24)]
# Jordan's coefficients overshoot on purpose; after five iterations Polar Express is within an eighth of 1.
BANDS = {"newton_schulz": (0.65, 1.25), "polar_express": (0.85, 1.15)}


def _matrices(shape: tuple[int, int], count: int = 3) -> torch.Tensor:
    """A stack whose matrices differ in size by far and have singular values between 1 and 0.03 of the largest."""
    generator = torch.Generator().manual_seed(7)
    u, _, v = torch.linalg.svd(torch.randn(count, *shape, generator=generator), full_matrices=False)
    values = torch.logspace(0, -1.5, min(shape)).expand(count, -1) * torch.tensor([1e-4, 1.0, 1e3])[:count, None]
    return u @ torch.diag_embed(values) @ v


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("method", BANDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_updates_are_orthogonal(shape: tuple[int, int], method: str, dtype: torch.dtype) -> None:
    matrices = _matrices(shape)
    found = orthogonalise(matrices, method, 5, dtype).float()
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    # In the basis of the matrix: the diagonal are the new singular values, and nothing has turned.
    inner = u.mT @ found @ v.mT
    values = inner.diagonal(dim1=-2, dim2=-1)
    low, high = BANDS[method]
    assert low < values.min()
    assert values.max() < high
    tolerance = 1e-3 if dtype == torch.float32 else 0.06
    assert (inner - torch.diag_embed(values)).abs().max() < tolerance


def test_more_iterations_of_polar_express_converge() -> None:
    matrices = _matrices((16, 40))
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    assert torch.allclose(orthogonalise(matrices, "polar_express", 9, torch.float32), u @ v, atol=1e-4)


def test_a_matrix_of_zeros_stays_one() -> None:
    for method in BANDS:
        assert torch.equal(orthogonalise(torch.zeros(2, 4, 6), method, 5, torch.float32), torch.zeros(2, 4, 6))


def _model_and_gradients(seed: int = 5) -> tuple[GPT, list[list[torch.Tensor]]]:
    """A model and the gradients of four steps, with a seeded generator."""
    torch.manual_seed(seed)
    model = GPT(small("modern", bias=True))
    return model, [[torch.randn_like(parameter) for parameter in model.parameters()] for _ in range(4)]


def _train(model: GPT, optimizer: Any, gradients: list[list[torch.Tensor]], momentum: float | None = None) -> None:
    for step in gradients:
        if momentum is not None:
            set_step(optimizer, StepValues(1.0, 1.0, momentum))
        for parameter, gradient in zip(model.parameters(), step, strict=True):
            parameter.grad = gradient.clone()
        optimizer.step()


def _settings(**muon: Any) -> TrainSettings:
    return TrainSettings.model_validate({"optimizer": "muon", "weight_decay": 0.3, "muon": muon})


def test_matrices_learn_as_with_pytorchs_muon(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.optim import _muon

    # PyTorch rounds to bfloat16; the same iteration in float32 shows that all else is equal.
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda self: self.clone())
    (mine, gradients), (theirs, _) = _model_and_gradients(), _model_and_gradients()
    _train(mine, build_optimizer(mine, _settings(method="newton_schulz")), gradients, momentum=0.9)
    matrices = by_role(theirs)["matrices"]
    assert _muon.Muon is torch.optim.Muon
    reference = torch.optim.Muon(matrices.values(), lr=0.02, weight_decay=0.3, momentum=0.9)
    _train(theirs, reference, gradients)
    found = dict(mine.named_parameters())
    start = dict(_model_and_gradients()[0].named_parameters())
    for name, parameter in matrices.items():
        assert not torch.allclose(parameter, start[name], atol=1e-2)
        assert torch.allclose(found[name], parameter, atol=2e-6), name


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_other_roles_learn_as_with_pytorchs_adamw(optimizer: str) -> None:
    tables: dict[str, Any] = {
        "embeddings": {"learning_rate": 0.3, "betas": (0.8, 0.995), "weight_decay": 0.001, "epsilon": 1e-10},
        "head": {"learning_rate": 0.008, "betas": (0.8, 0.96), "weight_decay": 0.01, "epsilon": 1e-9},
        "vectors": {"learning_rate": 0.02, "betas": (0.7, 0.9), "weight_decay": 0.0, "epsilon": 1e-8},
    }
    (mine, gradients), (theirs, _) = _model_and_gradients(), _model_and_gradients()
    _train(mine, build_optimizer(mine, TrainSettings.model_validate({"optimizer": optimizer, **tables})), gradients)
    roles = by_role(theirs)
    names = {"learning_rate": "lr", "epsilon": "eps"}
    groups = [
        {"params": list(roles[role].values())} | {names.get(key, key): value for key, value in values.items()}
        for role, values in tables.items()
    ]
    _train(theirs, torch.optim.AdamW(groups, fused=True), gradients)
    found = dict(mine.named_parameters())
    for role in tables:
        for name, parameter in roles[role].items():
            assert torch.equal(found[name], parameter), name


def _written_out(weight: torch.Tensor, gradients: list[torch.Tensor], beta2: float, is_cautious: bool) -> torch.Tensor:
    """Steps of one matrix in float64: NorMuon's rows (columns of a wide one) and the mask, element by element."""
    weight, buffer = weight.double().clone(), torch.zeros_like(weight, dtype=torch.float64)
    rows, columns = weight.shape
    second = torch.zeros(max(rows, columns), dtype=torch.float64)
    for gradient in gradients:
        buffer = 0.95 * buffer + 0.05 * gradient.double()
        u, _, v = torch.linalg.svd(0.05 * gradient.double() + 0.95 * buffer, full_matrices=False)
        update = u @ v
        if beta2:
            mean = (update**2).mean(1) if rows >= columns else (update**2).mean(0)
            second = beta2 * second + (1 - beta2) * mean
            evened = update / (second.sqrt()[:, None] if rows >= columns else second.sqrt()[None, :])
            update = evened * (torch.linalg.matrix_norm(update) / torch.linalg.matrix_norm(evened))
        after = weight.clone()
        for i in range(rows):
            for j in range(columns):
                if not is_cautious or update[i, j] * weight[i, j] >= 0:
                    after[i, j] -= 0.02 * 0.3 * weight[i, j]
                after[i, j] -= 0.02 * max(1, rows / columns) ** 0.5 * update[i, j]
        weight = after
    return weight


@pytest.mark.parametrize("beta2", [0.0, 0.9])
@pytest.mark.parametrize("is_cautious", [False, True])
def test_normuon_and_cautious_decay_are_what_is_written_out(beta2: float, is_cautious: bool) -> None:
    model, gradients = _model_and_gradients()
    names = [name for name, _ in model.named_parameters()]
    wanted = ["blocks.0.attention.query.weight", "blocks.1.mlp.up.weight", "blocks.1.mlp.down.weight"]
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    # Twelve iterations are the decomposition, so that only the step itself is compared.
    muon = {"normuon_beta2": beta2, "cautious_decay": is_cautious, "iterations": 12}
    _train(model, build_optimizer(model, _settings(**muon)), gradients, momentum=0.95)
    found = dict(model.named_parameters())
    for name in wanted:
        expected = _written_out(before[name], [step[names.index(name)] for step in gradients], beta2, is_cautious)
        assert torch.allclose(found[name].double(), expected, atol=1e-4), name


def test_weights_without_a_gradient_stay() -> None:
    model, gradients = _model_and_gradients()
    optimizer = build_optimizer(model, _settings())
    for parameter, gradient in zip(model.parameters(), gradients[0], strict=True):
        parameter.grad = gradient
    model.blocks[0].mlp.up.weight.grad = None
    before = model.blocks[0].mlp.up.weight.detach().clone()
    other = model.blocks[1].mlp.up.weight.detach().clone()
    optimizer.step()
    assert torch.equal(model.blocks[0].mlp.up.weight, before)
    assert not torch.equal(model.blocks[1].mlp.up.weight, other)


MUON: dict[str, Any] = {
    "optimizer": "muon",
    "learning_rate": 0.02,
    "schedule": "constant_decay",
    "decay_fraction": 0.5,
    "weight_decay_schedule": "cosine",
    "muon": {"momentum_warmup_steps": 4, "normuon_beta2": 0.9, "cautious_decay": True},
    "embeddings": {"learning_rate": 0.05},
}


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_an_interrupted_run_is_the_uninterrupted_one(build: Path, tmp_path: Path, optimizer: str) -> None:
    train = MUON if optimizer == "muon" else {"vectors": {"learning_rate": 0.01}, "weight_decay_schedule": "linear"}
    model = {"tied_head": False, "bias": True}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    pretrain(recipe(build, model, **train), whole)
    for stop in (3, 4, 9, None):
        pretrain(recipe(build, model, **train), parts, until_step=stop)
    assert losses(parts) == losses(whole)
    files = [f"checkpoints/step-00000012/{name}" for name in ("model.safetensors", "optimizer.pt")]
    assert (parts / files[0]).read_bytes() == (whole / files[0]).read_bytes()
    first, second = (torch.load(run / files[1], weights_only=True) for run in (parts, whole))
    for name, state in first.items():
        assert all(torch.equal(value, second[name][key]) for key, value in state.items()), name
    code = json.loads((whole / "manifest.json").read_text())["fingerprint_of"]["code"]
    assert code == code_digest(("train.objectives.pretrain", f"train.optim.{optimizer}"))


def test_muon_learns(build: Path, tmp_path: Path) -> None:
    summary = pretrain(recipe(build, {"tied_head": False}, **MUON), tmp_path)
    assert summary.first_validation
    assert summary.last_validation
    assert summary.last_validation["validation_loss"] < summary.first_validation["validation_loss"] - 1.5


@pytest.mark.parametrize("tied", [False, True])
def test_a_tied_head_learns_at_the_rate_of_a_head(tied: bool) -> None:
    settings = TrainSettings.model_validate({"optimizer": "muon"})
    roles = role_defaults(settings, preset("modern", 97, 32, depth=2, tied_head=tied))
    rate = roles["head" if tied else "value_embeddings"].learning_rate
    assert rate is not None
    assert roles["embeddings"].learning_rate == pytest.approx(rate if tied else 2 * rate)
