"""Commands: `sweep` and `ladder`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manifests.errors import UsageError
from manifests.process import say_error
from train.cli import Overrides, Recipe
from train.sweep.vary import combinations, read_vary, split_values

if TYPE_CHECKING:  # torch takes seconds to import; other commands need not wait
    from train.sweep.plan import PlannedRun, Planner
    from train.sweep.runs import Executor, RunResult

MakeExecutor = Callable[[str, int, Path, list[str]], "Executor"]
"""Makes an executor of a kind ("local", "slurm", "ray") with a number of workers, for a recipe and its overrides."""

Workers = Annotated[int, typer.Option(min=1, help="Runs at a time.")]
ExecutorKind = Annotated[str, typer.Option("--executor", help="Where runs are trained: local, slurm or ray.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")]


def register(app: typer.Typer, make_executor: MakeExecutor) -> None:
    """Mount the commands. `make_executor` makes what runs are trained on; this floor knows none."""

    @app.command()
    def sweep(
        recipe: Recipe,
        vary: Annotated[
            list[str], typer.Option(metavar="KEY=VALUE,VALUE", help="Values of a key: seed, train.* or model.*.")
        ],
        overrides: Overrides = None,
        workers: Workers = 1,
        executor: ExecutorKind = "local",
        folder: Annotated[str | None, typer.Option(help="Folder of the runs; by default sweep/ in the build.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Train the recipe's model with every combination of some values, and compare the runs."""
        varied = read_vary(vary, overrides or ())
        from train.sweep.plan import Planner
        from train.sweep.table import pool, rows_json, sweep_figure, table_lines

        planner = Planner(recipe, overrides or [], folder, "sweep")
        runs = planner.plan(combinations(varied))
        results = _train(planner, runs, make_executor, executor, workers)
        pooled = pool(results)
        data = {
            "recipe": planner.recipe.name,
            "data": planner.data_sha256,
            "vary": {key: list({repr(run.values[key]): run.values[key] for run in runs}.values()) for key in varied},
            "combinations": rows_json(pooled),
            "runs": [result.as_json() for result in results],
        }
        written = _publish(planner, "sweep", data, sweep_figure(pooled, f"{planner.recipe.name}: a sweep"))
        typer.echo(json.dumps(data, indent=2) if as_json else "\n".join(table_lines(pooled)))
        _end(planner, written, results, as_json)

    @app.command()
    def ladder(
        recipe: Recipe,
        sizes: Annotated[int, typer.Option(min=3, max=8, help="How many sizes, chosen by the recipe's own.")] = 4,
        size: Annotated[
            list[str] | None, typer.Option(metavar="KEY=VALUE,...", help="A size, in place of those: model.* keys.")
        ] = None,
        tokens: Annotated[
            str, typer.Option(metavar="X,X", help="Tokens of each size, as multiples of the recipe's per weight.")
        ] = "0.5,1",
        seeds: Annotated[str, typer.Option(metavar="N,N", help="Seeds of each; the recipe's own by default.")] = "",
        overrides: Overrides = None,
        workers: Workers = 1,
        executor: ExecutorKind = "local",
        folder: Annotated[str | None, typer.Option(help="Folder of the runs; by default ladder/ in the build.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Train small sizes of the recipe's model, fit the law of their loss, and predict the recipe's own."""
        from train.sweep import ladder as rung
        from train.sweep.plan import Planner
        from train.sweep.table import pool, rows_json, table_lines

        given, factors = rung.read_sizes(size or ()), rung.read_numbers(tokens, "--tokens")
        planner = Planner(recipe, overrides or [], folder, "ladder")
        own = planner.plan_one({})
        wanted = given or rung.choose_sizes(planner, own, sizes)
        runs = rung.rungs(planner, own, wanted, factors, split_values(seeds, "--seeds") if seeds else [])
        results = _train(planner, runs, make_executor, executor, workers)
        pooled = pool(results)
        data = {
            "recipe": planner.recipe.name,
            "data": planner.data_sha256,
            "combinations": rows_json(pooled),
            "runs": [result.as_json() | {"weights": result.run.num_weights} for result in results],
        }
        lines, drawing = table_lines(pooled), None
        if all(result.state == "finished" for result in results):
            law = rung.ladder_law(results)
            data |= rung.ladder_json(law, own)
            lines = rung.ladder_lines(results, law, own)
            drawing = rung.ladder_figure(results, law, own, f"{planner.recipe.name}: a ladder")
        written = _publish(planner, "ladder", data, drawing)
        typer.echo(json.dumps(data, indent=2) if as_json else "\n".join(lines))
        _end(planner, written, results, as_json)


def _train(
    planner: Planner, runs: Sequence[PlannedRun], make_executor: MakeExecutor, kind: str, workers: int
) -> list[RunResult]:
    """Train the runs and return what became of them."""
    if kind not in ("local", "slurm", "ray"):
        raise UsageError(f"--executor {kind}: there are local, slurm and ray.")
    from train.sweep.runs import run_all

    workers = min(workers, len(runs))  # of all runs, finished ones too: the threads of a run follow from it
    executor = make_executor(kind, workers, planner.recipe_path, planner.overrides)
    return run_all(runs, executor, planner.folder / "logs")


def _publish(planner: Planner, name: str, data: dict[str, Any], drawing: str | None) -> str:
    """Write `<name>.json`, and `<name>.svg` where there is a drawing, beside the runs; returns what was written."""
    from manifests.manifest import json_bytes
    from manifests.storage import Folder

    folder = Folder(planner.folder.absolute())
    folder.publish_bytes(f"{name}.json", json_bytes(data))
    if drawing is None:
        return f"{name}.json"
    folder.publish_bytes(f"{name}.svg", drawing.encode() + b"\n")
    return f"{name}.json and {name}.svg"


def _end(planner: Planner, written: str, results: Sequence[RunResult], as_json: bool) -> None:
    """The last lines: what failed, and where things are. Exit code 1 where a run is not finished."""
    for result in results:
        if result.state == "failed":
            error = str(result.error)
            say_error("groundup", error if result.run.name in error else f"{result.run.name}: {error}")
    states = [result.state for result in results]
    finished = f"{planner.folder}: {states.count('finished')} of {len(results)} runs are finished"
    if not as_json:
        typer.echo(f"{finished}; {written}")
    if "unfinished" in states:
        say_error("groundup", f"{finished}. The same command goes on.")
    if set(states) != {"finished"}:
        raise typer.Exit(1)
