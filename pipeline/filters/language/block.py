"""The decision by language as a datatrove block."""

from __future__ import annotations

from pathlib import Path

from datatrove.data import DocumentsPipeline
from datatrove.pipeline.writers.disk_base import DiskWriter
from datatrove.utils.typeshelper import StatHints

from pipeline.documents.schema import Block
from pipeline.filters.language.identify import identify_language
from pipeline.filters.language.model import Language, load_language_model
from pipeline.filters.language.rule import REASON, LanguageRule
from pipeline.filters.language.settings import LanguageSettings, check_languages


class LanguageFilter(Block):
    """Label every document with `language` and `language_score`, and keep those in the wanted languages.

    A document is dropped for `language` where its label is not among `settings.languages` or its score is below the
    threshold; the value of the drop is the score, its detail the label. No language named keeps all, whatever the
    score, but for languages with a threshold of their own. `model`: path of the settings' model where that is relative
    to another folder. Raises `UserError` for a language that the model does not know.
    """

    type = "filter"
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

    def keeps(self, language: Language) -> bool:
        """Whether a document in this language stays."""
        return self._rule.keeps(language)

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        model = load_language_model(self._path)  # not kept in the block, which travels to other processes
        with self.excluding(rank):
            for document in data or ():
                self.stat_update(StatHints.total)
                with self.track_time():
                    language = identify_language(document.text, model)
                document.metadata["language"] = language.code
                document.metadata["language_score"] = language.score
                if not self.keeps(language):
                    self.drop(document, REASON, language.score, language.code)
                    continue
                self.stat_update(StatHints.forwarded)
                self.update_doc_stats(document)
                yield document
