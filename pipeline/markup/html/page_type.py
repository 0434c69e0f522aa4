"""Tells what type of page a page is: trees over what is counted of its blocks, elements, class names and head."""

from __future__ import annotations

import numpy as np

from pipeline.compiled.cache import kernel
from pipeline.documents.page_types import PAGE_TYPES, PageType
from pipeline.markup.html import features, page_head
from pipeline.markup.html.features import TYPES_AT
from pipeline.markup.html.layout import N_TAG
from pipeline.markup.html.tables import TAGS

NUM_TYPES = len(PAGE_TYPES)
_NUM_TAGS = len(TAGS)
_NAMES = (
    *(f"mean_{name}" for name in features.NAMES[:TYPES_AT]),
    *(f"tag_{name}" for name in TAGS),
    *page_head.NAMES,
)


def names(class_words: list[str]) -> tuple[str, ...]:
    """Names of the numbers of a page, given the class words by number."""
    return (*_NAMES, *(f"class_{word}" for word in class_words))


@kernel
def page_numbers(
    table: np.ndarray, nodes: np.ndarray, words: np.ndarray, head: np.ndarray, num_words: int
) -> np.ndarray:
    """The numbers of a page (float32): means of the features of its blocks, weighted by their length; how many elements
    of each tag and with each class word there are (log of 1 + their number); what `page_head` says.
    """
    numbers = np.zeros(TYPES_AT + _NUM_TAGS + head.size + num_words, np.float32)
    total = np.float32(0.0)
    for b in range(table.shape[0]):
        weight = table[b, 0] + np.float32(5.0)
        total += weight
        for column in range(TYPES_AT):
            numbers[column] += weight * table[b, column]
    for column in range(TYPES_AT):
        numbers[column] /= max(np.float32(1.0), total)
    for n in range(nodes.shape[0]):
        numbers[TYPES_AT + nodes[n, N_TAG]] += 1
    place = TYPES_AT + _NUM_TAGS
    for column in range(head.size):
        numbers[place + column] = head[column]
    place += head.size
    for pair in range(words.shape[0]):
        numbers[place + words[pair, 1]] += 1
    for column in range(TYPES_AT, TYPES_AT + _NUM_TAGS):
        numbers[column] = np.log1p(numbers[column])
    for column in range(place, numbers.size):
        numbers[column] = np.log1p(numbers[column])
    return numbers


@kernel
def type_scores(
    feature: np.ndarray, threshold: np.ndarray, right: np.ndarray, roots: np.ndarray, numbers: np.ndarray
) -> np.ndarray:
    """The probability of each type (float32): the trees are of the types in turn."""
    scores = np.zeros(NUM_TYPES, np.float32)
    for tree in range(roots.size):
        node = np.int64(roots[tree])
        while feature[node] >= 0:
            node = node + 1 if numbers[feature[node]] <= threshold[node] else np.int64(right[node])
        scores[tree % NUM_TYPES] += threshold[node]
    most = scores.max()
    for place in range(NUM_TYPES):
        scores[place] = np.exp(scores[place] - most)
    total = scores.sum()
    for place in range(NUM_TYPES):
        scores[place] /= total
    return scores


def likeliest(scores: np.ndarray) -> tuple[PageType, float]:
    """The type with the greatest score, and that score, from 0 to 1."""
    best = int(np.argmax(scores))
    return PAGE_TYPES[best], round(float(scores[best]), 3)
