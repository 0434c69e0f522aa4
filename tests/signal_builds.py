"""Builds whose filter stage has written signals and comparisons, for what reads them."""

from __future__ import annotations

import ast
import json
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

import manifests.cli
from manifests.explore.build import Build
from manifests.manifest import write_manifest
from manifests.seal import read_seal, stage_seal, write_seal
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


def make_docstrings_build(folder: Path, output: str | None = None) -> str:
    """Build from the docstrings of the standard library, a JSONL file for some modules; returns where it is."""
    library = folder / "library"
    library.mkdir(parents=True)
    rows = list(docstrings())
    for number in range(3):
        _write_lines(library / f"{number}.jsonl", rows[number:-200:3])
    _write_lines(folder / "short.jsonl", rows[-200:])
    recipe = folder / "docstrings.toml"
    url = output or str(folder / "out")
    recipe.write_text(_RECIPE.format(output=url), encoding="utf-8")
    run_build(load_recipe(recipe))
    return url


def _write_lines(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def docstrings() -> Any:
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
    """Replace facts of the filter stage's manifest, as if a run had written them; None takes one out."""
    return change_facts(build, "filter", facts)


def change_facts(build: Build, stage: str, facts: dict[str, Any]) -> Build:
    """The same of any stage."""
    manifest, folder = build.manifest(stage), build.folder.folder(stage)
    kept = {name: fact for name, fact in (manifest.facts | facts).items() if fact is not None}
    write_manifest(folder, manifest.model_copy(update={"facts": kept}))
    seal = read_seal(build.folder)
    if seal is not None:
        write_seal(build.folder, seal["recipe"], {stage: stage_seal(folder)})
    return Build(build.url)


def run_command(*arguments: str) -> Any:
    """Run one of the commands that read builds."""
    app = typer.Typer()
    manifests.cli.register(app)
    return CliRunner().invoke(app, list(arguments))
