"""Phase `keys`: a part -> the signatures and keys of its documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unicodedata import unidata_version

import pyarrow.parquet as pq

from manifests.code import library_versions
from manifests.errors import UserError
from pipeline.dedup.keys import KEYS_FORMAT, PartKeys
from pipeline.dedup.phases.contaminated import dropped_rows
from pipeline.dedup.settings import DedupSettings
from pipeline.documents.parts import read_part
from pipeline.engine.fingerprint import code_of
from pipeline.engine.tasks import WORK, Phase, Task, TaskOutput

KEYS = "keys"
_COLUMNS = ["text", "source", "id", "url", "date", "file"]
_BATCH_DOCUMENTS = 1024


def made_with(settings: DedupSettings) -> dict[str, Any]:
    """What must be equal in two builds whose keys are compared."""
    minhash = settings.minhash
    names = ("enabled", "num_buckets", "hashes_per_bucket", "ngram_words", "seed", "fold_verified")
    return {
        "format": KEYS_FORMAT,
        "exact": settings.exact,
        "url": settings.url,
        "scope": settings.scope,
        **{f"minhash.{name}": getattr(minhash, name) for name in names},
    }


class Keys(Phase):
    """See the module. Only a change of what keys are made of runs it again."""

    name = "keys"

    def __init__(self, settings: DedupSettings, source_order: list[str], folder: str) -> None:
        self._settings = settings
        self._source_order = source_order
        self._folder = folder

    def settings(self) -> dict[str, Any]:
        keep = self._settings.keep
        order = self._source_order if keep == "source" else None
        return {**made_with(self._settings), "keep": keep, "source_order": order, "folder": self._folder}

    def made_by(self) -> dict[str, Any]:
        libraries = library_versions(("numba", "numpy", "xxhash"))
        return {"code": code_of(__name__), "libraries": libraries, "unicode": unidata_version}

    def process(self, task: Task, output: TaskOutput) -> None:
        part, *others = task.inputs
        signals = [entry for entry in others if not entry.path.startswith(WORK)]
        dropped = dropped_rows(task, output)
        keys = PartKeys(self._settings, self._source_order)
        values = _signals(output, signals[0].path, self._settings.keep) if signals else iter(())
        batch: list[dict[str, Any]] = []
        left_out: set[int] = set()
        for number, row in enumerate(read_part(output.build, part, _COLUMNS)):
            if number in dropped:
                left_out.add(len(batch))
            batch.append({**row, "signal": next(values)} if signals else row)
            if len(batch) == _BATCH_DOCUMENTS:
                keys.add(batch, left_out)
                batch, left_out = [], set()
        keys.add(batch, left_out)
        for what, array in keys.arrays():
            output.publish_array(f"{self._folder}/{task.name}.{what}.npy", array)


def _signals(output: TaskOutput, path: str, name: str) -> Iterator[float | None]:
    """The signal of each kept document of a part, in order."""
    with output.build.open(path) as file:
        parquet = pq.ParquetFile(file)
        if name not in parquet.schema_arrow.names:
            known = ", ".join(column for column in parquet.schema_arrow.names if "." in column)
            raise UserError(f"dedup.keep: {name!r} is no signal of this build. Its signals: {known or 'none'}.")
        for group in range(parquet.num_row_groups):
            for row in parquet.read_row_group(group, columns=["reason", name]).to_pylist():
                if row["reason"] is None:
                    yield row[name]
