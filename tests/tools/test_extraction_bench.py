"""The extraction bench: word scores against values by hand, and its table by page type from pages of our own."""

from __future__ import annotations

import pytest

from bench import extraction, extractors
from bench.extraction_data import GoldPage, word_score
from pipeline.documents.page_types import PAGE_TYPES


def _page(number: int, gold: str, wanted: tuple[str, ...] = (), unwanted: tuple[str, ...] = ()) -> GoldPage:
    kind = PAGE_TYPES[number % len(PAGE_TYPES)]
    file = extraction._EXAMPLES[number] if number < len(PAGE_TYPES) else f"{number}.html"
    return GoldPage("wcxb-dev", file, f"site{number}.example", None, gold, gold, wanted, unwanted, None, kind)


def test_word_score() -> None:
    pages = [
        _page(0, "One two, two three!", ("TWO", "three four"), ("Subscribe",)),
        _page(1, "naïve_user 3.5", (), ("log in", "menu")),
    ]
    found = word_score(pages, ["one two four", "Naïve user 3 5 Menu"])
    # 2 common words of 4 wanted and 3 found; 4 of 4 and 5: an underscore and a full stop part words.
    assert found.f1 == pytest.approx((4 / 7 + 8 / 9) / 2)
    assert found.precision == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert found.recall == pytest.approx((2 / 4 + 1) / 2)
    assert found.with_share == 0.5  # of the first page alone: the other wants none
    assert found.without_share == (1 + 0.5) / 2


def test_table_by_page_type(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [_page(number, f"word{number} of the page") for number in range(70)]
    # The first extractor finds everything, the last nothing of forums.
    fakes = {
        "groundup": lambda: lambda html: html,
        "groundup, held out": lambda: lambda html: html,
        "trafilatura": lambda: lambda html: "" if "word3 " in html or "word10 " in html else html,
        "magic-html": lambda: lambda html: html,
    }
    for module in (extraction, extractors):
        monkeypatch.setattr(module, "EXTRACTORS", fakes)
    monkeypatch.setattr(extraction, "SETS", ("wcxb-dev",))
    monkeypatch.setattr(extraction, "read_pages", lambda name: pages)
    monkeypatch.setattr(extraction, "missing_extractors", lambda: ["magic-html"])
    result = extraction._run(1)

    by_type, singles = result.tables
    rows = {row[0]: dict(zip(by_type.columns, row, strict=True)) for row in by_type.rows}
    assert "all: groundup, held out" not in rows
    assert not [name for name in rows if "magic-html" in name]
    assert any("magic-html" in note for note in result.notes)
    assert [rows["all: pages"][kind] for kind in PAGE_TYPES] == ["10"] * len(PAGE_TYPES)
    assert rows["all: groundup"]["F1"] == "1.000"
    assert rows["all: trafilatura"]["forum"] == "0.800"
    assert rows["all: trafilatura"]["product"] == "1.000"
    assert rows["all: trafilatura"]["F1"] == "0.971"
    held_out = [page for page in pages if page.is_held_out]
    assert rows["held out: groundup, held out"]["pages"] == str(len(held_out))
    assert 0 < len(held_out) < len(pages)
    assert [row[0].split(":")[0] for row in singles.rows] == list(PAGE_TYPES)
