"""Whole runs whose batch changes: exact going on, ranks, metrics, the documents of a step, small corpora."""

from __future__ import annotations

import json
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from manifests.errors import UserError
from model import GPT
from tests.train.builds import command, losses, recipe, write_build, write_recipe
from tokenizer.shards.read import ShardSet
from train.data.steps import documents_of_run_step
from train.fit import fit
from train.objectives.pretrain import pretrain
from train.run import checkpoint
from train.settings import TrainRecipe, load_run, read_tables

SCHEDULE = [[0, 64], [200, 192], [700, 320]]
# Steps of 64, 64, 64, 64 (256 tokens), 192, 192, 192 (832), then 320.
TOKENS = [64, 128, 192, 256, 448, 640, 832, 1152, 1472, 1792]
RAMP: dict[str, Any] = {"batch_schedule": SCHEDULE, "batch_tokens": 320, "max_tokens": 1800, "warmup_tokens": 260}


def train_rows(run: Path) -> list[dict[str, Any]]:
    rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [row for row in rows if row["kind"] == "train"]


@pytest.fixture(scope="module")
def ramped(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return Path(pretrain(recipe(build, {"dropout": 0.1}, **RAMP), tmp_path_factory.mktemp("ramped")).run)


def test_metrics_checkpoints_and_manifest_count_the_tokens_of_the_schedule(ramped: Path) -> None:
    rows = train_rows(ramped)
    assert [row["tokens"] for row in rows] == TOKENS
    # The warm-up of 260 tokens needs five steps.
    assert [row["learning_rate"] for row in rows[:5]] == pytest.approx([3e-3 * step / 5 for step in range(1, 6)])
    assert [row["learning_rate"] < 3e-3 for row in rows[5:]] == [True] * 5
    found = checkpoint.list_checkpoints(ramped / "checkpoints")
    assert [(state.step, state.tokens) for state in map(checkpoint.read_state, found)] == [(8, 1152), (10, 1792)]
    facts = json.loads((ramped / "manifest.json").read_text())["facts"]
    assert (facts["num_steps"], facts["num_tokens"]) == (10, 1792)
    validations = [row[1:3] for row in losses(ramped) if row[0] == "validation"]
    assert validations == [(0, 0), (5, 448), (10, 1792)]


def test_going_on_anywhere_in_the_schedule_is_exact(build: Path, ramped: Path, tmp_path: Path) -> None:
    for until in (2, 4, 6, 7, None):
        pretrain(recipe(build, {"dropout": 0.1}, **RAMP), tmp_path, until_step=until)
    assert losses(tmp_path) == losses(ramped)
    weights = [checkpoint.checkpoint_path(run / "checkpoints", 10) / "model.safetensors" for run in (tmp_path, ramped)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_the_configuration_of_a_run_is_its_recipe(build: Path, ramped: Path) -> None:
    config = tomllib.loads((ramped / "config.toml").read_text())
    assert (config["train"]["batch_schedule"], config["train"]["batch_tokens"]) == (SCHEDULE, 320)
    assert load_run(ramped / "config.toml").train == recipe(build, **RAMP).train
    assert pretrain(load_run(ramped / "config.toml"), ramped).reused


@pytest.mark.parametrize("schedule", [None, [[0, 64], [200, 192], [701, 320]], [[0, 64], [200, 320]]])
def test_another_schedule_is_refused(build: Path, tmp_path: Path, schedule: Any) -> None:
    pretrain(recipe(build, **RAMP), tmp_path, until_step=1)
    with pytest.raises(UserError, match=r"train.batch_schedule .*--restart"):
        pretrain(recipe(build, **RAMP | {"batch_schedule": schedule}), tmp_path)


def test_the_documents_of_a_step(build: Path, ramped: Path) -> None:
    shards = ShardSet.open(str(build / "shards"), "train")
    before = 0
    for step, tokens in enumerate(TOKENS, start=1):
        found = documents_of_run_step(ramped, step)
        assert [row["id"] for row in found] == [row["id"] for row in shards.documents_between(before, tokens + 1)]
        before = tokens
    with pytest.raises(UserError, match="has steps 1 to 10"):
        documents_of_run_step(ramped, 11)


def test_parts_of_a_batch_that_changes_give_its_gradient(build: Path, tmp_path: Path) -> None:
    for size in (10, 4, 1):
        pretrain(recipe(build, **RAMP, micro_batch_sequences=size), tmp_path / str(size))
    whole, *parts = (train_rows(tmp_path / str(size)) for size in (10, 4, 1))
    for rows in parts:
        for key in ("loss", "gradient_norm"):
            assert [row[key] for row in rows] == pytest.approx([row[key] for row in whole], rel=2e-4)


def test_the_speed_is_that_of_the_steps_own_batch(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10**6))
    monkeypatch.setattr("train.loop.time", SimpleNamespace(perf_counter=lambda: float(next(ticks)), time=time.time))
    pretrain(recipe(build, **RAMP), tmp_path)
    speeds = [row["tokens_per_second"] for row in train_rows(tmp_path)]
    assert speeds == [64.0] * 4 + [192.0] * 3 + [320.0] * 3


def test_ranks_give_the_losses_of_one_process(build: Path, tmp_path: Path) -> None:
    options = RAMP | {"batch_schedule": [[0, 96], [200, 224]], "batch_tokens": 224, "max_tokens": 1100}
    asked = write_recipe(tmp_path / "recipe.toml", build, **options)
    process = command(asked, "--run-folder", tmp_path / "ranks", ranks=2)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    pretrain(load_run(asked), tmp_path / "one")
    together, alone = losses(tmp_path / "ranks"), losses(tmp_path / "one")
    assert [row[:3] for row in together] == [row[:3] for row in alone]
    for row, expected in zip(together, alone, strict=True):
        assert row[3:] == pytest.approx(expected[3:], abs=1e-5)


def test_more_ranks_than_sequences_are_refused_before_training(build: Path, tmp_path: Path) -> None:
    options = RAMP | {"batch_schedule": [[0, 320], [640, 32]], "batch_tokens": 32}
    asked = write_recipe(tmp_path / "recipe.toml", build, **options)
    process = command(asked, "--run-folder", tmp_path / "ranks", ranks=2)
    output, _ = process.communicate(timeout=100)
    assert process.returncode != 0
    assert "a batch of 1 sequences cannot feed 2 ranks: raise train.batch_schedule" in output
    assert not (tmp_path / "ranks" / "metrics.jsonl").exists()


def test_a_longer_run_goes_on_in_its_schedule(build: Path, tmp_path: Path) -> None:
    options = RAMP | {"schedule": "constant_decay", "decay_fraction": 0.3}
    pretrain(recipe(build, **options), tmp_path / "run", until_step=6)
    longer = recipe(build, **options | {"max_tokens": 2500})
    assert pretrain(longer, tmp_path / "run").step == 12
    pretrain(longer, tmp_path / "whole")
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")
    with pytest.raises(UserError, match=r"Set it to 2432 or more"):
        pretrain(recipe(build, **options | {"max_tokens": 1000}), tmp_path / "run")


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"batch_schedule": []}, r"train.batch_schedule: it has no entries: write the first one"),
        ({"batch_schedule": [[10, 256]]}, r"train.batch_schedule: its first entry must begin at 0 .*\[10, 256\]"),
        ({"batch_schedule": [[0, 256], [512, 512], [512, 1024]]}, r"train.batch_schedule: .* 512 comes after 512"),
        ({"batch_schedule": [[0, 256], [900, 512], [512, 1024]]}, r"train.batch_schedule: .* 512 comes after 900"),
        ({"batch_schedule": [[0, 0]]}, r"train.batch_schedule: its entry \[0, 0\] has the value 0"),
        ({"batch_schedule": [[0, 256], [-5, 512]]}, r"train.batch_schedule: .* -5 comes after 0"),
        ({"batch_schedule": [[0, 256], [512]]}, r"train.batch_schedule.1.1 is missing"),
        ({"batch_schedule": [[0, 256, 3]]}, r"train.batch_schedule.0"),
        ({"batch_schedule": [[0, "256"]]}, r"train.batch_schedule.0.1: .*integer.*, not '256'"),
        ({"batch_schedule": [[0, 2.5]]}, r"train.batch_schedule.0.1: .*integer"),
        ({"batch_schedule": "256"}, r"train.batch_schedule: "),
        ({"batch_schedule": 256}, r"train.batch_schedule: "),
        ({"batch_schedule": [0, 256]}, r"train.batch_schedule.0: "),
        ({"batch_schedule": [[0, 256], [512, 1024]], "batch_tokens": 256}, r"batch_tokens 256 is not the last .* 1024"),
        ({"batch_schedule": [[0, 200], [512, 256]], "sequence_length": 64}, r"batch_schedule\[0\], 200, is .* 192 is"),
        ({"batch_schedule": [[0, 256], [512, 300]]}, r"train.batch_schedule\[1\], 300, is not a multiple of the"),
        ({"batch_schedul": [[0, 256]]}, r"unknown key train.batch_schedul \(did you mean 'batch_schedule'\?\)"),
    ],
)
def test_schedules_that_make_no_sense_are_refused_by_name(train: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_tables({"name": "x", "output": "build/x", "train": train}, "recipe.toml")


def test_batch_tokens_are_the_last_batch(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('name = "x"\noutput = "x"\n')
    found = load_run(path, ["train.batch_schedule=[[0, 8_192], [1_000_000, 16_256]]"]).train
    assert (found.batch_tokens, found.batch_schedule) == (16_256, ((0, 8_192), (1_000_000, 16_256)))
    path.write_text('name = "x"\noutput = "x"\n[train]\nbatch_tokens = 256\n')
    with pytest.raises(UserError, match="remove batch_tokens, or make them the same"):
        load_run(path, ["train.batch_schedule=[[0, 256], [1_000, 512]]"])


def sizes(num_tokens: int, **train: Any) -> tuple[Any, ...]:
    asked = TrainRecipe.model_validate({"name": "x", "output": "x", "train": train})
    found, lines = fit(asked, num_tokens, 1000, "shards")
    assert fit(found, num_tokens, 1000, "shards")[0] == found
    return found.train.batch_schedule, found.train.batch_tokens, found.train.max_tokens, len(lines)


@pytest.mark.parametrize(
    ("num_tokens", "schedule", "right"),
    [
        (10_000_000, ((0, 1024), (50_000, 4096)), (True, 4096, None, 0)),  # large enough: as it is written
        # 48 steps of 1,024 and twelve of 4,096, four times.
        (100_001, ((0, 1024), (49_152, 4096)), (True, 4096, 4 * 98_304, 1)),
        (10_001, ((0, 512), (5_000, 2048)), (True, 2048, 4 * (5_120 + 2 * 2048) - 1024, 1)),
        (5_000, ((0, 512), (2_000, 8192)), (False, 512, 4 * 9 * 512, 3)),  # the largest does not fit once
        (5_000, ((0, 8192), (16_384, 512)), (False, 512, 4 * 9 * 512, 2)),  # nor here
    ],
)
def test_a_small_corpus_keeps_a_schedule_that_it_fills(num_tokens: int, schedule: Any, right: tuple[Any, ...]) -> None:
    kept, *others = right
    assert sizes(num_tokens, batch_schedule=schedule) == (schedule if kept else None, *others)


def test_batches_over_the_end_of_an_epoch(tmp_path: Path, documents: list[str]) -> None:
    build = write_build(tmp_path / "build", documents[:12])
    num_tokens = ShardSet.open(str(build / "shards"), "train").num_tokens
    options: dict[str, Any] = {
        "batch_schedule": [[0, 320], [2_000, 32 * 22], [9_000, 32 * 25]],
        "batch_tokens": 32 * 25,
        "max_tokens": 3 * num_tokens,
        "sample_tokens": 0,
    }
    whole = pretrain(recipe(build, **options), tmp_path / "whole")
    for until in (9, 13, None):
        pretrain(recipe(build, **options), tmp_path / "parts", until_step=until)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    read = [documents_of_run_step(whole.run, step) for step in range(1, whole.num_steps + 1)]
    assert {row["id"] for step in read for row in step} == {f"train-{s}-{n}" for s in (0, 1) for n in range(4)}


def test_the_batches_are_said(build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretrain(recipe(build, **RAMP), tmp_path, until_step=1)
    parameters = GPT(recipe(build).config(257)).num_parameters()
    assert f"model: {parameters:,} parameters; 10 steps of 64 to 320 tokens (" in capsys.readouterr().err
