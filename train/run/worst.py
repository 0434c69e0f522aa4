"""The steps of a run whose loss stands out from that of their neighbours, and what they read.

A loss is compared with the median of its neighbours, in standard deviations as the median of absolute deviations gives
them (times 1.4826, for normal noise): one bad neighbour moves neither. Near the beginning a step has as many neighbours
after it as before it, so that the fall of the loss is no deviation.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from manifests.errors import UserError
from train.data.steps import loader_of_run
from train.run.folder import METRICS, RunFolder, read_metrics

NEIGHBOURS = 32
"""On each side."""
_FEWEST_BEFORE = 8  # where as few come after: at the end of a run the loss hardly falls
_NORMAL = 1.4826  # standard deviations of normal noise in one median absolute deviation
_LEAST_DEVIATION = 1e-3  # of the loss: losses that hardly move have no spikes of rounding

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class WorstStep:
    """A step beside its neighbours."""

    step: int
    loss: float | None  # None where it was not finite
    neighbours_loss: float | None  # None without neighbours
    deviations: float | None  # how many standard deviations the loss is above that
    skipped: str | None  # why the step was skipped
    is_left_out: bool  # the run went back to before it, and its batch was left out
    loss_by_source: dict[str, float]
    tokens_by_source: dict[str, int]
    documents: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self, most: int) -> list[str]:
        """A row of the table below `HEADER`, and below it its first documents."""
        numbers = (_number(self.loss, 4), _number(self.neighbours_loss, 4), _number(self.deviations, 1))
        said = "left out after going back: " if self.is_left_out else "skipped: "
        note = "" if self.skipped is None else f"  {said}{self.skipped}"
        row = f"{self.step:>9,} {numbers[0]:>10} {numbers[1]:>11} {numbers[2]:>11}  {self._sources()}{note}"
        shown = [f"    {one['id']}  {one.get('url') or ''}".rstrip() for one in self.documents[:most]]
        more = len(self.documents) - most
        return [row, *shown, *([f"    and {more:,} documents more"] if more > 0 else [])]

    def _sources(self) -> str:
        """The share of the targets that each source has, or that of the documents where targets were not counted."""
        counts = self.tokens_by_source or Counter(one["source"] for one in self.documents)
        whole = sum(counts.values())
        most_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{name} {100 * count / whole:.0f} %" for name, count in most_first if count) or "-"


HEADER = f"{'step':>9} {'loss':>10} {'neighbours':>11} {'deviations':>11}  sources"


def worst_steps(run: str | Path, most: int) -> list[WorstStep]:
    """The steps of a run that stand out most, first the worst; those without a finite loss before all others.

    Steps that were left out in a rollback are among them. Raises `UserError` where there is no run, no step is done,
    or the shards are not those that it trained on.
    """
    loader, _ = loader_of_run(run)
    rows = read_metrics(RunFolder(run).path)
    done = [(row, False) for row in rows if row.get("kind") == "train"]
    done += [(row, True) for one in rows if one.get("kind") == "rollback" for row in one.get("skipped", ())]
    done = [(row, out) for row, out in done if isinstance(row.get("step"), int) and ("loss" in row or "skipped" in row)]
    if not done:
        raise UserError(
            f"{run}: {METRICS} has no steps yet. Train first, or give the folder of a run, such as OUT/train."
        )
    steps = np.array([row["step"] for row, _ in done])
    losses = np.array([math.nan if row.get("loss") is None else float(row["loss"]) for row, _ in done])
    medians, deviations = compare(steps, losses, np.array([out for _, out in done]))
    # What is not finite comes first, what has no neighbours last.
    ranks = np.where(np.isnan(losses), np.inf, np.where(np.isnan(deviations), -np.inf, deviations))
    found = []
    for at in np.lexsort((steps, -ranks))[:most]:
        row, out = done[at]
        found.append(
            WorstStep(
                step=row["step"],
                loss=row.get("loss"),
                neighbours_loss=_finite(medians[at]),
                deviations=_finite(deviations[at]),
                skipped=row.get("skipped"),
                is_left_out=out,
                loss_by_source=row.get("loss_by_source", {}),
                tokens_by_source=row.get("tokens_by_source", {}),
                documents=row.get("documents", []) if out else loader.documents_of_step(row["step"] - 1),
            )
        )
    return found


def compare(steps: _Ints, losses: _Floats, apart: npt.NDArray[np.bool_]) -> tuple[_Floats, _Floats]:
    """For each loss the median of its neighbours, and how many standard deviations it is above that, each (n,).

    NaN where there is none. Those that are `apart` are compared with the others and are nobody's neighbours.
    """
    order = np.argsort(steps[~apart], kind="stable")
    line = losses[~apart][order]
    before = np.searchsorted(steps[~apart][order], steps)
    after = before + ~apart  # no step is its own neighbour
    medians = _medians(line, before, after, even=True)
    off = losses - medians
    sizes = np.empty(len(line))
    sizes[before[~apart]] = np.abs(off[~apart])
    spread = _NORMAL * _medians(sizes, before, after, even=False)
    return medians, off / np.fmax(spread, _LEAST_DEVIATION * np.abs(medians))


def _medians(line: _Floats, before: _Ints, after: _Ints, even: bool) -> _Floats:
    """The medians of the neighbours before the places `before` and from the places `after` on, (n,).

    even: as many after as before where few come before, and hardly more before than after where few come after.
    """
    values, found = line.tolist(), []
    for end, start in zip(before.tolist(), after.tolist(), strict=True):
        num_before, num_after = min(NEIGHBOURS, end), min(NEIGHBOURS, len(values) - start)
        if even:
            num_before, num_after = min(num_before, max(num_after, _FEWEST_BEFORE)), min(num_after, max(num_before, 1))
        near = [*values[end - num_before : end], *values[start : start + num_after]]
        known = [value for value in near if not math.isnan(value)]
        found.append(statistics.median(known) if known else math.nan)
    return np.array(found)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
