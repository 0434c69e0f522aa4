"""Training: logistic regression (scikit-learn) on the features that the classifier reads, and how good it is.

Excerpts are cut so that both sides are equally long. The documents of a fifth of the groups (hosts, mostly) are held
out, as drawn. The strength of the regularisation is chosen among few on the rest, group by group, and so are the two
numbers that turn the model's sum into a probability (Platt 1999); the figures are of the documents held out, for the
very weights that are written.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.code import library_versions
from manifests.draws import fraction
from manifests.errors import UserError
from pipeline.filters.classifier.calibration import balance, calibration_bins
from pipeline.filters.classifier.examples import Example, Part, read_examples
from pipeline.filters.classifier.features import EXCERPT_CHARACTERS, Hasher
from pipeline.filters.classifier.model import model_bytes
from pipeline.filters.classifier.words import name_buckets

_FOLDS = 5
_STRENGTHS = (1.0, 10.0, 100.0, 1000.0)  # C of the regression
_SCALE = 100.0  # of the features, which are small
_LEAST_TRAINING, _LEAST_HELD_OUT = 40, 5  # documents of a side
_NAMED_FEATURES = 40
SIDES = ("negative", "positive")
_Array = npt.NDArray[Any]


class TrainingSettings(NamedTuple):
    """What decides a model besides its parts."""

    languages: tuple[str, ...] = ()
    seed: int = 0
    held_out_fraction: float = 0.2
    most_documents: int = 20_000  # of a side; some 60 kB of memory each
    bucket_bits: int = 18


class Trained(NamedTuple):
    """The bytes of the model's file, what it says of itself, the held-out scores and labels (1 positive)."""

    data: bytes
    facts: dict[str, Any]
    scores: _Array
    labels: _Array


class _Set(NamedTuple):
    matrix: Any
    labels: _Array
    examples: list[Example]

    @property
    def groups(self) -> list[str]:
        return [example.group for example in self.examples]


def train(positive: list[Part], negative: list[Part], settings: TrainingSettings, code: str) -> Trained:
    """Train on parts. code: digest of the code that makes the model.

    The same parts and settings give the same bytes, whatever the order and the folders of the parts. Raises `UserError`
    where a part is on both sides, or a side has too few documents.
    """
    _sklearn()
    import threadpoolctl

    both = {part.sha256: part for part in positive}.keys() & {part.sha256 for part in negative}
    if both:
        names = ", ".join(sorted({part.path for part in [*positive, *negative] if part.sha256 in both})[:2])
        raise UserError(f"classifier train: the same part is on both sides ({names}). Give each side its own parts.")
    read = [
        read_examples(parts, list(settings.languages), settings.most_documents, settings.seed)
        for parts in (negative, positive)
    ]
    sides = matched(read[0], read[1], settings.seed)
    hasher = Hasher(1 << settings.bucket_bits)
    examples = [(example, label) for label, side in enumerate(sides) for example in side]
    everything = _features(examples, hasher, 1 << settings.bucket_bits)
    is_held_out = np.array(
        [fraction("held out", settings.seed, group) < settings.held_out_fraction for group in everything.groups], bool
    )
    learned, held_out = (_rows(everything, np.flatnonzero(chosen)) for chosen in (~is_held_out, is_held_out))
    _check(learned, _LEAST_TRAINING, "to learn from")
    _check(held_out, _LEAST_HELD_OUT, "to hold out")

    # Several threads would sum in another order each time, and are slower.
    with threadpoolctl.threadpool_limits(1):
        strength, slope, offset = _choose(learned, settings.seed)
        fitted = _fit(learned, strength)
    weights = np.asarray(slope * fitted.coef_[0] * _SCALE, np.float64).astype(np.float16)
    bias = round(float(slope * fitted.intercept_[0] + offset), 4)
    means = held_out.matrix @ weights.astype(np.float64) / _SCALE  # of the weights as they are written
    scores = 1 / (1 + np.exp(-(means + bias)))
    facts = {
        "bias": bias,
        "languages": sorted(settings.languages),
        "made_of": {
            "positive": [{"part": part.name, "sha256": part.sha256} for part in positive],
            "negative": [{"part": part.name, "sha256": part.sha256} for part in negative],
        },
        "settings": {**settings._asdict(), "excerpt_characters": EXCERPT_CHARACTERS},
        "strength": strength,
        "code": code,
        "libraries": library_versions(("numpy", "scikit-learn", "scipy")),
        "documents": {"learned": _documents(learned), "held_out": _documents(held_out)},
        "excerpts": {"learned": _counts(learned), "held_out": _counts(held_out)},
        "split_by_document": {
            side: sum(example.group.startswith("document ") for example in found)
            for side, found in zip(SIDES, sides, strict=True)
        },
        "held_out": _figures(scores, held_out.labels, [len(example.text) for example in held_out.examples]),
        "words": _telling(weights, learned, [example.text for example in learned.examples]),
    }
    return Trained(model_bytes(weights, facts), facts, scores, held_out.labels)


def _sklearn() -> Any:
    try:
        import sklearn.linear_model
    except ImportError:
        raise UserError(
            "classifier train: scikit-learn is not installed. Run: pip install 'groundup[classifier]'."
        ) from None
    return sklearn.linear_model


def matched(negative: list[Example], positive: list[Example], seed: int) -> list[list[Example]]:
    """Both sides with their excerpts cut so that lengths are distributed alike: each to at most the length of one of
    the other side, which is drawn. So a model cannot learn that good documents are long."""
    sides = []
    for side, other in ((negative, positive), (positive, negative)):
        lengths = [len(example.text) for example in other] or [0]
        cut = []
        for example in side:
            place = int(fraction("cut", seed, example.document, example.section) * len(lengths))
            cut.append(example._replace(text=example.text[: lengths[place]]))
        sides.append(cut)
    return sides


def _features(examples: list[tuple[Example, int]], hasher: Hasher, num_buckets: int) -> _Set:
    """A row for each example: the same share for each of its words and pairs."""
    from scipy.sparse import csr_matrix

    rows = [hasher.buckets(example.text) for example, _ in examples]
    kept = [index for index, row in enumerate(rows) if len(row)]
    rows = [rows[index] for index in kept]
    ends = np.cumsum([0, *map(len, rows)])
    values = np.concatenate([np.full(len(row), _SCALE / len(row)) for row in rows]) if rows else np.zeros(0)
    columns = np.concatenate(rows) if rows else np.zeros(0, np.int32)
    matrix = csr_matrix((values, columns, ends), shape=(len(rows), num_buckets))
    labels = np.array([examples[index][1] for index in kept], np.int64)
    named = [examples[index][0] for index in kept]
    return _Set(matrix, labels, named)


def _rows(data: _Set, places: _Array) -> _Set:
    return _Set(data.matrix[places], data.labels[places], [data.examples[place] for place in places])


def _counts(data: _Set) -> dict[str, int]:
    return {side: int((data.labels == label).sum()) for label, side in enumerate(SIDES)}


def _documents(data: _Set) -> dict[str, int]:
    found: list[set[tuple[int, str]]] = [set(), set()]
    for label, example in zip(data.labels.tolist(), data.examples, strict=True):
        found[label].add((example.order, example.document))
    return {side: len(documents) for side, documents in zip(SIDES, found, strict=True)}


def _check(data: _Set, least: int, purpose: str) -> None:
    for side, number in _documents(data).items():
        if number < least:
            raise UserError(
                f"classifier train: the {side} side has {number} documents {purpose}, and at least {least} are needed. "
                f"Name more parts with --{side}."
            )


def _fit(data: _Set, strength: float) -> Any:
    # The dual of liblinear takes a tenth of the time of the other solvers here; it is seeded.
    regression = _sklearn().LogisticRegression(
        C=strength, class_weight="balanced", solver="liblinear", dual=True, random_state=0, max_iter=2000, tol=1e-4
    )
    return regression.fit(data.matrix, data.labels)


def _choose(data: _Set, seed: int) -> tuple[float, float, float]:
    """The strength of the regularisation with the least log loss out of fold, and the slope and offset of its sums."""
    folds = np.array([int(fraction("fold", seed, group) * _FOLDS) for group in data.groups])
    best: tuple[float, float, float, float] | None = None
    for strength in _STRENGTHS:
        sums = np.zeros(len(data.labels))
        for fold in range(_FOLDS):
            inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            if len(outside) and len(set(data.labels[inside].tolist())) == len(SIDES):
                sums[outside] = _fit(_rows(data, inside), strength).decision_function(data.matrix[outside])
        platt = _sklearn().LogisticRegression(C=1e6, class_weight="balanced", solver="lbfgs", tol=1e-8)
        platt.fit(sums[:, None], data.labels)
        slope, offset = max(float(platt.coef_[0, 0]), 1e-3), float(platt.intercept_[0])
        loss = _log_loss(1 / (1 + np.exp(-(slope * sums + offset))), data.labels)
        if best is None or loss < best[0]:
            best = (loss, strength, slope, offset)
    assert best is not None
    return best[1:]


def _log_loss(scores: _Array, labels: _Array) -> float:
    right = np.where(labels == 1, scores, 1 - scores)
    return float(-(np.log(np.clip(right, 1e-12, 1)) * balance(labels)).sum())


def _figures(scores: _Array, labels: _Array, lengths: list[int]) -> dict[str, Any]:
    """How good held-out scores are, both sides counting the same."""
    from sklearn.metrics import roc_auc_score

    weights = balance(labels)
    bins = calibration_bins(scores, labels, weights)
    return {
        "auc": round(float(roc_auc_score(labels, scores)), 4),
        "auc_of_length": round(float(roc_auc_score(labels, lengths)), 4),
        "balanced_accuracy": round(float((((scores >= 0.5) == (labels == 1)) * weights).sum()), 4),
        "log_loss": round(_log_loss(scores, labels), 4),
        "brier": round(float(((scores - labels) ** 2 * weights).sum()), 4),
        "calibration_error": round(sum(bin_.weight * abs(bin_.mean_score - bin_.share) for bin_ in bins), 4),
        "kept_at_half": {
            side: round(float((scores[labels == label] >= 0.5).mean()), 4) for label, side in enumerate(SIDES)
        },
    }


def _telling(weights: _Array, data: _Set, texts: list[str]) -> dict[str, list[str]]:
    """The words of most influence: weight times share of the documents."""
    influence = weights.astype(np.float64) * np.asarray((data.matrix > 0).mean(axis=0)).ravel()
    order = np.argsort(influence, kind="stable")
    ends = {"negative": order[:_NAMED_FEATURES], "positive": order[::-1][:_NAMED_FEATURES]}
    return {side: name_buckets(buckets, texts, len(weights)) for side, buckets in ends.items()}
