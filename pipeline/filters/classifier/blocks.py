"""The classifier as a datatrove block."""

from __future__ import annotations

from datatrove.data import DocumentsPipeline
from datatrove.pipeline.writers.disk_base import DiskWriter
from datatrove.utils.typeshelper import StatHints

from pipeline.documents.schema import Block
from pipeline.filters.classifier.settings import ClassifierSettings
from pipeline.filters.classifier.signals import Classifier, classifier_comparisons


class ClassifierFilter(Block):
    """Keep the documents that the settings' model and rule keep.

    Reasons: `classifier_low_score` (value: the score) and `classifier_pareto` (value: the margin). A document's
    `language` metadata says whether the model judges it; one that it does not judge is kept.
    """

    type = "filter"
    name = "classifier"

    def __init__(self, settings: ClassifierSettings, exclusion_writer: DiskWriter | None = None) -> None:
        super().__init__(exclusion_writer)
        self._classifier = Classifier(settings)
        (self._comparison,) = classifier_comparisons(settings)
        self._signal = self._comparison["signal"].partition(".")[2]

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        with self.excluding(rank):
            for document in data or ():
                self.stat_update(StatHints.total)
                with self.track_time():
                    signals = self._classifier.signals(document.text, document.id, document.metadata.get("language"))
                value = getattr(signals, self._signal)
                if value is not None and value < self._comparison["threshold"]:
                    self.drop(document, self._comparison["reason"], value)
                    continue
                self.stat_update(StatHints.forwarded)
                self.update_doc_stats(document)
                yield document
