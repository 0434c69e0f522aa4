"""Builds whose filter stage has written signals and comparisons, for what reads them."""

from __future__ import annotations

import ast
import json
import random
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import typer
from typer.testing import CliRunner

import manifests.cli
from manifests.builds import Build, write_seal
from manifests.manifest import FileEntry, write_manifest
from pipeline.build import run_build
from pipeline.recipe import load_recipe

_RECIPE = """
name = "docstrings"
output = "{output}"
[[sources]]
name = "library"
kind = "files"
paths = ["library/*.jsonl"]
format = "jsonl"
[[sources]]
name = "short"
kind = "files"
paths = ["short.jsonl"]
format = "jsonl"
[sources.filter.gopher_quality]
min_words = 20
[filter]
languages = []
rules = ["gopher_quality"]
[filter.gopher_quality]
min_words = 40
[tokenizer]
vocab_size = 300
[shards]
tokens_per_shard = 50_000
validation_fraction = 0.2
"""
_MODULES = """
argparse ast asyncio/tasks codecs collections/__init__ configparser csv datetime difflib doctest email/message enum
fractions functools heapq http/client inspect ipaddress logging/__init__ mailbox pathlib random
"""
# reason, signal, must_be, setting: in the order in which the recipe's rule compares
_QUALITY = [
    ("gopher_too_few_words", "num_words", "at_least", "min_words", 40.0),
    ("gopher_too_many_words", "num_words", "at_most", "max_words", 100_000.0),
    ("gopher_short_words", "mean_word_length", "at_least", "min_mean_word_length", 3.0),
    ("gopher_long_words", "mean_word_length", "at_most", "max_mean_word_length", 10.0),
    ("gopher_hashes", "hash_fraction", "at_most", "max_symbol_fraction", 0.1),
    ("gopher_ellipses", "ellipsis_fraction", "at_most", "max_symbol_fraction", 0.1),
    ("gopher_bullet_lines", "bullet_line_fraction", "at_most", "max_bullet_line_fraction", 0.9),
    ("gopher_ellipsis_lines", "ellipsis_line_fraction", "at_most", "max_ellipsis_line_fraction", 0.3),
    ("gopher_few_alphabetic_words", "alphabetic_word_fraction", "at_least", "min_alphabetic_word_fraction", 0.8),
    ("gopher_few_stop_words", "num_stop_words", "at_least", "min_stop_words", 2.0),
]


def comparisons_of(source: str) -> list[dict[str, Any]]:
    """What decided about a source of the build, in the order of its rules."""
    rows = [
        {
            "reason": reason,
            "signal": f"gopher_quality.{signal}",
            "must_be": must_be,
            "setting": f"gopher_quality.{setting}",
            "threshold": 20.0 if (source, setting) == ("short", "min_words") else threshold,
        }
        for reason, signal, must_be, setting, threshold in _QUALITY
    ]
    empty = {"reason": "empty", "signal": "empty.num_words", "must_be": "at_least", "setting": "", "threshold": 1.0}
    languages = [
        {"reason": "language", "signal": "language.is_wanted", "setting": "languages", "threshold": 1.0},
        {"reason": "language", "signal": "language.score", "setting": "language_threshold", "threshold": 0.0},
    ]
    return [*({**row, "must_be": "at_least"} for row in languages), empty, *rows]


def make_docstrings_build(folder: Path, output: str | None = None) -> str:
    """Build from the docstrings of the standard library, a JSONL file for some modules; returns where it is."""
    library = folder / "library"
    library.mkdir(parents=True)
    rows = list(_docstrings())
    for number in range(3):
        _write_lines(library / f"{number}.jsonl", rows[number:-200:3])
    _write_lines(folder / "short.jsonl", rows[-200:])
    recipe = folder / "docstrings.toml"
    url = output or str(folder / "out")
    recipe.write_text(_RECIPE.format(output=url), encoding="utf-8")
    run_build(load_recipe(recipe))
    add_signals(url)
    return url


def _write_lines(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _docstrings() -> Any:
    """Functions and classes with a docstring: the text, and a URL of its own; one text under two URLs now and then."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    for module in _MODULES.split():
        path = folder / f"{module}.py"
        if not path.exists():
            continue
        name = module.replace("/", ".")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (text := ast.get_docstring(node)):
                place = f"{name}/{node.name}-{node.lineno}.html"
                page = f"{name}/{node.name}.html"  # several functions of one name share a page
                yield {"id": place, "text": text, "url": f"https://docs.example/{sys.version_info.major}/{page}"}
                if len(text) > 600:
                    copy = f"copy/{place}"
                    yield {"id": copy, "text": text, "url": f"https://mirror.example/{copy}"}


def add_signals(url: str) -> None:
    """Give the filter stage of a build signals that agree with what it decided, as the stage writes them.

    A dropped document's value is the signal of its reason, those before it hold, and those after it are anything. A
    kept document's all hold, and some are null.
    """
    build = Build(url)
    manifest = build.manifest("filter")
    if "comparisons" in manifest.facts:
        return
    outputs = list(manifest.outputs)
    for part in build.parts("extract"):
        name = part.rpartition("/")[2]
        rows = list(_signal_rows(build, part, name))
        columns = sorted({name for row in rows for name in row if "." in name})
        fixed = [
            ("id", pa.string()), ("url", pa.string()), ("source", pa.string()), ("reason", pa.string()),
            ("value", pa.float64()), ("detail", pa.string()), ("row", pa.int64()), ("num_characters", pa.int64()),
            ("num_bytes", pa.int64()), ("language", pa.string()), ("language_score", pa.float64()),
            ("top_languages", pa.list_(pa.struct([("code", pa.string()), ("score", pa.float64())]))),
        ]  # fmt: skip
        schema = pa.schema([*fixed, *((column, pa.float64()) for column in columns)])
        with build.folder.folder("filter").publish(f"signals/{name}") as file:
            pq.write_table(pa.Table.from_pylist(rows, schema), file, row_group_size=64)
        outputs.append(FileEntry(path=f"signals/{name}", bytes=file.bytes, sha256=file.sha256, documents=len(rows)))
    facts = manifest.facts | {"comparisons": {source: comparisons_of(source) for source in manifest.counts.sources}}
    changed = manifest.model_copy(update={"outputs": sorted(outputs, key=lambda e: e.path), "facts": facts})
    write_manifest(build.folder.folder("filter"), changed)
    write_seal(build.folder, manifest.recipe, ["filter"])


def _signal_rows(build: Build, part: str, name: str) -> Any:
    went: dict[str, tuple[int, dict[str, Any]]] = {}
    for folder in ("filter", "filter/dropped"):
        table = pa.concat_tables(
            list(build.tables(f"{folder}/{name}")) or [pa.table({"id": pa.array([], pa.string())})]
        )
        went |= {row["id"]: (number, row) for number, row in enumerate(table.to_pylist())}
    for table in build.tables(part):
        for document in table.to_pylist():
            row, after = went[document["id"]]
            reason = after.get("reason")
            language, score = after["language"], after["language_score"]
            yield {
                **{key: document[key] for key in ("id", "url", "source")},
                "reason": reason,
                **{key: after.get(key) for key in ("value", "detail")},
                "row": row,
                "num_characters": len(document["text"]),
                "num_bytes": len(document["text"].encode()),
                "language": language,
                "language_score": score,
                "top_languages": [{"code": language, "score": score}],
                **_signals(document, reason, after.get("value")),
            }


def _signals(document: dict[str, Any], reason: str | None, value: float | None) -> dict[str, float | None]:
    chance = random.Random(document["id"])
    signals: dict[str, float | None] = {"language.is_wanted": None, "language.score": chance.random()}
    decided = False
    for row in comparisons_of(document["source"]):
        holds = row["threshold"] * (1 + (1 if row["must_be"] == "at_least" else -1) * chance.random())
        if row["reason"] == reason:
            signals[row["signal"]] = value
            decided = True
        elif decided:
            anything = row["threshold"] * chance.uniform(0.5, 1.5)
            signals.setdefault(row["signal"], holds if chance.random() < 0.8 else anything)
        else:
            signals.setdefault(row["signal"], None if chance.random() < 0.05 else holds)
    return signals


def rows_of(build: Build, stage: str, dropped: bool) -> list[dict[str, Any]]:
    """The rows of a stage's parts, with `part` and `row` beside."""
    return [
        {**row, "part": part, "row": number}
        for part in build.parts(stage, dropped)
        for number, row in enumerate(row for table in build.tables(part) for row in table.to_pylist())
    ]


def signals_of(build: Build) -> list[dict[str, Any]]:
    """The rows of the filter stage's signals, with the `name` of their part."""
    return [
        {**row, "name": entry.path.rpartition("/")[2]}
        for entry in build.manifest("filter").outputs
        if entry.path.startswith("signals/")
        for table in build.tables(f"filter/{entry.path}")
        for row in table.to_pylist()
    ]


def copy_build(build: Build, target: Path) -> Build:
    """A copy that may be changed."""
    shutil.copytree(build.folder.root, target)
    return Build(str(target))


def change_filter(build: Build, **facts: Any) -> Build:
    """Replace facts of the filter stage's manifest."""
    manifest = build.manifest("filter")
    write_manifest(build.folder.folder("filter"), manifest.model_copy(update={"facts": manifest.facts | facts}))
    return Build(build.url)


def run_command(*arguments: str) -> Any:
    """Run one of the commands that read builds."""
    app = typer.Typer()
    manifests.cli.register(app)
    return CliRunner().invoke(app, list(arguments))
