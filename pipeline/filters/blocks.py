"""The rules as datatrove blocks."""

from __future__ import annotations

from datatrove.data import DocumentsPipeline
from datatrove.pipeline.writers.disk_base import DiskWriter
from datatrove.utils.typeshelper import StatHints

from pipeline.documents.schema import Block
from pipeline.filters.rules import Judgement, Verdict, judge
from pipeline.filters.settings import FilterSettings, RuleName


class RuleFilter(Block):
    """Keep the documents that pass every rule of the settings, in their order.

    A document's `language` metadata says how its words are found. A kept document's text may have lost lines (C4);
    how many lines went, for which reason, is counted in the statistics. A dropped document keeps the text it came with,
    and goes to the exclusion writer with `filter_reason` and `filter_value` in its metadata.
    """

    type = "filter"
    name = "rules"

    def __init__(self, settings: FilterSettings | None = None, exclusion_writer: DiskWriter | None = None) -> None:
        super().__init__(exclusion_writer)
        self.settings = settings or FilterSettings()

    def judge(self, text: str, language: str | None = None) -> Judgement:
        """The decision on a text, and the text as it would go on."""
        return judge(text, language, self.settings)

    def check(self, text: str, language: str | None = None) -> Verdict | None:
        """Why a text would be dropped; None where it would be kept."""
        return self.judge(text, language).verdict

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        with self.excluding(rank):
            for document in data or ():
                self.stat_update(StatHints.total)
                with self.track_time():
                    judgement = self.judge(document.text, document.metadata.get("language"))
                if judgement.verdict is not None:
                    self.drop(document, *judgement.verdict)
                    continue
                if judgement.text != document.text:
                    document.text = judgement.text
                    self.stat_update("edited")
                    for edit, number in sorted(judgement.edits.items()):
                        self.stat_update(f"edited_{edit}", value=number)
                self.stat_update(StatHints.forwarded)
                self.update_doc_stats(document)
                yield document


class _OneRule(RuleFilter):
    rule: RuleName

    def __init__(self, settings: FilterSettings | None = None, exclusion_writer: DiskWriter | None = None) -> None:
        super().__init__((settings or FilterSettings()).model_copy(update={"rules": [self.rule]}), exclusion_writer)


class GopherRepetitionFilter(_OneRule):
    """Only Gopher's repetition rules."""

    name = rule = "gopher_repetition"


class GopherQualityFilter(_OneRule):
    """Only Gopher's quality rules."""

    name = rule = "gopher_quality"


class C4Filter(_OneRule):
    """Only C4's rules; removes lines."""

    name = rule = "c4"


class FineWebFilter(_OneRule):
    """Only FineWeb's own rules."""

    name = rule = "fineweb"
