"""The whole pipeline, WARC to tokens, side by side with FineWeb's recipe on datatrove: same pages, one worker each.

Both read the same WARC file, run the same rules with the same thresholds, save what they drop, deduplicate with MinHash
14 x 8 over 5-grams, and encode with GPT-2's tokenizer. Each side is a process of its own, started anew every time, so
start-up is in its time. They take turns; figures are medians over the rounds, and ratios are taken within a round.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.data import OUTPUT, REPOSITORY, gpt2_tokenizer, missing_data, missing_modules, web_warc
from bench.measure import Measurement, run_measured
from bench.results import Bench, Result, Table
from manifests.explore.build import Build

_DATA = ("web/trafilatura", "tokenizer/gpt2")
_MODULES = ("datatrove", "trafilatura", "spacy", "warcio", "cchardet", "magic", "orjson")
_NUM_WARM_UP_PAGES = 16
_MEBIBYTE = 2**20
_STEPS = ("read", "extract", "language", "gopher_repetition", "gopher_quality", "c4", "fineweb", "dedup")

# datatrove's blocks by a part of their name, and the step of the table that each stands for.
_BLOCKS = {
    "Warc": "read",
    "Trafilatura": "extract",
    "Language ID": "language",
    "Gopher Repetition": "gopher_repetition",
    "Gopher Quality": "gopher_quality",
    "C4 Quality": "c4",
    "FineWeb Quality": "fineweb",
    "MinHash stage 4": "dedup",
}


@dataclass(frozen=True)
class Conditions:
    """What both sides are told: the languages to keep (none: all), and how many of Gopher's stop words a page needs."""

    languages: tuple[str, ...]
    min_stop_words: int


@dataclass(frozen=True)
class Outcome:
    """What one side made of the pages: documents left after each step, tokens, seconds by its own stages."""

    documents: dict[str, int]
    num_tokens: int
    seconds: dict[str, float]


@dataclass(frozen=True)
class Side:
    """One of the two: how it is started on a WARC file in an empty folder, and how its results are read there."""

    name: str
    command: Callable[[Path, Path, Conditions], list[str]]
    outcome: Callable[[Path], Outcome]


def _datatrove_command(warc: Path, folder: Path, conditions: Conditions) -> list[str]:
    words = ["--min-stop-words", str(conditions.min_stop_words)]
    languages = [f"--language={language}" for language in conditions.languages]
    return [
        sys.executable,
        "-m",
        "bench.datatrove_fineweb",
        str(warc),
        str(gpt2_tokenizer()),
        str(folder),
        *words,
        *languages,
    ]


def _datatrove_outcome(folder: Path) -> Outcome:
    stats = json.loads((folder / "stats.json").read_text())
    documents: dict[str, int] = {}
    num_tokens = 0
    for block in stats["blocks"]:
        totals = {name: value["total"] if isinstance(value, dict) else value for name, value in block["stats"].items()}
        for part, step in _BLOCKS.items():
            if part in block["name"]:
                documents[step] = int(totals.get("documents" if step == "read" else "forwarded", 0))
        num_tokens += int(totals.get("tokens", 0))
    return Outcome(documents, num_tokens, stats["seconds"])


def _groundup_command(warc: Path, folder: Path, conditions: Conditions) -> list[str]:
    recipe = folder / "recipe.toml"
    # The share of characters in duplicated lines is the value of datatrove's code, so that both judge alike.
    recipe.write_text(
        f"""name = "bench"
output = {json.dumps(str(folder / "build"))}

[[sources]]
name = "web"
kind = "files"
format = "warc"
paths = [{json.dumps(str(warc))}]

[filter]
languages = {json.dumps(list(conditions.languages))}
[filter.gopher_quality]
min_stop_words = {conditions.min_stop_words}
[filter.fineweb]
max_duplicate_line_character_fraction = 0.01
[filter.pii]
enabled = true
kinds = ["email", "ip"]

[tokenizer]
path = {json.dumps(str(gpt2_tokenizer()))}
"""
    )
    return [sys.executable, "-m", "groundup", "run", str(recipe), "--workers", "1"]


def _groundup_outcome(folder: Path) -> Outcome:
    from pipeline.filters.rules import C4, FINEWEB, GOPHER_QUALITY, GOPHER_REPETITION

    manifests = {stage: found.model_dump() for stage, found in Build(str(folder / "build")).manifests.items()}
    counts = {
        stage: manifest["counts"]["sources"]["web"] for stage, manifest in manifests.items() if stage != "tokenizer"
    }
    tables = {"gopher_repetition": GOPHER_REPETITION, "gopher_quality": GOPHER_QUALITY, "c4": C4, "fineweb": FINEWEB}
    step_of = {comparison.reason: step for step, table in tables.items() for comparison in table}
    dropped = dict.fromkeys(_STEPS, 0)
    for reason, number in counts["filter"]["dropped"].items():
        family = reason.partition("_")[0]
        step = step_of.get(reason) or (family if family in _STEPS else "gopher_repetition")
        dropped[step] += number
    documents = {"read": counts["extract"]["documents_in"], "extract": counts["extract"]["documents_out"]}
    left = documents["extract"]
    for step in _STEPS[2:-1]:
        left -= dropped[step]
        documents[step] = left
    if left != counts["filter"]["documents_out"]:
        raise RuntimeError(
            f"groundup's filter kept {counts['filter']['documents_out']} documents, its drops say {left}"
        )
    documents["dedup"] = counts["dedup"]["documents_out"]
    splits = manifests["shards"]["facts"]["splits"].values()
    seconds = {stage: manifest["run"]["seconds"] for stage, manifest in manifests.items()}
    return Outcome(documents, sum(split["num_tokens"] for split in splits), seconds)


_DATATROVE = Side("datatrove", _datatrove_command, _datatrove_outcome)
_GROUNDUP = Side("groundup", _groundup_command, _groundup_outcome)


def _missing() -> str | None:
    return missing_data(*_DATA) or missing_modules(*_MODULES)


def _measure(side: Side, warc: Path, conditions: Conditions, folder: Path) -> tuple[Measurement, Outcome]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = side.command(warc, folder, conditions)
    # What datatrove or a library of it keeps between runs stays below the bench's own folder, and none reaches out.
    environment = {"HF_HOME": str(OUTPUT / "cache"), "HF_HUB_OFFLINE": "1"}
    measurement = run_measured(command, REPOSITORY, environment, folder / "log.txt")
    return measurement, side.outcome(folder)


def _run(name: str, conditions: Conditions, num_rounds: int) -> Result:
    work = OUTPUT / name
    sides = (_DATATROVE, _GROUNDUP)
    few, warc = web_warc(_NUM_WARM_UP_PAGES), web_warc()
    start_up = {side.name: _measure(side, few, conditions, work / side.name)[0] for side in sides}
    measured: dict[str, list[Measurement]] = {side.name: [] for side in sides}
    outcomes: dict[str, Outcome] = {}
    for number in range(num_rounds):
        for side in sides if number % 2 == 0 else sides[::-1]:
            measurement, outcomes[side.name] = _measure(side, warc, conditions, work / side.name)
            measured[side.name].append(measurement)
    num_pages = outcomes[_GROUNDUP.name].documents["read"]
    return _result(name, conditions, num_pages, start_up, measured, outcomes)


def _result(
    name: str,
    conditions: Conditions,
    num_pages: int,
    start_up: dict[str, Measurement],
    measured: dict[str, list[Measurement]],
    outcomes: dict[str, Outcome],
) -> Result:
    peer, own = measured[_DATATROVE.name], measured[_GROUNDUP.name]
    wall_ratios = [a.wall_seconds / b.wall_seconds for a, b in zip(peer, own, strict=True)]
    cpu_ratios = [a.cpu_seconds / b.cpu_seconds for a, b in zip(peer, own, strict=True)]
    summary = {side: _summary(num_pages, measured[side], start_up[side]) for side in measured}
    speeds = {side: summary[side]["pages_per_second_after_start"] for side in summary}
    ratios = {
        "wall": statistics.median(wall_ratios),
        "cpu": statistics.median(cpu_ratios),
        "after_start": speeds[_GROUNDUP.name] / speeds[_DATATROVE.name],
    }
    figures = {
        "conditions": {
            "num_pages": num_pages,
            "languages": list(conditions.languages),
            "min_stop_words": conditions.min_stop_words,
            "python": platform.python_version(),
            "num_cpus": os.cpu_count(),
            "versions": {
                package: importlib.metadata.version(package) for package in ("datatrove", "trafilatura", "spacy")
            },
        },
        "ratios": {**ratios, "wall_by_round": wall_ratios, "cpu_by_round": cpu_ratios},
        "sides": {
            side: {
                **summary[side],
                "documents": outcomes[side].documents,
                "num_tokens": outcomes[side].num_tokens,
                "stage_seconds": outcomes[side].seconds,
            }
            for side in measured
        },
    }
    return Result(figures, _tables(name, len(peer), summary, ratios, outcomes), _notes(wall_ratios))


def _summary(num_pages: int, runs: list[Measurement], start_up: Measurement) -> dict[str, Any]:
    wall = statistics.median(run.wall_seconds for run in runs)
    return {
        "wall_seconds": wall,
        "cpu_seconds": statistics.median(run.cpu_seconds for run in runs),
        "peak_memory_bytes": max(run.peak_memory_bytes for run in runs),
        "pages_per_second": num_pages / wall,
        "few_pages_seconds": start_up.wall_seconds,
        "few_pages_cpu_seconds": start_up.cpu_seconds,
        "pages_per_second_after_start": (num_pages - _NUM_WARM_UP_PAGES) / (wall - start_up.wall_seconds),
    }


def _tables(
    name: str, num_rounds: int, summary: dict[str, Any], ratios: dict[str, float], outcomes: dict[str, Outcome]
) -> list[Table]:
    names = (_DATATROVE.name, _GROUNDUP.name)
    peer, own = (summary[side] for side in names)

    def row(label: str, key: str, form: str, scale: float = 1.0, ratio: str = "") -> list[str]:
        return [label, format(peer[key] / scale, form), format(own[key] / scale, form), ratio]

    speed = Table(
        f"{name}: medians of {num_rounds} rounds",
        ["", *names, "ratio"],
        [
            row("wall seconds", "wall_seconds", ".1f", ratio=f"{ratios['wall']:.1f}"),
            row("pages/s", "pages_per_second", ".1f"),
            row("processor seconds", "cpu_seconds", ".1f", ratio=f"{ratios['cpu']:.1f}"),
            row(f"wall seconds of {_NUM_WARM_UP_PAGES} pages", "few_pages_seconds", ".1f"),
            row(f"processor seconds of {_NUM_WARM_UP_PAGES} pages", "few_pages_cpu_seconds", ".1f"),
            row("pages/s beyond those", "pages_per_second_after_start", ".1f", ratio=f"{ratios['after_start']:.1f}"),
            row("peak memory, MiB", "peak_memory_bytes", ".0f", _MEBIBYTE),
        ],
    )
    rows = [[step, *(str(outcomes[side].documents[step]) for side in names)] for step in _STEPS]
    rows.append(["tokens", *(str(outcomes[side].num_tokens) for side in names)])
    documents = Table("documents left after each step", ["", *names], rows)
    stages = [
        Table(
            f"{side}: seconds by stage (last round)",
            ["stage", "seconds"],
            [[stage, f"{value:.2f}"] for stage, value in outcomes[side].seconds.items()],
        )
        for side in names
    ]
    return [speed, documents, *stages]


def _notes(wall_ratios: list[float]) -> list[str]:
    return [
        "ratios of wall time by round: " + ", ".join(f"{ratio:.1f}" for ratio in wall_ratios),
        "both run without URL lists, and replace e-mail and IP addresses. groundup also writes the signals of every "
        "document, provenance, digests and manifests; datatrove does not.",
        "the extractors differ (trafilatura, groundup), so texts, and what the rules keep of them, differ too.",
    ]


ENGLISH = Conditions(languages=("en",), min_stop_words=2)
ALL_LANGUAGES = Conditions(languages=(), min_stop_words=0)

BENCHES = [
    Bench(
        "pipeline",
        "1,032 pages, WARC to tokens, beside datatrove's FineWeb recipe (English, as FineWeb)",
        3,
        _missing,
        partial(_run, "pipeline", ENGLISH),
    ),
    Bench(
        "pipeline-all-languages",
        "the same with every language kept and without stop words, so that most pages pass every step",
        2,
        _missing,
        partial(_run, "pipeline-all-languages", ALL_LANGUAGES),
    ),
]
