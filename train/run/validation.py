"""Validation loss and bits per byte."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from tokenizer.shards.read import ShardSet
from train.parallel.hardware import Hardware
from train.parallel.ranks import Ranks


@dataclass(frozen=True)
class ValidationLoss:
    """`loss` is the mean cross-entropy of a token in nats; `num_tokens` are the targets it was measured on."""

    loss: float
    bits_per_byte: float
    num_tokens: int


def bits_per_byte(loss: float, num_tokens: int, num_text_bytes: int) -> float:
    """Mean loss in nats a token -> bits a byte of UTF-8 text, which no longer depends on the vocabulary.

    `num_tokens` tokens (ends of text included) stand for `num_text_bytes` bytes.
    """
    return loss / math.log(2) * num_tokens / num_text_bytes


def validate(
    model: nn.Module,
    shards: ShardSet,
    max_tokens: int,
    sequence_length: int,
    micro_batch_sequences: int,
    ranks: Ranks,
    hardware: Hardware,
) -> ValidationLoss:
    """Loss over the first `max_tokens` targets of the split, or all, in sequences that do not overlap.

    The end of the split that fills no sequence is read as a shorter one. Ranks take turns; the parts of a sum do not
    depend on how many there are. Bytes a token are those of the whole split.
    """
    num_targets = min(max_tokens, shards.num_tokens - 1)
    num_whole, rest = divmod(num_targets, sequence_length)
    spans = [
        (first, min(micro_batch_sequences, num_whole - first), sequence_length)
        for first in range(0, num_whole, micro_batch_sequences)
    ]
    if rest:
        spans.append((num_whole, 1, rest))
    sums = torch.zeros(len(spans), dtype=torch.float64)
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for number, (first, count, length) in enumerate(spans):
            if number % ranks.num_ranks != ranks.rank:
                continue
            ids = torch.from_numpy(shards.read(first * sequence_length, count * length + 1)).to(hardware.device)
            with hardware.precision():
                loss = model(ids[:-1].view(count, length), ids[1:].view(count, length))
            sums[number] = loss.double().cpu() * (count * length)
    model.train(was_training)
    total = ranks.sum(sums.to(hardware.device)).cpu().sum().item()
    loss_mean = total / num_targets
    return ValidationLoss(loss_mean, bits_per_byte(loss_mean, shards.num_tokens, shards.num_text_bytes), num_targets)
