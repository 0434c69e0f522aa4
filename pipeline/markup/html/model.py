"""The trained model: learned numbers of words, and three sets of small trees. Read from `model.json`.

The first set tells the type of the page. The second scores a block by itself, its surroundings and that type; the third
sees those scores around the block and decides. `tools/train_extractor.py` writes the file and says from what.
"""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.compiled.cache import entry, kernel
from pipeline.compiled.views import view
from pipeline.markup.html import context, features, page_type
from pipeline.markup.html.context import NUM_CONTEXT, set_context
from pipeline.markup.html.features import NUM_FEATURES, RECORDS_AT, TYPES_AT, set_features
from pipeline.markup.html.layout import Scanned, Tables, make_tables
from pipeline.markup.html.page_type import NUM_TYPES, page_numbers, type_scores
from pipeline.markup.html.tables import hashed

FOLDER = Path(__file__).parent
# What saves time: a block that the first trees find this unlikely (in log odds), or more of them at last, is not shown
# to the others, and one that the first look finds this unlikely is not looked at twice.
_GLANCE, _NO_HOPE, _LEAST_HOPE = 15, np.float32(-2.5), np.float32(-4.0)
_HOPELESS = np.float32(0.02)


class Trees(NamedTuple):
    """Trees as flat arrays, inner nodes before what is below them. A node is split on `feature` at `threshold`: what is
    at most that goes to the next node, what is greater to `right`. A leaf has feature -1 and its value as threshold.
    `roots` has the first node of each tree.
    """

    feature: np.ndarray
    threshold: np.ndarray
    right: np.ndarray
    roots: np.ndarray


class Words(NamedTuple):
    """Learned numbers of words: two of each class word; a table of words of text and the number of each."""

    of_classes: np.ndarray
    text_keys: np.ndarray
    text_values: np.ndarray
    of_text: np.ndarray


class Model(NamedTuple):
    """Tables of the scanner, numbers of words, the bits of the groups of each class word in `class_groups.json` (0: in
    none), and trees of the page's type, of the first and of the second look.
    """

    tables: Tables
    words: Words
    word_groups: np.ndarray
    types: Trees
    first: Trees
    second: Trees


def make_words(of_classes: np.ndarray, of_text: dict[str, float]) -> Words:
    """Learned numbers: of class words (a row of two each), and of words of text in lower case."""
    keys, values = hashed({word: place for place, word in enumerate(of_text)})
    return Words(of_classes, keys, values, np.array([*of_text.values(), 0.0], np.float32))


def _trees(stored: list[list[list[float]]], names: tuple[str, ...], used: list[str]) -> Trees:
    """Trees from lists of nodes: `[feature, threshold, right]`, and leaves `[value]`."""
    places = [names.index(name) for name in used]
    roots = [0, *accumulate(map(len, stored))][:-1]
    nodes = [(node, root) for tree, root in zip(stored, roots, strict=True) for node in tree]
    return Trees(
        np.array([places[int(node[0])] if len(node) > 1 else -1 for node, _ in nodes], np.int16),
        np.array([node[1] if len(node) > 1 else node[0] for node, _ in nodes], np.float32),
        np.array([root + int(node[2]) if len(node) > 1 else 0 for node, root in nodes], np.int16),
        np.array(roots, np.int32),
    )


def text_word_bits(words: dict[str, list[str]]) -> dict[str, int]:
    """The bit of each boilerplate word: the place of its group. With capitals beyond ASCII, which are not folded."""
    bits: dict[str, int] = {}
    for bit, group in enumerate(words.values()):
        for word in group:
            for form in (word, word.capitalize(), word.upper()):
                bits.setdefault("".join(c.lower() if c.isascii() else c for c in form), bit)
    return bits


@lru_cache(maxsize=2)
def load(file: Path = FOLDER / "model.json") -> Model:
    """The model of a file of weights, with `text_words.json` and `class_groups.json`."""
    stored = json.loads(file.read_text(encoding="utf-8"))
    words = json.loads((FOLDER / "text_words.json").read_text(encoding="utf-8"))
    groups = json.loads((FOLDER / "class_groups.json").read_text(encoding="utf-8"))
    bits: dict[str, int] = {}
    for bit, group in enumerate(groups.values()):
        for word in group:
            bits[word] = bits.get(word, 0) | 1 << bit
    weights: dict[str, list[float]] = {word: [0.0, 0.0] for word in sorted(bits)} | stored["class_words"]
    tables = make_tables({word: number for number, word in enumerate(weights)}, text_word_bits(words))
    return Model(
        tables,
        make_words(np.array(list(weights.values()), np.float32), stored["text_words"]),
        np.array([bits.get(word, 0) for word in weights], np.int32),
        _trees(stored["types"]["trees"], page_type.names(list(weights)), stored["types"]["features"]),
        _trees(stored["first"]["trees"], features.NAMES, stored["first"]["features"]),
        _trees(stored["second"]["trees"], context.NAMES + features.NAMES, stored["second"]["features"]),
    )


@kernel
def _evaluate(
    feature: np.ndarray, threshold: np.ndarray, right: np.ndarray, roots: np.ndarray, table: np.ndarray, b: int
) -> float:
    """The probability that the trees give row `b` of a table; 0 where the first of them leave no hope."""
    total = np.float32(0.0)
    for tree in range(roots.size):
        if tree % _GLANCE == 0 and total < (_NO_HOPE if tree == _GLANCE else _LEAST_HOPE):
            return 0.0
        node = np.int64(roots[tree])
        while feature[node] >= 0:
            node = node + 1 if table[b, feature[node]] <= threshold[node] else np.int64(right[node])
        total += threshold[node]
    return float(1 / (1 + np.exp(-total)))


@kernel
def _score_all(
    feature: np.ndarray, threshold: np.ndarray, right: np.ndarray, roots: np.ndarray, table: np.ndarray,
    least: np.ndarray, scores: np.ndarray,
) -> None:  # fmt: skip
    """Set the scores of the rows whose `least` is great enough to be looked at."""
    for b in range(table.shape[0]):
        if least[b] >= _HOPELESS:
            scores[b] = _evaluate(feature, threshold, right, roots, table, b)


@entry
def features_of(scanned: Scanned, title: np.ndarray, words: Words) -> tuple[np.ndarray, np.ndarray]:
    """A table with a row of features a block, NUM_CONTEXT columns left free before them and the types of the page not
    set; and the numbers of records.
    """
    text, blocks, nodes, pairs, _, _ = scanned
    of_classes, text_keys, text_values, of_text = words
    count = blocks.shape[0]
    table = np.empty((count, NUM_CONTEXT + NUM_FEATURES), np.float32)
    ids = np.empty((count, 3), np.int32)
    set_features(
        view(text), view(blocks), view(nodes), view(pairs), view(of_classes), view(text_keys), view(text_values),
        view(of_text), view(title), ids, table[:, NUM_CONTEXT:],
    )  # fmt: skip
    return table, ids


@entry
def numbers_of(table: np.ndarray, scanned: Scanned, head: np.ndarray, num_words: int) -> np.ndarray:
    """The numbers that tell the page's type: see `page_type.page_numbers`."""
    _, _, nodes, pairs, _, _ = scanned
    numbers: np.ndarray = page_numbers(table[:, NUM_CONTEXT:], view(nodes), view(pairs), view(head), num_words)
    return numbers


@entry
def types_of(numbers: np.ndarray, types: Trees) -> np.ndarray:
    """The probability of each type of page (float32)."""
    feature, threshold, right, roots = types
    scores: np.ndarray = type_scores(view(feature), view(threshold), view(right), view(roots), view(numbers))
    return scores


@entry
def context_of(scanned: Scanned, ids: np.ndarray, scores: np.ndarray, table: np.ndarray) -> None:
    """Set the columns of `features_of`'s table that the scores of the first look fill."""
    _, blocks, nodes, _, _, _ = scanned
    set_context(view(blocks), view(nodes), ids, view(scores), table[:, :NUM_CONTEXT])


@entry
def score_blocks(
    table: np.ndarray, ids: np.ndarray, scanned: Scanned, types: np.ndarray, first: Trees, second: Trees
) -> np.ndarray:
    """The probability of each block to be main content (float32). `table` and `ids`: those of `features_of`, to which
    the types of the page and the scores of the first look are added.
    """
    _, blocks, nodes, _, _, _ = scanned
    count = blocks.shape[0]
    for b in range(count):
        for place in range(NUM_TYPES):
            table[b, NUM_CONTEXT + TYPES_AT + place] = types[place]
    scores = np.ones(count, np.float32)
    feature, threshold, right, roots = first
    _score_all(view(feature), view(threshold), view(right), view(roots), table[:, NUM_CONTEXT:], scores.copy(), scores)
    set_context(view(blocks), view(nodes), ids, view(scores), table[:, :NUM_CONTEXT])
    decided = np.zeros(count, np.float32)
    feature, threshold, right, roots = second
    _score_all(view(feature), view(threshold), view(right), view(roots), table[:, 0:], scores, decided)
    return decided


class Judged(NamedTuple):
    """The probability of each block to be main content, and of each type of page (float32); of each block the group,
    record and slot (`records.py`), and a row of `records.NAMES`.
    """

    scores: np.ndarray
    types: np.ndarray
    ids: np.ndarray
    records: np.ndarray


def judge(scanned: Scanned, title: str, head: np.ndarray, model: Model) -> Judged:
    """What the model says of a page. head: what `page_head.head_of` says."""
    as_bytes = np.frombuffer(title.encode("utf-8", "replace"), np.uint8)
    table, ids = features_of(scanned, as_bytes, model.words)
    types = types_of(numbers_of(table, scanned, head, len(model.words.of_classes)), model.types)
    scores = score_blocks(table, ids, scanned, types, model.first, model.second)
    records = np.ascontiguousarray(table[:, NUM_CONTEXT + RECORDS_AT : NUM_CONTEXT + TYPES_AT])
    return Judged(scores, types, ids, records)
