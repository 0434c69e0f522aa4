"""Attention: who may look at whom, and the ways to compute it.

A `Pattern` says which keys a query sees by their positions, `Visibility` which by their documents as well. Every way to
compute attention takes both and gives the same; `ATTENTION` has them by the names that a configuration gives.

The letters at the end of a tensor's name are those of `model.gpt`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.nn.functional as F

from model.config import GPTConfig

Allows = Callable[[torch.Tensor, torch.Tensor, int, int], torch.Tensor]
_Made = TypeVar("_Made")


def _full(query: torch.Tensor, key: torch.Tensor, size: int, summary_columns: int) -> torch.Tensor:
    return key <= query


def _window(query: torch.Tensor, key: torch.Tensor, size: int, summary_columns: int) -> torch.Tensor:
    return (key <= query) & (key > query - size)


def _strided(query: torch.Tensor, key: torch.Tensor, size: int, summary_columns: int) -> torch.Tensor:
    return (key <= query) & ((key > query - size) | ((query - key) % size == 0))


def _fixed(query: torch.Tensor, key: torch.Tensor, size: int, summary_columns: int) -> torch.Tensor:
    return (key <= query) & ((key // size == query // size) | (key % size >= size - summary_columns))


ALLOWS: dict[str, Allows] = {"L": _full, "S": _window, "T": _strided, "F": _fixed}
"""For each letter, whether the query at a position sees the key at another; `config.PATTERN_LETTERS` describes them.

Strided and fixed are the two heads of Child et al., 2019 (arXiv:1904.10509), section 4.3, merged into one that sees
what either does."""


@dataclass(frozen=True)
class Pattern:
    """The keys that a query sees by their positions, in a layer of one letter."""

    letter: str
    size: int
    """Tokens of the window, the stride or the block."""
    summary_columns: int

    def allows(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        """True where the query at a position sees the key at another, for integers that broadcast."""
        return ALLOWS[self.letter](query, key, self.size, self.summary_columns)

    def sees_all(self, num_keys: int) -> bool:
        """True where each of so many tokens sees all before it."""
        return self.letter == "L" or num_keys <= self.size

    def keys_per_query(self, num_tokens: int) -> float:
        """Keys that a query is multiplied with, on the mean of so many tokens, as FLOPs are counted.

        All of them in a full layer, and the whole window in one with windows, as if there were no causal mask; the
        mean of those that are seen in a strided or fixed one.
        """
        if self.letter in ("L", "S"):
            return num_tokens if self.letter == "L" else min(self.size, num_tokens)
        blocks, rest = divmod(num_tokens, self.size)
        # Blocks, or strides, before each token, summed over the tokens.
        before = self.size * blocks * (blocks - 1) // 2 + rest * blocks
        first = self.size * (self.size + 1) // 2
        if self.letter == "T":
            near = first + (num_tokens - self.size) * self.size if blocks else rest * (rest + 1) // 2
            return (near + before) / num_tokens
        return (blocks * first + rest * (rest + 1) // 2 + self.summary_columns * before) / num_tokens


FULL = Pattern("L", 0, 0)


def pattern(config: GPTConfig, layer: int, window: int | None = None) -> Pattern:
    """The pattern of a layer. `window` is that of the layers with windows, the configured one where it is None."""
    letter = config.layer_patterns[layer]
    size = config.window_tokens if window is None or letter != "S" else window
    return Pattern(letter, size, config.summary_columns)


class Visibility:
    """What one forward pass adds to the patterns: the documents, and the masks that several layers share.

    `documents_BT` are any integers; tokens of one number see each other, wherever they stand. None: all do.
    """

    def __init__(self, documents_BT: torch.Tensor | None = None) -> None:
        self.documents_BT = documents_BT
        self._made: dict[tuple[Any, ...], Any] = {}

    def shared(self, make: Callable[..., _Made], *arguments: Any) -> _Made:
        """`make(self.documents_BT, *arguments)`, made once for all layers that ask for it."""
        key = (make.__name__, *arguments)
        if key not in self._made:
            self._made[key] = make(self.documents_BT, *arguments)
        made: _Made = self._made[key]
        return made


def dense_mask(
    documents_BT: torch.Tensor | None, pattern: Pattern, num_queries: int, num_keys: int, device: torch.device
) -> torch.Tensor:
    """(T, S), or (B, 1, T, S) with documents, true where a query sees a key; queries are the last of the tokens."""
    positions_S = torch.arange(num_keys, device=device)
    mask_TS = pattern.allows(positions_S[num_keys - num_queries :, None], positions_S)
    if documents_BT is None:
        return mask_TS
    return mask_TS & (documents_BT[:, None, -num_queries:, None] == documents_BT[:, None, None, :])


def reference_attention(
    q_BHTD: torch.Tensor,
    k_BKSD: torch.Tensor,
    v_BKSD: torch.Tensor,
    pattern: Pattern = FULL,
    visibility: Visibility | None = None,
    dropout: float = 0.0,
) -> torch.Tensor:
    """Attention written out, softmax(Q K^T / sqrt(D)) V (Vaswani et al., 2017); returns (B, H, T, D)."""
    num_groups = q_BHTD.shape[1] // k_BKSD.shape[1]
    k_BHSD = k_BKSD.repeat_interleave(num_groups, dim=1)
    v_BHSD = v_BKSD.repeat_interleave(num_groups, dim=1)
    scores_BHTS = q_BHTD @ k_BHSD.transpose(-2, -1) / math.sqrt(q_BHTD.shape[-1])
    mask = _shared_mask(q_BHTD, k_BKSD, pattern, visibility)
    weights_BHTS = scores_BHTS.masked_fill(~mask, -math.inf).softmax(dim=-1)
    weights_BHTS = F.dropout(weights_BHTS, dropout, training=dropout > 0).to(v_BHSD.dtype)
    return weights_BHTS @ v_BHSD


def masked_attention(
    q_BHTD: torch.Tensor,
    k_BKSD: torch.Tensor,
    v_BKSD: torch.Tensor,
    pattern: Pattern = FULL,
    visibility: Visibility | None = None,
    dropout: float = 0.0,
) -> torch.Tensor:
    """The same through PyTorch's fused kernels, which never store the scores; for every pattern and device."""
    num_queries, num_keys = q_BHTD.shape[2], k_BKSD.shape[2]
    is_plain = pattern.sees_all(num_keys) and (visibility is None or visibility.documents_BT is None)
    # SDPA's own causal mask aligns the first query with the first key: right only where there are as many of both.
    is_causal = is_plain and num_queries == num_keys
    needs_mask = not is_causal and not (is_plain and num_queries == 1)
    return F.scaled_dot_product_attention(
        q_BHTD,
        k_BKSD,
        v_BKSD,
        attn_mask=_shared_mask(q_BHTD, k_BKSD, pattern, visibility) if needs_mask else None,
        dropout_p=dropout,
        is_causal=is_causal,
        enable_gqa=q_BHTD.shape[1] != k_BKSD.shape[1],
    )


def _shared_mask(
    q_BHTD: torch.Tensor, k_BKSD: torch.Tensor, pattern: Pattern, visibility: Visibility | None
) -> torch.Tensor:
    shared = (visibility or Visibility()).shared
    return shared(dense_mask, pattern, q_BHTD.shape[2], k_BKSD.shape[2], q_BHTD.device)


ATTENTION = {"reference": reference_attention, "sdpa": masked_attention}
"""Ways to compute attention by the names of a configuration."""
