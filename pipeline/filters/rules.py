"""The rules: each a table of comparisons that must hold for a document to be kept.

The tables read like the published ones. A row names the reason of a drop, the signal, the comparison, the setting that
is its threshold. `docs` and users know a rule by its reason, so reasons stay as they are.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from manifests.settings import Settings
from pipeline.filters.c4 import C4Signals, c4_signals
from pipeline.filters.settings import FilterSettings
from pipeline.filters.signals import fineweb_signals, quality_signals, repetition_signals, split_text


class Verdict(NamedTuple):
    """Why a document is dropped: a stable snake_case reason, and the value that broke the threshold."""

    reason: str
    value: float


class Comparison(NamedTuple):
    """Holds where `signal at_least setting` or `signal at_most setting`; a signal that is None judges nothing."""

    reason: str
    signal: str
    must_be: Literal["at_least", "at_most"]
    setting: str

    def check(self, signals: Any, settings: Settings) -> Verdict | None:
        """The verdict where the comparison does not hold, else None."""
        value = getattr(signals, self.signal)
        if value is None:
            return None
        threshold = getattr(settings, self.setting)
        holds = value >= threshold if self.must_be == "at_least" else value <= threshold
        return None if holds else Verdict(self.reason, float(value))


def _at_least(reason: str, signal: str, setting: str | None = None) -> Comparison:
    return Comparison(reason, signal, "at_least", setting or f"min_{signal.removeprefix('num_')}")


def _at_most(reason: str, signal: str, setting: str | None = None) -> Comparison:
    return Comparison(reason, signal, "at_most", setting or f"max_{signal.removeprefix('num_')}")


# Thresholds are the settings of the signals' names with max_ or min_ before them, where no other is named.
GOPHER_REPETITION = (
    _at_most("gopher_duplicate_paragraphs", "duplicate_paragraph_fraction"),
    _at_most("gopher_duplicate_paragraph_characters", "duplicate_paragraph_character_fraction"),
    _at_most("gopher_duplicate_lines", "duplicate_line_fraction"),
    _at_most("gopher_duplicate_line_characters", "duplicate_line_character_fraction"),
    _at_most("gopher_top_2gram", "top_2gram_fraction"),
    _at_most("gopher_top_3gram", "top_3gram_fraction"),
    _at_most("gopher_top_4gram", "top_4gram_fraction"),
    _at_most("gopher_duplicate_5grams", "duplicate_5gram_fraction"),
    _at_most("gopher_duplicate_6grams", "duplicate_6gram_fraction"),
    _at_most("gopher_duplicate_7grams", "duplicate_7gram_fraction"),
    _at_most("gopher_duplicate_8grams", "duplicate_8gram_fraction"),
    _at_most("gopher_duplicate_9grams", "duplicate_9gram_fraction"),
    _at_most("gopher_duplicate_10grams", "duplicate_10gram_fraction"),
)
GOPHER_QUALITY = (
    _at_least("gopher_too_few_words", "num_words"),
    _at_most("gopher_too_many_words", "num_words"),
    _at_least("gopher_short_words", "mean_word_length"),
    _at_most("gopher_long_words", "mean_word_length"),
    _at_most("gopher_hashes", "hash_fraction", "max_symbol_fraction"),
    _at_most("gopher_ellipses", "ellipsis_fraction", "max_symbol_fraction"),
    _at_most("gopher_bullet_lines", "bullet_line_fraction"),
    _at_most("gopher_ellipsis_lines", "ellipsis_line_fraction"),
    _at_least("gopher_few_alphabetic_words", "alphabetic_word_fraction"),
    _at_least("gopher_few_stop_words", "num_stop_words"),
)
C4 = (_at_least("c4_too_few_sentences", "num_sentences"),)
FINEWEB = (
    _at_least("fineweb_few_punctuated_lines", "punctuated_line_fraction"),
    _at_most("fineweb_short_lines", "short_line_fraction"),
    _at_most("fineweb_duplicate_line_characters", "duplicate_line_character_fraction"),
    _at_most("fineweb_many_new_lines", "new_lines_per_word"),
)


@dataclass(frozen=True)
class Judgement:
    """What the rules decided about a text.

    `text` is the text as it should go on where it is kept (C4 removes lines), and as it came where it is dropped.
    `edits` counts removed lines by `c4_<reason>` and removed citation marks, for a kept text only.
    """

    text: str
    verdict: Verdict | None
    edits: Counter[str] = field(default_factory=Counter)


def judge(text: str, language: str | None, settings: FilterSettings) -> Judgement:
    """Apply the rules of `settings` in their order; the first that breaks decides.

    `language` is the document's ISO 639-1 code, None where it is not known (then English is taken for granted). A rule
    after C4's judges the text that C4 left, as in FineWeb. A text without any word is dropped as `empty`.
    """
    if not settings.rules:
        return Judgement(text, None)
    # A text of no known language is judged as English is: the published rules know nothing else.
    spoken = "en" if language in (None, "und") else language
    stop_words = settings.gopher_quality.stop_words.get(spoken) if spoken else None
    look_for = stop_words if stop_words and "gopher_quality" in settings.rules else ()
    split = split_text(text, spoken, look_for)
    if not len(split.words):
        return Judgement(text, Verdict("empty", 0.0))
    current = text
    num_words = len(split.words)
    edits: Counter[str] = Counter()
    for rule in settings.rules:
        if current is not split.text and rule != "fineweb":
            split = split_text(current, spoken, look_for)
        verdict: Verdict | None
        if rule == "gopher_repetition":
            verdict = _first_broken(GOPHER_REPETITION, repetition_signals(split), settings.gopher_repetition)
        elif rule == "gopher_quality":
            verdict = _first_broken(GOPHER_QUALITY, quality_signals(split, stop_words), settings.gopher_quality)
        elif rule == "c4":
            c4 = c4_signals(split, settings.c4)
            verdict = _check_c4(c4, settings)
            if c4.text != current:
                current = c4.text
                num_words = c4.num_words
                edits.update({f"c4_{reason}": number for reason, number in c4.removed_lines.items()})
                if c4.num_citations:
                    edits["c4_citations"] += c4.num_citations
        else:
            signals = fineweb_signals(current, num_words, settings.fineweb.short_line_length)
            verdict = _first_broken(FINEWEB, signals, settings.fineweb)
        if verdict is not None:
            return Judgement(text, verdict)
    return Judgement(current, None, edits)


def _first_broken(rule: tuple[Comparison, ...], signals: Any, settings: Settings) -> Verdict | None:
    for comparison in rule:
        verdict = comparison.check(signals, settings)
        if verdict is not None:
            return verdict
    return None


def _check_c4(signals: C4Signals, settings: FilterSettings) -> Verdict | None:
    if signals.num_lorem_ipsum_lines:
        return Verdict("c4_lorem_ipsum", float(signals.num_lorem_ipsum_lines))
    if signals.num_curly_bracket_lines and settings.c4.drop_curly_bracket:
        return Verdict("c4_curly_bracket", float(signals.num_curly_bracket_lines))
    if not signals.text:
        return Verdict("c4_no_lines_left", 0.0)
    return _first_broken(C4, signals, settings.c4)
