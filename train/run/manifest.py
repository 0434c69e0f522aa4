"""The manifest of a finished run: from which data, settings and code its weights came."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from manifests.code import code_digest, library_versions, software_versions
from manifests.manifest import Counts, FileEntry, FingerprintParts, Manifest, write_manifest
from manifests.paths import resolve
from manifests.seal import RUN, read_seal, stage_seal, write_seal
from manifests.storage import Folder
from train.data.batches import Batches
from train.optim.settings import OPTIMIZERS
from train.parallel.hardware import Hardware, describe
from train.run import checkpoint
from train.run.changes import deciding
from train.run.folder import CHECKPOINTS, CONFIG, LOCK, MANIFEST, RunFolder, read_metrics

_LIBRARIES = ("numpy", "safetensors", "torch")


def write_run_manifest(
    folder: RunFolder, config: dict[str, Any], objective: str, step: int, hardware: Hardware, run: dict[str, Any]
) -> None:
    """Publish RUN/manifest.json, the last file of a run.

    config: what config.toml says. objective: the module of what was learned. step: the last one. The environment, the
    times and the speed stand under `run`; the losses stand among the facts, as they are equal where device, library
    and number of threads are.
    """
    shards = Folder(resolve(config["data"]["shards"], folder.path))
    inputs = [
        FileEntry(path=f"shards/{entry['path']}", bytes=entry["bytes"], sha256=entry["sha256"])
        for entry in json.loads(shards.read_bytes("manifest.json")).get("outputs", [])
    ]
    weights = f"{CHECKPOINTS}/{checkpoint.checkpoint_path(folder.checkpoints, step).name}/{checkpoint.MODEL_FILE}"
    parts = FingerprintParts(
        settings=deciding(config),
        # The optimizer is loaded by its name, so no import of the objective leads to its code.
        code=code_digest((objective, OPTIMIZERS[config["train"]["optimizer"]].module)),
        libraries=library_versions(_LIBRARIES),
        inputs=f"sha256:{config['data']['manifest_sha256']}",
    )
    rows = read_metrics(folder.path)
    batches = Batches.of_run(config)
    losses = [row for row in rows if row["kind"] == "train" and "skipped" not in row]
    validations = [row for row in rows if row["kind"] == "validation"]
    facts: dict[str, Any] = {
        "data_manifest_sha256": config["data"]["manifest_sha256"],
        "model": config["resolved_model"],
        "num_steps": step,
        "num_tokens": batches.tokens_before(step),
        "loss": losses[-1]["loss"] if losses else None,
    }
    facts |= {key: config[key] for key in ("origin", "changes", "rollbacks") if config.get(key)}
    if validations:
        facts |= {
            "first_validation_loss": validations[0]["validation_loss"],
            "validation_loss": validations[-1]["validation_loss"],
            "bits_per_byte": validations[-1]["bits_per_byte"],
        }
    speeds = sorted(row["tokens_per_second"] for row in losses)
    run = run | describe(hardware) | {"files": _files(folder)}
    run["median_tokens_per_second"] = speeds[len(speeds) // 2] if speeds else None
    manifest = Manifest(
        stage="train",
        recipe=config["name"],
        fingerprint=parts.digest(),
        fingerprint_of=parts,
        inputs=inputs,
        outputs=[FileEntry.of(folder.folder.digest(path)) for path in (CONFIG, weights)],
        counts=Counts(),
        facts=facts,
        software=software_versions(),
        run=run,
    )
    write_manifest(folder.folder, manifest)
    seal_run(folder, rebuilt=True)


def seal_run(folder: RunFolder, rebuilt: bool = False) -> None:
    """Enter the run in the seal of the build that it stands in, if it stands in one and is not in its seal yet."""
    build = Folder(folder.path.absolute().parent)
    seal = read_seal(build)
    if folder.path.name == RUN and seal is not None:
        write_seal(build, seal["recipe"], {RUN: stage_seal(folder.folder)} if rebuilt else {})


def _files(folder: RunFolder) -> list[dict[str, Any]]:
    """Every file of the run with its digest. They stand under `run`, since metrics hold speeds."""
    own = {MANIFEST, LOCK}
    return [asdict(folder.folder.digest(path)) for path in folder.folder.list() if path not in own]
