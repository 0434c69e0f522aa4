"""Whole runs: learning, going on exactly, and refusing what does not fit."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch

from manifests.errors import UserError
from model import GPT
from tests.train.builds import byte_tokenizer, command, losses, recipe, write_build, write_recipe
from tokenizer.shards.read import ShardSet
from train import loop
from train.objectives.pretrain import pretrain
from train.parallel.hardware import find_hardware
from train.parallel.ranks import Ranks
from train.run import checkpoint
from train.run.folder import RunFolder
from train.run.validation import TargetBytes, bits_per_byte, validate


@pytest.fixture(scope="module")
def undisturbed(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without interruption, with dropout, so that random numbers count."""
    torch.set_num_threads(1)
    return Path(pretrain(recipe(build, {"dropout": 0.1}), tmp_path_factory.mktemp("undisturbed")).run)


@dataclasses.dataclass(frozen=True)
class AddedUp(Ranks):
    """One of several ranks without the others: what it would add is kept."""

    found: list[torch.Tensor] = dataclasses.field(default_factory=list)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        self.found.append(values.clone())
        return values


def weights(run: Path, step: int = 12) -> bytes:
    return (checkpoint.checkpoint_path(run / "checkpoints", step) / "model.safetensors").read_bytes()


def test_writes_what_a_run_consists_of(build: Path, undisturbed: Path) -> None:
    names = {path.name for path in undisturbed.iterdir()}
    assert names >= {"config.toml", "manifest.json", "metrics.jsonl", "samples.txt", "tokenizer.json", "checkpoints"}
    rows = [json.loads(line) for line in (undisturbed / "metrics.jsonl").read_text().splitlines()]
    train_rows = [row for row in rows if row["kind"] == "train"]
    assert [row["step"] for row in train_rows] == list(range(1, 13))
    assert [row["tokens"] for row in train_rows] == [256 * step for step in range(1, 13)]
    assert all(row["tokens_per_second"] > 0 and row["mfu"] is None for row in train_rows)
    assert [row["step"] for row in rows if row["kind"] == "validation"] == [0, 5, 10, 12]
    kept = checkpoint.list_checkpoints(undisturbed / "checkpoints")
    assert [path.name for path in kept] == ["step-00000008", "step-00000012"]
    manifest = json.loads((undisturbed / "manifest.json").read_text())
    shards = ShardSet.open(str(build / "shards"), "train")
    assert manifest["facts"]["data_manifest_sha256"] == shards.manifest_sha256
    assert manifest["facts"]["loss"] == train_rows[-1]["loss"]
    assert {"host", "started", "ended", "device"} <= set(manifest["run"])


def test_mfu_is_a_fraction_of_the_peak_where_that_is_known(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = dataclasses.replace(find_hardware("float32"), peak_flops=1e9, peak_source="data sheet")
    monkeypatch.setattr("train.step.find_hardware", lambda *_: known)
    pretrain(recipe(build), tmp_path, until_step=1)
    row = next(row for row in map(json.loads, (tmp_path / "metrics.jsonl").open()) if row["kind"] == "train")
    flops = GPT(recipe(build).config(257)).flops_per_token() * row["tokens_per_second"]
    assert row["mfu"] == pytest.approx(flops / 1e9, rel=1e-3)
    assert "peak 0.001 TFLOP/s (data sheet)" in capsys.readouterr().err


def test_going_on_gives_the_same_losses_to_the_last_digit(build: Path, undisturbed: Path, tmp_path: Path) -> None:
    asked = recipe(build, {"dropout": 0.1})
    for until in (3, 9, None):  # 3 and 9 are no steps at which a checkpoint is due
        summary = pretrain(asked, tmp_path, until_step=until)
        assert summary.step == (until or 12)
    assert losses(tmp_path) == losses(undisturbed)
    assert weights(tmp_path) == weights(undisturbed)
    assert (tmp_path / "samples.txt").read_text() == (undisturbed / "samples.txt").read_text()


def test_going_on_is_exact_in_bfloat16_too(build: Path, tmp_path: Path) -> None:
    asked = recipe(build, precision="bfloat16", max_tokens=256 * 4)
    pretrain(asked, tmp_path / "whole")
    pretrain(asked, tmp_path / "parts", until_step=2)
    pretrain(asked, tmp_path / "parts")
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    assert weights(tmp_path / "parts", 4) == weights(tmp_path / "whole", 4)


def test_going_on_from_an_older_checkpoint_writes_no_doubles(build: Path, undisturbed: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(undisturbed, run)
    shutil.rmtree(run / "checkpoints" / "step-00000012")
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "step": 13, "lo')  # cut off by a crash
    assert pretrain(recipe(build, {"dropout": 0.1}), run).finished
    assert losses(run) == losses(undisturbed)
    assert weights(run) == weights(undisturbed)
    assert (run / "samples.txt").read_text() == (undisturbed / "samples.txt").read_text()


def test_kill_and_go_on_is_exact(build: Path, tmp_path: Path) -> None:
    options = {"max_tokens": 256 * 80, "checkpoint_every_steps": 3, "batch_tokens": 256}
    asked = write_recipe(tmp_path / "recipe.toml", build, **options)
    whole = Path(pretrain(recipe(build, **options), tmp_path / "whole").run)
    run = tmp_path / "killed"
    metrics, finished = run / "metrics.jsonl", run / "manifest.json"
    for wanted in (2, 40):
        for _ in range(5):
            process = command(asked, "--run", run)
            while process.poll() is None:
                if metrics.exists() and len(metrics.read_bytes().splitlines()) >= wanted and not finished.exists():
                    process.kill()
                time.sleep(0.001)
            if process.returncode == -signal.SIGKILL:
                break
            shutil.rmtree(run)  # it came too late, because this machine had other things to do: once more
        assert process.returncode == -signal.SIGKILL
    process = command(asked, "--run", run)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    assert losses(run) == losses(whole)
    assert weights(run, 80) == weights(whole, 80)
    assert not list((run / "checkpoints").glob("*.unpublished"))


def test_a_signal_saves_and_stops(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = loop.Loop._row

    def interrupt(self: object, step: int, *rest: object) -> object:
        if step == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, step, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(loop.Loop, "_row", interrupt)
    with pytest.raises(UserError, match="stopped by SIGTERM after step 7, which is saved"):
        pretrain(recipe(build), tmp_path)
    assert checkpoint.list_checkpoints(tmp_path / "checkpoints")[-1].name == "step-00000007"
    monkeypatch.undo()
    assert pretrain(recipe(build), tmp_path).finished


def test_a_finished_run_is_left_alone(build: Path, undisturbed: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*") if path.name != ".lock"}
    summary = pretrain(recipe(build, {"dropout": 0.1}, checkpoint_every_steps=5), undisturbed)
    assert summary.reused
    assert summary.finished
    after = {path: path.stat().st_mtime_ns for path in before}
    assert before == after


def test_another_configuration_is_refused(build: Path, tmp_path: Path, documents: list[str]) -> None:
    pretrain(recipe(build), tmp_path / "run", until_step=2)
    for other, message in (
        (recipe(build, learning_rate=0.5), r"train.learning_rate 0.003 -> 0.5.*--restart"),
        (recipe(build, {"width": 64}), r"model.width 32 -> 64"),
        (recipe(build, seed=2), r"seed 1 -> 2"),
        (recipe(write_build(tmp_path / "other", documents[2:])), r"data.manifest_sha256 \w{12}... -> "),
    ):
        with pytest.raises(UserError, match=message):
            pretrain(other, tmp_path / "run")
    assert pretrain(recipe(build, seed=2), tmp_path / "run", until_step=1, restart=True).step == 1


def test_two_processes_do_not_share_a_run(build: Path, tmp_path: Path) -> None:
    with RunFolder(tmp_path).locked(), pytest.raises(UserError, match="another process trains here"):
        pretrain(recipe(build), tmp_path)


def test_divergence_stops_with_a_clear_error(build: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"loss is nan, and the run has gone back 3 times; .*learning_rate"):
        pretrain(recipe(build, learning_rate=1e30, gradient_clip=0), tmp_path)


def test_learns_real_text_by_heart(tmp_path: Path, shared_data: Path) -> None:
    text = (shared_data / "books" / "tinyshakespeare.txt").read_text()[:2000]
    build = write_build(tmp_path / "build", [text[:1000], text[1000:]], num_shards=1, num_validation=1)
    small = recipe(
        build,
        {"width": 64, "positions": "rotary", "norm": "rmsnorm", "activation": "relu2", "qk_norm": True},
        max_tokens=256 * 300,
        learning_rate=3e-3,
        weight_decay=0.0,
        sample_tokens=0,
        validate_every_steps=0,
    )
    pretrain(small, tmp_path / "run")
    values = [row[3] for row in losses(tmp_path / "run") if row[0] == "train"]
    # 1,000 characters, read 76 times: far below the ~3.3 nats of single letters.
    assert 0 < sum(values[-10:]) / 10 < 1.0
    assert values[0] > 5


def test_accumulation_does_not_change_the_gradient(build: Path, tmp_path: Path) -> None:
    runs = [pretrain(recipe(build, micro_batch_sequences=size), tmp_path / str(size)) for size in (8, 3, 1)]
    whole, *parts = (losses(Path(summary.run)) for summary in runs)
    for rows in parts:
        assert [row[:3] for row in rows] == [row[:3] for row in whole]
        for row, expected in zip(rows, whole, strict=True):
            numbers = [number for number in row[3:] if number is not None]
            assert numbers == pytest.approx([number for number in expected[3:] if number is not None], rel=2e-4)


class Uniform(torch.nn.Module):
    """Gives every byte the same probability, and keeps count of the targets."""

    num_targets = 0

    def forward(self, tokens_BT: torch.Tensor, targets_BT: torch.Tensor, **_: object) -> torch.Tensor:
        self.num_targets += targets_BT.numel()
        return torch.tensor(math.log(256.0) * targets_BT.numel())


def text_bytes(shards: ShardSet, num_targets: int) -> int:
    """Bytes of the targets, by the index: each document's tokens are its bytes, then an end of text."""
    total = -1  # the first token is no target
    for document in shards.documents_between(0, num_targets + 1):
        total += min(document["num_bytes"], num_targets + 1 - document["position"])
    return total


@pytest.mark.parametrize("most", [10**9, 1000, 40, 7, 1])
@pytest.mark.parametrize("num_ranks", [1, 3])
def test_bits_per_byte_count_the_bytes_of_the_targets(build: Path, most: int, num_ranks: int) -> None:
    shards = ShardSet.open(str(build / "shards"), "validation")
    assert bits_per_byte(math.log(2), 10, 40) == pytest.approx(0.25)
    target_bytes = TargetBytes(byte_tokenizer(), 257, 256)
    expected = min(most, shards.num_tokens - 1)
    found, num_targets = [], 0
    for rank in range(num_ranks):  # each rank's part of the sums
        model = Uniform()
        one = validate(
            model, shards, most, 32, 4, AddedUp(rank, num_ranks, found=found), find_hardware("float32"), target_bytes
        )
        num_targets += model.num_targets
    assert one is not None
    assert num_targets == one.num_tokens == expected
    loss, num_bytes = sum(found).sum(dim=1).tolist()
    assert loss / expected == pytest.approx(math.log(256))
    assert num_bytes == text_bytes(shards, expected)
    if num_ranks == 1:
        assert one.bits_per_byte == pytest.approx(8 * expected / text_bytes(shards, expected))


@pytest.mark.parametrize("num_ranks", [2])
def test_ranks_give_the_losses_of_one_process(build: Path, tmp_path: Path, num_ranks: int) -> None:
    asked = write_recipe(tmp_path / "recipe.toml", build, batch_tokens=32 * 7, max_tokens=32 * 7 * 8)  # 3 and 4
    process = command(asked, "--run-folder", tmp_path / "ranks", ranks=num_ranks)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    from train.settings import load_run

    pretrain(load_run(asked), tmp_path / "one")
    together, alone = losses(tmp_path / "ranks"), losses(tmp_path / "one")
    assert [row[:3] for row in together] == [row[:3] for row in alone]
    for row, expected in zip(together, alone, strict=True):
        assert row[3] == pytest.approx(expected[3], abs=1e-5)
        assert row[6:] == pytest.approx(expected[6:], abs=1e-5)
    assert output.count("step 8: validation loss") == 1  # one rank tells
