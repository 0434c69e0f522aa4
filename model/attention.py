"""Attention: who may look at whom, and the ways to compute it.

A `Pattern` says which keys a query sees by their positions, `Visibility` which by their documents as well. Every way to
compute attention takes both and gives the same; `ATTENTION` has them by the names that a configuration gives.

The letters at the end of a tensor's name are those of `model.gpt`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.nn.functional as F

from model.config import GPTConfig

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

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
    `lengths_B` are the tokens of each row where a cache has rows of unequal length: the last of its keys.
    """

    def __init__(self, documents_BT: torch.Tensor | None = None, lengths_B: torch.Tensor | None = None) -> None:
        self.documents_BT = documents_BT
        self.lengths_B = lengths_B
        self._made: dict[tuple[Any, ...], Any] = {}

    def shared(self, make: Callable[..., _Made], *arguments: Any) -> _Made:
        """`make(self.documents_BT, *arguments)`, made once for all layers that ask for it."""
        if torch.compiler.is_compiling():
            return make(self.documents_BT, *arguments)  # sizes may be symbols there; the compiler shares by itself
        key = (make.__name__, *arguments)
        if key not in self._made:
            self._made[key] = make(self.documents_BT, *arguments)
        made: _Made = self._made[key]
        return made

    def is_plain(self) -> bool:
        """True where the pattern says all."""
        return self.documents_BT is None and self.lengths_B is None


Attend = Callable[
    [torch.Tensor, torch.Tensor, torch.Tensor, Pattern, Visibility | None, float],
    torch.Tensor,
]
"""Queries, keys, values, who sees whom, and the dropout of training; gives the sums of the values, (B, H, T, D)."""


def dense_mask(
    documents_BT: torch.Tensor | None, pattern: Pattern, num_queries: int, num_keys: int, device: torch.device
) -> torch.Tensor:
    """(T, S), or (B, 1, T, S) with documents, true where a query sees a key; queries are the last of the tokens."""
    positions_S = torch.arange(num_keys, device=device)
    mask_TS = pattern.allows(positions_S[num_keys - num_queries :, None], positions_S)
    if documents_BT is None:
        return mask_TS
    return mask_TS & (documents_BT[:, None, -num_queries:, None] == documents_BT[:, None, None, :])


def rows_mask(
    documents_BT: None, pattern: Pattern, num_queries: int, num_keys: int, lengths_B: torch.Tensor
) -> torch.Tensor:
    """`dense_mask` for rows of unequal length, (B, 1, T, S); the last of the keys are the row's own."""
    positions_BS = torch.arange(num_keys, device=lengths_B.device) + (lengths_B[:, None] - num_keys)
    queries_BT1 = positions_BS[:, num_keys - num_queries :, None]
    return (pattern.allows(queries_BT1, positions_BS[:, None]) & (positions_BS >= 0)[:, None])[:, None]


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
    is_plain = pattern.sees_all(num_keys) and (visibility is None or visibility.is_plain())
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


def chunked_attention(
    q_BHTD: torch.Tensor,
    k_BKSD: torch.Tensor,
    v_BKSD: torch.Tensor,
    pattern: Pattern,
    visibility: Visibility | None = None,
    dropout: float = 0.0,
) -> torch.Tensor:
    """The same for sliding windows, in time and memory that grow with T times the window.

    Queries are cut into chunks, and each chunk is one row of a batch with the keys that its queries may see: those of
    its own tokens and of the window before them.
    """
    batch_size, num_heads, num_queries, _ = q_BHTD.shape
    num_before = k_BKSD.shape[2] - num_queries
    chunk, num_chunks, reach = _chunks(pattern, num_queries)
    end = num_chunks * chunk - num_queries
    q_BTHD = F.pad(q_BHTD.transpose(1, 2), (0, 0, 0, 0, 0, end))
    # Keys that no query sees are cut off: a pad may be negative.
    keys, values = (
        _overlapping(F.pad(x_BKSD.transpose(1, 2), (0, 0, 0, 0, reach - num_before, end)), chunk, num_chunks)
        .flatten(0, 1)
        .transpose(1, 2)
        for x_BKSD in (k_BKSD, v_BKSD)
    )
    out = F.scaled_dot_product_attention(
        q_BTHD.unflatten(1, (num_chunks, chunk)).flatten(0, 1).transpose(1, 2),
        keys,
        values,
        attn_mask=(visibility or Visibility()).shared(
            chunked_mask, pattern, batch_size, num_queries, num_before, q_BHTD.device
        ),
        dropout_p=dropout,
        enable_gqa=num_heads != k_BKSD.shape[1],
    )
    out_BTHD: torch.Tensor = out.transpose(1, 2).unflatten(0, (batch_size, num_chunks)).flatten(1, 2)
    return out_BTHD[:, :num_queries].transpose(1, 2)


def chunked_mask(
    documents_BT: torch.Tensor | None,
    pattern: Pattern,
    batch_size: int,
    num_queries: int,
    num_before: int,
    device: torch.device,
) -> torch.Tensor:
    """(B * chunks, 1, queries of a chunk, its keys), true where a query sees a key."""
    chunk, num_chunks, reach = _chunks(pattern, num_queries)
    keys_U = torch.arange(reach + chunk, device=device)
    # What was put before the first key is none.
    first_N = reach - num_before - chunk * torch.arange(num_chunks, device=device)
    mask = pattern.allows(keys_U[reach:, None], keys_U) & (keys_U >= first_N[:, None, None])
    mask = mask.expand(batch_size, num_chunks, chunk, reach + chunk)
    if documents_BT is not None:
        padded = F.pad(documents_BT, (reach, num_chunks * chunk - num_queries))
        keys_BNU = _overlapping(padded, chunk, num_chunks)
        mask = mask & (keys_BNU[:, :, reach:, None] == keys_BNU[:, :, None, :])
    return mask.flatten(0, 1)[:, None]


_LEAST_CHUNK = 64  # queries; fewer are slow in the kernel


def _chunks(pattern: Pattern, num_queries: int) -> tuple[int, int, int]:
    """The queries of a chunk, the number of chunks, and the keys before a chunk: whole chunks, the window at least.

    With chunks of a quarter of the window a query is multiplied with 1.25 windows of keys; with whole ones, with two.
    """
    chunk = min(max(_LEAST_CHUNK, -(-pattern.size // 4)), num_queries)
    return chunk, -(-num_queries // chunk), -(-(pattern.size - 1) // chunk) * chunk


def _overlapping(x_BT: torch.Tensor, chunk: int, num_chunks: int) -> torch.Tensor:
    """(B, N, U, ...) of (B, T, ...): chunks with those that stand before them."""
    x_BNC = x_BT.unflatten(1, (-1, chunk))
    span = x_BNC.shape[1] - num_chunks + 1
    return torch.cat([x_BNC[:, first : first + num_chunks] for first in range(span)], dim=2)


def flex_attention(
    q_BHTD: torch.Tensor,
    k_BKSD: torch.Tensor,
    v_BKSD: torch.Tensor,
    pattern: Pattern,
    visibility: Visibility | None = None,
    dropout: float = 0.0,
) -> torch.Tensor:
    """The same by a kernel that is compiled for the pattern and skips blocks of keys that nobody sees.

    FlexAttention (Dong et al., 2024), for a GPU: on a CPU it has no backward pass. It has no dropout.
    """
    if dropout:
        raise ValueError("FlexAttention has no dropout; set dropout to 0, or attention to 'reference'")
    block_mask = (visibility or Visibility()).shared(
        _block_mask, pattern, q_BHTD.shape[0], q_BHTD.shape[2], k_BKSD.shape[2], q_BHTD.device
    )
    out_BHTD: torch.Tensor = _flex()(
        q_BHTD, k_BKSD, v_BKSD, block_mask=block_mask, enable_gqa=q_BHTD.shape[1] != k_BKSD.shape[1]
    )
    return out_BHTD


def _flex() -> Any:
    from torch.nn.attention.flex_attention import flex_attention as uncompiled

    return uncompiled if torch.compiler.is_compiling() else _compiled(uncompiled)


@functools.cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function)


def _block_mask(
    documents_BT: torch.Tensor | None,
    pattern: Pattern,
    batch_size: int,
    num_queries: int,
    num_keys: int,
    device: torch.device,
) -> BlockMask:
    if documents_BT is None:
        if torch.compiler.is_compiling():
            return _make_block_mask(pattern, num_queries, num_keys, device)
        return _cached_block_mask(pattern, num_queries, num_keys, device)
    from torch.nn.attention.flex_attention import create_block_mask

    before = num_keys - num_queries

    def sees(row: torch.Tensor, head: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return pattern.allows(query + before, key) & (documents_BT[row, query + before] == documents_BT[row, key])

    return create_block_mask(sees, batch_size, None, num_queries, num_keys, device=device)


def _make_block_mask(pattern: Pattern, num_queries: int, num_keys: int, device: torch.device) -> BlockMask:
    from torch.nn.attention.flex_attention import create_block_mask

    before = num_keys - num_queries

    def sees(row: torch.Tensor, head: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return pattern.allows(query + before, key)

    return create_block_mask(sees, None, None, num_queries, num_keys, device=device)


_cached_block_mask = functools.lru_cache(maxsize=32)(_make_block_mask)


_LEAST_FLEX_WIDTH = 16  # channels of a head that FlexAttention asks for
_MOST_CPU_FLOAT32 = 256  # tokens; for so few a CPU's backward pass in bfloat16 takes up to four times that in float32


def sdpa_attention(
    q_BHTD: torch.Tensor,
    k_BKSD: torch.Tensor,
    v_BKSD: torch.Tensor,
    pattern: Pattern = FULL,
    visibility: Visibility | None = None,
    dropout: float = 0.0,
) -> torch.Tensor:
    """The same in the fastest way for the pattern and the device, by PyTorch's fused kernels."""
    num_queries, num_keys = q_BHTD.shape[2], k_BKSD.shape[2]
    is_plain = pattern.sees_all(num_keys) and (visibility is None or visibility.is_plain())
    attend: Attend = masked_attention
    if not is_plain and num_queries > 1 and (visibility is None or visibility.lengths_B is None):
        is_wide = q_BHTD.shape[-1] >= _LEAST_FLEX_WIDTH
        if q_BHTD.is_cuda and is_wide and num_queries == num_keys and not dropout:
            attend = flex_attention
        elif pattern.letter == "S" and num_queries > pattern.size:
            attend = chunked_attention
    if q_BHTD.dtype == torch.bfloat16 and not q_BHTD.is_cuda and num_queries == num_keys <= _MOST_CPU_FLOAT32:
        with torch.autocast("cpu", enabled=False):
            q, k, v = q_BHTD.float(), k_BKSD.float(), v_BKSD.float()
            return attend(q, k, v, pattern, visibility, dropout).type_as(q_BHTD)
    return attend(q_BHTD, k_BKSD, v_BKSD, pattern, visibility, dropout)


def _shared_mask(
    q_BHTD: torch.Tensor, k_BKSD: torch.Tensor, pattern: Pattern, visibility: Visibility | None
) -> torch.Tensor:
    visibility = visibility or Visibility()
    sizes = (pattern, q_BHTD.shape[2], k_BKSD.shape[2])
    if visibility.lengths_B is not None:
        return visibility.shared(rows_mask, *sizes, visibility.lengths_B)
    return visibility.shared(dense_mask, *sizes, q_BHTD.device)


ATTENTION: dict[str, Attend] = {"reference": reference_attention, "sdpa": sdpa_attention}
"""Ways to compute attention by the names of a configuration."""
