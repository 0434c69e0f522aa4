"""The weights that a GPT begins with, by the name that its configuration gives them."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import nn

from model.config import GPTConfig

_STD = 0.02  # GPT-2's
_RESIDUAL = ("attention.output", "mlp.down")


def gpt2(model: nn.Module, config: GPTConfig) -> None:
    """GPT-2's: N(0, 0.02), biases 0, and projections into the residual stream smaller by sqrt(2 num_layers).

    Their sum over all layers so keeps its size. With `zero_init` those projections are 0 instead.
    """
    residual_std = 0.0 if config.zero_init else _STD / math.sqrt(2 * config.num_layers)
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=residual_std if name.endswith(_RESIDUAL) else _STD)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=_STD)
    _scalars(model, config)


def modern(model: nn.Module, config: GPTConfig) -> None:
    """nanochat's: what reads the residual stream keeps its size, the head says next to nothing at first.

    Embedding N(0, .8), or GPT-2's where it is the head too; head N(0, .001). Hidden matrices are uniform, which has no
    outliers, with standard deviation 1 / sqrt(inputs); .4 of that in the first layers of an MLP. Tables of values have
    the spread of values, and gates begin a little above neutral.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            bound = math.sqrt(3 / module.in_features)  # of a uniform draw with that standard deviation
            if name == "head":
                if not config.tied_head:
                    nn.init.normal_(module.weight, std=0.001)
            elif name.endswith(_RESIDUAL):
                bound *= 0.0 if config.zero_init else 1 / math.sqrt(2 * config.num_layers)
                nn.init.uniform_(module.weight, -bound, bound)
            elif name.endswith("value_gate"):
                nn.init.uniform_(module.weight, 0.0, 0.02)
            else:
                bound *= 0.4 if ".mlp." in name else 1
                nn.init.uniform_(module.weight, -bound, bound)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            if name.startswith("value_embeddings"):
                bound = math.sqrt(3 / config.width)
                nn.init.uniform_(module.weight, -bound, bound)
            else:
                is_only_read = name == "token_embedding" and not config.tied_head
                nn.init.normal_(module.weight, std=0.8 if is_only_read else _STD)
    _scalars(model, config)


def _scalars(model: nn.Module, config: GPTConfig) -> None:
    """Gains are 1. The residual's numbers fall from 1.15 to 1.05 over the layers, the input's from .20 to .05."""
    for module in model.modules():
        if isinstance(module, nn.LayerNorm | nn.RMSNorm):
            module.reset_parameters()
    last = max(1, config.num_layers - 1)
    for name, first, fall in (("residual_scalars", 1.15, 0.10), ("input_scalars", 0.20, 0.15)):
        if (numbers := dict(model.named_parameters()).get(name)) is not None:
            for layer in range(config.num_layers):
                numbers[layer] = first - fall * layer / last


INITIALISATIONS: dict[str, Callable[[nn.Module, GPTConfig], None]] = {"gpt2": gpt2, "modern": modern}
"""Fills the weights of a model in place, without gradients, from PyTorch's global generator."""
