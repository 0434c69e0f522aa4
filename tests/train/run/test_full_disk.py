"""A full disk names the file, whatever a run writes; what was saved before stays."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from manifests.errors import UserError
from tests.train.builds import recipe
from train.objectives.pretrain import pretrain
from train.run import checkpoint

FULL = "the disk is full. Free some space and run the same command again"


@pytest.fixture(autouse=True)
def has_a_full_device() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")


@pytest.mark.parametrize("name", ["metrics.jsonl", "samples.txt"])
def test_of_a_file_that_grows(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("train.run.folder.RunFolder.truncate_after", lambda *_: None)  # it would replace the link
    (tmp_path / name).symlink_to("/dev/full")
    with pytest.raises(UserError, match=f"{name}: {FULL}"):
        pretrain(recipe(build, validate_every_steps=0, max_tokens=256 * 2), tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt"])
def test_of_a_checkpoint(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """safetensors and torch have words of their own for it."""
    pretrain(recipe(build), tmp_path, until_step=4)
    original = torch.save

    def save(value: Any, path: Path) -> None:
        path.symlink_to("/dev/full")
        original(value, path)

    def save_file(*_: object, **__: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    with monkeypatch.context() as patched:
        if name == "optimizer.pt":
            patched.setattr(torch, "save", save)
        else:
            patched.setattr(checkpoint, "save_file", save_file)
        with pytest.raises(UserError, match=f"step-00000008/{name}: {FULL}"):
            pretrain(recipe(build), tmp_path)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000004"]
    assert pretrain(recipe(build), tmp_path).finished


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, FULL),
        (errno.EDQUOT, "the disk quota is used up. Free some space"),
        (errno.EFBIG, r"the file is larger than is allowed here. Raise the limit \(ulimit -f\)"),
        (errno.EROFS, "the file system can only be read. Choose another folder"),
        (errno.EACCES, r"cannot be written \(Permission denied\)"),
    ],
)
@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("manifests.storage.os.replace", "config.toml"),
        ("train.run.folder.os.fsync", "config.toml"),
        ("train.run.checkpoint.save_file", "step-00000004/model.safetensors"),
        ("train.run.checkpoint.json_bytes", "step-00000004/state.json"),
    ],
)
def test_every_refusal_is_named(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str, function: str, name: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(function, refuse)
    with pytest.raises(UserError, match=f"{name}: {message}"):
        pretrain(recipe(build, max_tokens=256 * 4), tmp_path)


def test_of_the_run_folder_itself(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError, match=rf"run/\.lock: {FULL}"):
        pretrain(recipe(build), tmp_path / "run")
