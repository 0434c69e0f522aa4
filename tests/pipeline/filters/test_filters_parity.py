"""Keep or drop as datatrove's own filters do, on real pages, each by itself; `bench filters` takes all pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from datatrove.data import Document

from pipeline.filters.rules import judge
from pipeline.filters.settings import RULE_NAMES, FilterSettings, RuleName
from pipeline.filters.text.measurer import code_points
from pipeline.filters.text.scripts import script_of_text
from tests.pipeline.filters.datatrove_filters import datatrove_filter, settings_of
from tests.pipeline.filters.filter_pages import Page, load_pages


# Pages of each collection; datatrove reads some 50 a second.
@pytest.fixture(scope="module", params=[50, pytest.param(120, marks=pytest.mark.slow)])
def pages(shared_data: Path, request: pytest.FixtureRequest) -> list[Page]:
    pages = load_pages(shared_data / "web" / "waddle-daniel", {"en"}, request.param)
    # Nearly all of this collection's first pages are German; the rules ask some measures of Latin letters alone.
    pages += [
        page._replace(language="de") for page in load_pages(shared_data / "web" / "trafilatura", {None}, request.param)
    ]
    return [page for page in pages if script_of_text(code_points(page.text)) == "Latn"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("rule", RULE_NAMES)
def test_agrees_with_datatrove(rule: RuleName, pages: list[Page]) -> None:
    pytest.importorskip("spacy", reason="datatrove splits words with spacy: pip install spacy (extra `bench`)")
    settings: FilterSettings = settings_of(rule)
    theirs = {language: datatrove_filter(rule, language) for language in ("en", "de")}
    disagreements = []
    num_dropped = 0
    for page in pages:
        assert page.language is not None
        document = Document(text=page.text, id=page.name)
        result = theirs[page.language].filter(document)
        reason = None if result is True else result[1]
        ours = judge(page.text, page.language, settings)
        num_dropped += reason is not None
        if (reason is None) != (ours.verdict is None):
            disagreements.append((page.name, reason, ours.verdict))
        elif ours.verdict is None and ours.text != document.text:
            disagreements.append((page.name, "text", None))
    print(f"{rule}: {len(pages)} pages, datatrove drops {num_dropped}, disagreements: {disagreements}")
    assert num_dropped
    assert len(disagreements) <= 0.01 * len(pages)
