"""The statistics of a text that the rules compare with their thresholds, by name.

A name is that of the rule and of the signal, `gopher_quality.num_words`. Signals know no threshold, so a threshold can
be changed without reading a text again. Each family of rules has its own, and all are computed for every text.
"""

from __future__ import annotations

import functools
from collections import Counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.filters.bad_words import BadWords, load_bad_words
from pipeline.filters.boundaries import boundaries_of
from pipeline.filters.fit import Fit, fit_of, is_sure
from pipeline.filters.language import NO_LANGUAGE, UNKNOWN
from pipeline.filters.language.tags import find
from pipeline.filters.settings import RULE_NAMES, FilterSettings
from pipeline.filters.stop_words import default_stop_words, forms
from pipeline.filters.text import lines, measure
from pipeline.filters.text.measurer import Boundaries, Measurer, Table, Wanted, code_points, text_of
from pipeline.filters.text.scripts import script_of_text

TEXT = "text"
"""The family of what every text is judged by, whatever the rules."""

_C4_WORDS = "num_bad_words"
_PLACES: dict[str, dict[str, int]] = {
    TEXT: {"num_words": measure.TEXT_WORDS},  # punctuation included
    "gopher_repetition": {
        # Fractions of the text's paragraphs, lines or characters.
        "duplicate_paragraph_fraction": measure.DUPLICATE_PARAGRAPHS,
        "duplicate_paragraph_character_fraction": measure.DUPLICATE_PARAGRAPH_CHARACTERS,
        "duplicate_line_fraction": measure.DUPLICATE_LINES,
        "duplicate_line_character_fraction": measure.DUPLICATE_LINE_CHARACTERS,
        "top_2gram_fraction": measure.TOP_2GRAM,
        "top_3gram_fraction": measure.TOP_3GRAM,
        "top_4gram_fraction": measure.TOP_4GRAM,
        "duplicate_5gram_fraction": measure.DUPLICATE_5GRAMS,
        "duplicate_6gram_fraction": measure.DUPLICATE_6GRAMS,
        "duplicate_7gram_fraction": measure.DUPLICATE_7GRAMS,
        "duplicate_8gram_fraction": measure.DUPLICATE_8GRAMS,
        "duplicate_9gram_fraction": measure.DUPLICATE_9GRAMS,
        "duplicate_10gram_fraction": measure.DUPLICATE_10GRAMS,
    },
    "gopher_quality": {
        "num_words": measure.PLAIN_WORDS,  # without words that are punctuation only
        "mean_word_length": measure.MEAN_WORD_LENGTH,  # characters, of the same; None in a language without spaces
        "hash_fraction": measure.HASHES,  # "#" for each word, punctuation included
        "ellipsis_fraction": measure.ELLIPSES,
        "bullet_line_fraction": measure.BULLET_LINES,
        "ellipsis_line_fraction": measure.ELLIPSIS_LINES,
        "alphabetic_word_fraction": measure.ALPHABETIC_WORDS,
        "num_stop_words": measure.STOP_WORDS,  # different ones; None in a language that has no list
    },
    "c4": {
        # Lines that are removed for another reason count neither for nor against the page.
        "num_lorem_ipsum_lines": measure.C4_COUNTS + lines.NUM_LOREM_IPSUM,
        "num_curly_bracket_lines": measure.C4_COUNTS + lines.NUM_CURLY_BRACKET,
        "num_lines": measure.C4_COUNTS + lines.NUM_LINES,
        "num_sentences": measure.C4_COUNTS + lines.NUM_SENTENCES,
        _C4_WORDS: -1,  # different ones; None in a language that has no list
    },
    "fineweb": {
        # On lines that are not blank, of the text that C4's rules leave where they apply.
        "punctuated_line_fraction": measure.PUNCTUATED_LINES,
        "short_line_fraction": measure.SHORT_LINES,
        "duplicate_line_character_fraction": measure.FINEWEB_DUPLICATE_CHARACTERS,
        "new_lines_per_word": measure.NEW_LINES_PER_WORD,
    },
}
_FAMILIES = {
    "gopher_repetition": measure.REPETITION,
    "gopher_quality": measure.QUALITY,
    "c4": measure.C4,
    "fineweb": measure.FINEWEB,
}
_FIRST_REMOVED = measure.C4_COUNTS + lines.FIRST_REMOVED
_CITATIONS = measure.C4_COUNTS + lines.NUM_CITATIONS


class Read(NamedTuple):
    """A text that was measured."""

    signals: dict[str, float | None]  # in the order of `signal_names`
    left: npt.NDArray[np.uint32] | None  # code points that C4's rules leave, where these are not all
    edits: Counter[str]  # lines removed by C4's rules, `c4_<reason>`, and citation marks

    def text(self, text: str) -> str:
        """The text that is left of the one that was read."""
        return text if self.left is None else text_of(self.left)


class _Language(NamedTuple):
    """What depends on a text's language and script."""

    boundaries: Boundaries
    stop_words: Table
    bad_words: BadWords | None
    fit: Fit


def signal_names(settings: FilterSettings) -> list[str]:
    """The names of the signals that the rules of these settings need, whatever the order of the rules."""
    families = [TEXT, *(rule for rule in RULE_NAMES if rule in settings.rules)] if settings.rules else []
    return [f"{family}.{signal}" for family in families for signal in _PLACES[family]]


@functools.cache
def _measurer() -> Measurer:
    """This process's: its memory is shared by all settings."""
    return Measurer()


class Reader:
    """Computes the signals of texts for the rules of some settings."""

    def __init__(self, settings: FilterSettings) -> None:
        self._settings = settings
        self._measurer = _measurer()
        self._languages: dict[tuple[str, bool, str], _Language] = {}
        rules = list(settings.rules)
        at = rules.index("c4") if "c4" in rules else len(rules)
        before = sum({_FAMILIES[rule] for rule in rules[:at]})
        after = sum({_FAMILIES[rule] for rule in rules[at:]})
        # What is measured on the text as it came, what while lines are removed, what on the text that is left: most
        # orders of rules need one pass only.
        first, self._second, self._third = before | after, 0, 0
        if after:
            if before & measure.FINEWEB:
                first, self._second = before, measure.C4
            else:
                first = before | measure.C4
            rest = after & ~measure.C4
            if rest == measure.FINEWEB and not self._second:
                first |= rest
            else:
                self._third = rest
        self._first = first
        self._judges_quality = "gopher_quality" in rules
        self._quality = 2 if measure.QUALITY & self._third else 1 if measure.QUALITY & self._second else 0
        c4 = settings.c4
        rule_values = [
            c4.max_word_length, c4.require_terminal_punctuation, c4.min_words_per_line, c4.remove_citations,
            c4.remove_javascript_lines, c4.remove_policy_lines,
        ]  # fmt: skip
        self._line_rules = Table(np.array([min(max(int(value), 0), 2**32 - 1) for value in rule_values]))
        # For each signal: its name, which pass finds it, and where.
        self._wanted: list[tuple[str, int, int]] = []
        for name in signal_names(settings):
            family, _, signal = name.partition(".")
            bit = _FAMILIES.get(family, 0)
            which = 2 if bit & self._third else 1 if bit & self._second else 0
            self._wanted.append((name, which, _PLACES[family][signal]))

    def read(self, text: str, language: str | None, score: float | None = None) -> Read:
        """The signals of a text, and what C4 leaves of it.

        `language` is that of the text, English where None is given; `score` the probability of that, None where it is
        given for certain.
        """
        codes = code_points(text)
        key = language or NO_LANGUAGE, language != UNKNOWN and is_sure(score), script_of_text(codes)
        known = self._languages.get(key) or self._add_language(*key)
        passes: list[list[float]] = [[], [], []]
        passes[0], left = self._measure(codes, known, self._first)
        edited = passes[0]
        if self._second:
            passes[1], left = self._measure(codes, known, self._second)
            edited = passes[1]
        if self._third:
            passes[2], _ = self._measure(codes if left is None else left, known, self._third)
        signals: dict[str, float | None] = {name: passes[which][place] for name, which, place in self._wanted}
        edits: Counter[str] = Counter()
        if "c4" in self._settings.rules:
            if left is not None:
                edits = _edits(edited)
            bad_words = known.bad_words
            signals[f"c4.{_C4_WORDS}"] = (
                None if bad_words is None else float(bad_words.count(text if left is None else text_of(left)))
            )
        known.fit.silence(signals, passes[self._quality][measure.COMMONEST_WORDS] if self._judges_quality else 0.0)
        return Read(signals, left, edits)

    def _measure(
        self, codes: npt.NDArray[np.uint32], known: _Language, families: int
    ) -> tuple[list[float], npt.NDArray[np.uint32] | None]:
        wanted = Wanted(families, known.stop_words, self._settings.fineweb.short_line_length, self._line_rules)
        return self._measurer.measure(codes, known.boundaries, wanted)

    def _add_language(self, language: str, is_sure: bool, script: str) -> _Language:
        words = find({**default_stop_words(), **self._settings.gopher_quality.stop_words}, language) or []
        path = find(self._settings.c4.bad_words, language)
        fit = fit_of(language, is_sure, script, words)
        known = self._languages[language, is_sure, script] = _Language(
            boundaries_of(language if is_sure else UNKNOWN, script),
            Table.of_groups(map(forms, words)),
            load_bad_words(path, boundaries_of(language).is_spaced) if path else None,
            fit,
        )
        return known


def _edits(values: list[float]) -> Counter[str]:
    found = {f"c4_{reason}": int(values[_FIRST_REMOVED + place]) for place, reason in enumerate(lines.REMOVED)}
    found["c4_citations"] = int(values[_CITATIONS])
    return Counter({edit: number for edit, number in found.items() if number})
