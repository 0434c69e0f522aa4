"""Generation: the cache changes nothing, the window slides, and filters keep what they say."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from model import GPT, generate
from model.engine import Engine
from model.sampling import NotFinite, Sampling, filter_top_k, filter_top_p, row_generators, window_start
from tests.model.configs import KINDS, small
from tests.model.test_gpt import build, random_ids


def talkative(kind: str, **overrides: Any) -> GPT:
    """A model with much to say: a tied head of random weights would repeat the last token for ever."""
    return build(small(kind, **{"tied_head": False, **overrides}), spread=0.5)


@torch.no_grad()
def without_cache(model: GPT, tokens: torch.Tensor, num_tokens: int) -> torch.Tensor:
    """The likeliest tokens, each by a pass over the whole window."""
    for _ in range(num_tokens):
        window = tokens[:, window_start(tokens.shape[1], model.config.sequence_length) :]
        tokens = torch.cat([tokens, model(window)[:, -1].argmax(-1, keepdim=True)], dim=1)
    return tokens


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_prompt", [1, 5, 24, 40])
def test_greedy_with_and_without_cache_write_the_same(kind: str, num_prompt: int) -> None:
    """Past the sequence length of 24 too, with both kinds of positions."""
    model = talkative(kind)
    prompt = random_ids(model.config, 2, num_prompt)
    cached = generate(model, prompt, 60, temperature=0)
    assert torch.equal(cached, without_cache(model, prompt, 60))
    assert cached.shape == (2, num_prompt + 60)
    assert torch.equal(cached[:, :num_prompt], prompt)
    # Rows that say one thing for ever would agree whatever the model saw.
    assert len(cached[:, num_prompt:].unique()) > 8


@pytest.mark.parametrize("kind", ["gpt2", "rotary"])
def test_each_greedy_token_is_the_likeliest_after_its_window(kind: str) -> None:
    model = talkative(kind)
    tokens = generate(model, random_ids(model.config, 1, 4), 70, temperature=0)
    for end in range(4, 74):
        window = tokens[:, window_start(end, 24) : end]
        assert min(end, 19) <= window.shape[1] <= 24
        with torch.no_grad():
            assert model(window)[0, -1].argmax() == tokens[0, end]


@pytest.mark.parametrize("sequence_length", [1, 2, 3, 24, 1024])
def test_the_window_fits_and_never_goes_back(sequence_length: int) -> None:
    starts = [window_start(length, sequence_length) for length in range(1, 4 * sequence_length)]
    assert starts == sorted(starts)
    for length, start in enumerate(starts, start=1):
        seen = length - start
        assert seen <= sequence_length
        assert seen == length or seen > sequence_length - max(1, sequence_length // 4)


def test_the_window_moves_by_a_quarter() -> None:
    assert [window_start(length, 24) for length in (24, 25, 30, 31, 36, 37)] == [0, 6, 6, 12, 12, 18]


def test_a_context_of_one_token_still_writes() -> None:
    model = build(small("gpt2", sequence_length=1))
    prompt = random_ids(model.config, 1, 3)
    assert torch.equal(generate(model, prompt, 8, temperature=0), without_cache(model, prompt, 8))


def test_a_seed_decides_the_draws_and_the_global_generator_is_left_alone() -> None:
    model = talkative("modern")
    prompt = random_ids(model.config, 1, 4)
    state = torch.random.get_rng_state()
    one, same, other = (generate(model, prompt, 30, 1.0, None, None, seed) for seed in (5, 5, 6))
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(one, generate(model, prompt, 30, seed=torch.Generator().manual_seed(5)))


def test_draws_follow_the_probabilities_of_the_model() -> None:
    model = build(small("gpt2", vocab_size=5), spread=0.4)
    prompt = torch.tensor([[1, 2, 3]]).expand(20_000, 3)
    drawn = generate(model, prompt, 1, temperature=0.7, seed=1)[:, -1]
    with torch.no_grad():
        expected = (model(prompt[:1])[0, -1] / 0.7).softmax(0)
    assert expected.max() < 0.95
    torch.testing.assert_close(drawn.bincount(minlength=5) / 20_000, expected, rtol=0, atol=0.015)


def test_top_k_of_one_and_a_small_top_p_are_greedy() -> None:
    model = talkative("rotary")
    prompt = random_ids(model.config, 2, 4)
    greedy = generate(model, prompt, 20, temperature=0)
    assert torch.equal(generate(model, prompt, 20, 1.5, top_k=1), greedy)
    assert torch.equal(generate(model, prompt, 20, 1.5, top_p=1e-6), greedy)
    assert not torch.equal(generate(model, prompt, 20, 1.5), greedy)


def test_stopping() -> None:
    model = build(small("gpt2"))
    prompt = random_ids(model.config, 3, 4)
    free = generate(model, prompt, 30, 1.0, seed=2)
    stop = int(free[0, 4 + 10])
    first = [next((i for i, token in enumerate(row) if token == stop), 30) for row in free[:, 4:].tolist()]
    assert len(set(first)) > 1
    stopped = generate(model, prompt, 30, 1.0, seed=2, stop_token=stop)
    assert stopped.shape[1] == 4 + min(30, max(first) + 1)
    for row, free_row, index in zip(stopped[:, 4:].tolist(), free[:, 4:].tolist(), first, strict=True):
        assert row[: index + 1] == free_row[: index + 1]
        assert set(row[index:]) <= {stop}
    alone = generate(model, prompt[:1], 30, 0, stop_token=int(generate(model, prompt[:1], 1, 0)[0, -1]))
    assert alone.shape == (1, 5)


def test_a_model_that_learns_goes_on_to() -> None:
    model = build(small("modern", dropout=0.5)).train()
    prompt = random_ids(model.config, 2, 4)
    whole = generate(model, prompt, 30, 0.9, 20, 0.9, 3)
    assert torch.equal(generate(model, prompt, 30, 0.9, 20, 0.9, 3), whole)  # without dropout
    assert model.training
    engine = Engine(model)
    broken_off = engine.decode(engine.prefill(prompt.tolist()), 30, Sampling(), row_generators(0, 2))
    next(broken_off)
    broken_off.close()  # type: ignore[attr-defined]
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not whole.requires_grad


def test_top_k_keeps_the_largest() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0, -1.0], [0.0, 0.0, 5.0, 0.0]])
    kept = filter_top_k(logits, 2)
    assert kept[0].tolist() == [-math.inf, 3.0, 2.0, -math.inf]
    assert kept[1].tolist() == [0.0, 0.0, 5.0, 0.0]  # three are equally the second
    assert torch.equal(filter_top_k(logits, 9), logits)


def test_top_p_keeps_the_fewest_that_reach_it() -> None:
    probabilities = torch.tensor([[0.1, 0.5, 0.15, 0.25], [0.97, 0.01, 0.01, 0.01]])
    for top_p, expected in [
        (0.4, [[1], [0]]),
        (0.6, [[1, 3], [0]]),
        (0.8, [[1, 2, 3], [0]]),
        (1.0, [[0, 1, 2, 3]] * 2),
    ]:
        kept = filter_top_p(probabilities.log(), top_p)
        assert [row.isfinite().nonzero()[:, 0].tolist() for row in kept] == expected
        assert torch.equal(kept[kept.isfinite()], probabilities.log()[kept.isfinite()])


def test_writing_nothing_gives_the_prompt_back() -> None:
    model = build(small("gpt2"))
    prompt = random_ids(model.config, 2, 4)
    assert torch.equal(generate(model, prompt, 0), prompt)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": -1.0}, "temperature is -1.0; set it to 0"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"top_k": 0}, "top_k is 0; set it to at least 1"),
        ({"top_p": 0.0}, "top_p is 0.0; set it above 0"),
        ({"top_p": 1.2}, "top_p is 1.2"),
        ({"max_new_tokens": -1}, "max_new_tokens is -1"),
        ({"stop_token": 97}, "stop_token 97 is beyond the vocabulary"),
        ({"prompt_BT": torch.tensor([[97]])}, "token id 97 is beyond the vocabulary"),
        ({"prompt_BT": torch.zeros(1, 0, dtype=torch.long)}, "at least one token"),
    ],
)
def test_mistakes_are_refused_at_the_call(arguments: dict[str, Any], message: str) -> None:
    model = GPT(small("gpt2"))
    with pytest.raises(ValueError, match=message):
        generate(model, **{"prompt_BT": torch.tensor([[1]]), "max_new_tokens": 3, **arguments})


@pytest.mark.parametrize("temperature", [1e-7, 1e-40, 5e-324])
def test_a_tiny_temperature_takes_the_likeliest(temperature: float) -> None:
    """float32 has no quotients by such numbers."""
    model = talkative("gpt2")
    prompt = random_ids(model.config, 2, 4)
    assert torch.equal(generate(model, prompt, 12, temperature), generate(model, prompt, 12, 0))


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_beyond_64_bits_are_refused(seed: int) -> None:
    model = talkative("gpt2")
    with pytest.raises(ValueError, match=f"seed is {seed}; set it from 0 to 18446744073709551615"):
        generate(model, random_ids(model.config, 1, 2), 1, seed=seed)
    generate(model, random_ids(model.config, 1, 2), 1, seed=2**64 - 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_not_finite_choose_nothing(value: float, temperature: float) -> None:
    model = talkative("gpt2")
    with torch.no_grad():
        model.head.weight[3] = value
    with pytest.raises(NotFinite, match="logits are not finite"):
        generate(model, random_ids(model.config, 2, 4), 3, temperature)
