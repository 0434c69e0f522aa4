"""Deduplication of real texts: known near duplicates, versions of a book, web pages."""

from __future__ import annotations

import itertools
import json
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from datatrove.utils.text import simplify_text
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding

from pipeline.dedup.clusters import resolve
from pipeline.dedup.keys import PartKeys, part_keys
from pipeline.dedup.lsh import edges
from pipeline.dedup.minhash import estimated_jaccard
from pipeline.dedup.normalize import words
from pipeline.dedup.settings import DedupSettings, MinHashSettings

Pair = tuple[int, int]


def keys_of(texts: list[str]) -> PartKeys:
    return part_keys(texts, ["source"] * len(texts), 0, DedupSettings())


def matched_pairs(part: PartKeys) -> set[Pair]:
    """Every pair that shares a bucket."""
    pairs: set[Pair] = set()
    for bucket in range(part.bands.shape[1]):
        members: dict[int, list[int]] = {}
        for row in np.flatnonzero(part.has_signature).tolist():
            members.setdefault(int(part.bands[row, bucket]), []).append(row)
        for rows in members.values():
            pairs.update(itertools.combinations(rows, 2))
    return pairs


def jaccard_by_counting(word_lists: list[list[str]]) -> dict[Pair, float]:
    """True Jaccard similarity of the sets of 5-grams, of every pair that shares one."""
    sets = [{tuple(w[i : i + 5]) for i in range(max(1, len(w) - 4))} if w else set() for w in word_lists]
    holders: dict[tuple[str, ...], list[int]] = {}
    for number, shingles in enumerate(sets):
        for shingle in shingles:
            holders.setdefault(shingle, []).append(number)
    common = Counter(pair for numbers in holders.values() for pair in itertools.combinations(numbers, 2))
    return {(a, b): count / (len(sets[a]) + len(sets[b]) - count) for (a, b), count in common.items()}


@pytest.mark.parametrize(("num_articles", "num_true"), [(100, 5), (1000, 10), (2500, 20)])
def test_finds_the_plagiarised_articles_and_no_others(shared_data: Path, num_articles: int, num_true: int) -> None:
    folder = shared_data / "dedup" / "mccormick-minhash"
    if not (folder / f"articles_{num_articles}.train").is_file():
        pytest.skip(f"articles_{num_articles}.train is not in {folder}")
    lines = (folder / f"articles_{num_articles}.train").read_text(encoding="utf-8").splitlines()
    identifiers, texts = zip(*(line.split(" ", 1) for line in lines), strict=True)
    number_of = {identifier: number for number, identifier in enumerate(identifiers)}
    truth = {
        tuple(sorted(number_of[identifier] for identifier in line.split()))
        for line in (folder / f"articles_{num_articles}.truth").read_text(encoding="utf-8").splitlines()
    }
    assert len(truth) == num_true
    assert {tuple(edge) for edge in edges(*keys_of(list(texts)).band_pairs()).tolist()} == truth


def test_versions_of_one_book_are_one_cluster(shared_data: Path) -> None:
    sherlock = sorted((shared_data / "dedup" / "gutenberg-versions" / "sherlock").iterdir())
    others = sorted((shared_data / "books" / "gitenberg").glob("*-0.txt"))
    texts = [path.read_bytes().decode("utf-8" if path in others else "latin-1") for path in sherlock + others]
    assert len(sherlock) == 5
    assert len(others) >= 2
    part = keys_of(texts)
    assignment = resolve(edges(*part.band_pairs()), edges(*part.exact_pairs()))
    assert assignment.index.tolist() == [0, 1, 2, 3, 4]
    assert not assignment.root.any()


@pytest.fixture(scope="module")
def pages(shared_data: Path) -> list[str]:
    """Texts of real news pages in English, Polish, Russian and Greek."""
    folder = shared_data / "web" / "waddle-daniel"
    manifest = [json.loads(line) for line in (folder / "manifest.jsonl").open(encoding="utf-8")]
    wanted = {record["file"] for record in manifest if record["lang"] != "zh"}
    texts: list[str] = []
    with tarfile.open(folder / "html.tar.xz") as archive:
        for member in archive:
            if member.name in wanted and len(texts) < 400:
                content = archive.extractfile(member)
                assert content is not None
                html = content.read()
                page = bytes_to_str(html, detect_encoding(html) or "utf-8")
                texts.append(extract_plain_text(page, main_content=True, alt_texts=False))
            if len(texts) == 400:
                break
    assert len(texts) == 400
    return texts


def test_similarities_agree_with_fineweb_text_on_real_pages(pages: list[str]) -> None:
    ours = jaccard_by_counting([words(text) for text in pages])
    theirs = jaccard_by_counting([simplify_text(text).split() for text in pages])
    similar = [pair for pair in ours.keys() | theirs.keys() if max(ours.get(pair, 0), theirs.get(pair, 0)) > 0.3]
    assert len(similar) >= 20
    differences = [abs(ours.get(pair, 0) - theirs.get(pair, 0)) for pair in similar]
    assert np.median(differences) < 0.02
    assert max(differences) < 0.2


def test_matches_on_real_pages_are_those_that_similarity_explains(pages: list[str]) -> None:
    """Of real pages alone few pairs are alike enough, so pages that were edited here and there join them."""
    edited = []
    generator = np.random.default_rng(0)
    for number, text in enumerate(text for text in pages if len(text) > 1500):
        tokens = text.split(" ")
        for place in generator.choice(len(tokens), int(len(tokens) * (number % 8) / 100), replace=False):
            tokens[place] = "edited"
        edited.append(" ".join(tokens))
    texts = pages + edited
    part = keys_of(texts)
    truth = jaccard_by_counting([words(text) for text in texts])
    similarity = np.array(list(truth.values()))
    pairs = np.array(list(truth))
    found = matched_pairs(part)

    estimates = estimated_jaccard(part.signatures[pairs[:, 0]], part.signatures[pairs[:, 1]])
    errors = np.abs(estimates - similarity)
    assert abs((estimates - similarity).mean()) < 0.002
    assert (errors < 5.5 * np.sqrt(similarity * (1 - similarity) / 112) + 0.02).all()

    chances = np.array([MinHashSettings().match_probability(value) for value in similarity])
    hits = np.array([tuple(pair) in found for pair in pairs.tolist()])
    assert hits.sum() == len(found), "two pages match that share no 5-gram"
    assert not hits[similarity < 0.3].any()
    assert hits[similarity > 0.9].all()
    for low, high in [(0.3, 0.6), (0.6, 0.75), (0.75, 0.85), (0.85, 1.01)]:
        band = (similarity >= low) & (similarity < high)
        assert band.sum() >= 5
        expected, variance = chances[band].sum(), (chances[band] * (1 - chances[band])).sum()
        assert abs(hits[band].sum() - expected) <= 4 * np.sqrt(variance) + 1, (low, high)
