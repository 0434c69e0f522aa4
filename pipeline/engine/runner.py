"""Executes the tasks of a phase on a datatrove executor, and keeps what is already complete.

There is no scheduler here: datatrove runs the tasks (local processes, Slurm, Ray). What it lacks stands around it:
a fingerprint for each task, records published last, and errors that name what failed.
"""

from __future__ import annotations

import json
import platform
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Protocol

from datatrove.data import DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from manifests.errors import UserError
from manifests.manifest import digest_of, json_bytes
from manifests.seal import TASKS
from manifests.secrets import scrub
from manifests.storage import Folder, refused_write, write_error
from pipeline.engine.executors.make import make_executor
from pipeline.engine.records import PhaseRecords, TaskRecord, error_path, record_path
from pipeline.engine.settings import ExecutorSettings
from pipeline.engine.tasks import Phase, Task, TaskOutput, task_fingerprint


class Watcher(Protocol):
    """Is told of a run while it goes on; what it shows is its own business."""

    def progress(self, label: str, done: int, total: int, num_bytes: tuple[int, int | None] | None = None) -> None:
        """Tasks done and tasks in all of what `label` names; bytes that arrived, and bytes in all where known."""

    def waiting(self, label: str, why: str) -> None:
        """Told again and again, for as long as all tasks wait for something."""

    def note(self, text: str) -> None:
        """A line that the user should see."""


class Unwatched:
    """A watcher that shows nothing."""

    def progress(self, label: str, done: int, total: int, num_bytes: tuple[int, int | None] | None = None) -> None:
        pass

    def waiting(self, label: str, why: str) -> None:
        pass

    def note(self, text: str) -> None:
        pass


class RunTask(PipelineStep):
    """The datatrove step that a worker executes: the pending task of its rank, whole or not at all.

    A task that fails leaves an error record and lets the others go on; the runner reports it afterwards.
    """

    type = "task"
    name = "groundup task"

    def __init__(self, build: str, stage: str, phase: Phase, pending: list[tuple[Task, str]]) -> None:
        super().__init__()
        self._build = build
        self._stage = stage
        self._phase = phase
        self._pending = pending
        self.threads = phase.threads

    @cached_property
    def _folder(self) -> Folder:
        """The build, for tasks that run one after the other; threads get clients of their own."""
        return Folder(self._build)

    def run(self, data: DocumentsPipeline = None, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        task, fingerprint = self._pending[rank]
        output = TaskOutput(self._folder if self.threads == 1 else Folder(self._build), self._stage)
        started = time.time()
        try:
            self._phase.process(task, output)
            run = {"seconds": round(time.time() - started, 3), "host": platform.node()}
            output.publish_record(task, self._phase.name, fingerprint, run)
        except Exception as caught:  # reported by the runner, from the record written here
            error = refused_write(caught) or caught
            failure = {"task": task.name, "user_error": isinstance(error, UserError), "error": _one_line(error)}
            failure["run"] = output.run_facts
            failure["traceback"] = scrub(traceback.format_exc())
            output.folder.publish_bytes(error_path(self._phase.name, task.name), json_bytes(failure))
        yield from ()

    def close(self) -> None:
        """After the last task of this process."""
        self._phase.close()


def _one_line(error: Exception) -> str:
    text = scrub(" ".join(str(error).split()))
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"


class PhaseRunner:
    """Runs phases of one stage. Made by the stage driver, used by the stages."""

    def __init__(
        self,
        build: Folder,
        stage: str,
        parts: dict[str, Any],
        executor: ExecutorSettings,
        watcher: Watcher | None = None,
        keep_strangers: bool = False,
    ) -> None:
        self.build = build
        self.folder = build.folder(stage)
        self.stage = stage
        self._parts = parts
        self._executor = executor
        self._keep_strangers = keep_strangers
        self.watcher: Watcher = watcher or Unwatched()
        self.num_reused = 0
        self.num_run = 0
        self.record_digests: dict[str, str] = {}  # sha256 of each phase's file of records
        self._sizes = self.folder.sizes()  # one listing for all phases, and one after each that ran

    def run(self, phase: Phase, tasks: list[Task]) -> list[TaskRecord]:
        """Run the tasks that are not complete yet; returns every task's record, in the order of `tasks`.

        Raises `UserError` when a task failed; the complete ones are kept for the next run.
        """
        made_by = phase.made_by()
        parts = {**(self._parts if made_by is None else made_by), "phase_settings": phase.settings()}
        digest = digest_of(parts)
        prints = {task.name: task_fingerprint(task, phase.name, digest) for task in tasks}
        records = PhaseRecords(self.folder, phase.name, self._sizes)
        complete = {
            name: record
            for name, fingerprint in prints.items()
            if (record := records.by_task.get(name)) is not None and record.holds(fingerprint, self._sizes)
        }
        pending = [(task, prints[task.name]) for task in tasks if task.name not in complete]
        self.num_reused += len(complete)
        self.num_run += len(pending)
        if pending:
            records.forget(task.name for task, _ in pending)
            self._execute(phase, pending, len(tasks))
            self._sizes.clear()
            self._sizes.update(self.folder.sizes())
            for task, fingerprint in pending:
                record = records.read(task.name)
                if record is not None and record.holds(fingerprint, self._sizes):
                    complete[task.name] = record
        self._raise_failures(phase, [task for task, _ in pending if task.name not in complete], len(tasks))
        records.publish(complete, self._keep_strangers)
        self.record_digests |= records.digests
        return [complete[task.name] for task in tasks]

    def delete(self, path: str) -> None:
        """Delete an output, so that its task runs again."""
        self.folder.delete(path)
        self._sizes.pop(path, None)

    def _execute(self, phase: Phase, pending: list[tuple[Task, str]], total: int) -> None:
        step = RunTask(self.build.url, self.stage, phase, pending)
        logs = f"{self.build.url}/logs/{self.stage}-{phase.name}"
        executor = make_executor(self._executor, [step], len(pending), logs)
        done_before = total - len(pending)
        label = self.stage if phase.name == self.stage else f"{self.stage} {phase.name}"
        with self._watch(phase, label, [task for task, _ in pending], done_before, total):
            try:
                executor.run()
            except OSError as error:  # datatrove's own files; a task's errors are in its record
                if refused_write(error) is None:
                    raise
                raise write_error(self.build.url, f"logs/{self.stage}-{phase.name}", error) from error

    @contextmanager
    def _watch(self, phase: Phase, label: str, pending: list[Task], done_before: int, total: int) -> Iterator[None]:
        """Report progress from the records that appear, which is true for every executor."""
        stop = threading.Event()
        folder = Folder(self.folder.url)
        before = set(folder.list(f"{TASKS}/{phase.name}"))
        expected = {record_path(phase.name, task.name) for task in pending}

        def report() -> float:
            """Seconds that it took: with many records, looking is not free."""
            started = time.monotonic()
            found = set(folder.list(f"{TASKS}/{phase.name}"))
            num_done = done_before + len(expected & (found - before))
            self.watcher.progress(label, num_done, total, phase.num_bytes(pending))
            waiting = phase.waiting()
            if waiting:
                self.watcher.waiting(label, waiting)
            return time.monotonic() - started

        def watch() -> None:
            seconds = 0.0
            while not stop.wait(max(0.5, 10 * seconds)):
                seconds = report()

        self.watcher.progress(label, done_before, total)
        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        report()

    def _raise_failures(self, phase: Phase, failed: list[Task], total: int) -> None:
        if not failed:
            return
        lines = []
        details = []
        for task in failed:
            path = error_path(phase.name, task.name)
            if self.folder.exists(path):
                failure = json.loads(self.folder.read_text(path))
                lines.append(failure["error"] if failure["user_error"] else f"task {task.name}: {failure['error']}")
                details.append(failure["traceback"])
            else:
                lines.append(f"task {task.name} ended without a result (killed, or out of memory)")
        distinct = list(dict.fromkeys(lines))
        more = f" (and {len(distinct) - 1} more)" if len(distinct) > 1 else ""
        if len(failed) == total == 1:
            message = f"{self.stage}: {distinct[0]}{more}"
        else:
            message = f"{self.stage}: {len(failed)} of {total} tasks failed: {distinct[0]}{more}"
        error = UserError(message)
        error.add_note("\n".join(details))
        raise error
