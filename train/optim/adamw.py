"""AdamW for all weights (Loshchilov and Hutter, 2017), which decays weights of two or more dimensions only."""

from __future__ import annotations

from typing import Any

import torch

from model import GPTConfig
from train.optim.settings import ROLES, RoleSettings
from train.settings import TrainSettings

_UNDECAYED = ("vectors", "residual_scalars", "input_scalars")


def role_defaults(settings: TrainSettings, model: GPTConfig) -> dict[str, RoleSettings]:
    """How each role learns where [train.ROLE] does not say otherwise: as [train] says."""
    decayed = RoleSettings(
        learning_rate=settings.learning_rate, betas=settings.betas, weight_decay=settings.weight_decay, epsilon=1e-8
    )
    plain = decayed.model_copy(update={"weight_decay": 0.0})
    return {role: plain if role in _UNDECAYED else decayed for role in ROLES}


def build(groups: list[dict[str, Any]], settings: TrainSettings, device: torch.device) -> torch.optim.Optimizer:
    """The optimizer over groups that `train.optim.groups` made; fused where PyTorch has that for the device."""
    return torch.optim.AdamW(groups, fused=device.type in ("cpu", "cuda"))
