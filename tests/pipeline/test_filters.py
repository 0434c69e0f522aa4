"""The rules on texts made for them, on any text at all, and as datatrove blocks."""

from __future__ import annotations

import dataclasses
import pickle
import random
import re
from collections import Counter

import numpy as np
import pytest
from datatrove.data import Document
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from manifests.errors import UserError
from pipeline.filters.blocks import C4Filter, FineWebFilter, GopherQualityFilter, GopherRepetitionFilter, RuleFilter
from pipeline.filters.boundaries import split_piece
from pipeline.filters.ngrams import duplicate_ngram_characters, repeated_ngrams, top_ngram_characters
from pipeline.filters.rules import C4, FINEWEB, GOPHER_QUALITY, GOPHER_REPETITION, judge
from pipeline.filters.settings import FilterSettings
from pipeline.filters.signals import (
    FineWebSignals,
    QualitySignals,
    RepetitionSignals,
    quality_signals,
    repetition_signals,
    split_text,
)
from pipeline.filters.words import _COUNT_BITS, WordTable, word_table

SENTENCES = [
    "The committee met on Tuesday to discuss the plan, and most of its members agreed with what had been said.",
    "Nobody was surprised that the older bridge, which had stood for a century, would have to be closed.",
    "It is not clear how long the repairs will take or who is going to pay for them in the end.",
    "Residents of the eastern district asked for a ferry to be put into service before the winter begins.",
    "An engineer from the city explained that the foundations were sound but the deck was worn through.",
    "Traffic will be led over the northern crossing, where two more lanes are open since last spring.",
    "The mayor promised to publish a timetable with every step of the work by the first of the month.",
]
PROSE = "\n".join(SENTENCES)


class Sink:
    """Collects what a block drops."""

    def __init__(self) -> None:
        self.drops: list[tuple[str, str, float | None, str | None, str]] = []

    def add(self, document: Document, reason: str, value: float | None = None, detail: str | None = None) -> None:
        self.drops.append((document.id, reason, value, detail, document.text))


def reason_of(text: str, rule: str | None = None, language: str = "en", **overrides: object) -> str | None:
    settings = FilterSettings().merged(dict(overrides))
    if rule:
        settings = settings.merged({"rules": [rule]})
    verdict = judge(text, language, settings).verdict
    return verdict.reason if verdict else None


def words_of(text: str) -> list[str]:
    return [word for piece in text.split() for word in split_piece(piece)]


def test_prose_is_kept_unchanged() -> None:
    judgement = judge(PROSE, "en", FilterSettings())
    assert judgement.verdict is None
    assert judgement.text == PROSE
    assert not judgement.edits


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop, we'll go.", ["Do", "n't", "stop", ",", "we", "'ll", "go", "."]),
        ("(see Mr. Smith's U.S. office)", ["(", "see", "Mr.", "Smith", "'s", "U.S.", "office", ")"]),
        ("cannot pay $5.50 or 50% at 5km", ["can", "not", "pay", "$", "5.50", "or", "50", "%", "at", "5", "km"]),
        ("well-known end.Next a,b", ["well", "-", "known", "end", ".", "Next", "a", ",", "b"]),
        ("http://example.org/a,b?c=d.", ["http://example.org/a,b?c=d", "."]),
        ("wait... “really”?!", ["wait", "...", "“", "really", "”", "?", "!"]),
        ("--- 3-4 C++", ["---", "3", "-", "4", "C++"]),
    ],
)
def test_word_boundaries(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("rule", "reason", "text"),
    [
        ("gopher_repetition", "gopher_duplicate_paragraphs", "\n\n".join([*SENTENCES[:2], *["One more."] * 3])),
        ("gopher_repetition", "gopher_duplicate_lines", "\n".join([*SENTENCES, *["More."] * 6])),
        ("gopher_repetition", "gopher_duplicate_line_characters", "\n".join([*SENTENCES, *SENTENCES[:2]])),
        ("gopher_repetition", "gopher_top_2gram", SENTENCES[0] + " spam eggs" * 5),
        ("gopher_repetition", "gopher_duplicate_5grams", SENTENCES[0] + " " + SENTENCES[1] + " " + SENTENCES[0]),
        ("gopher_quality", "gopher_too_few_words", SENTENCES[0]),
        ("gopher_quality", "gopher_too_many_words", "the house of cards " * 25_001),
        ("gopher_quality", "gopher_short_words", "the of an I a o " * 20),
        ("gopher_quality", "gopher_long_words", "extraordinary representation " * 30),
        ("gopher_quality", "gopher_hashes", PROSE + " #" * 20),
        ("gopher_quality", "gopher_ellipses", PROSE + " …" * 20),
        ("gopher_quality", "gopher_bullet_lines", "\n".join("- " + line for line in SENTENCES)),
        (
            "gopher_quality",
            "gopher_ellipsis_lines",
            "\n".join(line + " ..." for line in SENTENCES[:3]) + "\n" + PROSE[:200],
        ),
        ("gopher_quality", "gopher_few_alphabetic_words", PROSE + " 1234" * 40),
        ("gopher_quality", "gopher_few_stop_words", "winter river garden window " * 20),
        ("c4", "c4_too_few_sentences", "\n".join(SENTENCES[:4])),
        ("c4", "c4_lorem_ipsum", PROSE + "\nThen Lorem Ipsum dolor sit amet."),
        ("c4", "c4_curly_bracket", PROSE + "\nfunction call with { a bracket"),
        ("c4", "c4_no_lines_left", "Home\nAbout us\nContact"),
        ("fineweb", "fineweb_few_punctuated_lines", PROSE.replace(".", "")),
        ("fineweb", "fineweb_short_lines", "\n".join([SENTENCES[0], *(f"Item {i}." for i in range(9))])),
        ("fineweb", "fineweb_duplicate_line_characters", PROSE + "\n" + SENTENCES[0]),
        ("fineweb", "fineweb_many_new_lines", "\n\n\n\n\n\n\n\n\n\n".join(SENTENCES)),
    ],
)
def test_each_reason(rule: str, reason: str, text: str) -> None:
    assert reason_of(text, rule) == reason


def test_threshold_itself_is_kept() -> None:
    """At least and at most include the threshold."""
    split = split_text(PROSE, "en", ["the", "to"])
    quality = quality_signals(split, ["the", "to"])
    exact = {"min_words": quality.num_words, "max_words": quality.num_words}
    assert reason_of(PROSE, "gopher_quality", gopher_quality=exact) is None
    above = {"min_words": quality.num_words + 1}
    assert reason_of(PROSE, "gopher_quality", gopher_quality=above) == "gopher_too_few_words"
    verdict = judge(
        PROSE, "en", FilterSettings().merged({"rules": ["gopher_quality"], "gopher_quality": above})
    ).verdict
    assert verdict is not None
    assert verdict.value == quality.num_words


def test_tables_name_real_signals_and_settings() -> None:
    """A comparison that names nothing would fail only when it is reached."""
    settings = FilterSettings()
    for rule, signals, table in (
        (GOPHER_REPETITION, RepetitionSignals, settings.gopher_repetition),
        (GOPHER_QUALITY, QualitySignals, settings.gopher_quality),
        (FINEWEB, FineWebSignals, settings.fineweb),
    ):
        names = {field.name for field in dataclasses.fields(signals)}
        assert {comparison.signal for comparison in rule} <= names
        thresholds = {name for name in type(table).model_fields if name.startswith(("min_", "max_"))}
        assert {comparison.setting for comparison in rule} == thresholds
    reasons = [comparison.reason for rule in (GOPHER_REPETITION, GOPHER_QUALITY, C4, FINEWEB) for comparison in rule]
    assert len(set(reasons)) == len(reasons)


def test_c4_edits_text_and_counts_lines() -> None:
    text = "\n".join(
        [
            "Home",
            *SENTENCES,
            "  A fact that somebody knew.[12] Another one.[citation needed]  ",
            "Please enable JavaScript to see this page.",
            "This site uses cookies to serve you better.",
            "x" * 1001 + " is one long word here.",
            "",
        ]
    )
    judgement = judge(text, "en", FilterSettings(rules=["c4"]))
    assert judgement.verdict is None
    assert judgement.text == PROSE + "\nA fact that somebody knew. Another one."
    assert judgement.edits == {
        "c4_few_words": 1,
        "c4_javascript": 1,
        "c4_policy": 1,
        "c4_long_word": 1,
        "c4_citations": 2,
    }
    strict = FilterSettings().merged({"rules": ["c4"], "c4": {"require_terminal_punctuation": True}})
    assert judge(PROSE + "\nA line without its full stop", "en", strict).text == PROSE


def test_fineweb_judges_what_c4_left() -> None:
    menu = "\n".join(f"Item {i}" for i in range(40)) + "\n" + PROSE
    assert reason_of(menu, rules=["fineweb"]) is not None
    assert reason_of(menu, rules=["c4", "fineweb"]) is None
    # Rules that follow C4 in a recipe's own order read the edited text too.
    assert judge(menu, "en", FilterSettings(rules=["c4", "gopher_repetition", "gopher_quality"])).text == PROSE


def test_new_lines_are_weighed_against_the_words_that_c4_left() -> None:
    """Lines of three words, which stay: one new line for each; words of removed lines do not count."""
    verses = "\n".join(["Sing of rivers.", *(f"Number {i} flows." for i in range(30))])
    policy = "We and our partners, " * 40 + "use cookies."
    settings = {"short_line_length": 5, "max_duplicate_line_character_fraction": 1.0, "max_new_lines_per_word": 0.24}
    # 31 lines of four words (the full stop is one): 30 new lines to 124 words.
    for text in (verses, verses + "\n" + policy):
        judged = FilterSettings().merged({"rules": ["c4", "fineweb"], "fineweb": settings})
        verdict = judge(text, "en", judged).verdict
        assert verdict is not None
        assert verdict == ("fineweb_many_new_lines", 30 / 124)


@pytest.mark.parametrize("mark", [".", "!", "?", "。", "।", "؟"])
def test_lines_end_in_punctuation_of_any_script(mark: str) -> None:
    text = "\n".join(f"A line that says something more, number {i}{mark}" for i in range(5))
    assert reason_of(text, "fineweb") is None


def test_languages_without_spaces_or_stop_words() -> None:
    chinese = (
        "他们在星期二开会讨论了这个计划，大多数成员都同意。老桥已经使用了一百年，现在必须关闭维修，没有人感到意外。" * 2
    )
    assert len(split_text(chinese, "zh").words) > 90
    assert reason_of(chinese, "gopher_quality", "zh") is None
    assert reason_of(chinese, "gopher_quality", "en") is not None
    german = "Gestern haben wir lange darüber gesprochen, wie es mit der alten Brücke weitergehen soll. " * 5
    assert reason_of(german, "gopher_quality", "de") is None
    own = {"stop_words": {"de": ["nicht", "auch"]}}
    assert reason_of(german, "gopher_quality", "de", gopher_quality=own) == "gopher_few_stop_words"


def test_settings_merge_and_refuse() -> None:
    settings = FilterSettings().merged({"rules": ["c4"], "gopher_quality": {"min_words": 5}})
    assert settings.rules == ["c4"]
    assert settings.gopher_quality.min_words == 5
    assert settings.gopher_quality.max_words == 100_000
    assert FilterSettings().gopher_quality.min_words == 50
    with pytest.raises(UserError, match=r"cc: unknown key gopher_quality\.min_word \(did you mean 'min_words'\?\)"):
        FilterSettings().merged({"gopher_quality": {"min_word": 5}}, where="cc")
    with pytest.raises(UserError, match="rules"):
        FilterSettings().merged({"rules": ["gopher"]})


def naive_top(words: list[str], n: int) -> int:
    ngrams = Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
    if not ngrams:
        return 0
    ngram, count = ngrams.most_common(1)[0]
    return len(ngram) * count


def naive_duplicate(words: list[str], n: int) -> int:
    seen: set[tuple[str, ...]] = set()
    characters = position = 0
    while position + n <= len(words):
        ngram = tuple(words[position : position + n])
        if ngram in seen:
            characters += sum(map(len, ngram))
            position += n
        else:
            seen.add(ngram)
            position += 1
    return characters


@given(st.lists(st.sampled_from(["a", "bb", "ccc", "dddd"]), max_size=80))
@hypothesis_settings(max_examples=150, deadline=None)
def test_ngrams_equal_a_plain_count(words: list[str]) -> None:
    ids = np.array([len(word) for word in words], np.int64)
    ends = np.concatenate([[0], np.cumsum(ids)]).astype(np.int64)
    for n, positions, classes in repeated_ngrams(ids, longest=10):
        assert top_ngram_characters(n, positions, classes, ends) == naive_top(words, n)
        assert duplicate_ngram_characters(n, positions, classes, ends) == naive_duplicate(words, n)


@given(st.text(alphabet="ab \n\r\t", max_size=60))
@hypothesis_settings(max_examples=200, deadline=None)
def test_lines_and_paragraphs_are_split_at_runs_of_new_lines(text: str) -> None:
    signals = repetition_signals(split_text(text))
    for parts, fraction in (
        (re.split("\n+", text), signals.duplicate_line_fraction),
        (re.split("\n{2,}", text.strip()), signals.duplicate_paragraph_fraction),
    ):
        assert fraction == (len(parts) - len(set(parts))) / len(parts)


ANY_TEXT = st.one_of(
    st.text(st.characters(), max_size=200),
    st.text(st.characters(categories=("Cs", "Cc", "So", "Mn", "Nd", "Lo", "Po")), max_size=200),
    st.lists(
        st.sampled_from([*SENTENCES, "\n", "\0", "😀", "\ud800", "[1]", "...", "don't", "語", "{", "a.b"]), max_size=30
    ).map(" ".join),
)


@given(ANY_TEXT, st.sampled_from(["en", "zh", "und", None]))
@hypothesis_settings(max_examples=250, deadline=None)
def test_any_text_gets_a_judgement(text: str, language: str | None) -> None:
    lenient = {"gopher_quality": {"min_words": 0, "min_stop_words": 0}, "c4": {"min_sentences": 0}}
    for settings in (FilterSettings(), FilterSettings().merged(lenient)):
        judgement = judge(text, language, settings)
        assert judgement == judge(text, language, settings)
        if judgement.verdict is None:
            assert judgement.text
        else:
            assert judgement.text == text
            assert np.isfinite(judgement.verdict.value)
    for piece in text.split():
        assert "".join(split_piece(piece)) == piece


def test_huge_single_lines_are_linear() -> None:
    """Texts on which a step a character too many would take hours; they are long enough to hang the suite."""
    draw = random.Random(0)
    for text in (
        "a" * 5_000_000,
        ")" * 1_000_000,
        "[1" * 500_000,
        "a.b@" * 250_000,
        "".join(draw.choices("().,;:'\"-—", k=300_000)),
        "spam " * 200_000,
    ):
        judge(text, "en", FilterSettings())


def test_memory_of_words_changes_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that forgets all the time gives what a fresh one gives."""
    monkeypatch.setattr("pipeline.filters.words._CHARACTERS_REMEMBERED", 2_000)
    small = WordTable()
    for text in [*SENTENCES, PROSE, "new words " + PROSE, PROSE * 30, *SENTENCES]:
        lines = text.splitlines()
        forgetful, fresh, shared = (
            table.split(lines, ["the", "nowhere"]) for table in (small, WordTable(), word_table())
        )
        for words in (forgetful, shared):
            _, first = np.unique(words.ids, return_inverse=True)
            _, second = np.unique(fresh.ids, return_inverse=True)
            assert len(np.unique(np.stack([first, second]), axis=1).T) == len(np.unique(first))
            for name in ("lengths", "is_symbol", "has_letter", "is_sentence_end", "is_punctuation", "line_start"):
                assert np.array_equal(getattr(words, name), getattr(fresh, name)), name
            assert words.present == fresh.present


def test_blocks_yield_or_drop_every_document() -> None:
    texts = {
        "kept": PROSE,
        "edited": PROSE + "\nHome",
        "short": " ".join(SENTENCES[:2]),
        "empty": "",
        "same": "spam " * 400,
    }
    documents = [Document(text=text, id=name, metadata={"language": "en"}) for name, text in texts.items()]
    block = pickle.loads(pickle.dumps(RuleFilter()))
    sink = Sink()
    block.drops = sink
    kept = {document.id: document.text for document in block.run(iter(documents))}
    assert kept == {"kept": PROSE, "edited": PROSE}
    assert {name: reason for name, reason, *_ in sink.drops} == {
        "short": "gopher_too_few_words",
        "empty": "empty",
        "same": "gopher_top_2gram",
    }
    assert all(text == texts[name] for name, *_, text in sink.drops)
    assert block.stats["edited_c4_few_words"].total == 1
    assert block.stats["forwarded"].total == 2


def test_single_rule_blocks() -> None:
    verdict = GopherRepetitionFilter().check("spam " * 400)
    assert verdict is not None
    assert verdict.reason == "gopher_top_2gram"
    assert verdict.value == pytest.approx(9 * 399 / 2000)
    assert GopherQualityFilter().check(SENTENCES[0], "en") == ("gopher_too_few_words", 20.0)
    assert C4Filter().check(SENTENCES[0]) == ("c4_too_few_sentences", 1.0)
    assert FineWebFilter().check(PROSE) is None
    assert RuleFilter(FilterSettings(rules=[])).check("") is None


def test_a_piece_may_have_any_number_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Many(tuple):  # stands for a text of 2**24 + 5 characters without building it
        def __len__(self) -> int:
            return (1 << 24) + 5

    monkeypatch.setattr("pipeline.filters.words._split_unspaced", lambda piece: Many("ab"))
    table = WordTable(spaced=False)
    table.add_piece("first")
    packed = table.add_piece("second")
    assert packed & ((1 << _COUNT_BITS) - 1) == (1 << 24) + 5
    assert packed >> _COUNT_BITS == 2
