"""The expected number of false partners of a document, from sampled signatures."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from pipeline.dedup.background import (
    background_lines,
    bucket_probabilities,
    documents_a_source,
    expected_partners,
)
from pipeline.dedup.settings import DedupSettings, MinHashSettings


def _alike(number: int, similarity: float, seed: int = 1) -> NDArray[np.uint16]:
    """Signatures whose pairs agree in a minimum with this probability."""
    random = np.random.default_rng(seed)
    common = random.integers(0, 2**16, 112)
    own = random.integers(0, 2**16, (number, 112))
    return np.where(random.random((number, 112)) < np.sqrt(similarity), common, own).astype(np.uint16)


@pytest.mark.parametrize("similarity", [0.05, 0.1, 0.2, 0.5, 0.8, 1.0])
@pytest.mark.parametrize(("buckets", "hashes"), [(14, 8), (26, 11), (9, 13), (1, 1), (450, 20)])
def test_estimate_is_without_bias(similarity: float, buckets: int, hashes: int) -> None:
    """The mean over all numbers of equal minima is the formula where that is small, and never above all buckets'."""
    settings = MinHashSettings(num_buckets=buckets, hashes_per_bucket=hashes)
    probabilities = bucket_probabilities(settings)
    mean = float(binom(settings.num_hashes, similarity).pmf(np.arange(settings.num_hashes + 1)) @ probabilities)
    formula = settings.match_probability(similarity)
    assert (probabilities >= 0).all()
    assert formula * (1 - 1e-6) <= mean + 0.01
    assert mean <= buckets * similarity**hashes * (1 + 1e-6)
    if formula < 0.01:
        assert mean == pytest.approx(formula, rel=0.02)


def test_seven_million_documents_at_a_tenth_percolate() -> None:
    settings = DedupSettings()
    facts = expected_partners(_alike(1000, 0.1), ["web"] * 1000, {"web": 7_150_000}, settings)
    assert facts["pairs"] == 499_500
    assert facts["mean_similarity"] == pytest.approx(0.1, abs=0.01)
    assert facts["expected"] == pytest.approx(1.0, rel=0.4)
    tenfold = expected_partners(_alike(1000, 0.1), ["web"] * 1000, {"web": 71_500_000}, settings)
    assert tenfold["expected"] == pytest.approx(10 * facts["expected"])
    (line,) = background_lines(tenfold, settings.minhash)
    assert "in one component" in line
    assert "each pair is compared" in line
    (line,) = background_lines(tenfold, settings.minhash.model_copy(update={"verify": False}))
    assert "verify=false keeps one" in line


def test_few_documents_say_nothing() -> None:
    facts = expected_partners(_alike(1000, 0.05), ["web"] * 1000, {"web": 10_000}, DedupSettings())
    assert facts["expected"] < 0.1
    assert list(background_lines(facts, MinHashSettings())) == []


def test_copies_are_no_false_partners() -> None:
    one = _alike(100, 0.02)
    both = np.concatenate([one, one])
    facts = expected_partners(both, ["web"] * 200, {"web": 1_000_000}, DedupSettings())
    assert facts["expected"] < 0.1


def test_each_source_counts_with_its_documents() -> None:
    """Documents of `shop` are alike, those of `web` are not; nothing is alike across the two."""
    signatures = np.concatenate([_alike(500, 0.02, 1), _alike(500, 0.3, 2)])
    sources = ["web"] * 500 + ["shop"] * 500
    numbers = {"web": 9_000_000, "shop": 1_000_000, "of no part": 5}
    facts = expected_partners(signatures, sources, numbers, DedupSettings())
    by_source = facts["by_source"]
    assert by_source["web"] < 0.1
    assert by_source["shop"] == pytest.approx(1e6 * MinHashSettings().match_probability(0.3), rel=0.3)
    assert facts["expected"] == pytest.approx(0.9 * by_source["web"] + 0.1 * by_source["shop"])


def test_scope_compares_within_sources() -> None:
    signatures, sources = _alike(1000, 0.3), ["a"] * 500 + ["b"] * 500
    together = expected_partners(signatures, sources, {"a": 10**6, "b": 10**6}, DedupSettings())
    apart = expected_partners(signatures, sources, {"a": 10**6, "b": 10**6}, DedupSettings(scope="source"))
    assert apart["expected"] == pytest.approx(together["expected"] / 2, rel=0.2)


@pytest.mark.parametrize("num_sources", [1, 2, 5, 30, 200])
@pytest.mark.parametrize("scope", ["global", "source", "group"])
def test_at_least_a_hundred_thousand_pairs(num_sources: int, scope: str) -> None:
    settings = DedupSettings.model_validate({"scope": scope})
    number = documents_a_source(num_sources, settings)
    if scope == "global":
        number *= num_sources
        assert number * (number - 1) / 2 >= 100_000
    else:
        assert num_sources * number * (number - 1) / 2 >= 100_000


@pytest.mark.parametrize("number", [0, 1, 2])
def test_hardly_any_documents(number: int) -> None:
    facts = expected_partners(_alike(number, 0.1), ["web"] * number, {"web": number}, DedupSettings())
    assert facts["pairs"] == number * (number - 1) // 2
    assert facts["expected"] < 1e-4
