"""Runs that begin with a checkpoint of another one: for a decay, and for other shards."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from manifests.audit.audit import AuditReport, _check_training
from manifests.errors import UserError
from manifests.storage import Folder
from model import GPT
from tests.train.builds import byte_tokenizer, command, losses, recipe, write_build, write_recipe
from train.data.steps import documents_of_run_step
from train.objectives.pretrain import pretrain
from train.run import checkpoint
from train.run.branch import Branch, Source
from train.run.folder import RunFolder

PLATEAU: dict[str, Any] = {"schedule": "constant_decay", "decay_fraction": 0.0, "warmup_tokens": 512}
PLATEAU |= {"keep_checkpoints": 9}
DECAY: dict[str, Any] = PLATEAU | {"decay_fraction": 0.4, "max_tokens": 256 * 12}
ROTARY: dict[str, Any] = {"positions": "rotary"}


@pytest.fixture(scope="module")
def source(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 12 steps without a decay, with checkpoints of 4, 8 and 12. Tests only read it."""
    torch.set_num_threads(1)
    return Path(pretrain(recipe(build, ROTARY, **PLATEAU), tmp_path_factory.mktemp("source") / "run").run)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, documents: list[str]) -> Path:
    return write_build(tmp_path_factory.mktemp("other"), documents[::2])


def weights(run: Path, step: int) -> bytes:
    return (checkpoint.checkpoint_path(run / "checkpoints", step) / "model.safetensors").read_bytes()


def config(run: Path) -> dict[str, Any]:
    return tomllib.loads((run / "config.toml").read_text())


def test_a_branch_for_a_decay_is_the_run_that_had_it_all_along(
    build: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    pretrain(recipe(build, ROTARY, **DECAY), whole)
    before = sorted((path, path.read_bytes()) for path in source.rglob("*") if path.is_file())
    assert pretrain(recipe(build, ROTARY, **DECAY), run, source=f"{source}@4").finished
    said = capsys.readouterr().err
    assert f"begins with step 4 of {source}: the same shards" in said
    assert "from step 4 on: train.decay_fraction 0.0 -> 0.4" in said
    assert "learning rate: 0.003 at step 4; 0.003 at the next, and 0.0003 at the end, step 12" in said
    assert losses(run) == losses(whole)
    assert weights(run, 12) == weights(whole, 12)
    assert sorted((path, path.read_bytes()) for path in source.rglob("*") if path.is_file()) == before
    origin = json.loads((run / "manifest.json").read_text())["facts"]["origin"]
    assert origin == config(run)["origin"]
    assert (origin["run"], origin["step"], origin["whole"]) == ("../" * 2 + "/".join(source.parts[-2:]), 4, True)
    entry = json.loads((source / "checkpoints/step-00000004/state.json").read_text())["files"]["model.safetensors"]
    assert origin["weights_sha256"] == entry[1]
    assert documents_of_run_step(run, 2) == documents_of_run_step(source, 2)
    assert documents_of_run_step(run, 9) == documents_of_run_step(source, 9)


@pytest.mark.parametrize("how", ["run", "run@12", "checkpoint"])
def test_the_ways_to_name_a_checkpoint(build: Path, source: Path, tmp_path: Path, how: str) -> None:
    names = {"run": source, "run@12": f"{source}@12", "checkpoint": source / "checkpoints" / "step-00000012"}
    longer = PLATEAU | {"max_tokens": 256 * 16, "learning_rate": 1e-3, "batch_tokens": 128}
    assert pretrain(recipe(build, ROTARY, **longer), tmp_path, source=str(names[how])).step == 20
    rows = [row for row in losses(tmp_path) if row[0] == "train"]
    assert rows[:12] == [row for row in losses(source) if row[0] == "train"]
    assert [row[5] for row in rows[12:]] == [1e-3] * 8
    assert [row[2] for row in rows[11:14]] == [3072, 3200, 3328]
    # It has begun: the same command, and the one without --from, are for the run itself.
    assert pretrain(recipe(build, ROTARY, **longer), tmp_path, source=str(names[how])).reused
    assert pretrain(recipe(build, ROTARY, **longer), tmp_path).reused


def test_a_branch_of_a_branch_and_of_a_segment_has_what_its_step_had(build: Path, source: Path, tmp_path: Path) -> None:
    """Changes after the step are not those of the branch."""
    first, second, plain = (tmp_path / name for name in ("first", "second", "plain"))
    longer = PLATEAU | {"max_tokens": 256 * 18}
    pretrain(recipe(build, ROTARY, **longer), first, until_step=14, source=f"{source}@8")
    pretrain(recipe(build, ROTARY, **longer, gradient_clip=0.5), first, set_keys=["train.gradient_clip"])
    assert pretrain(recipe(build, ROTARY, **longer), second, source=f"{first}@12").finished
    assert pretrain(recipe(build, ROTARY, **longer), plain).finished
    assert losses(second) == losses(plain)
    assert weights(second, 18) == weights(plain, 18)
    assert [change["setting"] for change in config(second)["changes"]] == ["train.max_tokens"]
    assert config(second)["origin"]["step"] == 12


@pytest.mark.parametrize("is_other", [False, True])
def test_a_branch_that_is_killed_ends_in_the_same_bytes(
    build: Path, other: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_other: bool
) -> None:
    asked = recipe(other if is_other else build, ROTARY, **DECAY)
    whole, run = tmp_path / "whole", tmp_path / "run"
    copied = tmp_path / "copied"
    shutil.copytree(source, copied)
    pretrain(asked, whole, source=f"{copied}@8")

    def kill(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    for owner, name in (
        (RunFolder, "remove_manifest"),
        (RunFolder, "write_metrics"),
        (checkpoint.shutil, "copyfile"),
        (checkpoint.os, "replace"),
        (RunFolder, "write_config"),
        (RunFolder, "copy_tokenizer"),
        (checkpoint, "load_model"),
        (checkpoint, "save_checkpoint"),
    ):
        if name == "write_metrics" and is_other:
            continue
        if name == "load_model":
            copied.rename(tmp_path / "away")  # from here on the branch has all that it needs
        monkeypatch.setattr(owner, name, kill)
        with pytest.raises(KeyboardInterrupt):
            pretrain(asked, run, source=f"{copied}@8")
        monkeypatch.undo()
    pretrain(asked, run, until_step=9, source=f"{copied}@8")
    pretrain(asked, run)
    assert losses(run) == losses(whole)
    assert weights(run, 12) == weights(whole, 12)
    assert (run / "config.toml").read_bytes() == (whole / "config.toml").read_bytes()


def test_other_shards_begin_anew_with_the_weights(
    other: Path, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = PLATEAU | {"sequence_length": 16, "learning_rate": 1e-4, "optimizer": "muon", "validate_every_steps": 0}
    assert pretrain(recipe(other, ROTARY, seed=7, **options), tmp_path, source=str(source)).finished
    assert (
        f"begins at step 0 with the weights of step 12 of {source}: these are other shards" in capsys.readouterr().err
    )
    rows = losses(tmp_path)
    assert [row[1] for row in rows] == [0, *range(1, 13), 12]
    fresh = tmp_path / "fresh"
    pretrain(recipe(other, ROTARY, seed=7, **options), fresh, until_step=1)
    assert rows[0][6] < losses(fresh)[0][6] - 0.3  # the validation loss before the first step
    assert rows[1][5] == losses(fresh)[1][5]
    assert not config(tmp_path)["origin"]["whole"]
    assert "changes" not in config(tmp_path)
    # Its first weights are those of the run, and go with it.
    model = GPT(recipe(other, ROTARY, sequence_length=16).config(257))
    checkpoint.load_model(tmp_path / "origin", model)
    assert not (tmp_path / "origin" / "optimizer.pt").exists()
    pretrain(recipe(other, ROTARY, seed=7, **options), tmp_path, restart=True)
    assert not (tmp_path / "origin").exists()


@pytest.mark.parametrize(
    ("name", "model", "options", "message"),
    [
        ("@5", {}, {}, r"there is no checkpoint of this step; there are 4, 8, 12\."),
        ("/nowhere", {}, {}, r"not a run to begin with \(no config.toml\)"),
        ("@8", {"width": 64}, {}, r"does not fit to this run \(.*model.width 32 -> 64.*Undo the change"),
        ("@8", {}, {"optimizer": "muon", "learning_rate": 3e-3}, r"train.optimizer 'adamw' -> 'muon'"),
        ("@8", {}, {"sequence_length": 16}, r"sequence_length 32 -> 16"),
        ("@8", {}, {"seed": 3}, r"seed 1 -> 3"),
        ("@8", {}, {"document_mask": True}, r"train.document_mask False -> True"),
        ("@8", {}, {"max_tokens": 256 * 6}, r"6 steps in place of 12, and 8 are done"),
        (
            "@12",
            {},
            {"learning_rate": 1e-4},
            r"12 steps are done, and 12 are asked for: none is left for a change .train.learning_rate",
        ),
    ],
)
def test_what_does_not_fit(
    build: Path, source: Path, tmp_path: Path, name: str, model: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    asked = recipe(build, ROTARY | model, **{"seed": 1, **PLATEAU, **options})
    with pytest.raises(UserError, match=message):
        pretrain(asked, tmp_path / "run", source=f"{source}{name}")
    assert not (tmp_path / "run" / "config.toml").exists()
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ({"num_layers": 3}, {}, r"model.num_layers 2 -> 3.*its weights fit no other model"),
        ({"activation": "relu2"}, {}, r"model.activation 'gelu' -> 'relu2'"),
        ({}, {"sequence_length": 64}, r"train.sequence_length 32 -> 64"),
        ({"positions": "learned"}, {}, r"model.positions 'rotary' -> 'learned'"),
        ({"tied_head": False}, {}, r"model.tied_head True -> False"),
    ],
)
def test_what_does_not_fit_other_shards(
    other: Path, source: Path, tmp_path: Path, model: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        pretrain(recipe(other, ROTARY | model, **(PLATEAU | options)), tmp_path, source=f"{source}@8")
    assert not (tmp_path / "config.toml").exists()


def test_other_shards_need_the_same_tokenizer(source: Path, tmp_path: Path, documents: list[str]) -> None:
    build = write_build(tmp_path / "build", documents[:40])
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens(["<|user|>"])
    tokenizer.save(str(build / "tokenizer" / "tokenizer.json"))
    with pytest.raises(UserError, match=r"another tokenizer.*tokenizer\.path"):
        pretrain(recipe(build, ROTARY), tmp_path / "run", source=str(source))


def test_folders_that_hold_something_else(build: Path, source: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is the run that --from names. Give --run NEW"):
        pretrain(recipe(build, ROTARY, **DECAY), source, source=str(source), restart=True)
    plain, branch, left = (tmp_path / name for name in ("plain", "branch", "left"))
    pretrain(recipe(build, ROTARY, **PLATEAU), plain, until_step=2)
    with pytest.raises(UserError, match=r"holds a run that is no branch. Give --run NEW"):
        pretrain(recipe(build, ROTARY, **DECAY), plain, source=f"{source}@4")
    pretrain(recipe(build, ROTARY, **DECAY), branch, until_step=10, source=f"{source}@8")
    for another in (f"{source}@4", f"{plain}@8", str(plain)):
        with pytest.raises(UserError, match=r"holds a branch that began with step 8 of .*Leave --from out"):
            pretrain(recipe(build, ROTARY, **DECAY), branch, source=another)
    with pytest.raises(UserError, match=r"give --set train.gradient_clip=0.5 to change that from step 10 on"):
        pretrain(recipe(build, ROTARY, **DECAY, gradient_clip=0.5), branch, source=f"{source}@8")
    shutil.copytree(source / "checkpoints" / "step-00000012", left / "checkpoints" / "step-00000012")
    with pytest.raises(UserError, match=r"has checkpoints but no config.toml"):
        pretrain(recipe(build, ROTARY, **DECAY), left, source=f"{source}@4")
    for wrong, options in ((f"{source}@5", {}), (f"{source}@4", {"max_tokens": 256})):  # nothing is removed for these
        with pytest.raises(UserError, match=r"no checkpoint of this step|4 steps are done, and 1 are"):
            pretrain(recipe(build, ROTARY, **(DECAY | options)), left, source=wrong, restart=True)
        assert (left / "checkpoints" / "step-00000012" / "state.json").is_file()
    assert pretrain(recipe(build, ROTARY, **DECAY), left, source=f"{source}@4", restart=True).finished
    shutil.rmtree(branch / "checkpoints")
    with pytest.raises(UserError, match=r"its checkpoints are gone.*Give --from again, with --restart"):
        pretrain(recipe(build, ROTARY, **DECAY), branch)


@pytest.mark.parametrize("is_other", [False, True])
def test_an_audit_of_a_build_with_a_branch(
    build: Path, other: Path, source: Path, tmp_path: Path, is_other: bool
) -> None:
    mine = tmp_path / "build"
    shutil.copytree(other if is_other else build, mine)
    assert pretrain(recipe(mine, ROTARY, **DECAY), source=f"{source}@4").finished
    read: Any = SimpleNamespace(folder=Folder(mine), manifests={})
    report = AuditReport()
    _check_training(read, report)
    assert report.passed, report.problems
    assert report.checked["files"] > 5
    changed = next((mine / "train").glob("origin/model*" if is_other else "metrics.jsonl"))
    changed.write_bytes(changed.read_bytes() + b"0")
    _check_training(read, report)
    assert not report.passed


def test_a_damaged_checkpoint_begins_nothing(build: Path, source: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(source, broken)
    file = broken / "checkpoints" / "step-00000008" / "optimizer.pt"
    file.write_bytes(bytes(100) + file.read_bytes()[100:])
    with pytest.raises(UserError, match=r"optimizer.pt: its content is not what was written"):
        pretrain(recipe(build, ROTARY, **DECAY), tmp_path / "run", source=f"{broken}@8")
    assert not (tmp_path / "run" / "config.toml").exists()
    assert pretrain(recipe(build, ROTARY, **DECAY), tmp_path / "run", source=f"{broken}@4").finished


def test_rollbacks_before_the_step_go_with_a_branch(source: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(source, copied)
    back = {"first": 0, "last": 0, "reason": "", "learning_rate_factor": 0.5, "until_step": 9}
    folder = RunFolder(copied)
    backs = [back | {"step": step} for step in (4, 8, 4, 12)]
    folder.write_config((folder.config() or {}) | {"rollbacks": backs})
    rows = [json.loads(line) for line in (copied / "metrics.jsonl").read_text().splitlines()]
    folder.write_metrics([*rows, *({"kind": "rollback", **one, "skipped": []} for one in backs)])
    branch = Branch.open(Source.parse(f"{copied}@4"))
    assert branch.config["rollbacks"] == backs[:3]
    assert [row["step"] for row in branch.rows if row["kind"] == "rollback"] == [4, 8, 4]
    assert max(row["step"] for row in branch.rows if row["kind"] == "train") == 4


@pytest.mark.parametrize(
    ("text", "run", "step"),
    [
        ("build/train", "build/train", None),
        ("build/train@100", "build/train", 100),
        ("a@b/train@7", "a@b/train", 7),
        ("a@b", "a@b", None),
        ("build/train/checkpoints/step-00000300", "build/train", 300),
        ("build/train/checkpoints/step-00000300/", "build/train", 300),
    ],
)
def test_sources(text: str, run: str, step: int | None) -> None:
    assert Source.parse(text) == Source(Path(run), step)


def test_a_command_and_two_ranks(build: Path, source: Path, tmp_path: Path) -> None:
    asked = write_recipe(tmp_path / "recipe.toml", build, **PLATEAU)
    more = ["--set", "model.positions=rotary", "--set", "train.decay_fraction=0.4", "--from", f"{source}@8"]
    process = command(asked, "--run-folder", tmp_path / "run", *more, ranks=2)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    pretrain(recipe(build, ROTARY, **DECAY), tmp_path / "alone", source=f"{source}@8")
    for row, same in zip(losses(tmp_path / "run"), losses(tmp_path / "alone"), strict=True):
        assert row[:3] == same[:3]
        assert row[0] == "validation" or row[3] == pytest.approx(same[3], rel=1e-4)
    assert config(tmp_path / "run")["changes"] == config(tmp_path / "alone")["changes"]


@pytest.mark.parametrize("step", ["x", "-1", "", "4.0", "last"])
def test_a_step_that_is_no_number_is_named(tmp_path: Path, step: str) -> None:
    with pytest.raises(UserError, match=f"{step!r} is no number of a step. Give .*@STEP"):
        Source.parse(f"{tmp_path}@{step}")
