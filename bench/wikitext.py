"""Wikitext to plain text beside mwparserfromhell and wikitextparser: speed, markup left, agreement with gold.

Speed: the pages of real dumps in one process, in turns; bytes are those of the wikitext in UTF-8, seconds those of the
processor, and ratios are taken within a round. Markup left: pages in whose text braces, brackets, tags of references,
table marks or parameters of pictures are found. Gold: the cases of MediaWiki's parser tests, against the text of their
HTML, and one page with its plain text; the measure is the mean F1 of words and of their 4-grams.
"""

from __future__ import annotations

import importlib.util
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import mwparserfromhell

from bench.data import data_folder, missing_data, missing_modules
from bench.results import Bench, Result, Table
from bench.wikitext_gold import Case, mean_f1, parser_tests
from pipeline.formats import RawFile, reader_for
from pipeline.markup.wikitext.names import WIKI_NAMES_KEY
from pipeline.markup.wikitext.text import wikitext_to_text

_DUMPS = {
    "en": "gensim/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2",
    "it": "json-wikipedia/it__small-dump.xml.gz",
    "ja": "xztextfilter/jawiki-truncated-100k.xml.xz",
    "bn": "xztextfilter/bnwiki-truncated-100k.xml.xz",
    "ltg": "dumpster-dive/smallwiki-latest-pages-articles.xml.xz",
}
_SPEED_BYTES = 3_000_000  # of each dump; the parsers take seconds for one
_MARKUP = re.compile(r"\{\{|\}\}|\[\[|\]\]|\{\||\|\}|</?ref\b|\bthumb\||\|thumb\b|'''", re.IGNORECASE)


@dataclass(frozen=True)
class Page:
    """One page; `names`: what its dump calls files and categories."""

    wikitext: str
    language: str | None
    names: tuple[str, ...] = ()


def _groundup(page: Page) -> str:
    return wikitext_to_text(page.wikitext, page.language, names=page.names)


def _strip_code(page: Page) -> str:
    return str(mwparserfromhell.parse(page.wikitext).strip_code())


def _wikitextparser(page: Page) -> str:
    import wikitextparser

    return str(wikitextparser.parse(page.wikitext).plain_text())


def _sides() -> dict[str, Callable[[Page], str]]:
    sides = {"groundup": _groundup, "mwparserfromhell": _strip_code}
    if importlib.util.find_spec("wikitextparser") is not None:
        sides["wikitextparser"] = _wikitextparser
    return sides


def _pages(name: str) -> list[Page]:
    reader = reader_for(RawFile(name, str(data_folder() / "wiki" / name), "wiki", "mediawiki"))
    return [
        Page(document.text, document.metadata.get("language"), tuple(document.metadata[WIKI_NAMES_KEY]))
        for document in reader()
    ]


def _first_pages(pages: list[Page]) -> list[Page]:
    chosen: list[Page] = []
    size = 0
    for page in pages:
        if size >= _SPEED_BYTES:
            break
        chosen.append(page)
        size += len(page.wikitext.encode())
    return chosen


def run(num_rounds: int) -> Result:
    """Measure all sides on the same pages."""
    sides = _sides()
    dumps = {language: _pages(name) for language, name in _DUMPS.items()}
    figures: dict[str, object] = {}
    speed_rows, markup_rows = [], []
    totals: dict[str, list[float]] = {name: [0.0] * num_rounds for name in sides}
    total_bytes = 0
    for language, pages in dumps.items():
        chosen = _first_pages(pages)
        num_bytes = sum(len(page.wikitext.encode()) for page in chosen)
        total_bytes += num_bytes
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for round_number in range(num_rounds):
            for name, convert in sides.items():
                started = time.process_time()
                for page in chosen:
                    convert(page)
                taken = time.process_time() - started
                seconds[name].append(taken)
                totals[name][round_number] += taken
        speed_rows.append(_speed_row(language, num_bytes, seconds))
        left = {
            name: sum(_MARKUP.search(convert(page)) is not None for page in (pages if name == "groundup" else chosen))
            for name, convert in sides.items()
        }
        markup_rows.append(
            [language, f"{left['groundup']} of {len(pages):,}"]
            + [f"{left[name]} of {len(chosen):,}" for name in sides if name != "groundup"]
        )
        figures[f"markup_left_{language}"] = {"pages": len(pages), "groundup": left["groundup"]}
    speed_rows.append(_speed_row("all", total_bytes, totals))
    figures["seconds"] = totals
    figures["bytes"] = total_bytes
    gold_rows = _gold_rows(sides, figures)
    names = list(sides)
    return Result(
        figures,
        [
            Table("Speed, MB of wikitext a second", ["dump", "MB", *names, "times mwparserfromhell"], speed_rows),
            Table("Pages with markup left", ["dump", *names], markup_rows),
            Table("Agreement with gold: F1 of words / of 4-grams", ["gold", "cases", *names], gold_rows),
        ],
        ["one process; medians of processor time; groundup's markup is counted over all pages of a dump"],
    )


def _speed_row(label: str, num_bytes: int, seconds: dict[str, list[float]]) -> list[str]:
    megabytes = num_bytes / 1e6
    rates = [f"{megabytes / statistics.median(taken):.1f}" for taken in seconds.values()]
    ratios = [theirs / ours for ours, theirs in zip(seconds["groundup"], seconds["mwparserfromhell"], strict=True)]
    return [label, f"{megabytes:.1f}", *rates, f"{statistics.median(ratios):.1f}"]


def _gold_rows(sides: dict[str, Callable[[Page], str]], figures: dict[str, object]) -> list[list[str]]:
    cases = list(parser_tests(data_folder() / "wiki" / "parsoid-parserTests" / "parserTests.tar.xz"))
    folder = data_folder() / "wiki" / "macbre-mediawiki-dump"
    texts = [(folder / name).read_text(encoding="utf-8") for name in ("text.txt", "expected.txt")]
    sets = {
        "parserTests, plain": ([case for case in cases if case.is_plain], "en"),
        "parserTests, all": (cases, "en"),
        "macbre-mediawiki-dump": ([Case("text.txt", *texts, True)], "fo"),
    }
    rows = []
    for label, (chosen, language) in sets.items():
        scores = []
        for name, convert in sides.items():
            words, grams = (
                mean_f1(lambda text, c=convert, code=language: c(Page(text, code)), chosen, size)  # type: ignore[misc]
                for size in (1, 4)
            )
            figures[f"f1 {label} {name}"] = [words, grams]
            scores.append(f"{words:.3f} / {grams:.3f}")
        rows.append([label, f"{len(chosen):,}", *scores])
    return rows


def _missing() -> str | None:
    return missing_modules("mwparserfromhell") or missing_data(
        *(f"wiki/{name}" for name in (*_DUMPS.values(), "parsoid-parserTests", "macbre-mediawiki-dump"))
    )


BENCHES = [Bench("wikitext", "wikitext to plain text beside mwparserfromhell and wikitextparser", 3, _missing, run)]
