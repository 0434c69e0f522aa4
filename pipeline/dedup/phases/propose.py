"""Phase `propose`: a range of keys -> the pairs of documents that share one."""

from __future__ import annotations

import numpy as np

from pipeline.dedup.candidates import ENTRY, propose
from pipeline.dedup.phases.gather import GatherEntries, received
from pipeline.dedup.phases.layout import LayoutPhase
from pipeline.engine.tasks import WORK, Task, TaskOutput


class Propose(LayoutPhase):
    """See the module. Pairs are published in the order of their blocks."""

    name = "propose"

    def process(self, task: Task, output: TaskOutput) -> None:
        layout = self._layout
        pairs = propose(received(task, output, GatherEntries.name, ENTRY), layout.first_earlier)
        order = np.argsort(layout.block_numbers(pairs["better"], pairs["worse"]), kind="stable")
        output.publish_array(f"{WORK}/{self.name}/{task.name}.npy", pairs[order])
