"""Choosing a token from logits: the filters, the draw, and the window that the model sees.

`model.engine` chooses so for each row of a batch; `model.generate` is the simple way in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

# Below it float32 cannot hold the quotients, and only the likeliest token has a chance.
_GREEDY_BELOW = 1e-6


class NotFinite(ValueError):
    """The model's logits are infinite or not a number, so no token can be chosen."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """The settings by which a token is chosen. Raises `ValueError` with what to do for values that make no sense.

    Logits pass through the penalty, the temperature, top k, top p and min-p, in this order.
    """

    temperature: float = 1.0
    """Logits are divided by it; 0 takes the likeliest token."""
    top_k: int | None = None
    """Draw from so many likeliest tokens, and those that are as likely as the last of them."""
    top_p: float | None = None
    """Draw from the fewest likeliest tokens that together have this probability (Holtzman et al., 2019)."""
    min_p: float | None = None
    """Draw from tokens with at least this fraction of the likeliest one's probability (Nguyen et al., 2024)."""
    repetition_penalty: float = 1.0
    """Logits of tokens in the prompt and the text are divided by it where positive, else multiplied, so that above 1
    they come less often (Keskar et al., 2019, CTRL, section 4.1)."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise ValueError(f"temperature is {self.temperature}; set it to 0 for the likeliest token, or above")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k is {self.top_k}; set it to at least 1, or leave it out")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}; set it above 0 and up to 1, or leave it out")
        if self.min_p is not None and not 0 <= self.min_p <= 1:
            raise ValueError(f"min_p is {self.min_p}; set it from 0 to 1, or leave it out")
        if not 0 < self.repetition_penalty < math.inf:
            raise ValueError(f"repetition_penalty is {self.repetition_penalty}; set it above 0, 1 for none")


class Sampler:
    """Chooses one token for each row, and each row draws from its own generator: no row depends on the others."""

    def __init__(
        self, sampling: Sampling, tokens: Sequence[Sequence[int]], generators: Sequence[torch.Generator]
    ) -> None:
        """`tokens` are those that the rows have so far."""
        self._sampling = sampling
        self._tokens = tokens
        self._generators = generators
        self._seen_BV: torch.Tensor | None = None

    def choose(self, logits_BV: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A token id and its log-probability for each row, (B,), by the logits as they are. Raises `NotFinite`."""
        # One sum is quicker than a look at each, and may overflow.
        if not math.isfinite(logits_BV.sum().item()) and not torch.isfinite(logits_BV).all():
            raise NotFinite("the model's logits are not finite: its weights are of a training that diverged")
        token_B = self._draw(self._penalized(logits_BV)).to(logits_BV.device)
        if self._seen_BV is not None:
            self._seen_BV.scatter_(1, token_B[:, None], True)
        return token_B, logits_BV.gather(1, token_B[:, None])[:, 0] - logits_BV.logsumexp(dim=-1)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with some of the rows."""
        self._generators = [self._generators[row] for row in rows]
        if self._seen_BV is not None:
            self._seen_BV = self._seen_BV[torch.tensor(rows, device=self._seen_BV.device)]

    def _penalized(self, logits_BV: torch.Tensor) -> torch.Tensor:
        penalty = self._sampling.repetition_penalty
        if penalty == 1:
            return logits_BV
        if self._seen_BV is None:
            self._seen_BV = torch.zeros_like(logits_BV, dtype=torch.bool)
            for seen_V, ids in zip(self._seen_BV, self._tokens, strict=True):
                seen_V[torch.tensor(ids, device=seen_V.device)] = True
        less_BV = torch.where(logits_BV > 0, logits_BV / penalty, logits_BV * penalty)
        return torch.where(self._seen_BV, less_BV, logits_BV)

    def _draw(self, logits_BV: torch.Tensor) -> torch.Tensor:
        sampling = self._sampling
        if sampling.temperature < _GREEDY_BELOW:
            return logits_BV.argmax(dim=-1)
        device = self._generators[0].device
        logits_BV = logits_BV.to(device) / sampling.temperature
        if sampling.top_k is not None and sampling.top_k < logits_BV.shape[-1]:
            logits_BV = filter_top_k(logits_BV, sampling.top_k)
        if sampling.top_p is not None:
            logits_BV = filter_top_p(logits_BV, sampling.top_p)
        if sampling.min_p:
            logits_BV = filter_min_p(logits_BV, sampling.min_p)
        # The largest of probabilities over exponential numbers is a draw from them: `torch.multinomial` does the same,
        # with one generator for all rows.
        noise_BV = torch.empty_like(logits_BV)
        for noise_V, generator in zip(noise_BV, self._generators, strict=True):
            noise_V.exponential_(generator=generator)
        return (logits_BV.softmax(dim=-1) / noise_BV).argmax(dim=-1)


def row_generators(seed: int, number: int) -> list[torch.Generator]:
    """A generator on the CPU for each of so many rows, seeded with `seed`, `seed` + 1, and so on."""
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed is {seed}; set it from 0 to {2**64 - 1}")
    return [torch.Generator().manual_seed((seed + row) % 2**64) for row in range(number)]


def window_start(num_tokens: int, sequence_length: int) -> int:
    """The first of `num_tokens` that the model still sees once they are more than `sequence_length`.

    The window moves by a quarter of the sequence length at a time: its tokens get other positions and other pasts with
    every move, so all of them must be read anew. Moving by one token would make every step that dear.
    """
    excess = num_tokens - sequence_length
    stride = max(1, sequence_length // 4)
    return 0 if excess <= 0 else -(-excess // stride) * stride


def filter_top_k(logits_BV: torch.Tensor, top_k: int) -> torch.Tensor:
    """Logits with all but the `top_k` largest of each row at -inf; those equal to the last one stay too."""
    smallest_B1 = logits_BV.topk(min(top_k, logits_BV.shape[-1])).values[:, -1:]
    return logits_BV.masked_fill(logits_BV < smallest_B1, -math.inf)


def filter_top_p(logits_BV: torch.Tensor, top_p: float) -> torch.Tensor:
    """Logits with all at -inf but the fewest likeliest of each row that together reach `top_p`.

    Nucleus sampling (Holtzman et al., 2019). The likeliest always stays.
    """
    sorted_BV, order_BV = logits_BV.sort(dim=-1, descending=True, stable=True)
    probabilities_BV = sorted_BV.softmax(dim=-1)
    before_BV = probabilities_BV.cumsum(dim=-1) - probabilities_BV
    drop_BV = before_BV >= top_p
    drop_BV[:, 0] = False
    return logits_BV.masked_fill(drop_BV.scatter(1, order_BV, drop_BV), -math.inf)


def filter_min_p(logits_BV: torch.Tensor, min_p: float) -> torch.Tensor:
    """Logits with all at -inf that have less than `min_p` of the probability of the row's likeliest."""
    least_B1 = logits_BV.max(dim=-1, keepdim=True).values + math.log(min_p)
    return logits_BV.masked_fill(logits_BV < least_B1, -math.inf)
