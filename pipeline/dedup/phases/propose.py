"""Phase `propose`: a range of keys -> the pairs of documents that share one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.candidates import ENTRY, propose
from pipeline.dedup.phases.gather import GatherEntries, received
from pipeline.dedup.phases.layout import LayoutPhase
from pipeline.dedup.rank import Int64Array, ordinal_and_row
from pipeline.dedup.text.sketch import NUM_FINE
from pipeline.engine.tasks import WORK, Task, TaskOutput


class Propose(LayoutPhase):
    """See the module. Pairs are published in the order of their blocks."""

    name = "propose"

    def process(self, task: Task, output: TaskOutput) -> None:
        layout = self._layout

        def fine_keys(documents: Int64Array) -> NDArray[np.uint32]:
            ordinals, rows = ordinal_and_row(documents)
            keys = np.empty((documents.size, NUM_FINE), dtype=np.uint32)
            for ordinal in np.unique(ordinals).tolist():
                chosen = ordinals == ordinal
                keys[chosen] = layout.parts[ordinal].array(output, "documents")["fine"][rows[chosen]]
            return keys

        entries = received(task, output, GatherEntries.name, ENTRY)
        pairs = propose(entries, fine_keys, layout.first_earlier)
        order = np.argsort(layout.block_numbers(pairs["better"], pairs["worse"]), kind="stable")
        output.publish_array(f"{WORK}/{self.name}/{task.name}.npy", pairs[order])
