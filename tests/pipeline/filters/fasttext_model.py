"""Tiny fastText models as files, written by the format's layout (fastText's version 12, not quantized)."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

_MAGIC, _VERSION = 793712314, 12
_SOFTMAX, _SUPERVISED = 3, 3


def write_model(path: Path, words_of: dict[str, list[str]], certainty: float = 20.0) -> Path:
    """A model that knows a text by its words, of which each speaks for one label."""
    labels = sorted(words_of)
    words = ["</s>", *sorted({word for known in words_of.values() for word in known})]  # the end of a line is a word
    dim = len(labels)
    inputs = np.zeros((len(words) + 1, dim), np.float32)  # the last row is the one bucket of n-grams, never asked
    for number, label in enumerate(labels):
        for word in words_of[label]:
            inputs[words.index(word), number] = 1.0
    outputs = np.eye(dim, dtype=np.float32) * certainty
    entries = [(word, 0) for word in words] + [(f"__label__{label}", 1) for label in labels]
    data = struct.pack("<2i", _MAGIC, _VERSION)
    data += struct.pack("<12id", dim, 5, 5, 1, 5, 1, _SOFTMAX, _SUPERVISED, 1, 0, 0, 100, 0.0)
    data += struct.pack("<3i2q", len(entries), len(words), len(labels), len(words), -1)
    for text, kind in entries:
        data += text.encode() + b"\0" + struct.pack("<qb", 1, kind)
    for matrix in (inputs, outputs):
        data += b"\0" + struct.pack("<2q", *matrix.shape) + matrix.tobytes()
    path.write_bytes(data)
    return path
