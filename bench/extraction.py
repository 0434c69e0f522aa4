"""Main-content extraction beside its peers: accuracy on pages with gold, and pages a second, in one process each.

The definitions of the scores are in `bench/extraction_data.py`. The extractors take turns over the same pages in every
round; a speed is the median over the rounds. They get the HTML alone, without its address. The weights of "groundup"
were learned from all of these pages, so its own rows flatter it. "groundup, held out" has weights that never saw the
pages of the held-out hosts: among their rows it is the one to compare with the others.
"""

from __future__ import annotations

import statistics
from collections import Counter

from bench.data import missing_data, missing_modules
from bench.extraction_data import SETS, GoldPage, Score, read_pages, score, words_of
from bench.extractors import EXTRACTORS, MODULES, missing_extractors, run
from bench.results import Bench, Result, Table
from pipeline.documents.page_types import PAGE_TYPES

_HELD_OUT = "groundup, held out"
_MIN_PAGES = 20  # of a language, to have a row
# A held-out page of each type that an extractor which learned from news alone lost.
_EXAMPLES = ("4674.html", "0681.html", "4287.html", "2826.html", "1310.html", "2936.html", "0620.html")
_UNITS = {"trafilatura": "segments", "waddle-daniel": "4-grams", "wcxb-dev": "words"}


def _parts(pages: list[GoldPage]) -> dict[str, list[int]]:
    """Names of parts of a set and the places of their pages: all, held out, and each language that has enough."""
    parts = {
        "all": list(range(len(pages))),
        "held out": [place for place, page in enumerate(pages) if page.is_held_out],
    }
    for language in sorted({page.language for page in pages if page.language}):
        places = [place for place, page in enumerate(pages) if page.language == language]
        if len(places) >= _MIN_PAGES:
            parts[language] = places
            parts[f"{language} held out"] = [place for place in places if pages[place].is_held_out]
    return parts


def _numbers(pages: list[GoldPage], texts: list[str], places: list[int]) -> dict[str, float]:
    """The scores of these pages by the names of their columns; where pages have a type, F1 of each type too."""

    def of(chosen: list[int]) -> Score:
        return score([pages[place] for place in chosen], [texts[place] for place in chosen])

    found = of(places)
    if pages[0].page_type is None:
        return {"F1": found.f1, "precision": found.precision, "recall": found.recall}
    types = {kind: of([place for place in places if pages[place].page_type == kind]).f1 for kind in PAGE_TYPES}
    shares = {"with": found.with_share, "without": found.without_share}
    return {"F1": found.f1, **types, "precision": found.precision, "recall": found.recall, **shares}


def _examples(pages: list[GoldPage], texts: dict[str, list[str]]) -> Table:
    """Single pages: words of the gold text and of ours, F1 of ours and of trafilatura's."""
    chosen = {page.page_type: place for place, page in enumerate(pages) if page.file in _EXAMPLES}
    rows = []
    for kind in PAGE_TYPES:
        page, ours, theirs = (each[chosen[kind]] for each in (pages, texts[_HELD_OUT], texts["trafilatura"]))
        counts = [f"{len(words_of(text)):,}" for text in (page.gold or "", ours)]
        f1s = [f"{score([page], [text]).f1:.3f}" for text in (ours, theirs)]
        rows.append([f"{kind}: {page.host} ({page.file})", *counts, *f1s])
    return Table("web/wcxb-dev, single pages", ["page", "words of gold", "words", "F1", "trafilatura"], rows)


def _run(num_rounds: int) -> Result:
    figures: dict[str, object] = {}
    tables: list[Table] = []
    missing = missing_extractors()
    extractors = [extractor for extractor in EXTRACTORS if extractor not in missing]
    for name in SETS:
        pages = read_pages(name)
        seconds: dict[str, list[float]] = {extractor: [] for extractor in extractors}
        texts: dict[str, list[str]] = {}
        for _ in range(num_rounds):
            for extractor in extractors:
                texts[extractor], took = run(extractor, pages)
                seconds[extractor].append(took)
        speeds = {extractor: len(pages) / statistics.median(took) for extractor, took in seconds.items()}
        columns: list[str] = []
        rows = []
        for part, places in _parts(pages).items():
            if pages[0].page_type is not None:
                counts = Counter(pages[place].page_type for place in places)
                rows.append([f"{part}: pages", *[""] * 2, *(f"{counts[kind]:,}" for kind in PAGE_TYPES), *[""] * 6])
            for extractor in extractors:
                if extractor == _HELD_OUT and "held out" not in part:
                    continue
                numbers = _numbers(pages, texts[extractor], places)
                speed = speeds[extractor]
                figures[f"{name}/{part}/{extractor}"] = {**numbers, "pages": len(places), "pages_per_second": speed}
                ends = [f"{speed:,.0f}", f"{speed / speeds['trafilatura']:.1f}"] if part == "all" else ["", ""]
                rows.append(
                    [f"{part}: {extractor}", f"{len(places):,}", *(f"{each:.3f}" for each in numbers.values()), *ends]
                )
                columns = [_UNITS[name], "pages", *numbers, "pages/s", "x trafilatura"]
        tables.append(Table(f"web/{name}", columns, rows))
        if pages[0].page_type is not None:
            tables.append(_examples(pages, texts))
    notes = ["Speeds: one process, start-up left out, decoded text in; ratios are of this run."]
    if missing:
        notes.append(f"Not installed, so without rows: {', '.join(missing)} (`pip` has them for Python 3.12).")
    return Result(figures, tables, notes)


def _missing() -> str | None:
    return missing_data(*(f"web/{name}" for name in SETS)) or missing_modules(*MODULES)


BENCHES = [
    Bench("extraction", "main-content extraction: accuracy and speed beside its peers", 1, _missing, _run),
]
