"""The seal of a build, `groundup.json`: whose build it is, and the digest of every manifest and task record in it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from manifests.errors import UserError
from manifests.manifest import STAGES, digest_of, json_bytes
from manifests.storage import Folder

SEAL = "groundup.json"
TASKS = "tasks"
RUN = "train"  # the training run that stands beside the stages


def compute_seal(build: Folder, recipe: str) -> dict[str, Any]:
    """What `groundup.json` must hold for the build as it is now."""
    seals: dict[str, Any] = {}
    for stage in (*STAGES, RUN):
        folder = build.folder(stage)
        if folder.exists("manifest.json"):
            records = [[path, folder.digest(path).sha256] for path in folder.list(TASKS)]
            seals[stage] = {
                "manifest": hashlib.sha256(folder.read_bytes("manifest.json")).hexdigest(),
                "records": digest_of(records),
            }
    return {"recipe": recipe, "run": seals}


def read_seal(folder: Folder) -> dict[str, Any] | None:
    """What `groundup.json` holds, None where there is none. Raises `UserError` when it is damaged."""
    if not folder.exists(SEAL):
        return None
    try:
        seal = json.loads(folder.read_bytes(SEAL))
        return {"recipe": str(seal["recipe"]), "run": dict(seal["run"])}
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{folder.url}/{SEAL}: damaged. If this is your build, delete that file and run the recipe again."
        ) from None


def write_seal(folder: Folder, recipe: str, rebuilt: list[str]) -> None:
    """Publish `groundup.json` with new digests for the stages of `rebuilt`; the other stages keep the ones they had.

    After this a change of any byte of the build can be told, also one made before a later run.
    """
    before = read_seal(folder) or {"run": {}}
    if not folder.exists(SEAL):
        folder.publish_bytes(SEAL, json_bytes({"recipe": recipe, "run": {}}))
    now = compute_seal(folder, recipe)
    kept = {stage: seal for stage, seal in before["run"].items() if stage in now["run"] and stage not in rebuilt}
    folder.publish_bytes(SEAL, json_bytes({"recipe": recipe, "run": {**now["run"], **kept}}))


def unseal(folder: Folder, stage: str) -> None:
    """Take a stage out of `groundup.json`: before its manifest goes, so that no old digest outlives it."""
    seal = read_seal(folder)
    if seal is not None and stage in seal["run"]:
        del seal["run"][stage]
        folder.publish_bytes(SEAL, json_bytes(seal))
