"""The command `ladder`: the sizes that it chooses, and the law that it fits to real runs of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import typer
from typer.testing import CliRunner

from manifests.errors import UsageError, UserError
from tests.train.builds import SMALL_MODEL, SMALL_TRAIN
from tests.train.sweep.serial import Serial
from train.sweep import cli
from train.sweep.ladder import choose_sizes, read_numbers, read_sizes, rungs
from train.sweep.plan import Planner


def write(path: Path, build: Path, model: dict[str, Any], **train: Any) -> Path:
    tables = {"model": model, "train": {**SMALL_TRAIN, "sample_tokens": 0, **train}}
    path.write_text(tomli_w.dumps({"name": "test", "output": str(build), **tables}))
    return path


FAMILIES: list[dict[str, Any]] = [
    {"preset": "gpt2-124m"},
    {"preset": "gpt2-30m"},
    {"preset": "modern-124m"},
    {"preset": "tiny"},
    {"preset": "tiny", "num_layers": 6, "num_heads": 6, "num_kv_heads": 2, "width": 96},
    {"preset": "modern", "depth": 12},
    {"preset": "modern", "depth": 6},
]


@pytest.mark.parametrize("model", FAMILIES, ids=str)
def test_sizes_are_of_the_recipes_own_family(build: Path, tmp_path: Path, model: dict[str, Any]) -> None:
    planner = Planner(write(tmp_path / "r.toml", build, model), [], None, "ladder")
    own = planner.plan_one({})
    for count in (3, 4):
        runs = [planner.plan_one(size) for size in choose_sizes(planner, own, count)]
        weights = [run.num_weights for run in runs]
        assert weights == sorted(set(weights))
        assert len(weights) == count
        assert weights[-1] < own.num_weights / 1.25
        assert weights[-1] / weights[0] > 1.9
        for run in runs:
            assert run.model_config.head_width == own.model_config.head_width
            assert run.model_config.norm == own.model_config.norm
            group = own.model_config.num_heads // own.model_config.kv_heads
            assert run.model_config.num_heads // run.model_config.kv_heads == group


def test_every_size_has_the_recipes_tokens_per_weight(build: Path, tmp_path: Path) -> None:
    path = write(
        tmp_path / "r.toml", build, SMALL_MODEL | {"num_layers": 4, "num_heads": 4, "width": 64}, max_tokens=2**18
    )
    planner = Planner(path, [], None, "ladder")
    own = planner.plan_one({})
    ratio = own.num_tokens / own.num_weights
    runs = rungs(planner, own, choose_sizes(planner, own, 3), [0.5, 1.0], ["0", "1"])
    assert len(runs) == 12
    for run in runs:
        wanted = ratio * (0.5 if run.num_tokens < 0.75 * ratio * run.num_weights else 1.0)
        assert run.num_tokens / run.num_weights == pytest.approx(wanted, rel=0.06)
    with pytest.raises(UserError, match=r"L\(N\) has 3 parameters, and 3 runs .* add sizes"):  # before any is trained
        rungs(planner, own, choose_sizes(planner, own, 3), [1.0], [])


def test_what_cannot_be_a_ladder_is_refused(build: Path, tmp_path: Path) -> None:
    planner = Planner(
        write(tmp_path / "r.toml", build, {"preset": "tiny", "num_heads": 1, "num_layers": 2}), [], None, "l"
    )
    own = planner.plan_one({})
    with pytest.raises(UserError, match=r"smaller sizes of its shape, and 4 are wanted\. Give them with --size"):
        choose_sizes(planner, own, 4)
    with pytest.raises(UserError, match="steps are too few to learn from; 20 are needed"):
        rungs(planner, own, [{"model.num_layers": "1"}], [0.5], [])
    assert read_sizes(["model.num_layers=2,model.width=64"]) == [{"model.num_layers": "2", "model.width": "64"}]
    for wrong in ("num_layers=2", "model.width", "train.max_tokens=3", ""):
        with pytest.raises(UsageError):
            read_sizes([wrong])
    assert read_numbers("0.5,1", "--tokens") == [0.5, 1.0]
    for wrong in ("", "0", "1,1", "-1", "x", "nan", "inf"):
        with pytest.raises(UsageError):
            read_numbers(wrong, "--tokens")


def test_a_ladder_is_trained_fitted_and_reused(build: Path, tmp_path: Path) -> None:
    model = SMALL_MODEL | {"num_layers": 3, "num_heads": 3, "num_kv_heads": 3, "width": 48}
    path = write(tmp_path / "r.toml", build, model, max_tokens=2**18, batch_tokens=256, validate_every_steps=0)
    serial = Serial()
    app = typer.Typer()
    app.callback()(lambda: None)
    cli.register(app, serial.make)
    words = ["ladder", str(path), "--sizes", "3", "--folder", str(tmp_path / "runs")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "L(N, D) = E + A / N^alpha + B / D^beta, fitted to 6 runs" in result.stdout
    assert "the recipe: N " in result.stdout
    data = json.loads((tmp_path / "runs" / "ladder.json").read_text())
    low, high = data["prediction"]["interval"]
    assert low <= data["prediction"]["validation_loss"] <= high
    assert data["law"]["points"] == len(data["runs"]) == 6 == len(serial.names)
    assert (tmp_path / "runs" / "ladder.svg").read_text().startswith("<svg")
    before = (tmp_path / "runs" / "ladder.json").read_bytes()
    assert CliRunner().invoke(app, words).exit_code == 0
    assert len(serial.names) == 6
    assert (tmp_path / "runs" / "ladder.json").read_bytes() == before


def test_an_unfinished_ladder_names_only_what_it_wrote(build: Path, tmp_path: Path) -> None:
    path = write(
        tmp_path / "r.toml",
        build,
        SMALL_MODEL | {"num_layers": 3, "num_heads": 3, "num_kv_heads": 3, "width": 48},
        max_tokens=2**18,
        batch_tokens=256,
    )
    idle = Serial()
    idle.run = lambda work, items, logs: None  # type: ignore[method-assign]
    app = typer.Typer()
    app.callback()(lambda: None)
    cli.register(app, idle.make)
    result = CliRunner().invoke(app, ["ladder", str(path), "--sizes", "3", "--folder", str(tmp_path / "runs")])
    assert result.exit_code == 1
    assert "0 of 6 runs are finished; ladder.json\n" in result.stdout
    assert "The same command goes on." in result.stderr
    assert not (tmp_path / "runs" / "ladder.svg").exists()
