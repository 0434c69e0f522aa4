"""Validation loss and bits per byte."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

from tokenizer.shards.format import IdArray
from tokenizer.shards.read import ShardSet
from tokenizer.token_bytes import token_bytes
from train.data.documents import number_documents
from train.parallel.hardware import Hardware
from train.parallel.ranks import Ranks


@dataclass(frozen=True)
class ValidationLoss:
    """`loss` is the mean cross-entropy of a token in nats; `num_tokens` are the targets it was measured on.

    `bits_per_byte` is None where the bytes of the targets are not known, or are none.
    """

    loss: float
    bits_per_byte: float | None
    num_tokens: int


class TargetBytes:
    """Counts the bytes of text that targets stand for: ends of texts and special tokens are none."""

    def __init__(self, tokenizer: Tokenizer, vocab_size: int, end_of_text_id: int) -> None:
        self._inside, self._first = (_lengths(token_bytes(tokenizer, first), vocab_size) for first in (False, True))
        self._end_of_text_id = end_of_text_id

    def count(self, ids: IdArray) -> int:
        """UTF-8 bytes of all ids but the first, which is no target."""
        begins = ids[:-1] == self._end_of_text_id
        return int(np.where(begins, self._first[ids[1:]], self._inside[ids[1:]]).sum())


def bits_per_byte(loss: float, num_tokens: int, num_bytes: int) -> float:
    """Mean loss in nats a token -> bits a byte of UTF-8 text, which no longer depends on the vocabulary.

    `num_tokens` tokens (ends of text included) stand for `num_bytes` bytes.
    """
    return loss / math.log(2) * num_tokens / num_bytes


def validate(
    model: nn.Module,
    shards: ShardSet,
    max_tokens: int,
    sequence_length: int,
    micro_batch_sequences: int,
    ranks: Ranks,
    hardware: Hardware,
    target_bytes: TargetBytes | None = None,
    stop: Callable[[], bool] = lambda: False,
    document_mask: bool = False,
) -> ValidationLoss | None:
    """Loss over the first `max_tokens` targets of the split, or all, in sequences that do not overlap.

    The end of the split that fills no sequence is read as a shorter one. Ranks take turns; the parts of a sum do not
    depend on how many there are. stop: asked again and again, on all ranks alike; where it says so, the result is None.
    document_mask: as the model was trained, no token sees one of another document.
    """
    num_targets = min(max_tokens, shards.num_tokens - 1)
    num_whole, rest = divmod(num_targets, sequence_length)
    spans = [
        (first, min(micro_batch_sequences, num_whole - first), sequence_length)
        for first in range(0, num_whole, micro_batch_sequences)
    ]
    if rest:
        spans.append((num_whole, 1, rest))
    sums = torch.zeros((2, len(spans)), dtype=torch.float64)  # of the loss, and of the bytes
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            for number, (first, count, length) in enumerate(spans):
                if number % ranks.num_ranks == 0 and stop():
                    return None
                if number % ranks.num_ranks != ranks.rank:
                    continue
                read = shards.read(first * sequence_length, count * length + 1)
                ids = torch.from_numpy(read).to(hardware.device)
                tokens_BT, targets_BT = ids[:-1].view(count, length), ids[1:].view(count, length)
                documents_BT = number_documents(tokens_BT, shards.end_of_text_id) if document_mask else None
                with hardware.precision():
                    sums[0, number] = model(tokens_BT, targets_BT, reduction="sum", documents_BT=documents_BT)
                sums[1, number] = target_bytes.count(read) if target_bytes else 0
    finally:
        model.train(was_training)
    total, num_bytes = ranks.sum(sums.to(hardware.device)).cpu().sum(dim=1).tolist()
    loss_mean = total / num_targets
    bits = bits_per_byte(loss_mean, num_targets, int(num_bytes)) if num_bytes else None
    return ValidationLoss(loss_mean, bits, num_targets)


def _lengths(pieces: list[bytes], vocab_size: int) -> IdArray:
    lengths = np.zeros(max(vocab_size, len(pieces)), dtype=np.int64)
    lengths[: len(pieces)] = [len(piece) for piece in pieces]
    return lengths
