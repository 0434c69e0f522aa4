"""Very long words are cut to learn from, and everything else is learned from as it is."""

from __future__ import annotations

import base64
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizer.bpe import tokenizer_bytes, train_bpe
from tokenizer.encode import BulkEncoder
from tokenizer.long_words import MOST_CHARACTERS, BoundedTexts

_PROSE = ["The quick brown fox jumps over the lazy dog, 1234567 times.\n\n" * 20, "Der schnelle braune Fuchs.  " * 30]
_RANDOM = random.Random(0)
_SIZE = 200_000

# name -> (a text that learning would take hours over, how many runs of it are cut)
_LONG = {
    "one letter": ("a" * _SIZE, 1),
    "a genome": ("".join(_RANDOM.choices("ACGT", k=_SIZE)), 1),
    "a genome in prose": (f"{_PROSE[0]}>seq {'ACGTTGCA' * 30_000} and so on. {'b' * 1000}", 2),
    "digits": ("3141592653" * 20_000, 1),
    "spaces": (" " * _SIZE, 1),
    "white space": ("\n \t\u3000" * 50_000, 1),
    "a ruler": ("=" * _SIZE, 1),
    "emoji": ("😀" * _SIZE, 1),
    "ideographs": ("".join(_RANDOM.choices("天地玄黄宇宙洪荒", k=_SIZE)), 1),
    "invisible": ("\u200b" * _SIZE, 1),
    "two kinds": ("a" * _SIZE + "-" * _SIZE, 2),
    "base64": (base64.b64encode(_RANDOM.randbytes(_SIZE)).decode(), 0),
    "letters with marks": ("e\u0301" * 10_000, 0),
}


@pytest.mark.parametrize(("text", "num_cut"), _LONG.values(), ids=_LONG)
@pytest.mark.parametrize("pretokenizer", ["gpt2", "gpt4"])
def test_long_words_are_cut_to_learn_from_and_encoded_whole(text: str, num_cut: int, pretokenizer: str) -> None:
    bounded = BoundedTexts([*_PROSE, text])
    pieces = list(bounded)
    assert "".join(pieces) == "".join([*_PROSE, text])
    assert bounded.num_cut == num_cut
    bounded = BoundedTexts([*_PROSE, text])
    learned = train_bpe(bounded, 400, pretokenizer="gpt2" if pretokenizer == "gpt2" else "gpt4")
    assert bounded.num_cut == num_cut
    encoder = BulkEncoder(tokenizer_bytes(learned))
    encoder.check_equal([text])
    assert encoder.decode(encoder.encode(text)) == text


@pytest.mark.parametrize("pretokenizer", ["gpt2", "gpt4"])
def test_texts_without_long_words_give_the_same_merges(pretokenizer: str) -> None:
    class AsTheyAre(BoundedTexts):
        def __iter__(self):  # type: ignore[no-untyped-def]
            return iter(self._texts)

    longest = [character * MOST_CHARACTERS for character in "a7=字\n"]
    texts = [*_PROSE, *longest, *(f"({run}? {run} b" for run in longest if run[0].isalnum())]
    kind = "gpt2" if pretokenizer == "gpt2" else "gpt4"
    learned, expected = train_bpe(texts, 500, pretokenizer=kind), train_bpe(AsTheyAre(texts), 500, pretokenizer=kind)
    assert tokenizer_bytes(learned) == tokenizer_bytes(expected)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("a7 \n=字\u0301\x1c😀"), st.integers(1, 2 * MOST_CHARACTERS)), max_size=8))
def test_nothing_is_lost_between_pieces(runs: list[tuple[str, int]]) -> None:
    text = "".join(character * number for character, number in runs)
    bounded = BoundedTexts([text])
    pieces = list(bounded)
    assert "".join(pieces) == text
    assert (bounded.num_cut == 0) == (len(pieces) == 1)
    for piece in pieces:
        assert all(len(list(run)) <= MOST_CHARACTERS for _, run in itertools.groupby(piece))
