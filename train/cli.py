"""Commands: `train`, `generate`, `steps`."""

from __future__ import annotations

import json
import math
import os
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from manifests.errors import check_text
from manifests.process import say_error
from manifests.seal import misplaced_build
from manifests.settings import written_output
from train.settings import load_run

Recipe = Annotated[Path, typer.Argument(help="A TOML recipe whose shards are built.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a key of the recipe.")]


def _check_finite(value: float) -> float:
    """The temperature, for which `min` alone would let infinity through."""
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not finite; set it to 0 or more.")
    return value


def _check_top_p(value: float | None) -> float | None:
    """The mass; ranges of options include their ends, and this one has no 0."""
    if value is not None and not 0 < value <= 1:
        raise typer.BadParameter(f"{value} is not in the range 0<x<=1.")
    return value


def train(
    recipe: Recipe,
    overrides: Overrides = None,
    run: Annotated[
        str | None,
        # torchrun takes --run for an abbreviation of its own options, hence the second name.
        typer.Option("--run", "--run-folder", help="Folder of the run; by default train/ in the build."),
    ] = None,
    until_step: Annotated[int | None, typer.Option(min=1, help="Stop after this step, with a checkpoint.")] = None,
    restart: Annotated[bool, typer.Option(help="Remove the run that is there and train anew.")] = False,
) -> None:
    """Train the recipe's model on its shards, or go on with a run that was interrupted."""
    from train.objectives.pretrain import pretrain  # torch takes seconds to import; the other commands need not wait

    loaded = load_run(recipe, overrides)
    if note := misplaced_build(loaded.name, loaded.output, written_output(recipe, overrides or ())):
        say_error("groundup", note)
    summary = pretrain(loaded, run, until_step, restart)
    if summary.reused or os.environ.get("RANK", "0") != "0":  # under torchrun the first rank speaks for all
        return
    if not summary.finished:
        typer.echo(f"{summary.run}: stopped after step {summary.step} of {summary.num_steps}.")
        return
    line = f"{summary.run}: {summary.num_steps} steps done"
    if summary.first_validation and summary.last_validation:
        first, last = summary.first_validation, summary.last_validation
        line += f"; validation loss {first['validation_loss']:.4f} -> {last['validation_loss']:.4f}"
        if last["bits_per_byte"] is not None:
            line += f", {last['bits_per_byte']:.4f} bits per byte"
    typer.echo(f"{line}. Next: groundup generate {shlex.quote(str(summary.run))} --prompt ...")


def generate(
    run: Annotated[Path, typer.Argument(help="Folder of a run, or of one of its checkpoints.")],
    prompt: Annotated[str, typer.Option(help="The text to go on from.")] = "",
    max_tokens: Annotated[int, typer.Option(min=1, help="At most so many new tokens.")] = 200,
    temperature: Annotated[
        float, typer.Option(min=0.0, callback=_check_finite, help="0 takes the most probable token.")
    ] = 0.8,
    top_k: Annotated[int | None, typer.Option(min=1, help="Draw from the k most probable tokens.")] = None,
    top_p: Annotated[
        float | None, typer.Option(callback=_check_top_p, metavar="0<X<=1", help="Draw from this probability mass.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**64 - 1, help="The same seed gives the same text.")] = 0,
    num_samples: Annotated[int, typer.Option(min=1, help="How many texts.")] = 1,
) -> None:
    """Let a trained model go on with a text."""
    check_text({"--prompt": prompt})
    from train.generate import load_trained

    trained = load_trained(run)
    for number in range(num_samples):
        if num_samples > 1:
            typer.echo(f"--- sample {number + 1}")
        typer.echo(prompt, nl=False)
        for piece in trained.stream(prompt, max_tokens, temperature, top_k, top_p, (seed + number) % 2**64):
            typer.echo(piece, nl=False)
        typer.echo("")


def steps(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    step: Annotated[int, typer.Option(min=1, help="The step, as metrics.jsonl counts: the first is 1.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a document.")] = False,
) -> None:
    """List the documents that a training step saw, in the order it read them."""
    from train.data.steps import documents_of_run_step

    for document in documents_of_run_step(run, step):
        typer.echo(json.dumps(document) if as_json else _line(document))


def _line(document: dict[str, Any]) -> str:
    columns = (document["id"], document["source"], document["url"], document["shard"], document["start"])
    return "\t".join("" if column is None else str(column) for column in columns)


def register(app: typer.Typer) -> None:
    """Mount the commands of this folder on the command line."""
    app.command("train")(train)
    app.command("generate")(generate)
    app.command("steps")(steps)
