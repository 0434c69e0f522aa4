"""The decision by language: its signals, and the comparisons that must hold for a document to be kept."""

from __future__ import annotations

from manifests.comparison import Comparison, first_broken
from pipeline.filters.judgement import Verdict
from pipeline.filters.language.model import Language, LanguageModel, load_language_model
from pipeline.filters.language.settings import LanguageSettings

REASON = "language"
IS_WANTED = "language.is_wanted"
SCORE = "language.score"


class LanguageRule:
    """The language settings, ready to judge; `comparisons` are asked in their order.

    `model` is that of the settings, loaded. A code without a script stands for all scripts of the language that the
    model tells apart, except for a script that the settings name themselves. Where no languages are listed all are
    wanted, and the score is compared with the languages' own thresholds only.
    """

    def __init__(self, settings: LanguageSettings, model: LanguageModel | None = None) -> None:
        codes = (model or load_language_model(settings.language_model)).codes
        self._wanted = frozenset(_spread(dict.fromkeys(settings.languages, 0.0), codes))
        by_language = dict(sorted(_spread(settings.language_thresholds, codes).items()))
        threshold, setting = settings.language_threshold, "language_threshold"
        if not self._wanted:
            threshold, setting = 0.0, "language_thresholds"
        found = []
        if self._wanted:
            found.append(Comparison(REASON, IS_WANTED, "at_least", "languages", 1.0))
        if self._wanted or by_language:
            found.append(Comparison(REASON, SCORE, "at_least", setting, threshold, by_language or None))
        self.comparisons = tuple(found)

    def signals(self, language: Language) -> dict[str, float | None]:
        """`language.is_wanted`: 1 or 0, None where no languages are listed. `language.score`: of the label."""
        wanted = float(language.code in self._wanted) if self._wanted else None
        return {IS_WANTED: wanted, SCORE: language.score}

    def verdict(self, language: Language) -> Verdict | None:
        """Why a document in this language is dropped; None where it is kept."""
        broken = first_broken(self.comparisons, self.signals(language), language.code)
        return None if broken is None else refusal(language)


def refusal(language: Language) -> Verdict:
    """The verdict on a document that its language drops: its value is the score, its detail the label."""
    return Verdict(REASON, language.score, language.code)


def _spread(values: dict[str, float], codes: frozenset[str]) -> dict[str, float]:
    """The values by every code of the model: `sr` speaks for `sr-Latn`, too, which may speak for itself."""
    spread = {code: values[base] for code in sorted(codes) if (base := code.partition("-")[0]) in values}
    return spread | values
