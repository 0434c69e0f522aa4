"""Shows the progress of a run: bars on a terminal, plain lines in a batch job's log."""

from __future__ import annotations

import time
from collections import deque
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from manifests.manifest import Manifest
from manifests.secrets import scrub
from pipeline.units import format_bytes

_LINE_SECONDS = 30.0  # between plain lines of a long phase
_RATE_POINTS = 60  # two a second


class RunConsole:
    """Shows the progress of phases and one line for each finished stage."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._history: dict[str, deque[tuple[float, int]]] = {}
        self._last_line = time.monotonic()
        self._last_wait = -_LINE_SECONDS
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description:<20}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[rate]}"),
                console=self.console,
                transient=True,
            )

    def __enter__(self) -> RunConsole:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()

    def progress(self, label: str, done: int, total: int, num_bytes: tuple[int, int | None] | None = None) -> None:
        """See `engine.runner.Watcher`. Bytes that arrive are shown with their rate and the time that is left."""
        rate = self._rate(label, *num_bytes) if num_bytes else ""
        if self._bar:
            if label not in self._tasks:
                self._tasks[label] = self._bar.add_task(label, total=total, rate="")
            self._bar.update(self._tasks[label], completed=done, total=total, visible=done < total, rate=rate)
        elif time.monotonic() - self._last_line > _LINE_SECONDS:
            self._last_line = time.monotonic()
            self.console.print(f"  {label}: {done} of {total} tasks{', ' + rate if rate else ''}", markup=False)

    def waiting(self, label: str, why: str) -> None:
        """See `pipeline.engine.runner.Watcher`: a line at first, and then one every half minute."""
        if time.monotonic() - self._last_wait > _LINE_SECONDS:
            self._last_wait = time.monotonic()
            self.console.print(f"  {label}: {scrub(why)}", markup=False)

    def note(self, text: str) -> None:
        """See `pipeline.engine.runner.Watcher`."""
        self.console.print(scrub(text), markup=False)

    def _rate(self, label: str, arrived: int, total: int | None) -> str:
        """Such as `120.5 MB of 2.2 GB, 33.1 MB/s, 1:03 left`; the rate is that of the last half minute."""
        history = self._history.setdefault(label, deque(maxlen=_RATE_POINTS))
        history.append((time.monotonic(), arrived))
        seconds = history[-1][0] - history[0][0]
        rate = (arrived - history[0][1]) / seconds if seconds > 0 else 0.0
        words = [format_bytes(arrived) + (f" of {format_bytes(total)}" if total else "")]
        if rate > 0:
            words.append(f"{format_bytes(rate)}/s")
            if total is not None and total > arrived:
                words.append(f"{timedelta(seconds=round((total - arrived) / rate))} left")
        return ", ".join(words)

    def stage(self, name: str, word: str, manifest: Manifest) -> None:
        """One line for a finished stage."""
        self._last_line = time.monotonic()
        seconds = "" if word == "reused" else f"  {manifest.run['seconds']:.1f} s"
        self.console.print(f"{name:<10} {word:<7} {stage_summary(manifest)}{seconds}", markup=False)


def stage_summary(manifest: Manifest) -> str:
    """The result of a stage in a few words."""
    counts = manifest.counts
    if manifest.stage == "acquire":
        num_bytes = sum(file["bytes"] for file in manifest.facts["files"])
        return f"{len(manifest.facts['files'])} files, {format_bytes(num_bytes)}"
    if manifest.stage == "tokenizer":
        return _vocabulary(manifest.facts)
    if manifest.stage == "shards":
        splits = manifest.facts["splits"]
        return ", ".join(
            f"{facts['num_tokens']:,} {name} tokens in {len(facts['shards'])} shards" for name, facts in splits.items()
        )
    dropped = counts.documents_in - counts.documents_out
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in list(counts.dropped.items())[:3])
    more = f" ({reasons}{', ...' if len(counts.dropped) > 3 else ''})" if reasons else ""
    return f"{counts.documents_in:,} documents, {counts.documents_out:,} kept, {dropped:,} dropped{more}"


def _vocabulary(facts: dict[str, Any]) -> str:
    """The size of the vocabulary; where it was learned, also what was not as asked for."""
    size, wanted = facts["vocab_size"], facts.get("wanted_vocab_size", 0)
    words = f"{size:,} tokens in the vocabulary"
    if size < wanted:
        words += f", not {wanted:,}: the text has no more pairs that occur often enough; the model has {size:,}, too"
    if cut := facts.get("num_cut_words"):
        words += f"; {cut:,} words of more than {facts['most_word_characters']:,} characters were cut to learn from"
    return words
