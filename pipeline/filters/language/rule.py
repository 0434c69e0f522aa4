"""The decision by language: its signals, and the comparisons that must hold for a document to be kept."""

from __future__ import annotations

from typing import Any

from pipeline.filters.language.model import Language, LanguageModel, load_language_model
from pipeline.filters.language.settings import LanguageSettings

REASON = "language"
IS_WANTED = "language.is_wanted"
SCORE = "language.score"


class LanguageRule:
    """The settings as they are asked of every document. `model` is that of the settings, loaded.

    A code without a script stands for all scripts of the language that the model tells apart, but where the settings
    name one of those itself.
    """

    def __init__(self, settings: LanguageSettings, model: LanguageModel | None = None) -> None:
        codes = (model or load_language_model(settings.language_model)).codes
        self.wanted = frozenset(_spread(dict.fromkeys(settings.languages, 0.0), codes))
        self.threshold = settings.language_threshold if settings.languages else 0.0
        self.thresholds = _spread(settings.language_thresholds, codes)
        self._setting = "language_threshold" if settings.languages else "language_thresholds"

    def keeps(self, language: Language) -> bool:
        """Whether a document in this language stays.

        Where no languages are listed all are wanted, and only thresholds of a language's own are asked of it.
        """
        if self.wanted and language.code not in self.wanted:
            return False
        return language.score >= self.thresholds.get(language.code, self.threshold)

    def signals(self, language: Language) -> dict[str, float | None]:
        """`language.is_wanted`: 1 or 0, None where no languages are listed. `language.score`: of the label."""
        wanted = float(language.code in self.wanted) if self.wanted else None
        return {IS_WANTED: wanted, SCORE: language.score}

    def comparisons(self) -> list[dict[str, Any]]:
        """The comparisons as a manifest states them, in the order in which they are asked."""
        found: list[dict[str, Any]] = []
        if self.wanted:
            found.append(_comparison(IS_WANTED, "languages", 1.0))
        if self.wanted or self.thresholds:
            score = _comparison(SCORE, self._setting, self.threshold)
            found.append(score | ({"by_language": dict(sorted(self.thresholds.items()))} if self.thresholds else {}))
        return found


def language_signals(
    language: Language, settings: LanguageSettings, model: LanguageModel | None = None
) -> dict[str, float | None]:
    """`LanguageRule.signals` of settings. For many documents make the rule once."""
    return LanguageRule(settings, model).signals(language)


def language_comparisons(settings: LanguageSettings, model: LanguageModel | None = None) -> list[dict[str, Any]]:
    """`LanguageRule.comparisons` of settings."""
    return LanguageRule(settings, model).comparisons()


def _comparison(signal: str, setting: str, threshold: float) -> dict[str, Any]:
    return {"reason": REASON, "signal": signal, "must_be": "at_least", "setting": setting, "threshold": threshold}


def _spread(values: dict[str, float], codes: frozenset[str]) -> dict[str, float]:
    """The values by every code of the model: `sr` speaks for `sr-Latn`, too, which may speak for itself."""
    spread = {code: values[base] for code in sorted(codes) if (base := code.partition("-")[0]) in values}
    return spread | values
