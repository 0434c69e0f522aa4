"""Words and n-grams of texts: what is folded, what stands, and that compiled code has what plain Python has."""

from __future__ import annotations

import itertools
import random
import string
import tracemalloc
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from datatrove.utils.text import simplify_text
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.dedup.settings import MinHashSettings
from pipeline.dedup.text import characters, sketch
from pipeline.dedup.text.kernels import may_compose
from pipeline.dedup.text.sketch import Sketcher
from tests.pipeline.dedup.text.reference import folded_words, hashes, hashes_of_text, is_repetitive, standing_words

TEXTS = st.text(
    st.one_of(
        st.characters(codec=None),
        st.sampled_from(
            "aAbB  \n09,.-—'’“…!$+\u0301\u0327éÉßẞİıſςΣ中國かカ゛ไทยंकि한"
            "\u1112\u1161\u11ab\u00ad\u200d\ufe0f\ud800😀ش\u064b"
        ),
    ),
    max_size=60,
)


def sketcher(**changed: object) -> Sketcher:
    return Sketcher(MinHashSettings.model_validate(changed))


def same(one: str, two: str, **changed: object) -> bool:
    """Whether two texts have the same words in order."""
    made = sketcher(**changed)
    return made.ngrams(one).sequence == made.ngrams(two).sequence


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
        ("1,,2 3", ["0", "0", "0"]),
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
def test_folded_words(text: str, expected: list[str]) -> None:
    assert folded_words(text) == expected
    assert hashes_of_text(sketcher(fold_verified=True, ngram_words=1), text) == hashes(expected, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("The  CAT\nsat.", ["the", "cat", "sat", "."]),
        ("don't don’t", ["don", "'", "t", "don", "'", "t"]),
        ('“so” «so» "so"', ["'", "so", "'", "so", "'", "so", "'"]),
        ("a--b a—b a-b", ["a", "-", "b", "a", "-", "b", "a", "-", "b"]),
        ("wait... wait…", ["wait", ".", "wait", "."]),
        ("1,234.5", ["1", ",", "234", ".", "5"]),
        ("5 > 3 >> 2", ["5", ">", "3", ">", ">", "2"]),
        ("−5 and -5 and +5", ["-", "5", "and", "-", "5", "and", "+", "5"]),
        ("École E\u0301cole ecole", ["école", "école", "ecole"]),
        ("STRASSE Straße STRAẞE", ["strasse", "straße", "straße"]),
        ("ΛΟΓΟΣ λογος", ["λογοσ", "λογοσ"]),
        ("co\u00adop zero\u200bwidth ❤\ufe0f ❤", ["coop", "zerowidth", "❤", "❤"]),
        ("price: $5 or 5 €", ["price", ":", "$", "5", "or", "5", "€"]),
        ("中文，字、ＡＢ１２！", ["中", "文", ",", "字", "、", "ab12", "!"]),
        ("ที่", ["ท", "ี", "่"]),
        ("हिन्दी", ["हिन्दी"]),
        ("😀😀", ["😀", "😀"]),
        ("x² x2", ["x²", "x2"]),
    ],
)
def test_standing_words(text: str, expected: list[str]) -> None:
    assert standing_words(text) == expected
    assert hashes_of_text(sketcher(ngram_words=1), text) == hashes(expected, 1)


@pytest.mark.parametrize(
    ("one", "two", "are_same"),
    [
        ("Pages of text", "pages\n\nOF   text", True),
        ("Seite\u00a0ein", "Seite ein", True),
        ("“It’s” — he said…", '"It\'s" -- he said...', True),
        ("cafe\u0301", "CAFÉ", True),
        ("soft\u00adhyphen", "softhyphen", True),
        ("한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8", True),
        ("日 本 語", "日本語", True),
        ("１月１２日，北京", "1月12日,北京", True),
        ("in 2023", "in 2024", False),
        ("50 %", "50 $", False),
        ("-5", "+5", False),
        ("schon", "schön", False),
        ("Really?", "Really!", False),
        ("สี่", "สี", False),
        ("1.5", "15", False),
    ],
)
def test_what_stands_and_what_does_not(one: str, two: str, are_same: bool) -> None:
    assert same(one, two) == are_same
    assert same(one, two, fold_verified=True) or not are_same


@settings(max_examples=400, deadline=None)
@given(TEXTS, st.sampled_from([1, 2, 5]))
@example("\u0301", 1)
@example("0\u0301,\u03012", 1)
@example("\U0001e950\U000e0041a", 2)
def test_compiled_code_has_the_ngrams_of_plain_python(text: str, width: int) -> None:
    for fold in (True, False):
        words = folded_words(text) if fold else standing_words(text)
        made = sketcher(fold_verified=fold, ngram_words=width)
        expected = hashes(words, width)
        assert hashes_of_text(made, text) == expected
        ngrams = made.ngrams(text)
        assert ngrams.values.tolist() == sorted(set(expected))
        assert ngrams.is_repetitive == (is_repetitive(words, width))
        assert made.sketches([text]).has_signature.tolist() == [bool(folded_words(text))]


@pytest.mark.parametrize("is_folded", [True, False])
def test_every_character_is_folded_as_plain_python_folds_it(is_folded: bool) -> None:
    """Each between two letters, so that it is seen whether it parts them: all planes with characters that fold."""
    codes = [*range(1, 0x20000), *range(0x2F800, 0x2FA20), *range(0xE0000, 0xE0200)]
    made = sketcher(fold_verified=is_folded, ngram_words=1)
    hash_of: dict[str, int] = {}
    for begin in range(0, len(codes), 4096):
        text = " ".join(f"a{chr(code)}b" for code in codes[begin : begin + 4096])
        words = folded_words(text) if is_folded else standing_words(text)
        found = hashes_of_text(made, text)
        assert all(hash_of.setdefault(word, value) == value for word, value in zip(words, found, strict=True))
    assert len(set(hash_of.values())) == len(hash_of) > 40_000


def test_agrees_with_datatrove_where_they_mean_the_same(shared_data: Path) -> None:
    text = (shared_data / "books" / "gitenberg" / "moby-dick-2701-0.txt").read_text(encoding="utf-8")
    ours, theirs = folded_words(text), simplify_text(text).split()
    assert len(ours) > 200_000
    assert (Counter(ours) - Counter(theirs)).total() < 0.001 * len(ours)
    assert abs(len(ours) - len(theirs)) < 0.001 * len(ours)


def test_characters_that_may_compose_are_seen() -> None:
    codes = np.arange(0x110000, dtype=np.uint32)
    unseen = [chr(code) for code in codes.tolist() if not may_compose(codes[code : code + 1])]
    assert len(unseen) > 28_000
    assert not any(map(unicodedata.combining, unseen))
    assert all(unicodedata.is_normalized("NFC", character) for character in unseen)
    decompositions = [unicodedata.decomposition(chr(code)).split() for code in codes.tolist()]
    composing = {chr(int(parts[1], 16)) for parts in decompositions if len(parts) == 2 and parts[0][0] != "<"}
    assert composing.isdisjoint(unseen)


def test_hashes_of_similar_words_do_not_meet() -> None:
    letters = string.ascii_lowercase
    short = ["".join(each) for length in (1, 2, 3) for each in itertools.product(letters, repeat=length)]
    runs = ["a" * length for length in range(4, 3000)]
    assert sketcher(ngram_words=1).ngrams(" ".join(short + runs)).values.size == len(short) + len(runs)


def test_order_counts_and_so_does_where_a_word_ends() -> None:
    made = sketcher(ngram_words=3)
    texts = ["a b c", "c b a", "ab c d", "a bc d", "a b", "b a", "a", "a a", "a a a a"]
    values = [made.ngrams(text).values for text in texts]
    assert [each.size for each in values] == [1] * len(texts)
    assert len({int(each[0]) for each in values}) == len(texts)


def test_long_text_in_pieces_gives_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = random.Random(3)
    alphabet = ["a", "b", "C", " ", " ", "0", "1", ",", ".", "\n", "É", "e\u0301", "中", "ж", "'", "--", "한", "\u00ad"]
    text = "".join(generator.choices(alphabet, k=5000)) + "x" * 700 + " end"
    made = [sketcher(fold_verified=fold) for fold in (True, False)]
    whole = [(each.ngrams(text), each.sketches([text])) for each in made]
    for size in (50, 333, 4999):
        monkeypatch.setattr(sketch, "_PIECE_CHARACTERS", size)
        for each, (ngrams, sketches) in zip(made, whole, strict=True):
            assert np.array_equal(each.ngrams(text).values, ngrams.values)
            assert each.ngrams(text)[1:] == ngrams[1:]
            assert all(map(np.array_equal, each.sketches([text]), sketches))


@pytest.mark.parametrize("unit", ["a", "漢", "\u0e01", "e\u0301", "word ", "\u0301", "1"])
def test_a_long_text_needs_little_memory(unit: str) -> None:
    """Eight pieces and more."""
    made = sketcher()
    text = unit * (2_500_000 // len(unit))
    tracemalloc.start()
    made.sketches([text])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 << 20


def test_characters_left_out_of_folding_fold_to_themselves() -> None:
    for first, last in characters._UNCHANGED:
        assert all(characters._fold(code) == characters._stand(code) == code for code in range(first, last))


def test_words_that_occur_again_are_no_repetition() -> None:
    """In a long text most single words, and many pairs, stood before; its n-grams of three did not."""
    draw = random.Random(5)
    text = " ".join(
        draw.choices(
            [
                "the",
                "of",
                "and",
                "to",
                "in",
                "is",
                "that",
                "it",
                "for",
                "was",
                "on",
                "are",
                "as",
                "with",
                "his",
                "they",
                "at",
                "be",
                "this",
            ],
            k=400,
        )
    )
    for width in (1, 2, 3, 5):
        assert not Sketcher(MinHashSettings(ngram_words=width)).ngrams(text).is_repetitive
        assert Sketcher(MinHashSettings(ngram_words=width)).ngrams("la " * 50).is_repetitive
