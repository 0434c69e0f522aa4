"""The seal of a build, `groundup.json`: whose build it is, its stages, and a digest of every manifest and record."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from typing import Any

from manifests.errors import UserError
from manifests.manifest import MANIFEST, digest_of, json_bytes
from manifests.paths import is_url
from manifests.storage import Folder

SEAL = "groundup.json"
TASKS = "tasks"
_STAGE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
RUN = "train"  # the training run that stands beside the stages


def stage_seal(stage: Folder, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """The entry of a stage in the seal: the digests of its manifest and of its task records.

    known: path -> sha256 of files whose digest is known, so that they are not read again.
    """
    known = known or {}

    def sha256(path: str) -> str:
        return known.get(path) or stage.digest(path).sha256

    records = [[path, sha256(path)] for path in stage.list(TASKS)]
    return {"manifest": sha256(MANIFEST), "records": digest_of(records)}


def compute_seal(build: Folder, recipe: str, stages: list[str]) -> dict[str, Any]:
    """The seal of the build as it is now. `stages`: all of the recipe, in their order."""
    folders = {stage: build.folder(stage) for stage in (*stages, RUN)}
    seals = {stage: stage_seal(folder) for stage, folder in folders.items() if folder.exists(MANIFEST)}
    return {"recipe": recipe, "stages": stages, "run": seals}


def read_seal(folder: Folder) -> dict[str, Any] | None:
    """The seal in `groundup.json`, None where there is none. Raises `UserError` when it is damaged."""
    if not folder.exists(SEAL):
        return None
    try:
        seal = json.loads(folder.read_bytes(SEAL))
        recipe, stages, run = seal["recipe"], seal.get("stages", []), seal["run"]
        names = [recipe, *stages, *run, *(text for digests in run.values() for text in digests.values())]
        known = all(digests.keys() == {"manifest", "records"} for digests in run.values())
        if not known or not isinstance(stages, list) or not all(isinstance(name, str) for name in names):
            raise TypeError("not as it is written")
        if not all(_STAGE_NAME.fullmatch(name) for name in (*stages, *run)) or len({*stages}) < len(stages):
            raise ValueError("stages are not each named once, as folders are")
        if not seal.keys() <= {"recipe", "stages", "run"}:
            raise ValueError("it says more than it is made to say")
        return {"recipe": recipe, "stages": stages, "run": run}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(
            f"{folder.url}/{SEAL}: damaged. If this is your build, delete that file and run the recipe again."
        ) from None


def write_seal(
    build: Folder, recipe: str, rebuilt: Mapping[str, dict[str, str]], stages: list[str] | None = None
) -> None:
    """Publish `groundup.json` with the seals of `rebuilt` stages (`stage_seal`); the others keep the ones they had.

    stages: all stages of the recipe, built or not, in their order; None where they are those of the seal before.
    After this a change of any byte of the build can be told, also one made before a later run. A complete stage that
    the seal does not know is entered as it is.
    """
    before = read_seal(build)
    kept = before["run"] if before else {}
    if stages is None:
        stages = list(before["stages"]) if before else []
    if before is None:
        build.publish_bytes(SEAL, json_bytes({"recipe": recipe, "stages": stages, "run": {}}))
    seals = {}
    for stage in dict.fromkeys((*stages, *kept, RUN)):
        folder = build.folder(stage)
        if folder.exists(MANIFEST):
            seals[stage] = rebuilt.get(stage) or kept.get(stage) or stage_seal(folder)
    after = {"recipe": recipe, "stages": stages, "run": seals}
    if after != before:
        build.publish_bytes(SEAL, json_bytes(after))


def unseal(folder: Folder, stage: str) -> None:
    """Take a stage out of `groundup.json`: before its manifest goes, so that no old digest outlives it."""
    seal = read_seal(folder)
    if seal is not None and stage in seal["run"]:
        del seal["run"][stage]
        folder.publish_bytes(SEAL, json_bytes(seal))


def misplaced_build(recipe: str, output: str, written: str) -> str | None:
    """A line on a build that lies where `output` once led, below the working directory; None where there is none.

    recipe: its name. output: where its build is, or will be. written: `output` as the recipe writes it.
    """
    before = os.path.expanduser(written)
    if is_url(written) or os.path.exists(output) or not os.path.exists(f"{before}/{SEAL}"):
        return None
    seal = read_seal(Folder(before))
    if seal is None or seal["recipe"] != recipe:
        return None
    parent, place = shlex.quote(os.path.dirname(output) or "."), shlex.quote(output)
    return (
        f"a build of {recipe} lies in {written}, but `output` is relative to the recipe: {output}. "
        f"To go on with it: mkdir -p {parent} && mv {shlex.quote(before)} {place}"
    )
