"""Runs many training runs on an executor that is handed over, and reads what each came to."""

from __future__ import annotations

import functools
import io
import json
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from manifests.errors import UserError, one_line
from manifests.manifest import digest_of, json_bytes, read_manifest
from manifests.secrets import scrub
from manifests.storage import Folder, refused_write
from train.objectives.pretrain import pretrain
from train.run.folder import RunFolder, read_metrics
from train.run.stop_signal import Stopped, StopSignal
from train.sweep.plan import PlannedRun

FAILURE = "failure.json"  # in the folder of a run: why its last call failed
_told_to_stop = False  # of this process: it begins no further run


class Executor(Protocol):
    """Where runs are trained. `groundup.py` hands over one of the pipeline's, which this floor does not know.

    threads: how many a run may use; None leaves PyTorch its own number.
    """

    threads: int | None

    def run(self, work: Callable[[Any], None], items: Sequence[Any], logs: str) -> None:
        """Call `work` with each item, here or elsewhere, and return when all calls have ended."""


@dataclass(frozen=True)
class RunResult:
    """What became of a run. `facts` are those of its manifest, empty where it is not finished.

    state: "finished"; "failed", with its line in `error`; or "unfinished", and the same command goes on.
    """

    run: PlannedRun
    state: str
    error: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    manifest_sha256: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Its row in `sweep.json`."""
        row = {
            "name": self.run.name,
            "values": self.run.values,
            "state": self.state,
            "parameters": self.run.num_parameters,
            "tokens": self.run.num_tokens,
        }
        if self.error is not None:
            row["error"] = self.error
        names = ("validation_loss", "bits_per_byte", "first_validation_loss", "loss", "num_steps")
        row |= {name: self.facts[name] for name in names if name in self.facts}
        return row if self.manifest_sha256 is None else row | {"manifest": self.manifest_sha256}

    def curve(self) -> list[tuple[int, float]]:
        """(tokens, validation loss), as far as it came."""
        rows = [row for row in read_metrics(self.run.folder) if row["kind"] == "validation"]
        return [(int(row["tokens"]), float(row["validation_loss"])) for row in rows]


def run_all(runs: Sequence[PlannedRun], executor: Executor, logs: Path) -> list[RunResult]:
    """Train every run that is not finished; returns what became of each, in their order.

    Those that were told to stop, by a signal to any process, have saved a checkpoint.
    """
    pending = [run for run in runs if result_of(run).state != "finished"]
    if pending:
        try:
            with _Interrupted().caught():
                executor.run(functools.partial(_train_one, threads=executor.threads), pending, str(logs))
        except KeyboardInterrupt:
            pass  # the runs that it ended are "unfinished", which is said of them
    return [result_of(run) for run in runs]


def result_of(run: PlannedRun) -> RunResult:
    """What became of a run, from its folder."""
    failure = run.folder / FAILURE
    if failure.is_file():
        return RunResult(run, "failed", str(json.loads(failure.read_text(encoding="utf-8"))["error"]))
    manifest = read_manifest(Folder(run.folder.absolute())) if run.folder.is_dir() else None
    if manifest is None or manifest.facts["num_steps"] != run.num_steps:
        return RunResult(run, "unfinished")
    return RunResult(run, "finished", None, manifest.facts, digest_of(manifest.reproducible()))


def _train_one(run: PlannedRun, threads: int | None) -> None:
    """Train a run, in whatever process this is; its failure goes to a file and to nobody else."""
    global _told_to_stop
    if _told_to_stop:
        return
    (run.folder / FAILURE).unlink(missing_ok=True)
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        with _named_lines(run.name):
            pretrain(run.recipe, run.folder)
    except Stopped:
        _told_to_stop = True
    except Exception as caught:
        error = refused_write(caught) or caught
        line = one_line(str(error)) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        failure = {"error": scrub(line), "traceback": scrub(traceback.format_exc())}
        RunFolder(run.folder).folder.publish_bytes(FAILURE, json_bytes(failure))


class _Interrupted(StopSignal):
    """In the process that waits for the runs: the first signal ends the waiting, further ones nothing."""

    def _note(self, number: int, frame: Any) -> None:
        is_first = not self.name
        super()._note(number, frame)
        if is_first:
            raise KeyboardInterrupt


@contextmanager
def _named_lines(name: str) -> Iterator[None]:
    """While this holds, each line on standard error begins with the run's name: several runs write there."""
    with redirect_stderr(_Named(f"{name}: ", sys.stderr)):
        yield


class _Named(io.TextIOBase):
    def __init__(self, prefix: str, out: Any) -> None:
        self._prefix, self._out, self._line = prefix, out, ""

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        if lines:  # in one piece, so that lines of several processes do not mix
            self._out.write("".join(f"{self._prefix}{line}\n" for line in lines))
            self._out.flush()
        return len(text)
