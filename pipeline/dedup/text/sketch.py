import re
from typing import Any, NamedTuple

import numpy as np
import xxhash

from pipeline.dedup.minhash import MinHasher


class Sketches(NamedTuple):
    signatures: Any
    has_signature: Any
    fine: Any


class NGrams(NamedTuple):
    values: Any
    sequence: int
    is_repetitive: bool


class Sketcher:
    def __init__(self, s):
        self.m = MinHasher(s)
        self.s = s

    def sketches(self, texts):
        sig, has = self.m.signatures(texts)
        fine = np.zeros((len(texts), 8), np.uint32)
        for i, t in enumerate(texts):
            v = self.ngrams(t).values
            for j in range(8):
                if v.size:
                    fine[i, j] = np.uint32(int((v * np.uint64(2 * j + 3)).min()) >> 32)
        return Sketches(sig, has, fine)

    def ngrams(self, text):
        w = re.findall(r"\w+|[^\w\s]", text.lower())
        n = self.s.ngram_words
        g = [" ".join(w[i : i + n]) for i in range(max(1, len(w) - n + 1))] if w else []
        v = np.unique(np.array([xxhash.xxh3_64_intdigest(x.encode("utf8", "surrogatepass")) for x in g], np.uint64))
        return NGrams(v, xxhash.xxh3_64_intdigest(" ".join(w).encode("utf8", "surrogatepass")), 2 * v.size < len(g))
