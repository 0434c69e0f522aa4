"""Makes `pipeline/markup/html/model.json`: `python -m tools.train_extractor`. Needs the data.

Three steps, first on the pages of hosts that are not held out, then on all:

1. Class words that stand on at least 25 hosts get a number each: the coefficient of a logistic regression from the
   words of all elements around a block to its label.
2. The first look: boosted trees on the features of a block, with the numbers of words taken from a regression that did
   not see the block's host.
3. The second look: boosted trees on the same features and on the first scores of what is around, these from trees that
   did not see the host either.

The scores of the held-out pages are printed, by the second look alone and as extracted, and the weights that did not
see them are written beside the bench, which measures with them. The weights that are shipped are learned from all pages
then: twice the pages were worth 0.5 to 0.8 points. The same data gives the same files on the same versions of the
libraries.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.data import missing_data, missing_modules
from bench.extraction_data import SETS, GoldPage, read_pages, score, words_of
from bench.extractors import HELD_OUT_WEIGHTS, saved_run
from pipeline.markup.html import context, features, model, page
from pipeline.markup.html.layout import B_END, B_NODE, B_START, N_PARENT, Scanned, Tables, make_tables
from pipeline.markup.html.scan import scan_page
from tools.train_labels import VOTES, labels_by_gold, labels_by_votes

_MIN_HOSTS = 25
_ATTRIBUTE = re.compile(
    r"""\b(?:class|id|role|itemprop|rel)\s*=\s*("[^"]{0,300}|'[^']{0,300}|[^\s"'>]{1,300})""", re.IGNORECASE
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SHORT_WORDS = frozenset({"ad", "fb"})
_NUM_PARTS = 3  # for what must not have seen the host
FIRST_ROUNDS, SECOND_ROUNDS = 200, 120
THRESHOLD = 0.45
_PARAMETERS = {
    "objective": "cross_entropy", "learning_rate": 0.08, "num_leaves": 24, "min_data_in_leaf": 60,
    "feature_fraction": 0.5, "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 5.0, "max_bin": 127,
    "path_smooth": 5.0, "num_threads": 1, "seed": 1, "deterministic": True, "force_row_wise": True, "verbose": -1,
}  # fmt: skip


@dataclass
class Sample:
    """A page to learn from: its blocks, their labels and weights, and the tables of features as they come about."""

    page: GoldPage
    scanned: Scanned
    texts: list[str]
    num_words: np.ndarray
    labels: np.ndarray
    sure: np.ndarray
    title: np.ndarray
    words: list[frozenset[int]]
    table: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    first: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    both: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    second: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def part(self) -> int:
        return self.page.fold % _NUM_PARTS


def class_vocabulary(pages: list[GoldPage]) -> list[str]:
    """Words of class names and the like that stand on enough hosts, in alphabetical order."""
    hosts: dict[str, set[str]] = defaultdict(set)
    for gold_page in pages:
        found = {word.lower() for value in _ATTRIBUTE.findall(gold_page.html) for word in _WORD.findall(value)}
        for word in found:
            hosts[word].add(gold_page.host)
    return sorted(
        word
        for word, seen in hosts.items()
        if len(seen) >= _MIN_HOSTS and (3 <= len(word) <= 24 or word in _SHORT_WORDS)
    )


def _words_around(scanned: Scanned) -> list[frozenset[int]]:
    """For each block, the class words of all elements that it stands in."""
    own: dict[int, set[int]] = defaultdict(set)
    for node, word in scanned.words.tolist():
        own[node].add(word)
    around: list[frozenset[int]] = [frozenset(own.get(0, ()))]
    for node, parent in enumerate(scanned.nodes[1:, N_PARENT].tolist(), 1):
        around.append(around[parent] | own[node] if node in own else around[parent])
    return [around[node] for node in scanned.blocks[:, B_NODE].tolist()]


def make_samples(set_name: str, pages: list[GoldPage], tables: Tables) -> list[Sample]:
    """Scan and label the pages of a set."""
    votes = {} if pages[0].gold is not None else {name: saved_run(name, set_name, pages) for name in VOTES}
    samples = []
    for place, gold_page in enumerate(pages):
        data = gold_page.html.encode("utf-8", "replace")
        scanned = scan_page(data, tables)
        text = scanned.text.tobytes()
        texts = [text[start:end].decode("utf-8") for start, end in scanned.blocks[:, [B_START, B_END]].tolist()]
        if gold_page.gold is not None:
            labels, sure = labels_by_gold(texts, gold_page.gold)
        else:
            labels, sure = labels_by_votes(gold_page, texts, {name: outs[place] for name, outs in votes.items()})
        title = np.frombuffer(page.title_of(data, scanned).encode("utf-8", "replace"), np.uint8)
        num_words = np.array([len(words_of(block)) for block in texts], np.int32)
        samples.append(Sample(gold_page, scanned, texts, num_words, labels, sure, title, _words_around(scanned)))
    return samples


def fit_words(samples: list[Sample], num_words: int) -> np.ndarray:
    """A number for each class word, from a logistic regression."""
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    columns: list[int] = []
    ends, labels, weights = [0], [], []
    for sample in samples:
        page_words = np.sqrt(max(50, sample.num_words.sum()))
        for number, words in enumerate(sample.words):
            share = np.sqrt(sample.num_words[number]) / page_words
            for label, weight in ((1, sample.labels[number] * share), (0, (1 - sample.labels[number]) * share)):
                if weight > 1e-4:
                    columns.extend(sorted(words))
                    ends.append(len(columns))
                    labels.append(label)
                    weights.append(weight)
    matrix = csr_matrix((np.ones(len(columns), np.float32), columns, ends), shape=(len(labels), num_words))
    fitted = LogisticRegression(C=0.02, max_iter=300).fit(matrix, labels, sample_weight=np.array(weights))
    return np.round(fitted.coef_[0], 3).astype(np.float32)


def _weights(sample: Sample) -> np.ndarray:
    """What a mistake at each block costs: about its share of the main content, more evenly where segments are asked."""
    main = np.sqrt(max(40.0, float((sample.labels * sample.num_words).sum())))
    weights = np.sqrt(sample.num_words + 2.0) / main
    return sample.sure * (weights if sample.page.gold is not None else weights + 0.15)


def fit_trees(samples: list[Sample], table: Callable[[Sample], np.ndarray], rounds: int) -> Any:
    """Boosted trees from the tables of the samples. Of blocks that are plainly nothing, a quarter stands for all."""
    import lightgbm

    rows, labels, weights = [], [], []
    prose = features.NAMES.index("prose")
    for number, sample in enumerate(samples):
        if not len(sample.labels):
            continue
        plain = (sample.labels < 0.05) & (sample.table[:, prose] <= 0) & (sample.sure < 2.5)
        keep = np.flatnonzero(~plain | (np.random.default_rng(number).random(len(plain)) < 0.25))
        rows.append(table(sample)[keep])
        labels.append(np.clip(sample.labels[keep], 0, 1))
        weights.append((_weights(sample) * np.where(plain, 4.0, 1.0))[keep])
    data = lightgbm.Dataset(np.concatenate(rows), np.concatenate(labels), weight=np.concatenate(weights))
    return lightgbm.train(_PARAMETERS, data, rounds)


def _predict(trees: Any, table: np.ndarray) -> np.ndarray:
    return trees.predict(table, num_threads=1).astype(np.float32) if len(table) else np.zeros(0, np.float32)


def _set_features(sample: Sample, word_weights: np.ndarray) -> None:
    sample.table = features.features(sample.scanned, word_weights, sample.title)


def _set_first(sample: Sample, trees: Any) -> None:
    sample.first = _predict(trees, sample.table)
    around = context.context(sample.scanned.blocks, sample.scanned.nodes, sample.first)
    sample.both = np.concatenate([around, sample.table], axis=1)


@dataclass
class Fitted:
    """What a set of samples teaches."""

    words: np.ndarray
    first: Any
    second: Any


def fit(samples: list[Sample], num_words: int) -> Fitted:
    """Learn from the samples; their tables are set on the way."""
    for part in range(_NUM_PARTS):
        words = fit_words([sample for sample in samples if sample.part != part], num_words)
        for sample in samples:
            if sample.part == part:
                _set_features(sample, words)
    first = fit_trees(samples, lambda sample: sample.table, FIRST_ROUNDS)
    for part in range(_NUM_PARTS):
        others = fit_trees(
            [sample for sample in samples if sample.part != part], lambda sample: sample.table, FIRST_ROUNDS
        )
        for sample in samples:
            if sample.part == part:
                _set_first(sample, others)
    second = fit_trees(samples, lambda sample: sample.both, SECOND_ROUNDS)
    return Fitted(fit_words(samples, num_words), first, second)


def judge(fitted: Fitted, samples: list[Sample]) -> None:
    """Set the scores of blocks of samples that were not learned from."""
    for sample in samples:
        _set_features(sample, fitted.words)
        _set_first(sample, fitted.first)
        sample.second = _predict(fitted.second, sample.both)


def _report(title: str, samples: list[Sample]) -> None:
    for set_name in SETS:
        chosen = [sample for sample in samples if sample.page.set == set_name]
        for threshold in (THRESHOLD - 0.1, THRESHOLD, THRESHOLD + 0.1):
            texts = [
                "\n".join(sample.texts[place] for place in np.flatnonzero(sample.second > threshold))
                for sample in chosen
            ]
            found = score([sample.page for sample in chosen], texts)
            print(
                f"{title} {set_name} at {threshold:.2f}: F1 {found.f1:.4f}, precision {found.precision:.4f},"
                f" recall {found.recall:.4f}, {found.num_pages} pages",
                flush=True,
            )


def _report_written(samples: list[Sample]) -> None:
    """What the bench will print: with what is decided beyond the scores (`decide.py`), and the weights as rounded."""
    weights = model.load(HELD_OUT_WEIGHTS)
    for set_name in SETS:
        pages = [sample.page for sample in samples if sample.page.set == set_name]
        found = score(pages, [page.text_with(each.html, weights) for each in pages])
        print(
            f"held out {set_name} as extracted: F1 {found.f1:.4f}, precision {found.precision:.4f},"
            f" recall {found.recall:.4f}",
            flush=True,
        )


def _stored_trees(trees: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Trees as lists of nodes, features by number in a list of names that are used; a left child follows its parent."""
    used: list[str] = []

    def flatten(node: dict[str, Any], nodes: list[list[float]]) -> int:
        place = len(nodes)
        if "leaf_value" in node:
            nodes.append([round(node["leaf_value"], 5)])
            return place
        name = names[node["split_feature"]]
        if name not in used:
            used.append(name)
        nodes.append([])
        flatten(node["left_child"], nodes)
        right = flatten(node["right_child"], nodes)
        nodes[place] = [used.index(name), float(f"{node['threshold']:.6g}"), right]
        return place

    stored = []
    for tree in trees.dump_model()["tree_info"]:
        nodes: list[list[float]] = []
        flatten(tree["tree_structure"], nodes)
        stored.append(nodes)
    return {"features": used, "trees": stored}


def write(fitted: Fitted, vocabulary: list[str], origin: str, target: Path) -> None:
    """Write a file of weights; one tree a line."""
    stored = {
        "origin": origin,
        "threshold": THRESHOLD,
        "class_words": {word: round(float(weight), 3) for word, weight in zip(vocabulary, fitted.words, strict=True)},
        "first": _stored_trees(fitted.first, features.NAMES),
        "second": _stored_trees(fitted.second, context.NAMES + features.NAMES),
    }
    text = json.dumps(stored, ensure_ascii=False, separators=(",", ":"))
    text = text.replace("]],[[", "]],\n[[").replace('"first"', '\n"first"').replace('"second"', '\n"second"')
    target.write_text(text + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.train_extractor", description=__doc__.splitlines()[0])
    parser.add_argument("--folds", action="store_true", help="also score the pages to learn from, fold by fold")
    options = parser.parse_args()
    missing = missing_data(*(f"web/{name}" for name in SETS)) or missing_modules("lightgbm", "sklearn", "trafilatura")
    if missing:
        print(f"train_extractor: {missing}", file=sys.stderr)
        return 1
    pages = {name: read_pages(name) for name in SETS}
    vocabulary = class_vocabulary([each for name in SETS for each in pages[name] if not each.is_held_out])
    bits = model.text_word_bits(json.loads((model.FOLDER / "text_words.json").read_text(encoding="utf-8")))
    tables = make_tables({word: number for number, word in enumerate(vocabulary)}, bits)
    samples = [sample for name in SETS for sample in make_samples(name, pages[name], tables)]
    learned = [sample for sample in samples if not sample.page.is_held_out]
    held_out = [sample for sample in samples if sample.page.is_held_out]
    if options.folds:
        for part in range(_NUM_PARTS):
            inside = [sample for sample in learned if sample.page.fold // 3 % _NUM_PARTS != part]
            judge(fit(inside, len(vocabulary)), [s for s in learned if s.page.fold // 3 % _NUM_PARTS == part])
        _report("folds", learned)
    fitted = fit(learned, len(vocabulary))
    judge(fitted, held_out)
    _report("held out", held_out)
    origin = "tools/train_extractor.py on web/trafilatura and web/waddle-daniel, "
    write(fitted, vocabulary, origin + "hosts that are not held out", HELD_OUT_WEIGHTS)
    _report_written(held_out)
    write(fit(samples, len(vocabulary)), vocabulary, origin + "all pages", model.FOLDER / "model.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
