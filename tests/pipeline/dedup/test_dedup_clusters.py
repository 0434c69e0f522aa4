"""Keys, edges, components and decisions."""

from __future__ import annotations

import numpy as np
import pytest

from manifests.errors import UserError
from pipeline.dedup.clusters import EXACT_DUPLICATE, NEAR_DUPLICATE, Assignment, components, resolve
from pipeline.dedup.keys import (
    PartKeys,
    band_keys,
    exact_key,
    global_index,
    key_space,
    part_and_row,
    part_keys,
)
from pipeline.dedup.lsh import edges, no_edges, partition_count, partition_pairs
from pipeline.dedup.settings import DedupSettings, MinHashSettings

LONG = " ".join(f"word{chr(97 + number % 26)}{chr(97 + number // 26)}" for number in range(300))


def assign(parts: list[PartKeys], num_partitions: int = 1, shuffle: int | None = None) -> Assignment:
    """All phases as a stage runs them: split by partition, join, resolve; in another order with `shuffle`."""
    generator = np.random.default_rng(shuffle)

    def joined(pairs: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
        found = []
        split = [partition_pairs(keys, index, num_partitions) for keys, index in pairs]
        for partition in range(num_partitions):
            keys = np.concatenate([k[b[partition] : b[partition + 1]] for k, _, b in split])
            index = np.concatenate([i[b[partition] : b[partition + 1]] for _, i, b in split])
            if shuffle is not None:
                order = generator.permutation(index.size)
                keys, index = keys[order], index[order]
            found.append(edges(keys, index))
        if shuffle is not None:
            found = [found[number] for number in generator.permutation(num_partitions)]
        return found

    return resolve(joined([part.band_pairs() for part in parts]), joined([part.exact_pairs() for part in parts]))


def test_global_index_packs_part_and_row() -> None:
    index = global_index(3, np.array([0, 7, 2**32 - 1]))
    part, row = part_and_row(index)
    assert part.tolist() == [3, 3, 3]
    assert row.tolist() == [0, 7, 2**32 - 1]
    assert index[2] < global_index(4, np.array([0]))[0]
    for ordinal, rows in [(-1, [0]), (2**31, [0]), (0, [-1]), (0, [2**32])]:
        with pytest.raises(ValueError, match="part"):
            global_index(ordinal, np.array(rows))


def test_exact_key_folds_white_space_only() -> None:
    assert exact_key("a  b\n c ") == exact_key("a b c")
    assert len({exact_key(text) for text in ("a b c", "A b c", "a b c.", "ab c", "á b c", "a b c\ud800")}) == 6
    assert exact_key("a b c", space=1) != exact_key("a b c")


def test_band_keys_carry_bucket_and_space() -> None:
    signature = np.tile(np.arange(8, dtype=np.uint32), 14)  # the same hashes in every bucket
    keys = band_keys(signature, 14)
    assert len(set(keys.tolist())) == 14
    other = band_keys(signature, 14, key_space("cc", "source"))
    assert not set(keys.tolist()) & set(other.tolist())
    both = band_keys(np.stack([signature, signature]), 14, np.array([0, key_space("cc", "source")], dtype=np.uint64))
    assert np.array_equal(both, np.stack([keys, other]))
    changed = signature.copy()
    changed[[0, 9]] = changed[[1, 8]]
    assert (band_keys(changed, 14) == keys).tolist() == [False, False, *[True] * 12]
    with pytest.raises(ValueError, match="equal buckets"):
        band_keys(signature, 13)


def test_every_hash_of_a_bucket_counts_and_so_does_its_place() -> None:
    signatures = np.array([[1, 2, 3], [2, 1, 3], [1, 3, 2], [1, 2, 4], [0, 2, 3]], dtype=np.uint32)
    assert len(np.unique(band_keys(signatures, 1))) == 5


def test_partition_pairs_puts_equal_keys_together() -> None:
    generator = np.random.default_rng(0)
    keys = generator.integers(0, 2**64, 1000, dtype=np.uint64)
    index = np.arange(1000)
    ordered, documents, bounds = partition_pairs(keys, index, 7)
    assert bounds[0] == 0
    assert bounds[-1] == 1000
    assert sorted(documents.tolist()) == index.tolist()
    assert np.array_equal(keys[documents], ordered)
    for partition in range(7):
        assert (ordered[bounds[partition] : bounds[partition + 1]] % np.uint64(7) == partition).all()
    empty = partition_pairs(keys[:0], index[:0], 7)
    assert empty[2].tolist() == [0] * 8


def test_partition_count() -> None:
    assert partition_count(0, 14, 1 << 30) == 1
    assert partition_count(1000, 14, 1 << 30) == 1
    assert partition_count(10**9, 14, 1 << 30) == pytest.approx(10**9 * 14 * 64 / 2**30, abs=1)


def test_edges_join_with_the_first_of_the_key() -> None:
    keys = np.array([5, 9, 5, 7, 5, 9, 9], dtype=np.uint64)
    index = np.array([30, 1, 20, 4, 10, 1, 30])
    assert edges(keys, index).tolist() == [[1, 30], [10, 20], [10, 30]]
    assert edges(keys[:0], index[:0]).shape == (0, 2)
    assert edges(np.array([1, 2, 3], dtype=np.uint64), np.array([1, 2, 3])).shape == (0, 2)


def test_edges_of_exact_keys_need_all_128_bits() -> None:
    keys = np.array([[1, 1], [1, 2], [2, 1], [1, 1]], dtype=np.uint64)
    assert edges(keys, np.array([3, 2, 1, 0])).tolist() == [[0, 3]]


def naive_components(pairs: list[list[int]]) -> dict[int, int]:
    members: dict[int, set[int]] = {}
    for first, second in pairs:
        union = members.get(first, {first}) | members.get(second, {second})
        for member in union:
            members[member] = union
    return {member: min(union) for member, union in members.items()}


@pytest.mark.parametrize("seed", range(8))
def test_components_agree_with_a_naive_search_in_any_order(seed: int) -> None:
    generator = np.random.default_rng(seed)
    documents = np.sort(generator.choice(2**40, 600, replace=False))
    pairs = generator.choice(documents, (int(generator.integers(50, 700)), 2))
    index, root = components(pairs)
    assert dict(zip(index.tolist(), root.tolist(), strict=True)) == naive_components(pairs.tolist())
    again = components(generator.permuted(pairs, axis=1)[generator.permutation(len(pairs))])
    assert np.array_equal(again[0], index)
    assert np.array_equal(again[1], root)


def test_components_of_paths_and_stars() -> None:
    size = 50_000
    path = np.random.default_rng(1).permutation(size)
    for pairs in (
        np.stack([path[:-1], path[1:]], axis=1),
        np.stack([np.arange(size - 1), np.arange(1, size)], axis=1),
        np.stack([np.full(size - 1, size - 1), np.arange(size - 1)], axis=1),
    ):
        index, root = components(pairs)
        assert index.size == size
        assert not root.any()
    assert components(no_edges())[0].size == 0


def test_decisions() -> None:
    near = LONG.replace("wordaa", "other")
    texts = [
        [LONG, "something else entirely stands here", near],
        [LONG.replace(" ", "\n"), "", near + " ", "something else entirely, stands HERE"],
    ]
    settings = DedupSettings()
    parts = [part_keys(part, ["cc"] * len(part), ordinal, settings) for ordinal, part in enumerate(texts)]
    assignment = assign(parts)
    second = 1 << 32
    assert assignment.index.tolist() == [0, 1, 2, second, second + 2, second + 3]
    assert assignment.root.tolist() == [0, 1, 0, 0, 0, 1]
    assert assignment.reasons() == [None, None, NEAR_DUPLICATE, EXACT_DUPLICATE, EXACT_DUPLICATE, NEAR_DUPLICATE]
    assert assignment.part(1).rows().tolist() == [0, 2, 3]
    assert assignment.part(0).root.tolist() == [0, 1, 0]
    assert assignment.part(2).index.size == 0


def test_result_depends_on_neither_order_nor_partitions() -> None:
    generator = np.random.default_rng(5)
    parts = []
    for ordinal in range(4):
        texts = [
            LONG.replace(f"word{chr(97 + n)}a", f"new{generator.integers(3)}") for n in generator.integers(0, 26, 40)
        ]
        parts.append(
            part_keys(texts + [f"text number {chr(97 + n)}" for n in range(5)], ["cc"] * 45, ordinal, DedupSettings())
        )
    expected = assign(parts)
    assert 0 < expected.is_exact.sum() < expected.is_dropped.sum()
    for num_partitions, shuffle in [(1, 1), (5, None), (5, 2), (16, 3)]:
        got = assign(parts[::-1] if shuffle == 3 else parts, num_partitions, shuffle)
        for name in ("index", "root", "is_exact"):
            assert np.array_equal(getattr(got, name), getattr(expected, name)), name


def test_source_scope_never_joins_two_sources() -> None:
    texts = [LONG, LONG, LONG.replace("wordaa", "other"), LONG]
    sources = ["cc", "wiki", "wiki", "cc"]
    within = assign([part_keys(texts, sources, 0, DedupSettings(scope="source"))])
    assert within.root[within.is_dropped].tolist() == [1, 0]
    assert within.index[within.is_dropped].tolist() == [2, 3]
    across = assign([part_keys(texts, sources, 0, DedupSettings(scope="global"))])
    assert across.root.tolist() == [0, 0, 0, 0]


def test_either_kind_may_be_off() -> None:
    texts = [LONG, LONG + "\n", LONG.replace("wordaa", "other"), ""]
    no_minhash = part_keys(texts, ["s"] * 4, 0, DedupSettings(minhash=MinHashSettings(enabled=False)))
    assert assign([no_minhash]).reasons() == [None, EXACT_DUPLICATE]
    no_exact = part_keys(texts, ["s"] * 4, 0, DedupSettings(exact=False))
    assert assign([no_exact]).reasons() == [None, NEAR_DUPLICATE, NEAR_DUPLICATE]
    with pytest.raises(UserError, match="both false"):
        part_keys(texts, ["s"] * 4, 0, DedupSettings(exact=False, minhash=MinHashSettings(enabled=False)))


def test_empty_part() -> None:
    part = part_keys([], [], 4, DedupSettings())
    assert part.index.size == 0
    assert part.signatures.shape == (0, 112)
    assert assign([part], 3).index.size == 0
