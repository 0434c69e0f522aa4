"""Token shards as training batches, in an order that one number describes.

The order on disk is the training order. With T tokens a sequence and B sequences a batch, batch `s` of the first
epoch is the span of tokens [s*B*T, (s+1)*B*T) and its targets are the same span one token later. Whatever does not
fill a last batch is left for later epochs.

Later epochs read sequences of T tokens in another order, a pure function of (seed, epoch, step): the split is cut
again from an offset that differs by epoch (so the tokens left over by the first epoch are seen), and a seeded
permutation of the sequences is read B at a time. The permutation is computed an index at a time, with no table.

So a loader has no state but the step, and rank r of R reads a slice of a batch that does not depend on R.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from manifests.draws import draw
from manifests.errors import UserError
from tokenizer.shards.read import ShardSet

IdArray = npt.NDArray[np.int64]
_WordArray = npt.NDArray[np.uint64]


class Loader:
    """Batches of one split for one rank. Steps are counted from 0 and go on through all epochs."""

    def __init__(
        self,
        shards: ShardSet,
        batch_sequences: int,
        sequence_length: int,
        seed: int = 0,
        rank: int = 0,
        num_ranks: int = 1,
    ) -> None:
        """`batch_sequences` counts the sequences of all ranks together; each rank must get at least one."""
        if num_ranks > batch_sequences:
            raise UserError(
                f"a batch of {batch_sequences} sequences cannot feed {num_ranks} ranks: raise train.batch_tokens or "
                "use fewer ranks."
            )
        self.shards = shards
        self.batch_sequences = batch_sequences
        self.sequence_length = sequence_length
        self.seed = seed
        self.rank_slice = slice(rank * batch_sequences // num_ranks, (rank + 1) * batch_sequences // num_ranks)
        # The last token of the split is only ever a target.
        self.num_steps_per_epoch = (shards.num_tokens - 1) // (batch_sequences * sequence_length)
        if self.num_steps_per_epoch < 1:
            raise UserError(
                f"{shards.folder.url}: {shards.num_tokens} training tokens do not fill one batch of "
                f"{batch_sequences * sequence_length} (and one token more for the last target): lower "
                "train.batch_tokens, or build a larger corpus."
            )

    @property
    def batch_tokens(self) -> int:
        return self.batch_sequences * self.sequence_length

    def epoch_of(self, step: int) -> int:
        return step // self.num_steps_per_epoch

    def starts(self, step: int) -> IdArray:
        """Positions in the split where the sequences of the whole batch begin, (batch_sequences,)."""
        epoch, step_in_epoch = divmod(step, self.num_steps_per_epoch)
        first = step_in_epoch * self.batch_sequences
        numbers = np.arange(first, first + self.batch_sequences, dtype=np.int64)
        if epoch == 0:
            return numbers * self.sequence_length
        num_left_over = self.shards.num_tokens - 1 - self.num_steps_per_epoch * self.batch_tokens
        offset = draw("offset", self.seed, epoch) % (num_left_over + 1)
        num_sequences = self.num_steps_per_epoch * self.batch_sequences
        return offset + permute(numbers, num_sequences, draw("order", self.seed, epoch)) * self.sequence_length

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """This rank's tokens and targets of a step, each (sequences of this rank, sequence_length) int64."""
        length = self.sequence_length
        starts = self.starts(step)[self.rank_slice]
        if self.epoch_of(step) == 0:  # one span: read it at once
            span = self.shards.read(int(starts[0]), len(starts) * length + 1)
            tokens, targets = span[:-1].reshape(-1, length), span[1:].reshape(-1, length)
        else:
            rows = np.stack([self.shards.read(int(start), length + 1) for start in starts])
            tokens, targets = rows[:, :-1], rows[:, 1:]
        return torch.from_numpy(np.ascontiguousarray(tokens)), torch.from_numpy(np.ascontiguousarray(targets))

    def documents_of_step(self, step: int) -> list[dict[str, Any]]:
        """The documents that a step reads, on all ranks, as index rows in reading order, each copy once.

        A document whose first token is only the last target of a sequence was read too.
        """
        length = self.sequence_length
        starts = self.starts(step)
        spans = [(int(start), int(start) + length + 1) for start in starts]
        if self.epoch_of(step) == 0:
            spans = [(spans[0][0], spans[-1][1])]
        found: dict[int, dict[str, Any]] = {}
        for start, stop in spans:
            for document in self.shards.documents_between(start, stop):
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
