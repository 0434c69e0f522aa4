"""A task: the unit of work that is fixed by the data, published whole, and recorded last.

A phase says what its tasks do; `TaskOutput` is what one task may publish; its record (`engine.records`) is written
after everything else and makes the task complete.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from manifests.manifest import Counts, FileEntry, SourceCounts
from manifests.settings import Settings, canonical_json
from manifests.storage import Folder
from pipeline.engine.fingerprint import code_of
from pipeline.engine.records import TaskRecord, record_path

WORK = "work"  # files that later phases of a stage read; removed when the stage is complete


class Task(Settings):
    """One unit of work. Its name is stable: it comes from the source and the input's place in it, not from a rank."""

    name: str
    inputs: tuple[FileEntry, ...] = ()
    settings: dict[str, Any] = Field(default_factory=dict)


def task_fingerprint(task: Task, phase: str, parts_digest: str) -> str:
    """The digest of everything that decides a task's output. `parts_digest`: of the phase's own share of it."""
    inputs = "".join(f"{entry.path}\0{entry.sha256}\0" for entry in task.inputs)
    settings = canonical_json(task.settings)
    text = "\0".join((phase, parts_digest, task.name, str(len(task.inputs)), inputs, settings))
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class CountsBuilder:
    """Counts of one task while it runs."""

    def __init__(self) -> None:
        self._in: Counter[str] = Counter()
        self._out: Counter[str] = Counter()
        self._dropped: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._other: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._edited: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def read(self, source: str, number: int = 1) -> None:
        self._in[source] += number

    def kept(self, source: str, number: int = 1) -> None:
        self._out[source] += number

    def dropped(self, source: str, reason: str, number: int = 1) -> None:
        self._dropped[source][reason] += number

    def other_records(self, source: str, kind: str, number: int) -> None:
        self._other[source][kind] += number

    def edited(self, source: str, rule: str, number: int) -> None:
        self._edited[source][rule] += number

    def build(self) -> Counts:
        names = sorted({*self._in, *self._out, *self._dropped, *self._other, *self._edited})
        sources = {
            name: SourceCounts(
                documents_in=self._in[name],
                documents_out=self._out[name],
                dropped=dict(self._dropped[name]),
                other_records=dict(self._other[name]),
                edited=dict(self._edited[name]),
            )
            for name in names
        }
        return Counts.sum([Counts(sources=sources)])


class TaskOutput:
    """What a task may publish, and where it counts what it did. Every file goes through this object."""

    def __init__(self, build: Folder, stage: str, folder: Folder | None = None) -> None:
        self.build = build  # the whole build: where inputs are read
        self.folder = folder or build.folder(stage)  # the stage's own folder: where outputs go
        self.stage = stage
        self.counts = CountsBuilder()
        self.facts: dict[str, Any] = {}
        self.damaged: list[str] = []
        self.run_facts: dict[str, Any] = {}  # not reproducible: retries, seconds
        self.outputs: list[FileEntry] = []

    def add(self, entry: FileEntry) -> None:
        self.outputs.append(entry)

    @contextmanager
    def publish(self, path: str) -> Iterator[Any]:
        """Publish one file of this task and note it among the outputs."""
        with self.folder.publish(path) as file:
            yield file
        self.add(FileEntry(path=path, bytes=file.bytes, sha256=file.sha256))

    def publish_array(self, path: str, array: np.ndarray) -> None:
        """Publish an array as `.npy`."""
        with self.publish(path) as file:
            np.save(file, array, allow_pickle=False)

    def read_array(self, path: str) -> np.ndarray:
        """Read an array that an earlier phase published; memory-mapped on a local disk."""
        array: np.ndarray
        if self.folder.is_local:
            array = np.load(self.folder.full(path), mmap_mode="r", allow_pickle=False)
        else:
            with self.folder.open(path) as file:
                array = np.load(file, allow_pickle=False)
        return array

    def publish_record(self, task: Task, phase: str, fingerprint: str, run: dict[str, Any]) -> None:
        """Write the task's record: from here on the task is complete.

        Raises `RuntimeError` when documents in are not documents out plus documents dropped: that is a defect here.
        """
        counts = self.counts.build()
        if not counts.closes:
            raise RuntimeError(f"{self.stage} {phase} {task.name}: counts do not close: {counts.model_dump()}")
        record = TaskRecord(
            {
                "task": task.name,
                "phase": phase,
                "fingerprint": fingerprint,
                "outputs": [entry.model_dump() for entry in self.outputs],
                "counts": counts.model_dump(),
                "facts": self.facts,
                "damaged": self.damaged,
                "run": {**run, **self.run_facts},
            }
        )
        # Not flushed to the disk: where a power failure takes it, the task runs again.
        self.folder.publish_bytes(record_path(phase, task.name), record.line(), flush=False)


class Phase(ABC):
    """What one kind of task does. Phases are sent to other processes, so they hold settings and no open files."""

    name: str
    threads: ClassVar[int] = 1  # tasks at a time in one worker: more than one where a task mostly waits
    shaped_by: ClassVar[tuple[str, ...] | None] = None  # modules that, with what they use, shape its output

    def settings(self) -> dict[str, Any]:
        """What decides this phase's output beside the task's inputs and the stage's code."""
        return {}

    def made_by(self) -> dict[str, Any] | None:
        """Code and libraries that shape this phase's output: `shaped_by`; None where all those of the stage do."""
        if self.shaped_by is None:
            return None
        return {"code": code_of(*self.shaped_by)} if self.shaped_by else {}

    @abstractmethod
    def process(self, task: Task, output: TaskOutput) -> None:
        """Do the task: read its inputs below `output.build`, publish through `output`, count everything.

        Called from several threads at a time where `threads` is above 1.
        """

    def num_bytes(self, pending: list[Task]) -> tuple[int, int | None] | None:
        """For the progress bar: bytes that have arrived so far, and bytes to come in all where that is known.

        None where bytes say nothing of the progress. Asked in the run's own process.
        """
        return None

    def waiting(self) -> str:
        """What everybody waits for just now, in words; empty where nobody does. Asked in the run's own process."""
        return ""

    def close(self) -> None:  # noqa: B027 - most phases hold nothing
        """Let go of what `process` opened in this process."""
