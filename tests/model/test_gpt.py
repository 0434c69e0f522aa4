"""The forward pass: against a written-out reference, against GPT-2 of transformers, and by its properties."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from model import GPT, GPTConfig, preset
from model.attention import masked_attention, reference_attention
from model.cache import KVCache
from model.layers import rotary_angles, rotate
from tests.model.configs import KINDS, small


def build(config: GPTConfig, seed: int = 0, spread: float | None = 0.2) -> GPT:
    """A model in evaluation mode with weights large enough that every part of it shows in the output."""
    torch.manual_seed(seed)
    model = GPT(config).eval()
    if spread is not None:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.normal_(1.0 if name.endswith("norm.weight") else 0.0, spread)
    return model


def random_ids(config: GPTConfig, batch_size: int = 3, num_tokens: int | None = None, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(config.vocab_size, (batch_size, num_tokens or config.sequence_length), generator=generator)


@pytest.mark.parametrize("kind", KINDS)
def test_reference_and_sdpa_agree_in_logits_and_every_gradient(kind: str) -> None:
    results: list[tuple[torch.Tensor, dict[str, torch.Tensor]]] = []
    for attention in ("reference", "sdpa"):
        model = build(small(kind, attention=attention))
        tokens = random_ids(model.config)
        model(tokens[:, :-1], tokens[:, 1:]).backward()
        gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
        assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients.values())
        results.append((model(tokens).detach(), gradients))  # type: ignore[arg-type]
    (logits, gradients), (other_logits, other_gradients) = results
    torch.testing.assert_close(logits, other_logits, rtol=1e-5, atol=1e-5)
    # A bias of the keys moves every score of a query alike, so that its gradient is 0 but for rounding.
    scale = max(gradient.abs().max().item() for gradient in gradients.values())
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, other_gradients[name], rtol=1e-5, atol=1e-6 * scale, msg=name)


@pytest.mark.parametrize(("num_queries", "num_keys"), [(7, 7), (1, 7), (3, 7), (1, 1)])
@pytest.mark.parametrize("num_kv_heads", [4, 2, 1])
def test_attention_functions_agree_where_keys_are_cached(num_queries: int, num_keys: int, num_kv_heads: int) -> None:
    torch.manual_seed(0)
    q = torch.randn(2, 4, num_queries, 8, dtype=torch.float64)
    k, v = (torch.randn(2, num_kv_heads, num_keys, 8, dtype=torch.float64) for _ in range(2))
    expected = reference_attention(q, k, v)
    torch.testing.assert_close(masked_attention(q, k, v), expected, rtol=1e-12, atol=1e-12)
    # The same by hand for the last query of one head, which sees every key.
    weights = torch.softmax(k[1, 3 * num_kv_heads // 4] @ q[1, 3, -1] / 8**0.5, dim=0)
    torch.testing.assert_close(weights @ v[1, 3 * num_kv_heads // 4], expected[1, 3, -1])


def test_gpt2_preset_computes_what_transformers_computes() -> None:
    transformers = pytest.importorskip("transformers")
    config = GPTConfig.from_dict(small("gpt2").to_dict() | {"sequence_length": 16, "width": 48})
    model = build(config)
    theirs = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=config.vocab_size,
            n_positions=config.sequence_length,
            n_embd=config.width,
            n_layer=config.num_layers,
            n_head=config.num_heads,
        )
    ).eval()
    # Every name of theirs is built from ours, and `strict` refuses one that is left over or missing.
    state = gpt2_state(model)
    theirs.load_state_dict(state, strict=True)
    tokens = random_ids(config)
    with torch.no_grad():
        expected = theirs(tokens, labels=tokens)
        torch.testing.assert_close(model(tokens), expected.logits, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(model(tokens[:, :-1], tokens[:, 1:]), expected.loss, rtol=1e-5, atol=1e-5)
    assert model.num_parameters() == theirs.num_parameters()


@pytest.mark.parametrize("name", ["llama-135m", "llama-7b"])
def test_llama_presets_compute_what_transformers_computes(name: str) -> None:
    transformers = pytest.importorskip("transformers")
    full = preset(name, 97)
    # Small, with the family's proportions: heads that share keys where the preset's do.
    shared = full.num_heads // full.kv_heads
    sizes = {"width": 16 * shared * 2, "num_heads": 2 * shared, "num_kv_heads": 2}
    config = preset(name, 97, 24, num_layers=2, mlp_ratio=1.5, **sizes)
    model = build(config)
    theirs = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=config.vocab_size,
            max_position_embeddings=config.sequence_length,
            hidden_size=config.width,
            intermediate_size=config.mlp_width,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            num_key_value_heads=config.kv_heads,
            rms_norm_eps=config.norm_epsilon,
            rope_parameters={"rope_type": "default", "rope_theta": float(config.rotary_base)},
            tie_word_embeddings=config.tied_head,
        )
    ).eval()
    theirs.load_state_dict(llama_state(model), strict=True)
    tokens = random_ids(config)
    with torch.no_grad():
        expected = theirs(tokens, labels=tokens)
        torch.testing.assert_close(model(tokens), expected.logits, rtol=1e-5, atol=1e-5)
    assert model.num_parameters() == theirs.num_parameters()


def llama_state(model: GPT) -> dict[str, torch.Tensor]:
    """The weights under the names of transformers' LLaMA."""
    names = {
        "attention_norm": "input_layernorm",
        "attention.query": "self_attn.q_proj",
        "attention.key": "self_attn.k_proj",
        "attention.value": "self_attn.v_proj",
        "attention.output": "self_attn.o_proj",
        "mlp_norm": "post_attention_layernorm",
        "mlp.gate": "mlp.gate_proj",
        "mlp.up": "mlp.up_proj",
        "mlp.down": "mlp.down_proj",
    }
    ours = model.state_dict()
    state = {
        "model.embed_tokens.weight": ours["token_embedding.weight"],
        "model.norm.weight": ours["norm.weight"],
        "lm_head.weight": ours["head.weight"],
    }
    for layer in range(model.config.num_layers):
        for name, other in names.items():
            state[f"model.layers.{layer}.{other}.weight"] = ours[f"blocks.{layer}.{name}.weight"]
    return state


def gpt2_state(model: GPT) -> dict[str, torch.Tensor]:
    """The weights under the names of transformers' GPT-2, whose linear layers are stored transposed."""
    ours = model.state_dict()
    names = {
        "attention_norm": "ln_1",
        "mlp_norm": "ln_2",
        "attention.output": "attn.c_proj",
        "mlp.up": "mlp.c_fc",
        "mlp.down": "mlp.c_proj",
    }
    state = {
        "transformer.wte.weight": ours["token_embedding.weight"],
        "transformer.wpe.weight": ours["position_embedding.weight"],
        "lm_head.weight": ours["head.weight"],
    }
    for part in ("weight", "bias"):
        state[f"transformer.ln_f.{part}"] = ours[f"norm.{part}"]
        for layer in range(model.config.num_layers):
            mine, their = f"blocks.{layer}", f"transformer.h.{layer}"
            qkv = [ours[f"{mine}.attention.{name}.{part}"] for name in ("query", "key", "value")]
            state[f"{their}.attn.c_attn.{part}"] = torch.cat(qkv).T if part == "weight" else torch.cat(qkv)
            for name, other in names.items():
                tensor = ours[f"{mine}.{name}.{part}"]
                state[f"{their}.{other}.{part}"] = tensor.T if tensor.dim() == 2 else tensor
    return {name: tensor.contiguous() for name, tensor in state.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_the_future_changes_nothing_in_the_past(kind: str) -> None:
    model = build(small(kind))
    tokens = random_ids(model.config)
    with torch.no_grad():
        before = model(tokens)
        for position in (1, 11, 23):
            changed = tokens.clone()
            changed[:, position] = (changed[:, position] + 1) % model.config.vocab_size
            after = model(changed)
            torch.testing.assert_close(after[:, :position], before[:, :position], rtol=0, atol=1e-6)
            assert (after[:, position:] - before[:, position:]).abs().amax(dim=(0, 2)).min() > 1e-3


def test_rotary_scores_depend_on_the_distance_alone() -> None:
    torch.manual_seed(0)
    cos, sin = rotary_angles(64, 16, 10_000)
    q, k = torch.randn(16), torch.randn(16)
    turned_q, turned_k = (rotate(x.expand(1, 1, 64, 16), cos, sin)[0, 0] for x in (q, k))
    scores = turned_q @ turned_k.T
    for distance in (0, 1, 5, 40):
        diagonal = scores.diagonal(-distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), rtol=1e-4, atol=1e-4)
    assert scores[:, 0].std() > 0.1
    torch.testing.assert_close(turned_q.norm(dim=-1), q.norm().expand(64))
    torch.testing.assert_close(turned_q[0], q)


def test_rotary_is_the_published_rotation() -> None:
    cos, sin = rotary_angles(10, 4, 10_000)
    x = torch.tensor([1.0, 0.0, 0.0, 1.0]).expand(1, 1, 10, 4)  # pairs (0, 2) and (1, 3)
    one, two = torch.tensor(7.0), torch.tensor(7.0 / 100)
    expected = torch.stack([one.cos(), -two.sin(), one.sin(), two.cos()])
    torch.testing.assert_close(rotate(x, cos, sin)[0, 0, 7], expected)


def test_positions_matter_in_a_rotary_model() -> None:
    model = build(small("rotary"))
    tokens = random_ids(model.config, 1)
    swapped = tokens[:, [1, 0, *range(2, 24)]]
    with torch.no_grad():
        assert (model(tokens)[0, -1] - model(swapped)[0, -1]).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pieces", [[24], [1] * 24, [5, 1, 1, 10, 7], [3, 18, 1, 1, 1], [9, 15], [1, 9, 2, 12]])
def test_cached_logits_are_those_of_one_pass(kind: str, pieces: list[int]) -> None:
    model = build(small(kind))
    tokens = random_ids(model.config)
    cache = KVCache(model.config, len(tokens))
    with torch.no_grad():
        logits = torch.cat([model(piece, cache=cache) for piece in tokens.split(pieces, dim=1)], dim=1)
        torch.testing.assert_close(logits, model(tokens), rtol=1e-5, atol=1e-5)
    assert cache.length == 24


@pytest.mark.parametrize("window", [1, 2, 7, 23, 24])
@pytest.mark.parametrize("attention", ["reference", "sdpa"])
def test_a_cache_of_windows_holds_the_window_only(window: int, attention: str) -> None:
    model = build(small("windows", window=window, attention=attention))
    tokens = random_ids(model.config)
    for pieces in ([1] * 24, [8, 1, 1, 14], [23, 1]):
        cache = KVCache(model.config, 3)
        with torch.no_grad():
            logits = torch.cat([model(piece, cache=cache) for piece in tokens.split(pieces, dim=1)], dim=1)
            torch.testing.assert_close(logits, model(tokens), rtol=1e-5, atol=1e-5)
        held = [keys.shape[2] for stored in (cache.keys, cache.values) for keys in stored if keys is not None]
        assert held == [window, window, 24] * 2


def test_a_small_cache_of_windows_holds_its_capacity() -> None:
    assert KVCache(small("windows"), 1, capacity=5).kept == [5, 5, 5]


@pytest.mark.parametrize("window", [1, 3, 6])
def test_a_cache_follows_a_window_that_is_set(window: int) -> None:
    model = build(small("windows"))
    model.set_window(window)
    tokens = random_ids(model.config)
    for pieces in ([1] * 24, [5, 1, 1, 10, 7]):
        cache = KVCache(model.config, 3)
        with torch.no_grad():
            logits = torch.cat([model(piece, cache=cache) for piece in tokens.split(pieces, dim=1)], dim=1)
            torch.testing.assert_close(logits, model(tokens), rtol=1e-5, atol=1e-5)


def test_a_cache_that_is_reset_forgets() -> None:
    model = build(small("windows"))
    cache = KVCache(model.config, 3)
    with torch.no_grad():
        model(random_ids(model.config, seed=5), cache=cache)
        cache.reset()
        tokens = random_ids(model.config)
        torch.testing.assert_close(model(tokens[:, :20], cache=cache), model(tokens[:, :20]), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(model(tokens[:, 20:], cache=cache), model(tokens)[:, 20:], rtol=1e-5, atol=1e-5)


def test_initial_weights_follow_from_the_seed() -> None:
    config = small("modern", zero_init=False)
    one, same, other = (build(config, seed, spread=None).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one)


def test_initial_weights_have_the_spread_of_gpt2() -> None:
    config = GPTConfig.from_dict(small("gpt2").to_dict() | {"width": 256, "num_layers": 8})
    state = build(config, spread=None).state_dict()
    for name, tensor in state.items():
        if name.endswith("bias"):
            assert not tensor.any(), name
        elif "norm" in name:
            assert (tensor == 1).all(), name
        else:
            expected = 0.02 / 4 if name.endswith(("output.weight", "down.weight")) else 0.02
            assert tensor.std().item() == pytest.approx(expected, rel=0.05), name


def test_zero_init_begins_as_the_identity() -> None:
    model = build(small("modern", zero_init=True), spread=None)
    tokens = random_ids(model.config)
    with torch.no_grad():
        torch.testing.assert_close(model.hidden(tokens), model.norm(model.token_embedding(tokens)))


@pytest.mark.parametrize("kind", KINDS)
def test_an_untrained_model_knows_nothing(kind: str) -> None:
    model = build(small(kind), spread=None)
    tokens = random_ids(model.config, 8)
    loss = model(tokens[:, :-1], tokens[:, 1:])
    assert loss.item() == pytest.approx(torch.tensor(97.0).log().item(), abs=0.1)


def test_loss_and_its_reductions() -> None:
    model = build(small("gpt2"))
    tokens = random_ids(model.config)
    targets = tokens.roll(-1, 1)
    targets[:, -1] = targets[0, 3] = -1
    each = model(tokens, targets, reduction="none")
    counted = targets != -1
    expected = -model(tokens).log_softmax(-1).gather(2, targets.clamp(min=0)[..., None])[..., 0] * counted
    torch.testing.assert_close(each, expected)
    torch.testing.assert_close(model(tokens, targets), expected.sum() / counted.sum())
    torch.testing.assert_close(model(tokens, targets, reduction="sum"), expected.sum())


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_autocast_is_near_float32_and_the_loss_stays_float32(kind: str) -> None:
    model = build(small(kind), spread=0.1)
    tokens = random_ids(model.config)
    exact = model(tokens, tokens)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(tokens, tokens)
        cache = KVCache(model.config, 3)
        with torch.no_grad():
            model(tokens[:, :20], cache=cache)
            last = model(tokens[:, 20:], cache=cache)
            whole = model(tokens)[:, 20:]
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=0.02)
    torch.testing.assert_close(last, whole, rtol=0.05, atol=0.05)


def test_the_loss_of_a_bfloat16_model_is_computed_in_float32() -> None:
    model = build(small("gpt2"), spread=0.1).bfloat16()
    tokens = random_ids(model.config)
    loss = model(tokens, tokens)
    assert loss.dtype == torch.float32
    expected = torch.nn.functional.cross_entropy(model(tokens).double().flatten(0, 1), tokens.flatten())
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("kind", ["gpt2", "modern"])
def test_compiled_blocks_give_the_same_gradients(kind: str) -> None:
    model, compiled = build(small(kind)), build(small(kind))
    for block in compiled.blocks:
        block.compile(backend="aot_eager", fullgraph=True)
    tokens = random_ids(model.config)
    for each in (model, compiled):
        each(tokens, tokens).backward()
    assert list(model.state_dict()) == list(compiled.state_dict())
    for (name, one), other in zip(model.named_parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_the_whole_model_compiles_without_a_break() -> None:
    model = build(small("modern"))
    tokens = random_ids(model.config)
    expected = model(tokens, tokens)
    torch.testing.assert_close(torch.compile(model, backend="aot_eager", fullgraph=True)(tokens, tokens), expected)


def test_a_model_made_without_memory_gets_its_weights_later() -> None:
    config = small("modern")
    with torch.device("meta"):
        model = GPT(config)
    model.to_empty(device="cpu")
    usual = GPT(config)
    for each in (model, usual):
        torch.manual_seed(0)
        each.init_weights()
    tokens = random_ids(config)
    assert torch.equal(model(tokens), usual(tokens))


def test_dropout_acts_in_training_only() -> None:
    for attention in ("reference", "sdpa"):
        model = build(small("gpt2", dropout=0.3, attention=attention))
        tokens = random_ids(model.config)
        assert torch.equal(model(tokens), model(tokens))
        model.train()
        assert not torch.equal(model(tokens), model(tokens))


@pytest.mark.parametrize(
    ("tokens", "targets", "message"),
    [
        (torch.tensor([[3, 97]]), None, "token id 97 is beyond the vocabulary, 0 to 96; use the tokenizer"),
        (torch.tensor([[-1, 9]]), None, "token id -1 is beyond the vocabulary"),
        (torch.zeros(1, 25, dtype=torch.long), None, "25 tokens are too many: sequence_length is 24"),
        (
            torch.zeros(5, dtype=torch.long),
            None,
            r"int64 of shape \[5\]; give int32 or int64 of shape \(batch, tokens\)",
        ),
        (torch.zeros(1, 0, dtype=torch.long), None, "at least one token"),
        (torch.zeros(1, 4, dtype=torch.uint16), None, "tokens are torch.uint16"),
        (torch.zeros(1, 4, dtype=torch.long), torch.zeros(1, 3, dtype=torch.long), "give one target a token"),
        (torch.tensor([[3, 4]]), torch.tensor([[4, 97]]), "target 97 is beyond the vocabulary"),
        (torch.tensor([[3, 4]]), torch.tensor([[4, -2]]), "target -2 is beyond the vocabulary"),
    ],
)
def test_mistakes_get_one_clear_line(tokens: torch.Tensor, targets: torch.Tensor | None, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        GPT(small("gpt2"))(tokens, targets)
    assert "\n" not in str(caught.value)


def test_a_cache_is_not_overfilled() -> None:
    model = build(small("gpt2"))
    cache = KVCache(model.config, 1, capacity=10)
    model.hidden(random_ids(model.config, 1, 8), cache)
    with pytest.raises(ValueError, match="3 tokens after 8 in the cache are too many: the cache's capacity is 10"):
        model.hidden(random_ids(model.config, 1, 3), cache)
    with pytest.raises(ValueError, match="the cache is for 1 rows, not 2"):
        model.hidden(random_ids(model.config, 2, 1), cache)
    with pytest.raises(ValueError, match="a cache for 25 tokens"):
        KVCache(model.config, 1, capacity=25)


@pytest.mark.parametrize("kind", KINDS)
def test_learns_a_page_of_real_text(kind: str, shared_data: Path) -> None:
    text = (shared_data / "books" / "the-verdict.txt").read_bytes()[:513]
    ids = torch.tensor(list(text))
    config = small(kind, vocab_size=256, sequence_length=64, width=64)
    tokens, targets = ids[:-1].view(-1, 64), ids[1:].view(-1, 64)
    assert losses(config, tokens, targets)[-1] < 0.1 * losses(config, tokens, targets, num_steps=1)[0]


def losses(config: GPTConfig, tokens: torch.Tensor, targets: torch.Tensor, num_steps: int = 120) -> list[float]:
    torch.manual_seed(0)
    model = GPT(config)
    optimizer: Any = torch.optim.AdamW(model.parameters(), lr=2e-3)
    found = []
    for _ in range(num_steps):
        loss = model(tokens, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found
