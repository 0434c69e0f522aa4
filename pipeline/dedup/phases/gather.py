"""Phases `gather` and `pair`: files of several producers -> one file for each receiver.

Without them each task of the next phase would read files of all tasks of the one before.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.manifest import FileEntry
from pipeline.dedup.candidates import ENTRY, FINE, range_bounds
from pipeline.dedup.phases.layout import Layout, LayoutPhase, split_by
from pipeline.dedup.rank import in_build_order, number
from pipeline.dedup.text.sketch import NUM_FINE
from pipeline.engine.records import TaskRecord
from pipeline.engine.tasks import WORK, Task, TaskOutput


class Gather(LayoutPhase):
    """Publishes what each receiver gets from one group of producers, as one file."""

    def process(self, task: Task, output: TaskOutput) -> None:
        for receiver, arrays in self.pieces(task, output):
            found = [array for array in arrays if array.size]
            if found:
                output.publish_array(received_path(self.name, receiver, task.name), np.concatenate(found))

    @abstractmethod
    def pieces(self, task: Task, output: TaskOutput) -> Iterator[tuple[str, list[NDArray[np.void]]]]:
        """For each receiver the arrays that it gets from each producer."""


def received_path(phase: str, receiver: str, producers: str) -> str:
    return f"{WORK}/{phase}/{receiver}/{producers}.npy"


def by_receiver(records: list[TaskRecord]) -> dict[str, tuple[FileEntry, ...]]:
    """The files for each receiver, of all tasks of a gathering phase."""
    found: dict[str, tuple[FileEntry, ...]] = {}
    for record in records:
        for entry in record.outputs:
            receiver = entry.path.split("/")[-2]
            found[receiver] = (*found.get(receiver, ()), entry)
    return found


def received(task: Task, output: TaskOutput, phase: str, dtype: np.dtype) -> NDArray[np.void]:
    """What a task was given by a gathering phase."""
    arrays = [output.read_array(entry.path) for entry in task.inputs if entry.path.startswith(f"{WORK}/{phase}/")]
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=dtype)


class GatherEntries(Gather):
    """Keys of a group of parts -> entries by range of keys."""

    name = "gather"

    def __init__(self, layout: Layout, num_ranges: int, in_order: bool) -> None:
        super().__init__(layout)
        self._num_ranges = num_ranges
        self._in_order = in_order  # whether documents are preferred in the order of the build

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "num_ranges": self._num_ranges, "in_order": self._in_order}

    def pieces(self, task: Task, output: TaskOutput) -> Iterator[tuple[str, list[NDArray[np.void]]]]:
        ordinals = self._layout.ordinals(int(task.name))
        parts = [(ordinal, self._keys(output, ordinal), self._documents(output, ordinal)) for ordinal in ordinals]
        num_files = len(task.inputs) // len(ordinals)  # of each part
        for place, ordinal in enumerate(ordinals):
            self._layout.parts[ordinal].check(output, task.inputs[place * num_files : (place + 1) * num_files])
        bounds = np.array(range_bounds(self._num_ranges)[:-1], dtype=np.uint64)
        ends = [[*np.searchsorted(keys["key"], bounds).tolist(), len(keys)] for _, keys, _ in parts]
        for receiver in range(self._num_ranges):
            yield (
                f"{receiver:05d}",
                [
                    self._entries(output, ordinal, keys[slice(*mine[receiver : receiver + 2])], documents)
                    for (ordinal, keys, documents), mine in zip(parts, ends, strict=True)
                ],
            )

    def _keys(self, output: TaskOutput, ordinal: int) -> NDArray[np.void]:
        """The keys of a part, ascending."""
        return self._layout.parts[ordinal].array(output, "keys")

    def _documents(self, output: TaskOutput, ordinal: int) -> NDArray[np.void]:
        """What is known of a part's documents, with their ranks among all: in memory, as each range asks for some."""
        layout = self._layout
        documents = np.array(layout.parts[ordinal].array(output, "documents"))
        if ordinal >= layout.num_own:
            documents["rank"] &= np.uint64(0xFFFFFFFF)
        elif self._in_order:
            places = layout.offsets[ordinal] + np.arange(documents.size)
            documents["rank"] = in_build_order(documents["rank"], places, layout.num_documents)
        return documents

    def _entries(
        self, output: TaskOutput, ordinal: int, keys: NDArray[np.void], documents: NDArray[np.void]
    ) -> NDArray[np.void]:
        if ordinal >= self._layout.num_own:
            keys = keys[self._layout.parts[ordinal].array(output, "kept")[keys["row"]]]
        entries = np.empty(len(keys), dtype=ENTRY)
        entries["key"] = keys["key"]
        entries["document"] = number(ordinal, keys["row"])
        known = documents[keys["row"]]
        entries["rank"], entries["content"] = known["rank"], known["content"]
        which = (keys["key"] >> np.uint64(2)) % np.uint64(NUM_FINE // FINE)  # the same for all of a key
        entries["fine"] = known["fine"].reshape(-1, NUM_FINE // FINE, FINE)[np.arange(len(keys)), which]
        return entries


class GatherPairs(Gather):
    """Pairs of some ranges -> pairs by block."""

    name = "pair"

    def pieces(self, task: Task, output: TaskOutput) -> Iterator[tuple[str, list[NDArray[np.void]]]]:
        layout = self._layout
        proposed = [output.read_array(entry.path) for entry in task.inputs]
        blocks = layout.blocks()
        numbers = [one * layout.num_groups + two for one, two in blocks]
        bounds = [*numbers, layout.num_groups**2]
        slices = [split_by(layout.block_numbers(pairs["better"], pairs["worse"]), bounds) for pairs in proposed]
        for place, block in enumerate(blocks):
            yield block_name(block), [pairs[mine[place]] for pairs, mine in zip(proposed, slices, strict=True)]


def block_name(block: tuple[int, int]) -> str:
    return f"{block[0]:05d}-{block[1]:05d}"
