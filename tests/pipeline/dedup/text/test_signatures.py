"""MinHash signatures: unbiased, independent, stable; pairs are proposed as often as the formula says."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from manifests.errors import UserError
from manifests.settings import validate
from pipeline.dedup.keys import bucket_keys
from pipeline.dedup.settings import DedupSettings, MinHashSettings
from pipeline.dedup.text.characters import folded
from pipeline.dedup.text.kernels import BLOCK, lower_minima
from pipeline.dedup.text.sketch import NUM_FINE, Sketcher, Sketches

DEFAULT = MinHashSettings()
SIMILARITIES = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
_NUM_PAIRS = 12_000
_UNION = 120
GOLDEN_SEED_1 = [247585568, 365657338, 298922728, 158466091]
GOLDEN_SEED_2 = [542137738, 162235940, 605835926, 79991659]
GOLDEN_FINE = [1187532531, 1741135701]


def pairs_of_similarity(similarity: float, num_pairs: int) -> tuple[list[str], list[str]]:
    """Pairs of texts of random words whose sets of 5-grams have exactly this similarity.

    They begin alike and end with words of their own: `shared + 4` and `(union - shared) / 2` words.
    """
    shared = round(similarity * _UNION)
    own = (_UNION - shared) // 2
    assert shared / (shared + 2 * own) == similarity
    generator = np.random.default_rng(round(similarity * 1000))
    letters = generator.integers(ord("a"), ord("z") + 1, (num_pairs, shared + 4 + 2 * own, 8), dtype=np.uint8)
    letters[..., 7] = ord(" ")
    both, first, second = np.split(letters, [shared + 4, shared + 4 + own], axis=1)
    return tuple(  # type: ignore[return-value]
        [row.tobytes().decode() for row in np.concatenate([both, end], axis=1)] for end in (first, second)
    )


@functools.cache
def sketched(similarity: float) -> tuple[Sketches, Sketches]:
    """The sketches of many pairs."""
    made = Sketcher(DEFAULT)
    first, second = pairs_of_similarity(similarity, _NUM_PAIRS)
    return made.sketches(first), made.sketches(second)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_pairs_are_proposed_as_often_as_the_formula_says(similarity: float) -> None:
    """Within 0.02; the standard error of the share is 0.005 at most, so luck would have to be of four of them."""
    none = np.zeros(_NUM_PAIRS, dtype=np.uint64)
    first, second = (bucket_keys(each.signatures, DEFAULT.num_buckets, none) for each in sketched(similarity))
    share = (first == second).any(axis=1).mean()
    expected = DEFAULT.match_probability(similarity)
    assert abs(share - expected) < 0.02
    assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / _NUM_PAIRS) + 0.001


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_the_estimate_is_unbiased_with_the_variance_of_independent_functions(similarity: float) -> None:
    estimates = np.equal(*(each.signatures for each in sketched(similarity))).mean(axis=-1)
    variance = similarity * (1 - similarity) / DEFAULT.num_hashes
    assert abs(estimates.mean() - similarity) < 4 * np.sqrt(variance / _NUM_PAIRS)
    assert 0.9 < estimates.var() / variance < 1.1
    # The low 16 bits of the minima, which the stage stores, say nearly the same.
    short = np.equal(*(each.signatures.astype(np.uint16) for each in sketched(similarity))).mean(axis=-1)
    assert np.abs(short - estimates).max() < 2.5 / DEFAULT.num_hashes


@pytest.mark.parametrize("similarity", [0.5, 0.8, 0.95])
def test_finer_keys_agree_where_all_their_minima_do(similarity: float) -> None:
    first, second = (each.fine for each in sketched(similarity))
    expected = similarity**4
    error = np.sqrt(expected * (1 - expected) / (_NUM_PAIRS * NUM_FINE))
    assert abs((first == second).mean() - expected) < 4 * error


@pytest.mark.parametrize(("similarity", "published"), [(0.7, 0.56), (0.75, 0.77), (0.8, 0.92), (0.85, 0.988)])
def test_match_probability_is_the_published_one(similarity: float, published: float) -> None:
    assert abs(DEFAULT.match_probability(similarity) - published) < 0.006


@pytest.mark.parametrize("settings", [{}, {"seed": 7}, {"num_buckets": 3, "hashes_per_bucket": 2}, {"ngram_words": 2}])
@pytest.mark.parametrize("length", [1, 4, 5, 12, 13, 50, 300])
def test_a_signature_follows_its_definition(settings: dict[str, int], length: int) -> None:
    made = Sketcher(MinHashSettings.model_validate(settings))
    text = " ".join(f"w{'abcdefghij'[n % 10]}{'x' * (n // 10)}" for n in range(length))
    count = max(1, length - made._width + 1)
    made._begin()
    codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    assert made._add(0, codes, folded(), made._seed, True) == count
    shingles = [value >> 32 for value in made._ngrams[:count].tolist()]
    factors, offsets = made._factors.tolist(), made._offsets.tolist()
    assert all(factor % 2 for factor in factors)
    assert len(set(factors)) == len(set(offsets)) == made._factors.size
    expected = [min((a * x + b) % 2**32 for x in shingles) for a, b in zip(factors, offsets, strict=True)]
    assert made.sketches([text]).signatures[0].tolist() == expected


def test_signatures_are_stable() -> None:
    """A change would rebuild every corpus, so it must not come unseen."""
    text = "It is a truth universally acknowledged, that a single man in possession of a good fortune..."
    assert Sketcher(DEFAULT).sketches([text]).signatures[0, :4].tolist() == GOLDEN_SEED_1
    assert Sketcher(MinHashSettings(seed=2)).sketches([text]).signatures[0, :4].tolist() == GOLDEN_SEED_2
    assert Sketcher(DEFAULT).sketches([text]).fine[0, :2].tolist() == GOLDEN_FINE


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 1000])
def test_order_and_repeats_are_moot(count: int) -> None:
    values = np.random.default_rng(count).integers(0, 2**64, count, dtype=np.uint64)
    made = Sketcher(DEFAULT)

    def minima(*parts: NDArray[np.uint64]) -> list[int]:
        least = np.full(DEFAULT.num_hashes, 0xFFFFFFFF, dtype=np.uint32)
        for part in parts:
            lower_minima(part, part.size, made._factors, made._offsets, least)
        return least.tolist()

    expected = minima(values)
    assert minima(np.concatenate([values[::-1], values[: count // 3]])) == expected
    assert minima(values[: count // 2].copy(), values[count // 2 :].copy()) == expected
    assert expected == minima(np.sort(values)) != [0] * DEFAULT.num_hashes


def test_texts_do_not_depend_on_those_before() -> None:
    texts = ["", "Hello, World", " ... \n", "one two three four five six seven", "永和九年歲在癸丑暮春之初", "x"]
    together = Sketcher(DEFAULT).sketches(texts)
    assert together.has_signature.tolist() == [False, True, False, True, True, True]
    assert not together.signatures[[0, 2]].any()
    backwards = Sketcher(DEFAULT).sketches(texts[::-1])
    for row, text in enumerate(texts):
        alone = Sketcher(DEFAULT).sketches([text])
        for found in (alone, backwards):
            place = 0 if found is alone else len(texts) - 1 - row
            assert all(np.array_equal(one[place], many[row]) for one, many in zip(found, together, strict=True))


def test_settings() -> None:
    wanted = {"minhash": {"num_buckets": 20, "hashes_per_bucket": 5}, "scope": "source"}
    assert validate(DedupSettings, wanted, "r.toml").minhash.num_hashes == 100
    cases: list[tuple[dict[str, Any], str]] = [
        ({"minhash": {"num_buckets": 0}}, "minhash.num_buckets"),
        ({"minhash": {"hashes_per_bucket": -1}}, "minhash.hashes_per_bucket"),
        ({"minhash": {"ngram_words": 0}}, "minhash.ngram_words"),
        ({"minhash": {"seed": -1}}, "minhash.seed"),
        ({"minhash": {"threshold": 0}}, "minhash.threshold"),
        ({"minhash": {"threshold": 1.1}}, "minhash.threshold"),
        ({"scope": "host"}, "scope"),
        ({"minhash": {"buckets": 3}}, "num_buckets"),
    ]
    for bad, key in cases:
        with pytest.raises(UserError, match=key):
            validate(DedupSettings, bad, "r.toml")
