"""The keys and values of tokens that were already read, so that each new token costs one step."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from model.config import GPTConfig


class KVCache:
    """Keys and values of every layer, for `capacity` tokens of `batch_size` rows; for inference, without gradients.

    A layer with windows keeps those of its configured window and no more. `GPT` fills the cache as it reads tokens.
    `length` is the number of tokens read, and so the position of the next one. Rows of unequal length end in the same
    column, as text that is set flush right; then `lengths` has the number of each, and `length` is the largest.
    """

    def __init__(
        self,
        config: GPTConfig,
        batch_size: int,
        capacity: int | None = None,
        *,
        lengths: Sequence[int] | None = None,
        keep_all: bool = False,
    ) -> None:
        """`capacity` None: `config.sequence_length`, which it may not exceed.

        `lengths` makes room for rows of so many tokens, which `place` fills. `keep_all`: windows or not.
        """
        self.config = config
        self.capacity = config.sequence_length if capacity is None else capacity
        if not 1 <= self.capacity <= config.sequence_length:
            raise ValueError(
                f"a cache for {self.capacity} tokens; set its capacity from 1 to the model's {config.sequence_length}"
            )
        self.batch_size = batch_size
        self._letters = config.layer_patterns
        # Tokens whose keys each layer keeps: token t at t modulo that number.
        self.kept = [
            min(self.capacity, config.window_tokens) if letter == "S" and not keep_all else self.capacity
            for letter in self._letters
        ]
        # Made with the first keys, whose device and number format autocast decides.
        self.keys: list[torch.Tensor | None] = [None] * config.num_layers
        self.values: list[torch.Tensor | None] = [None] * config.num_layers
        self._columns = self.capacity
        self.reset()
        if lengths is not None:
            self._set_lengths(lengths)
            self._end = self._written = self.length
            if self.lengths is not None and self.capacity == config.sequence_length:
                # A row that moves its window leaves the others where they are, and all move up when there is no more
                # room: seldom, with some to spare.
                self._columns += max(1, config.sequence_length // 4)

    def reset(self) -> None:
        """Forget every token and keep the memory."""
        self.length = 0
        self.lengths: list[int] | None = None
        self.lengths_B: torch.Tensor | None = None
        self._end = 0  # of the columns in use, in layers that keep all
        self._written = 0  # columns, of which layers with windows keep the last

    @property
    def row_lengths(self) -> list[int]:
        """The number of tokens of each row."""
        return [self.length] * self.batch_size if self.lengths is None else self.lengths

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
            self._append(self.keys, layer, kept, window, k_BKTD),
            self._append(self.values, layer, kept, window, v_BKTD),
        )

    def advance(self, num_tokens: int) -> None:
        """Count new tokens in, after every layer has stored them."""
        self._end = num_tokens + (self._end if self._end + num_tokens <= self._columns else self.length)
        self._written += num_tokens
        self.length += num_tokens
        if self.lengths is not None and self.lengths_B is not None:
            self.lengths = [length + num_tokens for length in self.lengths]
            self.lengths_B = self.lengths_B + num_tokens

    def take(self, rows: Sequence[int], capacity: int) -> KVCache:
        """A copy of some of the rows, each as often as it is named."""
        lengths = [self.row_lengths[row] for row in rows]
        taken = KVCache(self.config, len(rows), capacity, lengths=lengths)
        for own, new in ((self.keys, taken.keys), (self.values, taken.values)):
            for layer, buffer in enumerate(own):
                if buffer is not None:
                    index = torch.tensor(rows, device=buffer.device)
                    columns = self._last(layer, min(taken.length, taken.kept[layer]), buffer.device)
                    taken._buffer(new, layer, buffer)[:, :, taken._last(layer, len(columns), buffer.device)] = buffer[
                        index[:, None], :, columns
                    ].transpose(1, 2)
        taken._set_lengths(lengths)  # on the device of the keys
        return taken

    def place(self, rows: Sequence[int], read: KVCache, lengths: Sequence[int]) -> None:
        """Replace what rows hold by the first tokens of the rows of a cache that keeps all, so many of each."""
        for own, new in ((self.keys, read.keys), (self.values, read.values)):
            for layer, source in enumerate(new):
                if source is None:
                    continue
                buffer = self._buffer(own, layer, source)
                for source_row, row, length in zip(source, rows, lengths, strict=True):
                    columns = self._last(layer, min(length, self.kept[layer]), source.device)
                    buffer[row][:, columns] = source_row[:, length - len(columns) : length]
        every = self.row_lengths
        for row, length in zip(rows, lengths, strict=True):
            every[row] = length
        self._set_lengths(every)

    def _set_lengths(self, lengths: Sequence[int]) -> None:
        self.length = max(lengths)
        is_level = min(lengths) == self.length
        self.lengths = None if is_level else list(lengths)
        device = next((buffer.device for buffer in self.keys if buffer is not None), None)
        self.lengths_B = None if is_level else torch.tensor(lengths, device=device)

    @property
    def _shortest(self) -> int:
        return self.length if self.lengths is None else min(self.lengths)

    def _is_ring(self, layer: int) -> bool:
        return self._letters[layer] == "S" and self.kept[layer] < self._columns

    def _last(self, layer: int, number: int, device: torch.device) -> torch.Tensor:
        """The indices of a layer's last `number` columns in its buffer, (number,)."""
        if self._is_ring(layer):
            return torch.arange(self._written - number, self._written, device=device) % self.kept[layer]
        return torch.arange(self._end - number, self._end, device=device)

    def _buffer(self, stored: list[torch.Tensor | None], layer: int, like: torch.Tensor) -> torch.Tensor:
        buffer = stored[layer]
        if buffer is None:
            width = self.kept[layer] if self._letters[layer] == "S" else self._columns
            shape = (self.batch_size, like.shape[1], width, like.shape[3])
            # Zeros: a mask leaves out what no token has filled, and nothing leaves out what is not a number.
            buffer = stored[layer] = like.new_zeros(shape)
        return buffer

    def _append(
        self, stored: list[torch.Tensor | None], layer: int, kept: int, window: int, new: torch.Tensor
    ) -> torch.Tensor:
        buffer = self._buffer(stored, layer, new)
        num_new = new.shape[2]
        if not self._is_ring(layer):
            start, end = self._end - self.length, self._end
            if end + num_new > self._columns:
                buffer[:, :, : self.length] = buffer[:, :, start:end].clone()
                start, end = 0, self.length
            buffer[:, :, end : end + num_new] = new
            return buffer[:, :, start : end + num_new]
        written = self._written
        if written == self.length and written + num_new <= kept:
            buffer[:, :, written : written + num_new] = new
            return buffer[:, :, : written + num_new]
        if num_new == 1 and window == kept and self._shortest + 1 >= kept:
            buffer[:, :, written % kept] = new[:, :, 0]
            return buffer
        seen = torch.cat([buffer[:, :, self._last(layer, min(self.length, window - 1), new.device)], new], dim=2)
        columns = torch.arange(written + max(0, num_new - kept), written + num_new, device=new.device)
        buffer[:, :, columns % kept] = new[:, :, -kept:]
        return seen
