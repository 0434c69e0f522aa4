"""Phases `clusters` and `names`: pairs -> which documents go for which, and the names of those that stay."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.dedup.facts import SAMPLES, Cluster, cluster_facts
from pipeline.dedup.phases.layout import Layout, LayoutPhase, split_by
from pipeline.dedup.rank import Int64Array
from pipeline.dedup.resolve import NONE, Edges, components, greedy
from pipeline.dedup.schema import EXACT, NEAR
from pipeline.dedup.settings import MinHashSettings
from pipeline.engine.tasks import WORK, Task, TaskOutput

DECISION = np.dtype(
    [
        *(("document", np.int64), ("survivor", np.int64), ("kind", np.uint8), ("shared", np.int16)),
        *(("estimated", np.float64), ("similarity", np.float64)),
    ]
)
"""A document that goes, and the one that stays for it. `shared` is -1 where the two were not compared."""
_ROW_GROUP = 8192  # rows of names that are in memory
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


class Clusters(LayoutPhase):
    """All pairs -> `work/clusters/<group of survivors>.npy`.

    The one phase with a single task: it reads the pairs of all blocks, 40 bytes each, and holds 24 bytes a document
    that is in one.
    """

    name = "clusters"

    def __init__(self, layout: Layout, settings: MinHashSettings) -> None:
        super().__init__(layout)
        self._verify = settings.verify
        self._threshold = settings.threshold

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "verify": self._verify, "threshold": self._threshold}

    def process(self, task: Task, output: TaskOutput) -> None:
        layout = self._layout
        edges, documents, sources = self._edges(task, output)
        if self._verify:
            chosen = greedy(edges, documents.size)
            places = np.flatnonzero(chosen != NONE)
            edge = chosen[places].astype(np.int64)
            survivors = edges.better[edge]
        else:
            survivor = components(edges, documents.size)
            places = np.flatnonzero(survivor != NONE)
            survivors = survivor[places]
            edge = _edge_of(edges, survivors, places)
        decisions = np.empty(places.size, dtype=DECISION)
        decisions["document"], decisions["survivor"] = documents[places], documents[survivors]
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

    def _edges(self, task: Task, output: TaskOutput) -> tuple[Edges, Int64Array, list[tuple[str, Int64Array]]]:
        """The pairs that count, in places of the documents that are in one; these; of each file the rows that count."""
        columns: dict[str, list[NDArray[Any]]] = {name: [] for name in _NUMBERS}
        sources = []
        for entry in task.inputs:
            with output.folder.open(entry.path) as file:
                table = pq.read_table(file, columns=_NUMBERS)
            similarity = table["similarity"].to_numpy()  # NaN where it is null
            counts = ~(similarity < self._threshold) if self._verify else np.ones(table.num_rows, dtype=np.bool_)
            sources.append((entry.path, np.flatnonzero(counts)))
            for name in _NUMBERS:
                columns[name].append(table[name].to_numpy()[counts])
        types = (np.int64, np.int64, np.uint64, np.uint64, np.uint8, np.float64)
        better, worse, rank, content, kind, similarity = (
            np.concatenate([np.empty(0, dtype=kind), *columns.pop(name)]).astype(kind, copy=False)
            for name, kind in zip(_NUMBERS, types, strict=True)
        )
        np.nan_to_num(similarity, copy=False)
        documents = np.concatenate([better, worse])
        documents.sort()
        documents = documents[np.diff(documents, prepend=-1) != 0]
        better, worse = (np.searchsorted(documents, numbers).astype(np.uint32) for numbers in (better, worse))
        return Edges(better, worse, kind, similarity, rank, content), documents, sources

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
        places = np.flatnonzero(compared)
        places = places[np.argsort(edge[places], kind="stable")]
        begins = [0, *accumulate(rows.size for _, rows in sources)]
        for (path, rows), begin, mine in zip(sources, begins, split_by(edge[places], begins), strict=False):
            if mine.stop > mine.start:
                with output.folder.open(path) as file:
                    table = pq.read_table(file, columns=["shared_buckets", "estimated_similarity", "similarity"])
                taken = rows[edge[places[mine]] - begin]
                for name, column in zip(("shared", "estimated", "similarity"), table.columns, strict=True):
                    decisions[name][places[mine]] = column.to_numpy()[taken]


def _edge_of(edges: Edges, survivors: NDArray[np.uint32], documents: Int64Array) -> Int64Array:
    """The edge between each survivor and its document, -1 where there is none."""
    wide = np.uint64(32)
    keys = edges.better.astype(np.uint64) << wide | edges.worse
    order = np.lexsort([edges.kind != EXACT, keys])  # an exact copy is called that
    wanted = survivors.astype(np.uint64) << wide | documents.astype(np.uint64)
    at = np.searchsorted(keys[order], wanted)
    at = np.minimum(at, max(0, keys.size - 1))
    found = order[at] if keys.size else np.empty(0, dtype=np.int64)
    return np.where(keys[found] == wanted, found, -1)


class Names(LayoutPhase):
    """The decisions for the survivors of one group -> what `apply` needs, by the group of the documents."""

    name = "names"

    def process(self, task: Task, output: TaskOutput) -> None:
        layout = self._layout
        decisions, candidates = task.inputs
        rows = output.read_array(decisions.path)
        with output.folder.open(candidates.path) as file:
            table = pq.read_table(file, columns=["document", "id", "content"])
        survivors, which, counts = np.unique(rows["survivor"], return_inverse=True, return_counts=True)
        at = np.searchsorted(table["document"].to_numpy(), survivors)
        ids = table["id"].take(pa.array(at))
        clusters = (table["content"].to_numpy()[at] >> np.uint64(1)).astype(np.int64)
        removed = self._removed(rows, which, survivors.size)
        output.facts.update(
            cluster_facts(
                Cluster(cluster, count + 1, id.as_py(), self._source(number), sources, samples)
                for cluster, count, id, number, sources, samples in zip(
                    clusters.tolist(),
                    counts.tolist(),
                    ids,
                    survivors.tolist(),
                    removed,
                    self._samples(task, rows, counts, table),
                    strict=True,
                )
            )
        )
        is_own = survivors < layout.first_earlier
        stays = {
            "document": survivors[is_own],
            "cluster": clusters[is_own],
            "cluster_size": counts[is_own] + 1,
            "copies": [json.dumps(removed[place], ensure_ascii=False) for place in np.flatnonzero(is_own).tolist()],
        }
        goes = {
            "document": rows["document"],
            "kind": rows["kind"],
            "shared_buckets": pa.array(rows["shared"], mask=(rows["kind"] != NEAR) | (rows["shared"] < 0)),
            "estimated_similarity": pa.array(rows["estimated"], from_pandas=True),
            "similarity": pa.array(rows["similarity"], from_pandas=True),
            "duplicate_of": ids.take(pa.array(which)),
            "cluster": clusters[which],
        }
        both = [
            pa.table({name: columns.get(name, pa.nulls(len(columns["document"]))) for name in NAMES_SCHEMA.names})
            for columns in (stays, goes)
        ]
        named = pa.concat_tables([part.cast(NAMES_SCHEMA) for part in both]).sort_by("document")
        bounds = [layout.bounds(group)[0] for group in range(layout.num_groups)] + [len(layout.parts) << 32]
        for group, rows_of in enumerate(split_by(named["document"].to_numpy(), bounds)):
            if rows_of.stop > rows_of.start:
                with output.publish(f"{WORK}/{self.name}/{group:05d}/{task.name}.parquet") as file:
                    mine = named.slice(rows_of.start, rows_of.stop - rows_of.start)
                    pq.write_table(mine, file, compression="zstd", row_group_size=_ROW_GROUP)

    def _source(self, survivor: int) -> str:
        part = self._layout.parts[survivor >> 32]
        return part.source if part.build is None else f"{part.source} (earlier build)"

    def _removed(self, rows: NDArray[np.void], which: Int64Array, num_survivors: int) -> list[dict[str, int]]:
        """How many of each source went for each survivor, given the survivor of each row."""
        names = sorted({part.source for part in self._layout.parts})
        source_of = np.searchsorted(names, [part.source for part in self._layout.parts])
        in_all, numbers = np.unique(which * len(names) + source_of[rows["document"] >> 32], return_counts=True)
        found: list[dict[str, int]] = [{} for _ in range(num_survivors)]
        for place, number in zip(in_all.tolist(), numbers.tolist(), strict=True):
            found[place // len(names)][names[place % len(names)]] = number
        return found

    def _samples(self, task: Task, rows: NDArray[np.void], counts: Int64Array, table: pa.Table) -> Iterator[list[str]]:
        """Ids of a few that went for each survivor: of this group, whose names are at hand."""
        numbers = table["document"].to_numpy()
        bounds = self._layout.bounds(int(task.name))
        for mine in np.split(rows["document"], np.cumsum(counts)[:-1]):
            here = mine[slice(*np.searchsorted(mine, bounds))][:SAMPLES]
            yield table["id"].take(pa.array(np.searchsorted(numbers, here))).to_pylist()


def decisions(task: Task, output: TaskOutput) -> Iterator[tuple[int, dict[str, Any]]]:
    """What was decided for documents of a part, each with its row, ascending, where the task was given it."""
    first = task.settings["ordinal"] << 32
    paths = [entry.path for entry in task.inputs if entry.path.startswith(f"{WORK}/{Names.name}/")]
    rows = heapq.merge(*(_rows(output, path, first) for path in paths), key=lambda row: row["document"])
    return ((row["document"] - first, row) for row in rows)


def _rows(output: TaskOutput, path: str, first: int) -> Iterator[dict[str, Any]]:
    """The rows of a part, whose documents are numbered from `first`: a row group at a time, without those of others."""
    end = first + (1 << 32)
    with output.folder.open(path) as file:
        parquet = pq.ParquetFile(file)
        for group in range(parquet.num_row_groups):
            within = parquet.metadata.row_group(group).column(0).statistics
            if within.min < end and within.max >= first:
                chosen = (pc.field("document") >= first) & (pc.field("document") < end)
                yield from parquet.read_row_group(group).filter(chosen).to_pylist()
