"""The trained model: learned numbers of class words, and two sets of small trees. Read from `model.json`.

The first set scores a block by itself and its surroundings; the second sees those scores around the block and decides.
`tools/train_extractor.py` writes the file and says from what.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.compiled.cache import entry, kernel
from pipeline.compiled.views import view
from pipeline.markup.html import context, features
from pipeline.markup.html.context import NUM_CONTEXT, set_context
from pipeline.markup.html.features import NUM_FEATURES, set_features
from pipeline.markup.html.layout import Tables, make_tables

FOLDER = Path(__file__).parent
# What saves time: a block that the first trees find this unlikely is not shown to the others, and one that the first
# look finds this unlikely is not looked at twice.
_GLANCE, _NO_HOPE = 15, np.float32(-2.5)
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


class Model(NamedTuple):
    """Tables of the scanner, number of each class word, the bits of its groups in `class_groups.json`, trees
    of the first and the second look, least score to keep.
    """

    tables: Tables
    word_weights: np.ndarray
    word_groups: np.ndarray
    first: Trees
    second: Trees
    threshold: float


def _trees(stored: list[list[list[float]]], names: tuple[str, ...], used: list[str]) -> Trees:
    """Trees from lists of nodes: `[feature, threshold, right]`, and leaves `[value]`."""
    places = [names.index(name) for name in used]
    feature: list[int] = []
    threshold: list[float] = []
    right: list[int] = []
    roots: list[int] = []
    for nodes in stored:
        base = len(feature)
        roots.append(base)
        for node in nodes:
            is_leaf = len(node) == 1
            feature.append(-1 if is_leaf else places[int(node[0])])
            threshold.append(node[0] if is_leaf else node[1])
            right.append(0 if is_leaf else base + int(node[2]))
    return Trees(
        np.array(feature, np.int16),
        np.array(threshold, np.float32),
        np.array(right, np.int16),
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
    weights: dict[str, float] = {**dict.fromkeys(sorted(bits), 0.0), **stored["class_words"]}
    tables = make_tables({word: number for number, word in enumerate(weights)}, text_word_bits(words))
    first, second = stored["first"], stored["second"]
    return Model(
        tables,
        np.array(list(weights.values()), np.float32),
        np.array([bits.get(word, 0) for word in weights], np.int32),
        _trees(first["trees"], features.NAMES, first["features"]),
        _trees(second["trees"], context.NAMES + features.NAMES, second["features"]),
        float(stored["threshold"]),
    )


@kernel
def _evaluate(
    feature: np.ndarray, threshold: np.ndarray, right: np.ndarray, roots: np.ndarray, table: np.ndarray, b: int
) -> float:
    """The probability that the trees give row `b` of a table; 0 where the first of them leave no hope."""
    total = np.float32(0.0)
    for tree in range(roots.size):
        if tree == _GLANCE and total < _NO_HOPE:
            return 0.0
        node = np.int64(roots[tree])
        while feature[node] >= 0:
            node = node + 1 if table[b, feature[node]] <= threshold[node] else np.int64(right[node])
        total += threshold[node]
    return float(1 / (1 + np.exp(-total)))


@kernel
def _score_all(
    feature: np.ndarray,
    threshold: np.ndarray,
    right: np.ndarray,
    roots: np.ndarray,
    table: np.ndarray,
    least: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Set the scores of the rows whose `least` is great enough to be looked at."""
    for b in range(table.shape[0]):
        if least[b] >= _HOPELESS:
            scores[b] = _evaluate(feature, threshold, right, roots, table, b)


@entry
def score_blocks(
    text: np.ndarray,
    blocks: np.ndarray,
    nodes: np.ndarray,
    words: np.ndarray,
    title: np.ndarray,
    word_weights: np.ndarray,
    first: Trees,
    second: Trees,
) -> np.ndarray:
    """The probability of each block to be main content (float32)."""
    count = blocks.shape[0]
    table = np.empty((count, NUM_CONTEXT + NUM_FEATURES), np.float32)
    set_features(
        view(text), view(blocks), view(nodes), view(words), view(word_weights), view(title), table[:, NUM_CONTEXT:]
    )
    scores = np.ones(count, np.float32)
    feature, threshold, right, roots = first
    _score_all(view(feature), view(threshold), view(right), view(roots), table[:, NUM_CONTEXT:], scores.copy(), scores)
    set_context(view(blocks), view(nodes), view(scores), table[:, :NUM_CONTEXT])
    decided = np.zeros(count, np.float32)
    feature, threshold, right, roots = second
    _score_all(view(feature), view(threshold), view(right), view(roots), table[:, 0:], scores, decided)
    return decided
