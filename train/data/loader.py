"""Token shards as training batches, in an order that one number describes.

The order on disk is the training order. With T tokens a sequence and B sequences a batch, batch `s` of the first
epoch is the span of tokens [s*B*T, (s+1)*B*T) and its targets are the same span one token later. Whatever does not
fill a last batch is left for later epochs.

Later epochs read sequences of T tokens in another order, a pure function of (seed, epoch, place): the split is cut
again from an offset that differs by epoch (so the tokens left over by the first epoch are seen), and a seeded
permutation of the sequences is read B at a time. The permutation is computed an index at a time, with no table.

Where B changes by a schedule (`train.data.batches`), batch `s` begins where batch `s - 1` ends. An epoch then has as
many sequences as are a multiple of the greatest common divisor of all batches (for a constant one, whole batches), and
a batch may hold the end of an epoch and the beginning of the next. A run whose batches are changed while it is under
way keeps the divisor, and so the epochs, that it began with.

Tokens that a run leaves out after a rollback are spans of that order, so what follows stays the same.

So a loader has no state but the step, and rank r of R reads a slice of a batch that does not depend on R.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from manifests.draws import draw
from manifests.errors import UserError
from tokenizer.shards.read import ShardSet
from train.data.batches import Batches

IdArray = npt.NDArray[np.int64]
_WordArray = npt.NDArray[np.uint64]


class Loader:
    """Batches of one split for one rank. Steps are counted from 0 and go on through all epochs."""

    def __init__(
        self,
        shards: ShardSet,
        batches: Batches,
        sequence_length: int,
        seed: int = 0,
        rank: int = 0,
        num_ranks: int = 1,
        left_out: Sequence[tuple[int, int]] = (),
    ) -> None:
        """`batches` are those of all ranks together, in multiples of the length; each rank must get a sequence.

        left_out: spans (first, end) of tokens of the order that are not read, sorted and apart.
        """
        fewest = min(batches.sizes) // sequence_length
        if num_ranks > fewest:
            raise UserError(
                f"a batch of {fewest} sequences cannot feed {num_ranks} ranks: raise train.{batches.key} or use "
                "fewer ranks."
            )
        self.shards = shards
        self.sequence_length = sequence_length
        self.seed = seed
        self.rank, self.num_ranks = rank, num_ranks
        self.left_out = left_out
        self.take(batches)

    def take(self, batches: Batches) -> None:
        """Read these batches. Raises `UserError` where the tokens do not fill the largest."""
        self.batches, shards = batches, self.shards
        # The last token of the split is only ever a target.
        common = batches.common // self.sequence_length
        self.sequences_per_epoch = (shards.num_tokens - 1) // self.sequence_length // common * common
        if self.tokens_per_epoch < max(batches.sizes):
            raise UserError(
                f"{shards.folder.url}: {shards.num_tokens} training tokens do not fill one batch of "
                f"{max(batches.sizes)} (and one token more for the last target): lower train.{batches.key}, or "
                "build a larger corpus."
            )

    @property
    def tokens_per_epoch(self) -> int:
        return self.sequences_per_epoch * self.sequence_length

    def batch_sequences(self, step: int) -> int:
        """Sequences of a batch, on all ranks together."""
        return self.batches.size(step) // self.sequence_length

    def rank_sequences(self, step: int) -> int:
        """Sequences of a batch that this rank reads."""
        return len(range(self.batch_sequences(step))[self._mine(step)])

    def _mine(self, step: int) -> slice:
        count = self.batch_sequences(step)
        return slice(self.rank * count // self.num_ranks, (self.rank + 1) * count // self.num_ranks)

    def starts(self, step: int) -> IdArray:
        """Positions in the split where the sequences of the whole batch begin, (sequences of the batch,)."""
        epochs, numbers = np.divmod(self._numbers(step), self.sequences_per_epoch)
        return np.concatenate([self._starts_in(epoch, numbers[epochs == epoch]) for epoch in np.unique(epochs)])

    def _numbers(self, step: int) -> IdArray:
        """The places of a batch's sequences in the order of all epochs, (sequences of the batch,)."""
        first = self.batches.tokens_before(step) // self.sequence_length
        numbers = np.arange(first, first + self.batch_sequences(step), dtype=np.int64)
        for start, end in self.left_out:
            numbers[numbers >= start // self.sequence_length] += (end - start) // self.sequence_length
        return numbers

    def span(self, first: int, last: int) -> tuple[int, int]:
        """The tokens of the order, (first, end), that the steps from `first` to `last` read."""
        start, end = self._numbers(first)[0], self._numbers(last)[-1] + 1
        return int(start) * self.sequence_length, int(end) * self.sequence_length

    def _starts_in(self, epoch: int, numbers: IdArray) -> IdArray:
        """Positions of the sequences with these numbers, in the order of an epoch."""
        epoch = int(epoch)
        if epoch == 0:
            return numbers * self.sequence_length
        num_left_over = self.shards.num_tokens - 1 - self.tokens_per_epoch
        offset = draw("offset", self.seed, epoch) % (num_left_over + 1)
        order = permute(numbers, self.sequences_per_epoch, draw("order", self.seed, epoch))
        return offset + order * self.sequence_length

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """This rank's tokens and targets of a step, each (sequences of this rank, sequence_length) int64."""
        spans = self._spans(self.starts(step)[self._mine(step)])
        parts = [self.shards.read(start, stop + 1 - start) for start, stop in spans]
        tokens, targets = (
            np.concatenate([part[side : len(part) - 1 + side] for part in parts]).reshape(-1, self.sequence_length)
            for side in (0, 1)
        )
        return torch.from_numpy(tokens), torch.from_numpy(targets)

    @property
    def source_names(self) -> list[str]:
        """The sources of the split, where it has several; else nothing, and no loss is told apart."""
        names = self.shards.source_names
        return names if len(names) > 1 else []

    def sources(self, step: int) -> torch.Tensor | None:
        """For each target of `batch` the number of its source in `source_names`, int64; None where that is empty."""
        if not self.source_names:
            return None
        spans = self._spans(self.starts(step)[self._mine(step)])
        numbers = np.concatenate([self.shards.read_sources(start + 1, stop - start) for start, stop in spans])
        return torch.from_numpy(numbers.reshape(-1, self.sequence_length))

    def _spans(self, starts: IdArray) -> list[tuple[int, int]]:
        """Sequences that begin at `starts` as spans [start, stop); those that follow each other are one to read."""
        parts = np.split(starts, np.flatnonzero(np.diff(starts) != self.sequence_length) + 1)
        return [(int(part[0]), int(part[-1]) + self.sequence_length) for part in parts]

    def documents_of_step(self, step: int) -> list[dict[str, Any]]:
        """The documents that a step reads, on all ranks, as index rows in reading order, each copy once.

        A document whose first token is only the last target of a sequence was read too.
        """
        found: dict[int, dict[str, Any]] = {}
        for start, stop in self._spans(self.starts(step)):
            for document in self.shards.documents_between(start, stop + 1):
                found.setdefault(int(document["position"]), document)
        return list(found.values())


def permute(numbers: IdArray, size: int, seed: int) -> IdArray:
    """The images of numbers under a seeded permutation of range(size), (n,) -> (n,).

    A Feistel network over the next even number of bits, applied again to whatever falls outside the range (cycle
    walking; Black and Rogaway, 2002). Unlike a shuffled table it needs no memory for a corpus of any size.
    """
    half_bits = max(1, (max(size - 1, 1).bit_length() + 1) // 2)
    mask = np.uint64((1 << half_bits) - 1)
    keys = [np.uint64(draw("round", seed, number)) for number in range(6)]
    values = numbers.astype(np.uint64)
    outside = np.ones(len(values), dtype=bool)
    while outside.any():
        values[outside] = _feistel(values[outside], np.uint64(half_bits), mask, keys)
        outside = values >= np.uint64(size)
    return values.astype(np.int64)


def _feistel(values: _WordArray, half_bits: np.uint64, mask: np.uint64, keys: list[np.uint64]) -> _WordArray:
    left, right = values >> half_bits, values & mask
    for key in keys:
        left, right = right, left ^ (_mix(right + key) & mask)
    return (left << half_bits) | right


def _mix(words: _WordArray) -> _WordArray:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014); wraps at 64 bits on purpose."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
