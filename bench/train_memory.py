"""Peak memory and time of a training step, with and without each saving of memory."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from bench.results import Bench, Result, Table
from model import GPT, preset
from train.parallel.activations import prepare_model
from train.parallel.hardware import Hardware, find_hardware
from train.settings import TrainSettings

_SHAPE: dict[str, Any] = {"num_layers": 6, "num_heads": 6, "num_kv_heads": 6, "width": 384}
_VOCAB_SIZE, _LENGTH, _ROWS = 16_384, 256, 4
_ROWS_OF_TABLE: dict[str, tuple[bool, str | float]] = {
    "no saving": (True, "none"),
    "loss by chunks": (False, "none"),
    "and every 2nd block checkpointed": (False, 2),
    "and half of the bytes, by operation": (False, 0.5),
    "and a quarter of the bytes": (False, 0.25),
    "and all blocks checkpointed": (False, "full"),
}
"""For each row: True where the logits are made whole, and the value of `train.activation_checkpointing`."""


def _run(num_rounds: int) -> Result:
    hardware = find_hardware("auto")
    tokens = torch.arange(_ROWS * _LENGTH, device=hardware.device).view(_ROWS, _LENGTH) % _VOCAB_SIZE
    models = {name: _model(setting, hardware) for name, (_, setting) in _ROWS_OF_TABLE.items()}
    seconds: dict[str, list[float]] = {name: [] for name in models}
    peaks = {name: _peak(model, tokens, _ROWS_OF_TABLE[name][0], hardware) for name, model in models.items()}
    for _ in range(num_rounds):
        for name, model in models.items():
            started = time.perf_counter()
            _step(model, tokens, _ROWS_OF_TABLE[name][0], hardware)
            seconds[name].append(time.perf_counter() - started)
    first = next(iter(models))
    rows, figures = [], {}
    for name in models:
        ratio = statistics.median(own / base for own, base in zip(seconds[name], seconds[first], strict=True))
        figures[name] = {"peak_bytes": peaks[name], "seconds": seconds[name], "time_ratio": ratio}
        rows.append([name, f"{peaks[name] / 2**20:.0f}", f"{peaks[name] / peaks[first]:.2f}", f"{ratio:.2f}"])
    title = (
        f"forward and backward of {_ROWS} x {_LENGTH} tokens, {_SHAPE['num_layers']} blocks of width "
        f"{_SHAPE['width']}, vocabulary {_VOCAB_SIZE:,}, {hardware.name}"
    )
    notes = [
        "peak: most bytes that a step has allocated at once by PyTorch's allocator, gradients in, weights out",
        f"time: medians of {num_rounds} rounds",
    ]
    return Result(figures, [Table(title, ["saving", "peak, MiB", "of no saving", "time"], rows)], notes)


def _model(setting: str | float, hardware: Hardware) -> GPT:
    torch.manual_seed(0)
    model = GPT(preset("tiny", _VOCAB_SIZE, _LENGTH, **_SHAPE)).to(hardware.device)
    prepare_model(model, TrainSettings(activation_checkpointing=setting), hardware)
    return model


def _step(model: GPT, tokens: torch.Tensor, is_whole: bool, hardware: Hardware) -> None:
    with hardware.precision():
        if is_whole:
            loss = F.cross_entropy(model(tokens).float().flatten(0, 1), tokens.flatten(), reduction="sum")
        else:
            loss = model(tokens, tokens, reduction="sum")
    loss.backward()
    model.zero_grad(set_to_none=True)
    if hardware.device.type == "cuda":
        torch.cuda.synchronize()


def _peak(model: GPT, tokens: torch.Tensor, is_whole: bool, hardware: Hardware) -> int:
    """The second of two steps: the first may load and choose kernels."""
    _step(model, tokens, is_whole, hardware)
    if hardware.device.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        _step(model, tokens, is_whole, hardware)
        return torch.cuda.max_memory_allocated() - before
    # A CPU's allocator has no peak, but the profiler sees each of its calls.
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        _step(model, tokens, is_whole, hardware)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    changes = sorted((each["ts"], each["args"]["Bytes"]) for each in events if each["name"] == "[memory]")
    held = most = 0
    for _, change in changes:
        held += change
        most = max(most, held)
    return most


BENCHES = [
    Bench(
        name="train-memory",
        summary="memory of a training step with and without each saving, and the time that it costs",
        rounds=3,
        missing=lambda: None,
        run=_run,
    )
]
