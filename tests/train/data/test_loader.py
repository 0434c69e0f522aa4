"""The order of training follows from the data, the batch size and the seed alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import UserError
from tokenizer.shards.read import ShardSet
from train.data.batches import Batches
from train.data.loader import Loader, permute

B, T = 8, 32
CONSTANT = Batches.of(B * T)


@pytest.fixture(scope="module")
def shards(build: Path) -> ShardSet:
    return ShardSet.open(str(build / "shards"), "train")


def steps_per_epoch(loader: Loader) -> int:
    return loader.tokens_per_epoch // (B * T)


def global_batch(shards: ShardSet, step: int, num_ranks: int) -> torch.Tensor:
    parts = [Loader(shards, CONSTANT, T, 7, rank, num_ranks).batch(step) for rank in range(num_ranks)]
    return torch.stack([torch.cat([part[side] for part in parts]) for side in (0, 1)])


def test_first_epoch_is_the_order_on_disk(shards: ShardSet) -> None:
    loader = Loader(shards, CONSTANT, T)
    for step in (0, 1, steps_per_epoch(loader) - 1):
        tokens, targets = loader.batch(step)
        span = shards.read(step * B * T, B * T + 1)
        assert tokens.shape == targets.shape == (B, T)
        assert np.array_equal(tokens.numpy().ravel(), span[:-1])
        assert np.array_equal(targets.numpy().ravel(), span[1:])


@pytest.mark.parametrize("num_ranks", [2, 3, 4])
def test_ranks_share_one_batch(shards: ShardSet, num_ranks: int) -> None:
    epoch = steps_per_epoch(Loader(shards, CONSTANT, T))
    for step in (0, 3, epoch, 2 * epoch + 1):
        assert torch.equal(global_batch(shards, step, num_ranks), global_batch(shards, step, 1))


def test_later_epochs_read_every_sequence_once_in_another_order(shards: ShardSet) -> None:
    loader = Loader(shards, CONSTANT, T, seed=3)
    steps = steps_per_epoch(loader)
    epochs = [np.concatenate([loader.starts(epoch * steps + s) for s in range(steps)]) for epoch in range(3)]
    assert np.array_equal(epochs[0], np.arange(steps * B) * T)
    for later in epochs[1:]:
        assert np.array_equal(np.diff(np.sort(later)), np.full(steps * B - 1, T))
        assert later.min() >= 0
        assert later.max() + T < shards.num_tokens
        assert np.mean(np.diff(later) == T) < 0.1  # neighbours on disk are not neighbours in time
    assert not np.array_equal(epochs[1], epochs[2])
    again, other = Loader(shards, CONSTANT, T, seed=3), Loader(shards, CONSTANT, T, seed=4)
    assert np.array_equal(again.starts(steps + 1), loader.starts(steps + 1))
    assert not np.array_equal(other.starts(steps + 1), loader.starts(steps + 1))


def test_targets_are_the_next_tokens_in_later_epochs(shards: ShardSet) -> None:
    loader = Loader(shards, CONSTANT, T, seed=5)
    step = steps_per_epoch(loader) + 2
    tokens, targets = loader.batch(step)
    for row, start in enumerate(loader.starts(step)):
        assert np.array_equal(targets[row].numpy(), shards.read(int(start) + 1, T))
        assert torch.equal(tokens[row, 1:], targets[row, :-1])


@given(size=st.integers(1, 700), seed=st.integers(0, 2**63 - 1))
def test_permute_is_a_permutation(size: int, seed: int) -> None:
    assert np.array_equal(np.sort(permute(np.arange(size), size, seed)), np.arange(size))


def test_permute_is_spread_and_lasting() -> None:
    # These values must never change: a run that goes on later depends on them.
    assert permute(np.arange(6), 1000, 42).tolist() == [801, 843, 103, 489, 717, 163]
    huge = permute(np.arange(5), 10**12, 1)
    assert len(set(huge.tolist())) == 5
    assert huge.max() < 10**12


def test_documents_of_a_step_hold_its_tokens(shards: ShardSet) -> None:
    loader = Loader(shards, CONSTANT, T, seed=3)
    for step in (0, 2, steps_per_epoch(loader) + 1):
        found = loader.documents_of_step(step)
        spans = [(int(document["position"]), int(document["length"])) for document in found]
        covered = np.concatenate([np.arange(position, position + length) for position, length in spans])
        read = np.concatenate([np.arange(start, start + T + 1) for start in loader.starts(step)])
        assert np.isin(read, covered).all()
        for position, length in spans:  # and no document that it did not read
            assert np.isin(np.arange(position, position + length), read).any()
        assert len({document["id"] for document in found}) == len(found)


def test_too_little_data_and_too_many_ranks_are_refused(shards: ShardSet) -> None:
    with pytest.raises(UserError, match=r"do not fill one batch of 1024000.*batch_tokens"):
        Loader(shards, Batches.of(1000 * 1024), 1024)
    with pytest.raises(UserError, match="cannot feed 9 ranks"):
        Loader(shards, CONSTANT, T, rank=0, num_ranks=9)
