"""The loop of training: steps, checkpoints and metrics, interrupted as often as it may be. The objective is given.

A run is decided by its recipe and its data. Rows of the metrics, checkpoints and `--until-step` count finished
steps, so row and checkpoint 100 are the state after 100 steps; the loader counts from 0, so the 100th step reads
its batch 99.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from manifests.draws import draw
from manifests.errors import UserError
from manifests.storage import Folder
from model import GPT
from train.objectives.base import Objective
from train.optim import schedule
from train.optim.optimizer import build_optimizer, set_learning_rate
from train.parallel.hardware import Hardware, find_hardware, micro_batch_sequences
from train.parallel.ranks import Ranks, open_ranks
from train.run import checkpoint
from train.run.folder import RunFolder, deciding_sha256, differences, read_metrics, sync
from train.run.manifest import seal_run, write_run_manifest
from train.run.progress import TrainingProgress
from train.run.samples import write_samples
from train.run.stop_signal import StopSignal
from train.settings import TrainRecipe


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
) -> RunSummary:
    """Train `objective` into the folder `run` (by default `train/` of the build), from where it stands.

    A finished run of the same recipe and data is left as it is; an interrupted one goes on from its last checkpoint.
    `until_step` stops after so many steps of the whole, with a checkpoint. `restart` removes a run that is there.
    Raises `UserError` when the folder holds another run, a checkpoint does not match, the data is damaged, the loss
    is not finite, or the process is told to stop.
    """
    with open_ranks() as ranks:
        folder = RunFolder(run if run is not None else f"{recipe.output.rstrip('/')}/train")
        with folder.locked() if ranks.is_first else contextlib.nullcontext():
            return Loop(recipe, folder, ranks, objective(recipe, ranks)).run(until_step, restart)


@dataclass
class _Plan:
    """A run's size, in steps and tokens."""

    num_steps: int
    warmup_steps: int
    batch_tokens: int


class Loop:
    """One run on one rank."""

    def __init__(self, recipe: TrainRecipe, folder: RunFolder, ranks: Ranks, objective: Objective) -> None:
        self.recipe, self.settings, self.folder, self.ranks = recipe, recipe.train, folder, ranks
        self.objective = objective
        self.loader = objective.loader
        self.model_config = objective.model_config
        self.plan = self._make_plan()
        self.config = self._make_config()
        self.settings_sha256 = deciding_sha256(self.config)
        self.stop_signal = StopSignal()
        self.stopping = False
        self.started = time.time()

    def run(self, until_step: int | None, restart: bool) -> RunSummary:
        stop = min(until_step or self.plan.num_steps, self.plan.num_steps)
        with TrainingProgress(self.plan.num_steps, enabled=self.ranks.is_first) as self.progress:
            if self.ranks.is_first:
                self._prepare_folder(restart)
            self.ranks.wait()
            if self._is_finished():
                self.progress.say(f"{self.folder.path}: finished at step {self.plan.num_steps}; nothing to do.")
                if self.ranks.is_first:
                    seal_run(self.folder)
                return self._summary(self.plan.num_steps, reused=True)
            self._build()
            found = checkpoint.list_checkpoints(self.folder.checkpoints)
            step = self._load(found[-1]) if found else 0
            self._agree_on(step)
            if self.ranks.is_first:
                self.folder.truncate_after(step if step else -1)
            self._announce(step)
            with self.stop_signal.caught(), self._metrics() as self.metrics:
                if step == 0:
                    self._validate(0)
                step = self._train(step, stop)
            if step == self.plan.num_steps and self.ranks.is_first:
                self._finish(step)
            self.ranks.wait()
            return self._summary(step)

    def _make_plan(self) -> _Plan:
        settings, batch_tokens = self.settings, self.settings.batch_tokens
        if settings.max_tokens is None:
            num_steps = self.loader.num_steps_per_epoch
        else:
            num_steps = settings.max_tokens // batch_tokens
        if num_steps < 1:
            raise UserError(
                f"train.max_tokens {settings.max_tokens} is less than one batch of {batch_tokens}: raise it, or lower "
                "train.batch_tokens."
            )
        warmup_tokens = settings.warmup_tokens
        if warmup_tokens is None:
            warmup_steps = math.ceil(settings.warmup_fraction * num_steps)
        else:
            warmup_steps = math.ceil(warmup_tokens / batch_tokens)
        return _Plan(num_steps, min(warmup_steps, num_steps), batch_tokens)

    def _make_config(self) -> dict[str, Any]:
        # "resolved_model" is the whole model, so that a preset that changes is seen.
        config = self.recipe.model_dump(mode="json") | {"data": self.objective.data}
        config["resolved_model"] = self.model_config.to_dict()
        config["plan"] = {"num_steps": self.plan.num_steps, "warmup_steps": self.plan.warmup_steps}
        return config

    def _prepare_folder(self, restart: bool) -> None:
        """Start a run, go on with it, or refuse."""
        if restart:
            self.folder.clear()
        old = self.folder.config()
        if old is None and checkpoint.list_checkpoints(self.folder.checkpoints):
            raise UserError(
                f"{self.folder.path}: has checkpoints but no config.toml, so what they are is not known. Restore it, "
                "or train anew with --restart (or delete the folder)."
            )
        if old is not None and (changed := differences(old, self.config)):
            raise UserError(
                f"{self.folder.path}: holds a run of another configuration ({'; '.join(changed)}). Use --run for "
                "another folder, undo the change, or train anew with --restart (or delete the folder)."
            )
        checkpoint.remove_incomplete(self.folder.checkpoints, self.progress.say)
        if self._is_finished():
            return
        self.folder.folder.remove_unpublished()
        self.folder.write_config(self.config)
        self.folder.copy_tokenizer(Folder(self.recipe.output))

    def _is_finished(self) -> bool:
        """True where the manifest is there, and the checkpoint that it stands for."""
        found = checkpoint.list_checkpoints(self.folder.checkpoints)
        is_last = bool(found) and checkpoint.read_state(found[-1]).step == self.plan.num_steps
        return is_last and self.folder.manifest is not None

    def _build(self) -> None:
        settings = self.settings
        self.hardware: Hardware = find_hardware(settings.precision, self.ranks.local_rank)
        torch.manual_seed(draw("weights", self.recipe.seed))
        self.model = GPT(self.model_config).to(self.hardware.device)
        self.optimizer = build_optimizer(self.model, settings)
        if settings.compile:
            self.model.compile()  # in place: the names of the weights stay
        self.parallel_model = self.ranks.parallel(self.model)
        rank_sequences = self.loader.rank_slice.stop - self.loader.rank_slice.start
        # Ranks may differ by a sequence in training; in validation they must cut the split in the same way.
        self.micro_batch, self.validation_batch = (
            micro_batch_sequences(settings.micro_batch_sequences, self.model_config, most, self.hardware)
            for most in (rank_sequences, self.loader.batch_sequences)
        )

    def _load(self, path: Path) -> int:
        """Go on from a checkpoint; returns its step."""
        state = checkpoint.read_state(path)
        checkpoint.check_matches(path, state, self.model_config.to_dict(), self.objective.data["manifest_sha256"])
        if state.settings_sha256 != self.settings_sha256:
            raise UserError(f"{path}: was made with other settings than {self.folder.path}/config.toml. Use --restart.")
        checkpoint.load_model(path, self.model)
        checkpoint.load_optimizer(path, self.optimizer)
        return state.step

    def _agree_on(self, step: int) -> None:
        steps = self.ranks.sum(torch.tensor([step, step * step], dtype=torch.float64, device=self.hardware.device))
        mean, mean_of_squares = (steps / self.ranks.num_ranks).tolist()
        if mean_of_squares != mean * mean:
            raise UserError(
                f"{self.folder.path}: the ranks do not see the same checkpoints. Put the run on a disk that all of "
                "them share."
            )

    def _announce(self, step: int) -> None:
        plan, say = self.plan, self.progress.say
        epochs = plan.num_steps / self.loader.num_steps_per_epoch
        say(
            f"model: {self.model.num_parameters():,} parameters; {plan.num_steps:,} steps of {plan.batch_tokens:,} "
            f"tokens ({epochs:.2f} epochs of {self.objective.data['num_tokens']:,} tokens)"
        )
        line = f"device: {self.hardware.name}, {self.ranks.num_ranks} rank(s), micro-batch {self.micro_batch}"
        if self.hardware.peak_flops:
            line += f"; peak {self.hardware.peak_flops / 1e12:.3g} TFLOP/s ({self.hardware.peak_source})"
        say(line)
        if not self.objective.has_validation:
            say("no validation shards in this build: no validation loss is measured")
        if step:
            say(f"going on from step {step}")

    def _train(self, step: int, stop: int) -> int:
        """Steps until `stop`, with validation, samples and checkpoints as they fall due; returns the last step."""
        settings, last = self.settings, self.plan.num_steps
        self.model.train()
        clock = time.perf_counter()
        while step < stop:
            row = self._step(step)
            step += 1
            seconds, clock = time.perf_counter() - clock, time.perf_counter()
            row = self._row(step, seconds, row)
            self._write(row)
            self.progress.step(row)
            if _due(step, settings.validate_every_steps) or step == last:
                self._validate(step)
            if self.ranks.is_first and (_due(step, settings.sample_every_steps) or step == last):
                self._sample(step)
            if _due(step, settings.checkpoint_every_steps) or step == stop or self.stopping:
                self._save(step, row["loss"])
            if self.stopping and step < stop:
                reason = self.stop_signal.name or "another rank"
                raise UserError(
                    f"{self.folder.path}: stopped by {reason} after step {step}, which is saved. The same command "
                    "goes on from there."
                )
            clock = time.perf_counter()
        return step

    def _step(self, step: int) -> dict[str, float]:
        """One optimizer step (counted from 0); returns its loss, gradient norm and learning rate."""
        settings, plan, ranks = self.settings, self.plan, self.ranks
        # Dropout draws from here: a generator per (step, rank) leaves no state to save.
        torch.manual_seed(draw("step", self.recipe.seed, step, ranks.rank))
        fraction = schedule.multiplier(
            settings.schedule,
            step,
            plan.num_steps,
            plan.warmup_steps,
            settings.min_learning_rate_fraction,
            settings.decay_fraction,
        )
        learning_rate = settings.learning_rate * fraction
        set_learning_rate(self.optimizer, learning_rate)
        tokens, targets = (part.to(self.hardware.device, non_blocking=True) for part in self.loader.batch(step))
        loss_sum = torch.zeros((), device=self.hardware.device)
        for first in range(0, len(tokens), self.micro_batch):
            part = slice(first, first + self.micro_batch)
            is_last = first + self.micro_batch >= len(tokens)
            with ranks.synchronise(self.parallel_model, now=is_last):
                with self.hardware.precision():
                    loss = self.objective.loss(self.parallel_model, tokens[part], targets[part])
                share = loss * (len(tokens[part]) / self.loader.batch_sequences)
                # The gradients of the ranks are averaged, while the shares of a batch must be added.
                (share * ranks.num_ranks).backward()
            loss_sum += share.detach()
        clip = settings.gradient_clip or math.inf
        gradient_norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), clip)
        # A signal that one rank got stops all of them at the same step.
        sums = ranks.sum(torch.stack([loss_sum, loss_sum.new_tensor(float(bool(self.stop_signal.name)))]))
        loss_value, num_stopped, norm_value = torch.stack([*sums, gradient_norm]).tolist()
        self.stopping = num_stopped > 0
        if not (math.isfinite(loss_value) and math.isfinite(norm_value)):
            raise UserError(
                f"{self.folder.path}: step {step + 1}: the loss is {loss_value:g} and the gradient's norm "
                f"{norm_value:g}; training has diverged. Lower train.learning_rate (or raise train.warmup_fraction) "
                f"and use --restart; `groundup steps RUN --step {step + 1}` lists the documents of this step."
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return {"loss": loss_value, "learning_rate": learning_rate, "gradient_norm": norm_value}

    def _row(self, step: int, seconds: float, values: dict[str, float]) -> dict[str, Any]:
        tokens_per_second = self.plan.batch_tokens / seconds
        peak = self.hardware.peak_flops * self.ranks.num_ranks
        mfu = self.model.flops_per_token() * tokens_per_second / peak if peak else None
        speed = {"tokens_per_second": round(tokens_per_second, 1), "mfu": mfu and round(mfu, 4)}
        return {"kind": "train", "step": step, "tokens": step * self.plan.batch_tokens, **values, **speed}

    def _validate(self, step: int) -> None:
        found = self.objective.validate(self.model, self.validation_batch, self.ranks, self.hardware)
        if found is None:
            return
        row = {"kind": "validation", "step": step, "tokens": step * self.plan.batch_tokens}
        self._write(row | {"validation_loss": found.loss, "bits_per_byte": found.bits_per_byte})
        self.progress.say(f"step {step}: validation loss {found.loss:.4f}, {found.bits_per_byte:.4f} bits per byte")

    def _sample(self, step: int) -> None:
        if not write_samples(self.folder, self.model, step, self.settings, self.recipe.seed):
            self.progress.say(f"no samples: {self.recipe.output} has no tokenizer/tokenizer.json")

    def _save(self, step: int, loss: float) -> None:
        if self.ranks.is_first and self.metrics is not None:
            sync(self.metrics)  # a checkpoint never stands for rows that are not on the disk
            state = checkpoint.CheckpointState(
                step=step,
                tokens=step * self.plan.batch_tokens,
                seed=self.recipe.seed,
                model_config=self.model_config.to_dict(),
                data_sha256=self.objective.data["manifest_sha256"],
                settings_sha256=self.settings_sha256,
                num_ranks=self.ranks.num_ranks,
                loss=loss,
            )
            checkpoint.save_checkpoint(
                self.folder.checkpoints, self.model, self.optimizer, state, self.settings.keep_checkpoints
            )
        self.ranks.wait()

    @contextlib.contextmanager
    def _metrics(self) -> Iterator[IO[str] | None]:
        if not self.ranks.is_first:
            yield None
            return
        with self.folder.open_metrics() as file:
            yield file

    def _write(self, row: dict[str, Any]) -> None:
        if self.metrics is not None:
            self.metrics.write(json.dumps(row) + "\n")

    def _finish(self, step: int) -> None:
        write_run_manifest(
            self.folder,
            self.config,
            type(self.objective).__module__,
            step,
            self.hardware,
            {
                "started": self.started,
                "ended": time.time(),
                "num_ranks": self.ranks.num_ranks,
                "micro_batch_sequences": self.micro_batch,
            },
        )

    def _summary(self, step: int, reused: bool = False) -> RunSummary:
        rows = [row for row in read_metrics(self.folder.path) if row["kind"] == "validation"]
        first, last = (rows[0], rows[-1]) if rows else (None, None)
        finished = step == self.plan.num_steps
        return RunSummary(str(self.folder.path), step, self.plan.num_steps, finished, reused, first, last)


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
