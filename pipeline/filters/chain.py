"""Everything that judges the documents of one source: signals of all parts first, then one decision.

The first comparison that does not hold is the reason of a drop: URL rules, type of page, language, rules on the text in
the recipe's order, quality classifier, and last the user's own rule. Personal data is replaced in texts that are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from datatrove.data import Document

from manifests.comparison import Comparison, first_broken
from pipeline.filters.classifier.signals import SIGNALS as CLASSIFIER_SIGNALS
from pipeline.filters.classifier.signals import Classifier
from pipeline.filters.custom.rule import CustomRule
from pipeline.filters.judgement import Judgement, Verdict
from pipeline.filters.language import Language, LanguageRule, check_languages, identify_languages, load_language_model
from pipeline.filters.language.rule import IS_WANTED, SCORE, refusal
from pipeline.filters.language.rule import REASON as LANGUAGE
from pipeline.filters.pii.redact import redact
from pipeline.filters.rules import comparisons
from pipeline.filters.settings import FilterSettings
from pipeline.filters.signals import Read, Reader, signal_names
from pipeline.filters.urls.rule import SIGNALS as URL_SIGNALS
from pipeline.filters.urls.rule import ListFacts, compile_url_rule

_PAGE_TYPE = "page_type"  # the reason, and the column
_PAGE_IS_WANTED = "page_type.is_wanted"  # 1 or 0; None where no types are listed, and of what is no page


@dataclass(frozen=True)
class Decision(Judgement):
    """What became of a document; `languages` are the likeliest ones, best first."""

    languages: list[Language] = field(default_factory=list)


class _Looked(NamedTuple):
    """What is known of a document before anything is decided about it."""

    signals: dict[str, float | None]
    url_details: Mapping[str, str]
    languages: list[Language]
    read: Read | None  # None where no rule judges texts


class Chain:
    """The settings of one source, ready to judge; `comparisons` are asked in their order (docs/formats.md).

    Paths in the settings must be absolute, or relative to the current folder. Raises `UserError` for a list, model or
    module that cannot be read, and for a module that no longer has the sha256 `custom_digest`.
    """

    def __init__(self, settings: FilterSettings, custom_digest: str | None = None) -> None:
        check_languages(settings, settings.language_model)
        self.settings = settings
        self._urls = compile_url_rule(settings.urls)
        self._model = load_language_model(settings.language_model)
        self._language = LanguageRule(settings, self._model)
        self._reader = Reader(settings) if settings.rules else None
        self._classifier = Classifier(settings.classifier) if settings.classifier.model else None
        self._custom = CustomRule(settings.custom, custom_digest) if settings.custom.module else None
        self.comparisons = (
            *self._urls.comparisons,
            *([Comparison(_PAGE_TYPE, _PAGE_IS_WANTED, "at_least", "page_types", 1.0)] if settings.page_types else []),
            *self._language.comparisons,
            *comparisons(settings),
            *(self._classifier.comparisons if self._classifier else ()),
            *(self._custom.comparisons if self._custom else ()),
        )

    def signal_names(self) -> list[str]:
        """Names of the signals of a document, in the order of their columns."""
        return [
            *URL_SIGNALS,
            *([_PAGE_IS_WANTED] if self.settings.page_types else []),
            *(IS_WANTED, SCORE),
            *signal_names(self.settings),
            *(CLASSIFIER_SIGNALS if self._classifier else ()),
            *(self._custom.signal_names if self._custom else ()),
        ]

    def unread_url(self, document: Document, decision: Decision) -> str | None:
        """Why no list could be asked about a document: `no_url` or `unreadable_url`; None where all were."""
        return self._urls.unread(document.metadata.get("url"), decision.signals)

    def asks_urls(self) -> bool:
        """Whether anything is refused by its URL."""
        return bool(self._urls.comparisons)

    def lists(self) -> list[ListFacts]:
        """What was read from the files of the URL lists."""
        return self._urls.lists

    def compile(self) -> None:
        """Compile what judging needs compiled. The user's module is not called."""
        self._look(Document(text="These words are for the compiler.", id="", metadata={}))

    def decide(self, document: Document) -> Decision:
        """Judge a document; it is not changed. Raises `UserError` for what the user's module does wrong."""
        text = document.text
        signals, url_details, languages, read = self._look(document)
        language = languages[0]
        if self._custom is not None:
            signals |= self._custom.signals(document, signals, language)
        broken = first_broken(self.comparisons, signals, language.code)
        if broken is not None:
            detail = document.metadata[_PAGE_TYPE] if broken.reason == _PAGE_TYPE else url_details.get(broken.reason)
            verdict = refusal(language) if broken.reason == LANGUAGE else Verdict.of(broken, signals, detail)
            return Decision(text, verdict, signals=signals, languages=languages)
        kept, edits = (text, Counter[str]()) if read is None else (read.text(text), Counter(read.edits))
        if self.settings.pii.enabled:
            redacted = redact(kept, self.settings.pii, language.code, document.metadata.get("url"))
            kept = redacted.text
            edits.update(redacted.counts)
        return Decision(kept, None, edits, signals, languages)

    def _look(self, document: Document) -> _Looked:
        text = document.text
        signals, url_details = self._urls.look(document.metadata.get("url"))
        if self.settings.page_types:
            page_type = document.metadata.get(_PAGE_TYPE)
            signals |= {_PAGE_IS_WANTED: None if page_type is None else float(page_type in self.settings.page_types)}
        languages = identify_languages(text, model=self._model)
        language = languages[0]
        signals |= self._language.signals(language)
        read = None
        if self._reader is not None:
            read = self._reader.read(text, language.code, language.score)
            signals |= read.signals
        if self._classifier is not None:
            signals |= self._classifier.signals(text, document.id, language.code)
        return _Looked(signals, url_details, languages, read)
