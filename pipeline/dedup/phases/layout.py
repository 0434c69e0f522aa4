"""Which parts are compared, and how work on them is cut into tasks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from manifests.errors import UserError
from manifests.manifest import FileEntry, digest_of
from manifests.storage import Folder
from pipeline.dedup.rank import Int64Array
from pipeline.engine.tasks import Phase, TaskOutput

_MOST_GROUPS = 64
_FEWEST_DOCUMENTS = 20_000  # of a group, about: tasks of fewer cost more than they do


class InputPart(NamedTuple):
    """A part of documents: one of this build, or one that an earlier build kept.

    path: below its build. keys: its files of keys, below the stage's folder, without their endings.
    build: the earlier build's address, None for this one.
    """

    name: str
    source: str
    entry: FileEntry
    num_documents: int
    keys: str
    build: str | None = None

    def reading(self, output: TaskOutput) -> TaskOutput:
        """Where the part's files are read: a task's own build, or the earlier one."""
        return output if self.build is None else TaskOutput(Folder(self.build), output.stage)

    def array(self, output: TaskOutput, what: str) -> NDArray[np.void]:
        """One of its files: `documents`, `signatures`, `keys` or `kept`. Raises `UserError` where it cannot be read."""
        path = f"{self.keys}.{what}.npy"
        try:
            return self.reading(output).read_array(path)
        except (OSError, ValueError):
            raise self._damaged(output, path) from None

    def check(self, output: TaskOutput, files: Sequence[FileEntry]) -> None:
        """Raises `UserError` where files of its keys are not what was published: no error of numpy would tell."""
        for entry in files:
            try:
                is_sound = self.reading(output).folder.digest(entry.path).sha256 == entry.sha256
            except OSError:
                is_sound = False
            if not is_sound:
                raise self._damaged(output, entry.path)

    def _damaged(self, output: TaskOutput, path: str) -> UserError:
        return UserError(
            f"{self.reading(output).folder.url}/{path}: is missing, or was changed or damaged after it was written. "
            "Delete it, if it is there, and run the recipe of its build again: it is made anew."
        )


class Layout:
    """All parts in order, those of earlier builds last, and the groups that they form.

    There are about as many groups as parts in each, and at most 64, so that no task reads files of all parts. Groups
    follow from the parts and their documents alone. `digest`: of all parts and their keys. What is done on numbers of
    documents depends on it.
    """

    def __init__(self, own: list[InputPart], earlier: list[InputPart], keys: list[list[FileEntry]]) -> None:
        self.parts = [*own, *earlier]
        self.num_own = len(own)
        self.offsets: Int64Array = np.cumsum([0, *(part.num_documents for part in self.parts)], dtype=np.int64)
        self.num_documents = int(self.offsets[-1])
        self.digest = digest_of(
            [
                (part.name, part.num_documents, part.build, [entry.sha256 for entry in files])
                for part, files in zip(self.parts, keys, strict=True)
            ]
        )
        self.starts = [0]  # ordinals at which groups begin, and the number of parts
        for begin, end in ((0, len(own)), (len(own), len(self.parts))):
            if end > begin:
                num_documents = int(self.offsets[end] - self.offsets[begin])
                most = min(_MOST_GROUPS, max(1, num_documents // _FEWEST_DOCUMENTS))
                count = min(isqrt(end - begin - 1) + 1, most)
                self.starts += [begin + (end - begin) * (index + 1) // count for index in range(count)]

    @property
    def num_groups(self) -> int:
        return len(self.starts) - 1

    @property
    def first_earlier(self) -> int:
        """Documents from this number on are of earlier builds."""
        return self.num_own << 32

    def group_of(self, ordinal: int) -> int:
        return bisect_right(self.starts, ordinal) - 1

    def ordinals(self, group: int) -> range:
        """The parts of a group."""
        return range(self.starts[group], self.starts[group + 1])

    def bounds(self, group: int) -> tuple[int, int]:
        """The numbers of documents of a group: from the first to before the second."""
        return self.starts[group] << 32, self.starts[group + 1] << 32

    def groups_of(self, documents: Int64Array) -> Int64Array:
        """The group of each document, given by number."""
        groups: Int64Array = np.searchsorted(np.array(self.starts), documents >> 32, side="right").astype(np.int64)
        return groups - 1

    def blocks(self) -> list[tuple[int, int]]:
        """All blocks: pairs of groups, the smaller first. Pairs of two groups of earlier builds are none."""
        earlier = self.group_of(self.num_own) if self.num_own < len(self.parts) else self.num_groups
        return [(one, two) for one in range(min(self.num_groups, earlier)) for two in range(one, self.num_groups)]

    def block_numbers(self, better: Int64Array, worse: Int64Array) -> Int64Array:
        """A number for the block of each pair: smaller group x number of groups + larger group."""
        one, two = self.groups_of(better), self.groups_of(worse)
        return np.minimum(one, two) * self.num_groups + np.maximum(one, two)


class LayoutPhase(Phase):
    """A phase that reads or writes numbers of documents."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def settings(self) -> dict[str, Any]:
        return {"layout": self._layout.digest}


def split_by(values: Int64Array, bounds: list[int]) -> list[slice]:
    """The slices of ascending values that lie between neighbouring bounds."""
    return [slice(*ends) for ends in pairwise(np.searchsorted(values, bounds).tolist())]
