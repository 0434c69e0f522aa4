"""How many sequences pass through a model at once on a GPU."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from model import preset
from train.parallel.hardware import Hardware, micro_batch_sequences

GPU = Hardware(torch.device("cuda"), "a GPU", torch.bfloat16, 0.0, "unknown")
MEMORY = 80 * 2**30
VOCAB_SIZE = 32_768


@pytest.mark.parametrize(
    # Bytes that autograd saves of a token's layers, by channel, and of its logits; and those of their gradients.
    ("name", "layer", "logits"),
    [("gpt2-124m", 41, 14), ("gpt2-350m", 41, 14), ("llama-135m", 56, 14), ("modern", 69, 20), ("small-cpu", 69, 20)],
)
def test_a_micro_batch_fits_and_fills_a_gpu(
    monkeypatch: pytest.MonkeyPatch, name: str, layer: int, logits: int
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=MEMORY))
    config = preset(name, VOCAB_SIZE)
    sequences = micro_batch_sequences("auto", config, 2**20, GPU)
    taken = sequences * config.sequence_length * (layer * config.num_layers * config.width + logits * config.vocab_size)
    assert 0.5 * MEMORY < taken < 0.9 * MEMORY


def test_a_gpt2_has_the_micro_batch_that_its_runs_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=MEMORY))
    per_sequence = 1024 * (34 * 12 * 768 + 10 * 50_257)
    most = int(0.6 * MEMORY) // per_sequence
    assert micro_batch_sequences("auto", preset("gpt2-124m", 50_257), most, GPU) == most
    assert micro_batch_sequences("auto", preset("gpt2-124m", 50_257), most + 1, GPU) == -(-(most + 1) // 2)
