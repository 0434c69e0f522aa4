"""The runs of a sweep as a table, with seeds pooled, and as a plot."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from manifests.report.plot import COLOURS, Series, figure, place, plot, wants_log
from train.sweep.runs import RunResult
from train.sweep.vary import SEED, value_text


@dataclass(frozen=True)
class Measured:
    """The mean of some runs and its standard error; None where there is no run, or only one."""

    mean: float | None
    error: float | None

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Measured:
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            return cls(None, None)
        spread = statistics.stdev(known) / math.sqrt(len(known)) if len(known) > 1 else None
        return cls(statistics.fmean(known), spread)

    def __str__(self) -> str:
        if self.mean is None:
            return "-"
        return f"{self.mean:.4f}" if self.error is None else f"{self.mean:.4f} ± {self.error:.4f}"


@dataclass(frozen=True)
class Combination:
    """Runs that differ in their seed alone."""

    values: dict[str, Any]  # without the seed
    results: list[RunResult]

    @property
    def finished(self) -> list[RunResult]:
        return [result for result in self.results if result.state == "finished"]

    def measured(self, name: str) -> Measured:
        """The mean of a fact over the finished runs."""
        return Measured.of([result.facts.get(name) for result in self.finished])

    @property
    def label(self) -> str:
        return ", ".join(f"{key} {value_text(value)}" for key, value in self.values.items())


def pool(results: Sequence[RunResult]) -> list[Combination]:
    """The combinations of values, in the order of their first runs."""
    found: dict[str, Combination] = {}
    for result in results:
        values = {key: value for key, value in result.run.values.items() if key != SEED}
        found.setdefault(repr(values), Combination(values, [])).results.append(result)
    return list(found.values())


def best_of(combinations: Sequence[Combination]) -> Combination | None:
    """The one of the least mean validation loss; None where no run is finished."""
    measured = [(mean, one) for one in combinations if (mean := one.measured("validation_loss").mean) is not None]
    return min(measured, key=lambda pair: pair[0])[1] if measured else None


def rows_json(combinations: Sequence[Combination]) -> list[dict[str, Any]]:
    """The combinations as `sweep.json` has them."""
    best = best_of(combinations)
    rows = []
    for one in combinations:
        loss, bits = one.measured("validation_loss"), one.measured("bits_per_byte")
        rows.append(
            {
                "values": one.values,
                "runs": len(one.results),
                "finished": len(one.finished),
                "validation_loss": loss.mean,
                "validation_loss_error": loss.error,
                "bits_per_byte": bits.mean,
                "bits_per_byte_error": bits.error,
                "tokens": one.results[0].run.num_tokens,
                "parameters": one.results[0].run.num_parameters,
                "best": one is best,
            }
        )
    return rows


def table_lines(combinations: Sequence[Combination]) -> list[str]:
    """The table: a row for each combination, the best one marked."""
    best = best_of(combinations)
    keys = list(combinations[0].values)
    head = [*keys, "validation loss", "bits per byte", "tokens", "parameters", "runs", ""]
    rows = [
        [
            *(value_text(one.values[key]) for key in keys),
            str(one.measured("validation_loss")),
            str(one.measured("bits_per_byte")),
            f"{one.results[0].run.num_tokens:,}",
            f"{one.results[0].run.num_parameters:,}",
            f"{len(one.finished)} of {len(one.results)}",
            "best" if one is best else "",
        ]
        for one in combinations
    ]
    return aligned([head, *rows])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows with their columns aligned to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def sweep_figure(combinations: Sequence[Combination], title: str) -> str | None:
    """The loss by each varied key, and the curves of all runs; None where nothing was measured yet."""
    measured = [one for one in combinations if one.finished]
    plots: list[str] = []
    for key in combinations[0].values if measured else ():
        plots.append(_by_value(measured, key, place(len(plots))))
    if curves := [series for number, one in enumerate(combinations) for series in _curves(one, number)]:
        plots.append(plot(curves, "tokens", "validation loss", top=place(len(plots))))
    return figure(plots, title) if plots else None


def _by_value(combinations: Sequence[Combination], key: str, top: int) -> str:
    values = [one.values[key] for one in combinations]
    are_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    names = [] if are_numbers else list(dict.fromkeys(map(value_text, values)))
    groups: dict[str, list[tuple[float, float, float]]] = {}
    for one in combinations:
        rest = ", ".join(f"{k} {value_text(v)}" for k, v in one.values.items() if k != key)
        x = float(one.values[key]) if are_numbers else float(names.index(value_text(one.values[key])))
        loss = one.measured("validation_loss")
        groups.setdefault(rest, []).append((x, loss.mean or 0.0, loss.error or 0.0))
    series = []
    for number, (label, points) in enumerate(groups.items()):
        points.sort()
        colour = COLOURS[number % len(COLOURS)]
        line = [(x, y) for x, y, _ in points]
        series.append(Series(label, line, colour, are_numbers, marks=True, errors=[error for _, _, error in points]))
    log_x = are_numbers and wants_log([float(value) for value in values])
    return plot(series, key, "validation loss", log_x, names, top)


def _curves(one: Combination, number: int) -> list[Series]:
    """The curves of a combination's runs, after the first validation: before any step all are alike, and far above."""
    curves = [curve[1:] for result in one.results if len(curve := result.curve()) > 1]
    colour = COLOURS[number % len(COLOURS)]
    return [Series(one.label if n == 0 else "", curve, colour) for n, curve in enumerate(curves)]
