"""The parts of today's small models, each against the same written out for one sequence; and what they begin with."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from model import GPT, preset
from tests.model.configs import KINDS

PARTS: dict[str, dict[str, Any]] = {
    "rotary base": {"rotary_base": 100.0},
    "rmsnorm with gain": {"norm": "rmsnorm_gain", "norm_epsilon": 0.1},
    "swiglu": {"activation": "swiglu", "mlp_ratio": 2.5},
    "query-key scale": {"qk_scale": 1.2},
    "scale without qk-norm": {"qk_scale": 1.2, "qk_norm": False},
    "soft cap": {"logit_soft_cap": 2.0},
    "value embeddings": {"value_embeddings": True},
    "value embeddings of an odd depth": {"value_embeddings": True, "num_layers": 3},
    "residual scalars": {"residual_scalars": True},
    "input scalars": {"input_scalars": True},
    "input scalars after a norm": {"input_scalars": True, "embedding_norm": True},
    "all": KINDS["nanochat"],
}


def build(**overrides: Any) -> GPT:
    base = {"positions": "rotary", "norm": "rmsnorm", "activation": "relu2", "qk_norm": True, "bias": False}
    torch.manual_seed(0)
    shape = {"num_layers": 4, "width": 32, "num_heads": 4, "num_kv_heads": 2}
    model = GPT(preset("tiny", 97, 12, **(base | shape | overrides))).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("part", PARTS)
def test_a_part_computes_what_is_written_out(part: str) -> None:
    model = build(**PARTS[part])
    tokens = torch.randint(97, (12,), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(model(tokens[None])[0].double(), written_out(model, tokens), rtol=1e-5, atol=1e-6)


def written_out(model: GPT, tokens: torch.Tensor) -> torch.Tensor:
    """Logits (T, V) of one sequence, one query and one head after the other."""
    config, weights = model.config, model.state_dict()
    num_tokens, width, head = len(tokens), config.width, config.head_width

    def norm(x: torch.Tensor, gain: str | None = None) -> torch.Tensor:
        x = x / (x.pow(2).mean(-1, keepdim=True) + config.norm_epsilon).sqrt()
        return x if gain is None or config.norm == "rmsnorm" else x * weights[gain]

    def turned(x: torch.Tensor, position: int) -> torch.Tensor:
        pairs = head // 2
        out = x.clone()
        for pair in range(pairs):
            angle = position * config.rotary_base ** (-pair / pairs)
            a, b = x[pair], x[pair + pairs]
            out[pair] = a * math.cos(angle) - b * math.sin(angle)
            out[pair + pairs] = a * math.sin(angle) + b * math.cos(angle)
        return out

    x = weights["token_embedding.weight"][tokens]
    x = first = norm(x) if config.embedding_norm else x
    for layer in range(config.num_layers):
        at = f"blocks.{layer}"
        if config.residual_scalars:
            x = x * weights["residual_scalars"][layer]
        if config.input_scalars:
            x = x + first * weights["input_scalars"][layer]
        normed = norm(x, f"{at}.attention_norm.weight")
        q, k, v = (normed @ weights[f"{at}.attention.{name}.weight"].T for name in ("query", "key", "value"))
        if config.value_embeddings and layer % 2 == (config.num_layers - 1) % 2:
            table = weights[f"value_embeddings.{layer}.weight"][tokens]
            gates = 3 / (1 + torch.exp(-(normed[:, :12] @ weights[f"{at}.attention.value_gate.weight"].T)))
            v = v + table * gates.repeat_interleave(head, dim=1)
        out = torch.zeros(num_tokens, width, dtype=x.dtype)
        for number in range(config.num_heads):
            own = slice(number * head, (number + 1) * head)
            group = number // (config.num_heads // config.kv_heads)
            shared = slice(group * head, (group + 1) * head)
            queries = [turned(q[t, own], t) for t in range(num_tokens)]
            keys = [turned(k[t, shared], t) for t in range(num_tokens)]
            if config.qk_norm:
                queries, keys = [norm(each) for each in queries], [norm(each) for each in keys]
            for t in range(num_tokens):
                scores = torch.stack([queries[t] @ keys[s] for s in range(t + 1)]) * config.qk_scale**2
                out[t, own] = torch.softmax(scores / math.sqrt(head), 0) @ v[: t + 1, shared]
        x = x + out @ weights[f"{at}.attention.output.weight"].T
        normed = norm(x, f"{at}.mlp_norm.weight")
        hidden = normed @ weights[f"{at}.mlp.up.weight"].T
        if config.activation == "swiglu":
            gate = normed @ weights[f"{at}.mlp.gate.weight"].T
            hidden = gate / (1 + torch.exp(-gate)) * hidden
        else:
            hidden = hidden.clamp(min=0) ** 2
        x = x + hidden @ weights[f"{at}.mlp.down.weight"].T
    logits = norm(x, "norm.weight") @ weights["head.weight"].T
    cap = config.logit_soft_cap
    return cap * torch.tanh(logits / cap) if cap else logits


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_z_loss_is_the_square_of_the_normaliser(reduction: str) -> None:
    model = build(**KINDS["nanochat"])
    tokens = torch.randint(97, (2, 12), generator=torch.Generator().manual_seed(1))
    targets = tokens.roll(-1, 1)
    targets[:, -1] = -1
    squares = model(tokens).logsumexp(-1).square() * (targets != -1)
    expected = {"mean": squares.sum() / (targets != -1).sum(), "sum": squares.sum(), "none": squares}[reduction]
    plain, with_z = (model(tokens, targets, reduction=reduction, z_loss=z) for z in (0.0, 0.1))
    torch.testing.assert_close(with_z - plain, 0.1 * expected)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("zero_init", [False, True])
def test_modern_initialisation_has_the_published_spreads(tied: bool, zero_init: bool) -> None:
    torch.manual_seed(0)
    model = GPT(preset("modern", 500, 32, depth=4, tied_head=tied, zero_init=zero_init))
    spread = {name: tensor.std().item() for name, tensor in model.state_dict().items() if tensor.dim() == 2}
    width, inner = 256, 1024
    assert spread["token_embedding.weight"] == pytest.approx(0.02 if tied else 0.8, rel=0.02)
    if not tied:
        assert spread["head.weight"] == pytest.approx(0.001, rel=0.02)
    for layer in range(4):
        at = f"blocks.{layer}"
        for name in ("query", "key", "value"):
            assert spread[f"{at}.attention.{name}.weight"] == pytest.approx(width**-0.5, rel=0.02)
        assert spread[f"{at}.mlp.up.weight"] == pytest.approx(0.4 * width**-0.5, rel=0.02)
        residual = 0 if zero_init else 8**-0.5
        assert spread[f"{at}.attention.output.weight"] == pytest.approx(residual * width**-0.5, rel=0.02)
        assert spread[f"{at}.mlp.down.weight"] == pytest.approx(residual * inner**-0.5, rel=0.02)
    assert spread["value_embeddings.3.weight"] == pytest.approx(width**-0.5, rel=0.02)
    assert model.residual_scalars is not None
    assert model.residual_scalars.tolist() == pytest.approx([1.15, 1.15 - 0.1 / 3, 1.15 - 0.2 / 3, 1.05])
    assert model.input_scalars is not None
    assert model.input_scalars.tolist() == pytest.approx([0.2, 0.15, 0.1, 0.05])


@pytest.mark.parametrize(
    ("depth", "width", "num_heads"), [(1, 128, 1), (4, 256, 2), (5, 384, 3), (12, 768, 6), (20, 1280, 10)]
)
def test_depth_gives_width_and_heads_of_128(depth: int, width: int, num_heads: int) -> None:
    config = preset("modern", 500, depth=depth)
    assert (config.num_layers, config.width, config.num_heads, config.head_width) == (depth, width, num_heads, 128)


@pytest.mark.parametrize(
    ("name", "vocab_size", "expected"),
    # As Hugging Face counts the parameters of the published models.
    [
        ("llama-135m", 49_152, 134_515_008),
        ("llama-360m", 49_152, 361_821_120),
        ("llama-1.1b", 32_000, 1_100_048_384),
        ("llama-7b", 32_000, 6_738_415_616),
    ],
)
def test_llama_has_its_published_size(name: str, vocab_size: int, expected: int) -> None:
    with torch.device("meta"):
        assert GPT(preset(name, vocab_size)).num_parameters() == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rotary_base": 0}, "rotary_base is 0; set it to a number above 0"),
        ({"norm_epsilon": float("inf")}, "norm_epsilon is inf"),
        ({"qk_scale": True}, "qk_scale is True"),
        ({"logit_soft_cap": -1}, "logit_soft_cap is -1; set it above 0, such as 15, or to 0 for none"),
        ({"value_embeddings": 1}, "value_embeddings is 1; set it to true or false"),
        ({"activation": "swigl"}, r"activation is 'swigl' \(did you mean 'swiglu'\?\)"),
        ({"initialisation": "gpt3"}, "initialisation is 'gpt3'"),
        ({"depth": 4}, "depth is 4, and preset 'tiny' has no such dial; set preset to 'modern'"),
    ],
)
def test_values_that_make_no_model_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        preset("tiny", 97, **changes)
