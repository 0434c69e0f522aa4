"""The optimizer that a recipe names, over a model's weights."""

from __future__ import annotations

import importlib
from typing import Any

import torch

from model import GPT, GPTConfig
from train.optim.groups import by_role, param_groups, resolve
from train.optim.plan import StepValues
from train.optim.settings import OPTIMIZERS, RoleSettings
from train.settings import TrainSettings


def resolve_roles(settings: TrainSettings, config: GPTConfig) -> dict[str, RoleSettings]:
    """How each role of a model learns. No weights are made. Raises `UserError` for what has no effect."""
    with torch.device("meta"):
        model = GPT(config)
    return resolve(settings, _module(settings).role_defaults(settings, config), by_role(model))


def recorded_roles(settings: TrainSettings, config: GPTConfig) -> dict[str, Any]:
    """What `config.toml` has of the roles: nothing with "adamw", whose roles learn as [train] says.

    Raises `UserError` as `resolve_roles` does.
    """
    roles = resolve_roles(settings, config)
    if settings.optimizer == "adamw":
        return {}
    return {"resolved_roles": {role: values.model_dump(mode="json") for role, values in roles.items()}}


def build_optimizer(model: GPT, settings: TrainSettings) -> torch.optim.Optimizer:
    """The optimizer of `train.optimizer`, with a group for each role. Raises `UserError` as `resolve_roles` does."""
    roles = by_role(model)
    resolved = resolve(settings, _module(settings).role_defaults(settings, model.config), roles)
    optimizer: torch.optim.Optimizer = _module(settings).build(
        param_groups(model, resolved), settings, next(model.parameters()).device
    )
    return optimizer


def set_step(optimizer: torch.optim.Optimizer, values: StepValues) -> None:
    """Give every group the rate, weight decay and momentum of a step."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * values.learning_rate
        group["weight_decay"] = group["initial_weight_decay"] * values.weight_decay
        if "momentum" in group and values.momentum is not None:
            group["momentum"] = values.momentum


def _module(settings: TrainSettings) -> Any:
    return importlib.import_module(OPTIMIZERS[settings.optimizer].module)
