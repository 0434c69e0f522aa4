"""The layers that a GPT is made of: rotary positions, and norms and MLPs by the names that a configuration gives them.

The letters at the end of a tensor's name are those of `model.gpt`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from model.config import GPTConfig


def rotary_angles(sequence_length: int, head_width: int, base: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine, each (T, P), of what pair p turns by at position t: t / base^(p / P) radians."""
    pairs_P = torch.arange(head_width // 2, dtype=torch.float64)
    positions_T = torch.arange(sequence_length, dtype=torch.float64)
    angles_TP = torch.outer(positions_T, base ** (-pairs_P / len(pairs_P)))
    return angles_TP.cos().float(), angles_TP.sin().float()


def rotate(x_BHTD: torch.Tensor, cos_TP: torch.Tensor, sin_TP: torch.Tensor) -> torch.Tensor:
    """Turn each pair (channel p, channel p + P) by its angle; in float32 at least, returned as `x` came."""
    first_BHTP, second_BHTP = x_BHTD.to(torch.promote_types(x_BHTD.dtype, torch.float32)).chunk(2, dim=-1)
    turned = (first_BHTP * cos_TP - second_BHTP * sin_TP, first_BHTP * sin_TP + second_BHTP * cos_TP)
    return torch.cat(turned, dim=-1).type_as(x_BHTD)


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2)) over the last dimension, without parameters (Zhang and Sennrich, 2019)."""

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, (x.shape[-1],), eps=self.epsilon)


def _layernorm(config: GPTConfig) -> nn.Module:
    return nn.LayerNorm(config.width, eps=config.norm_epsilon, bias=config.bias)


def _rmsnorm(config: GPTConfig) -> nn.Module:
    return RMSNorm(config.norm_epsilon)


def _rmsnorm_gain(config: GPTConfig) -> nn.Module:
    return nn.RMSNorm(config.width, eps=config.norm_epsilon)


NORMS: dict[str, Callable[[GPTConfig], nn.Module]] = {
    "layernorm": _layernorm,
    "rmsnorm": _rmsnorm,
    "rmsnorm_gain": _rmsnorm_gain,
}
"""A norm over the residual stream."""


def _gelu(x: torch.Tensor) -> torch.Tensor:
    return F.gelu(x, approximate="tanh")


def _relu2(x: torch.Tensor) -> torch.Tensor:
    return F.relu(x).square()


ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"gelu": _gelu, "relu2": _relu2, "swiglu": F.silu}
"""The nonlinearity inside the MLP; that of the gate where the MLP is gated."""

GATED = frozenset({"swiglu"})
"""Activations of an MLP with a gate."""


class MLP(nn.Module):
    """Two linear layers with a nonlinearity between them, for each token by itself.

    Where it is gated, the nonlinearity is of a third layer, which multiplies the first (Shazeer, 2020).
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.activate = ACTIVATIONS[config.activation]
        self.up = nn.Linear(config.width, config.mlp_width, bias=config.bias)
        self.gate: nn.Linear | None = None
        if config.activation in GATED:
            self.gate = nn.Linear(config.width, config.mlp_width, bias=config.bias)
        self.down = nn.Linear(config.mlp_width, config.width, bias=config.bias)

    def forward(self, x_BTC: torch.Tensor) -> torch.Tensor:
        up_BTM = self.up(x_BTC)
        hidden_BTM = self.activate(up_BTM) if self.gate is None else self.activate(self.gate(x_BTC)) * up_BTM
        out_BTC: torch.Tensor = self.down(hidden_BTM)
        return out_BTC
