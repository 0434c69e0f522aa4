"""Cross-entropy of a linear head without its whole logits.

The letters at the end of a tensor's name are those of `model.gpt`; N are all targets of a batch, B * T.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

IGNORED_TARGET = -1
"""The target id that counts no loss."""

_CPU_CHUNK_BYTES = 8 * 2**20  # of logits in float32: they stay in the caches
GPU_CHUNK_BYTES = 512 * 2**20
"""Logits, in float32, that a GPU makes at once: it wants large products."""
_LEAST_CHUNK = 256  # tokens; with fewer, reading the weights and adding to their gradient takes a tenth of the time


def chunk_tokens(num_tokens: int, vocab_size: int, device: torch.device) -> int:
    """Tokens whose logits are made at once."""
    num_bytes = _CPU_CHUNK_BYTES if device.type == "cpu" else GPU_CHUNK_BYTES
    most = max(_LEAST_CHUNK, num_bytes // (4 * vocab_size))
    num_chunks = -(-num_tokens // most)
    return -(-num_tokens // num_chunks)  # chunks of equal size


def linear_cross_entropy(
    hidden_NC: torch.Tensor,
    weight_VC: torch.Tensor,
    targets_N: torch.Tensor,
    *,
    soft_cap: float = 0.0,
    z_loss: float = 0.0,
    chunk: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The sum of the losses in nats, and the loss of each target without a gradient, (N,), 0 where nothing counts.

    What `F.cross_entropy` gives for the logits `hidden_NC @ weight_VC.T`, capped as by `cap`, and `z_loss` times the
    square of log sum exp on top. Logits are made for `chunk` tokens at a time (not given: `chunk_tokens`), and their
    gradients with them: they are never whole in memory, and nothing is computed twice (Hsu et al., 2024, Liger Kernel,
    section 3.2). What fits into one chunk goes the plain way, which is faster. The sum can go backward once.
    """
    chunk = chunk or chunk_tokens(len(targets_N), len(weight_VC), hidden_NC.device)
    if chunk >= len(targets_N):
        logits_NV = cap(F.linear(hidden_NC, weight_VC), soft_cap)
        each_N = losses(logits_NV, targets_N, z_loss)
        return each_N.sum(), each_N.detach()
    if torch.is_grad_enabled() and (hidden_NC.requires_grad or weight_VC.requires_grad):
        total, each_N = _LinearCrossEntropy.apply(hidden_NC, weight_VC, targets_N, soft_cap, z_loss, chunk)
        return total, each_N
    each_N, _, _ = _in_chunks(hidden_NC, weight_VC, targets_N, soft_cap, z_loss, chunk, (False, False))
    return each_N.sum(), each_N


def cap(logits: torch.Tensor, soft_cap: float) -> torch.Tensor:
    """soft_cap * tanh(logits / soft_cap), in float32 at least; logits as they are where it is 0."""
    return soft_cap * torch.tanh(_exact(logits) / soft_cap) if soft_cap else logits


def losses(logits_NV: torch.Tensor, targets_N: torch.Tensor, z_loss: float = 0.0) -> torch.Tensor:
    """The loss of each target, (N,), in float32 at least."""
    logits_NV = _exact(logits_NV)
    each_N = F.cross_entropy(logits_NV, targets_N, ignore_index=IGNORED_TARGET, reduction="none")
    if z_loss:
        each_N = each_N + z_loss * logits_NV.logsumexp(dim=-1).square() * (targets_N != IGNORED_TARGET)
    return each_N


def _exact(x: torch.Tensor) -> torch.Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_NC: torch.Tensor,
        weight_VC: torch.Tensor,
        targets_N: torch.Tensor,
        soft_cap: float,
        z_loss: float,
        chunk: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        wanted = (ctx.needs_input_grad[0], ctx.needs_input_grad[1])
        each_N, *ctx.gradients = _in_chunks(hidden_NC, weight_VC, targets_N, soft_cap, z_loss, chunk, wanted)
        ctx.mark_non_differentiable(each_N)
        return each_N.sum(), each_N

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor, _: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gradients, ctx.gradients = ctx.gradients, None  # scaled in place, and so of use once
        if gradients is None:
            raise RuntimeError("the loss has gone backward before; compute it again")
        return *(own if own is None else own.mul_(gradient) for own in gradients), None, None, None, None


def _in_chunks(
    hidden_NC: torch.Tensor,
    weight_VC: torch.Tensor,
    targets_N: torch.Tensor,
    soft_cap: float,
    z_loss: float,
    chunk: int,
    wanted: tuple[bool, bool],
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
    """The loss of each target, and, as far as they are wanted, the gradients of their sum."""
    device = hidden_NC.device.type
    # The number format that the head would compute in, cast once for all chunks.
    dtype = torch.promote_types(hidden_NC.dtype, weight_VC.dtype)
    if torch.is_autocast_enabled(device) and dtype != torch.float64:
        dtype = torch.get_autocast_dtype(device)
    exact = torch.promote_types(dtype, torch.float32)
    weight = weight_VC.to(dtype)
    each_N = torch.empty(len(targets_N), dtype=exact, device=hidden_NC.device)
    d_hidden_NC = torch.empty_like(hidden_NC) if wanted[0] else None
    d_weight_VC = torch.zeros(weight.shape, dtype=exact, device=weight.device) if wanted[1] else None
    with torch.autocast(device, enabled=False):
        for first in range(0, len(targets_N), chunk):
            part = slice(first, first + chunk)
            hidden, targets = hidden_NC[part].to(dtype), targets_N[part]
            counted = targets != IGNORED_TARGET
            index_N1 = targets.clamp(min=0)[:, None]
            logits = F.linear(hidden, weight).to(exact)
            if soft_cap:
                logits = logits.div_(soft_cap).tanh_().mul_(soft_cap)
            logs = logits.log_softmax(-1)
            right = logs.gather(1, index_N1)[:, 0]
            norm = logits.gather(1, index_N1)[:, 0] - right  # log sum exp
            each_N[part] = torch.where(counted, z_loss * norm.square() - right, 0)
            if d_hidden_NC is None and d_weight_VC is None:
                continue
            # d loss / d logits = factor * (softmax - 1 / factor at the target), with factor = 1 + 2 z norm. Rows are
            # scaled where they are narrow: in what has C channels.
            factor = 1 + 2 * z_loss * norm
            d_logits = logs.exp_().scatter_add_(1, index_N1, -1 / factor[:, None])
            if soft_cap:
                d_logits *= 1 - (logits / soft_cap).square_()
            d_logits = d_logits.to(dtype)
            scale_N1 = torch.where(counted, factor, 0)[:, None].to(dtype)
            if d_hidden_NC is not None:
                d_hidden_NC[part] = (d_logits @ weight).mul_(scale_N1)
            if d_weight_VC is not None:
                scaled = hidden * scale_N1
                if dtype == exact:
                    d_weight_VC.addmm_(d_logits.T, scaled)
                else:
                    d_weight_VC += d_logits.T @ scaled
    return each_N, d_hidden_NC, None if d_weight_VC is None else d_weight_VC.to(weight_VC.dtype)
