"""A run that begins with a checkpoint of another one: whole on the same shards, with the weights alone on others."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manifests.errors import UserError
from manifests.paths import relative_to, resolve
from manifests.storage import Folder
from model import GPTConfig
from train.run import checkpoint
from train.run.changes import differing, is_steering, show
from train.run.folder import CHECKPOINTS, CONFIG, ORIGIN, TOKENIZER, RunFolder, read_metrics

# Fields of the model that its weights do not depend on. A sequence may be shorter where positions are rotary.
_FREE = frozenset({"attention", "dropout", "initialisation", "sequence_length", "window", "zero_init"})


@dataclass(frozen=True)
class Source:
    """Where a branch begins: a run, and a step of it; None is its last checkpoint."""

    run: Path
    step: int | None = None

    @classmethod
    def parse(cls, text: str) -> Source:
        """Read "RUN@STEP", "RUN" or the folder of a checkpoint, none of which need be there. Raises `UserError`."""
        path = Path(text)
        if checkpoint.is_name(path.name) and path.parent.name == CHECKPOINTS:
            return cls(path.parent.parent, checkpoint.step_of(path))
        run, at, number = text.rpartition("@")
        if at and not path.is_dir():
            if number.isdecimal():
                return cls(Path(run), int(number))
            if Path(run).is_dir():
                raise UserError(f"--from {text}: {number!r} is no number of a step. Give {run}@STEP, or {run} alone.")
        return cls(path)

    def is_in(self, folder: RunFolder) -> bool:
        return os.path.realpath(self.run) == os.path.realpath(folder.path)


def check_origin(old: dict[str, Any], source: Source, folder: RunFolder) -> None:
    """Raises `UserError` where the run in `folder` did not begin at `source`, which may be gone since."""
    origin = old.get("origin")
    if origin is None:
        raise UserError(
            f"{folder.path}: holds a run that is no branch. Give --run NEW for the branch, or replace this one with "
            "--restart."
        )
    is_same = os.path.realpath(resolve(origin["run"], folder.path)) == os.path.realpath(source.run)
    if not is_same or source.step not in (None, origin["step"]):
        raise UserError(
            f"{folder.path}: holds a branch that began with step {origin['step']} of {origin['run']}. Leave --from out "
            "to go on with it, give --run for another folder, or replace it with --restart."
        )


@dataclass(frozen=True)
class Branch:
    """A checkpoint of a run, for another one to begin with. config and rows: of the run, the rows up to the step."""

    run: Path
    path: Path
    state: checkpoint.CheckpointState
    config: dict[str, Any]
    rows: list[dict[str, Any]]

    @classmethod
    def open(cls, source: Source) -> Branch:
        """Raises `UserError` where there is no such run or checkpoint."""
        run = RunFolder(source.run)
        config = run.config()
        found = {checkpoint.step_of(path): path for path in checkpoint.list_checkpoints(run.checkpoints)}
        if config is None or not found:
            what = f"no {CONFIG}" if config is None else "no checkpoint"
            raise UserError(
                f"--from {source.run}: not a run to begin with ({what}). Give RUN, RUN@STEP or its checkpoint."
            )
        step = source.step if source.step is not None else list(found)[-1]
        if step not in found:
            there = ", ".join(map(str, found))
            raise UserError(f"--from {source.run}@{step}: there is no checkpoint of this step; there are {there}.")
        # A run goes back to its checkpoints: what it left out up to this one is left out by the branch, and no more.
        backs = config.get("rollbacks", [])
        count = max((number for number, back in enumerate(backs, 1) if back["step"] <= step), default=0)
        rows = read_metrics(run.path)
        later = [row for row in rows if row["kind"] == "rollback"][count:]
        rows = [row for row in rows if row not in later and (row["step"] <= step or row["kind"] == "rollback")]
        config["rollbacks"] = backs[:count]
        return cls(run.path, found[step], checkpoint.read_state(found[step]), config, rows)

    def is_whole(self, config: dict[str, Any]) -> bool:
        """Whether all goes on, on the same shards; else the weights alone begin anew."""
        return self.state.data_sha256 == str(config["data"]["manifest_sha256"])

    def check(self, config: dict[str, Any], build: Folder, folder: RunFolder | None) -> None:
        """Raises `UserError` where a run of this configuration cannot begin with the checkpoint.

        folder: that of the new run, where it has checkpoints already.
        """
        where = f"--from {self.run}@{self.state.step}"
        if folder is not None:
            found = checkpoint.list_checkpoints(folder.checkpoints)
            left = [self.path.name] if self.is_whole(config) else []  # of the same call, which was killed
            same = [path.name for path in found] == left and checkpoint.read_state(found[0]) == self.state
            if not same:
                raise UserError(f"{folder.path}: has checkpoints but no {CONFIG}. Give another --run, or --restart.")
        if self.is_whole(config):
            fixed = [show(*entry) for entry in differing(self.config, config) if not is_steering(entry[0])]
            advice = "a branch keeps the model, sequences, optimizer and seed of its run. Undo the change"
        else:
            fixed, advice = self._misfits(config), "its weights fit no other model. Undo the change"
            if _digest(build, f"tokenizer/{TOKENIZER}") != _digest(Folder(self.run.absolute()), TOKENIZER):
                advice = "build the shards with the tokenizer of that run (tokenizer.path)"
                fixed.append("another tokenizer")
        if fixed:
            raise UserError(
                f"{where}: the recipe does not fit to this run ({'; '.join(fixed)}): {advice}, or train anew."
            )

    def _misfits(self, config: dict[str, Any]) -> list[str]:
        """What of a model does not fit to the weights."""
        old, new = (GPTConfig.from_dict(values) for values in (self.state.model_config, config["resolved_model"]))
        before, after = old.to_dict(), new.to_dict()
        found = [show(f"model.{key}", before[key], after[key]) for key in before if before[key] != after[key]]
        found = [line for line in found if line.split()[0].removeprefix("model.") not in _FREE]
        longer = new.sequence_length > old.sequence_length
        if longer or (new.sequence_length < old.sequence_length and old.positions != "rotary"):
            found.append(show("train.sequence_length", old.sequence_length, new.sequence_length))
        if set(old.layer_patterns) != {"L"} and old.window_tokens != new.window_tokens:
            found.append(show("model.window", old.window_tokens, new.window_tokens))
        return found

    def describe(self, config: dict[str, Any]) -> str:
        if self.is_whole(config):
            return (
                f"begins with step {self.state.step} of {self.run}: the same shards, so weights, optimizer, step and "
                "order of data go on"
            )
        return f"begins at step 0 with the weights of step {self.state.step} of {self.run}: these are other shards"

    def origin(self, config: dict[str, Any], folder: RunFolder) -> dict[str, Any]:
        """What `config.toml` and the manifest say of it."""
        sha256 = checkpoint.weights_sha256(self.path)
        run = relative_to(str(self.run), folder.path)
        return {"run": run, "step": self.state.step, "weights_sha256": sha256, "whole": self.is_whole(config)}

    def copy(self, config: dict[str, Any], folder: RunFolder) -> None:
        """Copy the checkpoint, and the metrics that led to it: the branch needs the run no more."""
        if self.is_whole(config):
            folder.write_metrics(self.rows)
            checkpoint.copy_checkpoint(self.path, checkpoint.checkpoint_path(folder.checkpoints, self.state.step))
        else:
            checkpoint.copy_checkpoint(self.path, folder.path / ORIGIN, with_optimizer=False)


def _digest(folder: Folder, name: str) -> str | None:
    return hashlib.sha256(folder.read_bytes(name)).hexdigest() if folder.exists(name) else None
