"""Proposed pairs: every pair of a bucket, linear work in large ones, and the same whatever the order of entries."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.dedup.candidates import ENTRY, MANY, PAIR, merge, propose, range_bounds, range_count
from pipeline.dedup.rank import by_preference
from pipeline.dedup.schema import EXACT, NEAR, URL

EARLIER = 1 << 40


def entries(rows: list[tuple[int, int, int, int, int]]) -> NDArray[np.void]:
    """Entries of (key, kind, document, rank, content)."""
    table = np.zeros(len(rows), dtype=ENTRY)
    for place, (key, kind, document, rank, content) in enumerate(rows):
        table[place] = (key << 2 | kind, document, rank, content, 2 * place + np.arange(2))
    return table


def found(table: NDArray[np.void]) -> set[tuple[int, int, int, int]]:
    pairs = propose(table, EARLIER)
    return {(int(row["better"]), int(row["worse"]), int(row["kind"]), int(row["shared"])) for row in pairs}


@st.composite
def documents(draw: st.DrawFn) -> NDArray[np.void]:
    """Entries of a dozen documents in few buckets; each has one rank and text wherever it is."""
    facts = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=2, max_size=12))
    rows = []
    for document, (rank, content) in enumerate(facts):
        rows += [(100 + content, EXACT, document, rank << 32, content)]
        buckets = draw(st.sets(st.integers(0, 4), max_size=4))
        rows += [(bucket, NEAR, document, rank << 32, content) for bucket in buckets]
    return entries(draw(st.permutations(rows)))


@given(documents())
def test_pairs_are_those_of_all_buckets(table: NDArray[np.void]) -> None:
    """By brute force: each pair of different texts in a bucket, with the number of buckets that they share."""
    texts = {int(row["document"]): int(row["content"]) for row in table}
    best = {}
    for place in by_preference(table["rank"], table["content"], table["document"])[::-1]:
        best[int(table["content"][place])] = int(table["document"][place])
    order = {
        int(table["document"][place]): turn
        for turn, place in enumerate(by_preference(table["rank"], table["content"], table["document"]))
    }
    near: dict[tuple[int, int], int] = {}
    for key in {int(key) for key in table["key"] if int(key) & 3 == NEAR}:
        members = {int(row["document"]) for row in table[table["key"] == key]}
        chosen = sorted(
            {min((one for one in members if texts[one] == texts[member]), key=order.__getitem__) for member in members},
            key=order.__getitem__,
        )
        for pair in itertools.combinations(chosen, 2):
            near[pair] = near.get(pair, 0) + 1
    got = found(table)
    assert {(better, worse): shared for better, worse, kind, shared in got if kind == NEAR} == near
    exact = {(better, worse) for better, worse, kind, _ in got if kind == EXACT}
    assert all(texts[better] == texts[worse] and order[better] < order[worse] for better, worse in exact)
    for document, content in texts.items():
        assert document == best[content] or (best[content], document) in exact


@given(documents(), st.randoms())
def test_the_order_of_entries_does_not_matter(table: NDArray[np.void], chance: object) -> None:
    order = list(range(table.size))
    chance.shuffle(order)  # type: ignore[attr-defined]
    one, two = (propose(entries, EARLIER) for entries in (table, table[order]))
    assert one.tobytes() == two.tobytes()


def test_a_million_equal_pages_cost_linear_work() -> None:
    number = 200_000
    table = entries([])
    table = np.zeros(3 * number, dtype=ENTRY)
    table["document"] = np.tile(np.arange(number), 3)
    table["key"] = np.repeat([4, 8, 12 | EXACT], number)
    pairs = propose(table, EARLIER)
    assert pairs.size < 2 * number
    assert set(pairs["kind"]) == {EXACT}
    assert np.unique(pairs["worse"]).size == number - 1


def test_a_large_bucket_of_different_texts_costs_linear_work_and_finer_keys_find_pairs() -> None:
    number = 50 * MANY
    table = np.zeros(number, dtype=ENTRY)
    table["document"] = table["content"] = np.arange(number)
    table["rank"] = np.random.default_rng(1).permutation(number).astype(np.uint64) << np.uint64(32)
    table["key"] = 4
    table["fine"][:, 0] = 10_000 + np.arange(number)
    table["fine"][:, 1] = table["document"] % 500  # those that are equal modulo 500 are alike
    pairs = propose(table, EARLIER)
    assert pairs.size < number * 16
    together = {tuple(sorted((int(row["better"]), int(row["worse"])))) for row in pairs}
    assert all((one, two) in together for one, two in itertools.pairwise(range(3, number, 500)))
    best = int(table["document"][np.argmin(table["rank"])])
    assert set(pairs["worse"][pairs["better"] == best]) == set(range(number)) - {best}
    assert set(pairs["shared"]) == {1}


def test_documents_of_earlier_builds_are_no_pair_among_themselves() -> None:
    table = entries([(1, NEAR, document, 0 if document >= 5 else 9 << 32, document) for document in (1, 5, 6)])
    pairs = propose(table, 5)
    assert {(int(row["better"]), int(row["worse"])) for row in pairs} == {(5, 1), (6, 1)}


def test_a_key_of_a_url_is_another_kind() -> None:
    assert found(entries([(1, URL, 1, 0, 1), (1, URL, 2, 1, 2), (1, NEAR, 3, 0, 3)])) == {(1, 2, URL, 0)}


def test_merging_adds_up_the_buckets_of_a_pair() -> None:
    rows = [(1, 2, 0, 0, NEAR, 3), (1, 2, 0, 0, EXACT, 0), (1, 2, 0, 0, NEAR, 4), (1, 3, 0, 0, NEAR, 1)]
    merged = merge(np.array(rows, dtype=PAIR))
    assert [tuple(row) for row in merged[["worse", "kind", "shared"]].tolist()] == [(2, 0, 7), (2, 1, 0), (3, 0, 1)]


@pytest.mark.parametrize("number", [1, 2, 7])
def test_ranges_cover_all_keys(number: int) -> None:
    bounds = range_bounds(number)
    assert (bounds[0], bounds[-1], len(bounds)) == (0, 2**64, number + 1)


def test_the_number_of_ranges_follows_from_documents() -> None:
    assert range_count(0, 16, 1 << 20) == range_count(10, 16, 1 << 20) == 1
    assert range_count(10**8, 16, 256 << 20) > 100 * range_count(10**5, 16, 256 << 20) // 2
