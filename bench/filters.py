"""The rules beside datatrove's filters: the same decisions on real pages, documents a second, hostile texts.

Agreement: each filter by itself on the main text of every page of both collections in the languages of `LANGUAGES`;
what it keeps and drops, and the text it keeps. Every disagreement is listed with the values of both sides. datatrove
runs in two processes, since it reads some 50 pages a second.

Speed: one process, in turns, documents of 6 to 7 KB cut from English pages. "chain" gives each document to the filters
in the published order until one drops it, "all" gives it to all of them; groundup always computes every signal.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

from bench.data import REPOSITORY, missing_data, missing_modules
from bench.filter_pages import HOSTILE, Page, real_pages
from bench.measure import SINGLE_THREAD
from bench.results import Bench, Result, Table
from pipeline.filters.rules import judge
from pipeline.filters.settings import RULE_NAMES, FilterSettings, RuleName
from tests.pipeline.filters.datatrove_filters import datatrove_filter, datatrove_value, settings_of

LANGUAGES = ("en", "de", "es", "fr")
_BYTES = (6_000, 7_000)
_NUM_DOCUMENTS = 60
_HOSTILE_BYTES = 4_000_000
_MOST_DISAGREEMENTS = 40


class Theirs(NamedTuple):
    """What datatrove's filter did with a page: why it dropped it (None: kept), and the text after it."""

    reason: str | None
    text: str


def _pages(languages: Iterable[str]) -> list[Page]:
    return [page for page in real_pages() if page.language in languages]


def _ask_datatrove(task: tuple[RuleName, str, list[str]]) -> list[Theirs]:
    """The decisions of one of datatrove's filters about texts of a language."""
    from datatrove.data import Document

    warnings.simplefilter("ignore")
    rule, language, texts = task
    block = datatrove_filter(rule, language)
    found = []
    for text in texts:
        document = Document(text=text, id="")
        result = block.filter(document)
        found.append(Theirs(None if result is True else result[1], document.text))
    return found


def _agreement(figures: dict[str, Any]) -> list[Table]:
    pages = _pages(LANGUAGES)
    step = 60
    tasks, places = [], []
    for language in LANGUAGES:
        own = [place for place, page in enumerate(pages) if page.language == language]
        for rule in RULE_NAMES:
            for first in range(0, len(own), step):
                tasks.append((rule, language, [pages[place].text for place in own[first : first + step]]))
                places.append(own[first : first + step])
    theirs: dict[tuple[RuleName, int], Theirs] = {}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for (rule, _, _), own, found in zip(tasks, places, pool.map(_ask_datatrove, tasks), strict=True):
            theirs.update(((rule, place), each) for place, each in zip(own, found, strict=True))
    rows, listed = [], []
    for rule in RULE_NAMES:
        settings = settings_of(rule)
        for language in LANGUAGES:
            own = [place for place, page in enumerate(pages) if page.language == language]
            num_same = num_dropped = 0
            for place in own:
                ours = judge(pages[place].text, language, settings)
                other = theirs[rule, place]
                num_dropped += other.reason is not None
                same = (ours.verdict is None) == (other.reason is None)
                same_text = ours.verdict is not None or ours.text == other.text
                num_same += same and same_text
                if not (same and same_text):
                    listed.append(_disagreement(rule, pages[place], ours.verdict, ours.signals, other))
            share = num_same / max(len(own), 1)
            figures[f"agreement.{rule}.{language}"] = share
            rows.append([rule, language, f"{len(own):,}", f"{num_dropped:,}", f"{len(own) - num_same}", f"{share:.2%}"])
    columns = ["filter", "language", "pages", "datatrove drops", "differ", "agreement"]
    figures["disagreements"] = listed
    return [
        Table("Decisions, each filter by itself", columns, rows),
        Table(
            "Disagreements",
            ["page", "filter", "groundup", "datatrove", "signal", "groundup's value", "datatrove's value"],
            listed[:_MOST_DISAGREEMENTS],
        ),
    ]


def _disagreement(
    rule: RuleName, page: Page, verdict: Any, signals: dict[str, float | None], theirs: Theirs
) -> list[str]:
    """A row of the list: who says what, and the value of both for the signal that decided."""
    signal, value = datatrove_value(rule, theirs.reason, verdict.reason if verdict else None, page.text, page.language)
    own = signals.get(f"{rule}.{signal}")
    return [
        page.file.removeprefix("html/")[:40],
        rule,
        verdict.reason if verdict else "kept",
        theirs.reason or "kept",
        signal,
        "" if own is None else f"{own:.4f}",
        "" if value is None else f"{value:.4f}",
    ]


def _documents() -> list[str]:
    """English documents of 6 to 7 KB: pages cut at the end of a line."""
    found = []
    for page in _pages(("en",)):
        lines, size = [], 0
        for line in page.text.splitlines():
            length = len(line.encode("utf-8")) + 1
            if size + length > _BYTES[1]:
                break
            lines.append(line)
            size += length
        if size >= _BYTES[0]:
            found.append("\n".join(lines))
    return found[:_NUM_DOCUMENTS]


def _seconds(work: Callable[[str], object], texts: list[str]) -> float:
    started = time.process_time()
    for text in texts:
        work(text)
    return time.process_time() - started


def _speed(num_rounds: int, figures: dict[str, Any]) -> Table:
    from datatrove.data import Document

    blocks = [datatrove_filter(rule, "en") for rule in RULE_NAMES]

    def chain(text: str) -> None:
        document = Document(text=text, id="")
        for block in blocks:
            if block.filter(document) is not True:
                break

    def every(text: str) -> None:
        document = Document(text=text, id="")
        for block in blocks:
            block.filter(document)

    settings = FilterSettings()
    texts = _documents()
    sides: dict[str, Callable[[str], object]] = {
        "groundup, all signals": lambda text: judge(text, "en", settings),
        "datatrove, chain": chain,
        "datatrove, all": every,
    }
    for work in sides.values():
        work(texts[0])
    speeds: dict[str, list[float]] = {name: [] for name in sides}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(num_rounds):
            for name, work in sides.items():
                repeats = 20 if name.startswith("groundup") else 1
                speeds[name].append(len(texts) * repeats / _seconds(work, texts * repeats))
    ours = speeds["groundup, all signals"]
    rows = []
    for name, own in speeds.items():
        ratio = statistics.median(mine / other for mine, other in zip(ours, own, strict=True))
        figures[f"documents_per_second.{name}"] = statistics.median(own)
        rows.append([name, f"{statistics.median(own):,.0f}", f"{ratio:.1f}"])
    mean = statistics.mean(len(text.encode("utf-8")) for text in texts)
    figures["speed_documents"] = len(texts)
    title = f"One process, {len(texts)} documents of {mean:,.0f} bytes; seconds are the processor's"
    return Table(title, ["", "documents/s", "groundup is x times that"], rows)


def _hostile(figures: dict[str, Any]) -> Table:
    rows = []
    settings = FilterSettings()
    for name, (language, make) in HOSTILE.items():
        text = make(_HOSTILE_BYTES)
        size = len(text.encode("utf-8", "surrogatepass"))

        def work(text: str, language: str = language) -> object:
            return judge(text, language, settings)

        seconds = min(_seconds(work, [text]) for _ in range(3))
        figures[f"hostile_ms_per_mb.{name}"] = seconds / size * 1e9
        rows.append([name, f"{size / 1e6:.1f}", f"{seconds / size * 1e9:.1f}"])
    return Table("Hostile texts, one document each", ["text", "MB", "ms/MB"], rows)


_START = """
import time
started = time.perf_counter()
from pipeline.filters.rules import judge
from pipeline.filters.settings import FilterSettings
imported = time.perf_counter()
judge("A text.", "en", FilterSettings())
print(imported - started, time.perf_counter() - imported)
"""


def _start(figures: dict[str, Any]) -> Table:
    """What the first text of a process costs: where nothing is compiled yet, and later."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, **SINGLE_THREAD, "NUMBA_CACHE_DIR": folder}
        for name in ("first (compiles)", "later (loads)"):
            command = [sys.executable, "-c", _START]
            output = subprocess.run(
                command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
            )
            imports, first = map(float, output.stdout.split())
            figures[f"start_seconds.{name}"] = first
            rows.append([name, f"{imports:.1f}", f"{first:.1f}"])
    return Table("The first text of a process", ["process", "imports, s", "first text, s"], rows)


def _run(num_rounds: int) -> Result:
    figures: dict[str, Any] = {}
    tables = [*_agreement(figures), _speed(num_rounds, figures), _hostile(figures), _start(figures)]
    notes = [
        "datatrove is told the language, its stop words, C4 without terminal punctuation, and FineWeb's paper's 0.1 of "
        "duplicate-line characters",
        f"at most {_MOST_DISAGREEMENTS} disagreements are printed; the figures have all",
    ]
    return Result(figures, tables, notes)


BENCHES = [
    Bench(
        name="filters",
        summary="the filter rules beside datatrove's filters: agreement, documents a second, hostile texts",
        rounds=3,
        missing=lambda: missing_modules("spacy") or missing_data("web/trafilatura", "web/waddle-daniel"),
        run=_run,
    )
]
