"""The loop of training: steps, checkpoints and metrics, interrupted as often as it may be. The objective is given.

A run is decided by its recipe and its data. Rows of the metrics, checkpoints and `--until-step` count finished
steps, so row and checkpoint 100 are the state after 100 steps; the loader counts from 0, so the 100th step reads
its batch 99.
"""

from __future__ import annotations

import contextlib
import gc
import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from manifests.errors import UserError
from train.generate import NotFiniteModel
from train.objectives.base import Objective
from train.optim.plan import Plan, make_plan
from train.parallel.ranks import Ranks, open_ranks
from train.run import checkpoint, rollback
from train.run.changes import lasting_sha256
from train.run.folder import ORIGIN, RunFolder, read_metrics
from train.run.manifest import seal_run, write_run_manifest
from train.run.pauses import Pauses, collect_garbage, garbage_by_hand
from train.run.progress import TrainingProgress
from train.run.samples import write_samples
from train.run.start import Asked, is_finished, make_config, prepare
from train.run.stop_signal import Stopped, StopSignal
from train.settings import TrainRecipe
from train.spikes import Setback, SpikeGuard
from train.step import Gradient, Learner


@dataclass
class RunSummary:
    """The result of a call of `pretrain`. `reused` tells that the run was finished before."""

    run: str
    step: int
    num_steps: int
    finished: bool
    reused: bool = False
    first_validation: dict[str, Any] | None = None  # rows of the metrics
    last_validation: dict[str, Any] | None = None


def run_training(
    recipe: TrainRecipe,
    objective: Callable[[TrainRecipe, Ranks], Objective],
    run: str | Path | None = None,
    until_step: int | None = None,
    restart: bool = False,
    set_keys: Collection[str] = (),
    source: str | None = None,
) -> RunSummary:
    """Train `objective` into the folder `run` (by default `train/` of the build), from where it stands.

    A finished run of the same recipe and data is left as it is; an interrupted one goes on from its last checkpoint.
    `until_step` stops after so many steps of the whole, with a checkpoint. `restart` removes a run that is there.
    `set_keys` are the settings that were set in this call, which a run may go on with as a new segment; `source` is a
    checkpoint of another run to begin with (`train.run.start.Asked`).
    Raises `UserError` when the folder holds another run, a checkpoint does not match, the data is damaged, the loss
    is not finite, or the process is told to stop.
    """
    with open_ranks() as ranks:
        folder = RunFolder(run if run is not None else f"{recipe.output.rstrip('/')}/train", recipe.train.tensorboard)
        with folder.locked() if ranks.is_first else contextlib.nullcontext():
            asked = Asked(set_keys, source, restart)
            return Loop(recipe, folder, ranks, objective(recipe, ranks)).run(until_step, asked)


class Loop:
    """One run on one rank."""

    def __init__(self, recipe: TrainRecipe, folder: RunFolder, ranks: Ranks, objective: Objective) -> None:
        self.recipe, self.settings, self.folder, self.ranks = recipe, recipe.train, folder, ranks
        self.objective = objective
        self.loader = objective.loader
        self.model_config = objective.model_config
        self.plan = make_plan(self.settings, self.loader.tokens_per_epoch)
        self.config = make_config(recipe, objective, self.plan, folder)
        self.settings_sha256 = lasting_sha256(self.config)
        self.stop_signal = StopSignal()
        self.stopping = False
        self.started = time.time()
        self.pauses = Pauses()

    def run(self, until_step: int | None, asked: Asked) -> RunSummary:
        with TrainingProgress(self.plan.num_steps, enabled=self.ranks.is_first) as self.progress:
            self._settle(asked)
            if is_finished(self.folder, self.plan.num_steps):
                self.progress.say(f"{self.folder.path}: finished at step {self.plan.num_steps}; nothing to do.")
                self.ranks.first(lambda: seal_run(self.folder))
                return self._summary(self.plan.num_steps, reused=True)
            with self.stop_signal.caught():
                while (reached := self._go_on(until_step)) is None:
                    self._settle(Asked())  # a segment that began after that step begins there now
            return self._summary(reached)

    def _settle(self, asked: Asked) -> None:
        """Let the first rank settle what is trained from here on, for all of them."""
        self.ranks.first(self._prepare, asked)
        self.settled = self.folder.config() or self.config
        self.plan, self.rollbacks = Plan.of_run(self.settled), self.settled.get("rollbacks", [])
        self.loader.take(self.plan.batches)
        self.loader.left_out = rollback.left_out(self.rollbacks)

    def _prepare(self, asked: Asked) -> None:
        self.config = prepare(self.recipe, self.objective, self.folder, asked, self.progress.say)

    def _go_on(self, until_step: int | None) -> int | None:
        """Train from the last checkpoint; returns the last step, or None where the run has gone back."""
        stop = min(until_step or self.plan.num_steps, self.plan.num_steps)
        self.learner = Learner(self.recipe, self.plan, self.objective, self.ranks, self.pauses)
        self.bad_sample: str | None = None
        found = checkpoint.list_checkpoints(self.folder.checkpoints)
        step = self._load(found[-1]) if found else self._load_origin()
        self._agree_on(step)
        self.ranks.first(lambda: self.folder.truncate_after(step if step else -1))
        self._announce(step)
        # Rows that only the first rank sees yet are those of all ranks.
        after = self.rollbacks[-1]["first"] if self.rollbacks else None
        self.guard = SpikeGuard(self.settings.spikes, read_metrics(self.folder.path), after)
        try:
            with contextlib.closing(self.learner.batches), garbage_by_hand():
                step = self._train(step, stop)
        except Setback as setback:
            self._go_back(setback)
            del self.learner  # two at once would not fit on every device
            gc.collect()
            return None
        self.progress.say(str(self.pauses))
        if step == self.plan.num_steps:
            self.ranks.first(lambda: self._finish(step))
        return step

    def _go_back(self, setback: Setback) -> None:
        """Record a rollback; raises `UserError` where the run has made all that it may."""
        good = checkpoint.newest_until(self.folder.checkpoints, setback.last_good)
        if good is None and len(checkpoint.list_checkpoints(self.folder.checkpoints)) >= self.settings.keep_checkpoints:
            # Older ones are gone. Rather weights that may be bad than the first ones: if they are, the run ends soon.
            good = checkpoint.newest_until(self.folder.checkpoints, setback.first - 1)
        has_none = good is None and self.settled.get("origin", {}).get("whole")  # not even first weights
        count = sum("settled" not in one for one in self.rollbacks)
        if count >= self.settings.spikes.max_rollbacks or setback.step == 0 or has_none:
            raise self._diverged(setback, good)
        step = 0 if good is None else checkpoint.step_of(good)
        self.ranks.first(self._record_rollback, rollback.record(setback, step, self.settings.spikes, self.loader))

    def _record_rollback(self, record: dict[str, Any]) -> None:
        self.folder.sync_metrics()
        self.config["rollbacks"] = [*self.rollbacks, record]
        self.folder.write_config(self.config)  # from here on the run goes on from there, whatever happens

    def _load(self, path: Path) -> int:
        """Go on from a checkpoint; returns its step."""
        state = checkpoint.read_state(path)
        checkpoint.check_matches(path, state, self.model_config.to_dict(), self.objective.data["manifest_sha256"])
        if state.settings_sha256 != lasting_sha256(self.settled, state.step):
            raise UserError(f"{path}: was made with other settings than {self.folder.path}/config.toml. Use --restart.")
        checkpoint.load_model(path, self.learner.model)
        checkpoint.load_optimizer(path, self.learner.optimizer)
        return state.step

    def _load_origin(self) -> int:
        """Begin with the weights of another run, where it is a branch on other shards; returns the step, 0."""
        if "origin" in self.settled:
            checkpoint.load_model(self.folder.path / ORIGIN, self.learner.model)
        return 0

    def _agree_on(self, step: int) -> None:
        steps = self.ranks.sum(
            torch.tensor([step, step * step], dtype=torch.float64, device=self.learner.hardware.device)
        )
        mean, mean_of_squares = (steps / self.ranks.num_ranks).tolist()
        if mean_of_squares != mean * mean:
            raise UserError(
                f"{self.folder.path}: the ranks do not see the same checkpoints. Put the run on a disk that all of "
                "them share."
            )

    def _announce(self, step: int) -> None:
        plan, say = self.plan, self.progress.say
        for note in self.objective.notes:
            say(note)
        epochs = plan.num_tokens / self.loader.tokens_per_epoch
        sizes = dict.fromkeys(f"{plan.batches.size(at):,}" for at in (0, plan.num_steps - 1))
        say(
            f"model: {self.learner.model.num_parameters():,} parameters; {plan.num_steps:,} steps of "
            f"{' to '.join(sizes)} tokens ({epochs:.2f} epochs of {self.objective.data['num_tokens']:,} tokens)"
        )
        hardware = self.learner.hardware
        line = f"device: {hardware.name}, {self.ranks.num_ranks} rank(s), micro-batch {self.learner.micro_batch}"
        if hardware.peak_flops:
            line += f"; peak {hardware.peak_flops / 1e12:.3g} TFLOP/s ({hardware.peak_source})"
        say(line)
        if not self.objective.has_validation:
            say("no validation shards in this build: no validation loss is measured")
        if step:
            say(f"going on from step {step}")

    def _train(self, step: int, stop: int) -> int:
        """Steps until `stop`, with checkpoints, validation and samples as they fall due; returns the last step."""
        self.learner.model.train()
        self._measure(step, again=step > 0)
        if self.stopping:
            raise self._stopped(step)
        self._prune(step)
        clock = time.perf_counter()
        while step < stop:
            gradient, skipped = self._step(step)
            step += 1
            seconds, clock = time.perf_counter() - clock, time.perf_counter()
            row = self._row(step, seconds, gradient, skipped)
            self._write(row)
            self.progress.step(row)
            if skipped and (setback := self.guard.setback(step, skipped)):
                raise setback
            # The state first: whatever fails in measuring, the steps are not lost.
            is_saved = self.stopping or step == stop or _due(step, self.settings.checkpoint_every_steps)
            if is_saved:
                self._save(step, row["loss"])
            if not (is_saved and self._is_told_to_stop()):
                self._measure(step)
            if self.stopping:  # also where it was told while measuring
                if not is_saved:
                    self._save(step, row["loss"])
                raise self._stopped(step)
            if is_saved:
                self._prune(step)
            collect_garbage(step)
            clock = time.perf_counter()
        return step

    def _measure(self, step: int, again: bool = False) -> None:
        """The validation and the samples that are due after a step.

        again: some may be there already; a run was interrupted after it had saved this step.
        """
        settings, is_last = self.settings, step == self.plan.num_steps
        if settings.window_schedule is not None:
            self.learner.model.set_window(None)  # measured with the windows that it is used with
        if step == 0 or is_last or _due(step, settings.validate_every_steps):
            is_there = again and self.ranks.is_first and self.folder.has_validation(step)
            if not self.ranks.any(is_there):
                self._validate(step)
        if step and not self.stopping and (is_last or _due(step, settings.sample_every_steps)):
            is_there = again and self.ranks.is_first and self.folder.has_samples(step)
            if not self.ranks.any(is_there):
                with self.pauses.of("samples"):
                    self.ranks.first(self._sample, step)
                if self.ranks.any(self.bad_sample is not None):  # all ranks go back, or none
                    raise self.guard.suspect(step, self.bad_sample or "what the first rank wrote is not finite")

    def _step(self, step: int) -> tuple[Gradient, str | None]:
        """One step (counted from 0): what was found, and why it is skipped, None where it was taken."""
        factor = rollback.learning_rate_factor(self.rollbacks, step)
        gradient = self.learner.find_gradient(step, bool(self.stop_signal.name), factor)
        self.stopping = gradient.stop
        skipped = self.guard.judge(gradient.loss, gradient.norm)
        if skipped:
            self.learner.discard()
        else:
            self.learner.apply()
        self.guard.note(step + 1, gradient.loss, gradient.norm, skipped)
        return gradient, skipped

    def _tokens(self, step: int) -> int:
        """Tokens that so many finished steps have trained on."""
        return self.plan.batches.tokens_before(step)

    def _row(self, step: int, seconds: float, gradient: Gradient, skipped: str | None) -> dict[str, Any]:
        tokens_per_second = self.plan.batches.size(step - 1) / seconds
        hardware = self.learner.hardware
        peak = hardware.peak_flops * self.ranks.num_ranks
        mfu = self.learner.model.flops_per_token() * tokens_per_second / peak if peak else None
        row = {
            "kind": "train",
            "step": step,
            "tokens": self._tokens(step),
            "loss": _finite(gradient.loss),
            "learning_rate": gradient.learning_rate,
            "gradient_norm": _finite(gradient.norm),
            "tokens_per_second": round(tokens_per_second, 1),
            "mfu": mfu and round(mfu, 4),
        }
        if gradient.tokens_by_source:
            row["loss_by_source"] = {name: _finite(loss) for name, loss in gradient.loss_by_source.items()}
            row["tokens_by_source"] = gradient.tokens_by_source
        if skipped:
            documents = self.learner.batches.documents_of_step(step - 1)
            row["skipped"] = skipped
            row["documents"] = [{"id": document["id"], "source": document["source"]} for document in documents]
        return row

    def _validate(self, step: int) -> None:
        learner = self.learner
        with self.pauses.of("validation"):
            found = self.objective.validate(
                learner.model, learner.validation_batch, self.ranks, learner.hardware, self._is_told_to_stop
            )
        if found is None:
            return
        if not math.isfinite(found.loss):
            raise self.guard.suspect(step, f"the validation loss is {found.loss:g}")
        row = {"kind": "validation", "step": step, "tokens": self._tokens(step)}
        row |= {"validation_loss": found.loss, "bits_per_byte": found.bits_per_byte}
        self._write(row | {"seconds": round(self.pauses.last, 3)})
        bits = "" if found.bits_per_byte is None else f", {found.bits_per_byte:.4f} bits per byte"
        self.progress.say(f"step {step}: validation loss {found.loss:.4f}{bits}")

    def _is_told_to_stop(self) -> bool:
        """Whether any rank was; every rank must ask."""
        self.stopping = self.ranks.any(bool(self.stop_signal.name))
        return self.stopping

    def _sample(self, step: int) -> None:
        try:
            if not write_samples(self.folder, self.learner.model, step, self.settings, self.recipe.seed):
                self.progress.say(f"no samples: {self.recipe.output} has no tokenizer/tokenizer.json")
        except NotFiniteModel as error:
            self.bad_sample = str(error).rstrip(".")

    def _save(self, step: int, loss: float) -> None:
        with self.pauses.of("checkpoints"):
            bad = checkpoint.first_not_finite(self.learner.model, self.learner.optimizer)
            if self.ranks.any(bad is not None):
                raise self.guard.suspect(step, f"{bad or 'a weight of another rank'} is not finite")
            self.ranks.first(self._write_checkpoint, step, loss)

    def _write_checkpoint(self, step: int, loss: float) -> None:
        self.folder.sync_metrics()
        state = checkpoint.CheckpointState(
            step=step,
            tokens=self._tokens(step),
            seed=self.recipe.seed,
            model_config=self.model_config.to_dict(),
            data_sha256=self.objective.data["manifest_sha256"],
            settings_sha256=self.settings_sha256,
            num_ranks=self.ranks.num_ranks,
            loss=loss,
            num_rollbacks=len(self.rollbacks),
        )
        checkpoint.save_checkpoint(self.folder.checkpoints, self.learner.model, self.learner.optimizer, state)

    def _prune(self, step: int) -> None:
        """Old checkpoints go when the new one has been measured: one that is not finite replaces none.

        What a rollback would go back to stays.
        """
        skips = self.guard.cluster(step)
        needed = skips[0].last_good if skips else None
        self.ranks.first(checkpoint.prune, self.folder.checkpoints, self.settings.keep_checkpoints, needed)

    def _write(self, row: dict[str, Any]) -> None:
        self.ranks.first(self.folder.add_metrics, row)

    def _stopped(self, step: int) -> UserError:
        reason = self.stop_signal.name or "another rank"
        if step == 0:
            return Stopped(f"{self.folder.path}: stopped by {reason} before the first step. Run the same command.")
        return Stopped(
            f"{self.folder.path}: stopped by {reason} after step {step}, which is saved. The same command goes on "
            "from there."
        )

    def _diverged(self, setback: Setback, good: Path | None) -> UserError:
        """The error of a run that may not go back any more."""
        what = setback.what
        if self.rollbacks:
            what += f", and the run has gone back {len(self.rollbacks)} times"
        if self.ranks.is_first and setback.suspect is not None:
            aside = checkpoint.set_aside(self.folder.checkpoints, setback.suspect)
            if aside:
                what += f" (what was saved of step {setback.suspect} is set aside as {aside.name})"
        last, how = "there is no good checkpoint", "train anew with --restart"
        if good:
            last, how = f"the last good checkpoint is {good}", "go on from there with --set train.learning_rate=..."
        return UserError(
            f"{self.folder.path}: step {setback.step}: {what}; training has diverged, and {last}. Lower "
            f"train.learning_rate (or raise train.warmup_fraction) and {how}; `groundup steps {self.folder.path} "
            "--worst 5` lists the documents of such steps."
        )

    def _finish(self, step: int) -> None:
        write_run_manifest(
            self.folder,
            self.config,
            type(self.objective).__module__,
            step,
            self.learner.hardware,
            {
                "started": self.started,
                "ended": time.time(),
                "num_ranks": self.ranks.num_ranks,
                "micro_batch_sequences": self.learner.micro_batch,
                "pauses": self.pauses.rounded(),
            },
        )

    def _summary(self, step: int, reused: bool = False) -> RunSummary:
        rows = [row for row in read_metrics(self.folder.path) if row["kind"] == "validation"]
        first, last = (rows[0], rows[-1]) if rows else (None, None)
        finished = step == self.plan.num_steps
        return RunSummary(str(self.folder.path), step, self.plan.num_steps, finished, reused, first, last)


def _finite(value: float) -> float | None:
    """JSON has no others."""
    return value if math.isfinite(value) else None


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
