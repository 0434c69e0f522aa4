"""Steps that would do harm: skipped as if they had never been, and a run that goes back past them, killed or not."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.learning import recipes
from bench.learning_tasks import CHARACTERS
from manifests.errors import UserError
from tests.train.builds import command, losses, paragraphs, recipe, write_build
from tokenizer.shards.read import ShardSet
from train import loop
from train.data.batches import Batches
from train.data.loader import Loader
from train.data.steps import documents_of_run_step
from train.objectives.pretrain import Pretrain, pretrain
from train.run import checkpoint, rollback
from train.run.folder import RunFolder, read_metrics
from train.settings import SpikeSettings
from train.spikes import ACTIVE_AFTER, SpikeGuard

BATCH, STEPS = 256, 240
TABLE = {"max_skips": 3, "window_steps": 40}
WIDER = {"width": 64}  # narrower ones have gradients that burst without a cause


def seen(num_steps: int = 128, **last: float) -> SpikeGuard:
    """A guard that has seen losses and norms of 2 +- .1 and .5 +- .05."""
    rows = [
        {"kind": "train", "step": step, "loss": 2 + 0.1 * (-1) ** step, "gradient_norm": 0.5 + 0.05 * (-1) ** step}
        for step in range(1, num_steps + 1)
    ]
    return SpikeGuard(SpikeSettings(**last), rows)


@pytest.mark.parametrize(
    ("loss", "norm", "why"),
    [
        (2.59, 0.5, None),
        (2.61, 0.5, "the loss 2.61 is 6.1 standard deviations above the mean 2 of 128 steps"),
        (0.1, 0.5, None),  # better than ever
        (2.0, 20.0, "the gradient norm 20 is"),
        (math.nan, 0.5, "the loss is nan"),
        (2.0, math.inf, "the gradient norm is inf"),
        (-math.inf, 0.5, "the loss is -inf"),
    ],
)
def test_what_is_a_spike(loss: float, norm: float, why: str | None) -> None:
    found = seen().judge(loss, norm)
    assert found is None if why is None else found is not None and found.startswith(why)


def test_few_steps_and_zero_deviations_judge_nothing_but_numbers_that_are_not_finite() -> None:
    for guard in (seen(ACTIVE_AFTER - 1), seen(deviations=0.0)):
        assert guard.judge(100.0, 100.0) is None
        assert guard.judge(math.nan, 1.0) == "the loss is nan"
    assert seen(ACTIVE_AFTER).judge(100.0, 1.0) is not None


def test_a_loss_that_does_not_move_has_no_spikes_of_rounding() -> None:
    rows = [{"kind": "train", "step": step, "loss": 1.5, "gradient_norm": 1.0} for step in range(1, 129)]
    guard = SpikeGuard(SpikeSettings(), rows)
    assert guard.judge(1.5000001, 1.0000001) is None
    assert guard.judge(1.6, 1.0) is not None
    assert guard.judge(1.5, 3.9) is None  # gradient norms have a long tail
    assert guard.judge(1.5, 4.1) is not None


def test_what_was_skipped_is_no_measure_of_what_comes() -> None:
    guard = seen()
    for step in range(129, 133):
        assert guard.judge(50.0, 0.5)
        guard.note(step, 50.0, 0.5, "spike")
    assert guard.judge(50.0, 0.5)


def test_a_setback_is_so_many_skips_in_a_window() -> None:
    guard = seen(max_skips=3, window_steps=50)
    for step in (130, 135, 139):
        guard.note(step, 50.0, 0.5, "spike")
    setback = guard.setback(139, "why")
    assert setback is not None
    assert (setback.step, setback.first, setback.suspect, setback.last_good) == (139, 130, None, 129)
    assert guard.setback(180, "why") is None  # the first is too long ago


def test_a_run_goes_back_behind_the_skips_that_lie_close_together() -> None:
    guard = seen(max_skips=3, window_steps=50)
    for step in (130, 150, 152):  # learned from sound steps since the first of them
        guard.note(step, 50.0, 0.5, "spike")
    setback = guard.setback(152, "why")
    assert setback is not None
    assert (setback.first, setback.last_good) == (150, 149)
    assert [skip.step for skip in guard.cluster(157)] == [150, 152]
    assert guard.cluster(158) == []


def test_the_rest_of_a_bad_text_takes_a_run_back_no_further() -> None:
    settings = SpikeSettings(max_skips=3, window_steps=20)
    guard = SpikeGuard(settings, [], after=11)
    for step in range(11, 23):  # four times as many
        guard.note(step, 9.0, 0.5, "spike")
        assert guard.setback(step, "why") is None
    found = [guard.note(step, 9.0, 0.5, "spike") or guard.setback(step, "why") for step in (23, 24, 25)]
    assert [setback and setback.first for setback in found] == [None, None, 23]
    guard = SpikeGuard(settings, [], after=11)
    for step, skipped in ((11, "spike"), (12, None), (13, "spike"), (14, "spike"), (15, "spike")):
        guard.note(step, 9.0, 0.5, skipped)
    setback = guard.setback(15, "why")
    assert setback is not None
    assert setback.first == 13  # a sound step was between
    guard = SpikeGuard(settings, [], after=11)
    for step in (11, 12, 13):
        guard.note(step, None, None, "the loss is nan")
    assert guard.setback(13, "why") is not None  # that is no text's fault


def test_weights_that_give_no_finite_loss_are_not_gone_back_to() -> None:
    guard = seen(max_skips=1)
    guard.note(129, None, None, "the loss is nan")
    setback = guard.setback(129, "the loss is nan")
    assert setback is not None
    assert setback.last_good == 127
    assert guard.suspect(130, "a weight is not finite").last_good == 128


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(1, 12)), max_size=5),
    st.sampled_from([((0, 64),), ((0, 64), (640, 128)), ((0, 32), (480, 96), (960, 64))]),
)
def test_what_rollbacks_leave_out_is_not_read_and_all_else_is(build: Path, backs: Any, schedule: Any) -> None:
    """Against a run that is simulated with the list of what is left."""
    loader = Loader(ShardSet.open(str(build / "shards")), Batches(schedule), 32)
    rest = list(range(0, loader.tokens_per_epoch, 32))
    made: list[dict[str, Any]] = []
    for first, count in backs:
        read = [len(range(loader.batch_sequences(step))) for step in range(first + count)]
        before, until = sum(read[:first]), sum(read)
        made.append({"left_out": list(loader.span(first, first + count - 1))})
        del rest[before:until]
        loader.left_out = rollback.left_out(made)
    found = [int(start) for step in range(8) for start in loader.starts(step)]
    assert found == rest[: len(found)]


BAD = {
    "repeated": "~" * 3 * BATCH,
    "random": "".join(map(chr, random.Random(0).choices(range(1, 127), k=3 * BATCH))),
}


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Callable[[str], tuple[Path, str]]:
    """A build with a document that does harm after some hundred steps, and the id of that."""
    text = (shared_data / "books" / "tinyshakespeare.txt").read_text()[: BATCH * (STEPS + 10)]
    good = paragraphs(text)
    place = int(0.85 * len(good))
    made: dict[str, tuple[Path, str]] = {}

    def build(what: str) -> tuple[Path, str]:
        if what not in made:
            documents = [*good[:place], BAD[what], *good[place:]]
            output = write_build(tmp_path_factory.mktemp(what), documents, num_shards=1)
            made[what] = output, f"train-0-{place - 4}"
        return made[what]

    return build


def settings(**train: Any) -> dict[str, Any]:
    return {
        "max_tokens": BATCH * STEPS,
        "validate_every_steps": 0,
        "checkpoint_every_steps": 25,
        "learning_rate": 3e-3,
        "sample_tokens": 0,
        "spikes": TABLE,
    } | train


def rows_of(run: Path, kind: str) -> list[dict[str, Any]]:
    return [row for row in read_metrics(run) if row["kind"] == kind]


@pytest.fixture(scope="module", params=["repeated", "random"])
def run(
    request: pytest.FixtureRequest,
    poisoned: Callable[[str], tuple[Path, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Path, str]:
    """A run on a poisoned build: its folder, the build, and the id of the document."""
    build, bad = poisoned(request.param)
    folder = tmp_path_factory.mktemp("run") / "run"
    assert pretrain(recipe(build, WIDER, **settings()), folder).finished
    return folder, build, bad


def test_a_poisoned_document_is_skipped_and_left_out(run: tuple[Path, Path, str], tmp_path: Path) -> None:
    folder, build, bad = run
    (back,) = rows_of(folder, "rollback")
    first, *_, last = back["skipped"]
    assert len(back["skipped"]) == TABLE["max_skips"]
    assert (back["first"], back["last"]) == (first["step"], last["step"])
    assert back["step"] == (first["step"] - 1) // 25 * 25
    assert all("standard deviations above the mean" in row["skipped"] for row in back["skipped"])
    assert all({"id": bad, "source": "books"} in row["documents"] for row in back["skipped"])
    steps = rows_of(folder, "train")
    assert [row["step"] for row in steps] == list(range(1, STEPS + 1))
    later = [document["id"] for row in steps for document in row.get("documents", ())]
    assert not later or bad in later  # the end of it, in one batch more
    # Beside a run without a guard: half the rate for a while, and the batches that followed.
    plain = tmp_path / "plain"
    pretrain(recipe(build, WIDER, **settings(spikes={"deviations": 0})), plain)
    for row, other in zip(steps, rows_of(plain, "train"), strict=True):
        lowered = back["step"] < row["step"] <= back["step"] + TABLE["window_steps"]
        assert row["learning_rate"] == pytest.approx(other["learning_rate"] * (0.5 if lowered else 1))
    after = documents_of_run_step(folder, back["first"])
    assert after == documents_of_run_step(plain, back["last"] + 1)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["facts"]["rollbacks"] == RunFolder(folder).config()["rollbacks"]  # type: ignore[index]


def test_two_ranks_skip_and_go_back_alike(run: tuple[Path, Path, str], tmp_path: Path) -> None:
    folder, build, _ = run
    path = tmp_path / "r.toml"
    path.write_text(tomli_w.dumps(recipe(build, WIDER, **settings()).model_dump(mode="json", exclude_unset=True)))
    process = command(path, "--run-folder", tmp_path / "run", ranks=2)
    assert process.communicate(timeout=300)[0].count("going back to step") == 1
    assert process.returncode == 0
    (back,), (alone,) = (rows_of(one, "rollback") for one in (tmp_path / "run", folder))
    assert [back[key] for key in ("step", "first", "last")] == [alone[key] for key in ("step", "first", "last")]
    rows, wanted = (rows_of(one, "train") for one in (tmp_path / "run", folder))
    assert [row["loss"] for row in rows[:40]] == pytest.approx([row["loss"] for row in wanted[:40]], rel=1e-5)
    # A model so small has bursts of gradients, in which last digits grow.
    assert rows[-1]["loss"] == pytest.approx(wanted[-1]["loss"], rel=0.05)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_skipped_step_leaves_every_bit(
    poisoned: Callable[[str], tuple[Path, str]], tmp_path: Path, optimizer: str
) -> None:
    build, _ = poisoned("repeated")
    rates = {} if optimizer == "adamw" else {"optimizer": "muon", "learning_rate": 0.02}
    asked = recipe(build, WIDER, **settings(spikes={}, checkpoint_every_steps=1, keep_checkpoints=200) | rates)
    pretrain(asked, tmp_path)
    skipped = [row["step"] for row in rows_of(tmp_path, "train") if "skipped" in row]
    assert skipped
    for step in skipped:
        before, after = (checkpoint.checkpoint_path(tmp_path / "checkpoints", number) for number in (step - 1, step))
        for name in (checkpoint.MODEL_FILE, checkpoint.OPTIMIZER_FILE):
            assert (before / name).read_bytes() == (after / name).read_bytes()
        assert checkpoint.read_state(after).tokens == step * BATCH  # the run goes on


class Killed(BaseException):
    """The process is gone: nothing is caught, and nothing is put in order."""


def killed_at(number: int) -> Callable[[pytest.MonkeyPatch], None]:
    """Kill at the so-many-th of the places where a rollback touches the disk."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        passed = [0]

        def watch(owner: Any, name: str, when: Callable[..., bool]) -> None:
            original = getattr(owner, name)

            def wrapped(*arguments: Any, **named: Any) -> Any:
                mine = when(*arguments, **named)
                for is_after in (False, True):
                    if is_after:
                        found = original(*arguments, **named)
                    if mine and passed[0] == number:
                        raise Killed
                    passed[0] += mine
                return found

            monkeypatch.setattr(owner, name, wrapped)

        watch(RunFolder, "write_config", lambda _, config: "rollbacks" in config)
        watch(RunFolder, "truncate_after", lambda _, step, then=None: then is not None)
        watch(checkpoint, "remove", lambda path: True)
        watch(rollback, "settle", lambda _, rollbacks, say: bool(rollbacks))
        watch(loop.Loop, "_announce", lambda self, step: bool(self.rollbacks))

    return patch


def bytes_of(run: Path) -> dict[str, bytes]:
    names = [*run.glob("checkpoints/step-*/*"), run / "config.toml"]
    return {str(path.relative_to(run)): path.read_bytes() for path in names}


def without_speeds(run: Path) -> list[dict[str, Any]]:
    rows = read_metrics(run)
    for row in [*rows, *(row for back in rows for row in back.get("skipped", []) if back["kind"] == "rollback")]:
        for clock in ("tokens_per_second", "seconds"):
            row.pop(clock, None)
    return rows


SHORT: dict[str, Any] = {"max_tokens": BATCH * 40, "checkpoint_every_steps": 7, "spikes": TABLE}


@pytest.fixture(autouse=True)
def not_finite_where_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss of a batch with a row of "\\x7f" is no number."""
    original = Pretrain.loss

    def loss(self: Any, model: Any, tokens: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        total, each = original(self, model, tokens, targets)
        return (total * math.nan, each) if bool((tokens == 127).any()) else (total, each)

    monkeypatch.setattr(Pretrain, "loss", loss)


@pytest.fixture(scope="module")
def bad_build(tmp_path_factory: pytest.TempPathFactory, documents: list[str]) -> Path:
    text = "".join(documents)
    good = [text[start : start + 500] for start in range(0, BATCH * 60, 500)]
    return write_build(tmp_path_factory.mktemp("bad"), [*good[:16], "\x7f" * 3 * BATCH, *good[16:]])


@pytest.fixture
def undisturbed(bad_build: Path, tmp_path: Path) -> Path:
    pretrain(recipe(bad_build, **SHORT), tmp_path / "undisturbed")
    return tmp_path / "undisturbed"


@pytest.mark.parametrize("number", range(10))
def test_a_rollback_that_is_killed_ends_as_one_that_is_not(
    bad_build: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    assert rows_of(undisturbed, "rollback")
    run, asked = tmp_path / "run", recipe(bad_build, **SHORT)
    with monkeypatch.context() as patched:
        killed_at(number)(patched)
        with pytest.raises(Killed):
            pretrain(asked, run)
    assert pretrain(asked, run).finished
    assert bytes_of(run) == bytes_of(undisturbed)
    assert without_speeds(run) == without_speeds(undisturbed)


@pytest.mark.parametrize("more", [0, 1, 9])
def test_stopped_after_a_rollback_it_goes_on_from_there(
    bad_build: Path, undisturbed: Path, tmp_path: Path, more: int
) -> None:
    last = rows_of(undisturbed, "rollback")[-1]["last"]
    pretrain(recipe(bad_build, **SHORT), tmp_path / "run", until_step=last + more)
    assert pretrain(recipe(bad_build, **SHORT), tmp_path / "run").finished
    assert losses(tmp_path / "run") == losses(undisturbed)


def test_a_learning_rate_that_is_too_high_ends_with_a_line(build: Path, tmp_path: Path) -> None:
    high = recipe(
        build,
        max_tokens=BATCH * 60,
        learning_rate=300.0,
        gradient_clip=0,
        spikes={"max_skips": 2},
        checkpoint_every_steps=2,
    )
    message = r"not finite|the loss is|gradient norm is"
    with pytest.raises(UserError, match=rf"({message}).*the run has gone back 3 times; .*Lower train.learning_rate"):
        pretrain(high, tmp_path)
    backs = rows_of(tmp_path, "rollback")
    assert [back["learning_rate_factor"] for back in backs] == [0.5] * 3
    # With another rate it may go back anew, and with the same one not.
    with pytest.raises(UserError, match="gone back 3 times"):
        pretrain(high, tmp_path)
    other = high.model_copy(update={"train": high.train.model_copy(update={"learning_rate": 1e-3})})
    assert pretrain(other, tmp_path, set_keys=["train.learning_rate"]).finished
    config = RunFolder(tmp_path).config() or {}
    assert ["settled" in back for back in config["rollbacks"]][:3] == [True] * 3
    assert rollback.learning_rate_factor(config["rollbacks"][:2], 5) == 1  # nor is its rate a fraction of what was set
    assert rollback.learning_rate_factor(rows_of(tmp_path, "rollback")[:1], 5) == 0.5


def test_samples_that_are_not_finite_take_a_run_back(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = loop.write_samples, [0]

    def write(*arguments: Any) -> bool:
        calls[0] += 1
        if calls[0] == 2:
            raise loop.NotFiniteModel("cannot generate: not finite.")
        return original(*arguments)

    monkeypatch.setattr(loop, "write_samples", write)
    assert pretrain(recipe(build, sample_every_steps=4), tmp_path).finished
    (back,) = rows_of(tmp_path, "rollback")
    assert (back["step"], back["last"], back["reason"]) == (4, 8, "cannot generate: not finite")


def no_number_at(monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
    """Make the loss NaN at these calls, counted from 1."""
    original, calls = Pretrain.loss, [0]

    def loss(*arguments: Any) -> tuple[torch.Tensor, torch.Tensor]:
        calls[0] += 1
        total, each = original(*arguments)
        return (total * math.nan, each) if calls[0] in steps else (total, each)

    monkeypatch.setattr(Pretrain, "loss", loss)


def test_a_run_that_keeps_one_checkpoint_does_not_begin_anew(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is no number right after a checkpoint: its weights may be at fault, and there are no others."""
    no_number_at(monkeypatch, 9, 10)
    pretrain(recipe(build, keep_checkpoints=1, spikes={"max_skips": 2}), tmp_path)
    (back,) = rows_of(tmp_path, "rollback")
    assert (back["step"], back["first"], back["last"]) == (8, 9, 10)


def test_a_loss_that_is_not_finite_once_is_skipped(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_number_at(monkeypatch, 6)
    assert pretrain(recipe(build), tmp_path).finished
    (skipped,) = [row for row in rows_of(tmp_path, "train") if "skipped" in row]
    assert (skipped["step"], skipped["loss"], skipped["skipped"]) == (6, None, "the loss is nan")
    assert skipped["documents"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["GPT-2 preset", "modern preset"])
def test_a_sound_run_of_the_bench_skips_nothing(shared_data: Path, tmp_path: Path, name: str) -> None:
    """Gradient norms of the former are up to 6.4 deviations above their mean in these steps."""
    pretrain(CHARACTERS.recipe(recipes(CHARACTERS)[name]), tmp_path, until_step=500)
    rows = rows_of(tmp_path, "train")
    assert len(rows) == 500
    assert not [row for row in rows if "skipped" in row]
