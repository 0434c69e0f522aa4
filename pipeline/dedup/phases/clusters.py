"""Phases `clusters` and `names`: pairs -> which documents go for which, and the names of those that stay."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.dedup.facts import SAMPLES, Cluster, cluster_facts
from pipeline.dedup.phases.layout import Layout, split_by
from pipeline.dedup.rank import Int64Array
from pipeline.dedup.resolve import NONE, Edges, components, greedy
from pipeline.dedup.schema import NEAR
from pipeline.dedup.settings import MinHashSettings
from pipeline.engine.tasks import WORK, Phase, Task, TaskOutput

DECISION = np.dtype(
    [
        *(("document", np.int64), ("survivor", np.int64), ("kind", np.uint8), ("shared", np.int16)),
        *(("estimated", np.float64), ("similarity", np.float64)),
    ]
)
"""A document that goes, and the one that stays for it. `shared` is -1 where the two were not compared."""
_NUMBERS = ["better", "worse", "better_rank", "better_content", "kind", "similarity"]
NAMES_SCHEMA = pa.schema(
    [
        ("document", pa.int64()),
        ("kind", pa.int8()),  # null for a survivor
        ("shared_buckets", pa.int16()),
        ("estimated_similarity", pa.float64()),
        ("similarity", pa.float64()),
        ("duplicate_of", pa.string()),
        ("cluster", pa.int64()),
        ("cluster_size", pa.int64()),  # of a survivor
        ("copies", pa.string()),
    ]
)


class Clusters(Phase):
    """All pairs -> `work/clusters/<group of survivors>.npy`.

    The one phase with a single task: it reads the pairs of all blocks, 40 bytes each, and holds 16 bytes a document.
    """

    name = "clusters"

    def __init__(self, layout: Layout, settings: MinHashSettings) -> None:
        self._layout = layout
        self._verify = settings.verify
        self._threshold = settings.threshold

    def settings(self) -> dict[str, Any]:
        return {"verify": self._verify, "threshold": self._threshold}

    def process(self, task: Task, output: TaskOutput) -> None:
        layout = self._layout
        edges, sources = self._edges(task, output)
        if self._verify:
            chosen = greedy(edges, layout.num_documents)
            places = np.flatnonzero(chosen != NONE)
            edge = chosen[places].astype(np.int64)
            survivors = edges.better[edge]
        else:
            survivor = components(edges, layout.num_documents)
            places = np.flatnonzero(survivor != NONE)
            survivors = survivor[places]
            edge = _edge_of(edges, survivors, places)
        decisions = np.empty(places.size, dtype=DECISION)
        decisions["document"], decisions["survivor"] = layout.numbers(places), layout.numbers(survivors)
        is_own = decisions["document"] < layout.first_earlier
        decisions, edge = decisions[is_own], edge[is_own]
        decisions["kind"], decisions["shared"], decisions["estimated"], decisions["similarity"] = (
            NEAR,
            -1,
            np.nan,
            np.nan,
        )
        compared = edge >= 0
        self._fill_in(decisions, edge, compared, edges, sources, output)
        decisions = decisions[np.lexsort([decisions["document"], decisions["survivor"]])]
        bounds = [layout.bounds(group)[0] for group in range(layout.num_groups)] + [len(layout.parts) << 32]
        for group, mine in enumerate(split_by(decisions["survivor"], bounds)):
            if mine.stop > mine.start:
                output.publish_array(f"{WORK}/{self.name}/{group:05d}.npy", decisions[mine])

    def _edges(self, task: Task, output: TaskOutput) -> tuple[Edges, list[tuple[str, NDArray[np.int64]]]]:
        """The pairs that count, and of each file the rows that they are."""
        columns: dict[str, list[NDArray[Any]]] = {name: [] for name in _NUMBERS}
        sources = []
        for entry in task.inputs:
            with output.folder.open(entry.path) as file:
                table = pq.read_table(file, columns=_NUMBERS)
            similarity = table["similarity"].to_numpy()  # NaN where it is null
            counts = ~(similarity < self._threshold) if self._verify else np.ones(table.num_rows, dtype=np.bool_)
            sources.append((entry.path, np.flatnonzero(counts)))
            for name in ("better", "worse"):
                columns[name].append(self._layout.places(table[name].to_numpy()[counts]))
            for name in _NUMBERS[2:]:
                columns[name].append(table[name].to_numpy()[counts])
        types = (np.uint32, np.uint32, np.uint64, np.uint64, np.uint8, np.float64)
        better, worse, rank, content, kind, similarity = (
            np.concatenate([np.empty(0, dtype=kind), *columns.pop(name)]).astype(kind, copy=False)
            for name, kind in zip(_NUMBERS, types, strict=True)
        )
        np.nan_to_num(similarity, copy=False)
        return Edges(better, worse, kind, similarity, rank, content), sources

    def _fill_in(
        self,
        decisions: NDArray[np.void],
        edge: Int64Array,
        compared: NDArray[np.bool_],
        edges: Edges,
        sources: list[tuple[str, NDArray[np.int64]]],
        output: TaskOutput,
    ) -> None:
        """The evidence of each decision, read from the file of its pair."""
        decisions["kind"][compared] = edges.kind[edge[compared]]
        begin = 0
        for path, rows in sources:
            mine = np.flatnonzero(compared & (edge >= begin) & (edge < begin + rows.size))
            if mine.size:
                with output.folder.open(path) as file:
                    table = pq.read_table(file, columns=["shared_buckets", "estimated_similarity", "similarity"])
                taken = rows[edge[mine] - begin]
                for name, column in zip(("shared", "estimated", "similarity"), table.columns, strict=True):
                    decisions[name][mine] = column.to_numpy()[taken]
            begin += rows.size


def _edge_of(edges: Edges, survivors: NDArray[np.uint32], documents: Int64Array) -> Int64Array:
    """The edge between each survivor and its document, -1 where there is none."""
    wide = np.uint64(32)
    keys = edges.better.astype(np.uint64) << wide | edges.worse
    order = np.argsort(keys)
    wanted = survivors.astype(np.uint64) << wide | documents.astype(np.uint64)
    at = np.searchsorted(keys[order], wanted)
    at = np.minimum(at, max(0, keys.size - 1))
    found = order[at] if keys.size else np.empty(0, dtype=np.int64)
    return np.where(keys[found] == wanted, found, -1)


class Names(Phase):
    """The decisions for the survivors of one group -> what `apply` needs, by the group of the documents."""

    name = "names"

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def process(self, task: Task, output: TaskOutput) -> None:
        layout = self._layout
        decisions, candidates = task.inputs
        rows = output.read_array(decisions.path)
        with output.folder.open(candidates.path) as file:
            table = pq.read_table(file, columns=["document", "id", "content"])
        survivors, first, counts = np.unique(rows["survivor"], return_index=True, return_counts=True)
        candidates_here, ids_here = table["document"].to_numpy(), table["id"].combine_chunks()
        at = np.searchsorted(candidates_here, survivors)
        ids = ids_here.take(pa.array(at)).to_pylist()
        clusters = (table["content"].to_numpy()[at] >> np.uint64(1)).astype(np.int64)
        found: list[dict[str, Any]] = []
        of_survivors: list[Cluster] = []
        bounds_here = layout.bounds(int(task.name))
        for number, begin, count, name, cluster in zip(
            survivors.tolist(), first.tolist(), counts.tolist(), ids, clusters.tolist(), strict=True
        ):
            mine = rows[begin : begin + count]
            sources = Counter(layout.parts[ordinal].source for ordinal in (mine["document"] >> 32).tolist())
            # Samples are of this group, whose names are at hand.
            here = mine["document"][slice(*np.searchsorted(mine["document"], bounds_here))][:SAMPLES]
            samples = np.searchsorted(candidates_here, here)
            kept = layout.parts[number >> 32]
            of_survivors.append(
                Cluster(
                    cluster=cluster,
                    size=count + 1,
                    kept=name,
                    source=kept.source if kept.build is None else f"{kept.source} (earlier build)",
                    removed=sources,
                    samples=[ids_here[place].as_py() for place in samples.tolist()],
                )
            )
            if number < layout.first_earlier:
                copies = json.dumps(dict(sorted(sources.items())), ensure_ascii=False)
                found.append({"document": number, "cluster": cluster, "cluster_size": count + 1, "copies": copies})
            found += [
                {
                    "document": int(row["document"]),
                    "kind": int(row["kind"]),
                    "shared_buckets": int(row["shared"]) if row["kind"] == NEAR and row["shared"] >= 0 else None,
                    "estimated_similarity": _value(row["estimated"]),
                    "similarity": _value(row["similarity"]),
                    "duplicate_of": name,
                    "cluster": cluster,
                }
                for row in mine
            ]
        output.facts.update(cluster_facts(of_survivors))
        found.sort(key=lambda row: row["document"])
        named = pa.Table.from_pylist(found, NAMES_SCHEMA)
        documents = named["document"].to_numpy()
        bounds = [layout.bounds(group)[0] for group in range(layout.num_groups)] + [len(layout.parts) << 32]
        for group, rows_of in enumerate(split_by(documents, bounds)):
            if rows_of.stop > rows_of.start:
                with output.publish(f"{WORK}/{self.name}/{group:05d}/{task.name}.parquet") as file:
                    pq.write_table(named.slice(rows_of.start, rows_of.stop - rows_of.start), file, compression="zstd")


def _value(number: float) -> float | None:
    return None if np.isnan(number) else float(number)


def decisions(task: Task, output: TaskOutput) -> dict[int, dict[str, Any]]:
    """What was decided for documents of a part, by their row, from the files that the task was given."""
    first = task.settings["ordinal"] << 32
    found: dict[int, dict[str, Any]] = {}
    for entry in task.inputs:
        if entry.path.startswith(f"{WORK}/{Names.name}/"):
            with output.folder.open(entry.path) as file:
                filters = (pc.field("document") >= first) & (pc.field("document") < first + (1 << 32))
                rows = pq.read_table(file, filters=filters).to_pylist()
            found |= {row["document"] - first: row for row in rows}
    return found
