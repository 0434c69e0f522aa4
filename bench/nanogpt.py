"""nanoGPT by its own code, as its README starts it; its last weights are measured by our measure.

Its files are copied beside data of the same tokens, and `train.py` is run unchanged, its settings given as it takes
them: a file of its own, then `--key=value`. Its seed is written in the code. A configuration file of nanoGPT is Python
that it executes before it draws, so another seed is one that shifts what `torch.manual_seed` is given.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench.learning_data import num_validation_targets, open_split, write_nanogpt_data
from bench.learning_tasks import Outcome, Task
from bench.measure import run_measured
from train.generate import load_tokenizer
from train.parallel.hardware import find_hardware
from train.parallel.ranks import Ranks
from train.run.validation import TargetBytes, validate

FOLDER = "GROUNDUP_NANOGPT"
MEASURED_LOSS = 1.886
"""Nats a character after its CPU configuration, as measured before; for where its folder is not given."""
_CONFIG = "config/train_shakespeare_char.py"
_FILES = ("train.py", "model.py", "configurator.py", _CONFIG)
_MICRO_BATCH = 64


def folder() -> Path | None:
    """The folder of nanoGPT's code that the environment names; None where it names none.

    Raises `RuntimeError` for a folder without its files.
    """
    given = os.environ.get(FOLDER)
    if not given:
        return None
    absent = [name for name in _FILES if not (Path(given) / name).is_file()]
    if absent:
        raise RuntimeError(f"{FOLDER}={given}: {absent[0]} is not there; give the folder of a clone of nanoGPT")
    return Path(given).absolute()


def arguments(task: Task) -> list[str]:
    """The overrides of `train.py`: those of its README for a CPU, and the task's sizes."""
    values: dict[str, Any] = {
        "device": "cuda" if task.needs_gpu else "cpu",
        "compile": False,
        "eval_iters": 200 if task.needs_gpu else 20,
        "log_interval": 100,
        "block_size": task.sequence_length,
        "batch_size": task.batch_sequences,
        "n_layer": task.shape["num_layers"],
        "n_head": task.shape["num_heads"],
        "n_embd": task.shape["width"],
        "max_iters": task.num_steps,
        "lr_decay_iters": task.num_steps,
        "dropout": float(task.shape.get("dropout", 0)),
        "dataset": task.name,
        "out_dir": "out",
        "eval_interval": task.validate_every_steps,
        # The weights after the last step, or the best ones by its own estimate.
        "always_save_checkpoint": not task.best,
    }
    return [f"--{name}={value}" for name, value in values.items()]


def digest(task: Task, code: Path | None) -> str:
    """Eight characters of a digest of nanoGPT's code, the task and its data: they name the folder of a run."""
    assert code is not None
    parts = [(code / name).read_bytes() for name in _FILES]
    given = [*parts, " ".join(arguments(task)).encode(), task.build().name.encode()]
    return hashlib.sha256(b"\0".join(given)).hexdigest()[:8]


def train(task: Task, seed: int, code: Path, target: Path) -> Outcome:
    """Run `train.py` in a copy below `target`, and measure what it saved. Seed 0 is its own."""
    work = _copy(task, code, target)
    (work / "seed.py").write_text(
        f"torch.manual_seed = lambda seed, plain=torch.manual_seed: plain(seed + {seed})\n", encoding="utf-8"
    )
    command = [sys.executable, "train.py", _CONFIG, "seed.py", *arguments(task)]
    subprocess.run(command, cwd=work, check=True)
    outcome = _measure(task, work)
    shutil.rmtree(work / "out")
    return outcome


def step_seconds(task: Task, code: Path, target: Path, environment: dict[str, str]) -> list[float]:
    """The seconds that `train.py` prints of each of its iterations; the first holds its first validation."""
    work, log = _copy(task, code, target), target / "nanoGPT.log"
    command = [sys.executable, "train.py", _CONFIG, *arguments(task), "--log_interval=1"]
    run_measured(command, work, environment, log)
    return [float(found) / 1000 for found in re.findall(r"time ([\d.]+)ms", log.read_text())]


def _copy(task: Task, code: Path, target: Path) -> Path:
    """Its files beside the task's tokens."""
    work = target / "nanoGPT"
    for name in _FILES:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(code / name, work / name)
    write_nanogpt_data(task.build(), work / "data" / task.name)
    return work


def model_module(code: Path) -> Any:
    """Its `model.py`, loaded from a folder."""
    spec = importlib.util.spec_from_file_location("nanogpt_model", code / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass asks for its module by name
    spec.loader.exec_module(module)
    return module


def _measure(task: Task, work: Path) -> Outcome:
    """The loss of its saved weights on the whole validation split, by the code that measures ours."""
    module = model_module(work)
    hardware = find_hardware("bfloat16" if task.needs_gpu else "float32")
    saved = torch.load(work / "out" / "ckpt.pt", map_location=hardware.device, weights_only=True)
    model = module.GPT(module.GPTConfig(**saved["model_args"]))
    model.load_state_dict(saved["model"])
    build = task.build()
    shards = open_split(build, "validation")
    tokenizer = load_tokenizer(build / "tokenizer" / "tokenizer.json")
    found = validate(
        _Loss(model.to(hardware.device)),
        shards,
        num_validation_targets(build),
        task.sequence_length,
        _MICRO_BATCH,
        Ranks(),
        hardware,
        TargetBytes(tokenizer, shards.vocab_size, shards.end_of_text_id),
    )
    assert found is not None
    assert found.bits_per_byte is not None
    number = sum(parameter.numel() for parameter in model.parameters())
    return Outcome(found.loss, found.bits_per_byte, number, {})


class _Loss(nn.Module):
    """Its model as one that gives the sum of the losses alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, tokens: torch.Tensor, targets: torch.Tensor, reduction: str = "sum", documents_BT: None = None
    ) -> torch.Tensor:
        mean: torch.Tensor = self.model(tokens, targets)[1]
        return mean * targets.numel()
