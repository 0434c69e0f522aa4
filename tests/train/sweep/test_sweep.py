"""The command `sweep`: which runs it makes, what it does with those that are there, and what it says."""

from __future__ import annotations

import json
import math
import re
import statistics
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from manifests.errors import UserError
from manifests.manifest import digest_of, read_manifest
from manifests.storage import Folder
from tests.train.builds import losses, write_recipe
from tests.train.sweep.serial import Serial
from train.objectives.pretrain import pretrain
from train.settings import load_run
from train.sweep import cli, runs

VARY = ["--vary", "train.learning_rate=1e-3,1e-2", "--vary", "seed=0,1"]


def sweep(recipe: Path, *words: str | Path, serial: Serial | None = None) -> Any:
    app = typer.Typer()
    app.callback()(lambda: None)
    cli.register(app, (serial or Serial()).make)
    return CliRunner().invoke(app, ["sweep", str(recipe), *map(str, words)])


@pytest.fixture(scope="module")
def path(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("recipe") / "recipe.toml", build, sample_tokens=0)


@pytest.fixture(scope="module")
def swept(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep of four runs."""
    folder = tmp_path_factory.mktemp("sweep") / "runs"
    result = sweep(path, *VARY, "--folder", folder)
    assert result.exit_code == 0, result.output
    assert "4 of 4 runs are finished" in result.output
    return folder


def test_a_run_of_a_sweep_is_the_run_that_train_makes(path: Path, swept: Path, tmp_path: Path) -> None:
    pretrain(load_run(path, ["train.learning_rate=0.01", "seed=1"]), tmp_path / "run")
    assert losses(swept / "train.learning_rate=0.01,seed=1") == losses(tmp_path / "run")


def test_the_seed_changes_the_weights_and_not_the_data(swept: Path) -> None:
    first, second = (swept / f"train.learning_rate=0.01,seed={seed}" for seed in (0, 1))
    assert losses(first)[0] != losses(second)[0]
    manifests = [read_manifest(Folder(folder)) for folder in (first, second)]
    assert manifests[0]
    assert manifests[1]
    assert manifests[0].inputs == manifests[1].inputs
    assert manifests[0].facts["data_manifest_sha256"] == manifests[1].facts["data_manifest_sha256"]


def test_figures_are_those_of_the_runs(swept: Path) -> None:
    data = json.loads((swept / "sweep.json").read_text())
    assert data["vary"] == {"train.learning_rate": [0.001, 0.01], "seed": [0, 1]}
    for row in data["runs"]:
        manifest = read_manifest(Folder(swept / row["name"]))
        assert manifest
        assert row["state"] == "finished"
        assert row["manifest"] == digest_of(manifest.reproducible())
        assert row["validation_loss"] == losses(swept / row["name"])[-1][6]
        assert (row["tokens"], row["num_steps"]) == (256 * 12, 12)
    for one in data["combinations"]:
        rate = one["values"]["train.learning_rate"]
        values = [r["validation_loss"] for r in data["runs"] if r["values"]["train.learning_rate"] == rate]
        assert one["validation_loss"] == pytest.approx(sum(values) / 2)
        assert one["validation_loss_error"] == pytest.approx(statistics.stdev(values) / math.sqrt(2))
    (best,) = [one for one in data["combinations"] if one["best"]]
    assert best["validation_loss"] == min(one["validation_loss"] for one in data["combinations"])


def test_the_plot_has_every_combination_and_curve(swept: Path) -> None:
    from xml.etree import ElementTree

    drawing = ElementTree.parse(swept / "sweep.svg").getroot()
    texts = [element.text for element in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert {"train.learning_rate", "tokens", "train.learning_rate 0.001", "train.learning_rate 0.01"} <= set(texts)
    assert len(list(drawing.iter("{http://www.w3.org/2000/svg}polyline"))) == 1 + 4
    assert len(list(drawing.iter("{http://www.w3.org/2000/svg}circle"))) == 2


def test_finished_runs_are_reused(path: Path, swept: Path) -> None:
    before = (swept / "sweep.json").read_bytes()
    serial = Serial()
    assert sweep(path, *VARY, "--folder", swept, serial=serial).exit_code == 0
    assert serial.names == []
    assert (swept / "sweep.json").read_bytes() == before
    more = [*VARY[:2], "--vary", "seed=0,1,2", "--folder", swept, "--json"]
    result = sweep(path, *more, serial=serial)
    assert serial.names == [f"train.learning_rate={rate},seed=2" for rate in (0.001, 0.01)]
    assert [one["finished"] for one in json.loads(result.stdout)["combinations"]] == [3, 3]
    sweep(path, *VARY, "--folder", swept)  # the others find it as it was
    assert (swept / "sweep.json").read_bytes() == before


def test_runs_of_any_optimizer_are_reused(path: Path, tmp_path: Path) -> None:
    """What a run has recorded of its roles is what the plan expects."""
    serial = Serial()
    words = ["--vary", "train.optimizer=adamw,muon", "--set", "train.max_tokens=512", "--folder", tmp_path / "runs"]
    for _ in range(2):
        result = sweep(path, *words, serial=serial)
        assert result.exit_code == 0, result.output
    assert serial.names == ["train.optimizer=adamw", "train.optimizer=muon"]


def test_values_that_are_written_otherwise_are_the_same_run(path: Path, swept: Path) -> None:
    serial = Serial()
    same = ["--vary", "train.learning_rate=0.001,0.01", "--vary", "seed=1", "--folder", swept]
    assert sweep(path, *same, serial=serial).exit_code == 0
    assert serial.names == []
    sweep(path, *VARY, "--folder", swept)


def test_a_run_that_fails_does_not_take_the_others_down(path: Path, tmp_path: Path) -> None:
    words = ["--vary", "train.learning_rate=1e30,1e-2", "--folder", tmp_path / "runs"]
    result = sweep(path, *words)
    assert result.exit_code == 1
    assert "training has diverged" in result.stderr
    assert [len(line) > 0 for line in result.stderr.splitlines() if line.startswith("groundup: ")] == [True]
    assert "best" in result.stdout
    states = [row["state"] for row in json.loads((tmp_path / "runs" / "sweep.json").read_text())["runs"]]
    assert states == ["failed", "finished"]
    serial = Serial()
    again = sweep(path, *words, serial=serial)
    assert (again.exit_code, len(serial.names)) == (1, 1)
    assert serial.names[0].startswith("train.learning_rate=1e")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--vary", "train.learning_rat=1,2"], "unknown key train.learning_rat"),
        (["--vary", "train.learning_rate=1e-3,fast"], "train.learning_rate: .*number.*, not 'fast'"),
        (["--vary", "train.learning_rate=1e-3,-1"], "train.learning_rate: .*greater than 0"),
        (["--vary", "model.num_heads=2,3"], "width 32 is not a multiple of num_heads 3"),
        (["--vary", "model.norm=layernorm,rms"], "norm is 'rms'"),
        (["--vary", "train.sequence_length=32,48"], "256 is not a multiple of sequence_length 48"),
        (["--vary", "train.max_tokens=512,100"], "less than one batch"),
        (["--vary", "train.batch_tokens=256,100000000"], None),  # fitted to the corpus, as `train` does
        (["--vary", "train.learning_rate=1e-3,0.001"], "asked for twice"),
        (["--vary", "seed=1,1"], "asked for twice"),
        (["--vary", "seed=0", "--executor", "cloud"], "--executor cloud: there are"),
    ],
)
def test_all_values_are_checked_before_the_first_run(
    path: Path, tmp_path: Path, words: list[str], message: str | None
) -> None:
    serial = Serial()
    serial.run = lambda work, items, logs: None  # type: ignore[method-assign]
    result = sweep(path, *words, "--folder", tmp_path / "runs", serial=serial)
    if message is None:
        assert not isinstance(result.exception, UserError)
        return
    assert isinstance(result.exception, UserError)
    assert re.search(message, str(result.exception))
    assert not (tmp_path / "runs").exists()


def test_a_folder_with_other_runs_is_refused(path: Path, swept: Path) -> None:
    result = sweep(path, *VARY, "--set", "train.weight_decay=0.3", "--folder", swept)
    assert "holds a run of another configuration (train.weight_decay 0.1 -> 0.3)" in str(result.exception)


def test_a_run_that_is_told_to_stop_goes_on(path: Path, swept: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """A signal in the middle of the second run: it saves a checkpoint, and no further one begins."""
    import os
    import signal

    from train.run.folder import RunFolder

    monkeypatch.setattr(runs, "_told_to_stop", False)  # and is so again after this test

    add = RunFolder.add_metrics

    def add_and_stop(self: RunFolder, row: dict[str, Any]) -> None:
        add(self, row)
        if self.path.name.endswith("0.001,seed=1") and row["step"] == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    folder = tmp_path / "runs"
    monkeypatch.setattr(RunFolder, "add_metrics", add_and_stop)
    result = sweep(path, *VARY, "--folder", folder)
    monkeypatch.undo()
    assert result.exit_code == 1
    assert "1 of 4 runs are finished. The same command goes on." in result.stderr
    assert not (folder / "train.learning_rate=0.01,seed=0").exists()
    monkeypatch.setattr(runs, "_told_to_stop", False)  # another process
    assert sweep(path, *VARY, "--folder", folder).exit_code == 0
    for row in json.loads((folder / "sweep.json").read_text())["runs"]:
        assert losses(folder / row["name"]) == losses(swept / row["name"])


def test_runs_need_a_validation_loss(tmp_path: Path, documents: list[str]) -> None:
    from tests.train.builds import write_build

    build = write_build(tmp_path / "build", documents[:40], num_validation=0)
    recipe = write_recipe(tmp_path / "recipe.toml", build)
    result = sweep(recipe, *VARY)
    assert "has no validation shards" in str(result.exception)
