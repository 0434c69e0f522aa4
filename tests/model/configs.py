"""Small configurations that between them use everything a GPT can be made of."""

from __future__ import annotations

from typing import Any

from model import GPTConfig, preset

SMALL: dict[str, Any] = {"num_layers": 2, "width": 32, "num_heads": 4}
KINDS: dict[str, dict[str, Any]] = {
    "gpt2": {"bias": True},
    "rotary": {"positions": "rotary", "bias": False},
    "modern": {
        "positions": "rotary",
        "norm": "rmsnorm",
        "activation": "relu2",
        "qk_norm": True,
        "tied_head": False,
        "bias": False,
    },
    "grouped": {"num_kv_heads": 2, "norm": "rmsnorm"},
    "llama": {
        "positions": "rotary",
        "rotary_base": 100_000,
        "norm": "rmsnorm_gain",
        "activation": "swiglu",
        "bias": False,
        "num_kv_heads": 2,
    },
    "nanochat": {
        "positions": "rotary",
        "norm": "rmsnorm",
        "activation": "relu2",
        "qk_norm": True,
        "qk_scale": 1.2,
        "tied_head": False,
        "bias": False,
        "num_kv_heads": 2,
        "embedding_norm": True,
        "value_embeddings": True,
        "residual_scalars": True,
        "input_scalars": True,
        "logit_soft_cap": 15,
        "initialisation": "modern",
    },
    "windows": {"num_layers": 3, "positions": "rotary", "bias": False, "window_pattern": "SSL", "window": 7},
    "window": {"window_pattern": "S", "window": 14, "num_kv_heads": 2},
    "strided": {"window_pattern": "T", "window": 5},
    "fixed": {"window_pattern": "FL", "window": 6, "summary_columns": 2, "positions": "rotary", "num_kv_heads": 2},
}


def small(kind: str, vocab_size: int = 97, sequence_length: int = 24, **overrides: Any) -> GPTConfig:
    """A configuration of one of `KINDS`."""
    return preset("tiny", vocab_size, sequence_length, **(SMALL | KINDS[kind] | overrides))
