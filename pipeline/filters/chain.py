"""Everything that judges the documents of one source: signals of all parts first, then one decision.

The first comparison that does not hold is the reason of a drop: URL rules, language, rules on the text in the recipe's
order, quality classifier. Personal data is replaced in texts that are kept.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from datatrove.data import Document

from pipeline.filters.classifier.signals import Classifier, classifier_comparisons
from pipeline.filters.language import (
    Language,
    LanguageRule,
    check_languages,
    identify_languages,
    load_language_model,
)
from pipeline.filters.language.rule import IS_WANTED, SCORE
from pipeline.filters.language.rule import REASON as LANGUAGE
from pipeline.filters.pii.redact import redact
from pipeline.filters.rules import Judge, comparisons
from pipeline.filters.settings import FilterSettings
from pipeline.filters.signals import signal_names
from pipeline.filters.urls.rule import SIGNALS as URL_SIGNALS
from pipeline.filters.urls.rule import ListFacts, compile_url_rule


@dataclass(frozen=True)
class Decision:
    """What became of a document, and why.

    text: as it goes on where it is kept. reason, value, detail: of the drop; None where it is kept. edits: lines and
    personal data that went from a kept text, by name. signals: by `<rule>.<signal>`. languages: the likeliest, best
    first.
    """

    text: str
    reason: str | None
    value: float | None
    detail: str | None
    signals: dict[str, float | None]
    languages: list[Language]
    edits: Counter[str] = field(default_factory=Counter)


class Chain:
    """The settings of one source, ready to judge. Paths in them must be absolute, or relative to the current folder.

    Raises `UserError` for a list or model that cannot be read.
    """

    def __init__(self, settings: FilterSettings) -> None:
        check_languages(settings, settings.language_model)
        self.settings = settings
        self._urls = compile_url_rule(settings.urls)
        self._model = load_language_model(settings.language_model)
        self._language = LanguageRule(settings, self._model)
        self._judge = Judge(settings)
        self._classifier = Classifier(settings.classifier) if settings.classifier.model else None
        self._comparisons = [
            (item["reason"], item["signal"], item["must_be"] == "at_least", item["threshold"], item.get("by_language"))
            for item in self.comparisons()
        ]

    def comparisons(self) -> list[dict[str, Any]]:
        """What must hold, in the order in which it is asked: see `docs/formats.md`."""
        return [
            *self._urls.comparisons(),
            *self._language.comparisons(),
            *comparisons(self.settings),
            *classifier_comparisons(self.settings.classifier),
        ]

    def signal_names(self) -> list[str]:
        """Names of the signals of a document, in the order of their columns."""
        names = [*URL_SIGNALS, IS_WANTED, SCORE, *signal_names(self.settings)]
        return [*names, "classifier.score", "classifier.pareto_margin"] if self._classifier else names

    def unread_url(self, document: Document, decision: Decision) -> str | None:
        """Why no list could be asked about a document: `no_url` or `unreadable_url`; None where all were."""
        return self._urls.unread(document.metadata.get("url"), decision.signals)

    def asks_urls(self) -> bool:
        """Whether anything is refused by its URL."""
        return bool(self._urls.comparisons())

    def lists(self) -> list[ListFacts]:
        """What was read from the files of the URL lists."""
        return self._urls.lists

    def decide(self, document: Document) -> Decision:
        """Judge a document; it is not changed."""
        text, url = document.text, document.metadata.get("url")
        signals, url_details = self._urls.look(url)
        languages = identify_languages(text, model=self._model)
        language = languages[0]
        judged = self._judge(text, language.code)
        signals = {**signals, **self._language.signals(language), **judged.signals}
        if self._classifier is not None:
            quality = self._classifier.signals(text, document.id, language.code)
            signals |= {"classifier.score": quality.score, "classifier.pareto_margin": quality.pareto_margin}
        for reason, signal, is_least, threshold, by_language in self._comparisons:
            value = signals[signal]
            limit = by_language.get(language.code, threshold) if by_language else threshold
            if value is None or (value >= limit if is_least else value <= limit):
                continue
            if reason == LANGUAGE:
                return Decision(text, reason, language.score, language.code, signals, languages)
            return Decision(text, reason, value, url_details.get(reason), signals, languages)
        kept, edits = judged.text, Counter(judged.edits)
        if self.settings.pii.enabled:
            redacted = redact(kept, self.settings.pii, language.code, url)
            kept = redacted.text
            edits.update(redacted.counts)
        return Decision(kept, None, None, None, signals, languages, edits)
