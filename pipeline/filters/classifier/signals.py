"""The classifier's signals of a document, and the comparison that decides by them."""

from __future__ import annotations

from manifests.comparison import Comparison
from manifests.draws import fraction
from pipeline.filters.classifier.features import Hasher
from pipeline.filters.classifier.model import Model, load_model, score
from pipeline.filters.classifier.settings import ClassifierSettings

SCORE = "classifier.score"
MARGIN = "classifier.pareto_margin"
SIGNALS = (SCORE, MARGIN)
REASONS = ("classifier_low_score", "classifier_pareto")  # of the rules threshold and pareto


class Classifier:
    """A loaded model with the settings that it is used by; `comparisons` has the one that decides.

    Raises `UserError` as `load_model` does.
    """

    def __init__(self, settings: ClassifierSettings) -> None:
        assert settings.model is not None
        self.settings = settings
        self.model: Model = load_model(settings.model)
        self._hasher: Hasher = self.model.hasher()
        if settings.rule == "pareto":
            setting, margin = "classifier.min_pareto_margin", settings.min_pareto_margin
            found = Comparison("classifier_pareto", MARGIN, "at_least", setting, margin)
        else:
            found = Comparison("classifier_low_score", SCORE, "at_least", "classifier.min_score", settings.min_score)
        self.comparisons = (found,)

    def signals(self, text: str, document_id: str, language: str | None = None) -> dict[str, float | None]:
        """`classifier.score`: probability of the positive side. `classifier.pareto_margin`: draw minus (1 - score).

        Both are None for a text without a word, or in a language that the model was not trained for. `language`: the
        document's ISO 639-1 code; where it is None the text is judged whatever the model was trained for.
        """
        languages = self.model.languages
        found = None
        if not languages or language is None or language in languages:
            found = score(self.model, self._hasher, text)
        if found is None:
            return dict.fromkeys(SIGNALS)
        draw = pareto_draw(document_id, self.settings.seed, self.settings.pareto_alpha)
        return {SCORE: found, MARGIN: draw - (1.0 - found)}


def pareto_draw(document_id: str, seed: int, alpha: float) -> float:
    """A number from a Pareto distribution as `numpy.random.pareto(alpha)` draws it (Lomax: the least is 0), decided by
    the seed and the id: P(draw > x) = (1 + x) ** -alpha.
    """
    return float((1.0 - fraction("classifier", seed, document_id)) ** (-1.0 / alpha) - 1.0)


def digests(settings: ClassifierSettings) -> dict[str, str]:
    """What a fingerprint must have besides the settings: the digest of the model's file. Its path is no part of it."""
    return {} if settings.model is None else {"classifier_model": load_model(settings.model).sha256}
