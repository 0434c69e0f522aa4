"""A build on disk, read only: its stages' manifests, the raw files it names, and its document parts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manifests.errors import UserError
from manifests.manifest import STAGES, Manifest, digest_of, json_bytes, read_manifest
from manifests.storage import Folder

if TYPE_CHECKING:  # a third of a second, which questions that go through DuckDB need not wait for
    import pyarrow as pa

SEAL = "groundup.json"  # whose build this is, and the digest of every manifest and task record in it
TASKS = "tasks"
RUN = "train"  # the training run that stands beside the stages
DROPPED = "dropped"


class Build:
    """The folder of a build. Raises `UserError` where there is none."""

    def __init__(self, url: str) -> None:
        self.folder = Folder(url)
        self.url = self.folder.url
        if not self.folder.exists(SEAL):
            raise UserError(f"{url}: no build of groundup is here (no {SEAL}). Give the output folder of a recipe.")

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """The manifests of the stages that are complete, in order."""
        found = {stage: read_manifest(self.folder.folder(stage)) for stage in STAGES}
        return {stage: manifest for stage, manifest in found.items() if manifest is not None}

    def manifest(self, stage: str) -> Manifest:
        if stage not in self.manifests:
            raise UserError(f"{self.url}: stage {stage} is not complete. Run the recipe first.")
        return self.manifests[stage]

    def parts(self, stage: str, dropped: bool = False) -> list[str]:
        """Paths below the build of a stage's document parts, in document order."""
        prefix = f"{DROPPED}/part-" if dropped else "part-"
        return [
            f"{stage}/{entry.path}"
            for entry in self.manifest(stage).outputs
            if entry.path.startswith(prefix) and entry.path.endswith(".parquet")
        ]

    def tables(self, path: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """A Parquet file, one row group in memory at a time."""
        import pyarrow.parquet as pq

        with self.folder.open(path) as file:
            parquet = pq.ParquetFile(file)
            for group in range(parquet.num_row_groups):
                yield parquet.read_row_group(group, columns=columns)

    def row(self, path: str, number: int) -> dict[str, Any]:
        """Row `number` of a Parquet file, reading only the row group that holds it."""
        import pyarrow.parquet as pq

        with self.folder.open(path) as file:
            parquet = pq.ParquetFile(file)
            for group in range(parquet.num_row_groups):
                num_rows = parquet.metadata.row_group(group).num_rows
                if number < num_rows:
                    row: dict[str, Any] = parquet.read_row_group(group).slice(number, 1).to_pylist()[0]
                    return row
                number -= num_rows
        raise UserError(
            f"{self.url}/{path}: has no row {number}; it does not belong to these shards. Run groundup audit."
        )

    @cached_property
    def raw_files(self) -> dict[tuple[str, str], RawEntry]:
        """Every raw file that was read, by what documents carry in `source` and `file`."""
        manifest = self.manifest("acquire")
        recipe_folder = manifest.run.get("recipe_folder", ".")
        entries = {}
        for file in manifest.facts["files"]:
            inside = file["path"] is not None
            location = f"{self.folder.url}/acquire/{file['path']}" if inside else _join(recipe_folder, file["key"])
            entries[file["source"], file["key"]] = RawEntry(
                location=location,
                inside=inside,
                **{name: file[name] for name in ("key", "source", "format", "language", "bytes", "sha256", "path")},
                columns=file.get("columns") or {},
            )
        return entries

    def compute_seal(self, recipe: str) -> dict[str, Any]:
        """What `groundup.json` must hold for the build as it is now."""
        seals: dict[str, Any] = {}
        for stage in (*STAGES, RUN):
            folder = self.folder.folder(stage)
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
    now = Build(folder.url).compute_seal(recipe)
    kept = {stage: seal for stage, seal in before["run"].items() if stage in now["run"] and stage not in rebuilt}
    folder.publish_bytes(SEAL, json_bytes({"recipe": recipe, "run": {**now["run"], **kept}}))


def unseal(folder: Folder, stage: str) -> None:
    """Take a stage out of `groundup.json`: before its manifest goes, so that no old digest outlives it."""
    seal = read_seal(folder)
    if seal is not None and stage in seal["run"]:
        del seal["run"][stage]
        folder.publish_bytes(SEAL, json_bytes(seal))


@dataclass(frozen=True)
class RawEntry:
    """A raw file of the acquire manifest, and where it can be opened now."""

    key: str
    source: str
    format: str
    language: str | None
    bytes: int
    sha256: str
    path: str | None  # below the acquire folder; None where the file was read in place
    location: str
    inside: bool
    columns: dict[str, str]  # which of its columns is which of a document's, where they are named otherwise


def _join(folder: str, path: str) -> str:
    return path if "://" in path or Path(path).is_absolute() else str(Path(folder) / path)
