"""Exact similarities are those of sets of n-grams in plain Python, to the last bit."""

from __future__ import annotations

import itertools
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dedup.settings import MinHashSettings
from tests.pipeline.dedup.text.pairs import compared, similarity
from tests.pipeline.dedup.text.reference import folded_words, is_repetitive, standing_words
from tests.pipeline.dedup.text.test_words import TEXTS

_WORDS = st.sampled_from(
    ["a", "b", "c", "d", "Straße", "1", "2", ",", ".", "\u0301", "中", "国", "ก", "😀", "\ud800", "\u05e9"]
)
_LISTS = st.lists(_WORDS, max_size=25).map(" ".join)


def by_sets(one: str, two: str, width: int, measure: str, fold: bool) -> float:
    words = [folded_words(text) if fold else standing_words(text) for text in (one, two)]
    sets = [
        {tuple(each[at : at + width]) for at in range(max(1, len(each) - width + 1))} if each else set()
        for each in words
    ]
    if any(map(is_repetitive, words, (width, width))):
        return float(words[0] == words[1])
    whole = sets[1] if measure == "containment" else sets[0] | sets[1]
    return len(sets[0] & sets[1]) / len(whole) if whole else 0.0


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(TEXTS, _LISTS), min_size=2, max_size=4),
    st.integers(1, 6),
    st.sampled_from(["similarity", "containment"]),
    st.booleans(),
)
def test_similarities_are_those_of_sets(
    texts: list[str], width: int, measure: Literal["similarity", "containment"], fold: bool
) -> None:
    chosen = MinHashSettings(ngram_words=width, measure=measure, fold_verified=fold)
    texts = [*texts, f"{texts[0]} {texts[1]}", texts[0]]
    pairs = list(itertools.product(range(len(texts)), repeat=2))
    expected = {(a, b): by_sets(texts[a], texts[b], width, measure, fold) for a, b in pairs}
    assert compared(texts, pairs, chosen) == expected


@pytest.mark.parametrize(
    ("one", "two", "expected", "contained"),
    [
        ("a b c d e f g", "a b c d e f g", 1.0, 1.0),
        ("a b c d e f g", "a b c d e f x", 2 / 4, 2 / 3),
        ("a b c d e f g h i", "c d e f g", 1 / 5, 1.0),
        ("c d e f g", "a b c d e f g h i", 1 / 5, 1 / 5),
        ("a b", "a b", 1.0, 1.0),
        ("a b", "a b c d e", 0.0, 0.0),
        ("a b c", "d e f", 0.0, 0.0),
        ("", "", 0.0, 0.0),
        ("", "a b c d e", 0.0, 0.0),
    ],
)
def test_measures(one: str, two: str, expected: float, contained: float) -> None:
    assert similarity(one, two) == expected
    assert similarity(one, two, "containment") == contained


def test_no_pairs() -> None:
    assert compared(["a", "b"], []) == {}
