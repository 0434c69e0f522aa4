"""A build on disk, read only: its stages' manifests, the raw files it names, and its document parts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from manifests.errors import UserError
from manifests.manifest import MANIFEST, Manifest, read_manifest
from manifests.paths import is_url
from manifests.seal import SEAL, read_seal
from manifests.storage import Folder

if TYPE_CHECKING:  # a third of a second, which questions that go through DuckDB need not wait for
    import pyarrow as pa

DROPPED = "dropped"
_BATCH_ROWS = 4096


class Build:
    """The folder of a build. Raises `UserError` where there is none."""

    def __init__(self, url: str) -> None:
        self.folder = Folder(url)
        self.url = self.folder.url
        if not self.folder.exists(SEAL):
            raise UserError(f"{url}: no build of groundup is here (no {SEAL}). Give the output folder of a recipe.")

    @cached_property
    def stages(self) -> list[str]:
        """The stages of the recipe, built or not, in order, as the seal lists them.

        Raises `UserError` where the seal is damaged, or written by a version that did not list them.
        """
        seal = read_seal(self.folder)
        stages: list[str] = seal["stages"] if seal else []
        if not stages:
            raise UserError(f"{self.url}/{SEAL}: lists no stages: written by an older groundup. Run the recipe again.")
        return stages

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """The manifests of the stages that are complete, in order."""
        found = {stage: read_manifest(self.folder.folder(stage)) for stage in self.stages}
        return {stage: manifest for stage, manifest in found.items() if manifest is not None}

    @cached_property
    def document_stages(self) -> list[str]:
        """The complete stages that write document parts, in order."""
        return [stage for stage, manifest in self.manifests.items() if manifest.writes_documents]

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
        """A Parquet file, one row group in memory at a time. Raises `UserError` where it cannot be read."""
        with self._parquet(path) as parquet:
            for group in range(parquet.num_row_groups):
                yield parquet.read_row_group(group, columns=columns)

    def rows(self, path: str, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
        """The rows of a Parquet file. Raises `UserError` where it cannot be read."""
        for table in self.tables(path, columns):
            for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
                yield from batch.to_pylist()

    @contextmanager
    def _parquet(self, path: str) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with self.folder.open(path) as file:
                yield pq.ParquetFile(file)
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise UserError(f"{self.url}/{path}: cannot be read ({error}). Run groundup audit.") from None

    def rows_around(self, path: str, number: int, columns: list[str] | None = None) -> tuple[int, pa.Table]:
        """The row group of a Parquet file that holds row `number`, and the number of its first row.

        Raises `UserError` where the file has no such row.
        """
        first = 0
        with self._parquet(path) as parquet:
            for group in range(parquet.num_row_groups):
                num_rows = parquet.metadata.row_group(group).num_rows
                if number < first + num_rows:
                    return first, parquet.read_row_group(group, columns=columns)
                first += num_rows
        raise UserError(
            f"{self.url}/{path}: has no row {number}; it does not belong to these shards. Run groundup audit."
        )

    def row(self, path: str, number: int) -> dict[str, Any]:
        """Row `number` of a Parquet file, reading only the row group that holds it. Raises `UserError`."""
        first, table = self.rows_around(path, number)
        row: dict[str, Any] = table.slice(number - first, 1).to_pylist()[0]
        return row

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


def open_build(url: str) -> Build:
    """The folder of a build whose manifests are those that the last run published.

    Raises `UserError` where there is none, or where one was changed: what is read of it could be anything.
    """
    build = Build(url)
    seal = read_seal(build.folder)
    for stage, digests in (seal["run"] if seal else {}).items():
        folder = build.folder.folder(stage)
        if folder.exists(MANIFEST) and folder.digest(MANIFEST).sha256 != digests["manifest"]:
            raise UserError(f"{folder.url}/{MANIFEST}: changed since it was published. Run groundup audit {build.url}.")
    return build


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
    return path if is_url(path) else os.path.join(folder, path)
