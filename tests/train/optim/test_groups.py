"""The role of every weight, how each role learns, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from groundup import _check_training
from manifests.errors import UserError
from model import GPT
from tests.model.configs import KINDS, small
from train.optim.groups import by_role, role_of
from train.optim.optimizer import build_optimizer, resolve_roles, set_step
from train.optim.plan import StepValues
from train.optim.settings import OPTIMIZERS, ROLES
from train.settings import TrainSettings


def settings(**train: Any) -> TrainSettings:
    return TrainSettings.model_validate(train)


@pytest.mark.parametrize(
    ("name", "num_dimensions", "role"),
    [
        ("token_embedding.weight", 2, "embeddings"),
        ("position_embedding.weight", 2, "embeddings"),
        ("value_embeddings.1.weight", 2, "value_embeddings"),
        ("blocks.1.attention.value_embedding.weight", 2, "value_embeddings"),
        ("blocks.1.attention.value_gate.weight", 2, "vectors"),
        ("head.weight", 2, "head"),
        ("blocks.0.attention.query.weight", 2, "matrices"),
        ("blocks.0.mlp.gate.weight", 2, "matrices"),
        ("blocks.0.mlp.up.bias", 1, "vectors"),
        ("norm.weight", 1, "vectors"),
        ("residual_scalars", 1, "residual_scalars"),
        ("input_scalars", 1, "input_scalars"),
    ],
)
def test_role_of_a_name(name: str, num_dimensions: int, role: str) -> None:
    assert role_of(name, num_dimensions) == role


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_has_one_role(kind: str) -> None:
    model = GPT(small(kind))
    roles = by_role(model)
    names = [name for members in roles.values() for name in members]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())
    assert ("head" in roles) == (not model.config.tied_head)
    assert all(name.startswith("blocks.") for name in roles["matrices"])


def test_adamw_decays_what_has_two_dimensions_and_nothing_else() -> None:
    optimizer = build_optimizer(GPT(small("gpt2")), settings(learning_rate=0.5, weight_decay=0.3))
    for group in optimizer.param_groups:
        dimensions = {parameter.dim() for parameter in group["params"]}
        assert dimensions == ({1} if group["role"] == "vectors" else {2})
        assert group["weight_decay"] == (0.0 if group["role"] == "vectors" else 0.3)
        assert (group["lr"], group["betas"], group["eps"]) == (0.5, (0.9, 0.95), 1e-8)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_tables_of_roles_go_before_the_defaults(optimizer: str) -> None:
    tables = {
        "embeddings": {"learning_rate": 0.4, "betas": (0.7, 0.8)},
        "head": {"epsilon": 1e-6},
        "vectors": {"weight_decay": 0.2},
        "matrices": {"learning_rate": 0.0},
    }
    config = small("modern", bias=True)
    defaults = resolve_roles(settings(optimizer=optimizer), config)
    resolved = resolve_roles(settings(optimizer=optimizer, **tables), config)
    for role, values in resolved.items():
        expected = defaults[role].model_dump() | tables.get(role, {})
        assert values.model_dump() == expected, role
    groups = {
        group["role"]: group
        for group in build_optimizer(GPT(config), settings(optimizer=optimizer, **tables)).param_groups
    }
    assert (groups["embeddings"]["lr"], groups["embeddings"]["betas"]) == (0.4, (0.7, 0.8))
    assert (groups["head"]["eps"], groups["vectors"]["weight_decay"], groups["matrices"]["lr"]) == (1e-6, 0.2, 0.0)


def test_muon_has_the_published_rates_at_its_width_and_their_ratio_elsewhere() -> None:
    from train.optim.muon import role_defaults

    wide = role_defaults(settings(optimizer="muon"), small("modern", width=768))
    rates = {role: wide[role].learning_rate for role in ROLES}
    assert rates == pytest.approx(
        {
            "matrices": 0.02,
            "embeddings": 0.3,
            "value_embeddings": 0.15,
            "head": 0.008,
            "vectors": 0.012,
            "residual_scalars": 0.005,
            "input_scalars": 0.5,
        }
    )
    narrow = role_defaults(settings(optimizer="muon", learning_rate=0.01), small("modern", width=192))
    assert narrow["matrices"].learning_rate == 0.01
    assert narrow["embeddings"].learning_rate == pytest.approx(0.3)  # half the dial, twice for a quarter of the width
    assert narrow["input_scalars"].learning_rate == pytest.approx(0.25)


def test_the_dial_has_the_optimizers_own_default() -> None:
    assert settings().learning_rate == 1e-3
    assert settings(optimizer="muon").learning_rate == 0.02
    assert settings(optimizer="muon", learning_rate=0.1).learning_rate == 0.1


def test_schedules_multiply_each_roles_own_values() -> None:
    model = GPT(small("modern", bias=True))
    optimizer = build_optimizer(model, settings(optimizer="muon", head={"learning_rate": 0.5, "weight_decay": 0.4}))
    set_step(optimizer, StepValues(0.1, 0.5, 0.7))
    set_step(optimizer, StepValues(0.5, 0.25, 0.9))  # not of what the step before left
    groups = {group["role"]: group for group in optimizer.param_groups}
    assert groups["head"]["lr"] == 0.25
    assert groups["head"]["weight_decay"] == pytest.approx(0.1)
    assert (groups["matrices"]["lr"], groups["matrices"]["momentum"]) == (0.01, 0.9)
    assert "momentum" not in groups["head"]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"optimizer": "sgd"}, "set it to 'adamw' or 'muon'"),
        ({"muon": {"momentum": 0.9}}, 'muon has no effect with optimizer "adamw".* set optimizer to "muon"'),
        ({"optimizer": "muon", "betas": (0.9, 0.99)}, 'betas has no effect with optimizer "muon"'),
        ({"embedings": {}}, "embedings"),
        ({"embeddings": {"rate": 1.0}}, r"embeddings\.rate"),
        ({"head": {"learning_rate": -1.0}}, r"head\.learning_rate"),
        ({"vectors": {"betas": (0.9, 1.0)}}, "betas must lie in"),
        ({"optimizer": "muon", "muon": {"method": "svd"}}, r"muon\.method"),
        ({"optimizer": "muon", "muon": {"momentum": 1.0}}, r"muon\.momentum"),
        ({"weight_decay_schedule": "sine"}, "weight_decay_schedule"),
    ],
)
def test_settings_that_are_wrong_are_refused_by_name(train: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(**train)


@pytest.mark.parametrize(
    ("kind", "train", "message"),
    [
        ("modern", {"value_embeddings": {"learning_rate": 1.0}}, r"\[train\.value_embeddings\] has no effect"),
        ("modern", {"input_scalars": {"learning_rate": 1.0}}, "the model has no input scalars"),
        ("modern", {"residual_scalars": {}}, r"\[train\.residual_scalars\]"),
        ("gpt2", {"head": {"learning_rate": 1.0}}, r"\[train\.head\] has no effect: the head is the token emb"),
        ("modern", {"vectors": {"weight_decay": 1.0}}, "it has matrices, embeddings, head"),
        ("modern", {"optimizer": "muon", "matrices": {"betas": (0.8, 0.9)}}, r"train\.matrices\.betas has no effect"),
        ("modern", {"optimizer": "muon", "matrices": {"epsilon": 1e-9}}, r"train\.matrices\.epsilon has no effect"),
    ],
)
def test_what_has_no_effect_on_a_model_is_refused_by_name(kind: str, train: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve_roles(settings(**train), small(kind))


def test_a_table_without_effect_is_refused_before_the_corpus_is_built() -> None:
    tables: dict[str, Any] = {"name": "x", "output": "out", "train": {"embeddings": {"learning_rate": 0.1}}}
    _check_training(tables, "recipe.toml")
    tables["train"]["head"] = {"learning_rate": 0.1}
    with pytest.raises(UserError, match=r"\[train\.head\] has no effect: the head is the token embedding"):
        _check_training(tables, "recipe.toml")


def test_resolving_draws_no_random_numbers() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    resolve_roles(settings(), small("gpt2"))
    assert torch.equal(torch.rand(1), expected)
