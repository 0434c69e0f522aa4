"""Attention of each pattern, forward and backward, against full causal attention through PyTorch's kernel."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable

import torch

from bench.results import Bench, Result, Table
from model.attention import (
    FULL,
    Pattern,
    Visibility,
    chunked_attention,
    flex_attention,
    masked_attention,
    reference_attention,
    sdpa_attention,
)

_NUM_HEADS, _HEAD_WIDTH = 8, 64
_LENGTHS = (1024, 2048, 4096)
_WINDOW = 128
_WINDOWS, _STRIDED, _FIXED = Pattern("S", _WINDOW, 8), Pattern("T", _WINDOW, 8), Pattern("F", _WINDOW, 8)

Attend = Callable[..., torch.Tensor]


def _ways(device: torch.device) -> dict[str, tuple[Attend, Pattern, bool]]:
    """The function, the pattern, and whether there are documents, by the name of a row."""
    ways: dict[str, tuple[Attend, Pattern, bool]] = {
        "full": (masked_attention, FULL, False),
        "full, documents": (sdpa_attention, FULL, True),
        "windows, mask": (masked_attention, _WINDOWS, False),
        "windows, chunked": (chunked_attention, _WINDOWS, False),
        "windows, chunked, documents": (chunked_attention, _WINDOWS, True),
        "strided": (sdpa_attention, _STRIDED, False),
        "fixed": (sdpa_attention, _FIXED, False),
    }
    if device.type == "cuda":
        ways["windows, FlexAttention"] = (flex_attention, _WINDOWS, False)
        ways["windows, FlexAttention, documents"] = (flex_attention, _WINDOWS, True)
    return ways


def _run(num_rounds: int) -> Result:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    ways = _ways(device)
    difference = max(_difference(*way, device) for way in ways.values())
    # Rounds go through all ways in turn, so that a machine that is busy for a while slows all of them.
    seconds: dict[tuple[str, int], list[float]] = {(name, length): [] for name in ways for length in _LENGTHS}
    for _ in range(num_rounds):
        for name, length in seconds:
            seconds[name, length].append(_seconds(*ways[name], length, device))
    rows, figures = [], {}
    for name in ways:
        times = [statistics.median(seconds[name, length]) for length in _LENGTHS]
        ratio = statistics.median(
            full / own for full, own in zip(seconds["full", _LENGTHS[-1]], seconds[name, _LENGTHS[-1]], strict=True)
        )
        exponent = math.log(times[-1] / times[0]) / math.log(_LENGTHS[-1] / _LENGTHS[0])
        figures[name] = {"seconds": times, "times_as_fast_as_full": ratio, "exponent": exponent}
        rows.append([name, *(f"{1000 * each:.1f}" for each in times), f"{ratio:.2f}", f"{exponent:.2f}"])
    columns = ["attention", *(f"T = {length:,}, ms" for length in _LENGTHS), "full / it", "exponent"]
    title = f"forward and backward, {_NUM_HEADS} heads of {_HEAD_WIDTH}, window, stride and block {_WINDOW}, {device}"
    notes = [
        f"largest difference of an output or a gradient from the written-out reference: {difference:.1g}",
        f"medians of {num_rounds} rounds; `full / it` at T = {_LENGTHS[-1]:,}, exponent of time against T",
    ]
    return Result({"lengths": _LENGTHS, "difference": difference, **figures}, [Table(title, columns, rows)], notes)


def _inputs(length: int, has_documents: bool, device: torch.device) -> tuple[list[torch.Tensor], Visibility]:
    generator = torch.Generator().manual_seed(0)
    shape = (1, length, _NUM_HEADS, _HEAD_WIDTH)
    qkv = [torch.randn(shape, generator=generator).to(device).transpose(1, 2).requires_grad_() for _ in range(3)]
    starts = torch.rand(1, length, generator=generator) < 1 / 500
    return qkv, Visibility(starts.cumsum(1).to(device) if has_documents else None)


def _seconds(attend: Attend, pattern: Pattern, has_documents: bool, length: int, device: torch.device) -> float:
    """Seconds of the second of two passes: the first one compiles and takes memory."""
    qkv, visibility = _inputs(length, has_documents, device)
    taken = 0.0
    for _ in range(2):
        _wait(device)
        started = time.perf_counter()
        attend(*qkv, pattern, visibility).sum().backward()
        _wait(device)
        taken = time.perf_counter() - started
    return taken


def _difference(attend: Attend, pattern: Pattern, has_documents: bool, device: torch.device) -> float:
    found = []
    for each in (reference_attention, attend):
        qkv, visibility = _inputs(300, has_documents, device)
        q, k, v = qkv
        out = each(q, k, v, pattern, visibility)
        out.square().sum().backward()
        found.append([out.detach(), *(x.grad for x in qkv if x.grad is not None)])
    return max(float((one - other).abs().max()) for one, other in zip(*found, strict=True))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


BENCHES = [
    Bench(
        name="attention",
        summary="windows, strided and fixed patterns and documents against full attention, forward and backward",
        rounds=3,
        missing=lambda: None,
        run=_run,
    )
]
