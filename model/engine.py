"""Writing with a model: prompts are read once, rows of any length go on side by side, and each leaves when it ends.

A row writes the same whatever else is in the batch: it sees its own tokens at its own positions and draws from its own
generator. (Sums of a larger batch may be rounded otherwise, by some 1e-6.)
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from model.cache import KVCache
from model.gpt import GPT
from model.sampling import Sampler, Sampling, window_start


@dataclass
class Step:
    """One new token for each row that is still written."""

    rows: list[int]
    """Numbers of the rows, as `decode` found them in its state."""
    tokens: list[int]
    log_probabilities: list[float]
    """Of the tokens in nats, by the model itself: before temperature, penalty and filters."""
    ended: set[int]
    """Rows that leave after this token: those that wrote the stop token. Whoever has enough of others adds them."""


class State:
    """Rows of tokens and what the model has read of them. `Engine.prefill` makes it, `decode` goes on with it."""

    def __init__(self, model: GPT, tokens: list[list[int]]) -> None:
        self._model = model
        self._cache: KVCache | None = None
        self._starts: list[int] = []  # the first token of each row that the cache holds
        self._logits_BV: torch.Tensor | None = None
        self.tokens = tokens
        """The token ids of every row, prompts included."""

    def clone(self, number: int) -> State:
        """Each row `number` times, one after the other, without reading anything again."""
        return self.take([row for row in range(len(self.tokens)) for _ in range(number)])

    @torch.inference_mode()
    def take(self, rows: Sequence[int]) -> State:
        """A copy of these rows, each as often as it is named."""
        taken = State(self._model, [list(self.tokens[row]) for row in rows])
        if self._cache is not None:
            taken._cache = self._cache.take(rows, self._cache.capacity)
            taken._starts = [self._starts[row] for row in rows]
        if self._logits_BV is not None:
            taken._logits_BV = self._logits_BV[torch.tensor(rows, device=self._logits_BV.device)]
        return taken

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows alone."""
        taken = self.take(rows)
        self.tokens, self._cache = taken.tokens, taken._cache
        self._starts, self._logits_BV = taken._starts, taken._logits_BV

    def extend(self, added: Sequence[Sequence[int]]) -> None:
        """Put token ids at the end of each row. What is cached is not read again, where all get as many.

        Raises `ValueError` for ids that the model does not have.
        """
        if len(added) != len(self.tokens):
            raise ValueError(f"tokens for {len(added)} rows, and the state has {len(self.tokens)}; give one list a row")
        _check(self._model, added)
        for row, ids in zip(self.tokens, added, strict=True):
            row.extend(ids)
        self._logits_BV = None

    @property
    def logits_BV(self) -> torch.Tensor:
        """The scores of the token after each row, (B, V), as float32."""
        if self._logits_BV is None:
            with _evaluating(self._model):
                self._logits_BV = self._read()
        return self._logits_BV

    @torch.inference_mode()
    def reserve(self, number: int) -> None:
        """Make room for so many more tokens of each row at once."""
        length = self._model.config.sequence_length
        capacity = min(length, max(map(len, self.tokens)) + number)
        if self._cache is not None and self._cache.capacity < capacity:
            self._cache = self._cache.take(range(len(self.tokens)), capacity)

    def write(self, tokens: list[int]) -> None:
        """Put one token that the model has chosen at the end of each row."""
        for row, token in zip(self.tokens, tokens, strict=True):
            row.append(token)
        self._logits_BV = None

    @torch.inference_mode()
    def _read(self) -> torch.Tensor:
        """Read what was added to the rows, and give the logits after it."""
        length = self._model.config.sequence_length
        starts = [window_start(len(row), length) for row in self.tokens]
        cache = self._cache
        if cache is not None:
            unread = {
                len(row) - first - read
                for row, first, read in zip(self.tokens, self._starts, cache.row_lengths, strict=True)
            }
            number = unread.pop()
            moved = [row for row, start in enumerate(starts) if start != self._starts[row]]
            if not unread and number and len(moved) < len(starts) and (number == 1 or not moved):
                self._starts = starts
                if moved:  # all but the last token, which every row reads together
                    self._place(moved, [self.tokens[row][starts[row] : -1] for row in moved], cache)
                if cache.capacity < cache.length + number:
                    cache = self._cache = cache.take(range(len(starts)), cache.length + number)
                return self._last_logits([row[-number:] for row in self.tokens], cache)
        self._starts = starts
        return self._read_anew([row[start:] for row, start in zip(self.tokens, starts, strict=True)])

    def _read_anew(self, windows: list[list[int]]) -> torch.Tensor:
        lengths = [len(window) for window in windows]
        capacity = max(lengths) if self._cache is None else max(self._cache.capacity, *lengths)
        if min(lengths) < max(lengths):
            self._cache = KVCache(self._model.config, len(windows), capacity, lengths=lengths)
            return self._place(range(len(windows)), windows, self._cache)
        if self._cache is None or self._cache.capacity < capacity:
            self._cache = KVCache(self._model.config, len(windows), capacity)
        self._cache.reset()
        return self._last_logits(windows, self._cache)

    def _place(self, rows: Sequence[int], windows: list[list[int]], cache: KVCache) -> torch.Tensor:
        """Read windows from their first position on, put what they leave in rows of the cache; logits of each."""
        order = sorted(range(len(windows)), key=lambda window: len(windows[window]))
        logits: dict[int, torch.Tensor] = {}
        while order:
            # Those that are at least half as long as the longest are read in one batch, filled up at their ends: no
            # token sees what comes after it.
            longest = len(windows[order[-1]])
            group = [window for window in order if 2 * len(windows[window]) >= longest]
            order = order[: -len(group)]
            lengths = [len(windows[window]) for window in group]
            read = KVCache(self._model.config, len(group), longest, keep_all=True)
            filled = [windows[window] + [0] * (longest - len(windows[window])) for window in group]
            logits.update(zip(group, self._last_logits(filled, read, lengths), strict=True))
            cache.place([rows[window] for window in group], read, lengths)
        return torch.stack([logits[window] for window in range(len(windows))])

    def _last_logits(
        self, tokens: list[list[int]], cache: KVCache, lengths: Sequence[int] | None = None
    ) -> torch.Tensor:
        """Logits after the last token of each row, or after its first `lengths`. The head reads no other position."""
        weight = self._model.token_embedding.weight
        x_BTC = self._model.hidden_unchecked(torch.tensor(tokens, device=weight.device), cache)
        x_BC = x_BTC[:, -1] if lengths is None else x_BTC[range(len(lengths)), [length - 1 for length in lengths]]
        return self._model.logits(x_BC).float()


class Engine:
    """A model that writes. Dropout is off meanwhile."""

    def __init__(self, model: GPT) -> None:
        self.model = model

    def prefill(self, prompts: Sequence[Sequence[int]]) -> State:
        """Read prompts, one row each. Raises `ValueError` for an empty one, or ids that the model does not have."""
        if not prompts or not all(prompts):
            raise ValueError("a prompt has no tokens; give at least one token in each")
        _check(self.model, prompts)
        state = State(self.model, [list(prompt) for prompt in prompts])
        state.logits_BV  # noqa: B018  # reads them
        return state

    def decode(
        self,
        state: State,
        max_new_tokens: int,
        sampling: Sampling,
        generators: Sequence[torch.Generator],
        stop_token: int | None = None,
    ) -> Iterator[Step]:
        """Write up to `max_new_tokens` at the end of each row of a state, and yield after each.

        Row number n draws from `generators[n]`, on that generator's device. A row that has ended takes no more work: it
        is taken out of the state, unless all have ended. Past its sequence length the model sees the last tokens of a
        row, as many as `sampling.window_start` leaves. Raises `sampling.NotFinite`.
        """
        rows = list(range(len(state.tokens)))
        sampler = Sampler(sampling, state.tokens, generators)
        with _evaluating(self.model):
            state.reserve(max_new_tokens - 1)  # the last one is not read
            for number in range(max_new_tokens):
                with torch.inference_mode():
                    token_B, log_probability_B = sampler.choose(state.logits_BV)
                    tokens = token_B.tolist()
                state.write(tokens)
                stopped = {row for row, token in zip(rows, tokens, strict=True) if token == stop_token}
                step = Step(rows, tokens, log_probability_B.tolist(), stopped)
                yield step
                if number + 1 == max_new_tokens or len(step.ended) == len(rows):
                    return
                if step.ended:
                    kept = [place for place, row in enumerate(rows) if row not in step.ended]
                    rows = [rows[place] for place in kept]
                    state.keep(kept)
                    sampler.keep(kept)


@contextlib.contextmanager
def _evaluating(model: GPT) -> Iterator[None]:
    was_training = model.training
    if was_training:
        model.eval()
    try:
        yield
    finally:
        if was_training:
            model.train()


def _check(model: GPT, rows: Sequence[Sequence[int]]) -> None:
    ids = [bound(row) for row in rows if row for bound in (min, max)]
    if ids:
        model.check_ids(torch.tensor(ids))
