"""A trained classifier as a file: safetensors, which loads without executing anything.

The file has one tensor, the weights of the buckets (float16), and one entry of metadata, `groundup`: JSON with all that
made the model (inputs with their digests, settings, versions of code and libraries) and what it scored on the documents
held out. It also has a digest of the weights, so a damaged file is told.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from manifests.errors import UserError
from manifests.settings import canonical_json
from pipeline.filters.classifier.features import Hasher, excerpt

FORMAT = 1
_KEY = "groundup"
_HEADER_BYTES = 8


class Model(NamedTuple):
    """Weights, bias, the languages that it judges ([] all), all that its file says of it, and the file's digest."""

    weights: npt.NDArray[np.float32]
    bias: float
    languages: frozenset[str]
    facts: dict[str, Any]
    sha256: str

    def hasher(self) -> Hasher:
        return Hasher(self.weights.size)


def score(model: Model, hasher: Hasher, text: str) -> float | None:
    """The probability that a document is one of the positive side, were the sides equally frequent.

    None where the text has no word.
    """
    mean = hasher.mean_weight(excerpt(text), model.weights)
    return None if mean is None else sigmoid(mean + model.bias)


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0


def model_bytes(weights: npt.NDArray[np.float16], facts: dict[str, Any]) -> bytes:
    """The file of a model; equal arguments give equal bytes. facts: JSON; must have `bias` and `languages`."""
    facts = {**facts, "format": FORMAT, "weights_sha256": hashlib.sha256(weights.tobytes()).hexdigest()}
    return bytes(save({"weights": weights}, {_KEY: canonical_json(facts)}))


def load_model(path: str) -> Model:
    """Read a model. Raises `UserError` where the file is absent, damaged, none of ours, or of another version."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise UserError(
            f"{path}: the classifier's model cannot be read ({error.strerror}). "
            "Make one with: groundup classifier train."
        ) from None
    return _load(path, status.st_size, status.st_mtime_ns)


def _check(weights: Any, bias: float, languages: Any) -> None:
    """Raise `ValueError` for what compiled code must not be given."""
    is_table = weights.ndim == 1 and weights.dtype == np.float16 and weights.size >= 2
    if not is_table or weights.size & (weights.size - 1) or not np.isfinite(weights).all():
        raise ValueError("weights")
    if not np.isfinite(bias) or not isinstance(languages, list) or not all(isinstance(code, str) for code in languages):
        raise ValueError("facts")


@functools.lru_cache(maxsize=4)
def _load(path: str, num_bytes: int, modified: int) -> Model:
    try:
        data = Path(path).read_bytes()
        weights = load(data)["weights"]
        header = json.loads(data[_HEADER_BYTES : _HEADER_BYTES + int.from_bytes(data[:_HEADER_BYTES], "little")])
        facts = json.loads(header["__metadata__"][_KEY])
        kind, digest = facts["format"], facts["weights_sha256"]
        bias, languages = float(facts["bias"]), frozenset(facts["languages"])
        _check(weights, bias, facts["languages"])
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Give the model file of a classifier.") from None
    except (SafetensorError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{path}: not a classifier's model, or damaged. Make it again with: groundup classifier train."
        ) from None
    if kind != FORMAT:
        raise UserError(
            f"{path}: a model of format {kind}, and this version of groundup reads format {FORMAT}. Train it again."
        )
    if hashlib.sha256(weights.tobytes()).hexdigest() != digest:
        raise UserError(
            f"{path}: the weights are damaged: their digest is another. Restore the file or train it again."
        )
    return Model(weights.astype(np.float32), bias, languages, facts, hashlib.sha256(data).hexdigest())
