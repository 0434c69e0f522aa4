"""datatrove's own filters as the rules are compared with them."""

from __future__ import annotations

from typing import Any

from pipeline.filters.settings import FilterSettings, RuleName
from pipeline.filters.stop_words import default_stop_words


def datatrove_filter(rule: RuleName, language: str) -> Any:
    """datatrove's filter with the rule's default thresholds, for texts of a language (ISO 639-1).

    What it is told: the language's stop words (it knows Gopher's English ones), no terminal punctuation for C4 (as
    FineWeb has it), the paper's 0.1 of duplicate-line characters for FineWeb.
    """
    from datatrove.pipeline.filters.c4_filters import C4QualityFilter
    from datatrove.pipeline.filters.fineweb_quality_filter import FineWebQualityFilter
    from datatrove.pipeline.filters.gopher_quality_filter import GopherQualityFilter
    from datatrove.pipeline.filters.gopher_repetition_filter import GopherRepetitionFilter

    if rule == "c4":
        return C4QualityFilter(filter_no_terminal_punct=False, language=language)
    if rule == "fineweb":
        return FineWebQualityFilter(char_duplicates_ratio=0.1, language=language)
    if rule == "gopher_repetition":
        return GopherRepetitionFilter(language=language)
    return GopherQualityFilter(stop_words=default_stop_words()[language], language=language)


def settings_of(rule: RuleName) -> FilterSettings:
    """The settings of one rule by itself."""
    return FilterSettings(rules=[rule])
