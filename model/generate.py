"""Let a model write: one token after the other, greedily or drawn at random.

PyTorch is imported when something is written and not before: the package exports `generate`, and a corpus build
imports the package without running a model.
"""

from __future__ import annotations

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

    `temperature` 0 takes the likeliest token; above, logits are divided by it, then cut by `top_k` and `top_p`, and a
    token is drawn. Row n draws on the CPU by a generator of its own, seeded with `seed` + n; or all by the generator
    given as `seed`, on its device. The global generator is left alone. A row that has reached `stop_token` goes on
    with nothing else, and all rows done is the end. Dropout is off meanwhile. `model.engine` does this, and more.

    Past its sequence length the model sees the last tokens, as many as `model.sampling.window_start` leaves. Raises
    `ValueError` for arguments or token ids that make no sense, as `model.sampling.NotFinite` where the logits are not
    finite.
    """
    import torch

    from model.engine import Engine
    from model.sampling import Sampling, row_generators

    if prompt_BT.dim() != 2 or prompt_BT.dtype not in (torch.int32, torch.int64) or 0 in prompt_BT.shape:
        raise ValueError(
            f"the prompt is {prompt_BT.dtype} of shape {list(prompt_BT.shape)}; give int32 or int64 of shape (batch, "
            "tokens), at least one token"
        )
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens is {max_new_tokens}; set it to 0 or more")
    if stop_token is not None and not 0 <= stop_token < model.config.vocab_size:
        raise ValueError(
            f"stop_token {stop_token} is beyond the vocabulary, 0 to {model.config.vocab_size - 1}; leave it out"
        )
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    num_rows = len(prompt_BT)
    generators = row_generators(seed, num_rows) if isinstance(seed, int) else [seed] * num_rows
    columns = [prompt_BT]
    if max_new_tokens:
        engine = Engine(model)
        state = engine.prefill(prompt_BT.tolist())
        for step in engine.decode(state, max_new_tokens, sampling, generators, stop_token):
            column_B1 = prompt_BT.new_full((num_rows, 1), -1 if stop_token is None else stop_token)
            column_B1[step.rows, 0] = prompt_BT.new_tensor(step.tokens)
            columns.append(column_B1)
    return torch.cat(columns, dim=1)
