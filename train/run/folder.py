"""The folder of a training run: its configuration, metrics, samples and manifest.

`config.toml` (the recipe's training part in full), `metrics.jsonl`, `samples.txt`, `tokenizer.json` (a copy, so that
the run can speak by itself), `checkpoints/`, and `manifest.json`, which comes last: it says that the run is finished.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import tomli_w

from manifests.errors import UserError
from manifests.seal import RUN, unseal
from manifests.settings import canonical_json, load_toml
from manifests.storage import Folder
from train.settings import OPERATIONAL_SETTINGS

CONFIG, METRICS, SAMPLES, MANIFEST = "config.toml", "metrics.jsonl", "samples.txt", "manifest.json"
TOKENIZER, CHECKPOINTS, LOCK = "tokenizer.json", "checkpoints", ".lock"
_SAMPLE_HEADER = re.compile(rb"^=== step (\d+), .*===$", re.MULTILINE)


class RunFolder:
    """RUN, on a local disk. Only one process at a time may hold it open for writing (`locked`)."""

    def __init__(self, path: str | Path) -> None:
        if re.match(r"^[a-z][a-z0-9+]*://", str(path)) and not str(path).startswith("file://"):
            raise UserError(f"{path}: a run is written to a local disk. Give one with --run FOLDER.")
        self.path = Path(str(path).removeprefix("file://"))
        self.checkpoints = self.path / CHECKPOINTS
        self.folder = Folder(self.path.absolute())

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out; the system lets go of the lock whatever way this process ends."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with (self.path / LOCK).open("w") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise UserError(
                        f"{self.path}: another process trains here. Wait for it, or choose another --run."
                    ) from None
                yield
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            raise UserError(f"{self.path}: cannot be written ({error.strerror}). Choose another --run.") from error

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
        if self.path.name == RUN:
            unseal(Folder(self.path.absolute().parent), RUN)
        for name in (MANIFEST, METRICS, SAMPLES, TOKENIZER, CONFIG):
            (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def truncate_after(self, step: int) -> None:
        """Drop rows of metrics and samples that lie after `step`, so that going on from there writes no doubles."""
        rows = [row for row in read_metrics(self.path) if row["step"] <= step]
        if (self.path / METRICS).is_file():
            self.folder.publish_bytes(METRICS, "".join(json.dumps(row) + "\n" for row in rows).encode())
        if (self.path / SAMPLES).is_file():
            text = (self.path / SAMPLES).read_bytes()
            later = next((match.start() for match in _SAMPLE_HEADER.finditer(text) if int(match[1]) > step), len(text))
            self.folder.publish_bytes(SAMPLES, text[:later])

    def open_metrics(self) -> IO[str]:
        """Open `metrics.jsonl` to add lines; only the last one can be cut off."""
        return (self.path / METRICS).open("a", encoding="utf-8", buffering=1)

    def add_sample(self, step: int, settings: str, prompt: str, text: str) -> None:
        with (self.path / SAMPLES).open("a", encoding="utf-8") as file:
            file.write(f"=== step {step}, {settings} ===\n{prompt}|{text}\n\n")

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
            rows.append(json.loads(line))
        except ValueError:
            if number < len(lines) - 1:
                raise UserError(f"{path}: line {number + 1} is not JSON. Restore it, or train anew.") from None
    return rows


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Settings that decide the weights and differ in two configurations, as "train.learning_rate 0.001 -> 0.002"."""
    before, after = deciding(old), deciding(new)
    return [
        f"{key} {_show(before.get(key))} -> {_show(after.get(key))}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]


def deciding(config: dict[str, Any]) -> dict[str, Any]:
    """Seed, data, whole model and those of the training settings that change what is learned, by key path."""
    flat = {"seed": config.get("seed"), "data.manifest_sha256": config.get("data", {}).get("manifest_sha256")}
    flat |= {f"model.{key}": value for key, value in config.get("resolved_model", {}).items()}
    flat |= {f"train.{key}": value for key, value in config.get("train", {}).items() if key not in OPERATIONAL_SETTINGS}
    return {key: value for key, value in json.loads(json.dumps(flat)).items() if value is not None}


def deciding_sha256(config: dict[str, Any]) -> str:
    """Digest of what `differences` compares."""
    return hashlib.sha256(canonical_json(deciding(config)).encode()).hexdigest()


def _show(value: Any) -> str:
    if isinstance(value, str) and len(value) > 40:  # a digest
        return f"{value[:12]}..."
    return "(none)" if value is None else repr(value)


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list | tuple) else value


def sync(file: IO[str]) -> None:
    """Flush a file to the disk."""
    file.flush()
    os.fsync(file.fileno())
