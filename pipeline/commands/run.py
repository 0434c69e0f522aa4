"""The pipeline's commands: `groundup run`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from manifests.errors import UsageError
from manifests.process import say_error
from manifests.seal import misplaced_build
from manifests.settings import read_recipe, written_output
from manifests.storage import Folder
from pipeline.build import NOT_BUILT, BuildReport, StagePlan, plan_build, run_build
from pipeline.commands.console import RunConsole
from pipeline.commands.needs import expect
from pipeline.engine.settings import ExecutorSettings
from pipeline.recipe import Recipe, load_recipe
from pipeline.stages.filter import FilterStage, who_judges
from pipeline.units import format_bytes

CheckTables = Callable[[dict[str, Any], str], None]


def register(app: typer.Typer, check_tables: CheckTables) -> None:
    """Mount the commands. `check_tables` looks at the tables of the recipe that belong to the trainer."""

    @app.command()
    def run(
        recipe: Annotated[Path, typer.Argument(help="A TOML recipe.", show_default=False)],
        until: Annotated[str | None, typer.Option(help="Stop after this stage.")] = None,
        plan: Annotated[bool, typer.Option("--plan", help="Say what would run and why, and do nothing.")] = False,
        workers: Annotated[int, typer.Option(min=1, help="Tasks at a time.")] = 1,
        executor: Annotated[str, typer.Option(help="Where tasks run: local, slurm or ray.")] = "local",
        set_: Annotated[list[str] | None, typer.Option("--set", help="Override a key: filter.languages='[]'.")] = None,
    ) -> None:
        """Build a corpus: download, extract, filter, deduplicate, train the tokenizer, write shards."""
        if executor not in ("local", "slurm", "ray"):
            raise UsageError(f"--executor {executor}: there are local, slurm and ray.")
        overrides = set_ or []
        loaded = load_recipe(recipe, overrides)
        if note := misplaced_build(loaded.name, loaded.output, written_output(recipe, overrides)):
            say_error("groundup", note)
        check_tables(read_recipe(recipe, overrides), str(recipe))
        if plan:
            print_plan(loaded, plan_build(loaded, until), workers)
            return
        build(loaded, until, ExecutorSettings(kind=executor, workers=workers, cluster=loaded.executor))  # type: ignore[arg-type]


def build(recipe: Recipe, until: str | None, executor: ExecutorSettings) -> BuildReport:
    """Run a recipe and show what happens."""
    with RunConsole() as console:
        report = run_build(recipe, until, executor, console, console.stage)
    if until is not None and report.rebuilt:
        later = [plan.stage for plan in plan_build(recipe) if plan.action != "reuse" and plan.reasons != [NOT_BUILT]]
        if later:
            typer.echo(f"{', '.join(later)}: built from what was there before. Run without --until to renew them.")
    return report


def print_plan(recipe: Recipe, plans: list[StagePlan], workers: int) -> None:
    """Print what would run and why, and what it is expected to need."""
    console = Console(highlight=False, soft_wrap=True)
    expected = expect(recipe, Folder(recipe.output), workers)
    console.print(f"{recipe.name} -> {recipe.output}", markup=False)
    for plan in plans:
        console.print(f"  {plan.stage:<10} {_action(plan)}", markup=False)
        if plan.action != "reuse":
            needs = expected[plan.stage]
            disk = (
                "known once the listing is read"
                if needs.disk_bytes is None
                else f"about {format_bytes(needs.disk_bytes)}"
            )
            memory = format_bytes(needs.memory_bytes)
            console.print(f"  {'':<10} memory about {memory}, disk {disk}", markup=False)
        if plan.stage == FilterStage.name:
            console.print(f"  {'':<10} {who_judges(recipe)}", markup=False)


def _action(plan: StagePlan) -> str:
    if plan.action == "reuse":
        return "reuse: complete, and nothing it depends on changed"
    if plan.action == "follow":
        return f"build: follows {', '.join(plan.reasons)} (reused if their output comes out the same)"
    return f"build: {'; '.join(plan.reasons)}"
