"""`groundup classifier`: trains the model of `[filter.classifier]`, and shows what a model was made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from manifests.errors import UsageError
from manifests.manifest import json_bytes
from manifests.storage import Folder
from pipeline.engine.fingerprint import code_of
from pipeline.filters.classifier.calibration import calibration_svg
from pipeline.filters.classifier.examples import find_parts
from pipeline.filters.classifier.model import load_model
from pipeline.filters.classifier.training import Trained, TrainingSettings, train

MODEL_FILE, REPORT_FILE, PLOT_FILE = "model.safetensors", "report.json", "calibration.svg"
_NUM_WORDS = 15


def register(app: typer.Typer) -> None:
    """Mount the commands."""
    group = typer.Typer(help="Train a quality classifier for the filter, and look at one.", no_args_is_help=True)
    app.add_typer(group, name="classifier")

    @group.command("train")
    def train_(
        positive: Annotated[
            list[str],
            typer.Option(help="Parquet parts of good documents: files, patterns, folders.", show_default=False),
        ],
        negative: Annotated[list[str], typer.Option(help="Parts of documents as they come.", show_default=False)],
        out: Annotated[str, typer.Option(help="Folder to write the model to.", show_default=False)],
        language: Annotated[
            list[str] | None, typer.Option(help="Only documents in this language (ISO 639-1).", show_default=False)
        ] = None,
        seed: Annotated[int, typer.Option(min=0, help="Of the sample and the split.")] = 0,
        max_documents: Annotated[
            int, typer.Option(min=1, help="Documents of a side, at most; about 60 kB of memory each.")
        ] = 20_000,
        bucket_bits: Annotated[int, typer.Option(min=10, max=24, help="2 to this many buckets of words.")] = 18,
    ) -> None:
        """Train a linear model that tells positive from negative documents; writes it with a report and a plot."""
        settings = TrainingSettings(
            languages=tuple(sorted(set(language or []))),
            seed=seed,
            most_documents=max_documents,
            bucket_bits=bucket_bits,
        )
        trained = train_parts(positive, negative, settings)
        write(trained, out)
        show_facts(trained.facts)
        typer.echo(f"{Folder(out).url}/{MODEL_FILE}: written, with {REPORT_FILE} and {PLOT_FILE}")

    @group.command()
    def show(
        model: Annotated[Path, typer.Argument(help="A model file, or its folder.", show_default=False)],
        as_json: Annotated[bool, typer.Option("--json", help="All that the file says of itself.")] = False,
    ) -> None:
        """Say what a model was made of, how good it is, and which words it goes by."""
        loaded = load_model(str(model / MODEL_FILE if model.is_dir() else model))
        if as_json:
            typer.echo(json.dumps(loaded.facts, indent=2, ensure_ascii=False))
        else:
            show_facts(loaded.facts)


def train_parts(positive: list[str], negative: list[str], settings: TrainingSettings) -> Trained:
    """Train on what paths name. Raises `UserError` where they name no parts, or not enough documents."""
    if not positive or not negative:
        raise UsageError("classifier train: name parts of both sides with --positive and --negative.")
    code = code_of("pipeline.filters.classifier.training")
    return train(find_parts(positive, "positive"), find_parts(negative, "negative"), settings, code)


def write(trained: Trained, out: str) -> None:
    """Write the model, its facts to be read, and the calibration of the held-out documents."""
    folder = Folder(out)
    report = json_bytes(trained.facts)
    title = f"Held out: {len(trained.labels):,} excerpts, AUC {trained.facts['held_out']['auc']:.3f}"
    folder.publish_bytes(REPORT_FILE, report)
    folder.publish_bytes(PLOT_FILE, calibration_svg(trained.scores, trained.labels, title).encode())
    folder.publish_bytes(MODEL_FILE, trained.data)


def show_facts(facts: dict[str, Any]) -> None:
    """Print the main facts of a model."""
    documents, held_out = facts["documents"], facts["held_out"]
    for side in ("positive", "negative"):
        typer.echo(
            f"  {side}: {len(facts['made_of'][side]):,} parts, {documents['learned'][side]:,} documents learned, "
            f"{documents['held_out'][side]:,} held out; {held_out['kept_at_half'][side]:.1%} of these score 0.5 or more"
        )
    typer.echo(
        f"  held out: AUC {held_out['auc']:.4f} (of the length alone {held_out['auc_of_length']:.4f}), balanced "
        f"accuracy {held_out['balanced_accuracy']:.4f}, calibration error {held_out['calibration_error']:.4f}"
    )
    for side, words in facts["words"].items():
        typer.echo(f"  {side} words: {', '.join(words[:_NUM_WORDS])}")
