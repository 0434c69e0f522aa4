"""Going on with other settings: what is recorded, and what is refused."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from manifests.errors import UserError
from model import GPTConfig
from tests.train.builds import command, losses, recipe, write_recipe
from train.data.batches import Batches
from train.objectives.pretrain import pretrain
from train.optim.plan import Plan, change_length, learning_rate_fraction
from train.run.changes import _FIRST_MODEL_FIELDS, _FIRST_TRAIN_FIELDS, differences, recorded
from train.settings import TrainSettings, load_run

BATCHES = Batches.of(256)
WSD: dict[str, Any] = {"schedule": "constant_decay", "decay_fraction": 0.25, "warmup_tokens": 512}


@pytest.mark.parametrize(
    ("setting", "before", "after"),
    [
        ("micro_batch_sequences", "auto", 3),
        ("compile", False, True),
        # A younger setting at its default is not written down.
        ("activation_checkpointing", None, "full"),
        ("activation_checkpointing", None, 0.5),
        ("precision", "float32", "bfloat16"),
        ("validate_every_steps", 5, 3),
        ("validation_tokens", 1000, 400),
        ("checkpoint_every_steps", 4, 2),
        ("keep_checkpoints", 2, 5),
        ("sample_every_steps", 0, 6),
        ("sample_prompts", ["The ", "In this "], ["class "]),
        ("sample_tokens", 5, 9),
    ],
)
def test_a_changed_setting_goes_on_and_is_recorded(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, before: Any, after: Any
) -> None:
    if setting == "compile":  # what PyTorch makes of it is not ours to test
        plainly = lambda self: setattr(self, "_compiled_call_impl", self._call_impl)  # noqa: E731
        monkeypatch.setattr("model.gpt.Block.compile", plainly)
    pretrain(recipe(build), tmp_path, until_step=6)
    assert pretrain(recipe(build, **{setting: after}), tmp_path).finished
    facts = json.loads((tmp_path / "manifest.json").read_text())["facts"]
    change = {"step": 6, "setting": f"train.{setting}", "before": before, "after": after}
    change = {key: value for key, value in change.items() if value is not None}
    assert facts["changes"] == [change]
    assert tomllib.loads((tmp_path / "config.toml").read_text())["changes"] == [change]
    assert load_run(tmp_path / "config.toml") == recipe(build, **{setting: after})
    assert [row[1] for row in losses(tmp_path) if row[0] == "train"] == list(range(1, 13))


def test_a_run_without_changes_records_none(build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretrain(recipe(build), tmp_path, until_step=2)
    pretrain(recipe(build), tmp_path)
    pretrain(recipe(build, validation_tokens=10), tmp_path)  # it is finished: nothing is done, nothing said
    assert "from step" not in capsys.readouterr().err.replace("going on from step", "")
    assert "changes" not in json.loads((tmp_path / "manifest.json").read_text())["facts"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *[("learning_rate", 0.5), ("batch_tokens", 512), ("betas", (0.8, 0.9)), ("gradient_clip", 0.5)],
        *[("weight_decay", 0.0), ("schedule", "constant_decay"), ("warmup_fraction", 0.5), ("sequence_length", 64)],
    ],
)
def test_what_changes_what_is_learned_is_refused(build: Path, tmp_path: Path, setting: str, value: Any) -> None:
    pretrain(recipe(build), tmp_path, until_step=2)
    with pytest.raises(UserError, match=rf"train\.{setting} .*-> .*--restart"):
        pretrain(recipe(build, **{setting: value}), tmp_path)


def test_changes_are_merged_and_follow_the_steps_that_count() -> None:
    def config(changes: list[dict[str, Any]], **train: Any) -> dict[str, Any]:
        return {"train": train, "changes": changes}

    first = recorded(config([], precision="float32"), config([], precision="bfloat16"), 8)
    assert first == [{"step": 8, "setting": "train.precision", "before": "float32", "after": "bfloat16"}]
    old = config(first, precision="bfloat16")
    # Nothing was trained between: the two are one, or none.
    again = recorded(old, config([], precision="auto"), 8)
    assert again == [{"step": 8, "setting": "train.precision", "before": "float32", "after": "auto"}]
    assert recorded(old, config([], precision="float32"), 8) == []
    # A checkpoint was taken away: steps 5 to 8 are done again, by the new value.
    assert recorded(old, config([], precision="bfloat16"), 4) == [first[0] | {"step": 4}]
    later = recorded(old, config([], precision="float32", micro_batch_sequences=2), 12)
    assert [change["step"] for change in later] == [8, 12, 12]
    assert recorded(old, config([], precision="auto"), 0) == []
    assert recorded(None, config([]), 3) == []


def test_a_longer_run_ends_as_if_it_had_been_long_from_the_beginning(build: Path, tmp_path: Path) -> None:
    short, long = recipe(build, **WSD), recipe(build, **WSD, max_tokens=256 * 20)
    pretrain(short, tmp_path / "run", until_step=9)  # the decay of 12 steps is in the last three
    assert pretrain(long, tmp_path / "run").step == 20
    pretrain(long, tmp_path / "whole")
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")
    facts = json.loads((tmp_path / "run" / "manifest.json").read_text())["facts"]
    assert facts["num_steps"] == 20
    assert facts["changes"] == [{"step": 9, "setting": "train.max_tokens", "before": 3072, "after": 5120}]


def test_a_longer_run_keeps_its_warmup(build: Path, tmp_path: Path) -> None:
    options = {"schedule": "constant_decay", "warmup_fraction": 0.25}
    pretrain(recipe(build, **options), tmp_path, until_step=6)
    pretrain(recipe(build, **options, max_tokens=256 * 24), tmp_path, until_step=8)
    assert pretrain(recipe(build, **options, max_tokens=256 * 24), tmp_path).finished
    rates = [row[5] for row in losses(tmp_path) if row[0] == "train"]
    assert rates[:3] == pytest.approx([1e-3, 2e-3, 3e-3])
    assert rates[3:19] == [3e-3] * 16


def test_a_finished_run_that_never_decays_goes_on(build: Path, tmp_path: Path) -> None:
    options = {"schedule": "constant_decay", "decay_fraction": 0.0}
    pretrain(recipe(build, **options), tmp_path)
    before = json.loads((tmp_path / "manifest.json").read_text())["facts"]["num_steps"]
    summary = pretrain(recipe(build, **options, max_tokens=256 * 16), tmp_path, until_step=14)
    assert (before, summary.step, summary.finished) == (12, 14, False)
    assert not (tmp_path / "manifest.json").exists()  # it is not finished any more
    assert pretrain(recipe(build, **options, max_tokens=256 * 16), tmp_path).finished


@pytest.mark.parametrize(
    ("options", "until", "num_steps", "message"),
    [
        ({}, 6, 20, r"20 steps in place of 12, and the cosine of the 6 steps .*undo the change.*constant_decay"),
        ({}, None, 20, r"20 steps in place of 12, and the cosine of the 12 steps .*--restart"),
        (WSD, None, 20, r"12 steps that are done follows .* up to step 9: the decay .*delete the checkpoints after"),
        (WSD, 9, 10, r"10 steps in place of 12.* up to step 8"),
        (WSD, 6, 5, r"5 steps in place of 12, and 6 are done. Set it to 1536 or more"),
        (WSD, None, 8, r"8 steps in place of 12, and 12 are done"),
    ],
)
def test_another_length_that_the_schedule_does_not_allow(
    build: Path, tmp_path: Path, options: dict[str, Any], until: int | None, num_steps: int, message: str
) -> None:
    pretrain(recipe(build, **options), tmp_path, until_step=until)
    with pytest.raises(UserError, match=f"(?i){message}"):
        pretrain(recipe(build, **options, max_tokens=256 * num_steps), tmp_path)
    assert pretrain(recipe(build, **options), tmp_path).finished  # nothing was spoilt


def test_another_length_by_the_rates_of_the_steps_done() -> None:
    settings = TrainSettings(schedule="constant_decay", warmup_tokens=0, decay_fraction=0.5)
    old, new = Plan(100, 0, BATCHES), Plan(300, 0, BATCHES)
    assert change_length(settings, old, new, 50) == new
    assert change_length(settings, new, old, 50) == old
    with pytest.raises(UserError):
        change_length(settings, old, new, 51)
    cosine = TrainSettings(schedule="cosine")
    assert change_length(cosine, old, Plan(100, 5, BATCHES), 77) == old  # the same steps, whatever the tokens
    in_warmup = change_length(cosine, Plan(100, 10, BATCHES), Plan(300, 30, BATCHES), 10)
    assert in_warmup == Plan(300, 10, BATCHES)
    for step in range(10):
        assert learning_rate_fraction(cosine, Plan(300, 10, BATCHES), step) == (step + 1) / 10


def test_two_ranks_go_on_with_other_settings(build: Path, tmp_path: Path) -> None:
    options = {**WSD, "batch_tokens": 32 * 6, "max_tokens": 32 * 6 * 8}
    asked = write_recipe(tmp_path / "recipe.toml", build, **options)
    run = tmp_path / "run"
    pretrain(load_run(asked), run, until_step=5)
    more = ["--set", f"train.max_tokens={32 * 6 * 11}", "--set", "train.micro_batch_sequences=1"]
    process = command(asked, "--run-folder", run, *more, ranks=2)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    facts = json.loads((run / "manifest.json").read_text())["facts"]
    assert [change["setting"] for change in facts["changes"]] == ["train.max_tokens", "train.micro_batch_sequences"]
    assert facts["num_steps"] == 11


def test_a_run_of_an_older_version_goes_on(build: Path, tmp_path: Path) -> None:
    """Its configuration and its checkpoints lack the fields that are younger."""
    whole = tmp_path / "whole"
    pretrain(recipe(build), whole)
    pretrain(recipe(build), tmp_path / "run", until_step=6)
    text = (tmp_path / "run" / "config.toml").read_text()
    kept = [line for line in text.splitlines() if line.partition(" = ")[0] not in _younger()]
    assert len(kept) < len(text.splitlines())
    (tmp_path / "run" / "config.toml").write_text("\n".join(kept) + "\n")
    for state in (tmp_path / "run").glob("checkpoints/*/state.json"):
        values = json.loads(state.read_text())
        values["model_config"] = {key: value for key, value in values["model_config"].items() if key not in _younger()}
        state.write_text(json.dumps(values))
    assert pretrain(recipe(build), tmp_path / "run").finished
    assert losses(tmp_path / "run") == losses(whole)
    with pytest.raises(UserError, match=r"model.rotary_base 10000 -> 500.0"):
        pretrain(recipe(build, {"rotary_base": 500.0}), tmp_path / "run")


def _younger() -> set[str]:
    fields = {*GPTConfig.defaults(), *TrainSettings.model_fields}
    return fields - {*_FIRST_MODEL_FIELDS.split(), *_FIRST_TRAIN_FIELDS.split()}


def test_a_refusal_names_what_the_recipe_says_and_not_what_follows_from_it() -> None:
    old = {
        "train": {"optimizer": "muon", "z_loss": 1e-4, "document_mask": True, "learning_rate": 0.02},
        "resolved_model": {"window": 16, "width": 64, "rotary_base": 10_000.0},
        "resolved_roles": {"matrices": {"learning_rate": 0.02}},
    }
    new = {
        "train": {"optimizer": "adamw", "learning_rate": 0.02},
        "resolved_model": {"width": 64, "rotary_base": 500_000.0},
        "resolved_roles": {},
    }
    assert differences(old, new) == [
        "model.rotary_base 10000 -> 500000.0",
        "model.window 16 -> (none)",
        "train.document_mask True -> False",
        "train.optimizer 'muon' -> 'adamw'",
        "train.z_loss 0.0001 -> 0.0",
    ]
    assert differences(old, old | {"resolved_roles": {}}) == ["roles.matrices.learning_rate 0.02 -> (none)"]
