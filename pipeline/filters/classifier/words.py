"""Which words a trained model goes by, so that a reader sees what was learned. Buckets are hashes; their names are
found again in the documents."""

from __future__ import annotations

import itertools
import re
from collections import Counter

import numpy as np
import numpy.typing as npt

from pipeline.filters.classifier.features import Hasher

_WORD = re.compile(r"[^\W_]+")
_DIGIT = re.compile(r"\d")
_NUM_TEXTS = 600


def name_buckets(buckets: npt.NDArray[np.int64], texts: list[str], num_buckets: int) -> list[str]:
    """The commonest word, or pair of words, of some of the texts for each bucket; what is not found there is left out.
    A `0` stands for any digit."""
    wanted = set(buckets.tolist())
    hasher = Hasher(num_buckets)
    counts: Counter[str] = Counter()
    for text in texts[:: max(1, len(texts) // _NUM_TEXTS)]:
        if not wanted.isdisjoint(hasher.buckets(text).tolist()):
            words = [_DIGIT.sub("0", word) for word in _WORD.findall(text.lower())]
            counts.update(set(words) | {f"{first} {second}" for first, second in itertools.pairwise(words)})
    names: dict[int, str] = {}
    for name, number in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if number < 2:
            break
        own = set(hasher.buckets(name).tolist())
        for word in name.split(" ") if " " in name else ():
            own -= set(hasher.buckets(word).tolist())
        if len(own) == 1:
            names.setdefault(own.pop(), name)
    return [names[bucket] for bucket in buckets.tolist() if bucket in names]
