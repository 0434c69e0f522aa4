"""What a bench is, and what it gives: figures for a file, tables and notes for a reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Table:
    """Rows of text under a title; the first column is flush left, the others flush right."""

    title: str
    columns: list[str]
    rows: list[list[str]]

    def __str__(self) -> str:
        lines = [self.columns, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.columns))]
        texts = [
            "  ".join(
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        ]
        rule = "  ".join("-" * width for width in widths)
        return "\n".join([self.title, texts[0], rule, *texts[1:]])


@dataclass
class Result:
    """What a bench found. `figures` is written as JSON."""

    figures: dict[str, Any]
    tables: list[Table]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Bench:
    """A bench that can be asked for by name.

    `missing` says in one line why it cannot run here, or gives None; `run` takes the number of rounds.
    """

    name: str
    summary: str
    rounds: int
    missing: Callable[[], str | None]
    run: Callable[[int], Result]
