"""Let a model write: one token after the other, greedily or drawn at random.

PyTorch is imported when something is written and not before: the package exports `generate`, and a corpus build
imports the package without running a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from model.gpt import GPT


def generate(
    model: GPT,
    prompt_BT: torch.Tensor,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | torch.Generator = 0,
    stop_token: int | None = None,
    *,
    use_cache: bool = True,
) -> torch.Tensor:
    """The prompts with what the model writes after them, (B, T + n) with n at most `max_new_tokens`.

    Arguments and errors are those of `generate_stream`. Fewer tokens come only when every row has reached
    `stop_token`, which is part of the result.
    """
    import torch

    new_B = generate_stream(
        model, prompt_BT, max_new_tokens, temperature, top_k, top_p, seed, stop_token, use_cache=use_cache
    )
    return torch.cat([prompt_BT, *(token_B[:, None].to(prompt_BT.dtype) for token_B in new_B)], dim=1)


def generate_stream(
    model: GPT,
    prompt_BT: torch.Tensor,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | torch.Generator = 0,
    stop_token: int | None = None,
    *,
    use_cache: bool = True,
) -> Iterator[torch.Tensor]:
    """Yield the next token of every row, (B,), as each is chosen.

    `temperature` 0 takes the likeliest token; above, logits are divided by it, then cut by `top_k` and `top_p`, and a
    token is drawn. Draws are made on the CPU, or on the device of a generator given as `seed`; the global generator is
    left alone. A row that has reached `stop_token` goes on with nothing else, and all rows done is the end. Dropout
    is off meanwhile.

    Past its sequence length the model sees the last tokens, as many as `model.sampling.window_start` leaves.
    `use_cache` False computes all of them anew for each token: slow, and the same. Raises `ValueError` for arguments
    or token ids that make no sense, and while it yields `model.sampling.NotFinite`, which is one, where the logits are
    not finite.
    """
    from model import sampling

    sampling.check(model, prompt_BT, max_new_tokens, temperature, top_k, top_p, seed, stop_token)
    return sampling.stream(model, prompt_BT, max_new_tokens, temperature, top_k, top_p, seed, stop_token, use_cache)
