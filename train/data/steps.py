"""From a training step to the documents it saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from manifests.errors import UserError
from manifests.paths import resolve
from manifests.storage import Folder
from tokenizer.shards.read import ShardSet
from train.data.batches import Batches
from train.data.loader import Loader
from train.run.folder import CONFIG, RunFolder
from train.run.rollback import left_out


def documents_of_run_step(run: str | Path, step: int) -> list[dict[str, Any]]:
    """Index rows of the documents that step `step` of a run read, in order; steps count from 1, as in its metrics.

    The answer follows from config.toml and the shards, whatever the number of ranks was. Raises `UserError` when
    there is no such run or step, or when the shards are no longer those that it trained on.
    """
    loader, num_steps = loader_of_run(run)
    if not 1 <= step <= num_steps:
        raise UserError(f"{run}: has steps 1 to {num_steps}; there is no step {step}.")
    return loader.documents_of_step(step - 1)


def loader_of_run(run: str | Path) -> tuple[Loader, int]:
    """What reads the batches of a run, as one rank, and the number of its steps. Raises `UserError` as above."""
    folder = RunFolder(run)
    config = folder.config()
    if config is None:
        raise UserError(f"{run}: no training run here (no {CONFIG}). Give the folder of a run, such as OUT/train.")
    try:
        data, num_steps = config["data"], int(config["plan"]["num_steps"])
        sequence_length, seed = int(config["resolved_model"]["sequence_length"]), int(config["seed"])
        batches = Batches.of_run(config)
        url, manifest_sha256 = resolve(str(data["shards"]), folder.path), data["manifest_sha256"]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder.path / CONFIG}: not the configuration of a run ({error!r}).") from None
    # A build that was moved, or a command run elsewhere, finds its shards beside the run.
    for place in (url, str(folder.path.absolute().parent / "shards")):
        if Folder(place).exists("manifest.json"):
            shards = ShardSet.open(place, "train", check_index=False)
            if shards.manifest_sha256 == manifest_sha256:
                spans = left_out(config.get("rollbacks", ()))
                return Loader(shards, batches, sequence_length, seed, left_out=spans), num_steps
    raise UserError(f"{url}: is not (or no longer) the data that {run} was trained on; restore those shards.")
