"""The configuration of a GPT: its fields, and what fits together."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from model.presets import PRESETS, modern

PATTERN_LETTERS = {"L": "full", "S": "sliding window", "T": "strided", "F": "fixed"}
"""What a layer of each letter of `window_pattern` sees; `model.attention` has the code."""


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
    """"layernorm" with a gain (and a bias, if `bias`), "rmsnorm" without parameters (Zhang and Sennrich, 2019), or
    "rmsnorm_gain" with a gain."""
    norm_epsilon: float = 1e-5
    """Added to the variance or mean square inside a norm, against division by zero."""
    positions: str = "learned"
    """"learned": a vector for each position; "rotary": queries and keys are rotated (Su et al., 2021)."""
    rotary_base: float = 10_000
    """Base of the rotary wavelengths, 2 pi base^(p / pairs) tokens for pair p. A larger one suits long contexts."""
    activation: str = "gelu"
    """"gelu" in the tanh form of GPT-2, "relu2", the square of ReLU (So et al., 2021), or "swiglu": the MLP has a third
    layer, a gate, whose SiLU multiplies the first (Shazeer, 2020)."""
    tied_head: bool
    """Use the token embedding itself as the output head."""
    bias: bool
    """Give linear layers (the head never) and LayerNorm a bias."""
    qk_norm: bool = False
    """Pass each head's queries and keys through a parameter-free RMSNorm (Henry et al., 2020)."""
    qk_scale: float = 1
    """Factor of queries and keys, after QK-norm if there is one. Above 1 attention can be sharper (nanochat: 1.2)."""
    attention: str = "sdpa"
    """"sdpa" is PyTorch's fused kernel, "reference" the same written out; they give equal results."""
    window_pattern: str = "L"
    """One letter a layer, repeated over the layers: "L" sees all tokens before, "S" those of a sliding window, "T"
    those and every `window`-th before (strided), "F" a block and the last `summary_columns` tokens of each block before
    (fixed; Child et al., 2019). The last layer is "L" where the pattern has one (nanochat: "SSSL")."""
    window: int | None = None
    """Tokens that an "S" layer sees, its own included; the stride of "T", the block of "F". Not set: a quarter of the
    sequence, rounded up to 128."""
    summary_columns: int = 8
    """Tokens at the end of each block that all later ones see in an "F" layer (Child et al., 2019: 8 of 128)."""
    embedding_norm: bool = False
    """Pass the embedding through an RMSNorm without parameters before the first block (nanochat)."""
    value_embeddings: bool = False
    """Every second layer, the last one included, adds to its values a vector that a table has for the token, each head
    through a gate of its own (Zhou et al., 2024, and nanochat)."""
    residual_scalars: bool = False
    """Each block reads the residual stream times a learned number, at first 1.15 falling to 1.05 over the layers
    (modded-nanogpt, nanochat)."""
    input_scalars: bool = False
    """Each block adds the embedding times a learned number, at first .20 falling to .05 (modded-nanogpt, nanochat)."""
    logit_soft_cap: float = 0
    """Logits x become cap tanh(x / cap), in float32 (Gemma 2, 2024; nanochat: 15). 0 does not cap."""
    dropout: float = 0.0
    """Fraction of values set to zero in training: of embeddings, attention weights, and what blocks add."""
    initialisation: str = "gpt2"
    """"gpt2": N(0, .02) everywhere, residual projections smaller. "modern": embedding N(0, .8), head N(0, .001), hidden
    matrices uniform with standard deviation 1 / sqrt(inputs), the first of an MLP .4 of that (nanochat)."""
    zero_init: bool = False
    """Start with residual projections of zero, so that each block begins as the identity (Goyal et al., 2017)."""

    def __post_init__(self) -> None:
        for name in ("vocab_size", "sequence_length", "num_layers", "num_heads", "width"):
            self._check_count(name)
        if self.num_kv_heads is not None:
            self._check_count("num_kv_heads")
        if self.window is not None:
            self._check_count("window")
        self._check_count("summary_columns")
        self._check_pattern()
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is {getattr(self, name)!r}; set it to true or false")
        for name in ("norm_epsilon", "rotary_base", "qk_scale"):
            if not _is_number(getattr(self, name)) or not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)!r}; set it to a number above 0")
        if not _is_number(self.logit_soft_cap) or not 0 <= self.logit_soft_cap < math.inf:
            raise ValueError(f"logit_soft_cap is {self.logit_soft_cap!r}; set it above 0, such as 15, or to 0 for none")
        for name in CHOICES:
            _check_choice(name, getattr(self, name))
        if not _is_number(self.dropout) or not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout!r}; set it to a number from 0 up to, not including, 1")
        if not _is_number(self.mlp_ratio) or not 1 <= self.mlp_ratio * self.width < math.inf:
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

    @property
    def window_tokens(self) -> int:
        """`window` where it is given, else a quarter of the sequence, rounded up to 128."""
        return -(-self.sequence_length // 512) * 128 if self.window is None else self.window

    @property
    def layer_patterns(self) -> str:
        """The letter of every layer."""
        letters = (self.window_pattern * self.num_layers)[: self.num_layers]
        return letters[:-1] + "L" if "L" in self.window_pattern else letters

    @property
    def value_embedding_layers(self) -> tuple[int, ...]:
        """The layers with a value embedding: every second one, counted from the last."""
        return tuple(range((self.num_layers - 1) % 2, self.num_layers, 2)) if self.value_embeddings else ()

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """The fields that have a default, with it."""
        return dict(_DEFAULTS)

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

    def _check_pattern(self) -> None:
        letters = self.window_pattern
        wrong: list[object] = [letters]
        if isinstance(letters, str):
            wrong = [letter for letter in letters if letter not in PATTERN_LETTERS]
        if wrong or not letters:
            known = ", ".join(f"{letter} ({what})" for letter, what in PATTERN_LETTERS.items())
            which = f", and {wrong[0]!r} is no pattern" if wrong and letters != wrong[0] else ""
            raise ValueError(f"window_pattern is {letters!r}{which}; set it to letters of {known}, such as 'SSSL'")
        if "F" in letters and self.summary_columns > self.window_tokens:
            raise ValueError(
                f"summary_columns is {self.summary_columns}, and a block has {self.window_tokens} tokens; set "
                "summary_columns to at most that, or window to more"
            )

    def _check_count(self, name: str) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} is {value!r}; set it to a whole number of at least 1")


_DEFAULTS = {
    field.name: field.default for field in dataclasses.fields(GPTConfig) if field.default is not dataclasses.MISSING
}
_SWITCHES = tuple(field.name for field in dataclasses.fields(GPTConfig) if field.type == "bool")

CHOICES: dict[str, tuple[str, ...]] = {
    "norm": ("layernorm", "rmsnorm", "rmsnorm_gain"),
    "positions": ("learned", "rotary"),
    "activation": ("gelu", "relu2", "swiglu"),
    "attention": ("sdpa", "reference"),
    "initialisation": ("gpt2", "modern"),
}
"""The names that a field may have. The code of each stands in a table of `model.layers`, `attention` or `initial`, that
of positions in `model.gpt`; a configuration is checked without PyTorch."""


def preset(
    name: str, vocab_size: int, sequence_length: int | None = None, depth: int | None = None, **overrides: Any
) -> GPTConfig:
    """The configuration of a preset for a vocabulary; `overrides` are fields of `GPTConfig` set otherwise.

    `sequence_length` None keeps the preset's. `depth` is the dial of "modern": its layers, and by them its width and
    heads. Raises `ValueError` for an unknown preset or field, with the nearest name, and for values that do not fit.
    """
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}{_nearest(name, PRESETS)}; choose one of {', '.join(PRESETS)}")
    _check_names(overrides)
    values = PRESETS[name] | {"vocab_size": vocab_size} | overrides
    if depth is not None:
        if name != "modern":
            raise ValueError(f"depth is {depth!r}, and preset {name!r} has no such dial; set preset to 'modern'")
        if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
            raise ValueError(f"depth is {depth!r}; set it to a whole number of at least 1")
        values = modern(depth) | {"vocab_size": vocab_size} | overrides
    if sequence_length is not None:
        values["sequence_length"] = sequence_length
    return GPTConfig(**values)


def _check_names(values: Iterable[str]) -> None:
    names = [field.name for field in dataclasses.fields(GPTConfig)]
    for name in values:
        if name not in names:
            raise ValueError(f"a model has no {name!r}{_nearest(name, names)}; its fields are {', '.join(names)}")


def _check_choice(field: str, value: object) -> None:
    names = CHOICES[field]
    if value not in names:
        hint = _nearest(str(value), names)
        raise ValueError(f"{field} is {value!r}{hint}; set it to {' or '.join(map(repr, names))}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.4)
    return f" (did you mean {near[0]!r}?)" if near else ""
