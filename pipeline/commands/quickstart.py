"""`groundup quickstart`: from nothing to a trained model, with the ordinary stages on a small web of this machine."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console

from manifests.audit.audit import audit_build, problem_lines
from manifests.errors import UserError
from manifests.explore.build import Build
from manifests.explore.trace import trace_token
from manifests.paths import is_url
from manifests.report.report import write_report
from manifests.settings import read_recipe
from pipeline.commands.compiling import num_idle_cores, start_compiling
from pipeline.commands.run import build as run_recipe
from pipeline.engine.settings import ExecutorSettings
from pipeline.mirrors.loopback import LoopbackMirror
from pipeline.quickstart.mirror import build_mirror
from pipeline.recipe import load_recipe

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "quickstart.toml"
_PROMPT = "The function returns"
_SAMPLE_TOKENS = 80


class TrainSummary(Protocol):
    """The trainer's summary of a finished run."""

    run: str
    num_steps: int
    first_validation: dict[str, float] | None
    last_validation: dict[str, float] | None


Train = Callable[[Path, list[str]], TrainSummary]
Generate = Callable[[str, str, int], str]
CheckTables = Callable[[dict[str, Any], str], None]


def register(app: typer.Typer, train: Train, generate: Generate, check_tables: CheckTables) -> None:
    """Mount the command. The trainer's functions are given, since it stands beside the pipeline, not below it."""

    @app.command()
    def quickstart(
        output: Annotated[str, typer.Option(help="Folder of the build.")] = "build/quickstart",
        workers: Annotated[int, typer.Option(min=1, help="Tasks at a time.")] = 2,
        set_: Annotated[list[str] | None, typer.Option("--set", help="Override a key of the recipe.")] = None,
    ) -> None:
        """Build a corpus from the documentation of the installed Python packages and train a small GPT on it."""
        run_quickstart(output, workers, set_ or [], train, generate, check_tables)


def run_quickstart(
    output: str, workers: int, overrides: list[str], train: Train, generate: Generate, check_tables: CheckTables
) -> None:
    """Make the small web, serve it on loopback, run every stage against it, train, generate, audit, report."""
    # The path of an option starts at the working directory, that of a recipe at the recipe.
    own = [f"output={output if is_url(output) else os.path.abspath(output)}"]
    check_tables(read_recipe(RECIPE, [*own, *overrides]), str(RECIPE))
    console = Console(highlight=False, soft_wrap=True)
    started = time.monotonic()

    def say(what: str) -> None:
        console.print(f"[{time.monotonic() - started:5.1f} s] {what}", markup=False)

    # Where the cores are busy it would take from the rest what it saves later.
    if compilers := start_compiling() if num_idle_cores() else []:
        say("compiling what extract and filter need, once on this machine, beside the rest")
    mirror_folder = Path(f"{output.rstrip('/')}-mirror")
    say(f"making a small web of the documentation of the installed Python packages, in {mirror_folder}")
    facts = build_mirror(mirror_folder)
    say(
        f"{facts.num_pages:,} pages ({facts.num_bytes / 1e6:.1f} MB of HTML) in {facts.num_warc_files} WARC files, "
        f"{facts.num_wiki_pages} wiki pages"
    )
    if any(process.is_alive() for process in compilers):
        say("waiting for the compiler")
    for process in compilers:
        process.join()
    if any(process.exitcode for process in compilers):
        say("the compiler failed; the stages will compile for themselves")
    with LoopbackMirror(mirror_folder) as mirror:
        say(f"serving it at {mirror.url} and running {RECIPE.name} against it")
        mirrors = [f"sources.{name}.mirror={mirror.url}" for name in ("web", "wiki")]
        recipe = load_recipe(RECIPE, [*own, *mirrors, *overrides])
        run_recipe(recipe, None, ExecutorSettings(workers=workers))
    say("training")
    summary = train(RECIPE, [*own, *overrides])
    text = generate(summary.run, _PROMPT, _SAMPLE_TOKENS)
    say("generated:")
    console.print(f"    {text}".replace("\n", "\n    "), markup=False)
    say("auditing")
    audit = audit_build(output)
    if not audit.passed:
        raise UserError(f"audit of {output} failed: {'; '.join(problem_lines(audit, 3))}")
    report = write_report(output)
    trace = trace_token(Build(output), "shard-00000:1000")
    say("done")
    first, last = summary.first_validation, summary.last_validation
    assert first is not None
    assert last is not None
    for name, value in (
        ("corpus", f"{output}/dedup (documents), {output}/shards (tokens)"),
        ("model", f"{summary.run} ({summary.num_steps} steps)"),
        (
            "validation",
            f"loss {first['validation_loss']:.3f} -> {last['validation_loss']:.3f}, "
            f"{last['bits_per_byte']:.3f} bits per byte",
        ),
        (
            "audit",
            f"passed: {audit.checked['files']} files, {audit.checked['documents']:,} documents, "
            f"{audit.checked['tokens']:,} tokens looked at",
        ),
        ("report", report),
        ("a token", f"shard-00000:1000 comes from {trace.provenance['url']}"),
    ):
        console.print(f"  {name:<11} {value}", markup=False)
    console.print("Next:")
    for command in (
        f"groundup generate {shlex.quote(str(summary.run))} --prompt 'A list is'",
        f"groundup trace {shlex.quote(output)} --token shard-00000:1000 --record",
        f"groundup drops {shlex.quote(output)}",
        "groundup run recipes/common-crawl-sample.toml --plan     (real data: needs the network)",
        "groundup run recipes/simple-wikipedia.toml --workers 2",
    ):
        console.print(f"  {command}", markup=False)
