"""The classifier as a datatrove block."""

from __future__ import annotations

from collections.abc import Callable

from datatrove.data import Document
from datatrove.pipeline.writers.disk_base import DiskWriter

from manifests.comparison import first_broken
from pipeline.filters.base import FilterBlock
from pipeline.filters.classifier.settings import ClassifierSettings
from pipeline.filters.classifier.signals import Classifier
from pipeline.filters.judgement import Judgement, Verdict


class ClassifierFilter(FilterBlock):
    """Keep the documents that the settings' model and rule keep.

    Reasons: `classifier_low_score` (value: the score) and `classifier_pareto` (value: the margin). A document's
    `language` metadata says whether the model judges it; one that it does not judge is kept.
    """

    name = "classifier"

    def __init__(self, settings: ClassifierSettings, exclusion_writer: DiskWriter | None = None) -> None:
        super().__init__(exclusion_writer)
        self._classifier = Classifier(settings)

    def judge_of_run(self) -> Callable[[Document], Judgement]:
        def judge(document: Document) -> Judgement:
            signals = self._classifier.signals(document.text, document.id, document.metadata.get("language"))
            broken = first_broken(self._classifier.comparisons, signals)
            return Judgement(document.text, None if broken is None else Verdict.of(broken, signals), signals=signals)

        return judge
