"""Keep or drop as datatrove's own filters do, on real pages, each filter for itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datatrove.data import Document

from pipeline.filters.rules import judge
from pipeline.filters.settings import RULE_NAMES, FilterSettings
from tests.pipeline.filter_pages import Page, load_pages

NUM_PAGES = 120  # of each collection; datatrove reads some 50 a second


@pytest.fixture(scope="module")
def pages(shared_data: Path) -> list[Page]:
    pages = load_pages(shared_data / "web" / "waddle-daniel", {"en"}, NUM_PAGES)
    pages += load_pages(shared_data / "web" / "trafilatura", {None}, NUM_PAGES)
    return [page for page in pages if page.text.strip()]


def datatrove_filter(rule: str) -> Any:
    pytest.importorskip("spacy", reason="datatrove splits words with spacy: pip install spacy (extra `bench`)")
    from datatrove.pipeline.filters.c4_filters import C4QualityFilter
    from datatrove.pipeline.filters.fineweb_quality_filter import FineWebQualityFilter
    from datatrove.pipeline.filters.gopher_quality_filter import GopherQualityFilter
    from datatrove.pipeline.filters.gopher_repetition_filter import GopherRepetitionFilter

    if rule == "c4":
        return C4QualityFilter(filter_no_terminal_punct=False)
    if rule == "fineweb":
        return FineWebQualityFilter(char_duplicates_ratio=0.1)
    return GopherRepetitionFilter() if rule == "gopher_repetition" else GopherQualityFilter()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("rule", RULE_NAMES)
def test_agrees_with_datatrove(rule: str, pages: list[Page]) -> None:
    theirs = datatrove_filter(rule)
    settings = FilterSettings(rules=[rule])  # type: ignore[list-item]
    disagreements = []
    num_dropped = 0
    for page in pages:
        document = Document(text=page.text, id=page.name)
        result = theirs.filter(document)
        reason = None if result is True else result[1]
        ours = judge(page.text, "en", settings)
        num_dropped += reason is not None
        if (reason is None) != (ours.verdict is None):
            disagreements.append((page.name, reason, ours.verdict))
        elif ours.verdict is None and ours.text != document.text:
            disagreements.append((page.name, "text", None))
    print(f"{rule}: {len(pages)} pages, datatrove drops {num_dropped}, disagreements: {disagreements}")
    assert num_dropped
    assert len(disagreements) <= 0.01 * len(pages)
