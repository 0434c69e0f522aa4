"""Attention: who sees whom, and every way to compute it against the one that is written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from model import GPT, preset
from model import attention as ways
from model.attention import (
    ALLOWS,
    FULL,
    Pattern,
    Visibility,
    chunked_attention,
    chunked_mask,
    dense_mask,
    pattern,
    reference_attention,
    sdpa_attention,
)
from model.cache import KVCache
from model.config import PATTERN_LETTERS
from tests.model.configs import KINDS, small
from tests.model.test_gpt import build, random_ids

PATTERNS = {
    "full": FULL,
    "window of 1": Pattern("S", 1, 8),
    "window of 5": Pattern("S", 5, 8),
    "window of all": Pattern("S", 100, 8),
    "strided by 1": Pattern("T", 1, 8),
    "strided by 4": Pattern("T", 4, 8),
    "fixed in 5, 2 summaries": Pattern("F", 5, 2),
    "fixed in 4, all summaries": Pattern("F", 4, 4),
}


def by_hand(pattern: Pattern, query: int, key: int) -> bool:
    """Child et al., 2019, section 4.3, for one query and one key."""
    size, summary_columns = pattern.size, pattern.summary_columns
    if key > query:
        return False
    if pattern.letter == "L":
        return True
    if pattern.letter == "S":
        return query - key in range(size)
    if pattern.letter == "T":
        return query - key in range(size) or (query - key) % size == 0
    return query // size == key // size or key % size in range(size - summary_columns, size)


def random_documents(batch_size: int, num_tokens: int, seed: int = 3) -> torch.Tensor:
    """Runs of tokens of a few documents a row, under numbers that do not rise."""
    generator = torch.Generator().manual_seed(seed)
    starts = torch.rand(batch_size, num_tokens, generator=generator) < 0.2
    return (7 - starts.long().cumsum(1)) * 1000


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize(("num_queries", "num_keys"), [(13, 13), (1, 13), (4, 13), (1, 1)])
def test_a_query_sees_what_the_pattern_says(name: str, num_queries: int, num_keys: int) -> None:
    mask = dense_mask(None, PATTERNS[name], num_queries, num_keys, torch.device("cpu"))
    first = num_keys - num_queries
    expected = [[by_hand(PATTERNS[name], first + i, j) for j in range(num_keys)] for i in range(num_queries)]
    assert mask.tolist() == expected
    assert mask.any(dim=1).all()


def test_every_letter_has_code() -> None:
    assert list(ALLOWS) == list(PATTERN_LETTERS)


@pytest.mark.parametrize("name", PATTERNS)
def test_documents_are_each_read_by_themselves(name: str) -> None:
    """A row of three documents gives what they give alone, but for blocks, which are counted from the row's start."""
    pattern = PATTERNS[name]
    q, k, v = (torch.randn(1, 2, 20, 8, dtype=torch.float64) for _ in range(3))
    documents = torch.tensor([[4] * 5 + [9] * 10 + [2] * 5])
    together = reference_attention(q, k, v, pattern, Visibility(documents))
    for start, end in ((0, 5), (5, 15), (15, 20)):
        own_q, own_k, own_v = (x[:, :, start:end] for x in (q, k, v))
        if pattern.letter == "F" and start % pattern.size:
            continue
        torch.testing.assert_close(together[:, :, start:end], reference_attention(own_q, own_k, own_v, pattern))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("attention", ["reference", "sdpa"])
def test_a_model_keeps_documents_apart(kind: str, attention: str) -> None:
    model = build(small(kind, attention=attention))
    tokens = random_ids(model.config)
    documents = torch.tensor([0] * 10 + [1] * 14).expand_as(tokens)
    changed = tokens.clone()
    changed[:, 3] = (changed[:, 3] + 1) % model.config.vocab_size
    with torch.no_grad():
        before, after = (model(each, documents_BT=documents) for each in (tokens, changed))
        alone = model(tokens[:, :10])
        together = model(tokens)
    assert torch.equal(before[:, 10:], after[:, 10:])
    assert not torch.equal(before[:, 3:10], after[:, 3:10])
    torch.testing.assert_close(before[:, :10], alone, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(before[:, 10:], together[:, 10:], atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_reference_and_sdpa_agree_in_every_gradient_with_documents(kind: str) -> None:
    found = []
    for attention in ("reference", "sdpa"):
        model = build(small(kind, attention=attention))
        tokens = random_ids(model.config)
        model(tokens[:, :-1], tokens[:, 1:], documents_BT=random_documents(3, 23)).backward()
        found.append({name: parameter.grad for name, parameter in model.named_parameters()})
    scale = max(gradient.abs().max().item() for gradient in found[0].values() if gradient is not None)
    for name in found[0]:
        torch.testing.assert_close(found[0][name], found[1][name], rtol=1e-5, atol=1e-6 * scale, msg=name)


def passes(
    attend: Any, pattern: Pattern, num_queries: int, num_keys: int, num_kv_heads: int, documents: torch.Tensor | None
) -> list[torch.Tensor]:
    """What a way to compute attention gives for some queries, keys and values, with the gradients of all three."""
    torch.manual_seed(0)
    q = torch.randn(2, 4, num_queries, 8, dtype=torch.float64, requires_grad=True)
    k, v = (torch.randn(2, num_kv_heads, num_keys, 8, dtype=torch.float64, requires_grad=True) for _ in range(2))
    out = attend(q, k, v, pattern, Visibility(documents))
    return [out, *torch.autograd.grad(out, (q, k, v), torch.randn(out.shape, dtype=out.dtype))]


@pytest.mark.parametrize("num_kv_heads", [4, 2, 1])
@pytest.mark.parametrize("window", [1, 2, 7, 64, 65, 300])
@pytest.mark.parametrize(
    ("num_queries", "num_keys"), [(1, 1), (63, 63), (64, 64), (129, 129), (200, 200), (3, 20), (70, 75), (200, 270)]
)
def test_chunks_give_what_is_written_out(num_queries: int, num_keys: int, window: int, num_kv_heads: int) -> None:
    pattern = Pattern("S", window, 8)
    for documents in [None, random_documents(2, num_keys)] if num_queries == num_keys else [None]:
        expected = passes(reference_attention, pattern, num_queries, num_keys, num_kv_heads, documents)
        found = passes(chunked_attention, pattern, num_queries, num_keys, num_kv_heads, documents)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("num_kv_heads", [4, 1])
@pytest.mark.parametrize(("num_queries", "num_keys"), [(1, 1), (17, 17), (200, 200), (1, 9), (5, 30)])
def test_the_fastest_way_gives_what_is_written_out(
    name: str, num_queries: int, num_keys: int, num_kv_heads: int
) -> None:
    for documents in [None, random_documents(2, num_keys)] if num_queries == num_keys else [None]:
        expected = passes(reference_attention, PATTERNS[name], num_queries, num_keys, num_kv_heads, documents)
        found = passes(sdpa_attention, PATTERNS[name], num_queries, num_keys, num_kv_heads, documents)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_chunks_in_other_formats(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 4, 150, 16, dtype=dtype) for _ in range(3))
    pattern = Pattern("S", 20, 8)
    expected = reference_attention(q.double(), k.double(), v.double(), pattern)
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    found = chunked_attention(q, k, v, pattern)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("num_tokens", [17, 256, 257])
def test_a_cpu_attends_among_few_tokens_in_float32(name: str, num_tokens: int) -> None:
    """To the last digit, in what is given and in every gradient; of more tokens in the format that they come in."""
    torch.manual_seed(0)
    given = [torch.randn(2, 4, num_tokens, 8, dtype=torch.bfloat16, requires_grad=True) for _ in range(3)]
    wide = [part.detach().float().requires_grad_() for part in given]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = sdpa_attention(*given, PATTERNS[name])
    expected = sdpa_attention(*wide, PATTERNS[name]).bfloat16()
    found.sum().backward()
    expected.sum().backward()
    parts = [(found, expected), *((one.grad, other.grad.bfloat16()) for one, other in zip(given, wide, strict=True))]
    assert found.dtype == torch.bfloat16
    is_exact = num_tokens <= 256 or name == "window of 1"  # which sums nothing
    assert all(torch.equal(*both) for both in parts) == is_exact


def test_chunks_make_nothing_of_the_size_of_all_pairs() -> None:
    """At 65,536 tokens a mask of all pairs takes 4 GiB; the chunks' takes 8 MiB."""
    pattern = Pattern("S", 64, 8)
    assert chunked_mask(torch.zeros(1, 2**16), pattern, 1, 2**16, 0, torch.device("cpu")).numel() == 2**16 * 2 * 64


def test_layers_share_their_masks() -> None:
    visibility = Visibility(random_documents(2, 9))
    arguments = (Pattern("S", 4, 8), 9, 9, torch.device("cpu"))
    assert visibility.shared(dense_mask, *arguments) is visibility.shared(dense_mask, *arguments)
    other = visibility.shared(dense_mask, Pattern("S", 3, 8), *arguments[1:])
    assert not torch.equal(other, visibility.shared(dense_mask, *arguments))


@pytest.mark.parametrize("name", PATTERNS)
def test_flex_attention_sees_what_is_written_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its forward pass, uncompiled; `bench/attention.py` compares the compiled one, with gradients, on a GPU."""
    monkeypatch.setattr(ways, "_compiled", lambda function: function)
    torch.manual_seed(0)
    for num_queries, num_keys in ((150, 150), (40, 150)):
        q = torch.randn(2, 4, num_queries, 16)
        k, v = (torch.randn(2, 2, num_keys, 16) for _ in range(2))
        for documents in (None, random_documents(2, num_keys)):
            arguments = (q, k, v, PATTERNS[name], Visibility(documents))
            found, expected = ways.flex_attention(*arguments), reference_attention(*arguments)
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="FlexAttention has no dropout"):
        ways.flex_attention(q, k, v, PATTERNS[name], dropout=0.1)


@pytest.mark.parametrize(
    ("letters", "num_layers", "expected"),
    [
        ("L", 3, "LLL"),
        ("SSSL", 8, "SSSLSSSL"),
        ("SSSL", 6, "SSSLSL"),
        ("SSSL", 1, "L"),
        ("LS", 4, "LSLL"),
        ("S", 3, "SSS"),
        ("TF", 5, "TFTFT"),
        ("SFTL", 7, "SFTLSFL"),
    ],
)
def test_letters_repeat_over_the_layers(letters: str, num_layers: int, expected: str) -> None:
    config = preset("tiny", 97, num_layers=num_layers, window_pattern=letters)
    assert config.layer_patterns == expected
    assert "".join(pattern(config, layer).letter for layer in range(num_layers)) == expected


@pytest.mark.parametrize(
    ("sequence_length", "window", "expected"),
    [(2048, None, 512), (2049, None, 640), (1024, None, 256), (256, None, 128), (24, None, 128), (24, 7, 7)],
)
def test_the_window_is_a_quarter_of_the_sequence(sequence_length: int, window: int | None, expected: int) -> None:
    config = preset("tiny", 97, sequence_length, window_pattern="S", window=window)
    assert config.window_tokens == pattern(config, 0).size == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"window_pattern": "SSX"},
            r"window_pattern is 'SSX', and 'X' is no pattern; set it to letters of L \(full\), S \(sliding window\), "
            r"T \(strided\), F \(fixed\), such as 'SSSL'",
        ),
        ({"window_pattern": "sssl"}, "window_pattern is 'sssl', and 's' is no pattern"),
        ({"window_pattern": "S L"}, "and ' ' is no pattern"),
        ({"window_pattern": "Q"}, "window_pattern is 'Q'; set it to letters of L"),
        ({"window_pattern": ""}, "window_pattern is ''; set it to letters of L"),
        ({"window_pattern": 3}, "window_pattern is 3; set it to letters of L"),
        ({"window_pattern": None}, "window_pattern is None; set it"),
        ({"window": 0}, "window is 0; set it to a whole number of at least 1"),
        ({"window": 12.5}, "window is 12.5"),
        ({"summary_columns": 0}, "summary_columns is 0"),
        ({"window_pattern": "F", "window": 6}, "summary_columns is 8, and a block has 6 tokens; set summary_columns"),
    ],
)
def test_patterns_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        preset("tiny", 97, **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("window", [1, 3, 7, None])
def test_a_window_that_is_set_is_that_of_a_model_configured_so(window: int | None) -> None:
    model = build(small("windows"))
    tokens = random_ids(model.config)
    model.set_window(2)
    model.set_window(window)
    other = GPT(small("windows", window=window or 7)).eval()
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(model(tokens), other(tokens))
    assert model.flops_per_token() == other.flops_per_token()


def test_a_set_window_leaves_other_layers_alone() -> None:
    model = GPT(preset("tiny", 97, num_layers=4, window_pattern="TFSL", window=16))
    model.set_window(4)
    assert [attention.pattern.size for attention in model._attentions] == [16, 16, 4, 16]


@pytest.mark.parametrize("window", [0, -1, 8, 24])
def test_a_window_may_be_set_up_to_the_configured_one(window: int) -> None:
    with pytest.raises(ValueError, match=f"a window of {window} tokens; set it from 1 to the configured 7"):
        GPT(small("windows")).set_window(window)


def test_a_compiled_model_follows_its_window() -> None:
    model = build(small("windows"))
    tokens = random_ids(model.config)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    for window in (2, 5, None):
        model.set_window(window)
        torch.testing.assert_close(compiled(tokens, tokens), model(tokens, tokens))
        documents = random_documents(*tokens.shape)
        expected = model(tokens, tokens, documents_BT=documents)
        torch.testing.assert_close(compiled(tokens, tokens, documents_BT=documents), expected)


@pytest.mark.parametrize("letter", ["T", "F", "S", "L"])
@pytest.mark.parametrize(("num_tokens", "size"), [(24, 5), (24, 24), (23, 1), (7, 100), (100, 10), (64, 3)])
def test_flops_count_the_keys_that_are_seen(letter: str, num_tokens: int, size: int) -> None:
    pattern = Pattern(letter, size, 1)
    seen = dense_mask(None, pattern, num_tokens, num_tokens, torch.device("cpu")).sum().item() / num_tokens
    expected = {"L": num_tokens, "S": min(size, num_tokens)}.get(letter, seen)
    assert pattern.keys_per_query(num_tokens) == pytest.approx(expected, rel=1e-12)
    model = GPT(preset("tiny", 97, num_tokens, window_pattern=letter, window=size, summary_columns=1))
    linear = 6 * sum(module.weight.numel() for module in model.modules() if isinstance(module, torch.nn.Linear))
    assert model.flops_per_token() == round(linear + 12 * 4 * 128 * expected)


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        (torch.zeros(1, 3), r"documents have shape \[1, 3\], tokens \[1, 4\]; give one number a token"),
        (torch.zeros(4), "one number a token"),
    ],
)
def test_numbers_of_documents_are_one_a_token(documents: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GPT(small("gpt2"))(torch.zeros(1, 4, dtype=torch.long), documents_BT=documents)


def test_a_cache_takes_no_documents() -> None:
    model = GPT(small("gpt2"))
    tokens = torch.zeros(1, 4, dtype=torch.long)
    with pytest.raises(ValueError, match="a cache holds one document a row"):
        model(tokens, cache=KVCache(model.config, 1), documents_BT=tokens)
