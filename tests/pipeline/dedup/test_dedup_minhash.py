"""MinHash signatures: unbiased, independent, stable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from manifests.errors import UserError
from manifests.settings import validate
from pipeline.dedup.keys import band_keys
from pipeline.dedup.minhash import MinHasher, estimated_jaccard
from pipeline.dedup.normalize import UInt32Array, word_hashes
from pipeline.dedup.settings import DedupSettings, MinHashSettings

DEFAULT = MinHashSettings()
GOLDEN_SEED_1 = [615064017, 107517606, 363696602, 222240514]
GOLDEN_SEED_2 = [1168206968, 261408732, 522531102, 282643716]
GOLDEN_KEYS = [13119677670565504265, 13086263842946996990]


def signature_of(hasher: MinHasher, text: str) -> UInt32Array:
    signature = hasher.signature(text)
    assert signature is not None
    return signature


def pairs_of_similarity(similarity: float, num_pairs: int, union: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Signatures of pairs of shingle sets whose Jaccard similarity is exactly `similarity`."""
    generator = np.random.default_rng(round(similarity * 1000))
    shared = round(similarity * union)
    apart = (union - shared) // 2
    hasher = MinHasher(DEFAULT)
    first, second = [], []
    for _ in range(num_pairs):
        shingles = generator.integers(0, 2**32, union, dtype=np.uint32)
        first.append(hasher.minima(shingles[: shared + apart]))
        second.append(hasher.minima(np.concatenate([shingles[:shared], shingles[shared + apart :]])))
    return np.stack(first), np.stack(second)


@pytest.mark.parametrize("similarity", [0.1, 0.5, 0.8, 0.95])
def test_estimate_is_unbiased_with_the_variance_of_independent_hashes(similarity: float) -> None:
    num_pairs = 1500
    estimates = estimated_jaccard(*pairs_of_similarity(similarity, num_pairs))
    variance = similarity * (1 - similarity) / DEFAULT.num_hashes
    assert abs(estimates.mean() - similarity) < 4 * np.sqrt(variance / num_pairs)
    assert 0.8 < estimates.var() / variance < 1.2


@pytest.mark.parametrize(("similarity", "published"), [(0.7, 0.56), (0.75, 0.77), (0.8, 0.92), (0.85, 0.988)])
def test_match_probability_is_the_published_one(similarity: float, published: float) -> None:
    assert abs(DEFAULT.match_probability(similarity) - published) < 0.006
    num_pairs = 1500
    first, second = pairs_of_similarity(similarity, num_pairs)
    matches = (band_keys(first, DEFAULT.num_buckets) == band_keys(second, DEFAULT.num_buckets)).any(axis=1)
    expected = DEFAULT.match_probability(similarity)
    assert abs(matches.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / num_pairs)


def test_signature_is_stable() -> None:
    """Published numbers must not change unseen: a change rebuilds every corpus."""
    text = "It is a truth universally acknowledged, that a single man in possession of a good fortune..."
    assert signature_of(MinHasher(DEFAULT), text)[:4].tolist() == GOLDEN_SEED_1
    assert signature_of(MinHasher(MinHashSettings(seed=2)), text)[:4].tolist() == GOLDEN_SEED_2
    keys = band_keys(signature_of(MinHasher(DEFAULT), text), DEFAULT.num_buckets)
    assert keys[[0, 13]].tolist() == GOLDEN_KEYS


def test_signature_follows_its_definition() -> None:
    hasher = MinHasher(MinHashSettings(num_buckets=3, hashes_per_bucket=2))
    shingles = hasher.shingles("one two three four five six seven").tolist()
    assert len(shingles) == 3
    factors, offsets = hasher._factors.ravel().tolist(), hasher._offsets.ravel().tolist()
    assert all(factor % 2 for factor in factors)
    assert len(set(factors)) == len(set(offsets)) == 6
    expected = [min((a * x + b) % 2**32 for x in shingles) for a, b in zip(factors, offsets, strict=True)]
    assert signature_of(hasher, "one two three four five six seven").tolist() == expected


def test_shingles_are_ngrams_of_words() -> None:
    hasher = MinHasher(MinHashSettings(ngram_words=3))
    first, second = hasher.shingles("a b c d e"), hasher.shingles("x b c d y a b c")
    assert first.size == 3
    assert second.size == 6
    assert first[1] == second[1]
    assert first[0] == second[5]
    assert len(np.unique(np.concatenate([first, second]))) == 7
    # The order of the words counts, and so does where one ends.
    assert hasher.shingles("a b c")[0] != hasher.shingles("c b a")[0]
    assert hasher.shingles("ab c d")[0] != hasher.shingles("a bc d")[0]


def test_order_and_repeats_of_shingles_are_moot() -> None:
    hasher = MinHasher(DEFAULT)
    shingles = np.random.default_rng(0).integers(0, 2**32, 3000, dtype=np.uint32)
    expected = hasher.minima(shingles)
    assert np.array_equal(hasher.minima(np.concatenate([shingles[::-1], shingles[:700]])), expected)
    halves = [hasher.minima(shingles[:1111]), hasher.minima(shingles[1111:])]
    assert np.array_equal(np.minimum(*halves), expected)


def test_short_and_empty_texts() -> None:
    hasher = MinHasher(DEFAULT)
    assert hasher.signature("") is None
    assert hasher.signature(" ... \n") is None
    assert hasher.shingles("Hello, World").size == 1
    assert np.array_equal(signature_of(hasher, "Hello, World"), signature_of(hasher, "hello world!"))
    assert not np.array_equal(signature_of(hasher, "hello world"), signature_of(hasher, "hello there"))
    rows, present = hasher.signatures(["", "Hello, World"])
    assert present.tolist() == [False, True]
    assert np.array_equal(rows[1], signature_of(hasher, "hello world"))
    assert not rows[0].any()


def test_script_without_spaces_is_compared_by_characters() -> None:
    hasher = MinHasher(DEFAULT)
    text = "永和九年歲在癸丑暮春之初會於會稽山陰之蘭亭修禊事也群賢畢至少長咸集"
    assert word_hashes(text).size == len(text)
    changed = text[:-1] + "者"
    assert estimated_jaccard(signature_of(hasher, text), signature_of(hasher, changed)) > 0.8


def test_settings() -> None:
    settings = validate(
        DedupSettings, {"minhash": {"num_buckets": 20, "hashes_per_bucket": 5}, "scope": "source"}, "r.toml"
    )
    assert settings.minhash.num_hashes == 100
    assert settings.exact
    cases: list[tuple[dict[str, Any], str]] = [
        ({"minhash": {"num_buckets": 0}}, "minhash.num_buckets"),
        ({"minhash": {"hashes_per_bucket": -1}}, "minhash.hashes_per_bucket"),
        ({"minhash": {"ngram_words": 0}}, "minhash.ngram_words"),
        ({"minhash": {"seed": -1}}, "minhash.seed"),
        ({"scope": "host"}, "scope"),
        ({"minhash": {"buckets": 3}}, "num_buckets"),
    ]
    for bad, key in cases:
        with pytest.raises(UserError, match=key):
            validate(DedupSettings, bad, "r.toml")
