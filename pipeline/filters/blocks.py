"""The rules as datatrove blocks."""

from __future__ import annotations

from collections.abc import Callable

from datatrove.data import Document
from datatrove.pipeline.writers.disk_base import DiskWriter

from pipeline.filters.base import FilterBlock
from pipeline.filters.judgement import Judgement, Verdict
from pipeline.filters.rules import judge
from pipeline.filters.settings import FilterSettings, RuleName


class RuleFilter(FilterBlock):
    """Keep the documents that pass every rule of the settings, in their order.

    A document's `language` metadata says how its words are found. A kept document's text may have lost lines (C4).
    """

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

    def judge_of_run(self) -> Callable[[Document], Judgement]:
        return lambda document: self.judge(document.text, document.metadata.get("language"))


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
