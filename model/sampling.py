"""Choosing tokens one after the other: the window the model sees, the filters of its logits, the draw.

`model.generate` is the way in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from model.cache import KVCache
from model.gpt import GPT

# Below it float32 cannot hold the quotients, and only the likeliest token has a chance.
_GREEDY_BELOW = 1e-6


class NotFinite(ValueError):
    """The model's logits are infinite or not a number, so no token can be chosen."""


def stream(
    model: GPT,
    tokens_BT: torch.Tensor,
    max_new_tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    seed: int | torch.Generator,
    stop_token: int | None,
    use_cache: bool,
) -> Iterator[torch.Tensor]:
    """The tokens that `model.generate.generate_stream` yields, for arguments that `check` has passed."""
    generator = seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)
    batch_size, num_prompt = tokens_BT.shape
    cache = None
    if use_cache and max_new_tokens > 0:
        # The last token that is written is never read.
        most = min(model.config.sequence_length, num_prompt + max_new_tokens - 1)
        cache = KVCache(model.config, batch_size, most)
    cached_from = -1
    stopped_B = torch.zeros(batch_size, dtype=torch.bool, device=tokens_BT.device)
    was_training = model.training
    model.eval()
    try:
        for _ in range(max_new_tokens):
            start = window_start(tokens_BT.shape[1], model.config.sequence_length)
            unread_BT = tokens_BT[:, start:]
            if cache is not None:
                # What is cached was computed from the window's first token on; another window begins anew.
                if start != cached_from:
                    cache.reset()
                    cached_from = start
                unread_BT = unread_BT[:, cache.length :]
            token_B = _choose(_last_logits(model, unread_BT, cache), temperature, top_k, top_p, generator)
            if stop_token is not None:
                token_B = token_B.masked_fill(stopped_B, stop_token)
                stopped_B = stopped_B | (token_B == stop_token)
            yield token_B
            if stop_token is not None and bool(stopped_B.all()):
                return
            tokens_BT = torch.cat([tokens_BT, token_B[:, None].to(tokens_BT.dtype)], dim=1)
    finally:
        model.train(was_training)


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
    if top_k < 1:
        raise ValueError(f"top_k is {top_k}; set it to at least 1, or leave it out")
    smallest_B1 = logits_BV.topk(min(top_k, logits_BV.shape[-1])).values[:, -1:]
    return logits_BV.masked_fill(logits_BV < smallest_B1, -math.inf)


def filter_top_p(logits_BV: torch.Tensor, top_p: float) -> torch.Tensor:
    """Logits with all at -inf but the fewest likeliest of each row that together reach `top_p`.

    Nucleus sampling (Holtzman et al., 2019). The likeliest always stays.
    """
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p}; set it above 0 and up to 1, or leave it out")
    sorted_BV, order_BV = logits_BV.sort(dim=-1, descending=True, stable=True)
    probabilities_BV = sorted_BV.softmax(dim=-1)
    before_BV = probabilities_BV.cumsum(dim=-1) - probabilities_BV
    drop_BV = before_BV >= top_p
    drop_BV[:, 0] = False
    return logits_BV.masked_fill(drop_BV.scatter(1, order_BV, drop_BV), -math.inf)


@torch.no_grad()
def _last_logits(model: GPT, tokens_BT: torch.Tensor, cache: KVCache | None) -> torch.Tensor:
    """Logits of the token after the last, (B, V), as float32. The head reads no other position."""
    x_BC = model.hidden(tokens_BT, cache)[:, -1]
    return model.logits(x_BC).float()


def _choose(
    logits_BV: torch.Tensor, temperature: float, top_k: int | None, top_p: float | None, generator: torch.Generator
) -> torch.Tensor:
    """One token id for each row, (B,), on the device of the logits. Raises `NotFinite`."""
    if not torch.isfinite(logits_BV).all():
        raise NotFinite("the model's logits are not finite: its weights are of a training that diverged")
    if temperature < _GREEDY_BELOW:
        return logits_BV.argmax(dim=-1)
    logits_BV = logits_BV.to(generator.device) / temperature
    if top_k is not None:
        logits_BV = filter_top_k(logits_BV, top_k)
    if top_p is not None:
        logits_BV = filter_top_p(logits_BV, top_p)
    return torch.multinomial(logits_BV.softmax(dim=-1), 1, generator=generator)[:, 0]


def check(
    model: GPT,
    prompt_BT: torch.Tensor,
    max_new_tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    seed: int | torch.Generator,
    stop_token: int | None,
) -> None:
    """Raise `ValueError` for arguments of `model.generate.generate_stream` that make no sense."""
    if prompt_BT.dim() != 2 or prompt_BT.dtype not in (torch.int32, torch.int64) or 0 in prompt_BT.shape:
        raise ValueError(
            f"the prompt is {prompt_BT.dtype} of shape {list(prompt_BT.shape)}; give int32 or int64 of shape (batch, "
            "tokens), at least one token"
        )
    model.check_ids(prompt_BT)
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens is {max_new_tokens}; set it to 0 or more")
    if not 0 <= temperature < math.inf:
        raise ValueError(f"temperature is {temperature}; set it to 0 for the likeliest token, or above")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k is {top_k}; set it to at least 1, or leave it out")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p}; set it above 0 and up to 1, or leave it out")
    if isinstance(seed, int) and not 0 <= seed < 2**64:
        raise ValueError(f"seed is {seed}; set it from 0 to {2**64 - 1}")
    if stop_token is not None and not 0 <= stop_token < model.config.vocab_size:
        raise ValueError(
            f"stop_token {stop_token} is beyond the vocabulary, 0 to {model.config.vocab_size - 1}; leave it out"
        )
