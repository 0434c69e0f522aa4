"""Configurations and presets."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import torch

from model import GPT, PRESETS, GPTConfig, layers, preset
from model.attention import ATTENTION
from model.config import CHOICES
from model.initial import INITIALISATIONS


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_json(name: str) -> None:
    config = preset(name, 1000)
    assert GPTConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # The sizes of the models that OpenAI published, as Hugging Face counts them.
        ("gpt2-124m", 124_439_808),
        ("gpt2-350m", 354_823_168),
        ("gpt2-774m", 774_030_080),
        ("gpt2-1.5b", 1_557_611_200),
    ],
)
def test_gpt2_has_its_published_size(name: str, expected: int) -> None:
    with torch.device("meta"):
        assert GPT(preset(name, 50257)).num_parameters() == expected


def test_named_sizes_are_near() -> None:
    with torch.device("meta"):
        small, modern = GPT(preset("gpt2-30m", 50257)), GPT(preset("modern-124m", 50257))
    assert 28e6 < small.num_parameters() < 32e6
    # Four width x width matrices of attention and eight of the MLP in each layer; six gates of six heads, two scalars.
    assert modern.num_parameters(include_embeddings=False) == 12 * 12 * 768**2 + 6 * 6 * 12 + 2 * 12
    # Embedding, head, and the tables of values of every second layer.
    assert modern.num_parameters() - modern.num_parameters(include_embeddings=False) == (2 + 6) * 50257 * 768


def test_parameters_without_embeddings_do_not_depend_on_the_head() -> None:
    tied, untied = (GPT(preset("tiny", 300, tied_head=tied)) for tied in (True, False))
    assert tied.num_parameters(include_embeddings=False) == untied.num_parameters(include_embeddings=False)
    assert untied.num_parameters() - tied.num_parameters() == 300 * 128
    assert tied.num_parameters() == tied.num_parameters(include_embeddings=False) + (300 + 128) * 128


def test_flops_are_those_that_pytorch_counts() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    for overrides in ({}, {"tied_head": False, "num_kv_heads": 2, "mlp_ratio": 3}):
        model = GPT(preset("tiny", 300, 64, attention="reference", **overrides))
        tokens = torch.randint(300, (2, 64))
        with FlopCounterMode(display=False) as counter:
            model(tokens, tokens).backward()
        assert counter.get_total_flops() == model.flops_per_token() * tokens.numel()


def test_overrides_and_sequence_length() -> None:
    config = preset("tiny", 300, 64, num_layers=2, num_kv_heads=2)
    assert (config.vocab_size, config.sequence_length, config.num_layers, config.kv_heads) == (300, 64, 2, 2)
    assert preset("gpt2-124m", 300).sequence_length == 1024
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.width = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocab_size": 0}, "vocab_size is 0; set it to a whole number of at least 1"),
        ({"num_layers": 2.0}, "num_layers is 2.0"),
        ({"num_kv_heads": 0}, "num_kv_heads is 0"),
        ({"width": 130}, "width 130 is not a multiple of num_heads 4; 128 is"),
        ({"num_kv_heads": 3}, "num_heads 4 is not a multiple of num_kv_heads 3"),
        ({"width": 12, "positions": "rotary"}, "make it even"),
        ({"norm": "rmsnrom"}, r"norm is 'rmsnrom' \(did you mean 'rmsnorm'\?\); set it to 'layernorm' or 'rmsnorm'"),
        ({"attention": "flash"}, "attention is 'flash'"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"mlp_ratio": 0}, "mlp_ratio is 0"),
        ({"mlp_ratio": float("nan")}, "mlp_ratio is nan"),
        ({"bias": 1}, "bias is 1; set it to true or false"),
        ({"widht": 12}, r"no 'widht' \(did you mean 'width'\?\)"),
    ],
)
def test_values_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        preset("tiny", **{"vocab_size": 300, **changes})


def test_a_wrong_preset_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"no preset 'gpt2-124' \(did you mean 'gpt2-124m'\?\); choose one of tiny, "):
        preset("gpt2-124", 300)


def test_from_dict_names_what_is_missing_or_unknown() -> None:
    values = preset("tiny", 300).to_dict()
    with pytest.raises(ValueError, match="lacks num_layers, width"):
        GPTConfig.from_dict({key: value for key, value in values.items() if key not in ("num_layers", "width")})
    with pytest.raises(ValueError, match=r"no 'n_layer' \(did you mean 'num_layers'\?\)"):
        GPTConfig.from_dict(values | {"n_layer": 3})


def test_every_name_has_code() -> None:
    tables = {
        "norm": layers.NORMS,
        "activation": layers.ACTIVATIONS,
        "attention": ATTENTION,
        "initialisation": INITIALISATIONS,
    }
    assert {field: set(CHOICES[field]) for field in tables} == {field: set(of) for field, of in tables.items()}
    assert set(CHOICES) - set(tables) == {"positions"}  # whose code is no table
    for name in CHOICES["positions"]:
        assert GPT(preset("tiny", 300, positions=name)).config.positions == name


@pytest.mark.parametrize("field", CHOICES)
def test_a_name_without_code_makes_no_model(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHOICES, field, (*CHOICES[field], "odd"))
    config = preset("tiny", 300, **{field: "odd"})
    with pytest.raises((KeyError, ValueError), match="'odd'"):
        GPT(config)
