"""Main-content extraction beside its peers: accuracy on pages with gold, and pages a second, in one process each.

The definitions of the scores are in `bench/extraction_data.py`. The extractors take turns over the same pages in every
round; a speed is the median over the rounds. The weights of "groundup" were learned from all of these pages, so its own
rows flatter it. "groundup, held out" has weights that never saw the pages of the held-out hosts: among their rows
it is the one to compare with the others.
"""

from __future__ import annotations

import statistics

from bench.data import missing_data, missing_modules
from bench.extraction_data import SETS, GoldPage, read_pages, score
from bench.extractors import EXTRACTORS, MODULES, run
from bench.results import Bench, Result, Table

_HELD_OUT = "groundup, held out"
_MIN_PAGES = 20  # of a language, to have a row


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


def _run(num_rounds: int) -> Result:
    figures: dict[str, object] = {}
    tables: list[Table] = []
    for name in SETS:
        pages = read_pages(name)
        seconds: dict[str, list[float]] = {extractor: [] for extractor in EXTRACTORS}
        texts: dict[str, list[str]] = {}
        for _ in range(num_rounds):
            for extractor in EXTRACTORS:
                texts[extractor], took = run(extractor, pages)
                seconds[extractor].append(took)
        speeds = {extractor: len(pages) / statistics.median(took) for extractor, took in seconds.items()}
        rows = []
        for part, places in _parts(pages).items():
            for extractor in EXTRACTORS:
                if extractor == _HELD_OUT and "held out" not in part:
                    continue
                found = score([pages[place] for place in places], [texts[extractor][place] for place in places])
                speed = f"{speeds[extractor]:,.0f}" if part == "all" else ""
                ratio = f"{speeds[extractor] / speeds['trafilatura']:.1f}" if part == "all" else ""
                rows.append(
                    [
                        f"{part}: {extractor}",
                        f"{len(places):,}",
                        f"{found.f1:.3f}",
                        f"{found.precision:.3f}",
                        f"{found.recall:.3f}",
                        speed,
                        ratio,
                    ]
                )
                figures[f"{name}/{part}/{extractor}"] = {
                    "f1": found.f1,
                    "precision": found.precision,
                    "recall": found.recall,
                    "pages": found.num_pages,
                    "pages_per_second": speeds[extractor],
                }
        what = "segments" if pages[0].gold is None else "4-grams"
        columns = [what, "pages", "F1", "precision", "recall", "pages/s", "x trafilatura"]
        tables.append(Table(f"web/{name}", columns, rows))
    return Result(figures, tables, ["Speeds: one process, start-up left out, decoded text in; ratios are of this run."])


def _missing() -> str | None:
    return missing_data(*(f"web/{name}" for name in SETS)) or missing_modules(*MODULES)


BENCHES = [
    Bench("extraction", "main-content extraction: accuracy and speed beside its peers", 1, _missing, _run),
]
