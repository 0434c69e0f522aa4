"""Batches that are read ahead: the same ones, errors where they belong, and no thread that stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from manifests.errors import UserError
from manifests.storage import Folder
from tests.train.builds import paragraphs, recipe, write_build
from tokenizer.shards.read import ShardSet
from train.data.batches import Batches
from train.data.loader import Loader
from train.data.prefetch import Prefetched
from train.objectives.pretrain import pretrain

CPU = torch.device("cpu")
TEXT = "".join(f"Line {number} of a text that says little.\n\n" for number in range(400))


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return write_build(tmp_path / "build", paragraphs(TEXT))


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("prefetch")]


@pytest.fixture(params=["here", "ahead"])
def ahead(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether shards are taken for those of a store, whose batches are read ahead."""
    if request.param == "ahead":
        monkeypatch.setattr("train.data.prefetch.local_path", lambda url: None)
    return bool(request.param == "ahead")


def loader_of(build: Path) -> Loader:
    shards = ShardSet.open(Folder(build).folder("shards"), "train")
    return Loader(shards, Batches.of(256, None), 32, seed=3)


@pytest.mark.parametrize("steps", [range(9), [0, 5, 6, 2, 3, 3], [7], [99, 98], [8, 9, 10, 0]])
def test_batches_are_those_of_the_loader(build: Path, ahead: bool, steps: Any) -> None:
    loader, same = loader_of(build), loader_of(build)
    batches = Prefetched(loader, 10, CPU)
    for step in steps:
        found = batches.batch(step)
        assert all(torch.equal(*both) for both in zip(found[:2], same.batch(step), strict=True))
        assert found.sources is None
        assert batches.documents_of_step(step) == same.documents_of_step(step)
    batches.close()


def test_the_next_batch_is_read_while_a_step_computes(build: Path, ahead: bool) -> None:
    loader, read = loader_of(build), []
    plain, is_read = loader.batch, threading.Event()

    def note(step: int) -> Any:
        read.append((step, threading.current_thread() is threading.main_thread()))
        if step == 1:
            is_read.set()
        return plain(step)

    loader.batch = note  # type: ignore[method-assign]
    batches = Prefetched(loader, 3, CPU)
    batches.batch(0)
    assert is_read.wait(10 if ahead else 0) == ahead
    for step in (1, 2):
        batches.batch(step)
    batches.close()
    assert read == [(step, not ahead) for step in range(3)]  # each once, none from the end on


@pytest.mark.parametrize("error", [UserError("a shard is damaged"), OSError("the store is away"), MemoryError()])
def test_an_error_is_of_the_step_that_needs_the_batch(build: Path, ahead: bool, error: Exception) -> None:
    loader = loader_of(build)
    plain = loader.batch

    def fail(step: int) -> Any:
        if step == 2:
            raise error
        return plain(step)

    loader.batch = fail  # type: ignore[method-assign]
    batches = Prefetched(loader, 10, CPU)
    batches.batch(0)
    batches.batch(1)
    with pytest.raises(type(error)) as raised:
        batches.batch(2)
    assert raised.value is error
    assert torch.equal(batches.batch(3).tokens, plain(3)[0])
    batches.close()


def test_a_run_is_the_same_and_leaves_no_thread(build: Path, ahead: bool, tmp_path: Path) -> None:
    asked = recipe(build, max_tokens=256 * 4, validate_every_steps=0)
    pretrain(asked, tmp_path / "run", until_step=2)
    pretrain(asked, tmp_path / "run")
    found = (tmp_path / "run" / "checkpoints" / "step-00000004" / "model.safetensors").read_bytes()
    plain = tmp_path / "plain"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("train.data.prefetch.local_path", Path)
        pretrain(asked, plain)
    assert found == (plain / "checkpoints" / "step-00000004" / "model.safetensors").read_bytes()


def test_a_run_that_fails_leaves_no_thread(
    build: Path, ahead: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Loader.batch

    def fail(self: Loader, step: int) -> Any:
        if step == 2:
            raise UserError("a shard is damaged")
        return plain(self, step)

    monkeypatch.setattr(Loader, "batch", fail)
    with pytest.raises(UserError, match="a shard is damaged"):
        pretrain(recipe(build), tmp_path / "run")


def test_batches_for_another_device_are_read_ahead_and_lie_there(build: Path) -> None:
    meta = torch.device("meta")
    batches = Prefetched(loader_of(build), 10, meta)
    assert batches.batch(4).tokens.device == meta
    assert any(thread.name.startswith("prefetch") for thread in threading.enumerate())
    batches.close()
