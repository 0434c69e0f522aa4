"""The rules: tables of comparisons that must hold for a document to be kept.

The tables read like the published ones. A row names the reason of a drop, the signal, the comparison, and the setting
that is its threshold. The documentation and users know a rule by its reason, so reasons stay as they are.
"""

from __future__ import annotations

from typing import NamedTuple

from manifests.comparison import Comparison, Relation, first_broken
from pipeline.filters.judgement import Judgement, Verdict
from pipeline.filters.settings import FilterSettings, RuleName
from pipeline.filters.signals import TEXT, Reader, signal_names

__all__ = ["Judge", "Row", "comparisons", "judge", "signal_names"]


class Row(NamedTuple):
    """A comparison of a rule before its threshold is known: signal and setting are those of the rule."""

    reason: str
    signal: str
    must_be: Relation
    setting: str


ANY_TEXT = (Row("empty", "num_words", "at_least", "min_text_words"),)
GOPHER_REPETITION = (
    Row("gopher_duplicate_paragraphs", "duplicate_paragraph_fraction", "at_most", "max_duplicate_paragraph_fraction"),
    Row(
        "gopher_duplicate_paragraph_characters",
        "duplicate_paragraph_character_fraction",
        "at_most",
        "max_duplicate_paragraph_character_fraction",
    ),
    Row("gopher_duplicate_lines", "duplicate_line_fraction", "at_most", "max_duplicate_line_fraction"),
    Row(
        "gopher_duplicate_line_characters",
        "duplicate_line_character_fraction",
        "at_most",
        "max_duplicate_line_character_fraction",
    ),
    Row("gopher_top_2gram", "top_2gram_fraction", "at_most", "max_top_2gram_fraction"),
    Row("gopher_top_3gram", "top_3gram_fraction", "at_most", "max_top_3gram_fraction"),
    Row("gopher_top_4gram", "top_4gram_fraction", "at_most", "max_top_4gram_fraction"),
    Row("gopher_duplicate_5grams", "duplicate_5gram_fraction", "at_most", "max_duplicate_5gram_fraction"),
    Row("gopher_duplicate_6grams", "duplicate_6gram_fraction", "at_most", "max_duplicate_6gram_fraction"),
    Row("gopher_duplicate_7grams", "duplicate_7gram_fraction", "at_most", "max_duplicate_7gram_fraction"),
    Row("gopher_duplicate_8grams", "duplicate_8gram_fraction", "at_most", "max_duplicate_8gram_fraction"),
    Row("gopher_duplicate_9grams", "duplicate_9gram_fraction", "at_most", "max_duplicate_9gram_fraction"),
    Row("gopher_duplicate_10grams", "duplicate_10gram_fraction", "at_most", "max_duplicate_10gram_fraction"),
)
GOPHER_QUALITY = (
    Row("gopher_too_few_words", "num_words", "at_least", "min_words"),
    Row("gopher_too_many_words", "num_words", "at_most", "max_words"),
    Row("gopher_short_words", "mean_word_length", "at_least", "min_mean_word_length"),
    Row("gopher_long_words", "mean_word_length", "at_most", "max_mean_word_length"),
    Row("gopher_hashes", "hash_fraction", "at_most", "max_symbol_fraction"),
    Row("gopher_ellipses", "ellipsis_fraction", "at_most", "max_symbol_fraction"),
    Row("gopher_bullet_lines", "bullet_line_fraction", "at_most", "max_bullet_line_fraction"),
    Row("gopher_ellipsis_lines", "ellipsis_line_fraction", "at_most", "max_ellipsis_line_fraction"),
    Row("gopher_few_alphabetic_words", "alphabetic_word_fraction", "at_least", "min_alphabetic_word_fraction"),
    Row("gopher_few_stop_words", "num_stop_words", "at_least", "min_stop_words"),
)
C4 = (
    Row("c4_lorem_ipsum", "num_lorem_ipsum_lines", "at_most", "max_lorem_ipsum_lines"),
    Row("c4_curly_bracket", "num_curly_bracket_lines", "at_most", "max_curly_bracket_lines"),
    Row("c4_no_lines_left", "num_lines", "at_least", "min_lines"),
    Row("c4_too_few_sentences", "num_sentences", "at_least", "min_sentences"),
    Row("c4_bad_words", "num_bad_words", "at_most", "max_bad_words"),
)
FINEWEB = (
    Row("fineweb_few_punctuated_lines", "punctuated_line_fraction", "at_least", "min_punctuated_line_fraction"),
    Row("fineweb_short_lines", "short_line_fraction", "at_most", "max_short_line_fraction"),
    Row(
        "fineweb_duplicate_line_characters",
        "duplicate_line_character_fraction",
        "at_most",
        "max_duplicate_line_character_fraction",
    ),
    Row("fineweb_many_new_lines", "new_lines_per_word", "at_most", "max_new_lines_per_word"),
)
RULES: dict[RuleName, tuple[Row, ...]] = {
    "gopher_repetition": GOPHER_REPETITION,
    "gopher_quality": GOPHER_QUALITY,
    "c4": C4,
    "fineweb": FINEWEB,
}


def comparisons(settings: FilterSettings) -> list[Comparison]:
    """The comparisons of the settings' rules, in their order: the first that does not hold is why a text is dropped.

    A signal is `<rule>.<signal>`, a setting its path in `[filter]`.
    """
    if not settings.rules:
        return []
    found = [
        Comparison(row.reason, f"{TEXT}.{row.signal}", row.must_be, row.setting, getattr(settings, row.setting))
        for row in ANY_TEXT
    ]
    for rule in settings.rules:
        own = getattr(settings, rule)
        found += [
            Comparison(
                row.reason, f"{rule}.{row.signal}", row.must_be, f"{rule}.{row.setting}", getattr(own, row.setting)
            )
            for row in RULES[rule]
        ]
    return found


class Judge:
    """Judges texts by the rules of some settings."""

    def __init__(self, settings: FilterSettings) -> None:
        self._reader = Reader(settings) if settings.rules else None
        self._comparisons = comparisons(settings)

    def __call__(self, text: str, language: str | None, score: float | None = None) -> Judgement:
        """The decision on a text in a language (`judge`)."""
        if self._reader is None:
            return Judgement(text)
        read = self._reader.read(text, language, score)
        broken = first_broken(self._comparisons, read.signals, language)
        if broken is not None:
            return Judgement(text, Verdict.of(broken, read.signals), signals=read.signals)
        return Judgement(read.text(text), None, read.edits, read.signals)


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
