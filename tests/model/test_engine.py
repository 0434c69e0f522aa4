"""The engine: rows of any length side by side write what each writes alone, and what one full pass says."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model import GPT, generate
from model.engine import Engine, State
from model.sampling import Sampling, filter_min_p, row_generators, window_start
from tests.model.configs import KINDS, small
from tests.model.test_generate import talkative
from tests.model.test_gpt import build, random_ids

MODELS = {kind: talkative(kind) for kind in KINDS}
CALM = {kind: build(small(kind)) for kind in KINDS}  # whose logits are small enough to compare them to 1e-5
GREEDY = Sampling(temperature=0)


def prompts_of(model: GPT, lengths: list[int], seed: int = 0) -> list[list[int]]:
    return [random_ids(model.config, 1, length, seed=seed + row)[0].tolist() for row, length in enumerate(lengths)]


@torch.no_grad()
def full_pass(model: GPT, ids: list[int]) -> torch.Tensor:
    window = ids[window_start(len(ids), model.config.sequence_length) :]
    logits: torch.Tensor = model(torch.tensor([window]))[0, -1]
    return logits


def written(model: GPT, state: State, number: int, sampling: Sampling, seeds: list[int], **options: Any) -> list[Any]:
    """The new tokens of every row, with their log-probabilities."""
    rows: list[list[tuple[int, float]]] = [[] for _ in state.tokens]
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    for step in Engine(model).decode(state, number, sampling, generators, **options):
        for row, token, log_probability in zip(step.rows, step.tokens, step.log_probabilities, strict=True):
            rows[row].append((token, log_probability))
    return rows


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    number=st.integers(1, 40),
    leaving=st.lists(st.integers(0, 20), min_size=5, max_size=5),
    attention=st.sampled_from(["sdpa", "reference"]),
)
def test_logits_are_those_of_a_full_pass(
    kind: str, lengths: list[int], number: int, leaving: list[int], attention: str
) -> None:
    """After the prompts and after every token, past the sequence length of 24 too, while rows leave."""
    model = CALM[kind] if attention == "sdpa" else build(small(kind, attention=attention))
    state = Engine(model).prefill(prompts_of(model, lengths))
    for _ in range(number):
        expected = torch.stack([full_pass(model, ids) for ids in state.tokens])
        torch.testing.assert_close(state.logits_BV, expected, rtol=1e-5, atol=1e-5)
        state.write(expected.argmax(-1).tolist())
        kept = [row for row, steps in zip(range(len(state.tokens)), leaving, strict=False) if steps != number // 2]
        if 0 < len(kept) < len(state.tokens):
            state.keep(kept)
            leaving = [leaving[row] for row in kept]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampling", [GREEDY, Sampling(temperature=0.9, top_k=30, repetition_penalty=1.2)])
def test_a_row_writes_in_a_batch_what_it_writes_alone(kind: str, sampling: Sampling) -> None:
    model = MODELS[kind]
    lengths, seeds = [3, 24, 1, 7, 31, 3], [5, 6, 7, 8, 9, 10]
    prompts = prompts_of(model, lengths)
    together = written(model, Engine(model).prefill(prompts), 45, sampling, seeds)
    for prompt, seed, row in zip(prompts, seeds, together, strict=True):
        [alone] = written(model, Engine(model).prefill([prompt]), 45, sampling, [seed])
        assert [token for token, _ in row] == [token for token, _ in alone]
        assert [p for _, p in row] == pytest.approx([p for _, p in alone], abs=1e-4)


def test_draws_are_those_of_multinomial() -> None:
    """So that texts of a seed stay as they were when there was one row and `torch.multinomial`."""
    model = MODELS["modern"]
    ids = torch.tensor([[3, 5, 8]])
    generator = torch.Generator().manual_seed(11)
    for _ in range(40):
        weights = (full_pass(model, ids[0].tolist()) / 0.8).softmax(-1)
        ids = torch.cat([ids, torch.multinomial(weights[None], 1, generator=generator)], dim=1)
    assert torch.equal(generate(model, torch.tensor([[3, 5, 8]]), 40, 0.8, seed=11), ids)


@pytest.mark.parametrize("kind", ["gpt2", "windows", "fixed"])
def test_log_probabilities_are_the_models_own(kind: str) -> None:
    model = MODELS[kind]
    state = Engine(model).prefill(prompts_of(model, [4, 9]))
    sampling = Sampling(temperature=0.5, top_k=3, min_p=0.1, repetition_penalty=1.5)
    prompts = [list(ids) for ids in state.tokens]
    for prompt, row in zip(prompts, written(model, state, 30, sampling, [1, 2]), strict=True):
        ids = prompt
        for token, log_probability in row:
            assert log_probability == pytest.approx(full_pass(model, ids).log_softmax(-1)[token].item(), abs=1e-4)
            ids = [*ids, token]


def counting(model: GPT, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    shapes: list[tuple[int, ...]] = []
    plain = model.hidden_unchecked

    def counted(tokens: torch.Tensor, *rest: Any) -> torch.Tensor:
        shapes.append(tuple(tokens.shape))
        return plain(tokens, *rest)

    monkeypatch.setattr(model, "hidden_unchecked", counted)
    return shapes


@pytest.mark.parametrize("kind", KINDS)
def test_clones_read_nothing_again(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = talkative(kind)
    prompts = prompts_of(model, [6, 13])
    expected = written(model, Engine(model).prefill([prompts[0]] * 3 + [prompts[1]] * 3), 20, Sampling(), [1, 2, 3] * 2)
    shapes = counting(model, monkeypatch)
    state = Engine(model).prefill(prompts)
    assert sorted(shapes) == [(1, 6), (1, 13)]
    shapes.clear()
    found = written(model, state.clone(3), 20, Sampling(), [1, 2, 3] * 2)
    assert [[token for token, _ in row] for row in found] == [[token for token, _ in row] for row in expected]
    assert shapes[:5] == [(6, 1)] * 5
    assert state.tokens == prompts


def test_a_row_that_has_ended_takes_no_more_work(monkeypatch: pytest.MonkeyPatch) -> None:
    model = talkative("rotary")
    prompts = prompts_of(model, [4, 4, 9])
    free = [[token for token, _ in row] for row in written(model, Engine(model).prefill(prompts), 12, GREEDY, [0] * 3)]
    stop = free[1][3]
    ends = [row.index(stop) + 1 if stop in row else 12 for row in free]
    shapes = counting(model, monkeypatch)
    found = written(model, Engine(model).prefill(prompts), 12, GREEDY, [0] * 3, stop_token=stop)
    assert [[token for token, _ in row] for row in found] == [row[:end] for row, end in zip(free, ends, strict=True)]
    # A row reads each of its tokens but the last.
    assert sum(rows for rows, number in shapes if number == 1) == sum(end - 1 for end in ends)


def test_a_caller_ends_rows() -> None:
    model = MODELS["strided"]
    state = Engine(model).prefill(prompts_of(model, [5, 2, 8]))
    rows = []
    for number, step in enumerate(Engine(model).decode(state, 10, GREEDY, row_generators(0, 3))):
        rows.append(step.rows)
        if number in (2, 4):
            step.ended.add(number // 2)
    assert rows == [[0, 1, 2]] * 3 + [[0, 2]] * 2 + [[0]] * 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("lengths", "added"), [([5], 3), ([5], 1), ([5, 9], 2), ([20, 3], 6), ([24], 1), ([30, 2], 7), ([4, 4], [1, 5])]
)
def test_extending_is_reading_the_longer_text(kind: str, lengths: list[int], added: Any) -> None:
    """As in a chat: after what was written, whose last token is unread, come the words of another."""
    model = CALM[kind]
    state = Engine(model).prefill(prompts_of(model, lengths))
    written(model, state, 4, GREEDY, [0] * len(lengths))
    numbers = added if isinstance(added, list) else [added] * len(lengths)
    state.extend(prompts_of(model, numbers, seed=9))
    expected = torch.stack([full_pass(model, ids) for ids in state.tokens])
    assert [len(ids) for ids in state.tokens] == [a + 4 + b for a, b in zip(lengths, numbers, strict=True)]
    torch.testing.assert_close(state.logits_BV, expected, rtol=1e-5, atol=1e-5)
    written(model, state, 4, GREEDY, [0] * len(lengths))
    torch.testing.assert_close(
        state.logits_BV, torch.stack([full_pass(model, ids) for ids in state.tokens]), rtol=1e-5, atol=1e-5
    )


def test_extending_reads_what_is_new_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    model = talkative("windows")
    shapes = counting(model, monkeypatch)
    state = Engine(model).prefill(prompts_of(model, [9]))
    state.extend([[1, 2, 3]])
    assert state.logits_BV.shape == (1, 97)
    assert shapes == [(1, 9), (1, 3)]


def test_repetition_penalty_is_that_of_ctrl() -> None:
    """Over prompt and written tokens, positive logits divided and negative ones multiplied."""
    model = MODELS["gpt2"]
    ids = prompts_of(model, [6])[0]
    state = Engine(model).prefill([ids])
    for token, _ in written(model, state, 40, Sampling(temperature=0, repetition_penalty=1.7), [0])[0]:
        logits = full_pass(model, ids)
        for seen in set(ids):
            logits[seen] = logits[seen] / 1.7 if logits[seen] > 0 else logits[seen] * 1.7
        assert token == logits.argmax()
        ids = [*ids, token]
    assert len(set(ids)) > 20


def test_min_p_keeps_a_fraction_of_the_likeliest() -> None:
    probabilities = torch.tensor([[0.1, 0.5, 0.15, 0.25], [0.97, 0.01, 0.01, 0.01]])
    for min_p, expected in [
        (0.49, [[1, 3], [0]]),
        (0.25, [[1, 2, 3], [0]]),
        (0.01, [[0, 1, 2, 3]] * 2),
        (1, [[1], [0]]),
    ]:
        kept = filter_min_p(probabilities.log(), min_p)
        assert [row.isfinite().nonzero()[:, 0].tolist() for row in kept] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_p": -0.1}, "min_p is -0.1; set it from 0 to 1"),
        ({"min_p": 1.5}, "min_p is 1.5"),
        ({"min_p": math.nan}, "min_p is nan"),
        ({"repetition_penalty": 0.0}, "repetition_penalty is 0.0; set it above 0"),
        ({"repetition_penalty": -1.0}, "repetition_penalty is -1.0"),
        ({"repetition_penalty": math.inf}, "repetition_penalty is inf"),
    ],
)
def test_values_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sampling(**options)


@pytest.mark.parametrize(("prompts", "message"), [([[]], "no tokens"), ([], "no tokens"), ([[1], [2, 97]], "id 97")])
def test_prompts_that_cannot_be_read_are_refused(prompts: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Engine(MODELS["gpt2"]).prefill(prompts)
    state = Engine(MODELS["gpt2"]).prefill([[1]])
    with pytest.raises(ValueError, match="token id -1 is beyond"):
        state.extend([[-1]])
    with pytest.raises(ValueError, match="give one list a row"):
        state.extend([[1], [2]])


def test_windows_keep_their_window_in_a_batch_too() -> None:
    model = MODELS["windows"]
    state = Engine(model).prefill(prompts_of(model, [3, 20]))
    written(model, state, 30, GREEDY, [0, 0])
    assert state._cache is not None
    assert [keys.shape[2] for keys in state._cache.keys if keys is not None] == [7, 7, 30]
