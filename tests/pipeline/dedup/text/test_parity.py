"""Proposed pairs beside datatrove's and datasketch's at equal settings, on real pages and edited copies of them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import xxhash
from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.utils.hashing import HashConfig
from datatrove.utils.text import simplify_text
from datatrove.utils.word_tokenizers import load_word_tokenizer
from numpy.typing import NDArray

from pipeline.dedup.settings import MinHashSettings
from pipeline.dedup.text.characters import folded
from pipeline.dedup.text.kernels import lower_minima
from pipeline.dedup.text.sketch import Sketcher, _pieces
from tests.pipeline.dedup.text.pairs import Pair
from tests.pipeline.dedup.text.reference import folded_words

_SETTINGS = MinHashSettings()
_BUCKETS, _ROWS, _WIDTH = _SETTINGS.num_buckets, _SETTINGS.hashes_per_bucket, _SETTINGS.ngram_words
_EDITS = (0.004, 0.01, 0.018, 0.026, 0.04, 0.06, 0.09)
_BANDS = ((0.3, 0.5), (0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.01))

Bools = NDArray[np.bool_]


class Corpus(NamedTuple):
    """Texts, and pairs of versions of one page with their similarities."""

    texts: list[str]
    pairs: list[Pair]
    similarities: NDArray[np.float64]


@pytest.fixture(scope="module")
def corpus(shared_data: Path) -> Corpus:
    """Real pages, each with versions of it: words deleted, replaced and doubled here and there."""
    manifest = (shared_data / "web" / "wcxb-dev" / "manifest.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    pages = [gold for line in manifest if len(gold := json.loads(line).get("gold") or "") > 3000][:24]
    generator = np.random.default_rng(0)
    texts: list[str] = []
    for page in pages:
        words = page[:3500].split(" ")
        texts.append(" ".join(words))
        for share in _EDITS:
            edited = list(words)
            for place in generator.choice(len(words) - 1, max(1, int(share * len(words))), replace=False).tolist():
                edited[place] = ["", "other words", "edited", edited[place + 1]][generator.integers(4)]
            texts.append(" ".join(edited))
    versions = 1 + len(_EDITS)
    pairs = [
        pair for pair in itertools.combinations(range(len(texts)), 2) if pair[0] // versions == pair[1] // versions
    ]
    return Corpus(texts, pairs, similarities_of([folded_words(text) for text in texts], pairs))


def similarities_of(texts: list[list[str]], pairs: list[Pair]) -> NDArray[np.float64]:
    sets = [{tuple(words[at : at + _WIDTH]) for at in range(len(words) - _WIDTH + 1)} for words in texts]
    return np.array([len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in pairs])


def proposed(buckets: NDArray[Any], pairs: list[Pair]) -> Bools:
    """Whether the two of a pair agree in a bucket; `buckets` has shape (texts, buckets, minima)."""
    first, second = np.array(pairs).T
    return np.asarray((buckets[first] == buckets[second]).all(axis=2).any(axis=1))


def ours(texts: list[str]) -> NDArray[np.uint32]:
    return Sketcher(_SETTINGS).sketches(texts).signatures.reshape(len(texts), _BUCKETS, _ROWS)


def shingles(text: str) -> NDArray[np.uint32]:
    """The hashes of the n-grams that are proposed by."""
    made = Sketcher(_SETTINGS)
    found = []
    for codes, _, is_last in _pieces(text):
        count = made._add(0, codes, folded(), made._seed, is_last)
        found.append((made._ngrams[:count] >> np.uint64(32)).astype(np.uint32))
    return np.concatenate(found)


def assert_as_likely(found: Bools, similarities: NDArray[np.float64]) -> None:
    """In each band of similarity as many are proposed as the formula says, within 4 standard deviations."""
    chances = np.array([_SETTINGS.match_probability(similarity) for similarity in similarities])
    for low, high in _BANDS:
        band = (similarities >= low) & (similarities < high)
        assert band.sum() >= 40
        expected, variance = chances[band].sum(), (chances[band] * (1 - chances[band])).sum()
        # Pairs of versions of one page are not independent: their variance is up to twice that.
        assert abs(found[band].sum() - expected) <= 4 * np.sqrt(2 * variance) + 1, (low, high)


def test_proposals_are_as_likely_as_similarity_says(corpus: Corpus) -> None:
    assert_as_likely(proposed(ours(corpus.texts), corpus.pairs), corpus.similarities)


def test_the_same_pairs_as_with_the_words_of_datatrove(corpus: Corpus) -> None:
    """Its words by our functions: what differs are signs that it leaves inside words, and `can` `not`."""
    tokenizer = load_word_tokenizer("en")
    theirs = [tokenizer.word_tokenize(simplify_text(text)) for text in corpus.texts]
    similarities = similarities_of(theirs, corpus.pairs)
    assert np.abs(similarities - corpus.similarities).mean() < 0.001
    assert np.abs(similarities - corpus.similarities).max() < 0.02
    same = proposed(ours([" ".join(words) for words in theirs]), corpus.pairs)
    assert (same == proposed(ours(corpus.texts), corpus.pairs)).mean() >= 0.999


def test_datatrove_proposes_as_many(corpus: Corpus, tmp_path: Path) -> None:
    """Its own signatures, by functions of its own: other draws with the same chances."""
    config = MinhashConfig(
        hash_config=HashConfig(precision=64), num_buckets=_BUCKETS, hashes_per_bucket=_ROWS, n_grams=_WIDTH
    )
    block = MinhashDedupSignature(str(tmp_path), config=config)
    block._hash_func = _hash  # its own passes text, which version 4 of xxhash refuses
    theirs = np.array([block.get_signature(block.get_shingles(text)) for text in corpus.texts], dtype=np.uint64)
    found = proposed(theirs.reshape(len(corpus.texts), _BUCKETS, _ROWS), corpus.pairs)
    assert_as_likely(found, corpus.similarities)
    difference = found.sum() - proposed(ours(corpus.texts), corpus.pairs).sum()
    assert abs(difference) < 0.05 * len(corpus.pairs)


def test_the_same_pairs_as_datasketch(corpus: Corpus) -> None:
    """By the same functions `a * x + b` modulo 2**32, datasketch keeps the same minima and proposes the same pairs."""
    datasketch = pytest.importorskip("datasketch")
    if not hasattr(datasketch.MinHash(), "scheme"):
        pytest.skip("this version of datasketch has no functions modulo 2**32")
    made = Sketcher(_SETTINGS)
    functions = np.array([made._factors, made._offsets])
    index = datasketch.MinHashLSH(num_perm=_SETTINGS.num_hashes, params=(_BUCKETS, _ROWS))
    minima = np.full((len(corpus.texts), _SETTINGS.num_hashes), 0xFFFFFFFF, dtype=np.uint32)
    signatures = []
    for row, text in enumerate(corpus.texts):
        hashes = shingles(text)
        theirs = datasketch.MinHash(
            _SETTINGS.num_hashes, hashfunc=int, scheme="affine32", permutations=functions, gpu_mode="disable"
        )
        theirs.update_batch(hashes)
        index.insert(row, theirs)
        signatures.append(theirs)
        scrambled = scramble(hashes).astype(np.uint64) << np.uint64(32)  # as datasketch does before its functions
        lower_minima(scrambled, scrambled.size, made._factors, made._offsets, minima[row])
    assert np.array_equal(minima, np.array([each.hashvalues for each in signatures]))
    found = {
        (min(row, other), max(row, other)) for row in range(len(signatures)) for other in index.query(signatures[row])
    }
    same = proposed(minima.reshape(len(minima), _BUCKETS, _ROWS), corpus.pairs)
    assert {pair for pair, is_same in zip(corpus.pairs, same, strict=True) if is_same} == {
        pair for pair in found if pair[0] != pair[1]
    }
    assert_as_likely(same, corpus.similarities)


def test_datasketch_proposes_as_many(corpus: Corpus) -> None:
    """By functions of its own."""
    datasketch = pytest.importorskip("datasketch")
    rows = []
    for text in corpus.texts:
        theirs = datasketch.MinHash(_SETTINGS.num_hashes, seed=5, hashfunc=int)
        theirs.update_batch(shingles(text).tolist())
        rows.append(theirs.hashvalues)
    found = proposed(np.array(rows).reshape(len(rows), _BUCKETS, _ROWS), corpus.pairs)
    assert_as_likely(found, corpus.similarities)


def _hash(text: str) -> int:
    return xxhash.xxh64_intdigest(text.encode())


def scramble(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The finaliser of MurmurHash3 for 32 bits."""
    values = values ^ (values >> np.uint32(16))
    values = values * np.uint32(0x85EBCA6B)
    values ^= values >> np.uint32(13)
    values = values * np.uint32(0xC2B2AE35)
    return values ^ (values >> np.uint32(16))
