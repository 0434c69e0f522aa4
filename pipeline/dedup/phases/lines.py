"""Phases `units`, `gather_units`, `repeats` and `gather_repeats`: which lines of which documents are to be cut out.

A part gives the units of the documents that stay; a range of keys finds the repeated ones; a group of parts gets its
own back.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dedup.candidates import ENTRY
from pipeline.dedup.keys import KEY, group_of, space_number
from pipeline.dedup.lines import REPEAT, Units, repeats, units
from pipeline.dedup.phases.clusters import decisions
from pipeline.dedup.phases.contaminated import dropped_rows
from pipeline.dedup.phases.gather import Gather, GatherEntries, received
from pipeline.dedup.phases.layout import split_by
from pipeline.dedup.settings import DedupSettings
from pipeline.documents.parts import read_part
from pipeline.engine.tasks import WORK, Phase, Task, TaskOutput


def units_of(document: dict[str, Any], settings: DedupSettings) -> Units:
    """The units of a document, whose keys are equal within what is compared (`dedup.scope`)."""
    found = units(document["text"], settings.lines.unit)
    space = space_number(group_of(document["source"], document["file"], settings.scope))
    return found._replace(keys=found.keys ^ np.uint64(space))


class UnitKeys(Phase):
    """The units of a part's documents that stay -> their keys, ascending, each once a document."""

    name = "units"

    def __init__(self, settings: DedupSettings) -> None:
        self._settings = settings

    def settings(self) -> dict[str, Any]:
        return {"unit": self._settings.lines.unit, "scope": self._settings.scope}

    def process(self, task: Task, output: TaskOutput) -> None:
        gone = {row for row, decision in decisions(task, output) if decision["kind"] is not None}
        gone |= dropped_rows(task, output)
        found: list[NDArray[np.void]] = [np.empty(0, KEY)]
        for row, document in enumerate(read_part(output.build, task.inputs[0], ["text", "source", "file"])):
            if row not in gone:
                keys = np.unique(units_of(document, self._settings).keys)
                table = np.empty(len(keys), KEY)
                table["key"], table["row"] = keys, row
                found.append(table)
        together = np.concatenate(found)
        output.facts["num_units"] = len(together)
        order = np.lexsort([together["row"], together["key"]])
        output.publish_array(f"{WORK}/{self.name}/{task.name}.npy", together[order])


class GatherUnits(GatherEntries):
    """Units of a group of parts -> entries by range of keys."""

    name = "gather_units"

    def _keys(self, output: TaskOutput, ordinal: int) -> NDArray[np.void]:
        return output.read_array(f"{WORK}/{UnitKeys.name}/{self._layout.parts[ordinal].name}.npy")


class Repeats(Phase):
    """A range of keys -> the units that documents are to lose or to keep, by document."""

    name = "repeats"

    def __init__(self, min_documents: int) -> None:
        self._min_documents = min_documents

    def settings(self) -> dict[str, Any]:
        return {"min_documents": self._min_documents}

    def process(self, task: Task, output: TaskOutput) -> None:
        entries = received(task, output, GatherUnits.name, ENTRY)
        output.publish_array(f"{WORK}/{self.name}/{task.name}.npy", repeats(entries, self._min_documents))


class GatherRepeats(Gather):
    """Repeated units of some ranges -> by the group of their documents, ascending by document."""

    name = "gather_repeats"

    def pieces(self, task: Task, output: TaskOutput) -> Iterator[tuple[str, list[NDArray[np.void]]]]:
        layout = self._layout
        bounds = [layout.bounds(group)[0] for group in range(layout.num_groups)] + [len(layout.parts) << 32]
        tables = [output.read_array(entry.path) for entry in task.inputs]
        slices = [split_by(table["document"], bounds) for table in tables]
        for group in range(layout.num_groups):
            found = np.concatenate([table[mine[group]] for table, mine in zip(tables, slices, strict=True)])
            yield f"{group:05d}", [found[np.argsort(found["document"], kind="stable")]]


def repeats_in(task: Task, output: TaskOutput, ordinal: int) -> NDArray[np.void]:
    """The repeated units of a part's documents, by document and key, of those that the task was given."""
    mine = [np.empty(0, REPEAT)]
    for entry in task.inputs:
        if entry.path.startswith(f"{WORK}/{GatherRepeats.name}/"):
            found = output.read_array(entry.path)  # of a whole group: only what is asked for is read
            mine.append(found[slice(*(bisect_left(found["document"], at << 32) for at in (ordinal, ordinal + 1)))])
    together = np.concatenate(mine)
    ordered: NDArray[np.void] = together[np.lexsort([together["key"], together["document"]])]
    return ordered
