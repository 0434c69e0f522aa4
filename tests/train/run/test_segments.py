"""Going on with other learning settings, as a new segment of a run."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests.errors import UserError
from tests.train.builds import command, losses, recipe, write_recipe
from tokenizer.shards.read import ShardSet
from train.data.batches import Batches
from train.data.loader import Loader
from train.data.steps import documents_of_run_step
from train.objectives.pretrain import pretrain
from train.optim.plan import Plan, learning_rate_fraction
from train.run import checkpoint, start
from train.run.folder import RunFolder
from train.settings import TrainSettings, keys_of, load_run

WSD: dict[str, Any] = {"schedule": "constant_decay", "decay_fraction": 0.25, "warmup_tokens": 512}
MUON: dict[str, Any] = {"optimizer": "muon", "learning_rate": 0.02}


def go_on(run: Path, build: Path, options: dict[str, Any], until: int | None = None, **changed: Any) -> Any:
    keys = [f"train.{key}" for key in changed]
    return pretrain(recipe(build, **options, **changed), run, until_step=until, set_keys=keys)


def rates(run: Path) -> list[float]:
    return [row[5] for row in losses(run) if row[0] == "train"]


def facts(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "manifest.json").read_text())["facts"]
    return found


def weights(run: Path, step: int) -> bytes:
    return (checkpoint.checkpoint_path(run / "checkpoints", step) / "model.safetensors").read_bytes()


def test_a_finished_cosine_goes_on_along_the_longer_one(
    build: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"warmup_tokens": 256 * 3}
    pretrain(recipe(build, **options), tmp_path)
    assert go_on(tmp_path, build, options, max_tokens=256 * 24).step == 24
    said = capsys.readouterr().err
    found = rates(tmp_path)
    rise = (
        f"learning rate: 0.0003 at step 12; up to {found[14]:.3g} in 3 steps of warm-up, and 0.0003 at the end, step 24"
    )
    assert rise in said
    longer = [0.0003 + 0.0027 * 0.5 * (1 + math.cos(math.pi * (step - 2) / 21)) for step in range(24)]
    assert found[15:] == pytest.approx(longer[15:])
    line = [0.0003 + (longer[14] - 0.0003) * part / 3 for part in (1, 2, 3)]
    assert found[12:15] == pytest.approx(line)
    assert facts(tmp_path)["num_steps"] == 24
    with pytest.raises(UserError, match=r"24 are done.* To go on as the run is, give --set train.max_tokens=6144\."):
        pretrain(recipe(build, **options), tmp_path)
    assert facts(tmp_path)["changes"] == [{"step": 12, "setting": "train.max_tokens", "before": 3072, "after": 6144}]


def test_a_finished_decay_goes_back_to_its_plateau_and_decays_at_its_new_end(build: Path, tmp_path: Path) -> None:
    pretrain(recipe(build, **WSD), tmp_path)
    go_on(tmp_path, build, WSD, max_tokens=256 * 24)
    found = rates(tmp_path)
    assert found[12:14] == pytest.approx([0.0003 + 0.0027 / 2, 0.003])
    assert found[14:18] == [0.003] * 4
    assert found[17:] == pytest.approx([0.003 - 0.0027 * part / 6 for part in range(7)])


def test_a_shorter_run_decays_at_once(build: Path, tmp_path: Path) -> None:
    pretrain(recipe(build, **WSD), tmp_path, until_step=9)
    with pytest.raises(UserError, match=r"To go on with the new one from step 9 on, give --set train.max_tokens=2560"):
        pretrain(recipe(build, **WSD, max_tokens=2560), tmp_path)
    assert go_on(tmp_path, build, WSD, max_tokens=2560).step == 10
    assert rates(tmp_path)[8:] == pytest.approx([0.003, 0.0003])


@pytest.mark.parametrize(("before", "after"), [(3e-3, 1e-3), (1e-3, 4e-3)])
def test_another_rate_midway(build: Path, tmp_path: Path, before: float, after: float) -> None:
    options = WSD | {"learning_rate": before}
    pretrain(recipe(build, **options), tmp_path, until_step=6)
    go_on(tmp_path, build, WSD, learning_rate=after)
    found = rates(tmp_path)
    assert found[2:6] == [before] * 4
    first = [after] * 2 if after < before else [(before + after) / 2, after]
    assert found[6:9] == pytest.approx([*first, after])
    assert found[11] == pytest.approx(after / 10)
    assert Plan.of_run(tomllib.loads((tmp_path / "config.toml").read_text())).first_step == 6


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({}, {"min_learning_rate_fraction": 0.5}),
        ({}, {"warmup_fraction": 0.3}),
        ({}, {"warmup_tokens": 1024}),
        ({}, {"schedule": "constant_decay", "decay_fraction": 0.5}),
        ({}, {"weight_decay": 0.3}),
        ({}, {"weight_decay_schedule": "linear"}),
        ({}, {"gradient_clip": 0.1}),
        ({}, {"z_loss": 1e-3}),
        ({}, {"betas": [0.8, 0.9]}),
        ({}, {"vectors": {"learning_rate": 1e-4}}),
        (MUON, {"learning_rate": 0.01}),
        (MUON, {"muon": {"momentum": 0.8}}),
        (MUON, {"embeddings": {"learning_rate": 0.1, "weight_decay": 0.0}}),
    ],
)
def test_what_steers_learning_begins_a_segment_where_it_is_asked_for(
    build: Path, tmp_path: Path, options: dict[str, Any], changed: dict[str, Any]
) -> None:
    pretrain(recipe(build, **options), tmp_path / "plain", until_step=8)
    run = tmp_path / "run"
    pretrain(recipe(build, **options), run, until_step=6)
    with pytest.raises(
        UserError, match=r"a run of another configuration .*give --set .* to change that from step 6 on"
    ):
        pretrain(recipe(build, **(options | changed)), run)
    keys = [f"train.{key}" for key in changed]
    pretrain(recipe(build, **(options | changed)), run, until_step=8, set_keys=keys)
    assert losses(run)[:7] == losses(tmp_path / "plain")[:7]
    assert weights(run, 8) != weights(tmp_path / "plain", 8)
    config = (run / "config.toml").read_text()
    recorded = tomllib.loads(config)["changes"]
    assert {change["step"] for change in recorded} == {6}
    assert all(any(change["setting"].startswith(key) for key in (*keys, "roles.")) for change in recorded)
    # A job that is queued again gives the same command; and the run's own configuration needs no --set.
    pretrain(recipe(build, **(options | changed)), run, until_step=9, set_keys=keys)
    pretrain(load_run(run / "config.toml"), run, until_step=10)
    assert (run / "config.toml").read_text() == config
    with pytest.raises(UserError, match=r"since step 6.*Give --set .* to go on as the run is, "):
        pretrain(recipe(build, **options), run)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("train.sequence_length", 16), ("train.optimizer", "muon"), ("model.width", 64), ("seed", 2)],
        *[("train.document_mask", True), ("model.dropout", 0.1), ("train.muon.iterations", 3)],
    ],
)
def test_what_stays(build: Path, tmp_path: Path, key: str, value: Any) -> None:
    options = MUON if "muon." in key else {}
    asked = write_recipe(tmp_path / "recipe.toml", build, **options)
    pretrain(load_run(asked), tmp_path / "run", until_step=2)
    overrides = [f"{key}={json.dumps(value)}"]
    if key == "train.optimizer":
        overrides.append("train.learning_rate=0.003")
    with pytest.raises(UserError, match=rf"\(.*{key} .*-> .*\)\. Undo the change, use --run .*--restart"):
        pretrain(load_run(asked, overrides), tmp_path / "run", set_keys=keys_of(overrides))


def test_a_finished_run_has_no_step_for_another_rate(build: Path, tmp_path: Path) -> None:
    pretrain(recipe(build), tmp_path)
    with pytest.raises(
        UserError,
        match=r"12 are asked for: none is left for a change \(train.learning_rate 0.003 -> 0.0001\). Raise",
    ):
        go_on(tmp_path, build, {}, learning_rate=1e-4)
    assert pretrain(recipe(build), tmp_path).reused
    with pytest.raises(UserError, match=r"give --set train.max_tokens=5120"):
        pretrain(recipe(build, max_tokens=5120, learning_rate=1e-4), tmp_path, set_keys=["train.learning_rate"])
    assert go_on(tmp_path, build, {}, max_tokens=5120, learning_rate=1e-4).step == 20


def test_a_segment_that_was_never_trained_is_taken_back(build: Path, tmp_path: Path) -> None:
    pretrain(recipe(build), tmp_path / "whole")
    run = tmp_path / "run"
    pretrain(recipe(build), run, until_step=6)
    go_on(run, build, {}, until=6, learning_rate=0.5, batch_tokens=512)
    go_on(run, build, {}, learning_rate=SAME["learning_rate"], batch_tokens=SAME["batch_tokens"])
    assert losses(run) == losses(tmp_path / "whole")
    assert weights(run, 12) == weights(tmp_path / "whole", 12)
    assert "changes" not in facts(run)


SAME = {"learning_rate": 3e-3, "batch_tokens": 256}


@pytest.mark.parametrize("epoch", [0, 1])
def test_another_batch_midway_keeps_the_order_of_data(build: Path, epoch: int) -> None:
    """The sequences of all steps are those of a run that was not changed, cut otherwise."""
    shards = ShardSet.open(str(build / "shards"), "train")
    num_sequences = (shards.num_tokens - 1) // 32
    count = next(count for count in range(5, 50, 2) if num_sequences % count)  # some are left over in each epoch
    first = Batches.of(32 * count)
    step = 2 + epoch * (num_sequences // count)
    joined = first.followed_by(Batches.of(32 * (count - 1)), step).followed_by(Batches.of(32 * (count + 4)), step + 7)
    plain, changed = Loader(shards, first, 32, 5), Loader(shards, joined, 32, 5)
    assert plain.sequences_per_epoch < num_sequences
    same = np.concatenate([plain.starts(number) for number in range(step + 20)])
    cut = np.concatenate([changed.starts(number) for number in range(step + 12)])
    np.testing.assert_array_equal(cut, same[: len(cut)])
    assert joined.tokens_before(step + 8) == 32 * (count * step + (count - 1) * 7 + count + 4)


def test_a_run_with_another_batch_says_what_its_steps_read(build: Path, tmp_path: Path) -> None:
    pretrain(recipe(build, warmup_tokens=512), tmp_path, until_step=5)
    before = [documents_of_run_step(tmp_path, step) for step in range(1, 6)]
    go_on(tmp_path, build, {"warmup_tokens": 512}, until=6, batch_tokens=512)
    go_on(tmp_path, build, {"warmup_tokens": 512}, batch_schedule=[[0, 64], [2000, 128]], batch_tokens=128)
    assert [documents_of_run_step(tmp_path, step) for step in range(1, 6)] == before
    rows = [row for row in losses(tmp_path) if row[0] == "train"]
    assert [row[2] for row in rows[:9]] == [256, 512, 768, 1024, 1280, 1792, 1856, 1920, 1984]
    assert rows[10][2] - rows[9][2] == 128
    assert facts(tmp_path)["num_tokens"] == rows[-1][2] <= 3072
    with pytest.raises(UserError, match=r"since step 6"):
        pretrain(recipe(build, warmup_tokens=512), tmp_path)


@pytest.mark.parametrize("changed", [{"learning_rate": 6e-3}, {"batch_tokens": 128}, {"max_tokens": 256 * 16}])
def test_a_segment_that_is_killed_ends_in_the_same_bytes(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    for folder in (whole, run):
        pretrain(recipe(build), folder, until_step=6)
    last = go_on(whole, build, {}, **changed).step
    for owner, name in (
        *((RunFolder, name) for name in ("remove_manifest", "write_config", "copy_tokenizer", "truncate_after")),
        (checkpoint, "save_checkpoint"),
        (checkpoint, "load_optimizer"),
    ):
        monkeypatch.setattr(owner, name, _kill)
        with pytest.raises(KeyboardInterrupt):
            go_on(run, build, {}, **changed)
        monkeypatch.undo()
    go_on(run, build, {}, until=7, **changed)
    go_on(run, build, {}, until=9, **changed)
    go_on(run, build, {}, **changed)
    assert losses(run) == losses(whole)
    assert weights(run, last) == weights(whole, last)
    assert (run / "config.toml").read_bytes() == (whole / "config.toml").read_bytes()


def _kill(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_checkpoints_that_were_taken_away_move_the_segment(build: Path, tmp_path: Path) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    options = WSD | {"keep_checkpoints": 9}
    pretrain(recipe(build, **options), run, until_step=8)
    go_on(run, build, options, until=10, learning_rate=4e-3)
    for step in (8, 10):
        checkpoint.set_aside(run / "checkpoints", step)
    go_on(run, build, options, learning_rate=4e-3)
    pretrain(recipe(build, **options), other, until_step=4)
    go_on(other, build, options, learning_rate=4e-3)
    assert losses(run) == losses(other)
    assert facts(run)["changes"] == facts(other)["changes"]


def test_a_rollback_to_before_a_segment_moves_it(build: Path, tmp_path: Path) -> None:
    options = WSD | {"keep_checkpoints": 9}
    pretrain(recipe(build, **options), tmp_path, until_step=8)
    go_on(tmp_path, build, options, until=10, learning_rate=4e-3)
    folder = RunFolder(tmp_path)
    back = {"step": 4, "first": 5, "last": 10, "left_out": [4 * 256, 10 * 256]}
    back |= {"reason": "a test", "learning_rate_factor": 0.5, "until_step": 6}
    folder.write_config((folder.config() or {}) | {"rollbacks": [back]})
    go_on(tmp_path, build, options, learning_rate=4e-3)
    assert facts(tmp_path)["changes"] == [{"step": 4, "setting": "train.learning_rate", "before": 3e-3, "after": 4e-3}]
    assert facts(tmp_path)["rollbacks"] == [back]
    assert rates(tmp_path)[3:7] == pytest.approx([3e-3, 3.5e-3 / 2, 4e-3 / 2, 4e-3])
    shards = ShardSet.open(str(build / "shards"), "train")
    [first] = {int(row["position"]) for row in documents_of_run_step(tmp_path, 5)[:1]}
    assert first == int(shards.documents_between(10 * 256, 10 * 256 + 1)[0]["position"])


def test_two_ranks_go_on_with_a_segment(build: Path, tmp_path: Path) -> None:
    options = {"batch_tokens": 32 * 6, "max_tokens": 32 * 6 * 8}
    asked = write_recipe(tmp_path / "recipe.toml", build, **options)
    run, alone = tmp_path / "run", tmp_path / "alone"
    for folder in (run, alone):
        pretrain(load_run(asked), folder, until_step=5)
    more = [f"train.max_tokens={32 * 6 * 11}", "train.batch_tokens=64", "train.learning_rate=0.004"]
    process = command(asked, "--run-folder", run, *(part for one in more for part in ("--set", one)), ranks=2)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    pretrain(load_run(asked, more), alone, set_keys=keys_of(more))
    for row, same in zip(losses(run), losses(alone), strict=True):
        assert row[:3] == same[:3]
        assert row[5] == same[5]
        assert row[0] == "validation" or row[3] == pytest.approx(same[3], rel=1e-4)


def test_the_rate_is_warmed_up_only_where_it_would_jump() -> None:
    settings = TrainSettings(schedule="constant_decay", decay_fraction=0.5, warmup_tokens=0)
    base = Plan(100, 10, Batches.of(256))
    for step in (5, 20, 60):  # in the warm-up, on the plateau, in the decay: the same settings go on without a bend
        before = settings.learning_rate * learning_rate_fraction(settings, base, step - 1)
        same = base.followed_by(base, step, before)
        for one in range(step, 100):
            assert learning_rate_fraction(settings, same, one) == learning_rate_fraction(settings, base, one)
    short = Plan(100, 40, Batches.of(256), first_step=80, rate_before=1e-5)  # it ends within its warm-up
    values = [learning_rate_fraction(settings, short, step) for step in range(80, 100)]
    assert values[0] > 0.01
    assert max(values) <= 0.4
    assert values[-1] == pytest.approx(0.1)


def test_plans_are_written_and_read(tmp_path: Path) -> None:
    settings = TrainSettings(batch_tokens=512)
    first = Plan(12, 2, Batches.of(256))
    second = first.followed_by(Plan(20, 3, first.batches.followed_by(Batches.of(512), 6)), 6, 1e-3)
    third = second.followed_by(Plan(30, 4, second.batches), 9, 2e-3)
    for plan in (first, second, third):
        folder = RunFolder(tmp_path)
        folder.write_config({"plan": plan.recorded(settings), "train": settings.model_dump(mode="json")})
        assert Plan.of_run(folder.config() or {}) == plan
    assert [third.until(step).num_steps for step in (3, 6, 7, 9, 10)] == [12, 12, 20, 20, 30]
    assert start.last_step(RunFolder(tmp_path)) == 0
