"""Commands: `train`, `generate`, `steps`."""

from __future__ import annotations

import json
import math
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from manifests.errors import UsageError, check_text
from manifests.process import say_error
from manifests.seal import misplaced_build
from manifests.settings import written_output
from train.prompts import read_prompts
from train.settings import keys_of, load_run

Recipe = Annotated[Path, typer.Argument(help="A TOML recipe whose shards are built.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a key of the recipe.")]
_DOCUMENTS = 3  # of a step in a table


def _check(values: str, holds: Callable[[float], bool]) -> Callable[[float | None], float | None]:
    """A callback that refuses other numbers: ranges of options let "nan" through, and include their ends."""

    def check(value: float | None) -> float | None:
        if value is not None and not (math.isfinite(value) and holds(value)):
            raise typer.BadParameter(f"{value} is not in the range {values}.")
        return value

    return check


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
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="RUN[@STEP]", help="Begin with a checkpoint of another run; with --run NEW."),
    ] = None,
) -> None:
    """Train the recipe's model on its shards, or go on with a run that was interrupted.

    With --set a run goes on with other learning settings than it had.
    """
    from train.objectives.pretrain import pretrain  # torch takes seconds to import; the other commands need not wait

    loaded = load_run(recipe, overrides)
    if note := misplaced_build(loaded.name, loaded.output, written_output(recipe, overrides or ())):
        say_error("groundup", note)
    summary = pretrain(loaded, run, until_step, restart, keys_of(overrides), source)
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
    prompt: Annotated[list[str] | None, typer.Option(help="A text to go on from; may be given several times.")] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='Texts to go on from: one a line, empty lines left out; in .jsonl, the "prompt" of each line.',
        ),
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="At most so many new tokens.")] = 200,
    temperature: Annotated[
        float, typer.Option(callback=_check("x>=0", lambda x: x >= 0), help="0 takes the most probable token.")
    ] = 0.8,
    top_k: Annotated[int | None, typer.Option(min=1, help="Draw from the k most probable tokens.")] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            callback=_check("0<x<=1", lambda x: 0 < x <= 1),
            metavar="0<X<=1",
            help="Draw from this probability mass.",
        ),
    ] = None,
    min_p: Annotated[
        float | None,
        typer.Option(
            callback=_check("0<=x<=1", lambda x: 0 <= x <= 1),
            metavar="0<=X<=1",
            help="Draw from tokens with at least this fraction of the most probable one's probability.",
        ),
    ] = None,
    repetition_penalty: Annotated[
        float,
        typer.Option(
            callback=_check("x>0", lambda x: x > 0),
            help="Above 1, tokens of the prompt and the text come less often (CTRL).",
        ),
    ] = 1.0,
    stop: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="End before this text is written; may be given several times."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**64 - 1, help="The same seed gives the same text.")] = 0,
    num_samples: Annotated[
        int, typer.Option(min=1, help="How many texts of each prompt; those after the first have the next seeds.")
    ] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a text, with token ids and log-probabilities.")
    ] = False,
) -> None:
    """Let a trained model go on with texts."""
    stops = stop or []
    if "" in stops:
        raise UsageError("--stop is empty. Give the text to stop at, or leave --stop out.")
    for option, values in (("--prompt", prompt), ("--stop", stops)):
        for value in values or []:
            check_text({option: value})
    begun = [*(prompt or []), *(read_prompts(prompts) if prompts else [])]
    if not prompt and not prompts:
        begun = [""]
    from model.sampling import Sampling
    from train.generate import load_trained
    from train.written import in_order

    trained = load_trained(run)
    sampling = Sampling(
        temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=repetition_penalty
    )
    texts = trained.texts(begun, max_tokens, sampling, seed, num_samples, stops)
    if len(begun) * num_samples == 1 and not as_json:
        typer.echo(begun[0], nl=False)
        for _, piece in texts:
            typer.echo(piece, nl=False)
        typer.echo("")
        return
    for text in in_order(text for text, _ in texts):
        if as_json:
            typer.echo(json.dumps(text.as_json()))
            continue
        at, sample = divmod(text.number, num_samples)
        heading = [f"prompt {at + 1}"] * (len(begun) > 1) + [f"sample {sample + 1}"] * (num_samples > 1)
        typer.echo(f"--- {', '.join(heading)}\n{text.prompt}{text.text}")


def steps(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    step: Annotated[int | None, typer.Option(min=1, help="A step, as metrics.jsonl counts: the first is 1.")] = None,
    worst: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The N steps whose loss is highest against its neighbours.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a document, or a step.")] = False,
) -> None:
    """List the documents that a training step saw, in the order it read them, or the steps whose loss stands out."""
    if (step is None) == (worst is None):
        raise UsageError("steps: give --step STEP or --worst N.")
    if step is not None:
        from train.data.steps import documents_of_run_step

        for document in documents_of_run_step(run, step):
            typer.echo(json.dumps(document) if as_json else _line(document))
        return
    from train.run.worst import HEADER, worst_steps

    found = worst_steps(run, worst or 1)
    lines = [line for one in found for line in one.lines(_DOCUMENTS)]
    typer.echo("\n".join(json.dumps(one.as_json()) for one in found) if as_json else "\n".join([HEADER, *lines]))


def _line(document: dict[str, Any]) -> str:
    columns = (document["id"], document["source"], document["url"], document["shard"], document["start"])
    return "\t".join("" if column is None else str(column) for column in columns)


def register(app: typer.Typer) -> None:
    """Mount the commands of this folder on the command line."""
    app.command("train")(train)
    app.command("generate")(generate)
    app.command("steps")(steps)
