"""Sizes of a run fitted to a small corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from manifests.errors import UserError
from tests.train.builds import write_build
from train.fit import fit
from train.objectives.pretrain import pretrain
from train.run.folder import RunFolder
from train.settings import TrainRecipe, load_run


def sizes(num_tokens: int, **train: Any) -> tuple[int, int, int | None, int]:
    """Sequence length, batch and length of the run after fitting, and the number of lines about it."""
    found, lines = fit(_recipe(**train), num_tokens, 1000, "shards")
    return found.config(1000).sequence_length, found.train.batch_tokens, found.train.max_tokens, len(lines)


def _recipe(**train: Any) -> TrainRecipe:
    return TrainRecipe.model_validate({"name": "x", "output": "x", "train": train})


@pytest.mark.parametrize(
    ("num_tokens", "train", "right"),
    [
        (10_000_000, {}, (128, 16_384, None, 0)),  # large enough: as it was
        (1_638_401, {}, (128, 16_384, None, 0)),  # 100 steps, exactly
        (1_638_400, {}, (128, 16_384, 200 * 16_384, 1)),  # a token less: some of it three times
        (819_201, {}, (128, 16_384, 200 * 16_384, 1)),  # 50 steps, exactly
        (819_200, {}, (128, 2_048, None, 1)),  # a token less: the largest power of two that gives 200 steps
        (290_112, {}, (128, 1_024, None, 1)),
        (40_000, {}, (128, 512, 200 * 512, 2)),
        (10_000, {}, (128, 512, 4 * 19 * 512, 2)),
        (600, {}, (128, 512, 4 * 512, 2)),
        (400, {}, (128, 256, 4 * 256, 2)),
        (129, {}, (128, 128, 4 * 128, 2)),
        (128, {}, (64, 64, 4 * 64, 3)),  # 127 targets fill no sequence of 128
        (33, {}, (32, 32, 4 * 32, 3)),
        # What is written and works is kept.
        (10_000, {"batch_tokens": 8_192}, (128, 8_192, 4 * 8_192, 1)),
        (700_000, {"batch_tokens": 8_192}, (128, 8_192, 200 * 8_192, 1)),
        (10_000, {"batch_tokens": 512, "max_tokens": 1_024}, (128, 512, 1_024, 0)),
        (10_000, {"max_tokens": 100_000}, (128, 512, 100_000, 1)),
        # What is written and cannot be filled is fitted.
        (5_000, {"batch_tokens": 8_192}, (128, 512, 4 * 9 * 512, 2)),
        (300, {"sequence_length": 1_024, "batch_tokens": 8_192}, (256, 256, 4 * 256, 3)),
        (10_000_000, {"max_tokens": 1_000}, (128, 896, 1_000, 1)),  # the default's batch is longer than the run
    ],
)
def test_sizes(num_tokens: int, train: dict[str, Any], right: tuple[int, int, int | None, int]) -> None:
    assert sizes(num_tokens, **train) == right


@pytest.mark.parametrize("num_tokens", [*range(33, 700), *range(700, 900_000, 4_999)])
def test_every_corpus_fills_its_batch(num_tokens: int) -> None:
    length, batch, max_tokens, _ = sizes(num_tokens)
    assert batch % length == 0
    assert batch <= num_tokens - 1
    assert max_tokens is None or batch <= max_tokens <= 4 * (num_tokens - 1)


def test_fitted_twice_is_fitted_once() -> None:
    for num_tokens in (33, 400, 10_000, 290_112):
        once, _ = fit(_recipe(), num_tokens, 1000, "shards")
        written = TrainRecipe.model_validate({"name": "x", "output": "x", "train": once.train.model_dump()})
        assert fit(written, num_tokens, 1000, "shards") == (written, [])


def test_the_lines_say_what_was_asked_for_and_what_is_taken() -> None:
    _, lines = fit(_recipe(), 10_000, 1000, "shards")
    assert lines == [
        "train.batch_tokens 16,384 -> 512: the corpus has 10,000 training tokens",
        "train.max_tokens (not set) -> 38,912: 76 steps, 4.0 times through the corpus",
    ]


@pytest.mark.parametrize("num_tokens", [1, 2, 32])
def test_too_little_is_said_in_one_line(num_tokens: int) -> None:
    with pytest.raises(UserError, match=rf"^shards: {num_tokens} training tokens are too few to train on; at least 33"):
        sizes(num_tokens)


def test_a_small_build_trains_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The defaults on 2,000 tokens: fitted, said, written into the run's configuration, and the same when going on."""
    text = "The quick brown fox jumps over the lazy dog, and the dog does not mind it at all.\n"
    build = write_build(tmp_path / "build", [f"{number}: {text}" for number in range(30)], num_validation=1)
    path = tmp_path / "recipe.toml"
    path.write_text(f'name = "small"\noutput = "{build}"\n[train]\nsample_tokens = 3\nprecision = "float32"\n')
    stopped = pretrain(load_run(path), until_step=2)
    said = capsys.readouterr()
    assert "train.batch_tokens 16,384 -> 512: the corpus has 2," in said.out + said.err
    summary = pretrain(load_run(path))
    assert (stopped.step, summary.step, summary.finished) == (2, 16, True)
    config = RunFolder(build / "train").config()
    assert config is not None
    assert (config["train"]["batch_tokens"], config["train"]["max_tokens"]) == (512, 16 * 512)
    assert pretrain(load_run(build / "train" / "config.toml"), build / "train").reused
