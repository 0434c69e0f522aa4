"""Shapes by name: GPT-2's, a modern family by its depth, LLaMA's, and small ones for a CPU."""

from __future__ import annotations

from typing import Any


def _gpt2(num_layers: int, num_heads: int, width: int) -> dict[str, Any]:
    """A model of the GPT-2 family (Radford et al., 2019)."""
    return {
        "sequence_length": 1024,
        "num_layers": num_layers,
        "num_heads": num_heads,
        "width": width,
        "norm": "layernorm",
        "positions": "learned",
        "activation": "gelu",
        "tied_head": True,
        "bias": True,
    }


_HEAD_WIDTH = 128


def modern(depth: int) -> dict[str, Any]:
    """What small models have settled on since GPT-2, with one dial: width 64 a layer, heads of 128 channels (nanochat).

    An odd depth has the width of the even one above it, so that heads are whole.
    """
    num_heads = -(-64 * depth // _HEAD_WIDTH)
    return {
        "sequence_length": 2048,
        "num_layers": depth,
        "num_heads": num_heads,
        "width": num_heads * _HEAD_WIDTH,
        "norm": "rmsnorm",
        "positions": "rotary",
        "rotary_base": 100_000,
        "activation": "relu2",
        "tied_head": False,
        "bias": False,
        "qk_norm": True,
        "qk_scale": 1.2,
        "window_pattern": "SSSL",
        "embedding_norm": True,
        "value_embeddings": True,
        "residual_scalars": True,
        "input_scalars": True,
        "logit_soft_cap": 15,
        "initialisation": "modern",
        "zero_init": True,
    }


def _llama(
    num_layers: int,
    num_heads: int,
    num_kv_heads: int,
    width: int,
    mlp_width: int,
    sequence_length: int,
    rotary_base: int = 10_000,
    tied_head: bool = False,
) -> dict[str, Any]:
    """A model of the LLaMA family (Touvron et al., 2023): the shapes of `LlamaForCausalLM`."""
    return {
        "sequence_length": sequence_length,
        "num_layers": num_layers,
        "num_heads": num_heads,
        "num_kv_heads": num_kv_heads,
        "width": width,
        "mlp_ratio": mlp_width / width,
        "norm": "rmsnorm_gain",
        "positions": "rotary",
        "rotary_base": rotary_base,
        "activation": "swiglu",
        "tied_head": tied_head,
        "bias": False,
    }


PRESETS: dict[str, dict[str, Any]] = {
    # To try things out, in seconds on any machine.
    "tiny": _gpt2(4, 4, 128) | {"sequence_length": 128, "bias": False},
    # Learns something of a few MB of text within two minutes on two CPU cores. It goes without the parts that do not
    # help at such sizes (docs/training.md, "What each choice is worth").
    "small-cpu": modern(4)
    | {"sequence_length": 256, "num_heads": 3, "width": 192, "window_pattern": "L"}
    | {"value_embeddings": False, "residual_scalars": False, "input_scalars": False, "zero_init": False},
    # Named by their parameters with GPT-2's vocabulary of 50,257; those of GPT-2 have exactly its shape.
    "gpt2-30m": _gpt2(6, 6, 384),
    "gpt2-124m": _gpt2(12, 12, 768),
    "gpt2-350m": _gpt2(24, 16, 1024),
    "gpt2-774m": _gpt2(36, 20, 1280),
    "gpt2-1.5b": _gpt2(48, 25, 1600),
    # Its depth is set by `depth`; 12 layers without it, with blocks as large as those of gpt2-124m.
    "modern": modern(12),
    "modern-124m": modern(12),
    # Named by their parameters with their own vocabularies (49,152 and 32,000).
    "llama-135m": _llama(30, 9, 3, 576, 1536, 8192, 100_000, tied_head=True),  # SmolLM2-135M
    "llama-360m": _llama(32, 15, 5, 960, 2560, 8192, 100_000, tied_head=True),  # SmolLM2-360M
    "llama-1.1b": _llama(22, 32, 4, 2048, 5632, 2048),  # TinyLlama-1.1B
    "llama-7b": _llama(32, 32, 32, 4096, 11008, 2048),  # LLaMA-7B
}
"""Every field of a `GPTConfig` but `vocab_size`, by the preset's name."""
