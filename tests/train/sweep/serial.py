"""An executor for tests: the runs go here, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


class Serial:
    """Trains the items in this process; `names` has the name of each that was handed over."""

    threads = 1  # as `tests.one_thread` has it for single tests

    def __init__(self) -> None:
        self.names: list[str] = []

    def run(self, work: Callable[[Any], None], items: Sequence[Any], logs: str) -> None:
        for item in items:
            self.names.append(item.name)
            work(item)

    def make(self, kind: str, workers: int, recipe: Path, overrides: list[str]) -> Serial:
        return self
