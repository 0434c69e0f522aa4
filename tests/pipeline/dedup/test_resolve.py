"""Decisions: who goes, for whom, whatever the order of pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import UserError
from pipeline.dedup.resolve import NONE, Edges, components, greedy
from pipeline.dedup.schema import EXACT, NEAR, URL

NUM_DOCUMENTS = 10


def edges(rows: list[tuple[int, int, int, float]], turn: list[int] | None = None) -> Edges:
    """Edges of (better, worse, kind, similarity); `turn`: each document's place in the order of preference."""
    better, worse, kind, similarity = (
        (np.array(column) for column in zip(*rows, strict=True)) if rows else [np.empty(0)] * 4
    )
    rank = (np.array(turn or range(NUM_DOCUMENTS), dtype=np.uint64) + 1)[better.astype(int)] << np.uint64(32)
    content = np.zeros(better.size, dtype=np.uint64)
    return Edges(
        better.astype(np.uint32),
        worse.astype(np.uint32),
        kind.astype(np.uint8),
        similarity.astype(float),
        rank,
        content,
    )


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[tuple[int, int, int, float]], list[int]]:
    turn = draw(st.permutations(range(NUM_DOCUMENTS)))
    two = st.tuples(st.integers(0, NUM_DOCUMENTS - 1), st.integers(0, NUM_DOCUMENTS - 1)).filter(lambda p: p[0] != p[1])
    pairs = {tuple(sorted(pair, key=turn.__getitem__)) for pair in draw(st.lists(two, max_size=25))}
    rows = [(one, two, NEAR, draw(st.sampled_from([0.8, 0.9, 0.95]))) for one, two in sorted(pairs)]
    return draw(st.permutations(rows)), list(turn)


@given(graphs())
def test_greedy_in_order_of_preference(graph: tuple[list[tuple[int, int, int, float]], list[int]]) -> None:
    """As a loop over documents would: each goes for the most similar better one that stays."""
    rows, turn = graph
    chosen = greedy(edges(rows, turn), NUM_DOCUMENTS)
    kept: set[int] = set()
    for document in sorted(range(NUM_DOCUMENTS), key=turn.__getitem__):
        holders = [row for row in rows if row[1] == document and row[0] in kept]
        if holders:
            best = min(holders, key=lambda row: (-row[3], turn[row[0]]))
            assert rows[chosen[document]] == best
        else:
            assert chosen[document] == NONE
            kept.add(document)


@given(graphs())
def test_components_have_one_survivor_each(graph: tuple[list[tuple[int, int, int, float]], list[int]]) -> None:
    rows, turn = graph
    survivor = components(edges(rows, turn), NUM_DOCUMENTS)
    label = list(range(NUM_DOCUMENTS))
    for _ in range(NUM_DOCUMENTS):
        for one, two, *_ in rows:
            label[one] = label[two] = min(label[one], label[two], key=turn.__getitem__)
    expected = [NONE if label[document] == document else label[document] for document in range(NUM_DOCUMENTS)]
    assert survivor.tolist() == [int(one) for one in expected]


def test_no_chain() -> None:
    """A ~ B ~ C, with A and C different: B goes for A, and C stays."""
    chosen = greedy(edges([(0, 1, NEAR, 0.85), (1, 2, NEAR, 0.85)]), NUM_DOCUMENTS)
    assert chosen[:3].tolist() == [NONE, 0, NONE]


def test_a_copy_goes_with_what_its_equal_goes_for() -> None:
    """1 and 2 are one text; 1 goes for 0, which holds 2 as well."""
    rows = [(0, 1, NEAR, 0.9), (1, 2, EXACT, 1.0)]
    chosen = greedy(edges(rows), NUM_DOCUMENTS)
    assert chosen[:3].tolist() == [NONE, 0, 0]


def test_a_copy_stays_where_its_equal_goes_for_its_url() -> None:
    """What has the URL of 0 need not say what 0 says. Of the copies 1, 2 and 3 one stays."""
    rows = [(0, 1, URL, 0.0), (1, 2, EXACT, 1.0), (1, 3, EXACT, 1.0), (2, 3, EXACT, 1.0)]
    chosen = greedy(edges(rows), NUM_DOCUMENTS)
    assert chosen[:4].tolist() == [NONE, 0, NONE, 3]


def test_one_of_a_url_goes_with_the_one_before_it() -> None:
    """0 is what 1 is like, and 1 has the URL of 2, 2 that of 3: 3 is not compared with 2 where the bucket is large."""
    decided = greedy(edges([(0, 1, NEAR, 0.9), (2, 3, URL, 0), (1, 2, URL, 0), (3, 4, URL, 0)]), NUM_DOCUMENTS)
    assert decided.tolist()[:5] == [NONE, 0, NONE, 1, 1]


def test_reasons_are_the_strongest_ones() -> None:
    rows = [(0, 3, URL, 0.0), (1, 3, NEAR, 0.99), (2, 3, EXACT, 1.0)]
    for number in range(1, 4):
        chosen = greedy(edges(rows[:number]), NUM_DOCUMENTS)
        assert chosen[3] == number - 1


def test_a_long_chain_takes_one_pass() -> None:
    number = 1_000_000
    chain = np.arange(number - 1, dtype=np.uint32)
    equal = np.ones(number - 1)
    wide = Edges(
        chain, chain + 1, equal.astype(np.uint8) * NEAR, equal, chain.astype(np.uint64) << 32, chain.astype(np.uint64)
    )
    gone = greedy(wide, number) != NONE
    assert gone.tolist()[:4] == [False, True, False, True]
    assert gone.sum() == number // 2


def test_no_edges() -> None:
    assert (greedy(edges([]), NUM_DOCUMENTS) == NONE).all()
    assert (components(edges([]), NUM_DOCUMENTS) == NONE).all()


def test_too_many_documents_are_refused() -> None:
    with pytest.raises(UserError, match="too many for one clustering"):
        greedy(edges([]), 2**32)
