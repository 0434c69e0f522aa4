"""A ladder: small models of a recipe's own family, at its tokens per weight, and the law that their losses follow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from manifests.errors import UsageError, UserError
from manifests.report.plot import COLOURS, Series, figure, plot
from train.sweep.law import Law, Point, fit_law, num_fitted
from train.sweep.plan import PlannedRun, Planner
from train.sweep.runs import RunResult
from train.sweep.table import aligned, pool
from train.sweep.vary import SEED, split_values, value_text

FEWEST_STEPS = 20
"""Steps of a run at least: with fewer, the warm-up and the rounding to whole batches are what is measured."""
_LARGEST = 3  # times smaller than the recipe's own, the largest size
_SHAPE = 0.3  # how much a shape unlike the recipe's own counts against a size, beside its distance from the wanted one


def read_sizes(sizes: Sequence[str]) -> list[dict[str, str]]:
    """`--size model.num_layers=2,model.width=64` -> the keys and values of each size. Raises `UsageError`."""
    found = []
    for size in sizes:
        where = f"--size {size!r}"
        pairs = [part.partition("=") for part in split_values(size, where)]
        if not all(key.startswith("model.") and equals and value for key, equals, value in pairs):
            raise UsageError(f"{where}: write it as model.KEY=VALUE,model.KEY=VALUE.")
        found.append({key: value for key, _, value in pairs})
    return found


def read_numbers(text: str, option: str) -> list[float]:
    """Positive numbers between commas, each once. Raises `UsageError`."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or len(set(numbers)) < len(numbers) or not all(0 < n < math.inf for n in numbers):
        raise UsageError(f"{option} {text!r}: give positive numbers between commas, each once.")
    return numbers


def choose_sizes(planner: Planner, own: PlannedRun, count: int) -> list[dict[str, str]]:
    """`count` sizes below the recipe's own, about equally far apart in weights: smaller depths of a model with that
    dial, else fewer layers and heads in proportion, the heads as wide as they are. Raises `UserError` for too few."""
    candidates = [(size, planner.plan_one(size).num_weights, cost) for size, cost in _candidates(own)]
    candidates = [one for one in candidates if one[1] * 1.25 < own.num_weights]
    if len(candidates) < count:
        raise UserError(
            f"{planner.recipe_path}: its model has {len(candidates)} smaller sizes of its shape, and {count} are "
            "wanted. Give them with --size model.KEY=VALUE,model.KEY=VALUE, each."
        )
    least = max(min(weights for _, weights, _ in candidates), own.num_weights / 2 ** (count + 2))
    most = max(own.num_weights / _LARGEST, least * 1.25 ** (count - 1))
    chosen: list[tuple[dict[str, str], int, float]] = []
    for n in range(count):
        wanted = least * (most / least) ** (n / max(1, count - 1))
        free = [one for one in candidates if one not in chosen]
        chosen.append(min(free, key=lambda one: abs(math.log(one[1] / wanted)) + _SHAPE * one[2]))
    return [size for size, _, _ in sorted(chosen, key=lambda one: one[1])]


def _candidates(own: PlannedRun) -> list[tuple[dict[str, str], float]]:
    """Smaller sizes, and how far each is from the recipe's shape (the logarithm of layers by heads)."""
    if own.recipe.model.depth is not None:
        return [({"model.depth": str(depth)}, 0.0) for depth in range(1, own.recipe.model.depth)]
    config = own.model_config
    group = config.num_heads // config.kv_heads
    found = []
    heads = [n for n in range(1, config.num_heads + 1) if n % group == 0]
    few = len(heads) < 8  # then other shapes are needed, too
    for n in heads:
        own_shape = max(1, round(config.num_layers * n / config.num_heads))
        for layers in range(1, config.num_layers + 1) if few else (own_shape,):
            shape = abs(math.log((layers / n) / (config.num_layers / config.num_heads)))
            size = {"num_layers": layers, "num_heads": n, "width": n * config.head_width}
            if config.num_kv_heads is not None:
                size["num_kv_heads"] = n // group
            found.append(({f"model.{key}": str(value) for key, value in size.items()}, shape))
    return found


def rungs(
    planner: Planner, own: PlannedRun, sizes: Sequence[dict[str, str]], factors: Sequence[float], seeds: Sequence[str]
) -> list[PlannedRun]:
    """The runs: each size at the recipe's tokens per weight times each factor, with each seed.

    Raises `UserError`, also for runs that will not fix a law: before they are trained.
    """
    ratio = own.num_tokens / own.num_weights
    choices = []
    for size in sizes:
        weights = planner.plan_one(size).num_weights
        for factor in factors:
            tokens = {"train.max_tokens": str(round(ratio * factor * weights))}
            choices += [{**size, **tokens, **({SEED: seed} if seeds else {})} for seed in seeds or [""]]
    runs = planner.plan(choices)
    for run in runs:
        if run.num_steps < FEWEST_STEPS:
            raise UserError(
                f"{run.name}: {run.num_steps} steps are too few to learn from; {FEWEST_STEPS} are needed. Lower "
                "train.batch_tokens, raise train.max_tokens of the recipe, or give larger sizes with --size."
            )
    num_fitted([(run.num_weights, run.num_tokens) for run in runs])
    return runs


def ladder_law(results: Sequence[RunResult]) -> Law:
    """The law of finished runs. Raises `UserError` where they do not fix one."""
    return fit_law([Point(one.run.num_weights, one.run.num_tokens, one.facts["validation_loss"]) for one in results])


def ladder_json(law: Law, own: PlannedRun) -> dict[str, Any]:
    """The law and what it predicts, for `ladder.json`."""
    loss, low, high = law.predict(own.num_weights, own.num_tokens)
    return {
        "law": {
            "form": "E + A / N^alpha + B / D^beta" if law.has_tokens else "E + A / N^alpha",
            "parameters": law.parameters,
            "intervals": {name: list(interval) for name, interval in law.intervals.items()},
            "relative_error": law.error,
            "points": law.num_points,
        },
        "prediction": {
            "weights": own.num_weights,
            "tokens": own.num_tokens,
            "validation_loss": loss,
            "interval": [low, high],
        },
    }


def ladder_lines(results: Sequence[RunResult], law: Law, own: PlannedRun) -> list[str]:
    """The table of the runs, the law, and the prediction."""
    combinations = pool(results)
    keys = [key for key in combinations[0].values if key != "train.max_tokens"]
    rows = [[*keys, "weights N", "tokens D", "validation loss", "law", "off"]]
    for one in combinations:
        run, loss = one.results[0].run, one.measured("validation_loss")
        fitted = law.predict(run.num_weights, run.num_tokens)[0]
        off = f"{100 * ((loss.mean or fitted) / fitted - 1):+.2f} %"
        cells = [f"{run.num_weights:,}", f"{run.num_tokens:,}", str(loss), f"{fitted:.4f}", off]
        rows.append([*(value_text(one.values.get(key, "")) for key in keys), *cells])
    lines = aligned(rows)
    form = "L(N, D) = E + A / N^alpha + B / D^beta" if law.has_tokens else "L(N) = E + A / N^alpha"
    lines.append(f"{form}, fitted to {law.num_points} runs; relative error {100 * law.error:.2f} %")
    for name, value in law.parameters.items():
        low, high = law.intervals[name]
        lines.append(f"  {name:<5} {value:.4g}  (95 %: {low:.4g} to {high:.4g})")
    ratio = own.num_tokens / own.num_weights
    if not law.has_tokens:
        lines.append(f"All runs have {ratio:.3g} tokens per weight: the law holds there, and says nothing of others.")
    loss_, low, high = law.predict(own.num_weights, own.num_tokens)
    lines.append(
        f"the recipe: N {own.num_weights:,}, D {own.num_tokens:,} ({ratio:.3g} tokens per weight): "
        f"validation loss {loss_:.4f} (95 %: {low:.4f} to {high:.4f})"
    )
    return lines


def ladder_figure(results: Sequence[RunResult], law: Law, own: PlannedRun, title: str) -> str:
    """Measured losses by size, the law at the recipe's tokens per weight, and its prediction."""
    ratio = own.num_tokens / own.num_weights
    series: list[Series] = []
    by_ratio: dict[float, list[tuple[float, float]]] = {}
    for result in results:
        run = result.run
        key = float(f"{run.num_tokens / run.num_weights:.2g}")
        by_ratio.setdefault(key, []).append((run.num_weights, result.facts["validation_loss"]))
    for number, (key, points) in enumerate(sorted(by_ratio.items())):
        colour = COLOURS[(number + 2) % len(COLOURS)]
        series.append(Series(f"{key:g} tokens per weight", points, colour, line=False, marks=True))
    least = min(result.run.num_weights for result in results)
    sizes = [least * (own.num_weights / least) ** (n / 40) for n in range(41)]
    curve = [(size, law.predict(round(size), round(ratio * size))[0]) for size in sizes]
    loss, low, high = law.predict(own.num_weights, own.num_tokens)
    series.append(Series(f"the law at {ratio:.2g} tokens per weight", curve, COLOURS[0]))
    predicted = Series(
        "predicted", [(own.num_weights, loss)], COLOURS[1], line=False, marks=True, errors=[(high - low) / 2]
    )
    return figure([plot([*series, predicted], "weights N", "validation loss", log_x=True)], title)
