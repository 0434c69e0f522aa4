"""`groundup steps RUN --worst N`: the steps whose loss stands out, and what they read."""

from __future__ import annotations

import json
import random
import shutil
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from manifests.errors import UsageError, UserError
from tests.train.builds import recipe, write_build
from train.cli import register
from train.data.steps import documents_of_run_step
from train.objectives.pretrain import pretrain
from train.run.worst import compare, worst_steps

_STEPS = 70
_POISONED = 14


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory, documents: list[str]) -> Path:
    """A run on real prose with one document of random letters, and the build that it is in."""
    letters = random.Random(1)
    noise = "".join(letters.choices(string.ascii_letters + string.digits + string.punctuation, k=600))
    texts = [*documents[: 4 + _POISONED], noise, *documents[4 + _POISONED : 60]]
    output = write_build(tmp_path_factory.mktemp("poisoned"), texts, num_shards=1)
    pretrain(recipe(output, max_tokens=256 * _STEPS, validate_every_steps=0, learning_rate=6e-3))
    return output / "train"


@pytest.fixture
def run(poisoned: Path, tmp_path: Path) -> Path:
    """A copy of it, whose metrics may be changed."""
    shutil.copytree(poisoned.parent, tmp_path / "build")
    return tmp_path / "build" / "train"


def _metrics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def _write(run: Path, rows: list[dict[str, Any]]) -> None:
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _command(*arguments: object) -> Any:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, ["steps", *map(str, arguments)], catch_exceptions=False)


def test_the_poisoned_document_is_named_first(poisoned: Path) -> None:
    name = f"train-0-{_POISONED}"
    steps = [
        step
        for step in range(1, _STEPS + 1)
        if name in {document["id"] for document in documents_of_run_step(poisoned, step)}
    ]
    worst = worst_steps(poisoned, 2)
    assert {one.step for one in worst} <= set(steps)
    assert worst[0].deviations is not None
    assert worst[0].deviations > 6
    assert worst[0].documents == documents_of_run_step(poisoned, worst[0].step)
    table = _command(poisoned, "--worst", 1).output
    assert table.splitlines()[0].split() == ["step", "loss", "neighbours", "deviations", "sources"]
    assert f"{name}  http://example.org/{name}" in table
    assert "books 100 %" in table
    rows = [json.loads(line) for line in _command(poisoned, "--worst", 3, "--json").output.splitlines()]
    assert [row["step"] for row in rows] == [one.step for one in worst_steps(poisoned, 3)]
    assert rows[0]["documents"] == worst[0].documents


def test_the_fall_of_the_beginning_is_no_spike(poisoned: Path) -> None:
    """In a healthy run the first steps do not stand out, although their losses are the highest but for the spike."""
    losses = np.array([row["loss"] for row in _metrics(poisoned) if row["kind"] == "train"])
    assert losses[:8].min() > np.median(losses[30:]) + 0.5
    assert all(one.step > 8 for one in worst_steps(poisoned, 2))


@pytest.mark.parametrize("at", [0, 1, 2, 7, 20, 63, 150, 297, 298, 299])
@pytest.mark.parametrize("fall", ["steep", "slow", "flat"])
def test_a_spike_is_found_wherever_it_is(at: int, fall: str) -> None:
    steps = np.arange(1, 301)
    falls = {"steep": 3 + 7 * np.exp(-steps / 10), "slow": 9 - 0.02 * steps, "flat": np.full(300, 4.0)}
    losses = falls[fall] + np.random.default_rng(3).normal(0, 0.05, 300)
    losses[at] += 2
    _, deviations = compare(steps, losses, np.zeros(300, bool))
    assert int(np.argmax(deviations)) == at
    assert deviations[at] > 6


def test_a_bad_neighbour_hides_nothing() -> None:
    """Ten bad steps among 64: each stands out, by as much as it would alone."""
    losses = np.random.default_rng(4).normal(4, 0.05, 300)
    bad = [100, 101, 102, 103, 110, 111, 120, 121, 122, 130]
    losses[bad] += [1, 50, 1, 1, 2, 1, 1000, 1, 3, 1]
    _, deviations = compare(np.arange(300), losses, np.zeros(300, bool))
    assert set(np.argsort(-deviations)[:10]) == set(bad)
    assert deviations[bad].min() > 10


def test_skipped_steps_are_among_them_and_marked(run: Path) -> None:
    rows = _metrics(run)
    healthy = {row["step"]: row for row in rows if row["kind"] == "train"}
    healthy[30]["skipped"] = "the loss is nan"
    healthy[30]["loss"] = None
    healthy[40] |= {"loss": 400.0, "skipped": "the loss 400 is 99.0 standard deviations above the mean 3.1 of 39 steps"}
    healthy[40] |= {"tokens_by_source": {"books": 64, "web": 192}, "loss_by_source": {"books": 3.0, "web": 60.0}}
    before = [healthy[20] | {"loss": 30.0, "skipped": "too high", "documents": [{"id": "d1", "source": "web"}] * 5}]
    rows.append({"kind": "rollback", "step": 10, "first": 20, "last": 22, "skipped": before})
    _write(run, rows)
    found = worst_steps(run, 3)
    assert [(one.step, one.is_left_out) for one in found] == [(30, False), (40, False), (20, True)]
    assert found[0].loss is None
    assert found[2].documents == before[0]["documents"]
    lines = _command(run, "--worst", 3).output.splitlines()
    assert any("skipped: the loss is nan" in line and " - " in line for line in lines)
    assert any("web 75 %, books 25 %  skipped: the loss 400 is" in line for line in lines)
    assert any("left out after going back: too high" in line for line in lines)
    assert "    and 2 documents more" in lines[-1:]
    assert json.loads(_command(run, "--worst", 3, "--json").output.splitlines()[1])["loss_by_source"]["web"] == 60.0


@pytest.mark.parametrize("left", [1, 2, 3, 5, _STEPS])
def test_fewer_steps_than_asked_for(run: Path, left: int) -> None:
    rows = [row for row in _metrics(run) if row["kind"] == "train"]
    old = [{key: row[key] for key in ("kind", "step", "tokens", "loss")} for row in rows[:left]]
    _write(run, [*old, {"kind": "train", "step": 9}, {"kind": "other"}])
    found = worst_steps(run, 500)
    assert sorted(one.step for one in found) == [row["step"] for row in old]
    assert all(one.documents for one in found)


def test_only_left_out_steps(run: Path) -> None:
    """The run has just gone back to its first weights."""
    skipped = [{"kind": "train", "step": 2, "loss": 9.0, "skipped": "too high"}]
    _write(run, [{"kind": "rollback", "step": 0, "first": 2, "last": 2, "skipped": skipped}])
    (one,) = worst_steps(run, 5)
    assert (one.step, one.neighbours_loss, one.deviations, one.documents) == (2, None, None, [])
    assert _command(run, "--worst", 5).output.splitlines()[1].split()[:5] == ["2", "9.0000", "-", "-", "-"]


def test_what_there_is_not(run: Path, tmp_path: Path) -> None:
    for arguments in ([], ["--step", 1, "--worst", 1]):
        with pytest.raises(UsageError, match="give --step STEP or --worst N"):
            _command(run, *arguments)
    assert _command(run, "--worst", 0).exit_code == 2
    with pytest.raises(UserError, match="no training run here"):
        worst_steps(tmp_path, 3)
    (run / "metrics.jsonl").unlink()
    with pytest.raises(UserError, match=r"metrics.jsonl has no steps yet"):
        worst_steps(run, 3)
    shutil.rmtree(run.parent / "shards")
    with pytest.raises(UserError, match="restore those shards"):
        worst_steps(run, 3)
