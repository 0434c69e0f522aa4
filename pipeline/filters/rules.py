"""The rules: each a table of comparisons that must hold for a document to be kept.

The tables read like the published ones. A row names the reason of a drop, the signal, the comparison, the setting that
is its threshold. `docs` and users know a rule by its reason, so reasons stay as they are.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from pipeline.filters.settings import FilterSettings, RuleName
from pipeline.filters.signals import TEXT, Reader, signal_names

__all__ = ["Comparison", "Judge", "Judgement", "Verdict", "comparisons", "judge", "signal_names"]


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

    def holds(self, value: float, threshold: float) -> bool:
        return value >= threshold if self.must_be == "at_least" else value <= threshold


def _at_least(reason: str, signal: str, setting: str | None = None) -> Comparison:
    return Comparison(reason, signal, "at_least", setting or f"min_{signal.removeprefix('num_')}")


def _at_most(reason: str, signal: str, setting: str | None = None) -> Comparison:
    return Comparison(reason, signal, "at_most", setting or f"max_{signal.removeprefix('num_')}")


# Thresholds are the settings of the signals' names with max_ or min_ before them, where no other is named.
ANY_TEXT = (_at_least("empty", "num_words", "min_text_words"),)
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
C4 = (
    _at_most("c4_lorem_ipsum", "num_lorem_ipsum_lines"),
    _at_most("c4_curly_bracket", "num_curly_bracket_lines"),
    _at_least("c4_no_lines_left", "num_lines"),
    _at_least("c4_too_few_sentences", "num_sentences"),
    _at_most("c4_bad_words", "num_bad_words"),
)
FINEWEB = (
    _at_least("fineweb_few_punctuated_lines", "punctuated_line_fraction"),
    _at_most("fineweb_short_lines", "short_line_fraction"),
    _at_most("fineweb_duplicate_line_characters", "duplicate_line_character_fraction"),
    _at_most("fineweb_many_new_lines", "new_lines_per_word"),
)
RULES: dict[RuleName, tuple[Comparison, ...]] = {
    "gopher_repetition": GOPHER_REPETITION,
    "gopher_quality": GOPHER_QUALITY,
    "c4": C4,
    "fineweb": FINEWEB,
}


@dataclass(frozen=True)
class Judgement:
    """What the rules decided about a text.

    `text` is the text as it should go on where it is kept (C4 removes lines), and as it came where it is dropped.
    `edits` counts removed lines by `c4_<reason>` and removed citation marks, for a kept text only. `signals` are all
    signals of the settings' rules, by `<rule>.<signal>`; None where one says nothing about the document.
    """

    text: str
    verdict: Verdict | None
    edits: Counter[str] = field(default_factory=Counter)
    signals: dict[str, float | None] = field(default_factory=dict)


def _in_order(settings: FilterSettings) -> list[tuple[str, Comparison, float]]:
    """The comparisons that decide, in their order, each with its rule and its threshold."""
    if not settings.rules:
        return []
    found = [(TEXT, comparison, float(getattr(settings, comparison.setting))) for comparison in ANY_TEXT]
    for rule in settings.rules:
        own = getattr(settings, rule)
        found += [(rule, comparison, float(getattr(own, comparison.setting))) for comparison in RULES[rule]]
    return found


def comparisons(settings: FilterSettings) -> list[dict[str, Any]]:
    """The comparisons that decide about a document, in their order: the first that does not hold is why it is dropped.

    Each has `reason`, `signal` (`<rule>.<signal>`), `must_be` (`at_least` or `at_most`; equality holds), `setting` (its
    path in `[filter]`) and `threshold`. A signal that is null holds.
    """
    return [
        {
            "reason": comparison.reason,
            "signal": f"{rule}.{comparison.signal}",
            "must_be": comparison.must_be,
            "setting": comparison.setting if rule == TEXT else f"{rule}.{comparison.setting}",
            "threshold": threshold,
        }
        for rule, comparison, threshold in _in_order(settings)
    ]


class Judge:
    """Judges texts by the rules of some settings."""

    def __init__(self, settings: FilterSettings) -> None:
        self._reader = Reader(settings) if settings.rules else None
        self._comparisons = [
            (f"{rule}.{comparison.signal}", comparison.must_be == "at_least", threshold, comparison.reason)
            for rule, comparison, threshold in _in_order(settings)
        ]

    def __call__(self, text: str, language: str | None) -> Judgement:
        """The decision on a text in a language (`judge`)."""
        if self._reader is None:
            return Judgement(text, None)
        read = self._reader.read(text, language)
        signals = read.signals
        for signal, is_least, threshold, reason in self._comparisons:
            value = signals[signal]
            if value is not None and (value < threshold if is_least else value > threshold):
                return Judgement(text, Verdict(reason, value), signals=signals)
        return Judgement(read.text(text), None, read.edits, signals)


_JUDGES: dict[int, tuple[FilterSettings, Judge]] = {}
_MOST_JUDGES = 64


def judge(text: str, language: str | None, settings: FilterSettings) -> Judgement:
    """Apply the rules of `settings` in their order; the first comparison that does not hold decides.

    All signals are computed, whatever decides. `language` is the document's ISO 639-1 code, None where it is not known
    (then English is taken for granted). A rule after C4's judges the text that C4 left, as in FineWeb. A text without
    any word is dropped as `empty`.
    """
    known = _JUDGES.get(id(settings))
    if known is None or known[0] is not settings:
        if len(_JUDGES) >= _MOST_JUDGES:
            _JUDGES.clear()
        known = settings, Judge(settings)
        _JUDGES[id(settings)] = known
    return known[1](text, language)
