"""Similarities of pairs of texts, for tests."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import numpy as np

from pipeline.dedup.settings import MinHashSettings
from pipeline.dedup.text.similarity import similarities
from pipeline.dedup.text.sketch import Sketcher

Pair = tuple[int, int]


def compared(
    texts: Sequence[str], pairs: Sequence[Pair] | None = None, settings: MinHashSettings | None = None
) -> dict[Pair, float]:
    """The similarity of each pair of texts, by default of all with `first < second`, by what the settings measure."""
    settings = settings or MinHashSettings()
    sketcher = Sketcher(settings)
    ngrams = [sketcher.ngrams(text) for text in texts]
    offsets = np.concatenate([[0], np.cumsum([each.values.size for each in ngrams])]).astype(np.int64)
    pairs = list(itertools.combinations(range(len(texts)), 2)) if pairs is None else pairs
    first, second = np.ascontiguousarray(np.array(pairs, dtype=np.int64).reshape(-1, 2).T)
    found = similarities(
        np.concatenate([each.values for each in ngrams]), offsets, first, second, settings.measure,
        np.array([each.sequence for each in ngrams], dtype=np.uint64),
        np.array([each.is_repetitive for each in ngrams]),
    )  # fmt: skip
    return dict(zip(pairs, found.tolist(), strict=True))


def similarity(one: str, two: str, measure: Literal["similarity", "containment"] = "similarity") -> float:
    """The similarity of two texts by default settings."""
    return compared([one, two], settings=MinHashSettings(measure=measure))[0, 1]
