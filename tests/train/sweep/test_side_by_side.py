"""Sweeps on the pipeline's local executor, in processes of their own: two workers, `kill -9`, a signal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.train.builds import losses, write_recipe

VARY = ("--vary", "train.learning_rate=1e-3,1e-2", "--vary", "seed=0,1")
NAMES = [f"train.learning_rate={rate},seed={seed}" for rate in (0.001, 0.01) for seed in (0, 1)]


def start(recipe: Path, folder: Path, workers: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "groundup", "sweep", str(recipe), *VARY, "--folder", str(folder)]
    return subprocess.Popen(
        [*command, "--workers", str(workers)],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for_step(folder: Path, process: subprocess.Popen[str]) -> None:
    """Until some run has written a row of a later step."""
    while process.poll() is None:
        for name in NAMES:
            path = folder / name / "metrics.jsonl"
            with contextlib.suppress(FileNotFoundError):
                if path.read_text().count('"kind": "train"') >= 6:
                    return
        time.sleep(0.02)


@pytest.fixture(scope="module")
def recipe(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("recipe") / "r.toml", build, max_tokens=256 * 60, sample_tokens=0)


@pytest.fixture(scope="module")
def undisturbed(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one") / "runs"
    process = start(recipe, folder, workers=1)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    return folder


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_two_workers_that_are_interrupted_end_as_one_that_is_not(
    recipe: Path, undisturbed: Path, tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "runs"
    process = start(recipe, folder, workers=2)
    wait_for_step(folder, process)
    if number == signal.SIGINT:  # as a terminal sends it
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    output = process.communicate()[0]
    assert process.returncode != 0, output
    if number != signal.SIGKILL:
        assert process.returncode == 1, output
        assert "The same command goes on." in output
        assert any(list((folder / name / "checkpoints").glob("step-*")) for name in NAMES)
    again = start(recipe, folder, workers=2)
    output = again.communicate()[0]
    assert again.returncode == 0, output
    for name in NAMES:
        assert losses(folder / name) == losses(undisturbed / name)
    one, other = ((place / "sweep.json").read_text() for place in (undisturbed, folder))
    assert one.count('"finished"') == other.count('"finished"')
