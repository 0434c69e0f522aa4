"""The optimizer of a run: AdamW with weight decay on matrices only (Loshchilov and Hutter, 2017)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from train.settings import TrainSettings


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups: weights of two or more dimensions decay; gains, biases and other vectors do not.

    A weight that is tied to another appears once. Each group also carries `names`, in the order of its parameters.
    """
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    groups = []
    for decays in (True, False):
        members = [(name, parameter) for name, parameter in trained if (parameter.dim() >= 2) == decays]
        if members:
            groups.append(
                {
                    "params": [parameter for _, parameter in members],
                    "names": [name for name, _ in members],
                    "weight_decay": weight_decay if decays else 0.0,
                }
            )
    return groups


def build_optimizer(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """AdamW over `decay_groups`, in its fused form where PyTorch has one for the model's device."""
    device = next(model.parameters()).device.type
    return torch.optim.AdamW(
        decay_groups(model, settings.weight_decay),
        lr=settings.learning_rate,
        betas=settings.betas,
        eps=1e-8,
        fused=device in ("cpu", "cuda"),
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Give every group the learning rate of this step."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
