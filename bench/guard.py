"""What the guard around each page costs: extraction behind it against the same function called in this process."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

from datatrove.data import Document

from bench.data import data_folder, missing_data
from bench.extraction_data import NEWS_SETS, read_pages
from bench.results import Bench, Result, Table
from pipeline.extractors.base import GuardedExtractor, normalise
from pipeline.extractors.html import HtmlExtractor
from pipeline.extractors.wikitext import WikitextExtractor, to_text
from pipeline.formats import RawFile, reader_for
from pipeline.markup.html_backends import groundup

_WIKI = "wiki/json-wikipedia/it__small-dump.xml.gz"
_WEB = tuple(f"web/{name}" for name in NEWS_SETS)
_HALVES = 2  # each round measures both ways in turn, so that a machine that slows down slows both


def _html() -> list[Document]:
    pages = [page for name in NEWS_SETS for page in read_pages(name)]
    return [Document(text=page.html, id=page.file) for page in pages]


def _wikitext() -> list[Document]:
    return list(reader_for(RawFile("itwiki", str(data_folder() / _WIKI), "it", "mediawiki", "it")).run())


def _copies(documents: list[Document]) -> list[Document]:
    return [Document(text=each.text, id=each.id, metadata=dict(each.metadata)) for each in documents]


def _seconds(work: Callable[[], int], guard_clock: Callable[[], float]) -> tuple[float, float, int]:
    """Wall seconds, processor seconds of both processes, and documents."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    before = usage.ru_utime + usage.ru_stime + guard_clock()
    started = time.perf_counter()
    number = work()
    wall = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return wall, usage.ru_utime + usage.ru_stime + guard_clock() - before, number


def _compare(documents: list[Document], extractor: GuardedExtractor, rounds: int) -> dict[str, Any]:
    function = groundup if isinstance(extractor, HtmlExtractor) else to_text

    def plain(copies: list[Document]) -> int:
        number = 0
        for document in copies:
            note = extractor.note(document)
            document.text = normalise(function(document.text.encode("utf-8", "replace"), note)[1])
            number += bool(document.text)
        return number

    def guarded(copies: list[Document]) -> int:
        return sum(1 for _ in extractor.run(copies))

    guarded(_copies(documents[:50]))  # both have loaded
    plain(_copies(documents[:50]))
    clock = (~extractor.guard().process_id << 3) | 2
    walls: dict[str, list[float]] = {"plain": [], "guarded": []}
    processors: dict[str, list[float]] = {"plain": [], "guarded": []}
    for number in range(rounds * _HALVES):
        for way in ("plain", "guarded") if number % 2 else ("guarded", "plain"):
            copies = _copies(documents)
            run = plain if way == "plain" else guarded
            wall, processor, kept = _seconds(lambda r=run, c=copies: r(c), lambda: time.clock_gettime(clock))  # type: ignore[misc]
            walls[way].append(wall)
            processors[way].append(processor)
    return {
        "documents": len(documents),
        "kept": kept,
        "plain_per_second": len(documents) / min(processors["plain"]),
        "guarded_per_second": len(documents) / min(processors["guarded"]),
        "processor_ratio": statistics.median(
            g / p for g, p in zip(processors["guarded"], processors["plain"], strict=True)
        ),
        "wall_ratio": statistics.median(g / p for g, p in zip(walls["guarded"], walls["plain"], strict=True)),
    }


def _run(rounds: int) -> Result:
    figures = {
        "html": _compare(_html(), HtmlExtractor(), rounds),
        "wikitext": _compare(_wikitext(), WikitextExtractor(), rounds),
    }
    rows = [
        [
            name,
            f"{row['documents']:,}",
            f"{row['plain_per_second']:.0f}",
            f"{row['guarded_per_second']:.0f}",
            f"{row['processor_ratio'] - 1:+.1%}",
            f"{row['wall_ratio'] - 1:+.1%}",
        ]
        for name, row in figures.items()
    ]
    columns = ["pages", "number", "in this process /s", "behind the guard /s", "processor time", "wall time"]
    return Result(
        figures,
        [Table("The guard around each page", columns, rows)],
        [
            "Rates are by processor time of both processes, of the fastest round; the last two columns are medians of "
            "the rounds' ratios. Wall time falls where a second core is free: the next pages are read meanwhile."
        ],
    )


BENCHES = [Bench("guard", "what the guard around each page costs", 2, lambda: missing_data(_WIKI, *_WEB), _run)]
