"""What the objective adds to plain cross-entropy: attention inside documents, and the z-loss."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from manifests.draws import draw
from manifests.errors import UserError
from model import GPT
from tests.train.builds import END_OF_TEXT_ID, command, losses, recipe, write_build, write_recipe
from tokenizer.shards.read import ShardSet
from train.data.documents import number_documents
from train.objectives.pretrain import pretrain
from train.settings import TrainRecipe, load_run, read_tables

ROTARY = {"positions": "rotary", "qk_norm": True}
E = END_OF_TEXT_ID


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of many short documents, so that most sequences of 32 tokens hold the ends of some."""
    lines = [f"{number}: the dog {'very ' * (number % 4)}sleeps." for number in range(120)]
    return write_build(tmp_path_factory.mktemp("short"), lines, num_validation=30)


@pytest.mark.parametrize(
    ("tokens", "right"),
    [
        ([5, 6, 7, 8], [0, 0, 0, 0]),
        ([5, E, 7, 8], [0, 0, 1, 1]),
        ([E, 6, 7, 8], [0, 1, 1, 1]),
        ([5, 6, 7, E], [0, 0, 0, 0]),
        ([E, E, E, E], [0, 1, 2, 3]),
        ([5, E, E, 8], [0, 0, 1, 2]),
        ([E], [0]),
    ],
)
def test_numbers_of_documents(tokens: list[int], right: list[int]) -> None:
    assert number_documents(torch.tensor([tokens]), E).tolist() == [right]
    twice = number_documents(torch.tensor([tokens, [1] * len(tokens)]), E)
    assert twice.tolist() == [right, [0] * len(tokens)]  # each sequence by itself


def pieces(tokens_T: torch.Tensor, targets_T: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """A sequence cut after each end of text."""
    ends = [place + 1 for place, token in enumerate(tokens_T.tolist()) if token == E]
    cuts = [0, *ends, *([] if ends and ends[-1] == len(tokens_T) else [len(tokens_T)])]
    return [(tokens_T[a:b], targets_T[a:b]) for a, b in itertools.pairwise(cuts)]


def alone(model: GPT, tokens_BT: torch.Tensor, targets_BT: torch.Tensor) -> tuple[float, float]:
    """Mean cross-entropy, and mean square of log sum exp, where the model is given each document by itself."""
    found = [pair for row in zip(tokens_BT, targets_BT, strict=True) for pair in pieces(*row)]
    logits_NV = torch.cat([model(tokens_T[None])[0] for tokens_T, _ in found])
    targets_N = torch.cat([targets_T for _, targets_T in found])
    squares_N = logits_NV.logsumexp(-1) ** 2
    return float(F.cross_entropy(logits_NV, targets_N)), float(squares_N.mean())


@torch.no_grad()
def at_first(asked: TrainRecipe, split: str, num_tokens: int) -> tuple[float, float]:
    """`alone` of the model as a run begins, on the first tokens of a split in sequences of 32."""
    shards = ShardSet.open(f"{asked.output}/shards", split)
    ids = torch.from_numpy(shards.read(0, num_tokens + 1))
    torch.manual_seed(draw("weights", asked.seed))
    model = GPT(asked.config(shards.vocab_size)).eval()
    return alone(model, ids[:-1].view(-1, 32), ids[1:].view(-1, 32))


def test_training_and_validation_see_each_document_alone(short: Path, tmp_path: Path) -> None:
    asked = recipe(short, ROTARY, document_mask=True, validation_tokens=640)
    pretrain(asked, tmp_path / "mask", until_step=1)
    rows = losses(tmp_path / "mask")
    assert [(row[0], row[1]) for row in rows] == [("validation", 0), ("train", 1)]
    assert rows[0][6] == pytest.approx(at_first(asked, "validation", 640)[0], abs=1e-5)
    assert rows[1][3] == pytest.approx(at_first(asked, "train", 256)[0], abs=1e-5)
    pretrain(recipe(short, ROTARY, validation_tokens=640), tmp_path / "plain", until_step=1)
    plain = losses(tmp_path / "plain")
    assert abs(plain[0][6] - rows[0][6]) > 1e-4
    assert abs(plain[1][3] - rows[1][3]) > 1e-4


@pytest.mark.parametrize("weight", [1e-4, 0.5])
def test_the_z_loss_is_in_training_and_not_in_validation(short: Path, tmp_path: Path, weight: float) -> None:
    asked = recipe(short, ROTARY, document_mask=True, z_loss=weight, validation_tokens=640)
    pretrain(asked, tmp_path, until_step=1)
    validation, train = losses(tmp_path)
    loss, squares = at_first(asked, "train", 256)
    assert train[3] == pytest.approx(loss + weight * squares, abs=1e-4)
    assert weight * squares > 1e-3  # ln(257)^2, about 31, can be seen
    assert validation[6] == pytest.approx(at_first(asked, "validation", 640)[0], abs=1e-5)


def test_parts_of_a_batch_give_its_gradient(short: Path, tmp_path: Path) -> None:
    found = []
    for size in (8, 3, 1):
        asked = recipe(short, ROTARY, document_mask=True, z_loss=0.01, micro_batch_sequences=size)
        found.append(losses(Path(pretrain(asked, tmp_path / str(size), until_step=6).run)))
    for rows in found[1:]:
        assert [row[:3] for row in rows] == [row[:3] for row in found[0]]
        for row, expected in zip(rows, found[0], strict=True):
            numbers = [number for number in row[3:] if number is not None]
            assert numbers == pytest.approx([number for number in expected[3:] if number is not None], rel=2e-4)


def test_ranks_give_the_losses_of_one_process(short: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"document_mask": True, "z_loss": 0.01, "max_tokens": 256 * 4, "sample_tokens": 0}
    asked = write_recipe(tmp_path / "recipe.toml", short, **options)
    process = command(asked, "--run-folder", tmp_path / "ranks", ranks=2)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    pretrain(load_run(asked), tmp_path / "one")
    for row, expected in zip(losses(tmp_path / "ranks"), losses(tmp_path / "one"), strict=True):
        assert row[:3] == expected[:3]
        assert row[3:] == pytest.approx(expected[3:], abs=1e-5)


def test_going_on_is_exact_and_another_setting_is_refused(short: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"document_mask": True, "z_loss": 1e-4, "max_tokens": 256 * 6}
    pretrain(recipe(short, **options), tmp_path / "whole")
    pretrain(recipe(short, **options), tmp_path / "parts", until_step=3)
    for name, value in (("document_mask", False), ("z_loss", 0.0), ("z_loss", 1e-5)):
        with pytest.raises(UserError, match=rf"train.{name} .*--restart"):
            pretrain(recipe(short, **options | {name: value}), tmp_path / "parts")
    pretrain(recipe(short, **options), tmp_path / "parts")
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    settings = json.loads((tmp_path / "whole" / "manifest.json").read_text())["fingerprint_of"]["settings"]
    assert (settings["train.document_mask"], settings["train.z_loss"]) == (True, 1e-4)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"z_loss": -1e-4}, r"train.z_loss: .*greater than or equal to 0"),
        ({"z_loss": "1e-4"}, r"train.z_loss: .*number"),
        ({"z_loss": float("nan")}, r"train.z_loss: .*finite"),
        ({"document_mask": 1}, r"train.document_mask: .*boolean"),
        ({"document_masks": True}, r"unknown key train.document_masks \(did you mean 'document_mask'\?\)"),
        ({"zloss": 1e-4}, r"unknown key train.zloss \(did you mean 'z_loss'\?\)"),
    ],
)
def test_wrong_settings_are_refused(train: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_tables({"name": "x", "output": "build/x", "train": train}, "recipe.toml")
