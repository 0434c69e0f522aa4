"""Checkpoints of which one file is changed, with digests that are right: refused in one line, or loaded."""

from __future__ import annotations

import functools
import hashlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch

from manifests.errors import UserError
from model import GPT, GPTConfig
from tests.fuzz.harness import Case, Target, check_user_error, fuzz_test
from tests.fuzz.mutate import changed, changed_json, changed_value
from tests.train.builds import byte_tokenizer
from train.generate import load_trained
from train.optim.optimizer import build_optimizer
from train.run import checkpoint
from train.settings import ModelSettings, TrainSettings

_MODEL = {"preset": "tiny", "num_layers": 1, "num_heads": 2, "width": 16}


def _new() -> tuple[GPT, torch.optim.Optimizer, GPTConfig]:
    config = ModelSettings.model_validate(_MODEL).config(257, 16)
    torch.manual_seed(0)
    model = GPT(config)
    return model, build_optimizer(model, TrainSettings()), config


@functools.cache
def _files() -> dict[str, bytes]:
    """The files of a run with one checkpoint, by name below the run's folder."""
    torch.set_num_threads(1)
    model, optimizer, config = _new()
    tokens = torch.arange(32).view(2, 16)
    model(tokens, tokens + 1).backward()
    optimizer.step()
    state = checkpoint.CheckpointState(100, 25_600, 1, config.to_dict(), "a" * 64, "b" * 64)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        checkpoint.save_checkpoint(run / "checkpoints", model, optimizer, state)
        byte_tokenizer().save(str(run / "tokenizer.json"))
        return {
            path.relative_to(run).as_posix(): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()
        }


def check_checkpoint(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        for name, data in _files().items():
            path = run / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(case.data if name == case.name else data)
        found = run / "checkpoints" / "step-00000100"
        if not case.name.endswith("state.json"):
            _state_digests(found)
        try:
            trained = load_trained(run, "cpu")
            "".join(trained.stream("A river", 3))
        except UserError as error:
            check_user_error(error, str(run), "cannot generate")
        model, optimizer, config = _new()
        try:
            state = checkpoint.read_state(found)
            checkpoint.check_matches(found, state, config.to_dict(), "a" * 64)
            checkpoint.load_model(found, model)
            checkpoint.load_optimizer(found, optimizer)
        except UserError as error:
            check_user_error(error, str(run))
            return
        assert isinstance(state.step, int), "a step that is no number"
        tokens = torch.arange(32).view(2, 16)
        model(tokens, tokens + 1).backward()
        optimizer.step()


def _state_digests(path: Path) -> None:
    """Write the sizes and digests of the files into the state, so that what reads them comes to what was changed."""
    state = json.loads((path / checkpoint.STATE_FILE).read_text())
    for name in state["files"]:
        data = (path / name).read_bytes()
        state["files"][name] = [len(data), hashlib.sha256(data).hexdigest()]
    (path / checkpoint.STATE_FILE).write_text(json.dumps(state))


def _mutate(random: Random, case: Case, seeds: Sequence[Case]) -> Case:
    if case.name.endswith(".json"):
        return Case(case.name, changed_json(random, case.data))
    if case.name.endswith(".safetensors") and random.random() < 0.6:
        return Case(case.name, _changed_header(random, case.data))
    return Case(case.name, changed(random, case.data))


def _changed_header(random: Random, data: bytes) -> bytes:
    """safetensors: eight bytes of length, JSON of names, types, shapes and offsets, and the numbers."""
    length = int.from_bytes(data[:8], "little")
    header: Any = changed_value(random, json.loads(data[8 : 8 + length]))
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


TARGETS = [
    Target(
        "checkpoint",
        lambda: [Case(name, data) for name, data in _files().items()],
        check_checkpoint,
        _mutate,
        seconds=10,
    )
]

test_inputs = fuzz_test(TARGETS)
