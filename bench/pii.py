"""Personal data on real pages: what is found against a count by hand, and what it costs.

Every page of both sets is extracted and looked through. `pii_gold.json` says for each page that has any how many
addresses and numbers of each kind a reader counted in its extracted text; all other pages have none. The reader saw all
that was found, and all that has an `@`, four numbers with dots, or six digits beside a word for a telephone, a `+` or a
leading zero. Found beyond the count is wrong, short of it missed. The rules were made with these pages in view, so on
others both figures will be lower.

The cost is beside datatrove's PIIFormatter, which looks for e-mail and IPv4 addresses only, on the same texts; and on
hostile texts for each megabyte, at one size and at four times it.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.data import OUTPUT, data_folder, missing_data
from bench.extraction_data import NEWS_SETS
from bench.results import Bench, Result, Table

GOLD = Path(__file__).with_name("pii_gold.json")
_HOSTILE_BYTES = 500_000
_HOSTILE = {
    "digits": "1", "at signs": "@", "a@": "a@", "a@a.": "a@a.", "1.1.1.1.": "1.1.1.1.",
    "labels of domains": "@a.a.a.a.a.",
    "long names": "a" * 254 + "@", "digits and spaces": "1 ", "zeros and hyphens": "0-", "plus signs": "+1",
    "brackets": "(0)", "colons": "2001:", "telephone": "telephone ", "e-mail addresses": "a.b@c.de ",
    "addresses": "81.2.69.144 ", "card numbers": "4111 1111 1111 1111, ",
    "numbers that are none": "Tel: 1 2 3 4 5 6 7 8, ",
}  # fmt: skip


class Text(NamedTuple):
    """The extracted text of a page, with its set and file, address, and language as it is identified."""

    page: str
    url: str
    language: str
    text: str


def texts() -> list[Text]:
    """The extracted texts of all pages; kept under `build/bench/data` for the runs that follow."""
    from pipeline.charsets.charset import decode
    from pipeline.extractors.html import weights_digest
    from pipeline.filters.language import identify_language
    from pipeline.markup.html import extract_main_text
    from tests.packing import read_web_pages

    target = OUTPUT / "data" / f"pii-texts-{weights_digest()[-8:]}.json"
    if not target.exists():
        found = []
        for name in NEWS_SETS:
            for page in read_web_pages(data_folder() / "web" / name):
                text = extract_main_text(decode(page.html).text)
                found.append((f"{name}/{page.file}", page.url, identify_language(text).code, text))
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(found), encoding="utf-8")
        os.replace(unfinished, target)
    return [Text(*each) for each in json.loads(target.read_text(encoding="utf-8"))]


def _against_gold(pages: list[Text]) -> tuple[list[list[str]], dict[str, dict[str, int]]]:
    from pipeline.filters.pii.redact import redact
    from pipeline.filters.pii.settings import PiiSettings

    gold: dict[str, dict[str, int]] = json.loads(GOLD.read_text(encoding="utf-8"))
    settings = PiiSettings()
    figures: dict[str, Counter[str]] = {kind: Counter() for kind in settings.kinds}
    for page in pages:
        counts = redact(page.text, settings, page.language, page.url).counts
        for kind, tally in figures.items():
            found, there = counts[f"pii_{kind}"], gold.get(page.page, {}).get(kind, 0)
            tally.update(right=min(found, there), wrong=max(0, found - there), missed=max(0, there - found))
    rows = []
    for kind, tally in figures.items():
        found, there = tally["right"] + tally["wrong"], tally["right"] + tally["missed"]
        precision = f"{tally['right'] / found:.3f}" if found else "-"
        recall = f"{tally['right'] / there:.3f}" if there else "-"
        rows.append([kind, f"{there:,}", f"{tally['wrong']:,}", f"{tally['missed']:,}", precision, recall])
    return rows, {kind: dict(tally) for kind, tally in figures.items()}


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _run(rounds: int) -> Result:
    from datatrove.pipeline.formatters import PIIFormatter

    from pipeline.filters.pii.redact import redact
    from pipeline.filters.pii.settings import PiiSettings

    settings = PiiSettings()
    pages = texts()
    rows, figures = _against_gold(pages)
    quality = Table(
        f"{len(pages):,} pages, counted by hand", ["kind", "there", "wrong", "missed", "precision", "recall"], rows
    )
    peer = PIIFormatter()
    megabytes = sum(len(page.text.encode()) for page in pages) / 1e6
    ours = min(
        _seconds(lambda: [redact(page.text, settings, page.language, page.url) for page in pages])
        for _ in range(rounds)
    )
    theirs = min(_seconds(lambda: [peer.format(page.text) for page in pages]) for _ in range(rounds))
    hostile = []
    for name, unit in _HOSTILE.items():
        text = unit * (_HOSTILE_BYTES // len(unit.encode()))
        once, four = (_seconds(lambda text=text, n=n: redact(text * n, settings)) / n for n in (1, 4))  # type: ignore[misc]
        hostile.append([name, f"{once / len(text) * 1e9:,.0f}", f"{four / len(text) * 1e9:,.0f}"])
    costs = Table("Hostile texts, ms of CPU time for each MB", ["text", "0.5 MB", "2 MB"], hostile)
    speed = {"megabytes": megabytes, "seconds": ours, "peer_seconds": theirs}
    note = (
        f"{megabytes:.1f} MB of pages: {megabytes / ours:.0f} MB/s of CPU time for four kinds; datatrove's "
        f"PIIFormatter {megabytes / theirs:.0f} MB/s for two: {theirs / ours:.2f} times its speed"
    )
    return Result({"quality": figures, "speed": speed, "hostile": hostile}, [quality, costs], [note])


def _missing() -> str | None:
    return missing_data(*(f"web/{name}" for name in NEWS_SETS))


BENCHES = [
    Bench(
        "pii",
        "personal data: precision and recall on real pages, cost on ordinary and hostile texts",
        3,
        _missing,
        _run,
    )
]
