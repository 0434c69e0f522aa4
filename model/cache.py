"""The keys and values of tokens that were already read, so that each new token costs one step."""

from __future__ import annotations

import torch

from model.config import GPTConfig


class KVCache:
    """Keys and values of every layer, for `capacity` tokens of `batch_size` rows; for inference, without gradients.

    `GPT` fills it as it reads tokens. `length` is the number of tokens in it, and so the position of the next one.
    """

    def __init__(self, config: GPTConfig, batch_size: int, capacity: int | None = None) -> None:
        """`capacity` None: `config.sequence_length`, which it may not exceed."""
        self.capacity = config.sequence_length if capacity is None else capacity
        if not 1 <= self.capacity <= config.sequence_length:
            raise ValueError(
                f"a cache for {self.capacity} tokens; set its capacity from 1 to the model's {config.sequence_length}"
            )
        self.length = 0
        self.shape = (batch_size, config.kv_heads, self.capacity, config.head_width)
        # Made with the first keys, whose device and number format autocast decides.
        self.keys: list[torch.Tensor | None] = [None] * config.num_layers
        self.values: list[torch.Tensor | None] = [None] * config.num_layers

    def append(self, layer: int, k_BKTD: torch.Tensor, v_BKTD: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Store one layer's keys and values of new tokens; returns those of all tokens so far, (B, K, S, D).

        `length` does not change until `advance`, so that every layer writes to the same place.
        """
        start, end = self.length, self.length + k_BKTD.shape[2]
        k_BKSD = _write(self.keys, layer, self.shape, k_BKTD, start, end)
        return k_BKSD, _write(self.values, layer, self.shape, v_BKTD, start, end)

    def advance(self, num_tokens: int) -> None:
        """Count new tokens in, after every layer has stored them."""
        self.length += num_tokens

    def reset(self) -> None:
        """Forget every token and keep the memory."""
        self.length = 0


def _write(
    stored: list[torch.Tensor | None], layer: int, shape: tuple[int, ...], new: torch.Tensor, start: int, end: int
) -> torch.Tensor:
    buffer = stored[layer]
    if buffer is None:
        buffer = stored[layer] = new.new_empty(shape)
    buffer[:, :, start:end] = new
    return buffer[:, :, :end]
