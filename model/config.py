"""The configuration of a GPT, and presets from tiny to GPT-2's largest."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class GPTConfig:
    """All that decides the shape and the arithmetic of a `model.GPT`.

    Immutable; `dataclasses.replace` makes a changed copy. Raises `ValueError`, which says what to do, for values that
    do not fit together.
    """

    vocab_size: int
    """Token ids are 0 .. vocab_size - 1."""
    sequence_length: int
    """The most tokens that the model looks at, its context."""
    num_layers: int
    """Blocks of attention and MLP, one after the other."""
    num_heads: int
    """Heads of the queries; `width` is a multiple of it."""
    num_kv_heads: int | None = None
    """Heads of keys and values, shared by groups of query heads (Ainslie et al., 2023). Not set: one for each."""
    width: int
    """Channels of the residual stream."""
    mlp_ratio: float = 4
    """Channels inside the MLP, as a multiple of `width`."""
    norm: str = "layernorm"
    """"layernorm" with a gain (and a bias, if `bias`), or "rmsnorm" without parameters (Zhang and Sennrich, 2019)."""
    positions: str = "learned"
    """"learned": a vector for each position; "rotary": queries and keys are rotated (Su et al., 2021)."""
    activation: str = "gelu"
    """"gelu" in the tanh form of GPT-2, or "relu2", the square of ReLU (So et al., 2021)."""
    tied_head: bool
    """Use the token embedding itself as the output head."""
    bias: bool
    """Give linear layers (the head never) and LayerNorm a bias."""
    qk_norm: bool = False
    """Pass each head's queries and keys through a parameter-free RMSNorm (Henry et al., 2020)."""
    attention: str = "sdpa"
    """"sdpa" is PyTorch's fused kernel, "reference" the same written out; they give equal results."""
    dropout: float = 0.0
    """Fraction of values set to zero in training: of embeddings, attention weights, and what blocks add."""
    zero_init: bool = False
    """Start with residual projections of zero, so that each block begins as the identity; else start as GPT-2 does."""

    def __post_init__(self) -> None:
        for name in ("vocab_size", "sequence_length", "num_layers", "num_heads", "width"):
            self._check_count(name)
        if self.num_kv_heads is not None:
            self._check_count("num_kv_heads")
        for name in ("tied_head", "bias", "qk_norm", "zero_init"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is {getattr(self, name)!r}; set it to true or false")
        for name in CHOICES:
            _check_choice(name, getattr(self, name))
        if not _is_number(self.dropout) or not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout!r}; set it to a number from 0 up to, not including, 1")
        if not _is_number(self.mlp_ratio) or not 1 <= self.mlp_ratio * self.width < float("inf"):
            raise ValueError(f"mlp_ratio is {self.mlp_ratio!r}; set it to a positive number, such as 4")
        if self.width % self.num_heads:
            multiple = max(1, round(self.width / self.num_heads)) * self.num_heads
            raise ValueError(f"width {self.width} is not a multiple of num_heads {self.num_heads}; {multiple} is")
        if self.num_heads % self.kv_heads:
            raise ValueError(
                f"num_heads {self.num_heads} is not a multiple of num_kv_heads {self.kv_heads}; "
                f"set num_kv_heads to a divisor of num_heads"
            )
        if self.positions == "rotary" and self.head_width % 2:
            raise ValueError(
                f"rotary positions turn pairs of channels, and width / num_heads is {self.head_width}; make it even, "
                f"or set positions to 'learned'"
            )

    @property
    def kv_heads(self) -> int:
        """Heads of keys and values, `num_kv_heads` where it is given."""
        return self.num_heads if self.num_kv_heads is None else self.num_kv_heads

    @property
    def head_width(self) -> int:
        """Channels of one head."""
        return self.width // self.num_heads

    @property
    def mlp_width(self) -> int:
        """Channels inside the MLP."""
        return round(self.mlp_ratio * self.width)

    def to_dict(self) -> dict[str, Any]:
        """Every field under its name; plain values that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GPTConfig:
        """The configuration that `to_dict` gave. Raises `ValueError` for an unknown or a missing field."""
        _check_names(values)
        required = [field.name for field in dataclasses.fields(cls) if field.default is dataclasses.MISSING]
        missing = [name for name in required if name not in values]
        if missing:
            raise ValueError(f"the model's configuration lacks {', '.join(missing)}; give a value for each")
        return cls(**values)

    def _check_count(self, name: str) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} is {value!r}; set it to a whole number of at least 1")


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


def _modern(num_layers: int, num_heads: int, width: int) -> dict[str, Any]:
    """The shape that small models have settled on since: rotary positions, QK-norm, RMSNorm and ReLU^2, no biases."""
    return {
        "sequence_length": 1024,
        "num_layers": num_layers,
        "num_heads": num_heads,
        "width": width,
        "norm": "rmsnorm",
        "positions": "rotary",
        "activation": "relu2",
        "tied_head": False,
        "bias": False,
        "qk_norm": True,
        "zero_init": True,
    }


PRESETS: dict[str, dict[str, Any]] = {
    # To try things out, in seconds on any machine.
    "tiny": _gpt2(4, 4, 128) | {"sequence_length": 128, "bias": False},
    # Learns something of a few MB of text within minutes on two CPU cores.
    # Tied, as its vocabulary would outweigh it; so small, it learned a little slower from projections of zero (loss
    # higher by 0.017 to 0.039 after 120 to 150 steps on Shakespeare's characters, with three seeds).
    "small-cpu": _modern(4, 3, 192) | {"sequence_length": 256, "tied_head": True, "zero_init": False},
    # Named by their parameters with GPT-2's vocabulary of 50,257; those of GPT-2 have exactly its shape.
    "gpt2-30m": _gpt2(6, 6, 384),
    "gpt2-124m": _gpt2(12, 12, 768),
    "gpt2-350m": _gpt2(24, 16, 1024),
    "gpt2-774m": _gpt2(36, 20, 1280),
    "gpt2-1.5b": _gpt2(48, 25, 1600),
    # Blocks as large as those of gpt2-124m. Its untied head comes on top and brings it to 162 million.
    "modern-124m": _modern(12, 6, 768),
}
"""Every field of a `GPTConfig` but `vocab_size`, by the preset's name."""

_DEFAULTS = {field.name: field.default for field in dataclasses.fields(GPTConfig)}

CHOICES: dict[str, frozenset[str]] = {
    name: frozenset(values.get(name, _DEFAULTS[name]) for values in PRESETS.values())
    for name in ("norm", "positions", "activation", "attention")
}
"""The names that presets give, by the field. `model.layers` has the code of each, and of others."""


def preset(name: str, vocab_size: int, sequence_length: int | None = None, **overrides: Any) -> GPTConfig:
    """The configuration of a preset for a vocabulary; `overrides` are fields of `GPTConfig` set otherwise.

    `sequence_length` None keeps the preset's. Raises `ValueError` for an unknown preset or field, with the nearest
    name, and for values that do not fit.
    """
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}{_nearest(name, PRESETS)}; choose one of {', '.join(PRESETS)}")
    _check_names(overrides)
    values = PRESETS[name] | {"vocab_size": vocab_size} | overrides
    if sequence_length is not None:
        values["sequence_length"] = sequence_length
    return GPTConfig(**values)


def _check_names(values: Iterable[str]) -> None:
    names = [field.name for field in dataclasses.fields(GPTConfig)]
    for name in values:
        if name not in names:
            raise ValueError(f"a model has no {name!r}{_nearest(name, names)}; its fields are {', '.join(names)}")


def _check_choice(field: str, value: object) -> None:
    """Raises `ValueError` for a name that the model has no code for. Names of presets are known without PyTorch."""
    if value in CHOICES[field]:
        return
    from model.layers import NAMES

    names = list(NAMES[field])
    if value not in names:
        hint = _nearest(str(value), names)
        raise ValueError(f"{field} is {value!r}{hint}; set it to {' or '.join(map(repr, names))}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.4)
    return f" (did you mean {near[0]!r}?)" if near else ""
