"""The training part of a report: how the loss went, as a whole and by source, and what was skipped."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from manifests.errors import UserError
from manifests.explore.build import Build
from manifests.manifest import read_manifest
from manifests.report.plot import COLOURS, Series, figure, place, plot
from manifests.seal import RUN

_METRICS, _SAMPLES = f"{RUN}/metrics.jsonl", f"{RUN}/samples.txt"
_POINTS = 200  # of a curve by source, each the mean of some steps: a step has few targets of a rare source
_LAST_STEPS = 100  # of which the last loss of a source is the mean
_MOST_EVENTS = 100  # skipped steps and rollbacks
_DOCUMENTS = 5  # of a skipped step

_Row = dict[str, Any]


def training(build: Build) -> dict[str, Any] | None:
    """The training part of the report, from the run in OUT/train; None where no loss was measured."""
    if not build.folder.exists(_METRICS):
        return None
    rows = _rows(build)
    try:
        return _shown(build, rows)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise _damaged(build, error) from None


def _rows(build: Build) -> list[_Row]:
    """The rows of the metrics. A last line that an interruption cut off is left out."""
    lines = build.folder.read_text(_METRICS).splitlines()
    try:
        return [json.loads(line) for at, line in enumerate(lines, 1) if at < len(lines) or line.endswith("}")]
    except (ValueError, RecursionError) as error:
        raise _damaged(build, error) from None


def _damaged(build: Build, error: Exception) -> UserError:
    what = f"not the metrics of a run ({type(error).__name__}). Restore it, or train anew."
    return UserError(f"{build.url}/{_METRICS}: {what}")


def _shown(build: Build, rows: Sequence[_Row]) -> dict[str, Any] | None:
    taken = [row for row in rows if row.get("loss") is not None and "skipped" not in row]
    losses = [(int(row["step"]), float(row["loss"])) for row in taken]
    validation = [(int(row["step"]), float(row["validation_loss"])) for row in rows if "validation_loss" in row]
    points = [*losses, *validation]
    if not points:
        return None
    last_step = max(1, max(step for step, _ in points))
    caption = f"{last_step:,} steps."
    if validation:
        caption += f" Validation loss {validation[0][1]:.3f} at first, {validation[-1][1]:.3f} at the end."
    curves = [Series("training", losses, COLOURS[0]), Series("validation", validation, COLOURS[1])]
    plots = [plot(curves, "step", "loss, nats per token")]
    several = [row for row in taken if row.get("loss_by_source") and row.get("tokens_by_source")]
    sources = _sources(several)
    curves_by_source = [_curve(several, source) for source in sources]
    by_source = [
        Series(source, curve, COLOURS[number % len(COLOURS)], marks=len(curve) == 1)  # one point makes no line
        for number, (source, curve) in enumerate(zip(sources, curves_by_source, strict=True))
    ]
    if any(series.points for series in by_source):
        plots.append(plot(by_source, "step", "training loss by source, nats per token", top=place(1)))
    last = several[-_LAST_STEPS:]
    manifest = read_manifest(build.folder.folder(RUN))
    pauses = manifest.run.get("pauses", {}) if manifest else {}
    events = list(_events(rows))
    return {
        "caption": caption,
        "plot": figure(plots, "Loss by step"),
        "sources": [
            {"name": name, "tokens": tokens, "percent": 100 * tokens / sources.total(), "loss": _mean(last, name)}
            for name, tokens in sources.items()
        ],
        "last_steps": len(last),
        "events": events[:_MOST_EVENTS],
        "more_events": max(0, len(events) - _MOST_EVENTS),
        "pauses": {what: f"{float(seconds):,.1f}" for what, seconds in pauses.items()},
        "samples": build.folder.read_text(_SAMPLES) if build.folder.exists(_SAMPLES) else "",
    }


def _sources(rows: Sequence[_Row]) -> Counter[str]:
    """The targets of each source that the run learned from, the most first."""
    found: Counter[str] = Counter()
    for row in rows:
        found.update({name: int(tokens) for name, tokens in row["tokens_by_source"].items() if tokens})
    return Counter(dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))))


def _mean(rows: Sequence[_Row], source: str) -> float | None:
    """The loss of a source over some steps, each target counted once; None where it has none."""
    pairs = [(row["loss_by_source"].get(source), row["tokens_by_source"].get(source, 0)) for row in rows]
    known = [(float(loss), int(tokens)) for loss, tokens in pairs if loss is not None and tokens]
    return math.fsum(loss * tokens for loss, tokens in known) / sum(tokens for _, tokens in known) if known else None


def _curve(rows: Sequence[_Row], source: str) -> list[tuple[float, float]]:
    size = -(-len(rows) // _POINTS) or 1
    means = (
        (part[-1]["step"], _mean(part, source)) for part in (rows[at : at + size] for at in range(0, len(rows), size))
    )
    return [(int(step), loss) for step, loss in means if loss is not None]


def _events(rows: Sequence[_Row]) -> Iterator[dict[str, Any]]:
    """Skipped steps and rollbacks, in the order in which they happened; a rollback has its skipped steps before it."""
    for row in rows:
        if row.get("kind") == "rollback":
            yield from _events(row["skipped"])
            what = (
                f"went back to step {row['step']:,}, without the batches of steps {row['first']:,} to {row['last']:,}"
            )
            yield {
                "step": row["last"],
                "what": f"{what}: {row['reason']}" if row.get("reason") else what,
                "documents": [],
            }
        elif "skipped" in row:
            documents = [document["id"] for document in row.get("documents", ())]
            more = [f"and {len(documents) - _DOCUMENTS:,} more"] if len(documents) > _DOCUMENTS else []
            yield {
                "step": row["step"],
                "what": f"skipped: {row['skipped']}",
                "documents": documents[:_DOCUMENTS] + more,
            }
