"""`dedup`: kept documents -> unique documents, the copies dropped with their cluster and the document kept instead.

Four phases: keys of each part, edges of each hash partition, clusters of the whole, then each part is written again.
Which document survives depends on the order of sources and files alone: the first of its cluster.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.dedup.clusters import NEAR_DUPLICATE, Assignment, resolve
from pipeline.dedup.keys import part_and_row, part_keys
from pipeline.dedup.lsh import edges, partition_count, partition_pairs
from pipeline.dedup.minhash import estimated_jaccard
from pipeline.dedup.settings import DedupSettings
from pipeline.documents.parts import PartReader, PartWriter, read_part, read_rows
from pipeline.engine.runner import PhaseRunner
from pipeline.engine.tasks import WORK, Phase, Task, TaskOutput
from pipeline.stages.base import Stage, StageResult, part_name, part_tasks

_MEMORY_BYTES = 2 << 30  # what finding the edges of one partition may use
_BATCH_DOCUMENTS = 1024
_KINDS = ("near", "exact")
CLUSTERS = "clusters.parquet"
CLUSTER_SCHEMA = pa.schema(
    [
        ("part", pa.string()),  # input part, below the build
        ("row", pa.int64()),
        ("id", pa.string()),
        ("cluster", pa.int64()),  # number of the survivor: (ordinal of its part << 32) + row
        ("cluster_size", pa.int64()),
        ("reason", pa.string()),  # null for the survivor
        ("similarity", pa.float64()),  # estimated Jaccard with the survivor, for near duplicates
        ("duplicate_of", pa.string()),  # id of the survivor, null for itself
    ]
)


def _key_path(name: str, what: str) -> str:
    return f"{WORK}/keys/{name}.{what}.npy"


class Keys(Phase):
    """Part -> signatures, and (key, document) pairs in the order of their partition."""

    name = "keys"

    def __init__(self, settings: DedupSettings, num_partitions: int) -> None:
        self._settings = settings
        self._num_partitions = num_partitions

    def settings(self) -> dict[str, Any]:
        return {"dedup": self._settings.model_dump(), "num_partitions": self._num_partitions}

    def process(self, task: Task, output: TaskOutput) -> None:
        (part,) = task.inputs
        signatures: list[np.ndarray] = []
        pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {kind: [] for kind in _KINDS}
        num_rows = 0
        for batch in _batches(read_part(output.build, part, ["text", "source"])):
            texts, sources = [row["text"] for row in batch], [row["source"] for row in batch]
            keys = part_keys(texts, sources, task.settings["ordinal"], self._settings)
            signatures.append(keys.signatures)
            for kind, (values, index) in zip(_KINDS, (keys.band_pairs(), keys.exact_pairs()), strict=True):
                pairs[kind].append((values, index + num_rows))  # the batch counts its rows from 0
            num_rows += len(batch)
        output.publish_array(_key_path(task.name, "signatures"), np.concatenate(signatures))
        for kind in _KINDS:
            values, index = (np.concatenate(arrays) for arrays in zip(*pairs[kind], strict=True))
            values, index, bounds = partition_pairs(values, index, self._num_partitions)
            for what, array in (("keys", values), ("index", index), ("bounds", bounds)):
                output.publish_array(_key_path(task.name, f"{kind}-{what}"), array)


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Rows in bounded numbers, so that a part's texts are never in memory together; one empty batch of no rows."""
    batch = list(itertools.islice(rows, _BATCH_DOCUMENTS))
    yield batch
    while batch := list(itertools.islice(rows, _BATCH_DOCUMENTS)):
        yield batch


class Edges(Phase):
    """Hash partition -> pairs of documents that share a key."""

    name = "edges"

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def process(self, task: Task, output: TaskOutput) -> None:
        partition = task.settings["partition"]
        for kind in _KINDS:
            values, index = [], []
            for name in self._names:
                start, stop = output.read_array(_key_path(name, f"{kind}-bounds"))[partition : partition + 2]
                values.append(output.read_array(_key_path(name, f"{kind}-keys"))[start:stop])
                index.append(output.read_array(_key_path(name, f"{kind}-index"))[start:stop])
            found = edges(np.concatenate(values), np.concatenate(index))
            output.publish_array(f"{WORK}/edges/{task.name}.{kind}.npy", found)


class Clusters(Phase):
    """All edges -> `clusters.parquet`: the documents that have a copy, in document order."""

    name = "clusters"

    def __init__(self, parts: list[str], partitions: list[str]) -> None:
        self._parts = parts
        self._partitions = partitions

    def process(self, task: Task, output: TaskOutput) -> None:
        near, exact = (
            [output.read_array(f"{WORK}/edges/{name}.{kind}.npy") for name in self._partitions] for kind in _KINDS
        )
        assignment = resolve(near, exact)
        ids = self._ids(assignment, output)
        signatures = _Signatures(self._parts, output)
        sizes = dict(zip(*np.unique(assignment.root, return_counts=True), strict=True))
        similarity = self._similarities(assignment, signatures)
        reasons = assignment.reasons()
        parts, rows = part_and_row(assignment.index)
        columns: dict[str, list[Any]] = {
            "part": [self._parts[ordinal] for ordinal in parts],
            "row": rows.tolist(),
            "id": [ids[index] for index in assignment.index.tolist()],
            "cluster": assignment.root.tolist(),
            "cluster_size": [int(sizes[root]) for root in assignment.root],
            "reason": reasons,
            "similarity": similarity,
            "duplicate_of": [
                ids[root] if reason else None for root, reason in zip(assignment.root.tolist(), reasons, strict=True)
            ],
        }
        with output.publish(CLUSTERS) as file:
            pq.write_table(pa.table(columns, schema=CLUSTER_SCHEMA), file, compression="zstd")
        output.facts["num_clusters"] = len(sizes)

    def _ids(self, assignment: Assignment, output: TaskOutput) -> dict[int, str]:
        """Global index -> id, of the documents in clusters."""
        ids: dict[int, str] = {}
        for ordinal, path in enumerate(self._parts):
            mine = assignment.part(ordinal)
            wanted = dict(zip(mine.rows().tolist(), mine.index.tolist(), strict=True))
            if wanted:
                for row, document in enumerate(read_rows(output.build, path, ["id"])):
                    if row in wanted:
                        ids[wanted[row]] = document["id"]
        return ids

    def _similarities(self, assignment: Assignment, signatures: _Signatures) -> list[float | None]:
        reasons = assignment.reasons()
        return [
            signatures.similarity(index, root) if reason == NEAR_DUPLICATE else None
            for index, root, reason in zip(assignment.index.tolist(), assignment.root.tolist(), reasons, strict=True)
        ]


class _Signatures:
    """Signatures by global index, from the memory-mapped files of the parts."""

    def __init__(self, parts: list[str], output: TaskOutput) -> None:
        self._parts = parts
        self._output = output
        self._arrays: dict[int, np.ndarray] = {}

    def _read(self, index: int) -> np.ndarray:
        ordinal, row = (int(numbers[0]) for numbers in part_and_row(np.array([index])))
        if ordinal not in self._arrays:
            path = _key_path(part_name(self._parts[ordinal]), "signatures")
            self._arrays[ordinal] = self._output.read_array(path)
        signature: np.ndarray = self._arrays[ordinal][row]
        return signature

    def similarity(self, first: int, second: int) -> float:
        return float(estimated_jaccard(self._read(first), self._read(second)))


class Apply(Phase):
    """Part -> its survivors, and the rest dropped with the document that is kept instead."""

    name = "apply"

    def process(self, task: Task, output: TaskOutput) -> None:
        part, clusters = task.inputs
        path = clusters.path.removeprefix(f"{output.stage}/")
        drops = {row["row"]: row for row in _cluster_rows(output, path, part.path) if row["reason"]}
        documents = PartReader(output.build, part, output.counts).run()
        with PartWriter(output, f"part-{task.name}") as writer:
            for row, document in enumerate(documents):
                drop = drops.get(row)
                if drop is None:
                    writer.write(document)
                else:
                    value, original = drop["similarity"], drop["duplicate_of"]
                    writer.add(document, drop["reason"], value, None, original, drop["cluster"])


def _cluster_rows(output: TaskOutput, path: str, part: str) -> Iterator[dict[str, Any]]:
    with output.folder.open(path) as file:
        yield from pq.read_table(file, filters=[("part", "=", part)]).to_pylist()


class DedupStage(Stage):
    """See the module."""

    name = "dedup"
    libraries = ("numpy", "pyarrow")
    worker_bytes = 1.0e9
    disk_share = 0.8

    def settings(self) -> dict[str, Any]:
        return {"dedup": self.recipe.dedup.model_dump()}

    def run(self, runner: PhaseRunner) -> StageResult:
        settings = self.recipe.dedup
        parts = self.documents()
        num_documents = sum(part.documents or 0 for part in parts)
        num_partitions = partition_count(num_documents, settings.minhash.num_buckets + 1, _MEMORY_BYTES)
        tasks = [
            task.model_copy(update={"settings": {"ordinal": ordinal}}) for ordinal, task in enumerate(part_tasks(parts))
        ]
        keys = runner.run(Keys(settings, num_partitions), tasks)
        partitions = [
            Task(
                name=f"{number:05d}",
                inputs=tuple(entry for record in keys for entry in record.outputs),
                settings={"partition": number, "num_partitions": num_partitions},
            )
            for number in range(num_partitions)
        ]
        found = runner.run(Edges([task.name for task in tasks]), partitions)
        together = Task(
            name="clusters",
            inputs=(*parts, *(entry for record in [*keys, *found] for entry in record.outputs)),
        )
        clusters = runner.run(Clusters([part.path for part in parts], [task.name for task in partitions]), [together])
        table = clusters[0].outputs[0]
        table = table.model_copy(update={"path": f"{self.name}/{table.path}"})
        apply_tasks = [task.model_copy(update={"inputs": (*task.inputs, table)}) for task in part_tasks(parts)]
        applied = runner.run(Apply(), apply_tasks)
        return StageResult(
            records=[*applied, *clusters],
            facts={"num_clusters": clusters[0].facts["num_clusters"]},
        )
