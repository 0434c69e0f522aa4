"""Task records: the proof that a task is complete, and its part of the stage's manifest.

While a phase runs, each task has a file of its own, `tasks/<phase>/<task>.json`, published last. When all tasks of the
phase are complete, their records go into one file, `tasks/<phase>.jsonl`, a line each, and the single ones are removed:
a later run reads that file and one listing, whatever the number of tasks.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import pydantic_core
import xxhash

from manifests.manifest import Counts, FileEntry
from manifests.seal import TASKS
from manifests.settings import canonical_json
from manifests.storage import Folder

# A line begins with the checksum of what follows it, so that a damaged record is not read for a sound one.
_BEFORE, _AFTER = b'{"check":"', b'",'
_REST = len(_BEFORE) + 16 + len(_AFTER)
_ERROR = ".error.json"


def record_path(phase: str, task: str) -> str:
    return f"{TASKS}/{phase}/{task}.json"


def error_path(phase: str, task: str) -> str:
    return f"{TASKS}/{phase}/{task}{_ERROR}"


def _checksum(data: bytes) -> bytes:
    return xxhash.xxh3_64_hexdigest(data).encode()


class TaskRecord:
    """The record that a finished task leaves.

    A build may have a hundred thousand of them, so values are made when they are asked for, and kept as plain JSON.
    """

    __slots__ = ("json",)

    def __init__(self, json: dict[str, Any]) -> None:
        self.json = json

    @classmethod
    def parse(cls, data: bytes) -> TaskRecord | None:
        """The record in a file or line; None where there is none, or a damaged one."""
        line = data.rstrip(b"\n")
        rest = line[_REST:]
        if line[:_REST] != _BEFORE + _checksum(rest) + _AFTER:
            return None
        return cls(pydantic_core.from_json(b"{" + rest, cache_strings="keys"))

    def line(self) -> bytes:
        rest = canonical_json(self.json).encode()[1:]
        return _BEFORE + _checksum(rest) + _AFTER + rest + b"\n"

    @property
    def task(self) -> str:
        return str(self.json["task"])

    @property
    def fingerprint(self) -> str:
        return str(self.json["fingerprint"])

    @property
    def outputs(self) -> list[FileEntry]:
        return [FileEntry.model_construct(**entry) for entry in self.json["outputs"]]

    @property
    def counts(self) -> Counts:
        return Counts.model_validate(self.json["counts"])

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = self.json["facts"]
        return facts

    @property
    def damaged(self) -> list[str]:
        """One line for each place in an input that could not be read."""
        return list(self.json["damaged"])

    @property
    def run(self) -> dict[str, Any]:
        """Not reproducible: seconds, host."""
        run: dict[str, Any] = self.json["run"]
        return run

    def holds(self, fingerprint: str, sizes: dict[str, int]) -> bool:
        """True where the task need not run again: the same fingerprint, and every output there with its size."""
        if self.json["fingerprint"] != fingerprint:
            return False
        return all(sizes.get(entry["path"]) == entry["bytes"] for entry in self.json["outputs"])


class PhaseRecords:
    """The records of one phase of a stage, in the stage's folder.

    sizes: the folder's listing, which is kept true. Damaged records are left out, so that their tasks run again.
    """

    def __init__(self, folder: Folder, phase: str, sizes: dict[str, int]) -> None:
        self._folder = folder
        self._phase = phase
        self._sizes = sizes
        self.file = f"{TASKS}/{phase}.jsonl"
        self.digests: dict[str, str] = {}  # sha256 of the phase's file, where it is there
        self.by_task: dict[str, TaskRecord] = {}
        self._is_whole = True  # whether the file has all of `by_task`, and nothing else
        if self.file in sizes:
            data = folder.read_bytes(self.file)
            self.digests[self.file] = hashlib.sha256(data).hexdigest()
            lines = data.splitlines()
            self._add(lines)
            self._is_whole = len(self.by_task) == len(lines)
        self._add(folder.read_bytes(path) for path in self._single() if not path.endswith(_ERROR))

    def _single(self) -> list[str]:
        return [path for path in self._sizes if path.startswith(f"{TASKS}/{self._phase}/")]

    def _add(self, records: Iterable[bytes]) -> None:
        was_enabled = gc.isenabled()
        gc.disable()  # a hundred thousand records have no circles, and looking for them takes as long as reading
        try:
            found = filter(None, map(TaskRecord.parse, records))
            self.by_task.update((record.task, record) for record in found)
        finally:
            if was_enabled:
                gc.enable()

    def _delete(self, path: str) -> None:
        self._folder.delete(path)
        self._sizes.pop(path, None)

    def forget(self, tasks: Iterable[str]) -> None:
        """Remove the records of tasks that run again, and all errors of an earlier run.

        A record must not outlive its outputs: a task that is killed in the middle has replaced some of them.
        """
        stale = [task for task in tasks if self.by_task.pop(task, None) is not None]
        if stale and self.digests:
            self._write(list(self.by_task.values()))
        gone = {record_path(self._phase, task) for task in stale}
        for path in self._single():
            if path in gone or path.endswith(_ERROR):
                self._delete(path)

    def read(self, task: str) -> TaskRecord | None:
        """The record that a task has written just now; None where it wrote none."""
        path = record_path(self._phase, task)
        try:
            data = self._folder.read_bytes(path)
        except FileNotFoundError:
            return None
        self._sizes[path] = len(data)
        return TaskRecord.parse(data)

    def publish(self, complete: dict[str, TaskRecord], keep_others: bool) -> None:
        """Publish the records of a complete phase as one file, and remove the single ones.

        keep_others: keep the records of tasks that the plan no longer has, too.
        """
        others = [record for task, record in self.by_task.items() if keep_others and task not in complete]
        records = [*complete.values(), *others]
        single = self._single()
        if single or not self._is_whole or len(records) != len(self.by_task):
            self._write(records)
        if single:
            self._folder.delete(f"{TASKS}/{self._phase}")
            for path in single:
                del self._sizes[path]

    def _write(self, records: list[TaskRecord]) -> None:
        if not records:
            self._delete(self.file)
            self.digests.clear()
            return
        with self._folder.publish(self.file) as file:
            file.writelines(_batches(sorted(records, key=lambda record: record.task)))
        self.digests[self.file] = file.sha256
        self._sizes[self.file] = file.bytes
        self._is_whole = True


def _batches(records: list[TaskRecord], size: int = 1000) -> Iterator[bytes]:
    for start in range(0, len(records), size):
        yield b"".join(record.line() for record in records[start : start + size])
