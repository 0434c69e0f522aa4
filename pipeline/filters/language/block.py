"""The decision by language as a datatrove block."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.writers.disk_base import DiskWriter

from pipeline.filters.base import FilterBlock
from pipeline.filters.judgement import Judgement, Verdict
from pipeline.filters.language.identify import identify_language
from pipeline.filters.language.model import Language, load_language_model
from pipeline.filters.language.rule import LanguageRule
from pipeline.filters.language.settings import LanguageSettings, check_languages


class LanguageFilter(FilterBlock):
    """Label every document with `language` and `language_score`, and keep those in the wanted languages.

    A document is dropped for `language` where its label is not among `settings.languages` or its score is below the
    threshold; the value of the drop is the score, its detail the label. No language named keeps all, whatever the
    score, but for languages with a threshold of their own. `model`: path of the settings' model where that is relative
    to another folder. Raises `UserError` for a language that the model does not know.
    """

    name = "language"

    def __init__(
        self,
        settings: LanguageSettings | None = None,
        model: str | Path | None = None,
        exclusion_writer: DiskWriter | None = None,
    ) -> None:
        super().__init__(exclusion_writer)
        self.settings = settings or LanguageSettings()
        self._path = model or self.settings.language_model
        check_languages(self.settings, self._path)
        self._rule = LanguageRule(self.settings, load_language_model(self._path))

    def verdict(self, language: Language) -> Verdict | None:
        """Why a document in this language would be dropped; None where it would be kept."""
        return self._rule.verdict(language)

    def judge_of_run(self) -> Callable[[Document], Judgement]:
        model = load_language_model(self._path)

        def judge(document: Document) -> Judgement:
            language = identify_language(document.text, model)
            document.metadata.update(language=language.code, language_score=language.score)
            return Judgement(document.text, self._rule.verdict(language))

        return judge
