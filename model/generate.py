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
) -> torch.Tensor:
    """The prompts with what the model writes after them, (B, T + n) with n at most `max_new_tokens`.

    Arguments and errors are those of `generate_stream`. Fewer tokens come only when every row has reached
    `stop_token`, which is part of the result.
    """
    import torch

    new_B = generate_stream(model, prompt_BT, max_new_tokens, temperature, top_k, top_p, seed, stop_token)
    return torch.cat([prompt_BT, *(token_B[:, None] for token_B in new_B)], dim=1)


def generate_stream(
    model: GPT,
    prompt_BT: torch.Tensor,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | torch.Generator = 0,
    stop_token: int | None = None,
) -> Iterator[torch.Tensor]:
    """Yield the next token of every row, (B,), as each is chosen. `model.engine` can do more, and does this.

    `temperature` 0 takes the likeliest token; above, logits are divided by it, then cut by `top_k` and `top_p`, and a
    token is drawn. Row n draws on the CPU by a generator of its own, seeded with `seed` + n; or all by the generator
    given as `seed`, on its device. The global generator is left alone. A row that has reached `stop_token` goes on
    with nothing else, and all rows done is the end. Dropout is off meanwhile.

    Past its sequence length the model sees the last tokens, as many as `model.sampling.window_start` leaves. Raises
    `ValueError` for arguments or token ids that make no sense, and while it yields `model.sampling.NotFinite`, which is
    one, where the logits are not finite.
    """
    import torch

    from model.engine import Engine
    from model.sampling import Sampling, row_generators

    if prompt_BT.dim() != 2 or prompt_BT.dtype not in (torch.int32, torch.int64) or 0 in prompt_BT.shape:
        raise ValueError(
            f"the prompt is {prompt_BT.dtype} of shape {list(prompt_BT.shape)}; give int32 or int64 of shape (batch, "
            "tokens), at least one token"
        )
    model.check_ids(prompt_BT)
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens is {max_new_tokens}; set it to 0 or more")
    if stop_token is not None and not 0 <= stop_token < model.config.vocab_size:
        raise ValueError(
            f"stop_token {stop_token} is beyond the vocabulary, 0 to {model.config.vocab_size - 1}; leave it out"
        )
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    num_rows = len(prompt_BT)
    generators = row_generators(seed, num_rows) if isinstance(seed, int) else [seed] * num_rows

    def tokens() -> Iterator[torch.Tensor]:
        engine = Engine(model)
        state = engine.prefill(prompt_BT.tolist())
        for step in engine.decode(state, max_new_tokens, sampling, generators, stop_token):
            token_B = prompt_BT.new_full((num_rows,), -1 if stop_token is None else stop_token)
            token_B[step.rows] = prompt_BT.new_tensor(step.tokens)
            yield token_B

    return tokens() if max_new_tokens else iter(())
