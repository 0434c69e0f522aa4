"""Folding of texts for deduplication, and hashes of their words."""

from __future__ import annotations

import itertools
import random
import string
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from datatrove.utils.text import simplify_text

from pipeline.dedup import normalize
from pipeline.dedup.normalize import word_hashes, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t ... !!! ", []),
        ("The  CAT\nsat.", ["the", "cat", "sat"]),
        ("don't well-known", ["don", "t", "well", "known"]),
        ("ÉCOLE Ångström İstanbul", ["ecole", "angstrom", "istanbul"]),
        ("E\u0301COLE", ["ecole"]),
        ("ΛΟΓΟΣ λόγος", ["λογοσ", "λογοσ"]),
        ("1,234,567 and 3.14 in 2024. Then 7", ["0", "and", "0", "in", "0", "then", "0"]),
        ("abc123def ٣٤", ["abc0def", "0"]),
        ("1.", ["0"]),
        (".5", ["0"]),
        ("1,a b,2", ["0", "a", "b", "0"]),
        ("co\u00adop zero\u200bwidth", ["coop", "zerowidth"]),
        ("price: 5 €; a+b", ["price", "0", "a", "b"]),
        ("中文字 と mixed中x", ["中", "文", "字", "と", "mixed", "中", "x"]),
        ("ไทย", ["ไ", "ท", "ย"]),
        ("한국어 \u1112\u1161\u11ab국어", ["한국어", "한국어"]),
        ("lone \ud800 surrogate", ["lone", "\ud800", "surrogate"]),
        ("\U00020000\U0001f600x", ["\U00020000", "x"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected
    assert len(word_hashes(text)) == len(expected)


def test_agrees_with_datatrove_where_they_mean_the_same(shared_data: Path) -> None:
    text = (shared_data / "books" / "gitenberg" / "moby-dick-2701-0.txt").read_text(encoding="utf-8")
    ours, theirs = words(text), simplify_text(text).split()
    assert len(ours) > 200_000
    assert (Counter(ours) - Counter(theirs)).total() < 0.001 * len(ours)
    assert abs(len(ours) - len(theirs)) < 0.001 * len(ours)


def test_equal_words_have_equal_hashes_and_others_differ(shared_data: Path) -> None:
    text = (shared_data / "books" / "gitenberg" / "fr-candide-4650-8.txt").read_text(encoding="latin-1")
    hash_of: dict[str, int] = {}
    for word, value in zip(words(text), word_hashes(text).tolist(), strict=True):
        assert hash_of.setdefault(word, value) == value
    assert len(hash_of) > 5000
    assert len(set(hash_of.values())) == len(hash_of)


def test_hashes_of_similar_words_do_not_meet() -> None:
    short = [
        "".join(letters) for length in (1, 2, 3) for letters in itertools.product(string.ascii_lowercase, repeat=length)
    ]
    runs = ["a" * length for length in range(4, 3000)]
    hashes = word_hashes(" ".join(short + runs))
    assert len(np.unique(hashes)) == len(short) + len(runs)


def test_hash_follows_its_definition() -> None:
    """Against the same formula in Python's own integers."""
    mask = (1 << 64) - 1
    base = 0x9E3779B97F4A7C13

    def mix(value: int) -> int:
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & mask
        value = (value ^ value >> 27) * 0x94D049BB133111EB & mask
        return value ^ value >> 31

    def polynomial(word: str) -> int:
        return sum(mix(ord(letter) + base & mask) * pow(base, place, 1 << 64) for place, letter in enumerate(word, 1))

    expected = [mix(polynomial(word) & mask) for word in ("every", "token", "has", "an", "address")]
    assert word_hashes("Every token has an address.").tolist() == expected


def test_long_text_in_pieces_gives_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = random.Random(3)
    alphabet = "abcdefgh 0123,. \nÉ中ж"
    text = "".join(generator.choice(alphabet) for _ in range(5000)) + "x" * 700 + " end"
    whole, whole_words = word_hashes(text), words(text)
    for size in (50, 333, 4999):
        monkeypatch.setattr(normalize, "_PIECE_CHARACTERS", size)
        assert np.array_equal(word_hashes(text), whole)
        assert words(text) == whole_words


def test_very_long_word() -> None:
    assert len(set(word_hashes("a" * 10_000 + " " + "a" * 10_001 + " " + "a" * 10_000).tolist())) == 2


def test_characters_left_out_of_folding_fold_to_themselves() -> None:
    for first, last in normalize._UNCHANGED:
        assert all(normalize._fold(code) == code for code in range(first, last))
