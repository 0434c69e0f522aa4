"""Phase `verify`: a block of pairs -> how similar each pair is, computed from the texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.dedup.candidates import PAIR, Pairs, merge
from pipeline.dedup.phases.gather import GatherPairs, received
from pipeline.dedup.phases.layout import Layout, LayoutPhase
from pipeline.dedup.phases.texts import Compared
from pipeline.dedup.rank import Int64Array
from pipeline.dedup.schema import EXACT, NEAR, PAIR_SCHEMA, PAIRS, STORED_SIMILARITY
from pipeline.dedup.settings import MinHashSettings
from pipeline.dedup.text.similarity import similarities
from pipeline.engine.tasks import Task, TaskOutput

_BATCH_PAIRS, _BATCH_NGRAMS = 4096, 1 << 23


class Verify(LayoutPhase):
    """See the module. Pairs below `STORED_SIMILARITY`, or the threshold where that is lower, are counted only."""

    name = "verify"

    def __init__(self, layout: Layout, settings: MinHashSettings) -> None:
        super().__init__(layout)
        self._verify = settings.verify
        self._measure = settings.measure
        self._stored = min(STORED_SIMILARITY, settings.threshold)

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "verify": self._verify, "measure": self._measure, "stored": self._stored}

    def process(self, task: Task, output: TaskOutput) -> None:
        pairs = merge(received(task, output, GatherPairs.name, PAIR))
        groups = {int(group): Compared.read(output, int(group)) for group in dict.fromkeys(task.name.split("-"))}
        num_stored = 0
        with (
            output.publish(f"{PAIRS}/{task.name}.parquet") as file,
            pq.ParquetWriter(file, PAIR_SCHEMA, compression="zstd") as writer,
        ):
            for batch in self._batches(pairs, groups):
                table = self._table(batch, groups)
                writer.write_table(table)
                num_stored += table.num_rows
        output.facts["num_pairs"] = int(pairs.size)
        output.facts["num_unlike"] = int(pairs.size) - num_stored

    def _batches(self, pairs: Pairs, groups: dict[int, Compared]) -> Iterator[Pairs]:
        """The pairs, few enough at a time that memory holds the n-grams of their texts."""
        sizes = np.zeros(pairs.size, dtype=np.int64)
        for name in ("better", "worse"):
            of_group = self._layout.groups_of(pairs[name])
            for group, compared in groups.items():
                chosen = of_group == group
                sizes[chosen] += compared.sizes[compared.find(pairs[name][chosen])]
        steps = np.diff(np.cumsum(sizes) // _BATCH_NGRAMS) | np.diff(np.arange(pairs.size) // _BATCH_PAIRS)
        return iter(np.split(pairs, np.flatnonzero(steps) + 1) if pairs.size else [])

    def _table(self, pairs: Pairs, groups: dict[int, Compared]) -> pa.Table:
        is_near = pairs["kind"] == NEAR
        estimated, similarity = np.full((2, pairs.size), np.nan)
        estimated[is_near], similarity[is_near] = self._compare(pairs[is_near], groups)
        similarity[pairs["kind"] == EXACT] = 1.0
        is_stored = ~(similarity < self._stored)
        pairs, estimated, similarity = pairs[is_stored], estimated[is_stored], similarity[is_stored]
        columns = [*(pairs[name] for name in ("better", "worse", "rank", "content", "kind", "shared"))]
        arrays = [pa.array(column).cast(field.type) for column, field in zip(columns, PAIR_SCHEMA, strict=False)]
        arrays += [pa.array(column, from_pandas=True) for column in (estimated, similarity)]
        return pa.Table.from_arrays(arrays, schema=PAIR_SCHEMA)

    def _compare(self, pairs: Pairs, groups: dict[int, Compared]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Estimated and exact similarity of each pair; NaN for the latter where texts are not compared."""
        documents, place = np.unique(np.concatenate([pairs["better"], pairs["worse"]]), return_inverse=True)
        better, worse = place[: pairs.size], place[pairs.size :]
        texts, signatures, ngrams, lengths = self._load(documents, groups)
        estimated = (signatures[better] == signatures[worse]).mean(axis=1) if pairs.size else np.empty(0)
        if not self._verify:
            return estimated, np.full(pairs.size, np.nan)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        exact = similarities(
            ngrams, offsets, better, worse, self._measure, texts["sequence"].copy(), texts["is_repetitive"].copy()
        )
        return estimated, exact

    def _load(
        self, documents: Int64Array, groups: dict[int, Compared]
    ) -> tuple[NDArray[np.void], NDArray[np.uint16], NDArray[np.uint64], Int64Array]:
        """Of ascending documents: facts of their texts, signatures, n-grams one after the other, and how many."""
        texts, signatures, ngrams, lengths = [], [], [np.empty(0, dtype=np.uint64)], []
        of_group = self._layout.groups_of(documents)
        for group, compared in sorted(groups.items()):
            at = compared.find(documents[of_group == group])
            texts.append(compared.texts[at])
            signatures.append(compared.signatures[at])
            ends = compared.texts["end"][at]
            lengths.append(compared.sizes[at])
            begins = ends - lengths[-1]
            ngrams += [compared.ngrams[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
        return np.concatenate(texts), np.concatenate(signatures), np.concatenate(ngrams), np.concatenate(lengths)
