"""Signatures of deduplication beside datatrove's, one process, in turns: documents a second.

Documents are the main text of real English pages, put together or cut to 6 to 7 KB. datatrove splits words with spaCy
and hashes with xxhash; groundup's time has its finer keys in it, which datatrove has none of. Its n-grams, for which
only texts in pairs are read again, are timed beside it.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.data import data_folder, missing_data, missing_modules
from bench.results import Bench, Result, Table
from pipeline.dedup.settings import MinHashSettings
from pipeline.dedup.text.sketch import Sketcher

_PAGES = "web/wcxb-dev"
_BYTES = (6_000, 7_000)
_NUM_DOCUMENTS = {"groundup": 400, "groundup, n-grams": 400, "datatrove": 60}


def documents(number: int) -> list[str]:
    """Texts of 6 to 7 KB."""
    found: list[str] = []
    text = ""
    for line in (data_folder() / _PAGES / "manifest.jsonl").read_text(encoding="utf-8").split("\n")[:-1]:
        text = f"{text}{json.loads(line).get('gold') or ''}\n"
        while len(text.encode()) >= _BYTES[0] and len(found) < number:
            cut = text.encode()[: sum(_BYTES) // 2].decode(errors="ignore")
            found.append(cut)
            text = text[len(cut) :]
    return found


def _ways(folder: Path) -> dict[str, Callable[[list[str]], object]]:
    from bench.datatrove_fineweb import signatures

    sketcher = Sketcher(MinHashSettings())
    block = signatures(folder)
    return {
        "groundup": sketcher.sketches,
        "groundup, n-grams": lambda texts: [sketcher.ngrams(text) for text in texts],
        "datatrove": lambda texts: [block.get_signature(block.get_shingles(text)) for text in texts],
    }


def _run(rounds: int) -> Result:
    texts = documents(max(_NUM_DOCUMENTS.values()))
    seconds: dict[str, list[float]] = {name: [] for name in _NUM_DOCUMENTS}
    with tempfile.TemporaryDirectory() as folder:
        ways = _ways(Path(folder))
        for work in ways.values():
            work(texts[:2])  # compiled, and loaded
        for _ in range(rounds):
            for name, work in ways.items():
                number = _NUM_DOCUMENTS[name]
                started = time.perf_counter()
                work(texts[:number])
                seconds[name].append((time.perf_counter() - started) / number)
    rates = {name: 1 / min(each) for name, each in seconds.items()}
    ratio = rates["groundup"] / rates["datatrove"]
    rows = [[name, f"{rate:,.0f}", f"{rate / rates['datatrove']:.0f}"] for name, rate in rates.items()]
    mean = sum(len(text.encode()) for text in texts) / len(texts)
    figures = {"per_second": rates, "ratio": ratio, "mean_bytes": mean, "documents": len(texts)}
    table = Table("signatures, 14 x 8 over 5-grams, one process", ["way", "documents/s", "times datatrove"], rows)
    return Result(figures, [table], [f"the best of {rounds} rounds; documents have {mean:,.0f} bytes on average"])


BENCHES = [
    Bench(
        "dedup-signatures",
        "signatures beside datatrove's, documents of 6 to 7 KB",
        3,
        lambda: missing_data(_PAGES) or missing_modules("datatrove", "spacy"),
        _run,
    )
]
