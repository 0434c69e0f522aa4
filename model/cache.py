"""The keys and values of tokens that were already read, so that each new token costs one step."""

from __future__ import annotations

import torch

from model.config import GPTConfig


class KVCache:
    """Keys and values of every layer, for `capacity` tokens of `batch_size` rows; for inference, without gradients.

    A layer with windows keeps those of its configured window and no more. `GPT` fills the cache as it reads tokens.
    `length` is the number of tokens read, and so the position of the next one.
    """

    def __init__(self, config: GPTConfig, batch_size: int, capacity: int | None = None) -> None:
        """`capacity` None: `config.sequence_length`, which it may not exceed."""
        self.capacity = config.sequence_length if capacity is None else capacity
        if not 1 <= self.capacity <= config.sequence_length:
            raise ValueError(
                f"a cache for {self.capacity} tokens; set its capacity from 1 to the model's {config.sequence_length}"
            )
        self.length = 0
        self.batch_size = batch_size
        # Tokens whose keys each layer keeps: token t at t modulo that number.
        self.kept = [
            min(self.capacity, config.window_tokens) if letter == "S" else self.capacity
            for letter in config.layer_patterns
        ]
        # Made with the first keys, whose device and number format autocast decides.
        self.keys: list[torch.Tensor | None] = [None] * config.num_layers
        self.values: list[torch.Tensor | None] = [None] * config.num_layers

    def append(
        self, layer: int, k_BKTD: torch.Tensor, v_BKTD: torch.Tensor, window: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store one layer's keys and values of new tokens; returns those that they may see, (B, K, S, D).

        The new tokens are the last of them. `window` is what each token of the layer sees at present, its own
        included; None: all that is kept. They stand in their order, but for one new token that sees all of them.
        `length` does not change until `advance`, so that every layer writes to the same place.
        """
        kept = self.kept[layer]
        window = kept if window is None else min(window, kept)
        return (
            _append(self.keys, layer, kept, window, k_BKTD, self.length),
            _append(self.values, layer, kept, window, v_BKTD, self.length),
        )

    def advance(self, num_tokens: int) -> None:
        """Count new tokens in, after every layer has stored them."""
        self.length += num_tokens

    def reset(self) -> None:
        """Forget every token and keep the memory."""
        self.length = 0


def _append(
    stored: list[torch.Tensor | None], layer: int, kept: int, window: int, new: torch.Tensor, length: int
) -> torch.Tensor:
    buffer = stored[layer]
    if buffer is None:
        batch_size, num_heads, _, head_width = new.shape
        buffer = stored[layer] = new.new_empty((batch_size, num_heads, kept, head_width))
    num_new = new.shape[2]
    end = length + num_new
    if end <= kept:
        buffer[:, :, length:end] = new
        return buffer[:, :, :end]
    if num_new == 1 and window == kept:
        buffer[:, :, length % kept] = new[:, :, 0]
        return buffer
    positions = torch.arange(max(0, length - window + 1), length, device=new.device)
    seen = torch.cat([buffer[:, :, positions % kept], new], dim=2)
    positions = torch.arange(max(length, end - kept), end, device=new.device)
    buffer[:, :, positions % kept] = new[:, :, -kept:]
    return seen
