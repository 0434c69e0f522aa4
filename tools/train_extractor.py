"""Makes `pipeline/markup/html/model.json`: `python -m tools.train_extractor`. Needs the data.

Each page is scanned and its blocks get labels (`train_labels.py`). Then, in this order:

1. Words of class names get two numbers each, words of short blocks one: coefficients of logistic regressions from the
   words around or in a block to its label; the second number of a class word is of pages that are no articles.
2. The page's type: boosted trees on what is counted of a page.
3. The first look: boosted trees on the features of a block, the probabilities of the types among them.
4. The second look: boosted trees on the same features and on the first scores of what is around.

What a later step learns from comes from models of the earlier ones that did not see the block's host.

The weights that did not see the held-out hosts are written beside the bench, which measures with them; those that are
shipped are learned from all pages. The same data gives the same files on the same versions of the libraries.
`--folds` scores all pages by weights of the other hosts instead, `--without NAME` a set or a language by weights of all
others: how well what was learned carries over.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.data import OUTPUT, missing_data, missing_modules
from bench.extraction_data import SETS, GoldPage, read_pages, score, words_of
from bench.extractors import HELD_OUT_WEIGHTS, saved_run
from pipeline.documents.page_types import PAGE_TYPES
from pipeline.markup.html import context, features, model, page, page_type
from pipeline.markup.html.context import NUM_CONTEXT
from pipeline.markup.html.features import TYPES_AT
from pipeline.markup.html.layout import B_END, B_NODE, B_START, N_PARENT, Tables, make_tables
from pipeline.markup.html.page_head import head_of
from tools.train_labels import VOTES, labels_by_gold, labels_by_votes

_MIN_HOSTS, _MIN_TEXT_HOSTS = 20, 15  # that a class word, a word of short blocks stands on
_ATTRIBUTE = re.compile(
    r"""\b(?:class|id|role|itemprop|rel)\s*=\s*("[^"]{0,300}|'[^']{0,300}|[^\s"'>]{1,300})""", re.IGNORECASE
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_TEXT_WORD = re.compile(rb"[\x80-\xffA-Za-z0-9]+")  # as `features.py` takes them
_SHORT_WORDS = frozenset({"ad", "fb"})
_NUM_PARTS = 3  # for what must not have seen the host
# What pages that are no articles weigh, of which there are few, and news with a whole text.
_OTHERS, _WHOLE_NEWS = 2.0, 1.5
_PLAIN_SHARE = 0.35  # of the blocks that are plainly nothing: so many stand for all
TYPE_ROUNDS, FIRST_ROUNDS, SECOND_ROUNDS = 120, 110, 70
_NEWS = "waddle-daniel"  # its pages are articles; half of them teach that
_COMMON = {
    "learning_rate": 0.08, "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 5.0, "num_threads": 2, "seed": 1,
    "deterministic": True, "force_row_wise": True, "verbose": -1,
}  # fmt: skip
_PARAMETERS = _COMMON | {
    "objective": "cross_entropy", "num_leaves": 32, "min_data_in_leaf": 30, "feature_fraction": 0.3, "max_bin": 127,
    "path_smooth": 5.0,
}  # fmt: skip
_TYPE_PARAMETERS = _COMMON | {
    "objective": "multiclass", "num_class": len(PAGE_TYPES), "num_leaves": 8, "min_data_in_leaf": 10,
    "feature_fraction": 0.2, "max_bin": 31,
}  # fmt: skip


@dataclass
class Sample:
    """A page to learn from: its blocks, their labels and weights, and the tables of features as they come about.

    class_words: the class words around blocks, with the weights of main content and of the rest there; text_words: the
    numbers of the words of each short block; types: probabilities of the page's type; first: scores of the first look.
    """

    page: GoldPage
    reading: page.Reading
    head: np.ndarray
    num_words: np.ndarray
    labels: np.ndarray
    sure: np.ndarray
    class_words: list[tuple[tuple[int, ...], float, float]]
    text_words: list[tuple[int, ...]]
    table: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    ids: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.int32))
    numbers: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def part(self) -> int:
        return self.page.fold % _NUM_PARTS


def class_vocabulary(pages: Iterable[GoldPage]) -> list[str]:
    """Words of class names and the like that stand on enough hosts, and those of groups, in alphabetical order."""
    hosts: dict[str, set[str]] = defaultdict(set)
    for gold_page in pages:
        found = {word.lower() for value in _ATTRIBUTE.findall(gold_page.html) for word in _WORD.findall(value)}
        for word in found:
            hosts[word].add(gold_page.host)
    groups = json.loads((model.FOLDER / "class_groups.json").read_text(encoding="utf-8"))
    enough = {
        word
        for word, seen in hosts.items()
        if len(seen) >= _MIN_HOSTS and (3 <= len(word) <= 24 or word in _SHORT_WORDS)
    }
    return sorted(enough | {word for group in groups.values() for word in group})


def _words_around(sample_words: np.ndarray, parents: list[int], places: list[int]) -> list[frozenset[int]]:
    """For each block, the class words of all elements that it stands in."""
    own: dict[int, set[int]] = defaultdict(set)
    for node, word in sample_words.tolist():
        own[node].add(word)
    around: list[frozenset[int]] = [frozenset(own.get(0, ()))]
    for node, parent in enumerate(parents[1:], 1):
        around.append(around[parent] | own[node] if node in own else around[parent])
    return [around[node] for node in places]


def _weighted(keys: Iterable[Any], labels: np.ndarray, weights: np.ndarray) -> list[tuple[Any, float, float]]:
    """For each different key, what main content and what else weighs there."""
    found: dict[Any, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for key, label, weight in zip(keys, labels.tolist(), weights.tolist(), strict=True):
        found[key][0] += label * weight
        found[key][1] += (1 - label) * weight
    return [(key, main, rest) for key, (main, rest) in found.items()]


def _short_words(text: bytes) -> list[bytes]:
    return _TEXT_WORD.findall(text.lower()) if len(text) <= features.SHORT else []


def make_samples(pages: dict[str, list[GoldPage]], tables: Tables) -> tuple[list[Sample], list[str]]:
    """Scan and label the pages of all sets; the samples, and the words of short blocks that stand on enough hosts."""
    samples, short = [], []
    hosts: dict[bytes, set[str]] = defaultdict(set)
    for name, of_set in pages.items():
        votes = {} if of_set[0].gold is not None else {voter: saved_run(voter, name, of_set) for voter in VOTES}
        for place, gold_page in enumerate(of_set):
            reading = page.read_page(gold_page.html.encode("utf-8", "replace"), tables)
            scanned = reading.scanned
            text = scanned.text.tobytes()
            raw = [text[start:end] for start, end in scanned.blocks[:, [B_START, B_END]].tolist()]
            texts = [block.decode("utf-8") for block in raw]
            if gold_page.gold is not None:
                labels, sure = labels_by_gold(texts, gold_page.gold)
            else:
                labels, sure = labels_by_votes(gold_page, texts, {voter: outs[place] for voter, outs in votes.items()})
            num_words = np.array([len(words_of(block)) for block in texts], np.int32)
            share = np.sqrt(num_words) / np.sqrt(max(50, num_words.sum()))
            around = _words_around(
                scanned.words, scanned.nodes[:, N_PARENT].tolist(), scanned.blocks[:, B_NODE].tolist()
            )
            class_words = [(tuple(sorted(key)), *rest) for key, *rest in _weighted(around, labels, share)]
            short.append([_short_words(block) for block in raw])
            for word in {word for block in short[-1] for word in block}:
                hosts[word].add(gold_page.host)
            samples.append(Sample(gold_page, reading, head_of(reading.data), num_words, labels, sure, class_words, []))
    vocabulary = sorted(
        word for word, seen in hosts.items() if len(seen) >= _MIN_TEXT_HOSTS and not word.isdigit() and _is_text(word)
    )
    numbers = {word: number for number, word in enumerate(vocabulary)}
    for sample, blocks in zip(samples, short, strict=True):
        sample.text_words = [tuple(sorted({numbers[word] for word in block if word in numbers})) for block in blocks]
    return samples, [word.decode() for word in vocabulary]


def _is_text(word: bytes) -> bool:
    try:
        word.decode("utf-8")
    except UnicodeDecodeError:  # a part of a character: a sign stands in it
        return False
    return True


def _regression(rows: list[tuple[tuple[int, ...], float, float]], num_words: int, strength: float) -> np.ndarray:
    """A number for each word, from a logistic regression of rows of words and the weights of both labels."""
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    columns: list[int] = []
    ends, labels, weights = [0], [], []
    for words, main, rest in rows:
        for label, weight in ((1, main), (0, rest)):
            if weight > 1e-4:
                columns.extend(words)
                ends.append(len(columns))
                labels.append(label)
                weights.append(weight)
    matrix = csr_matrix((np.ones(len(columns), np.float32), columns, ends), shape=(len(labels), num_words))
    fitted = LogisticRegression(C=strength, max_iter=200).fit(matrix, labels, sample_weight=np.array(weights))
    return np.round(fitted.coef_[0], 3).astype(np.float32)


def _text_rows(sample: Sample) -> list[tuple[tuple[int, ...], float, float]]:
    """Words of short blocks; texts that stand on the page n times weigh as the root of n."""
    rows = _weighted(sample.text_words, sample.labels, np.ones(len(sample.labels)))
    return [
        (words, 0.2 * main / np.sqrt(main + rest), 0.2 * rest / np.sqrt(main + rest))
        for words, main, rest in rows
        if words
    ]


def fit_words(samples: list[Sample], num_class: int, text_vocabulary: list[str]) -> tuple[np.ndarray, dict[str, float]]:
    """Numbers of class words, and of words of text."""
    others = [sample for sample in samples if sample.page.page_type not in (None, "article")] or samples
    of_classes = [
        _regression([row for sample in of for row in sample.class_words], num_class, 0.02) for of in (samples, others)
    ]
    of_text = _regression([row for sample in samples for row in _text_rows(sample)], len(text_vocabulary), 0.05)
    used = {word: float(number) for word, number in zip(text_vocabulary, of_text, strict=True) if abs(number) >= 0.02}
    return np.stack(of_classes, 1), used


def _weights(sample: Sample) -> np.ndarray:
    """What a mistake at each block costs: about its share of the main content, more evenly where segments are asked."""
    main = np.sqrt(max(40.0, float((sample.labels * sample.num_words).sum())))
    weights = np.sqrt(sample.num_words + 2.0) / main
    if sample.page.page_type not in (None, "article"):
        weights = _OTHERS * weights
    if sample.page.set == _NEWS:
        weights = _WHOLE_NEWS * weights
    return sample.sure * (weights if sample.page.gold is not None else weights + 0.15)


def _fit_trees(samples: list[Sample], first_column: int, rounds: int) -> Any:
    """Boosted trees from the tables of the samples. Of blocks that are plainly nothing, a part stands for all."""
    import lightgbm

    rows, labels, weights = [], [], []
    prose = NUM_CONTEXT + features.NAMES.index("prose")
    for number, sample in enumerate(samples):
        plain = (sample.labels < 0.05) & (sample.table[:, prose] <= 0) & (sample.sure < 2.5)
        keep = np.flatnonzero(~plain | (np.random.default_rng(number).random(len(plain)) < _PLAIN_SHARE))
        rows.append(sample.table[keep, first_column:])
        labels.append(np.clip(sample.labels[keep], 0, 1))
        weights.append((_weights(sample) * np.where(plain, 1 / _PLAIN_SHARE, 1.0))[keep])
    data = lightgbm.Dataset(np.concatenate(rows), np.concatenate(labels), weight=np.concatenate(weights))
    return lightgbm.train(_PARAMETERS, data, rounds)


def _fit_types(samples: list[Sample]) -> Any:
    """Boosted trees that tell the page's type. Pages of news are articles; they weigh less."""
    import lightgbm

    chosen = [s for s in samples if s.page.page_type or (s.page.set == _NEWS and s.page.fold % 2 == 0)]
    data = lightgbm.Dataset(
        np.stack([sample.numbers for sample in chosen]),
        [PAGE_TYPES.index(sample.page.page_type or "article") for sample in chosen],
        weight=[1.0 if sample.page.page_type else 0.3 for sample in chosen],
    )
    return lightgbm.train(_TYPE_PARAMETERS, data, TYPE_ROUNDS)


def _set_features(sample: Sample, words: model.Words) -> None:
    title = np.frombuffer(sample.reading.title.encode("utf-8", "replace"), np.uint8)
    sample.table, sample.ids = model.features_of(sample.reading.scanned, title, words)
    sample.numbers = model.numbers_of(sample.table, sample.reading.scanned, sample.head, len(words.of_classes))


def _set_types(samples: list[Sample], trees: Any) -> None:
    for sample, types in zip(samples, trees.predict(np.stack([s.numbers for s in samples])), strict=True):
        sample.table[:, NUM_CONTEXT + TYPES_AT :] = types


def _set_first(samples: list[Sample], trees: Any) -> None:
    for sample in samples:
        if len(sample.table):
            scores = trees.predict(sample.table[:, NUM_CONTEXT:]).astype(np.float32)
            model.context_of(sample.reading.scanned, sample.ids, scores, sample.table)


@dataclass
class Fitted:
    """What a set of samples teaches."""

    of_classes: np.ndarray
    of_text: dict[str, float]
    types: Any
    first: Any
    second: Any


def fit(samples: list[Sample], num_class: int, text_vocabulary: list[str]) -> Fitted:
    """Learn from the samples; their tables are set on the way."""
    parts = [[s for s in samples if s.part == part] for part in range(_NUM_PARTS)]
    others = [[s for s in samples if s.part != part] for part in range(_NUM_PARTS)]

    def each_part(teach: Callable[[list[Sample]], Any], use: Callable[[list[Sample], Any], None]) -> None:
        learned = [teach(rest) for rest in others]
        for part, from_others in zip(parts, learned, strict=True):
            if part:
                use(part, from_others)

    def set_all(part: list[Sample], words: tuple[np.ndarray, dict[str, float]]) -> None:
        made = model.make_words(*words)
        for sample in part:
            _set_features(sample, made)

    each_part(lambda rest: fit_words(rest, num_class, text_vocabulary), set_all)
    types = _fit_types(samples)
    each_part(_fit_types, _set_types)
    first = _fit_trees(samples, NUM_CONTEXT, FIRST_ROUNDS)
    each_part(lambda rest: _fit_trees(rest, NUM_CONTEXT, FIRST_ROUNDS), _set_first)
    second = _fit_trees(samples, 0, SECOND_ROUNDS)
    return Fitted(*fit_words(samples, num_class, text_vocabulary), types, first, second)


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
    of_classes = [[round(float(number), 3) for number in row] for row in fitted.of_classes]
    stored = {
        "origin": origin,
        "class_words": dict(zip(vocabulary, of_classes, strict=True)),
        "text_words": fitted.of_text,
        "types": _stored_trees(fitted.types, page_type.names(vocabulary)),
        "first": _stored_trees(fitted.first, features.NAMES),
        "second": _stored_trees(fitted.second, context.NAMES + features.NAMES),
    }
    text = json.dumps(stored, ensure_ascii=False, separators=(",", ":"))
    text = text.replace("]],[[", "]],\n[[")
    for name in ("text_words", "types", "first", "second"):
        text = text.replace(f'"{name}":', f'\n"{name}":')
    target.write_text(text + "\n", encoding="utf-8")


def _report(title: str, pages: list[GoldPage], texts: list[str]) -> None:
    """Scores of pages as extracted, by set, language and page type."""
    parts: dict[str, list[int]] = defaultdict(list)
    for place, each in enumerate(pages):
        kinds = {each.set, f"{each.set} {each.page_type or each.language}"}
        for kind in kinds:
            parts[kind].append(place)
    for kind in sorted(parts):
        if len(places := parts[kind]) >= 10:
            found = score([pages[place] for place in places], [texts[place] for place in places])
            print(
                f"{title}: {kind}, {len(places)} pages: F1 {found.f1:.4f}, precision {found.precision:.4f}, recall"
                f" {found.recall:.4f}, with {found.with_share:.3f}, without {found.without_share:.3f}",
                flush=True,
            )


def _texts(samples: list[Sample], weights: Path) -> list[str]:
    loaded = model.load(weights)
    return [page.text_with(sample.page.html, loaded) for sample in samples]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.train_extractor", description=__doc__.splitlines()[0])
    parser.add_argument("--folds", action="store_true", help="score all pages by weights of two thirds of the hosts")
    parser.add_argument("--without", metavar="NAME", help="score a set or a language by weights of all others")
    options = parser.parse_args()
    missing = missing_data(*(f"web/{name}" for name in SETS)) or missing_modules("lightgbm", "sklearn", "trafilatura")
    if missing:
        print(f"train_extractor: {missing}", file=sys.stderr)
        return 1
    pages = {name: read_pages(name) for name in SETS}
    vocabulary = class_vocabulary(each for of_set in pages.values() for each in of_set)
    bits = model.text_word_bits(json.loads((model.FOLDER / "text_words.json").read_text(encoding="utf-8")))
    tables = make_tables({word: number for number, word in enumerate(vocabulary)}, bits)
    samples, text_vocabulary = make_samples(pages, tables)

    def learn(learned: list[Sample], what: str, target: Path) -> Path:
        origin = f"tools/train_extractor.py on {', '.join(f'web/{name}' for name in SETS)}: {what}"
        write(fit(learned, len(vocabulary), text_vocabulary), vocabulary, origin, target)
        return target

    if options.folds:
        judged, texts = [], []
        for part in range(3):
            inside = [s for s in samples if s.page.fold % 5 % 3 != part]
            outside = [s for s in samples if s.page.fold % 5 % 3 == part]
            judged += [s.page for s in outside]
            texts += _texts(outside, learn(inside, "two thirds", OUTPUT / f"fold-{part}.json"))
            _report(f"fold {part}", judged[-len(outside) :], texts[-len(outside) :])
        _report("folds", judged, texts)
        return 0
    if options.without:
        outside = [s for s in samples if options.without in (s.page.set, s.page.language)]
        inside = [s for s in samples if options.without not in (s.page.set, s.page.language)]
        weights = learn(inside, f"without {options.without}", OUTPUT / f"without-{options.without}.json")
        _report(f"without {options.without}", [s.page for s in outside], _texts(outside, weights))
        return 0
    held_out = [s for s in samples if s.page.is_held_out]
    learn([s for s in samples if not s.page.is_held_out], "hosts that are not held out", HELD_OUT_WEIGHTS)
    _report("held out", [s.page for s in held_out], _texts(held_out, HELD_OUT_WEIGHTS))
    learn(samples, "all pages", model.FOLDER / "model.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
