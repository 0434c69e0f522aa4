"""The layers that a GPT is made of, by the names that a configuration gives them: attention, norms, activations.

The letters at the end of a tensor's name are those of `model.gpt`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import nn

_ROTARY_BASE = 10_000.0  # of the wavelengths; Su et al., 2021
_NORM_EPSILON = 1e-5  # GPT-2's


def causal_mask(num_queries: int, num_keys: int, device: torch.device) -> torch.Tensor:
    """(T, S) mask, true where a query may look; the last query sees every key, the one before it all but one."""
    mask_TS = torch.ones(num_queries, num_keys, dtype=torch.bool, device=device)
    return mask_TS.tril(num_keys - num_queries)


def reference_attention(
    q_BHTD: torch.Tensor, k_BKSD: torch.Tensor, v_BKSD: torch.Tensor, dropout: float = 0.0
) -> torch.Tensor:
    """Causal attention written out, softmax(Q K^T / sqrt(D)) V (Vaswani et al., 2017); returns (B, H, T, D)."""
    num_groups = q_BHTD.shape[1] // k_BKSD.shape[1]
    k_BHSD = k_BKSD.repeat_interleave(num_groups, dim=1)
    v_BHSD = v_BKSD.repeat_interleave(num_groups, dim=1)
    scores_BHTS = q_BHTD @ k_BHSD.transpose(-2, -1) / math.sqrt(q_BHTD.shape[-1])
    mask_TS = causal_mask(q_BHTD.shape[2], k_BKSD.shape[2], q_BHTD.device)
    weights_BHTS = scores_BHTS.masked_fill(~mask_TS, -math.inf).softmax(dim=-1)
    weights_BHTS = F.dropout(weights_BHTS, dropout, training=dropout > 0).to(v_BHSD.dtype)
    return weights_BHTS @ v_BHSD


def sdpa_attention(
    q_BHTD: torch.Tensor, k_BKSD: torch.Tensor, v_BKSD: torch.Tensor, dropout: float = 0.0
) -> torch.Tensor:
    """The same as `reference_attention` through PyTorch's fused kernels, which never store the scores."""
    num_queries, num_keys = q_BHTD.shape[2], k_BKSD.shape[2]
    # SDPA's own causal mask aligns the first query with the first key: right only where there are as many of both.
    is_causal = num_queries == num_keys
    mask_TS = None if is_causal or num_queries == 1 else causal_mask(num_queries, num_keys, q_BHTD.device)
    return F.scaled_dot_product_attention(
        q_BHTD,
        k_BKSD,
        v_BKSD,
        attn_mask=mask_TS,
        dropout_p=dropout,
        is_causal=is_causal,
        enable_gqa=q_BHTD.shape[1] != k_BKSD.shape[1],
    )


ATTENTION = {"reference": reference_attention, "sdpa": sdpa_attention}


def rotary_angles(sequence_length: int, head_width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine, each (T, P), of what pair p turns by at position t: t / base^(p / P) radians."""
    pairs_P = torch.arange(head_width // 2, dtype=torch.float64)
    positions_T = torch.arange(sequence_length, dtype=torch.float64)
    angles_TP = torch.outer(positions_T, _ROTARY_BASE ** (-pairs_P / len(pairs_P)))
    return angles_TP.cos().float(), angles_TP.sin().float()


def rotate(x_BHTD: torch.Tensor, cos_TP: torch.Tensor, sin_TP: torch.Tensor) -> torch.Tensor:
    """Turn each pair (channel p, channel p + P) by its angle; in float32 at least, returned as `x` came."""
    first_BHTP, second_BHTP = x_BHTD.to(torch.promote_types(x_BHTD.dtype, torch.float32)).chunk(2, dim=-1)
    turned = (first_BHTP * cos_TP - second_BHTP * sin_TP, first_BHTP * sin_TP + second_BHTP * cos_TP)
    return torch.cat(turned, dim=-1).type_as(x_BHTD)


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2)) over the last dimension, without parameters (Zhang and Sennrich, 2019)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, (x.shape[-1],), eps=_NORM_EPSILON)


def _layernorm(width: int, bias: bool) -> nn.Module:
    return nn.LayerNorm(width, eps=_NORM_EPSILON, bias=bias)


def _rmsnorm(width: int, bias: bool) -> nn.Module:
    return RMSNorm()


NORMS: dict[str, Callable[[int, bool], nn.Module]] = {"layernorm": _layernorm, "rmsnorm": _rmsnorm}
"""A norm over the residual stream, made from its width and whether the model has biases."""


def _gelu(x: torch.Tensor) -> torch.Tensor:
    return F.gelu(x, approximate="tanh")


def _relu2(x: torch.Tensor) -> torch.Tensor:
    return F.relu(x).square()


ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"gelu": _gelu, "relu2": _relu2}
"""The nonlinearity inside the MLP."""

POSITIONS = ("learned", "rotary")
"""The ways in which a model knows the order of its tokens; `model.gpt` has the code."""

NAMES: dict[str, Iterable[str]] = {
    "norm": NORMS,
    "positions": POSITIONS,
    "activation": ACTIVATIONS,
    "attention": ATTENTION,
}
"""The names that a configuration may give, by its field."""
