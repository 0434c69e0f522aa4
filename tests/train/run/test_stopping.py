"""What a run has learned outlives faults in measuring, and signals of every kind."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from manifests.errors import UserError
from tests.train.builds import command, losses, recipe, write_recipe
from train import loop
from train.objectives.pretrain import Pretrain, pretrain
from train.run import checkpoint
from train.run.folder import RunFolder
from train.run.stop_signal import SIGNALS


@pytest.fixture(scope="module")
def undisturbed(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return Path(pretrain(recipe(build), tmp_path_factory.mktemp("undisturbed")).run)


def newest(run: Path) -> str:
    return checkpoint.list_checkpoints(run / "checkpoints")[-1].name


def same_as(run: Path, undisturbed: Path) -> bool:
    name = "checkpoints/step-00000012/model.safetensors"
    same_samples = (run / "samples.txt").read_text() == (undisturbed / "samples.txt").read_text()
    same_weights = (run / name).read_bytes() == (undisturbed / name).read_bytes()
    return losses(run) == losses(undisturbed) and same_weights and same_samples


def kill(number: signal.Signals, times: int = 1) -> None:
    for _ in range(times):
        os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("owner", "name", "error"),
    [
        (Pretrain, "validate", RuntimeError("CUDA out of memory")),
        (Pretrain, "validate", MemoryError()),
        (loop, "write_samples", OSError(28, "No space left on device")),
        (loop, "write_samples", UserError("tokenizer.json: not a tokenizer")),
        (loop, "write_run_manifest", KeyError("outputs")),
        (RunFolder, "add_samples", UserError("samples.txt: the disk is full")),
    ],
)
def test_a_fault_after_the_last_step_loses_nothing(
    build: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: Any
) -> None:
    original = getattr(owner, name)

    def fail(*arguments: Any, **named: Any) -> Any:
        rows = (tmp_path / "metrics.jsonl").read_text() if (tmp_path / "metrics.jsonl").exists() else ""
        if '"step": 12,' in rows:
            raise error
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, fail)
    with pytest.raises(type(error)):
        pretrain(recipe(build), tmp_path)
    assert newest(tmp_path) == "step-00000012"
    assert not (tmp_path / "manifest.json").exists()
    monkeypatch.undo()
    summary = pretrain(recipe(build), tmp_path)
    assert summary.finished
    assert not summary.reused
    assert same_as(tmp_path, undisturbed)
    kept = [path.name for path in checkpoint.list_checkpoints(tmp_path / "checkpoints")]
    assert kept == ["step-00000008", "step-00000012"]


@pytest.mark.parametrize("number", SIGNALS)
def test_every_signal_saves_and_stops(
    build: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    original = loop.Loop._row

    def interrupt(self: Any, step: int, *rest: Any) -> Any:
        if step == 6:
            kill(number)
        return original(self, step, *rest)

    monkeypatch.setattr(loop.Loop, "_row", interrupt)
    before = signal.getsignal(number)
    with pytest.raises(UserError, match=f"stopped by {number.name} after step 7, which is saved"):
        pretrain(recipe(build), tmp_path)
    assert signal.getsignal(number) is before
    assert newest(tmp_path) == "step-00000007"
    monkeypatch.undo()
    assert pretrain(recipe(build), tmp_path).finished
    assert same_as(tmp_path, undisturbed)


@pytest.mark.parametrize("times", [1, 2, 3, 5])
def test_signals_while_saving_do_not_end_it(
    build: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    times: int,
) -> None:
    original = checkpoint.save_file

    def save(*arguments: Any, **named: Any) -> None:
        monkeypatch.undo()
        kill(signal.SIGTERM, times)
        original(*arguments, **named)
        kill(signal.SIGINT, times)

    monkeypatch.setattr(checkpoint, "save_file", save)
    with pytest.raises(UserError, match="stopped by SIGTERM after step 4, which is saved"):
        pretrain(recipe(build), tmp_path)
    path = checkpoint.list_checkpoints(tmp_path / "checkpoints")[-1]
    checkpoint.read_state(path)
    said = capfd.readouterr().err
    assert said.count("SIGTERM: stopping after this step, with a checkpoint") == 1
    forced = f"kill -9 {os.getpid()}. That loses the steps since the last complete checkpoint, which stays whole."
    assert said.count(forced) == (1 if times * 2 >= 3 else 0)
    assert pretrain(recipe(build), tmp_path).finished


@pytest.mark.parametrize(("at", "saved"), [(0, None), (5, 5), (10, 10), (12, 12)])
def test_a_signal_ends_a_validation(
    build: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, saved: int | None
) -> None:
    """A machine that is taken back does not wait for one: what it leaves open is done by the next call."""
    original = Pretrain.validate
    calls = [0]

    def validate(*arguments: Any) -> Any:
        if [0, 5, 10, 12][calls[0]] == at:
            kill(signal.SIGUSR1)
        calls[0] += 1
        return original(*arguments)

    monkeypatch.setattr(Pretrain, "validate", validate)
    where = "before the first step" if saved is None else f"after step {saved}, which is saved"
    with pytest.raises(UserError, match=f"stopped by SIGUSR1 {where}"):
        pretrain(recipe(build), tmp_path)
    monkeypatch.undo()
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()] if at else []
    assert all(row["step"] < at for row in rows if row["kind"] == "validation")
    assert pretrain(recipe(build), tmp_path).finished
    assert same_as(tmp_path, undisturbed)


def test_a_hangup_that_is_ignored_stays_so(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under nohup."""
    original = loop.Loop._row

    def interrupt(*arguments: Any) -> Any:
        kill(signal.SIGHUP)
        return original(*arguments)

    monkeypatch.setattr(loop.Loop, "_row", interrupt)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert pretrain(recipe(build, max_tokens=256 * 3), tmp_path).finished
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_rank_that_cannot_write_stops_all(build: Path, tmp_path: Path) -> None:
    asked, run = write_recipe(tmp_path / "recipe.toml", build), tmp_path / "run"
    run.mkdir()
    (run / "checkpoints").write_text("in the way")
    process = command(asked, "--run-folder", run, ranks=2)
    output, _ = process.communicate(timeout=100)
    assert process.returncode != 0
    assert "groundup on rank 0: " in output, output
    assert "checkpoints/step-00000004/model.safetensors: cannot be written" in output, output
    assert "groundup on rank 1: the first rank failed; its own line says why." in output, output


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    if not found.exists():
        pytest.skip("this system does not list the children of a process")
    return [int(child) for child in found.read_text().split()]


@pytest.mark.parametrize(("number", "to_one_rank"), [(signal.SIGUSR1, True), (signal.SIGTERM, False)])
def test_two_ranks_stop_together(build: Path, tmp_path: Path, number: signal.Signals, to_one_rank: bool) -> None:
    """A signal that one rank got, as Slurm may send it, and one that torchrun passes on to all."""
    asked = write_recipe(tmp_path / "recipe.toml", build, max_tokens=256 * 4000, checkpoint_every_steps=0)
    run = tmp_path / "run"
    process = command(asked, "--run-folder", run, ranks=2)
    metrics = run / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and len(metrics.read_bytes().splitlines()) > 3):
        time.sleep(0.05)
    os.kill(children(process.pid)[-1] if to_one_rank else process.pid, number)
    output, _ = process.communicate(timeout=100)
    assert process.returncode != 0
    assert f"stopped by {number.name} after step" in output, output
    assert ("stopped by another rank after step" in output) == to_one_rank, output
    (path,) = checkpoint.list_checkpoints(run / "checkpoints")
    step = checkpoint.read_state(path).step
    assert output.count(f"after step {step}, which is saved") == 2
