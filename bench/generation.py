"""Tokens a second of generation beside nanoGPT's `sample.py`: the shape of its CPU configuration, random weights."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from bench import nanogpt
from bench.results import Bench, Result, Table
from model import GPT, GPTConfig
from model.engine import Engine
from model.sampling import Sampling, row_generators

_SHAPE: dict[str, Any] = {"num_layers": 4, "num_heads": 4, "width": 128}
_VOCAB_SIZE, _BLOCKS = 65, (64, 256)
# Those of sample.py, which writes its ten samples one after the other from a line's end.
_NUM_TOKENS, _NUM_SAMPLES, _TEMPERATURE, _TOP_K = 500, 10, 0.8, 200
_PROMPT = [0]
_PEER = "nanoGPT, one after the other"


def _run(num_rounds: int) -> Result:
    code = nanogpt.folder()
    module = None if code is None else nanogpt.model_module(code)
    figures: dict[str, Any] = {"num_threads": torch.get_num_threads(), "num_tokens": _NUM_TOKENS}
    tables = []
    for block in _BLOCKS:
        torch.manual_seed(0)
        model = GPT(GPTConfig(vocab_size=_VOCAB_SIZE, sequence_length=block, bias=False, tied_head=True, **_SHAPE))
        ways: dict[str, tuple[int, Callable[[], object]]] = {}
        if module is not None:
            ways[_PEER] = (1, _nanogpt(module, block))
        ways["groundup, one"] = (1, partial(_write, model, 1))
        ways[f"groundup, {_NUM_SAMPLES} at once"] = (_NUM_SAMPLES, partial(_write, model, _NUM_SAMPLES))
        # Rounds go through all ways in turn, so that a machine that is busy for a while slows all of them.
        speeds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(num_rounds):
            for name, (number, write) in ways.items():
                started = time.perf_counter()
                write()
                speeds[name].append(number * _NUM_TOKENS / (time.perf_counter() - started))
        rows = []
        for name, own in speeds.items():
            peer = speeds.get(_PEER)
            ratio = None if peer is None else statistics.median(a / b for a, b in zip(own, peer, strict=True))
            figures[f"{name}, block {block}"] = {"tokens_per_second": statistics.median(own), "times_nanogpt": ratio}
            rows.append([name, f"{statistics.median(own):,.0f}", "-" if ratio is None else f"{ratio:.2f}"])
        tables.append(Table(f"samples of {_NUM_TOKENS} tokens, block {block}", ["", "tokens/s", "it / nanoGPT"], rows))
    notes = [f"medians of {num_rounds} rounds, {torch.get_num_threads()} threads, the CPU; ratios within a round"]
    if code is None:
        notes.append(f"nanoGPT is skipped: {nanogpt.FOLDER} does not name its folder")
    return Result(figures, tables, notes)


def _nanogpt(module: Any, block: int) -> Callable[[], object]:
    model = module.GPT(
        module.GPTConfig(
            block_size=block,
            vocab_size=_VOCAB_SIZE,
            n_layer=_SHAPE["num_layers"],
            n_head=_SHAPE["num_heads"],
            n_embd=_SHAPE["width"],
            dropout=0.0,
            bias=False,
        )
    ).eval()

    def write() -> object:
        with torch.no_grad():
            return model.generate(torch.tensor([_PROMPT]), _NUM_TOKENS, temperature=_TEMPERATURE, top_k=_TOP_K)

    return write


def _write(model: GPT, number: int) -> list[list[int]]:
    engine = Engine(model)
    state = engine.prefill([_PROMPT]).clone(number)
    sampling = Sampling(temperature=_TEMPERATURE, top_k=_TOP_K)
    for _ in engine.decode(state, _NUM_TOKENS, sampling, row_generators(0, number)):
        pass
    assert all(len(row) == len(_PROMPT) + _NUM_TOKENS for row in state.tokens)
    return state.tokens


BENCHES = [
    Bench(
        name="generation",
        summary="tokens a second of generation, one sample and ten at once, beside nanoGPT's sample.py",
        rounds=5,
        missing=lambda: None,
        run=_run,
    )
]
