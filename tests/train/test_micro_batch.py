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


CHUNKS = 5 * 512 * 2**20  # of logits


@pytest.fixture(autouse=True)
def _memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=MEMORY))


@pytest.mark.parametrize(
    # Bytes that autograd saves of a token's layers, by channel.
    ("name", "layer"),
    [("gpt2-124m", 41), ("gpt2-350m", 41), ("llama-135m", 56), ("modern", 69), ("small-cpu", 53)],
)
def test_a_micro_batch_fits_and_fills_a_gpu(name: str, layer: int) -> None:
    config = preset(name, VOCAB_SIZE)
    sequences = micro_batch_sequences("auto", config, 2**20, GPU)
    taken = sequences * config.sequence_length * layer * config.num_layers * config.width + CHUNKS
    assert 0.5 * MEMORY < taken < 0.9 * MEMORY


@pytest.mark.parametrize("vocab_size", [50_257, 200_000])
def test_it_does_not_depend_on_the_vocabulary(vocab_size: int) -> None:
    per_sequence = 1024 * (34 * 12 * 768)
    most = (int(0.6 * MEMORY) - CHUNKS) // per_sequence
    assert micro_batch_sequences("auto", preset("gpt2-124m", vocab_size), most, GPU) == most
    assert micro_batch_sequences("auto", preset("gpt2-124m", vocab_size), most + 1, GPU) == -(-(most + 1) // 2)


def test_checkpointing_makes_room() -> None:
    def sequences(setting: str | float) -> int:
        return micro_batch_sequences("auto", preset("gpt2-350m", VOCAB_SIZE), 2**20, GPU, setting)

    plain = sequences("none")
    times = {setting: sequences(setting) / plain for setting in (0.8, 0.5, 0.25, 4, 2, 1, "full")}
    assert 1 < times[4] < times[2] < times["full"]
    assert times["full"] == times[1]
    assert 5 < times["full"] < 7  # 24 layers: 1 / (0.12 + 1 / 24)
    assert 1.6 < times[2] < 1.8
    assert 1.7 < times[0.5] < 1.9
    assert 1.1 < times[0.8] < 1.3
