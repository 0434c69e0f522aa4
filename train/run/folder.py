"""The folder of a training run: its configuration, metrics, samples and manifest.

`config.toml` (the recipe's training part in full), `metrics.jsonl`, `samples.txt`, `tokenizer.json` (a copy, so that
the run can speak by itself), `checkpoints/`, `origin/` (the weights that a run on other shards began with), and
`manifest.json`, which comes last: it says that the run is finished.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli_w

from manifests.errors import UserError
from manifests.paths import local_path
from manifests.seal import RUN, unseal
from manifests.settings import load_toml
from manifests.storage import Folder, write_error, writing
from train.run.tensorboard import TENSORBOARD, EventFile

CONFIG, METRICS, SAMPLES, MANIFEST = "config.toml", "metrics.jsonl", "samples.txt", "manifest.json"
TOKENIZER, CHECKPOINTS, LOCK = "tokenizer.json", "checkpoints", ".lock"
ORIGIN = "origin"  # the weights that a run on other shards began with
_SAMPLE_HEADER = re.compile(rb"^=== step (\d+), .*===$", re.MULTILINE)


class RunFolder:
    """RUN, on a local disk. Only one process at a time may hold it open for writing (`locked`)."""

    def __init__(self, path: str | Path, tensorboard: bool = False) -> None:
        """tensorboard: write what becomes of the metrics to event files, too."""
        local = local_path(str(path))
        if local is None:
            raise UserError(f"{path}: a run is written to a local disk. Give one with --run FOLDER.")
        self.path = Path(local)
        self.checkpoints = self.path / CHECKPOINTS
        self.folder = Folder(self.path.absolute())
        self._board = EventFile(self.path) if tensorboard else None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out; the system lets go of the lock whatever way this process ends."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / LOCK).open("w")
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            raise UserError(f"{self.path}: cannot be written ({error.strerror}). Choose another --run.") from error
        except OSError as error:
            raise write_error(str(self.path), LOCK, error) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"{self.path}: another process trains here. Wait for it, or choose another --run."
                ) from None
            try:
                yield
            finally:
                if self._board is not None:
                    self._board.close()

    @property
    def manifest(self) -> dict[str, Any] | None:
        """The manifest of a finished run, None before."""
        path = self.path / MANIFEST
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def config(self) -> dict[str, Any] | None:
        """The content of `config.toml`; None where there is no run yet."""
        return load_toml(self.path / CONFIG) if (self.path / CONFIG).is_file() else None

    def write_config(self, config: dict[str, Any]) -> None:
        header = "# Written by groundup: what this run trains, with every default. A recipe for `groundup train`.\n"
        self.folder.publish_bytes(CONFIG, header.encode() + tomli_w.dumps(_without_none(config)).encode())

    def clear(self) -> None:
        """Remove a run's own files and nothing else, for a fresh start."""
        self.remove_manifest()
        for name in (METRICS, SAMPLES, TOKENIZER, CONFIG):
            (self.path / name).unlink(missing_ok=True)
        for name in (CHECKPOINTS, ORIGIN, TENSORBOARD):
            shutil.rmtree(self.path / name, ignore_errors=True)

    def remove_manifest(self) -> None:
        """Take back that the run is finished: it goes on."""
        if self.path.name == RUN:
            unseal(Folder(self.path.absolute().parent), RUN)
        (self.path / MANIFEST).unlink(missing_ok=True)

    def truncate_after(self, step: int, then: dict[str, Any] | None = None) -> None:
        """Drop rows of metrics and samples that lie after `step`, so that going on from there writes no doubles.

        Rows of rollbacks stay. then: a row that is added in the same moment.
        """
        rows = [row for row in read_metrics(self.path) if row["step"] <= step or row["kind"] == "rollback"]
        if then is not None:
            rows.append(then)
        if (self.path / METRICS).is_file() or rows:
            self.write_metrics(rows)
        if self._board is not None:
            self._board.begin(rows)
        if (self.path / SAMPLES).is_file():
            text = (self.path / SAMPLES).read_bytes()
            later = next((match.start() for match in _SAMPLE_HEADER.finditer(text) if int(match[1]) > step), len(text))
            self.folder.publish_bytes(SAMPLES, text[:later])

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """Put these rows in place of those that are there."""
        self.folder.publish_bytes(METRICS, b"".join(map(_line, rows)))

    def add_metrics(self, row: dict[str, Any]) -> None:
        """Add a row to `metrics.jsonl`; only the last one can be cut off."""
        self.folder.append(METRICS, _line(row))
        if self._board is not None:
            self._board.add(row)

    def sync_metrics(self) -> None:
        """Bring the rows to the disk: a checkpoint never stands for rows that are not there."""
        with writing(self.folder.url, METRICS), (self.path / METRICS).open("rb") as file:
            os.fsync(file.fileno())
        if self._board is not None:
            self._board.sync()

    def add_samples(self, step: int, settings: str, texts: list[tuple[str, str]]) -> None:
        """Add the samples of a step, each a prompt and what followed it, all at once."""
        lines = (f"=== step {step}, {settings} ===\n{prompt}|{text}\n\n" for prompt, text in texts)
        self.folder.append(SAMPLES, "".join(lines).encode())

    def has_validation(self, step: int) -> bool:
        """Whether the validation after a step has its row."""
        return any(row["kind"] == "validation" and row["step"] == step for row in read_metrics(self.path))

    def has_samples(self, step: int) -> bool:
        """Whether the samples after a step were written."""
        text = (self.path / SAMPLES).read_bytes() if (self.path / SAMPLES).is_file() else b""
        return any(int(match[1]) == step for match in _SAMPLE_HEADER.finditer(text))

    def copy_tokenizer(self, output: Folder) -> None:
        """Copy OUT/tokenizer/tokenizer.json where the build has one."""
        if output.exists(f"tokenizer/{TOKENIZER}"):
            self.folder.publish_bytes(TOKENIZER, output.read_bytes(f"tokenizer/{TOKENIZER}"))


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The rows of a run's `metrics.jsonl`; a last line that was cut off by an interruption is left out."""
    path = run / METRICS
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines):
        try:
            rows.append(json.loads(line, parse_constant=lambda _: None))  # NaN is no JSON
        except ValueError:
            if number < len(lines) - 1:
                raise UserError(f"{path}: line {number + 1} is not JSON. Restore it, or train anew.") from None
    return rows


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list | tuple) else value


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, allow_nan=False).encode() + b"\n"
