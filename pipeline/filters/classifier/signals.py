"""What the classifier says of a document, and what is decided by it."""

from __future__ import annotations

from typing import Any, NamedTuple

import xxhash

from pipeline.filters.classifier.features import Hasher
from pipeline.filters.classifier.model import Model, load_model, score
from pipeline.filters.classifier.settings import ClassifierSettings

_TWO_64 = float(2**64)


class ClassifierSignals(NamedTuple):
    """`score`: probability of the positive side. `pareto_margin`: the document's draw minus (1 - score); GPT-3's rule
    keeps what is above 0. Both are None for a text without a word, or in a language the model was not trained for.
    """

    score: float | None
    pareto_margin: float | None


class Classifier:
    """A loaded model with the settings that it is used by. Raises `UserError` as `load_model` does."""

    def __init__(self, settings: ClassifierSettings) -> None:
        assert settings.model is not None
        self.settings = settings
        self.model: Model = load_model(settings.model)
        self._hasher: Hasher = self.model.hasher()

    def signals(self, text: str, document_id: str, language: str | None = None) -> ClassifierSignals:
        """language: the document's ISO 639-1 code; None is judged whatever the model was trained for."""
        languages = self.model.languages
        if languages and language is not None and language not in languages:
            return ClassifierSignals(None, None)
        found = score(self.model, self._hasher, text)
        if found is None:
            return ClassifierSignals(None, None)
        draw = pareto_draw(document_id, self.settings.seed, self.settings.pareto_alpha)
        return ClassifierSignals(found, draw - (1.0 - found))


def classifier_signals(
    text: str, document_id: str, language: str | None, settings: ClassifierSettings
) -> ClassifierSignals:
    """The signals of one document; for many, make one `Classifier`."""
    return Classifier(settings).signals(text, document_id, language)


def pareto_draw(document_id: str, seed: int, alpha: float) -> float:
    """A number from a Pareto distribution as `numpy.random.pareto(alpha)` draws it (Lomax: the least is 0), decided by
    a hash of the id: P(draw > x) = (1 + x) ** -alpha.
    """
    uniform = xxhash.xxh3_64_intdigest(f"classifier\0{seed}\0{document_id}".encode("utf-8", "replace")) / _TWO_64
    return float((1.0 - min(uniform, 1.0 - 2.0**-53)) ** (-1.0 / alpha) - 1.0)


def classifier_comparisons(settings: ClassifierSettings) -> list[dict[str, Any]]:
    """The comparison that the settings decide by, as a stage's manifest states it; none where there is no model."""
    if settings.model is None:
        return []
    if settings.rule == "pareto":
        reason, signal, setting = "classifier_pareto", "classifier.pareto_margin", "min_pareto_margin"
    else:
        reason, signal, setting = "classifier_low_score", "classifier.score", "min_score"
    return [
        {
            "reason": reason,
            "signal": signal,
            "must_be": "at_least",
            "setting": f"classifier.{setting}",
            "threshold": float(getattr(settings, setting)),
        }
    ]


def digests(settings: ClassifierSettings) -> dict[str, str]:
    """What a fingerprint must have besides the settings: the digest of the model's file. Its path is no part of it."""
    return {} if settings.model is None else {"classifier_model": load_model(settings.model).sha256}
