"""The event files of a run hold what its metrics do, however often it is interrupted."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from manifests.errors import UserError
from tests.train.builds import recipe
from train.objectives.pretrain import pretrain
from train.run.folder import RunFolder

_TAGS = {
    ("train", "loss"): "train/loss",
    ("train", "learning_rate"): "train/learning_rate",
    ("train", "gradient_norm"): "train/gradient_norm",
    ("train", "tokens_per_second"): "speed/tokens_per_second",
    ("validation", "validation_loss"): "validation/loss",
    ("validation", "bits_per_byte"): "validation/bits_per_byte",
}


def _events(run: Path) -> Iterator[Any]:
    record_writer = pytest.importorskip("tensorboardX.record_writer")
    from tensorboardX.proto.event_pb2 import Event

    (path,) = (run / "tensorboard").iterdir()
    assert "tfevents" in path.name
    data = path.read_bytes()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        head, (head_sum,), body = data[:8], struct.unpack("<I", data[8:12]), data[12 : 12 + length]
        (body_sum,) = struct.unpack("<I", data[12 + length : 16 + length])
        assert (record_writer.masked_crc32c(head), record_writer.masked_crc32c(body)) == (head_sum, body_sum)
        yield Event.FromString(body)
        data = data[16 + length :]


def _scalars(run: Path) -> list[tuple[str, int, float]]:
    return [(one.tag, event.step, one.simple_value) for event in _events(run) for one in event.summary.value]


def _check(run: Path) -> list[tuple[str, int, float]]:
    """The file holds exactly the rows of the metrics; returns what it holds."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    expected = [
        (tag, row["step"], row[key])
        for row in rows
        for (kind, key), tag in _TAGS.items()
        if row["kind"] == kind and row.get(key) is not None
    ]
    expected += [
        (f"train/loss_by_source/{name}", row["step"], loss)
        for row in rows
        if row["kind"] == "train"
        for name, loss in row.get("loss_by_source", {}).items()
        if loss is not None
    ]
    found = _scalars(run)
    assert [one[:2] for one in sorted(found)] == [one[:2] for one in sorted(expected)]
    assert [one[2] for one in sorted(found)] == pytest.approx([one[2] for one in sorted(expected)], rel=1e-6)
    assert len({one[:2] for one in found}) == len(found)  # no step twice
    first, second, *_ = _events(run)
    assert (first.file_version, second.session_log.status, second.step) == ("brain.Event:2", 1, 0)
    return found


def test_events_follow_the_metrics_through_interruptions(build: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    run = tmp_path / "run"
    asked = recipe(build, tensorboard=True)
    pretrain(asked, run, until_step=6)
    assert {step for tag, step, _ in _check(run) if tag == "train/loss"} == set(range(1, 7))
    # A run that was killed after steps that no checkpoint has: their rows go, and so do their events.
    lines = (run / "metrics.jsonl").read_text().splitlines()
    late = json.loads(lines[-1]) | {"kind": "train", "step": 7, "loss": 99.0}
    (run / "metrics.jsonl").write_text("\n".join([*lines, json.dumps(late)]) + "\n")
    pretrain(asked, run)
    found = _check(run)
    assert {step for tag, step, _ in found if tag == "train/loss"} == set(range(1, 13))
    assert {step for tag, step, _ in found if tag == "validation/loss"} == {0, 5, 10, 12}
    assert 99.0 not in {value for *_, value in found}
    files = json.loads((run / "manifest.json").read_text())["run"]["files"]
    (path,) = (run / "tensorboard").iterdir()
    assert next(file["bytes"] for file in files if file["path"].endswith(path.name)) == path.stat().st_size
    pretrain(recipe(build), run, restart=True)
    assert not (run / "tensorboard").exists()


def test_the_setting_is_operational(build: Path, tmp_path: Path) -> None:
    """A run goes on with it, from its first row on, and learns the same."""
    pytest.importorskip("tensorboardX")
    pretrain(recipe(build), tmp_path / "run", until_step=4)
    assert not (tmp_path / "run" / "tensorboard").exists()
    pretrain(recipe(build, tensorboard=True), tmp_path / "run", until_step=8)
    assert min(step for _, step, _ in _check(tmp_path / "run")) == 0


def test_rows_of_every_kind(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    folder = RunFolder(tmp_path / "run", tensorboard=True)
    train = {"kind": "train", "tokens": 1, "learning_rate": 0.1, "tokens_per_second": 9.0, "mfu": None}
    with folder.locked():
        folder.truncate_after(-1)
        folder.add_metrics({"kind": "validation", "step": 0, "validation_loss": 5.5, "bits_per_byte": None})
        sources = {"loss_by_source": {"web": 4.0, "books": 2.5}, "tokens_by_source": {"web": 1, "books": 3}}
        folder.add_metrics(train | {"step": 1, "loss": 3.0, "gradient_norm": 1.5} | sources)
        folder.add_metrics(train | {"step": 2, "loss": None, "gradient_norm": None, "skipped": "the loss is nan"})
        folder.add_metrics(train | {"step": 3, "loss": 2.0, "gradient_norm": 1.0, "loss_by_source": {"web": None}})
        folder.sync_metrics()
        assert len(_check(folder.path)) == 13
        # A rollback to step 1 takes events away, too.
        folder.truncate_after(1, {"kind": "rollback", "step": 1, "first": 2, "last": 3, "skipped": []})
        assert {step for _, step, _ in _check(folder.path)} == {0, 1}
        folder.add_metrics(train | {"step": 2, "loss": 2.5, "gradient_norm": 1.0})
    assert {step for _, step, _ in _check(folder.path)} == {0, 1, 2}


def test_without_the_library_nothing_begins(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretrain(recipe(build), tmp_path / "run", until_step=4)
    before = sorted((tmp_path / "run").rglob("*"))
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(UserError, match=r"pip install 'groundup\[tensorboard\]'") as error:
        pretrain(recipe(build, tensorboard=True), tmp_path / "run", restart=True)
    assert "\n" not in str(error.value)
    assert sorted((tmp_path / "run").rglob("*")) == before


def test_a_full_disk(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboardX")
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    monkeypatch.setattr("tensorboardX.record_writer.open_file", lambda _: Path("/dev/full").open("wb"))  # noqa: SIM115
    with pytest.raises(UserError, match=r"tensorboard/events\.out\.tfevents\.[\d.]+: the disk is full"):
        pretrain(recipe(build, tensorboard=True), tmp_path / "run")
    monkeypatch.undo()
    assert pretrain(recipe(build, tensorboard=True), tmp_path / "run").finished
    _check(tmp_path / "run")
