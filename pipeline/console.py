"""What a run shows: progress bars on a terminal, plain lines in a batch job's log."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from manifests.manifest import Manifest

_LINE_SECONDS = 30.0  # between plain lines of a long phase


class RunConsole:
    """Shows the progress of phases and one line for each finished stage."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._last_line = time.monotonic()
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description:<20}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=self.console,
                transient=True,
            )

    def __enter__(self) -> RunConsole:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def progress(self, label: str, done: int, total: int) -> None:
        """See `pipeline.runner.Progress`."""
        if self._bar:
            if label not in self._tasks:
                self._tasks[label] = self._bar.add_task(label, total=total)
            self._bar.update(self._tasks[label], completed=done, total=total, visible=done < total)
        elif time.monotonic() - self._last_line > _LINE_SECONDS:
            self._last_line = time.monotonic()
            self.console.print(f"  {label}: {done} of {total} tasks")

    def stage(self, name: str, word: str, manifest: Manifest) -> None:
        """One line for a finished stage."""
        self._last_line = time.monotonic()
        seconds = "" if word == "reused" else f"  {manifest.run['seconds']:.1f} s"
        self.console.print(f"{name:<10} {word:<7} {stage_summary(manifest)}{seconds}", markup=False)


def stage_summary(manifest: Manifest) -> str:
    """What a stage did, in a few words."""
    counts = manifest.counts
    if manifest.stage == "acquire":
        num_bytes = sum(file["bytes"] for file in manifest.facts["files"])
        return f"{len(manifest.facts['files'])} files, {format_bytes(num_bytes)}"
    if manifest.stage == "tokenizer":
        return f"{manifest.facts['vocab_size']:,} tokens in the vocabulary"
    if manifest.stage == "shards":
        splits = manifest.facts["splits"]
        return ", ".join(
            f"{facts['num_tokens']:,} {name} tokens in {len(facts['shards'])} shards" for name, facts in splits.items()
        )
    dropped = counts.documents_in - counts.documents_out
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in list(counts.dropped.items())[:3])
    more = f" ({reasons}{', ...' if len(counts.dropped) > 3 else ''})" if reasons else ""
    return f"{counts.documents_in:,} documents, {counts.documents_out:,} kept, {dropped:,} dropped{more}"


def format_bytes(number: float) -> str:
    """Bytes in decimal units, as disks are sold."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            return f"{number:,.0f} {unit}" if unit == "bytes" else f"{number:,.1f} {unit}"
        number /= 1000
    raise AssertionError("unreachable")
