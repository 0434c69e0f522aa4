"""What the tokenizer's measures say."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tokenizer.bpe import tokenizer_bytes, train_bpe
from tokenizer.encode import BulkEncoder
from tokenizer.evaluate import count_words, evaluate, renyi_efficiency


@pytest.mark.parametrize(
    ("text", "num_words"),
    [
        ("", 0),
        ("  \n!?", 0),
        ("Don't stop, it’s 42.", 4),
        ("東京 です", 4),
        ("नमस्ते दुनिया", 2),
        ("a東b", 3),
        ("x_y-z", 3),
    ],
)
def test_words(text: str, num_words: int) -> None:
    assert count_words(text) == num_words


def test_figures_by_hand() -> None:
    bytes_only = BulkEncoder(tokenizer_bytes(train_bpe([], 257)))
    found = evaluate(bytes_only, [("en", "two words"), ("ja", "東京"), ("en", "")])
    assert list(found.groups) == ["en", "ja"]
    english, japanese = found.groups["en"], found.groups["ja"]
    assert (english.num_documents, english.num_bytes, english.num_words, english.num_tokens) == (2, 9, 2, 9)
    assert (japanese.num_bytes, japanese.num_words, japanese.tokens_per_word) == (6, 2, 3.0)
    assert found.total.num_tokens == 15
    assert found.total.bytes_per_token == 1.0
    assert found.num_used == len(set(b"two words") | set("東京".encode()))
    assert found.used_fraction == found.num_used / 257
    assert int(found.id_counts.sum()) == 15
    assert json.loads(json.dumps(found.to_dict()))["groups"]["ja"]["tokens_per_word"] == 3.0


def test_nothing_to_measure() -> None:
    found = evaluate(BulkEncoder(tokenizer_bytes(train_bpe([], 257))), [])
    assert math.isnan(found.total.bytes_per_token)
    assert math.isnan(found.renyi_efficiency)
    assert json.loads(json.dumps(found.to_dict()))["total"]["bytes_per_token"] is None


def test_renyi_efficiency() -> None:
    assert renyi_efficiency(np.full(64, 10)) == pytest.approx(1.0)
    assert renyi_efficiency(np.array([10, 0, 0, 0])) == pytest.approx(0.0)
    assert renyi_efficiency(np.array([10, 10, 0, 0])) == pytest.approx(0.5)


def test_the_language_learned_from_is_the_shortest(shared_data: Path) -> None:
    books = shared_data / "books" / "gitenberg"
    english = (books / "huckleberry-finn-76-0.txt").read_text(encoding="utf-8")
    dutch = (books / "nl-ontboezemingen-24675-8.txt").read_text(encoding="latin-1")
    encoder = BulkEncoder(tokenizer_bytes(train_bpe(english.split("\n\n"), 4_000)))
    found = evaluate(encoder, [("en", english), ("nl", dutch)]).groups
    assert found["en"].bytes_per_token > 1.3 * found["nl"].bytes_per_token
    assert found["en"].tokens_per_word < found["nl"].tokens_per_word
