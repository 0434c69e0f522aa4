"""Shows the progress of training: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_SECONDS_BETWEEN_LINES = 10.0


class TrainingProgress:
    """Reports of one run, on standard error. Silent on every rank but the first."""

    def __init__(self, num_steps: int, enabled: bool = True) -> None:
        self.num_steps = num_steps
        self.enabled = enabled
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task: Any = None
        self._last_line = 0.0

    def __enter__(self) -> TrainingProgress:
        if self.enabled and self._console.is_terminal:
            columns = (TextColumn("step"), MofNCompleteColumn(), BarColumn(), TextColumn("{task.fields[text]}"))
            self._bar = Progress(*columns, TimeRemainingColumn(), console=self._console)
            self._task = self._bar.add_task("train", total=self.num_steps, text="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def say(self, line: str) -> None:
        """Print a line that stays above the bar."""
        if not self.enabled:
            return
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def step(self, row: dict[str, Any]) -> None:
        """One finished step, as its row of the metrics. A log gets a line every few seconds, and the last one."""
        if not self.enabled:
            return
        if "skipped" in row:
            self.say(f"step {row['step']} is skipped: {row['skipped']}")
        loss = "not finite" if row["loss"] is None else f"{row['loss']:.4f}"
        text = f"loss {loss}  {row['tokens_per_second']:,.0f} tokens/s"
        if row["mfu"] is not None:
            text += f"  MFU {row['mfu']:.1%}"
        if self._bar is not None:
            self._bar.update(self._task, completed=row["step"], text=text)
            return
        now = time.monotonic()
        if now - self._last_line >= _SECONDS_BETWEEN_LINES or row["step"] == self.num_steps:
            self._last_line = now
            self.say(f"step {row['step']}/{self.num_steps}  {text}  learning rate {row['learning_rate']:.2e}")
