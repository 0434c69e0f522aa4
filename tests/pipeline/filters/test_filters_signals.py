"""The compiled signals against slow, plain Python, on any text at all, and the verdict against the comparisons."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.filters.boundaries import boundaries_of, exceptions
from pipeline.filters.rules import comparisons, judge, signal_names
from pipeline.filters.settings import FilterSettings
from pipeline.filters.text import characters
from pipeline.filters.text.measure import MOST_NGRAM_WORDS
from pipeline.filters.text.measurer import words_of
from tests.pipeline.filters import filter_reference
from tests.pipeline.filters.filter_pages import load_pages

LANGUAGES = ["en", "de", "fr", "es", "ru", "zh", "th", "hy", "und", None]
SETTINGS = [
    FilterSettings(),
    FilterSettings().merged(
        {
            "rules": ["fineweb", "c4", "gopher_quality"],
            "c4": {"require_terminal_punctuation": True, "max_word_length": 9},
            "fineweb": {"short_line_length": 5},
        }
    ),
    FilterSettings().merged(
        {"rules": ["c4", "fineweb", "gopher_repetition"], "c4": {"min_words_per_line": 0, "max_word_length": 9}}
    ),
    FilterSettings().merged(
        {
            "rules": ["gopher_repetition", "c4", "gopher_quality"],
            "c4": {"min_words_per_line": 1, "remove_citations": False, "remove_policy_lines": False},
        }
    ),
    FilterSettings().merged({"rules": ["gopher_repetition", "c4"], "c4": {"remove_javascript_lines": False}}),
    # Few comparisons drop, so that the last ones decide, too.
    FilterSettings().merged(
        {
            "gopher_quality": {"min_words": 0, "min_stop_words": 0, "min_mean_word_length": 0},
            "c4": {"min_sentences": 0},
            "fineweb": {"min_punctuated_line_fraction": 0.5, "max_short_line_fraction": 1.0},
        }
    ),
]
_MARKS = list(".,:;!?…-–—~+*^<>=/()[]{}'’\"“#•$€%&@_|°²¿«»")
_ODD = ["\0", "\x1c", "\x85", "\u200b", "\u200d", "\u2028", "\u0301", "\ud800", "\udfff", "\U0010ffff", "😀", "İ", "K"]
# fmt: off
_PARTS = [
    "...", "..", "--", "---", "——", "……", "[1]", "[12]", "[edit]", "[citation needed]", "don't", "Don’t", "cannot",
    "gonna", "U.S.", "l'eau", "z.B.", "3.", "5km", "10%", "US$", "C$5", "http://", "www.a-b.de", "a@b.com", "1.2.3.4",
    ":8080", "/x?y", "javascript", "JavaScript", "lorem ipsum", "Lorem Ipsum", "use cookies", "uses coo\u212aies",
    "terms of use", "Privacy policy", "👩‍👩‍👧", "the", "be", "of", "and", "Hello", "World", "end.Next", "a,b", "語",
    "か", "ไ", "है", "א", "ж", "{", "12.5", "x2", ":)", "<3",
    "k'ank’a", "wa'", "'oku", "na:a", "ന്‍", "ที่นี่", "ស្រុក", "བོད་སྐད།", "ሰው፡ሁሉ፡፡", "ነው።", "և", "է:", "ꦏꦤ꧀꧉", "य़", "x_{i}",
    "-{m: a}-", "{ a", "Τι;", "བ༌",
]
# fmt: on
_SPACES = [" ", " ", " ", " ", "\n", "\n", "\n\n", "\n\n\n", "\r\n", "\t", "\u3000", ""]

ANY_TEXT = st.one_of(
    st.text(st.characters(), max_size=200),
    st.text(st.characters(categories=("Cs", "Cc", "So", "Mn", "Nd", "Lo", "Po")), max_size=200),
    st.text(st.sampled_from([*_MARKS, *_ODD, *"aB1 \n"]), max_size=120),
    st.lists(st.sampled_from([*_PARTS, *_MARKS, *_ODD, *_SPACES]), max_size=120).map("".join),
    st.lists(st.sampled_from([*_PARTS, *_SPACES]), max_size=60).map(" ".join),
    # Repetition of everything: few different words and lines.
    st.lists(st.sampled_from(["a", "bb", "ccc", "a bb", ".", "\n", "\n\n"]), max_size=150).map(" ".join),
    st.lists(st.sampled_from(["a b c\n", "d e\n", "\n", " f\n"]), max_size=60).map("".join),
)


def check(text: str, language: str | None, settings: FilterSettings) -> None:
    expected, left, edits = filter_reference.read(text, language, settings)
    judgement = judge(text, language, settings)
    assert judgement.signals == expected
    assert list(judgement.signals) == signal_names(settings)
    if judgement.verdict is None:
        assert (judgement.text, judgement.edits) == (left, edits)
    else:
        assert judgement.text == text
        assert not judgement.edits


@given(ANY_TEXT, st.sampled_from(LANGUAGES), st.sampled_from(SETTINGS))
@hypothesis_settings(max_examples=500, deadline=None)
def test_signals_equal_plain_python(text: str, language: str | None, settings: FilterSettings) -> None:
    check(text, language, settings)


@given(ANY_TEXT, st.sampled_from(LANGUAGES), st.sampled_from(SETTINGS))
@hypothesis_settings(max_examples=300, deadline=None)
def test_comparisons_give_the_verdict(text: str, language: str | None, settings: FilterSettings) -> None:
    """Whoever has the signals and the comparisons can redo every decision."""
    judgement = judge(text, language, settings)
    broken = None
    for comparison in comparisons(settings):
        value = judgement.signals[comparison.signal]
        if value is None:
            continue
        threshold = comparison.threshold
        if value < threshold if comparison.must_be == "at_least" else value > threshold:
            broken = comparison.reason, value, None
            break
    assert judgement.verdict == broken


@given(
    st.text(st.sampled_from([*_MARKS, *_ODD, *"aBsSkmU19"]), min_size=1, max_size=40), st.sampled_from(LANGUAGES[:6])
)
@hypothesis_settings(max_examples=500, deadline=None)
def test_words_equal_regular_expressions(piece: str, language: str) -> None:
    words = words_of(piece, boundaries_of(language))
    assert words == filter_reference.split_words(piece, language)
    kept = piece if boundaries_of(language).is_spaced else piece.replace("\u200b", "")  # which parts words there
    assert "".join(words) == "".join(kept.split())


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "pl"])
def test_every_exception_is_found(language: str) -> None:
    for piece, words in exceptions(language).items():
        assert "".join(words) == piece
        assert words_of(f"({piece}, {piece}", boundaries_of(language))[-len(words) :] == list(words)


def test_real_pages_equal_plain_python(shared_data: Path) -> None:
    pages = load_pages(shared_data / "web" / "waddle-daniel", {"en", "zh", "ru", "el"}, 60)
    pages += load_pages(shared_data / "web" / "trafilatura", {None}, 60)
    for number, page in enumerate(pages):
        check(page.text, page.language or "de", SETTINGS[number % len(SETTINGS)])


def test_large_texts_equal_plain_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than the memory that is kept, with more words, lines and n-grams than tables begin with."""
    monkeypatch.setattr("pipeline.filters.text.measurer._REUSED", 1 << 12)
    different = " ".join(f"word{number:x}s" for number in range(9_000))
    lines = "\n".join(f"Line {number % 1500} is here, {number}." for number in range(3_000))
    for text in (different + "\n" + lines, "a-b " * 17_000, "語" * 66_000):
        check(text, "zh" if text[0] == "語" else "en", SETTINGS[0])


def test_a_huge_line_takes_bounded_time_and_memory() -> None:
    """On these a step too many a character would take hours; they are long enough to hang the suite."""
    for text in ("a" * 4_000_000, "[1" * 500_000, "a.b@" * 250_000, "'s" * 500_000, "\n" * 4_000_000, "+" * 1_000_000):
        judge(text, "en", FilterSettings())


def test_threads_do_not_disturb_each_other() -> None:
    """The memory of the compiled code is one for the process."""
    texts = [f"Number {number}. " * number for number in range(1, 300)]
    expected = [judge(text, "en", SETTINGS[0]) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: judge(text, "en", SETTINGS[0]), texts)) == expected


def test_ngrams_of_a_huge_text_are_those_of_its_first_words() -> None:
    head = ("one two three four five six seven " * (MOST_NGRAM_WORDS // 7 + 1)).split()[:MOST_NGRAM_WORDS]
    tail = [f"{number:05}" for number in range(MOST_NGRAM_WORDS // 16)]
    settings = FilterSettings(rules=["gopher_repetition"])
    whole, part = (judge(" ".join(words), "en", settings).signals for words in (head + tail, head))
    assert whole["text.num_words"] == len(head) + len(tail)
    size, all_words = len(" ".join(head + tail)), len(head) + len(tail)
    for n in range(2, 11):
        name = f"gopher_repetition.{'top' if n < 5 else 'duplicate'}_{n}gram_fraction"
        characters = round((part[name] or 0.0) * len(" ".join(head)))
        assert characters > 100_000
        assert whole[name] == characters / int(size * (MOST_NGRAM_WORDS / all_words))


def test_the_classes_of_all_characters_follow_python() -> None:
    methods = {
        characters.SPACE: str.isspace,
        characters.ALPHABETIC: str.isalpha,
        characters.LOWER_CASE: str.islower,
        characters.ANY_DIGIT: str.isdigit,
        characters.DECIMAL: str.isdecimal,
        characters.WORD: lambda character: character.isalnum() or character == "_",
    }
    everything = list(map(chr, range(sys.maxunicode + 1)))
    for bit, method in methods.items():
        expected = np.fromiter(map(method, everything), np.bool_, len(everything))
        assert np.array_equal(characters.classes() & bit != 0, expected)
