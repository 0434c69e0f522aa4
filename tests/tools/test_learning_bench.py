"""The learning benches without a training run: their data, their sizes, and what they make of outcomes."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import learning, learning_data, nanogpt
from bench.learning_data import character_tokenizer, num_validation_targets, open_split, split_characters, write_build
from bench.learning_runs import Job
from bench.learning_tasks import CHARACTERS, TASKS, Outcome, Task, config, fitted, is_near, num_parameters
from tokenizer.token_bytes import token_bytes
from train.optim.optimizer import resolve_roles

TEXT = "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak!\n" * 30


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learning") / "characters"
    train, validation = split_characters(TEXT)
    write_build(folder, character_tokenizer(TEXT), {"train": [train], "validation": [validation]})
    return folder


@pytest.fixture(params=TASKS, ids=lambda task: task.name)
def task(request: pytest.FixtureRequest, build: Path) -> Task:
    """Each task, on a small text."""
    return replace(request.param, build=lambda: build)


def _as_prepare_does(text: str) -> tuple[list[int], list[int]]:
    """What nanoGPT's `prepare.py` writes of a text, in its own steps."""
    number = {character: place for place, character in enumerate(sorted(set(text)))}
    cut = int(len(text) * 0.9)
    return [number[one] for one in text[:cut]], [number[one] for one in text[cut:]]


def test_characters_are_those_of_nanogpt(build: Path, tmp_path: Path) -> None:
    train, validation = _as_prepare_does(TEXT)
    end = len(set(TEXT))
    for split, ids in (("train", train), ("validation", validation)):
        shards = open_split(build, split)
        assert shards.vocab_size == end + 1
        assert shards.read(0, shards.num_tokens).tolist() == [*ids, end]
    learning_data.write_nanogpt_data(build, tmp_path)
    assert np.fromfile(tmp_path / "train.bin", dtype=np.uint16).tolist() == train
    assert np.fromfile(tmp_path / "val.bin", dtype=np.uint16).tolist() == validation
    assert pickle.loads((tmp_path / "meta.pkl").read_bytes())["vocab_size"] == end
    # Every target is a character: the end of the text, which nanoGPT does not know, is none.
    assert num_validation_targets(build) == len(validation) - 1


def test_split_and_bytes_of_characters() -> None:
    assert split_characters("abcdefghijk") == ("abcdefghi", "jk")  # int(9.9) characters
    tokenizer = character_tokenizer(TEXT)
    pieces = token_bytes(tokenizer)
    assert pieces == [*(one.encode() for one in sorted(set(TEXT))), b""]
    assert tokenizer.decode(tokenizer.encode(TEXT, add_special_tokens=False).ids) == TEXT
    with pytest.raises(ValueError, match="ASCII"):
        character_tokenizer("na\u00efve")


def test_shuffled_passages_are_the_same_text() -> None:
    text = "".join(f"Speaker {number}:\n{'word ' * (number % 40)}\n\n" for number in range(200)) + "The end"
    mixed = learning_data.shuffled(text)
    assert mixed != text
    assert mixed == learning_data.shuffled(text)
    assert sorted(mixed) == sorted(text)
    assert sorted(mixed.replace("The end", "").split("\n\n")) == sorted(text.replace("The end", "").split("\n\n"))
    assert learning_data.shuffled("short\n\ntext") == "short\n\ntext"


def test_real_characters_are_65() -> None:
    path = learning_data.data_folder() / "books" / "tinyshakespeare.txt"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    text = path.read_text(encoding="utf-8")
    train, validation = split_characters(text)
    assert (len(train), len(validation)) == (1_003_854, 111_540)
    assert character_tokenizer(text).get_vocab_size() == 66  # with the end of text


def test_recipes_have_as_many_parameters(task: Task) -> None:
    gpt2, modern = (num_parameters(config(task, recipe)) for recipe in learning.recipes(task).values())
    assert is_near(modern, gpt2)
    # nanoGPT's model of this shape: matrices of 12 width^2 a layer, gains without biases, a tied head, positions.
    layers, width = task.shape["num_layers"], task.shape["width"]
    vectors = 2 * layers + 1 + len(set(TEXT)) + 1 + task.sequence_length
    assert gpt2 == 12 * layers * width**2 + vectors * width


def test_mlp_makes_room_for_what_costs_parameters(build: Path) -> None:
    task = replace(CHARACTERS, build=lambda: build)
    wanted = num_parameters(config(task, learning.GPT2))
    wide = learning.MODERN | {"model.activation": "swiglu", "model.mlp_ratio": 4}
    assert not is_near(num_parameters(config(task, wide)), wanted)
    narrower = fitted(task, wide, wanted)
    assert is_near(num_parameters(config(task, narrower)), wanted)
    assert narrower["model.mlp_ratio"] == pytest.approx(8 / 3, rel=0.05)
    with pytest.raises(RuntimeError, match="no MLP makes"):
        fitted(task, learning.MODERN | {"model.num_layers": 16}, wanted)


def test_every_ablation_is_a_recipe_of_its_own(build: Path) -> None:
    task = replace(CHARACTERS, build=lambda: build)
    entries = learning.ablations(task)
    assert [label for label in entries if label[0] not in "+-"] == ["the whole"]
    assert len(entries) == 1 + len(learning.PARTS)
    wanted = num_parameters(config(task, learning.GPT2))
    for recipe in entries.values():
        assert is_near(num_parameters(config(task, recipe)), wanted)
        assert resolve_roles(task.recipe(recipe).train, config(task, recipe))  # refuses settings without effect
    # An entry that changes nothing would be the same run as the whole.
    assert len({Job("", task, 0, recipe).folder for recipe in entries.values()}) == len(entries)


def test_runs_are_told_apart(build: Path) -> None:
    task = replace(CHARACTERS, build=lambda: build)

    def folder(seed: int = 0, **changes: object) -> Path:
        return Job("", task, seed, learning.GPT2 | {f"train.{key}": value for key, value in changes.items()}).folder

    assert folder() == folder() == folder(gradient_clip=1)  # which is its value, written as a whole number
    others = [folder(1), folder(learning_rate=2e-3), folder(betas=[0.9, 0.95]), folder(schedule="constant_decay")]
    assert len({folder(), *others}) == 1 + len(others)


def test_nanogpt_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(nanogpt.FOLDER, raising=False)
    assert nanogpt.folder() is None
    monkeypatch.setenv(nanogpt.FOLDER, str(tmp_path))
    with pytest.raises(RuntimeError, match=r"train\.py is not there"):
        nanogpt.folder()


def test_means_and_exponent() -> None:
    mean = learning.Mean.of([1.0, 2.0, 3.0])
    assert mean.value == 2
    assert mean.error == pytest.approx((1 / 3) ** 0.5)  # standard deviation 1, of three
    assert learning.Mean.of([1.5]) == learning.Mean(1.5, None)
    difference = mean.minus(learning.Mean(1.0, (2 / 3) ** 0.5))
    assert (difference.value, difference.error) == (1, pytest.approx(1))
    losses = {0: 4.17, **{tokens: 12 * tokens**-0.15 for tokens in (1000, 5000, 20_000)}}
    assert learning.exponent(losses) == pytest.approx(-0.15)


@pytest.mark.parametrize("given", [True, False])
def test_tables(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: bool) -> None:
    """Outcomes that are made up, one of which is missing for want of time."""
    task = replace(CHARACTERS, build=lambda: build)
    monkeypatch.setattr(learning, "_COMPARED", (task,))
    monkeypatch.setattr(learning, "CHARACTERS", task)
    monkeypatch.setattr(learning, "SHORT", task)
    monkeypatch.setattr(nanogpt, "folder", lambda: tmp_path if given else None)
    for name in nanogpt._FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    size = num_parameters(config(task, learning.GPT2))
    values = {"nanoGPT": 1.9, "GPT-2 preset": 1.8, "modern preset": 1.6, "the whole": 1.6}

    def fake(jobs: list[Job], most_seconds: float) -> list[Outcome | None]:
        return [
            None
            if (job.label, job.seed) == ("GPT-2 preset", 2)
            else Outcome(values.get(job.label, 1.7) + 0.1 * job.seed, 2.5, size, {10: 3.0, 100: 2.0}, 9.0)
            for job in jobs
        ]

    monkeypatch.setattr(learning, "run_jobs", fake)
    compared = learning._compare(3)
    rows = {row[0]: dict(zip(compared.tables[0].columns[:4], row, strict=False)) for row in compared.tables[0].rows}
    assert rows["modern preset"]["loss"] == "1.7000"
    assert rows["GPT-2 preset"]["seeds"] == "2"
    assert rows["nanoGPT" if given else "nanoGPT (measured before)"]["loss"] == ("2.0000" if given else "1.886")
    assert any(note.startswith("1 runs were not begun") for note in compared.notes)

    ablated = learning._ablate(2)
    whole, *parts = ablated.tables[0].rows
    assert whole == ["the whole", "2", f"{size:,}", "1.6500", "0.0500", "", ""]
    assert {tuple(row[3:]) for row in parts} == {("1.7500", "0.0500", "+0.1000", "0.0707")}
