"""The quality classifier on real data: Wikipedia and books against raw pages of the web, split by host.

The parts are those of a real build (`groundup run RECIPE --until extract`); two models are trained on them. So that the
figures are not taken for more than they are, the bench also says what the length alone would tell, before excerpts are
cut to equal lengths and after, and how the first model does on documents of other collections: pages of C4 and articles
of another dump, neither of which it saw. The speed is that of scikit-learn's HashingVectorizer and the same weights on
the same texts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.data import OUTPUT, REPOSITORY, data_folder, missing_data, missing_modules
from bench.results import Bench, Result, Table

_DATA = ("web/trafilatura", "web/waddle-daniel", "wiki/gensim", "books/gitenberg", "lm/llamafactory")
_MODULES = ("sklearn",)
_RECIPE = """
name = "classifier"
output = "{output}"

[[sources]]
name = "web"
kind = "files"
paths = ["{folder}/*.warc.gz"]
format = "warc"

[[sources]]
name = "enwiki"
kind = "files"
paths = ["{data}/wiki/gensim/enwiki-latest*", "{data}/wiki/wiki_dump_extractor/*.bz2"]
format = "mediawiki"
language = "en"

[[sources]]
name = "books"
kind = "files"
paths = [{books}]
format = "gutenberg"

[extract]
damaged = "drop"
"""
_BOOKS = ("moby-dick-2701-0", "pride-and-prejudice-1342-0", "sherlock-holmes-1661-8", "huckleberry-finn-76-0")
_BOOKS += ("jack-sheppard-16215-8",)
_MODELS = (
    ("en wiki and books : web", "en", ("enwiki", "books")),
    ("en wiki : web", "en", ("enwiki",)),
)
_SPEED_BYTES = (4_000, 10_000)  # of the documents whose speed is taken
_PEER_DOCUMENTS = 300


def _build() -> Path:
    """The extract folder of the build; made on the first run, reused on the next."""
    from tests.packing import pack_web_pages

    folder = OUTPUT / "classifier"
    for name in ("trafilatura", "waddle-daniel"):
        if not (folder / f"{name}.warc.gz").exists():
            pack_web_pages(data_folder() / "web" / name, folder / f"{name}.warc.gz")
    books = ", ".join(f'"{data_folder()}/books/gitenberg/{name}.txt"' for name in _BOOKS)
    recipe = folder / "recipe.toml"
    recipe.write_text(_RECIPE.format(output=folder / "out", folder=folder, data=data_folder(), books=books))
    command = [sys.executable, "groundup.py", "run", str(recipe), "--until", "extract", "--workers", "2"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"the build failed: {done.stderr.strip()[-300:]}")
    return folder / "out" / "extract"


def _auc(positive: list[float], negative: list[float]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score([1] * len(positive) + [0] * len(negative), positive + negative))


def _texts(folder: Path, source: str, language: str) -> list[str]:
    """The texts of a source in a language."""
    import pyarrow.parquet as pq

    from pipeline.filters.language import identify_language

    texts = []
    for path in sorted(folder.glob(f"part-{source}-*.parquet")):
        texts += pq.read_table(path, columns=["text"])["text"].to_pylist()
    return [text for text in texts if identify_language(text).code == language]


def _other_collections() -> tuple[list[str], list[str]]:
    """Articles of another dump, and pages as C4 left them."""
    folder = data_folder() / "lm" / "llamafactory"
    pages = [json.loads(line)["text"] for line in (folder / "c4_demo.jsonl").read_text(encoding="utf-8").splitlines()]
    articles = (folder / "wiki_demo.txt").read_text(encoding="utf-8").splitlines()  # an article a line
    return [article for article in articles if len(article) > 500], pages


def _speeds(texts: list[str], model: Any, rounds: int) -> tuple[float, float, int]:
    """Documents a second of ours and of the peer: the best of the rounds; and how many documents there were."""
    from sklearn.feature_extraction.text import HashingVectorizer

    from pipeline.filters.classifier.features import excerpt
    from pipeline.filters.classifier.model import score

    low, high = _SPEED_BYTES
    chosen = [text for text in texts if low <= len(text.encode()) <= high]
    hasher = model.hasher()
    peer = HashingVectorizer(ngram_range=(1, 2), n_features=model.weights.size, binary=True, alternate_sign=False)
    ours = theirs = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        for text in chosen:
            score(model, hasher, text)
        ours = min(ours, (time.perf_counter() - started) / len(chosen))
        started = time.perf_counter()
        some = chosen[:_PEER_DOCUMENTS]
        peer.transform(map(excerpt, some)) @ model.weights
        theirs = min(theirs, (time.perf_counter() - started) / len(some))
    return 1 / ours, 1 / theirs, len(chosen)


def _run(rounds: int) -> Result:
    from pipeline.commands.classifier import train_parts, write
    from pipeline.filters.classifier.model import load_model, score
    from pipeline.filters.classifier.training import TrainingSettings

    folder = _build()
    rows, figures, notes = [], {}, []
    for name, language, sources in _MODELS:
        positive = [f"{folder}/part-{source}-*.parquet" for source in sources]
        started = time.perf_counter()
        trained = train_parts(positive, [f"{folder}/part-web-*.parquet"], TrainingSettings(languages=(language,)))
        seconds = time.perf_counter() - started
        out = OUTPUT / "classifier" / "-".join((language, *sources))
        write(trained, str(out))
        held_out, documents = trained.facts["held_out"], trained.facts["documents"]
        good = [text for source in sources for text in _texts(folder, source, language)]
        web = _texts(folder, "web", language)
        by_length = _auc([float(len(text)) for text in good], [float(len(text)) for text in web])
        figures[name] = {"facts": trained.facts, "auc_of_length": by_length, "seconds": seconds}
        rows.append(
            [
                name,
                *(
                    f"{documents[part][side]:,}"
                    for part in ("learned", "held_out")
                    for side in ("positive", "negative")
                ),
                f"{held_out['auc']:.3f}",
                f"{held_out['balanced_accuracy']:.3f}",
                f"{held_out['calibration_error']:.3f}",
                f"{by_length:.3f}",
                f"{seconds:.1f}",
            ]
        )
        words = trained.facts["words"]
        notes.append(
            f"{name}: for it {', '.join(words['positive'][:14])}; against it {', '.join(words['negative'][:14])}"
        )
        if not notes[1:]:
            model = load_model(str(out / "model.safetensors"))
            hasher = model.hasher()
            articles, pages = ([score(model, hasher, text) or 0.0 for text in side] for side in _other_collections())
            other = _auc(articles, pages)
            kept = sum(value >= 0.5 for value in articles) / len(articles), sum(v >= 0.5 for v in pages) / len(pages)
            ours, theirs, number = _speeds(web, model, rounds)
            figures["other_collections"] = {"auc": other, "articles_kept": kept[0], "pages_kept": kept[1]}
            figures["speed"] = {"documents": ours, "peer_documents": theirs, "ratio": ours / theirs}
            about = (
                f"other collections: AUC {other:.3f}; {kept[0]:.0%} of {len(articles)} articles and {kept[1]:.0%} of "
                f"{len(pages)} pages of C4 score at least 0.5"
            )
            speed = (
                f"speed on {number} pages of 4 to 10 kB: {ours:,.0f} documents/s, HashingVectorizer {theirs:,.0f}: "
                f"{ours / theirs:.1f} times"
            )
    columns = [
        "model",
        "learned +",
        "learned -",
        "held out +",
        "held out -",
        "AUC",
        "accuracy",
        "ECE",
        "by length",
        "s",
    ]
    title = "Held-out documents (by host; Wikipedia and books by document); AUC of the length alone beside it"
    return Result(figures, [Table(title, columns, rows)], [about, speed, *notes])


def _missing() -> str | None:
    return missing_data(*_DATA) or missing_modules(*_MODULES)


BENCHES = [
    Bench(
        "classifier",
        "the quality classifier: AUC on held-out hosts, what it learned, documents a second",
        3,
        _missing,
        _run,
    )
]
